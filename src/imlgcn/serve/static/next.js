// Which images to label next: those whose labels would teach the tagger most, as `imlgcn suggest`.

import { suggest, vectors } from "./api.js";
import { download, nextTable } from "./csv.js";
import { byId, say } from "./dom.js";
import { plural } from "./numbers.js";
import { arrange, store } from "./store.js";

const AT_ONCE = 16; // images of a request, at most
const BYTES = 16e6; // of a request, at most, unless one image is larger

const read = new WeakMap(); // item -> {model, vector}: what the server needs of it
const reasons = new Map(); // item -> {why, nearest, similarity}, the best first
let running = 0; // counts choices: an earlier one that is still under way is dropped

/** Why an item is among those to label next: {place, why}; null where it is not. */
export function reasonOf(item) {
  const { why } = reasons.get(item) ?? {};
  return why ? { place: [...reasons.keys()].indexOf(item) + 1, why } : null;
}

export function show() {
  for (const what of ["added", "removed"]) store.addEventListener(what, offer);
  byId("next").addEventListener("click", choose);
  byId("next-bar").addEventListener("submit", (event) => {
    event.preventDefault();
    choose();
  });
  byId("next-rare").addEventListener("change", choose);
  byId("next-save").addEventListener("click", () => {
    download("next.csv", nextTable([...reasons].map(([item, reason]) => ({ image: item.name, ...reason }))));
  });
  byId("next-end").addEventListener("click", () => {
    arrange(store.items);
    say("Original order");
    byId("gallery").querySelector("[aria-current]")?.focus(); // the bar disappears, the focus must not
  });
  store.addEventListener("arranged", () => store.by !== "next" && end());
  store.addEventListener("removed", ({ detail }) => {
    reasons.delete(detail);
    if (!store.items.length) end();
  });
  store.addEventListener("relabelled", () => store.by === "next" && arrange(store.items));
}

function offer() {
  byId("next").hidden = !store.model.can.suggest || store.items.length < 2;
}

function end() {
  running += 1;
  reasons.clear();
  byId("next-bar").hidden = true;
}

async function choose() {
  if (!byId("next-budget").checkValidity()) return;
  const run = (running += 1);
  byId("next-bar").hidden = false;
  byId("next-bar").setAttribute("aria-busy", "true");
  try {
    const items = [...store.items].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
    const able = await readAll(items, run);
    if (run !== running) return;
    const found = await ask(able);
    if (run !== running) return;
    take(found, able, items.length);
  } catch (error) {
    if (run === running) tell(error.message);
  } finally {
    if (run === running) byId("next-bar").setAttribute("aria-busy", "false");
  }
}

/** Have every item read that was not read for this tagger; return those that could be. */
async function readAll(items, run) {
  const isRead = (item) => read.get(item)?.model === store.model;
  const [model, todo] = [store.model, items.filter((item) => !isRead(item))];
  say(`Comparing ${plural(items.length, "image")}`);
  while (todo.length && run === running) {
    byId("next-says").textContent = `Comparing images: ${items.length - todo.length} of ${items.length}`;
    const part = takePart(todo);
    const found = await vectors(part);
    part.forEach((item, place) => read.set(item, { model, vector: found[place].vector }));
  }
  return items.filter((item) => read.get(item)?.vector && item.state !== "removed");
}

function takePart(todo) {
  const part = [todo.shift()];
  let size = part[0].file.size;
  const most = Math.min(AT_ONCE, store.model.limits.images);
  while (todo.length && part.length < most && size + todo[0].file.size <= BYTES) {
    size += todo[0].file.size;
    part.push(todo.shift());
  }
  return part;
}

/** Ask by place: names need not differ. */
function ask(items) {
  const images = items.map((item, place) => ({ name: String(place), vector: read.get(item).vector }));
  return suggest(images, Number(byId("next-budget").value), byId("next-rare").checked);
}

function take({ images, known }, items, total) {
  reasons.clear();
  for (const { image, ...reason } of images) reasons.set(items[Number(image)], reason);
  const first = [...reasons.keys()];
  arrange([...first, ...store.items.filter((item) => !reasons.has(item))], "next");
  byId("gallery").scrollLeft = 0;
  const left = total - items.length;
  const parts = [
    first.length
      ? `Label ${first.length === 1 ? "this one" : `these ${first.length}`} of ${plural(total, "image")} next, the most ` +
        "useful first: the labels would tell the tagger most about the others."
      : "No image here would teach the tagger anything new.",
    known && `${plural(known, "image")} nearly the same as a training image ${known === 1 ? "needs" : "need"} no label.`,
    left && `${plural(left, "image")} could not be read.`,
  ];
  tell(parts.filter(Boolean).join(" "));
}

function tell(text) {
  byId("next-says").textContent = text;
  say(text);
}
