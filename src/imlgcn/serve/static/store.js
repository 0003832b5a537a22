// The state of the page. Parts listen for changes; only the functions here make them.

import * as api from "./api.js";
import { probabilities, sigmoid } from "./known.js";
import { close, decide, makeRules } from "./rules.js";

const SENDING = 4; // requests at once: the server batches them, the page stays responsive

export const store = Object.assign(new EventTarget(), {
  model: null,
  labels: [], // in the order of every array
  places: new Map(), // label -> its index
  names: [], // what users read for them
  table: [], // what /v1/labels says of each
  rules: null, // of the label table
  ownTable: true, // that is the tagger's own; false: another one, on this page only
  thresholds: [],
  update: null, // what answers say about other labels; null: nothing, or the head is asked
  step: null, // of the slider: what these thresholds reach, and on which images
  items: [], // in the order they came
  arranged: [], // in the order the gallery shows them
  by: null, // what made that order: "like" or "next"; null: they are as they came
  selected: null,
});

const waiting = [];
let sending = 0;

const emit = (what, detail) => store.dispatchEvent(new CustomEvent(what, { detail }));

/** Add new files and try failed ones again; return both, and how many were there already. */
export function add(files) {
  const known = new Map(store.items.map((item) => [identity(item), item]));
  const [added, again] = [[], []];
  for (const file of files) {
    const item = makeItem(file);
    const before = known.get(identity(item));
    if (before?.state === "failed") again.push(before);
    if (before) continue;
    known.set(identity(item), item);
    added.push(item);
  }
  store.items.push(...added);
  store.arranged.push(...added);
  if (added.length) emit("added", added);
  if (!store.selected && added.length) select(added[0]);
  request(added);
  retry(again);
  return { added, again, rest: files.length - added.length - again.length };
}

const makeItem = (file) => ({
  name: nameOf(file),
  file,
  state: "waiting", // then done or failed, and removed in the end
  probabilities: null, // with what the answers say
  free: null, // without
  given: null, // as the server gave them, by the tagger's own label table
  logits: null,
  revision: 0, // counts requests: the response to an earlier one is outdated
  error: null, // why the last request has no response
  refused: false, // the server cannot use the image; otherwise it may be tried again
  corrections: new Map(), // index of the label -> 1 yes, 0 no
  saved: false, // these corrections were downloaded
  maps: null,
  support: new Map(), // label -> promise of its training images
});

/** Send images again that have no response, or none to the last correction. */
export function retry(items = store.items.filter((item) => item.error)) {
  for (const item of items) {
    item.state = item.probabilities ? "done" : "waiting";
    item.error = null;
  }
  if (items.length) emit("asked", items);
  request(items);
}

// where the folder is known, its path tells images of one name apart
const nameOf = (file) => file.path ?? (file.webkitRelativePath || file.name);
const identity = ({ name, file }) => `${name}\n${file.size}\n${file.lastModified}`;

export function select(item) {
  store.selected = item;
  emit("selected", item);
}

export function remove(item) {
  const index = store.arranged.indexOf(item);
  store.arranged.splice(index, 1);
  store.items.splice(store.items.indexOf(item), 1);
  const next = store.arranged[Math.min(index, store.items.length - 1)] ?? null;
  item.state = "removed";
  emit("removed", item);
  if (store.selected === item) select(next);
}

export function clear() {
  store.arranged.length = waiting.length = 0;
  for (const item of store.items.splice(0)) {
    item.state = "removed";
    emit("removed", item);
  }
  select(null);
}

/** Show the items in another order, made by `by`; `store.items` stays as it is. */
export function arrange(items, by = null) {
  store.arranged = [...items];
  store.by = by;
  emit("arranged");
}

/**
 * Take over the tagger's labels, also when they have changed; what is new is unknown. `origins`:
 * label -> the labels it was made of, where that is not the one of its name.
 */
export function setLabels(items, origins = new Map()) {
  const before = new Map(store.labels.map((label, index) => [label, index]));
  const from = items.map(({ label }) =>
    (origins.get(label) ?? [label]).filter((old) => before.has(old)).map((old) => before.get(old)),
  );
  for (const item of store.items) relabel(item, from);
  store.update = null;
  store.labels = items.map((item) => item.label);
  store.places = new Map(store.labels.map((label, index) => [label, index]));
  store.ownTable = true;
  useTable(items);
  emit("relabelled");
}

/** Follow a label table: the tagger's own, or another one for the same labels. Thresholds follow. */
export function setTable(items, own = false) {
  store.ownTable = own;
  useTable(items);
  for (const item of store.items.filter(({ given }) => given)) {
    item.free = item.probabilities = freeOf(item);
    tell(item);
  }
}

function useTable(items) {
  store.table = items;
  store.names = items.map((item) => item.name ?? item.label);
  store.rules = makeRules(items);
}

/** What the server gave, or would have given by another label table. */
const freeOf = ({ given, logits }) =>
  store.ownTable || !logits ? given : close(store.rules, logits.map(sigmoid));

export function setThresholds(thresholds, step = null) {
  store.thresholds = thresholds;
  store.step = step;
  emit("thresholds");
}

/** Carry what is known of an item over: `from` has the indices that each label had, if any. */
function relabel(item, from) {
  const answers = from.map((olds, label) => [label, joined(olds.map((old) => item.corrections.get(old)))]);
  item.corrections = new Map(answers.filter(([, answer]) => answer !== undefined));
  item.probabilities &&= from.map((olds) => Math.max(0, ...olds.map((old) => item.probabilities[old])));
  Object.assign(item, { free: item.probabilities, given: item.probabilities, logits: null, maps: null });
  item.support.clear();
}

/** One answer of several: yes where one is yes, no where all are no, else none. */
const joined = (answers) =>
  answers.includes(1) ? 1 : answers.length && answers.every((answer) => answer === 0) ? 0 : undefined;

/** Ask for all tags anew: the tagger has changed. */
export function askAgain() {
  retry(store.items.filter((item) => !item.refused));
}

/** Take over what answers say about other labels, also those that were given before. */
export function setUpdate(update) {
  store.update = update;
  for (const item of store.items.filter(({ corrections }) => corrections.size)) {
    tell(item);
    emit("corrected", item);
  }
}

/** Move the probabilities by the answers, at once; nothing answered leaves the server's own. */
function tell(item) {
  if (!store.update || !item.logits) return;
  item.probabilities = item.corrections.size
    ? probabilities(store.update, item.logits, item.corrections)
    : item.free;
}

/** Answer yes (1), no (0) or nothing (null) to a label; some heads score the image again. */
export function correct(item, label, value) {
  if (value === null) item.corrections.delete(label);
  else item.corrections.set(label, value);
  item.saved = false;
  tell(item);
  emit("corrected", item);
  if (areSent()) request([item], "first");
}

/** Whether answers move the other labels on the server: by the head, or by counts too many to have here. */
const areSent = () => store.model.known_by === "head" || (store.model.can.known && !store.model.can.known_here);

/** Whether the item has corrections that were not downloaded. */
export const isUnsaved = (item) => item.corrections.size > 0 && !item.saved;

export const isFound = (item, label) => tagsOf(item).has(label);

const decided = new WeakMap(); // item -> its tags, and what they were made of

function tagsOf(item) {
  const { probabilities, corrections } = item;
  const made = [probabilities, store.thresholds, [...corrections].join()];
  const before = decided.get(item);
  if (before?.made.every((part, index) => part === made[index])) return before.tags;
  const tags = decide(store.rules, probabilities, store.thresholds, corrections);
  decided.set(item, { made, tags });
  return tags;
}

/** The found labels of an item, most probable first. */
export function found(item) {
  if (!item?.probabilities) return [];
  const tags = [...tagsOf(item)].sort((a, b) => a - b);
  return tags.sort((a, b) => item.probabilities[b] - item.probabilities[a]);
}

const ordered = new WeakMap(); // probabilities -> their order: of thousands it takes a while

export function order({ probabilities }) {
  if (!ordered.has(probabilities)) {
    ordered.set(
      probabilities,
      [...store.labels.keys()].sort((a, b) => probabilities[b] - probabilities[a]),
    );
  }
  return ordered.get(probabilities);
}

const MOST_MAPS = 1000; // labels whose maps are requested together

/** Request an item's activation maps once, and again after a failure; of very many labels that of one. */
export function mapsOf(item, label) {
  const few = store.labels.length <= MOST_MAPS;
  const key = few ? "" : store.labels[label];
  item.maps ??= new Map();
  const kept = item.maps;
  if (!kept.has(key)) {
    const asked = api.maps(item.file, few ? [] : [key]).catch((error) => {
      kept.delete(key);
      throw error;
    });
    kept.set(key, asked);
  }
  return kept.get(key);
}

export const isBusy = () => sending + waiting.length > 0;

function request(items, first) {
  for (const item of items) item.revision += 1;
  const fresh = items.filter((item) => !waiting.includes(item));
  if (first) waiting.unshift(...fresh);
  else waiting.push(...fresh);
  work();
}

function work() {
  while (sending < SENDING && waiting.length) {
    const item = waiting.shift();
    if (item.state === "removed") continue;
    sending += 1;
    score(item).finally(() => {
      sending -= 1;
      work();
      emit("progress");
    });
  }
}

async function score(item) {
  const revision = item.revision;
  const known = Object.fromEntries([...item.corrections].map(([k, v]) => [store.labels[k], v]));
  const given = areSent() && item.corrections.size ? known : null;
  const answer = await ask(item, given).catch((error) => error);
  if (item.state === "removed" || item.revision !== revision) return; // a newer response is to come
  if (answer instanceof Error) fail(item, answer);
  else take(item, answer);
  emit("scored", item);
}

function take(item, { probabilities: given, logits }) {
  const free = freeOf({ given, logits });
  Object.assign(item, { state: "done", probabilities: free, free, given, logits, error: null });
  tell(item);
}

async function ask(item, known) {
  const limit = store.model.limits.bytes;
  if (item.file.size <= limit) {
    const answer = await api.tag(item.file, known);
    if (answer.probabilities.length === store.labels.length) return answer;
    throw new Error("The tagger’s labels have changed. Load this page anew.");
  }
  throw api.refusal(`${item.name} is larger than the ${Math.round(limit / 1e6)} MB that the server accepts.`);
}

/** Earlier probabilities stay: only an image that never had any has failed. */
function fail(item, error) {
  const reason = error.message.replace(/^image: /, "");
  item.refused = error.refused === true;
  item.error = item.refused ? reason : `${reason} It is not the image’s fault: try again.`;
  if (item.probabilities) item.error = `The head has not used the last answer. ${item.error}`;
  else item.state = "failed";
}
