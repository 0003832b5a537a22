// The labels of the tagger: a dialog to look through them, and to remove, rename and merge them.

import { changeLabels } from "./api.js";
import { byId, make } from "./dom.js";
import { change, remember, tell } from "./grow.js";
import { number, plural } from "./numbers.js";
import { store } from "./store.js";

const MOST = 300; // labels in the list; more are found by name

const chosen = new Set(); // labels, in the order they were chosen
let current = 0; // of the boxes: the one that the Tab key stops at
let busy = false;

/** Start to listen; `taken` takes the changed tagger over and tags all images anew. */
export function show(taken) {
  const dialog = byId("labels");
  byId("labels-open").addEventListener("click", () => {
    chosen.clear();
    byId("labels-find").value = "";
    list();
    renew();
    dialog.showModal();
  });
  byId("labels-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  byId("labels-find").addEventListener("input", list);
  byId("labels-list").addEventListener("keydown", move);
  byId("change").hidden = !store.model.can.grow;
  byId("change").addEventListener("submit", (event) => {
    event.preventDefault();
    work(chosen.size > 1 ? merge : rename, taken);
  });
  byId("change-remove").addEventListener("click", () => work(remove, taken));
}

const nameOf = (label) => store.names[store.places.get(label)];

/** Show the labels that are searched for. */
export function list() {
  const wanted = byId("labels-find").value.trim().toLowerCase();
  const found = store.labels.filter(
    (label) => !wanted || [label, nameOf(label)].some((name) => name.toLowerCase().includes(wanted)),
  );
  current = 0;
  byId("labels-list").replaceChildren(...found.slice(0, MOST).map(row));
  const left = found.length - MOST;
  byId("labels-count").textContent = wanted
    ? `${number(found.length, 0)} of ${number(store.labels.length, 0)}`
    : `${number(store.labels.length, 0)}${left > 0 ? `, the first ${MOST}` : ""}`;
}

function row(label, place) {
  const [name, { show = true }] = [nameOf(label), store.table[store.places.get(label)]];
  const more = [name === label ? "" : label, show ? "" : "hidden"].filter(Boolean).join(", ");
  const words = [name, more && make("span", { class: "note" }, ` ${more}`)].filter(Boolean);
  if (!store.model.can.grow) return make("li", {}, make("span", { class: "chip" }, ...words));
  const box = make("input", { type: "checkbox", tabindex: place === current ? "0" : "-1" });
  box.checked = chosen.has(label);
  box.addEventListener("change", () => {
    if (box.checked) chosen.add(label);
    else chosen.delete(label);
    renew();
  });
  return make("li", {}, make("label", { class: "chip" }, box, make("span", {}, ...words)));
}

/** One stop for the Tab key, as in the gallery; the arrows do the rest. */
function move(event) {
  const boxes = [...byId("labels-list").querySelectorAll("input")];
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const target = boxes.indexOf(event.target) + (steps[event.key] ?? 0);
  if (!steps[event.key] || !boxes[target]) return;
  event.preventDefault();
  for (const [place, box] of boxes.entries()) box.tabIndex = place === target ? 0 : -1;
  boxes[target].focus();
}

/** Offer what can be done with the chosen labels, and say what will happen. */
function renew() {
  const labels = [...chosen];
  const several = labels.length > 1;
  byId("change-what").hidden = !labels.length;
  byId("change-problem").hidden = true;
  byId("change-asks").textContent = several ? "Their common name" : "New name";
  byId("change-do").textContent = several ? "Merge" : "Rename";
  byId("change-name").value = labels[0] ?? "";
  byId("change-says").textContent = sentence(labels);
}

function sentence(labels) {
  if (!labels.length) return "Choose a label to rename or remove it, or several to merge them.";
  const undo = "All other labels keep their scores, and Undo takes it back.";
  if (labels.length === 1) {
    return `${quoted(labels)} keeps its scores under a new name; removed, it is no longer given. ${undo}`;
  }
  return (
    `Merged, ${quoted(labels)} become one label, given where any of them would be; removed, they are ` +
    `no longer given. ${undo}`
  );
}

function quoted(labels) {
  const names = labels.map((label) => `“${label}”`);
  return names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

async function remove(labels) {
  const { done } = await changeLabels("remove", labels.map((label) => ["label", label]));
  const says = labels.length === 1 ? "is no longer a label" : "are no longer labels";
  return { done, says: `${quoted(labels)} ${says}.` };
}

async function rename([label], name) {
  const { done } = await changeLabels("rename", [["label", label], ["name", name]]);
  remember(done, new Map([[label, [name]]]));
  return { done, says: `“${label}” is now called “${name}”.`, origins: new Map([[name, [label]]]) };
}

async function merge(labels, name) {
  const { done } = await changeLabels("merge", [...labels.map((label) => ["label", label]), ["into", name]]);
  return { done, says: `${quoted(labels)} are now one label, “${name}”.`, origins: new Map([[name, labels]]) };
}

async function work(how, taken) {
  const [labels, name] = [[...chosen], byId("change-name").value.trim()];
  if (busy || (how === rename && name === labels[0])) return;
  setBusy(true);
  const failure = await change(`Changing ${plural(labels.length, "label")}`, async () => {
    const { says, origins } = await how(labels, name);
    await taken(origins);
    byId("labels").close();
    tell(says);
  });
  setBusy(false);
  byId("change-problem").hidden = !failure;
  byId("change-problem").textContent = failure ?? "";
  if (!failure) byId("undo").focus();
}

function setBusy(value) {
  busy = value;
  byId("change").setAttribute("aria-busy", String(busy));
  for (const id of ["change-do", "change-remove"]) byId(id).setAttribute("aria-disabled", String(busy));
}
