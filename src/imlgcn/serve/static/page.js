// Ties the parts together: what is asked first, what comes in, what goes out.

import { get } from "./api.js";
import { correctionsTable, download, tagsTable } from "./csv.js";
import * as detail from "./detail.js";
import { byId, say } from "./dom.js";
import * as files from "./files.js";
import * as gallery from "./gallery.js";
import * as graph from "./graph.js";
import { add, clear, found, isBusy, setThresholds, store } from "./store.js";
import * as trade from "./trade.js";

async function start() {
  try {
    const [model, labels] = await Promise.all([get("/v1/model"), get("/v1/labels")]);
    store.model = model;
    store.labels = labels.labels.map((item) => item.label);
    setThresholds(labels.labels.map((item) => item.threshold));
    introduce(model);
  } catch (error) {
    byId("facts").textContent = error.message;
    return;
  }
  gallery.show();
  detail.show();
  files.listen(take);
  tools();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
  const { can } = store.model;
  if (can.thresholds) trade.show(await get("/v1/thresholds").catch(() => null));
  if (can.graph) graph.show(await get("/v1/graph").catch(() => null));
}

function introduce(model) {
  document.title = `${model.name} · imlgcn`;
  byId("name").textContent = model.name;
  const { mAP, split, protocol } = model.metrics;
  const quality = mAP === undefined ? [] : [`mAP ${mAP.toFixed(1)} (${split ?? "test"}, ${protocol})`];
  const parts = [`${model.labels} labels`, `${model.head} on ${model.backbone}`, ...quality, model.engine];
  byId("facts").textContent = parts.join(" · ");
  byId("known-says").textContent = model.can.known
    ? "A yes or no goes to the server, and the head weighs it for the other labels."
    : "A yes or no corrects the tags here and in the CSV files.";
}

function take(chosen) {
  const number = add(chosen);
  if (number) say(`${number} ${number === 1 ? "image" : "images"} added`);
}

function tools() {
  for (const what of ["added", "removed", "scored", "corrected", "progress"]) {
    store.addEventListener(what, renew);
  }
  byId("clear").addEventListener("click", () => {
    clear();
    renew();
    byId("choose").focus();
  });
  const done = () => store.items.filter((item) => item.state === "done");
  byId("save-tags").addEventListener("click", () =>
    download("tags.csv", tagsTable(done(), store.labels, found)),
  );
  byId("save-corrections").addEventListener("click", () =>
    download("corrections.csv", correctionsTable(done(), store.labels)),
  );
  store.addEventListener("scored", ({ detail: item }) => {
    if (item === store.selected) say(summary(item));
  });
  store.addEventListener("progress", () => {
    if (!isBusy() && store.items.length > 1) say(`All ${store.items.length} images are done`);
  });
}

const summary = (item) =>
  item.error ?? `${item.name}: ${found(item).map((label) => store.labels[label]).join(", ") || "no tag"}`;

function renew() {
  const total = store.items.length;
  const done = store.items.filter((item) => item.state !== "waiting").length;
  const failed = store.items.filter((item) => item.state === "failed").length;
  byId("images").hidden = !byId("drop").classList.toggle("small", total > 0);
  byId("count").textContent = total
    ? `${done < total ? `${done} of ${total}` : total}${failed ? `, ${failed} not tagged` : ""}`
    : "";
  byId("progress").hidden = done === total;
  byId("progress").max = Math.max(total, 1);
  byId("progress").value = done;
  byId("save-tags").disabled = done === failed;
  byId("save-corrections").disabled = !store.items.some((item) => item.corrections.size);
}

start();
