// A new label from selected images: a box on each card, a bar that asks for the name, and undo.

import { addLabel, undoLabel } from "./api.js";
import { byId, make, say } from "./dom.js";
import { plural } from "./numbers.js";
import { store } from "./store.js";

const boxes = new Map(); // item -> its checkbox
const origins = new Map(); // change that was made here -> where labels come from when it is undone
let busy = false;

/** Return the checkbox that selects an item for a new label. */
export function pick(item) {
  const box = make("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${item.name}` });
  box.addEventListener("change", renew);
  boxes.set(item, box);
  return box;
}

/** Start to listen; `taken` takes the changed tagger over and tags all images anew. */
export function show(taken) {
  if (!store.model.can.grow) return;
  store.addEventListener("removed", ({ detail }) => {
    boxes.delete(detail);
    renew();
  });
  store.addEventListener("added", renew);
  byId("pick-all").addEventListener("click", () => pickAll(true));
  byId("pick-none").addEventListener("click", () => {
    pickAll(false);
    byId("gallery").querySelector("[aria-current]")?.focus(); // the bar disappears, the focus must not
  });
  byId("grow").addEventListener("submit", (event) => {
    event.preventDefault();
    learn(taken);
  });
  byId("undo").addEventListener("click", () => undo(taken));
  offerUndo();
}

const isPicked = (item) => boxes.get(item)?.checked === true;

function pickAll(checked) {
  for (const box of boxes.values()) box.checked = checked;
  renew();
}

function renew() {
  const picked = store.items.filter(isPicked).length;
  const rest = store.items.length - picked;
  const before = byId("grow").hidden;
  byId("grow").hidden = !picked;
  byId("grow-count").textContent = `${picked} selected`;
  byId("pick-all").hidden = !rest;
  byId("grow-rest-line").hidden = !rest;
  byId("grow-rest-says").textContent =
    rest === 1 ? "The other image here does not show it" : `The other ${plural(rest, "image")} here do not show it`;
  byId("grow-problem").hidden = true;
  if (picked) say(before ? `${picked} selected. Name the new label below the images` : `${picked} selected`);
}

async function learn(taken) {
  const name = byId("grow-name").value.trim();
  const shown = store.items.filter(isPicked);
  const other = byId("grow-rest").checked ? store.items.filter((item) => !isPicked(item)) : [];
  if (!name) return;
  const failure = await change(`Learning “${name}” from ${plural(shown.length, "image")}`, async () => {
    const { label, expectation } = await addLabel(name, shown, other);
    await taken();
    byId("grow-name").value = "";
    byId("grow-rest").checked = false;
    pickAll(false);
    tell(`New label “${label}”: ${expectation}.`);
  });
  byId("grow-problem").hidden = !failure;
  byId("grow-problem").textContent = failure ?? "";
  if (!failure) byId("undo").focus({ preventScroll: true }); // the bar has gone, the focus must not
}

async function undo(taken) {
  const failure = await change("Taking it back", async () => {
    const { taken_back } = await undoLabel();
    await taken(origins.get(taken_back));
    tell(`Taken back: ${taken_back}.`);
  });
  if (failure) tell(failure);
  if (byId("undo").hidden) byId("gallery").querySelector("[aria-current]")?.focus();
}

/** Remember where labels come from (label -> [labels]) once a change is taken back. */
export const remember = (done, backwards) => origins.set(done, backwards);

/** Do one thing at a time; return why it failed, or nothing. */
export async function change(words, work) {
  if (busy) return null;
  setBusy(true);
  say(words);
  try {
    return (await work()) ?? null;
  } catch (error) {
    return error.message;
  } finally {
    setBusy(false);
    offerUndo();
  }
}

function setBusy(value) {
  busy = value;
  byId("grow").setAttribute("aria-busy", String(busy));
  byId("grow-add").textContent = busy ? "Learning…" : "Add";
  for (const button of [byId("grow-add"), byId("undo")]) button.setAttribute("aria-disabled", String(busy));
}

/** Say what was done, beside the button that takes it back. */
export function tell(text) {
  byId("grown-says").textContent = text.replaceAll(" %", "\u00a0%");
  say(text);
}

/** The button says what it takes back: the last change of the tagger's labels, whoever made it. */
function offerUndo() {
  const last = store.model.last_change;
  byId("undo").hidden = !last;
  byId("undo").textContent = last ? `Undo: ${last}` : "";
  byId("grown").hidden = !last && !byId("grown-says").textContent;
}
