// All that the page knows. Parts listen for what changed; only the functions here change anything.

import * as api from "./api.js";

const SENDING = 4; // images on their way at once: the server batches them, the page stays quick

export const store = Object.assign(new EventTarget(), {
  model: null,
  labels: [], // names, in the order of every array
  thresholds: [],
  step: null, // of the slider: what these thresholds got on validation
  items: [], // {id, name, file, state, probabilities, error, corrections, maps}
  selected: null,
});

let nextId = 1;
const waiting = [];
let sending = 0;

const tell = (what, detail) => store.dispatchEvent(new CustomEvent(what, { detail }));

export function add(files) {
  const seen = new Set(store.items.map(identity));
  const fresh = files.filter((file) => !seen.has(identity({ name: nameOf(file), file })));
  const items = fresh.map((file) => ({
    id: nextId++,
    name: nameOf(file),
    file,
    state: "waiting",
    probabilities: null,
    error: null,
    corrections: new Map(), // place of the label -> 1 yes, 0 no
    maps: null,
  }));
  store.items.push(...items);
  waiting.push(...items);
  tell("added", items);
  if (!store.selected && items.length) select(items[0]);
  work();
  return items.length;
}

const nameOf = (file) => file.path ?? (file.webkitRelativePath || file.name);
const identity = ({ name, file }) => `${name}\n${file.size}\n${file.lastModified}`;

export function select(item) {
  store.selected = item;
  tell("selected", item);
}

export function remove(item) {
  const place = store.items.indexOf(item);
  store.items.splice(place, 1);
  item.state = "removed";
  tell("removed", item);
  if (store.selected === item) select(store.items[Math.min(place, store.items.length - 1)] ?? null);
}

export function clear() {
  for (const item of [...store.items]) {
    item.state = "removed";
    tell("removed", item);
  }
  store.items.length = waiting.length = 0;
  select(null);
}

export function setThresholds(thresholds, step = null) {
  store.thresholds = thresholds;
  store.step = step;
  tell("thresholds");
}

/** Answer yes (1), no (0) or nothing (null) to a label; heads that can use it score again. */
export function correct(item, label, value) {
  if (value === null) item.corrections.delete(label);
  else item.corrections.set(label, value);
  tell("corrected", item);
  if (store.model.can.known) {
    waiting.unshift(item);
    work();
  }
}

export const isFound = (item, label) =>
  item.corrections.get(label) === 1 ||
  (item.corrections.get(label) !== 0 && item.probabilities[label] >= store.thresholds[label]);

/** The found labels of an item, most probable first. */
export function found(item) {
  if (!item?.probabilities) return [];
  return order(item).filter((label) => isFound(item, label));
}

export const order = (item) =>
  [...store.labels.keys()].sort((a, b) => item.probabilities[b] - item.probabilities[a]);

/** Ask for an item's maps once. */
export function mapsOf(item) {
  item.maps ??= api.maps(item.file);
  return item.maps;
}

export const isBusy = () => sending + waiting.length > 0;

function work() {
  while (sending < SENDING && waiting.length) {
    const item = waiting.shift();
    if (item.state === "removed") continue;
    sending += 1;
    score(item).finally(() => {
      sending -= 1;
      work();
      tell("progress");
    });
  }
}

async function score(item) {
  const limit = store.model.limits.bytes;
  const known = Object.fromEntries([...item.corrections].map(([k, v]) => [store.labels[k], v]));
  const given = store.model.can.known && item.corrections.size ? known : null;
  try {
    if (item.file.size > limit) {
      throw new Error(`${item.name} is larger than the ${Math.round(limit / 1e6)} MB the server takes.`);
    }
    item.probabilities = await api.tag(item.file, given);
    item.error = null;
  } catch (error) {
    item.error = error.message.replace(/^image: /, "");
  }
  if (item.state === "removed") return;
  item.state = item.error ? "failed" : "done";
  tell("scored", item);
}
