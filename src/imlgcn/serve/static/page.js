// Connect the parts: the first requests, images in, tables out.

import { get } from "./api.js";
import { correctionsTable, download, tagsTable, unclearNames } from "./csv.js";
import * as detail from "./detail.js";
import { byId, notice, say } from "./dom.js";
import * as files from "./files.js";
import * as gallery from "./gallery.js";
import * as graph from "./graph.js";
import * as grow from "./grow.js";
import { makeUpdate } from "./known.js";
import * as labels from "./labels.js";
import * as like from "./like.js";
import * as next from "./next.js";
import { number, plural } from "./numbers.js";
import {
  add,
  askAgain,
  clear,
  found,
  isBusy,
  isUnsaved,
  remove,
  retry,
  setLabels,
  setThresholds,
  setUpdate,
  store,
} from "./store.js";
import * as table from "./table.js";
import * as tradeoff from "./tradeoff.js";

async function start() {
  try {
    await learnFacts();
  } catch (error) {
    byId("facts").textContent = error.message;
    return;
  }
  next.show(); // before the gallery: what it says of an image is on the cards
  gallery.show();
  detail.show();
  like.show();
  files.listen(take);
  grow.show(renewTagger);
  labels.show(renewTagger);
  table.show(renewTagger, graph.renew);
  tools();
  document.documentElement.dataset.ready = "true";
  performance.mark("ready");
  await learnMore();
}

/** Ask what the tagger is; the page needs it to tag. */
async function learnFacts(origins) {
  const [model, { labels: items }] = await Promise.all([get("/v1/model"), get("/v1/labels")]);
  store.model = model;
  setLabels(items, origins);
  setThresholds(items.map((item) => item.threshold));
  introduce(model);
}

async function learnMore() {
  const { can } = store.model;
  if (can.known_here) {
    get("/v1/known").then(async (facts) => setUpdate(await makeUpdate(facts, store.labels)), () => null);
  }
  tradeoff.show(can.thresholds ? await get("/v1/thresholds").catch(() => null) : null);
  graph.show(can.graph ? await get("/v1/graph").catch(() => null) : null);
}

/** The tagger's labels have changed: take it over, and tag every image anew. */
async function renewTagger(origins) {
  await learnFacts(origins);
  askAgain();
  await learnMore();
}

function introduce(model) {
  document.title = `${model.name} · imlgcn`;
  byId("name").textContent = model.name;
  const { mAP, split, protocol } = model.metrics;
  const quality = mAP === undefined ? [] : [`mAP ${number(mAP)} (${split ?? "test"}, ${protocol})`];
  const parts = [plural(model.labels, "label"), `${model.head} on ${model.backbone}`, ...quality, model.engine];
  byId("facts").textContent = parts.join(" · ");
  byId("audit").hidden = !model.can.audit;
  const says = {
    counts: "A yes or no moves the other labels at once, by how often they occur together. Click it again to take it back.",
    sent: "A yes or no is sent to the server, which moves the other labels by how often they occur together. Click it again to take it back.",
    head: "A yes or no is sent to the server: the head takes it into account for the other labels.",
  };
  const way = model.known_by === "counts" && !model.can.known_here ? "sent" : model.known_by;
  byId("known-says").textContent =
    says[way] ?? "A yes or no corrects the tags here and in the CSV files.";
}

function take(chosen) {
  const { added, again, rest } = add(chosen);
  if (added.length) say(`${plural(added.length, "image")} added`);
  if (again.length) say(`${plural(again.length, "image")} tried again`);
  if (!chosen.length) notice("There is no image in it.");
  else notice(rest ? `Already there: ${plural(rest, "image")}.` : "");
}

function tools() {
  for (const what of ["added", "asked", "removed", "scored", "corrected", "progress"]) {
    store.addEventListener(what, renew);
  }
  byId("retry").addEventListener("click", () => {
    retry();
    byId("gallery").querySelector("[aria-current]").focus(); // the button disappears, the focus must not
  });
  byId("clear").addEventListener("click", () => {
    if (!mayLose(store.items)) return;
    clear();
    renew();
    notice("");
    byId("choose").focus();
  });
  byId("remove").addEventListener("click", () => {
    if (!mayLose([store.selected])) return;
    remove(store.selected);
    if (!store.selected) byId("choose").focus();
  });
  window.addEventListener("beforeunload", (event) => {
    if (store.items.some(isUnsaved)) event.preventDefault();
  });
  byId("save-tags").addEventListener("click", saveTags);
  byId("save-corrections").addEventListener("click", saveCorrections);
  announce();
}

function announce() {
  let expected = false; // images were added or tried again: announce when they are done
  for (const what of ["added", "asked"]) store.addEventListener(what, () => (expected = true));
  store.addEventListener("scored", ({ detail: item }) => {
    if (item === store.selected) say(summary(item));
  });
  store.addEventListener("corrected", ({ detail: item }) => {
    if (item === store.selected && store.update && item.probabilities) say(summary(item));
  });
  store.addEventListener("progress", () => {
    if (isBusy() || !expected) return;
    expected = false;
    if (store.items.length > 1) say(`All ${plural(store.items.length, "image")} are done`);
  });
}

const summary = (item) =>
  item.error ?? `${item.name}: ${found(item).map((label) => store.names[label]).join(", ") || "no tag"}`;

/** Corrections are work: ask before they are discarded. */
function mayLose(items) {
  const unsaved = items.filter(isUnsaved).length;
  if (!unsaved) return true;
  return confirm(`The corrections of ${plural(unsaved, "image")} were not downloaded. Discard them?`);
}

const done = () => store.items.filter((item) => item.state === "done");

function saveTags() {
  download("tags.csv", tagsTable(done(), store.labels, found));
  const why = reasons();
  notice(why && `In tags.csv some names do not identify one file. ${why}`);
}

/** Training data must be unambiguous: rows whose name does not identify one file are left out. */
function saveCorrections() {
  const { shared, pasted } = unclearNames(store.items);
  const corrected = done().filter((item) => item.corrections.size);
  const rows = corrected.filter((item) => ![...shared, ...pasted].includes(item.name));
  if (rows.length) download("corrections.csv", correctionsTable(rows, store.labels));
  for (const item of rows) item.saved = true;
  const left = corrected.length - rows.length;
  notice(left ? `Left out of corrections.csv: ${plural(left, "image")}. ${reasons()}` : "");
}

function reasons() {
  const { shared, pasted } = unclearNames(store.items);
  const parts = [
    shared.length &&
      `Several images share a name (${some(shared)}): drop their folders, and their paths become the names.`,
    pasted.length && `Pasted images have no file (${some(pasted)}).`,
  ];
  return parts.filter(Boolean).join(" ");
}

const some = (names) =>
  names.length > 5 ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more` : names.join(", ");

function renew() {
  const total = store.items.length;
  const done = store.items.filter((item) => item.state !== "waiting").length;
  const failed = store.items.filter((item) => item.state === "failed").length;
  byId("images").hidden = !byId("drop").classList.toggle("small", total > 0);
  byId("count").textContent = total
    ? `${done < total ? `${done} of ${total}` : total}${failed ? `, ${failed} not tagged` : ""}`
    : "";
  byId("retry").hidden = !store.items.some((item) => item.error);
  byId("progress").hidden = done === total;
  byId("progress").max = Math.max(total, 1);
  byId("progress").value = done;
  byId("save-tags").disabled = done === failed;
  byId("save-corrections").disabled = !store.items.some((item) => item.corrections.size);
}

start();
