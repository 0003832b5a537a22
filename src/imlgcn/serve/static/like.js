// "More like this": the images in the order of how alike their scores are to those of one image.

import { byId, notice, say } from "./dom.js";
import { arrange, isBusy, store } from "./store.js";

const SMALLEST = 1e-6; // of a probability whose logit is not known

let reference = null; // the item that the others are sorted by; null: they are as they came
let due = false; // images were added, or all are tagged anew: sort again when they are done

export function show() {
  byId("like").addEventListener("click", () => {
    reference = store.selected;
    sort();
    notice("");
    say(`Sorted by likeness to ${nameOf(reference)}`);
    byId("sorted").scrollIntoView({ block: "nearest" });
    byId("gallery").scrollLeft = 0;
  });
  byId("unsort").addEventListener("click", () => {
    back();
    byId("gallery").querySelector("[aria-current]")?.focus(); // the bar disappears, the focus must not
  });
  for (const what of ["added", "asked"]) store.addEventListener(what, () => (due = true));
  for (const what of ["selected", "added", "scored", "removed"]) store.addEventListener(what, offer);
  store.addEventListener("removed", ({ detail }) => detail === reference && back());
  store.addEventListener("arranged", () => {
    if (store.by === "like") return;
    reference = null;
    byId("sorted").hidden = true;
  });
  store.addEventListener("progress", () => {
    if (isBusy() || !due) return;
    due = false;
    if (reference) sort();
  });
}

/** Offer the button where it can do something. */
function offer() {
  byId("like").hidden = !store.selected?.probabilities || store.items.length < 2;
}

function sort() {
  byId("sorted").hidden = false;
  byId("sorted-says").textContent = `Sorted by likeness to ${nameOf(reference)}`;
  arrange(likeness(store.items, reference), "like");
}

function back() {
  arrange(store.items);
  if (store.items.length) say("Original order");
}

const nameOf = (item) => item.name.split("/").at(-1);

/**
 * Return the items, the one like `item` in its scores first: by the cosine of the scores less each
 * label's mean over all items. `item` comes first, items without scores last, ties as they came.
 */
export function likeness(items, item) {
  const scored = items.filter(({ probabilities }) => probabilities);
  const rows = new Map(scored.map((other) => [other, scoresOf(other)])); // item -> scores (L)
  const means = scoresOf(item).map((_, label) => mean(scored.map((other) => rows.get(other)[label])));
  const centred = (other) => rows.get(other).map((score, label) => score - means[label]);
  const own = centred(item);
  const alike = new Map(scored.map((other) => [other, cosine(own, centred(other))]));
  alike.set(item, Infinity);
  const rest = items.filter((other) => !alike.has(other));
  return [...scored.sort((a, b) => (alike.get(a) === alike.get(b) ? 0 : alike.get(b) - alike.get(a))), ...rest];
}

/** The tagger's own logits, whatever was answered. */
const scoresOf = ({ logits, free }) => logits ?? free.map(logit);

function logit(probability) {
  const p = Math.min(Math.max(probability, SMALLEST), 1 - SMALLEST);
  return Math.log(p) - Math.log1p(-p);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The cosine of two rows; 0 where one of them is all zeros: like the mean, like nothing. */
function cosine(a, b) {
  const [ab, aa, bb] = [dot(a, b), dot(a, a), dot(b, b)];
  return aa && bb ? ab / Math.sqrt(aa * bb) : 0;
}

const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
