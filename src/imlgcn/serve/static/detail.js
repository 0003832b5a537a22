// The selected image: large, with an activation map over it, a bar for each label, and yes / no.

import { byId, make } from "./dom.js";
import { paint } from "./heat.js";
import { why } from "./known.js";
import { number, percent, plural } from "./numbers.js";
import { correct, isFound, mapsOf, order, store } from "./store.js";
import * as support from "./support.js";

const SHOWN = 8; // bars at least, until all are requested
const MOST = 200; // bars at most: thousands of labels are searched by name

const MEANS = {
  score: "Yellow contributes most, violet little, grey nothing.",
  winner: "The coloured positions decided: they had the highest scores.",
  attention: "Yellow is where the head attends: evidence for or against the label.",
  occlusion: "Without the yellow positions the score falls most; grey ones do not matter.",
};

let all = false;
let pinned = null; // label whose map stays, chosen by a click or a tap
let rows = null; // labels as they are listed: rows do not move under a pointer that answers
let asked = false; // for all probabilities: their order is a new one
const widths = new Map(); // label -> its probability as drawn, from which a bar grows or shrinks
let address = null; // of the image shown, revoked when the next one is

export function show() {
  store.addEventListener("selected", ({ detail }) => open(detail));
  store.addEventListener("thresholds", renewOrder);
  store.addEventListener("asked", () => {
    asked = true;
    renew();
  });
  for (const what of ["scored", "corrected"]) {
    store.addEventListener(what, ({ detail }) => detail === store.selected && renewed(what));
  }
  byId("find").addEventListener("input", renewOrder);
  byId("more").addEventListener("click", () => {
    all = !all;
    renewOrder();
  });
  byId("bars").addEventListener("pointerleave", renewOrder);
  byId("bars").addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget && !byId("bars").contains(relatedTarget)) renewOrder();
  });
  byId("preview").addEventListener("error", () => hasPreview(false));
  byId("preview").addEventListener("load", () => hasPreview(true));
}

function open(item) {
  byId("detail").hidden = !item;
  if (address) URL.revokeObjectURL(address);
  address = item ? URL.createObjectURL(item.file) : null;
  pinned = rows = null;
  widths.clear();
  support.place(item, pinned);
  hideMap();
  if (!item) return;
  byId("detail-title").textContent = item.name;
  byId("preview").alt = `The image ${item.name}`;
  byId("preview").src = address;
  renew();
}

function hasPreview(shown) {
  byId("preview").hidden = !shown;
  byId("no-preview").hidden = shown;
  byId("no-preview").textContent =
    "This browser cannot show the file. The tagger may still be able to read it.";
}

function renew() {
  const item = store.selected;
  if (!item) return;
  const problem = byId("problem");
  problem.hidden = !item.error;
  problem.textContent = item.error ?? "";
  byId("answers").hidden = byId("map-hint").hidden = !item.probabilities;
  if (item.probabilities) bars(item);
}

function renewed(what) {
  if (what === "scored" && asked) rows = null;
  asked &&= what !== "scored";
  renew();
}

function renewOrder() {
  rows = null;
  renew();
}

function bars(item) {
  const focused = document.activeElement?.dataset?.key;
  const { labels, least } = listed(item);
  rows = rows ? [...rows, ...labels.filter((label) => !rows.includes(label) && isFound(item, label))] : labels;
  byId("bars").replaceChildren(...rows.map((label) => bar(item, label)));
  support.place(item, pinned);
  if (focused) byId("bars").querySelector(`[data-key="${focused}"]`)?.focus();
  grow(item);
  const more = byId("more");
  more.hidden =
    Boolean(byId("find").value.trim()) || (store.labels.length <= least && store.rules.shown.every(Boolean));
  const every = store.labels.length > MOST ? `the ${MOST} most probable` : `all ${plural(store.labels.length, "label")}`;
  more.textContent = all ? "Show fewer labels" : `Show ${every}`;
}

const isShown = (label) => store.table[label].show ?? true;

const isCalled = (label, wanted) =>
  [store.labels[label], store.names[label]].some((name) => name.toLowerCase().includes(wanted));

/** Return the labels to list: those found by name, or the answered and most probable ones. */
function listed(item) {
  const wanted = byId("find").value.trim().toLowerCase();
  const first = (label) => isFound(item, label) || item.corrections.has(label);
  let labels = order(item).filter((label) => wanted || all || isShown(label) || first(label));
  const least = Math.min(MOST, Math.max(SHOWN, labels.filter(first).length + 3));
  if (wanted) labels = labels.filter((label) => isCalled(label, wanted));
  else if (!all) labels = [...labels.filter(first), ...labels.filter((label) => !first(label))].slice(0, least);
  return { labels: labels.slice(0, MOST), least };
}

/** Let each bar grow or shrink from the probability that was drawn before. */
function grow(item) {
  const tracks = [...byId("bars").querySelectorAll(".track")];
  tracks.forEach((track, index) => {
    track.style.setProperty("--probability", widths.get(rows[index]) ?? item.probabilities[rows[index]]);
  });
  byId("bars").getBoundingClientRect(); // the browser takes the old widths for the start
  tracks.forEach((track, index) => {
    track.style.setProperty("--probability", item.probabilities[rows[index]]);
    widths.set(rows[index], item.probabilities[rows[index]]);
  });
}

function bar(item, label) {
  const [name, probability] = [store.names[label], item.probabilities[label]];
  const threshold = store.thresholds[label];
  const found = isFound(item, label);
  const because = visibly(item, label) ? why(store.update, item.logits, item.corrections, label) : null;
  const words =
    `${name} ${percent(probability)}, threshold ${percent(threshold)}` +
    `${found ? ", tagged" : ""}${isShown(label) ? "" : ", hidden"}${explained()}`;
  const track = make("span", { class: "track" }, make("span", { class: "fill" }), make("span", { class: "tick" }));
  track.style.setProperty("--threshold", threshold);
  const button = make(
    "button",
    {
      type: "button",
      class: "label",
      "aria-label": words,
      "aria-describedby": because ? `because-${label}` : null,
      "data-key": `show-${label}`,
      title: [row(label), worth(label)].filter(Boolean).join(" ") || null,
    },
    make("span", { class: "label-name" }, name, isShown(label) ? null : make("span", { class: "note" }, " hidden")),
    " ", // for screen readers: else the two words run together
    make("span", { class: "value" }, percent(probability)),
    track,
  );
  if (store.model.can.maps || support.speaks()) {
    button.setAttribute("aria-pressed", String(pinned === label));
    button.addEventListener("click", () => pin(item, label));
  }
  if (store.model.can.maps) {
    button.addEventListener("pointerenter", () => showMap(item, label));
    button.addEventListener("focus", () => showMap(item, label));
    for (const end of ["pointerleave", "blur"]) button.addEventListener(end, backToPinned);
  }
  const answers = [
    [1, "✓", "yes"],
    [0, "✕", "no"],
  ].map(([value, sign, word]) => answer(item, label, value, sign, word));
  const reason =
    because &&
    make("p", { class: `because ${because.raises ? "raises" : "lowers"}`, id: `because-${label}` }, because.text);
  return make("li", { class: found ? "row found" : "row" }, button, make("span", { class: "answers" }, ...answers), reason);
}

/** What the label table says of a label, where that is not the default. */
function row(label) {
  const { label: own, name, show = true, parents = [], exclusive } = store.table[label];
  const above = parents.map((parent) => `“${store.names[store.places.get(parent)]}”`);
  const parts = [
    name && `Label “${own}”.`,
    above.length > 0 && `Always with ${above.join(" and ")}.`,
    exclusive && `At most one of “${exclusive}” is given.`,
    !show && "Hidden: never among the tags.",
  ];
  return parts.filter(Boolean).join(" ");
}

/** What a button of a label shows, for screen readers. */
function explained() {
  const what = [store.model.can.maps && "where", support.speaks() && "why"].filter(Boolean);
  return what.length ? `. Show ${what.join(" and ")}` : "";
}

/** Whether answers moved a label by a hundredth or more: less is not worth a sentence. */
const visibly = (item, label) =>
  store.update && item.logits && Math.abs(item.probabilities[label] - item.free[label]) >= 0.01;

/** Precision and recall of a label at its threshold, where they are known. */
function worth(label) {
  if (!store.step?.per_label) return null;
  const { per_label: measured, positives, evaluatedOn, fitted } = store.step;
  return (
    `At this threshold ${percent(measured.precision[label])} of the tags “${store.names[label]}” are ` +
    `correct (precision), ${percent(measured.recall[label])} of the images with it are found (recall): ` +
    `${number(positives[label], 0)} of ${evaluatedOn}` +
    `${fitted ? " that the thresholds were fitted on; expect less" : ""}.`
  );
}

function answer(item, label, value, sign, word) {
  const given = item.corrections.get(label) === value;
  const button = make(
    "button",
    {
      type: "button",
      class: `answer ${word}`,
      "aria-pressed": String(given),
      "aria-label": `${word}, ${store.names[label]}`,
      title: value ? "Yes, this is in the image" : "No, this is not in the image",
      "data-key": `${word}-${label}`,
    },
    sign,
  );
  button.addEventListener("click", () => correct(item, label, given ? null : value));
  return button;
}

function pin(item, label) {
  pinned = pinned === label ? null : label;
  for (const button of byId("bars").querySelectorAll(".label")) {
    button.setAttribute("aria-pressed", String(button.dataset.key === `show-${pinned}`));
  }
  support.place(item, pinned);
  if (pinned === null) hideMap();
  else if (store.model.can.maps) showMap(item, label);
}

function backToPinned() {
  if (pinned === null) hideMap();
  else showMap(store.selected, pinned);
}

let shown = null; // the label whose map is wanted now: responses may be late

async function showMap(item, label) {
  shown = label;
  const stage = byId("stage");
  let content;
  try {
    content = await mapsOf(item, label);
  } catch (error) {
    if (shown === label && item === store.selected) saysMap(error.message);
    return;
  }
  if (shown !== label || item !== store.selected) return;
  const name = store.labels[label];
  const preview = byId("preview");
  const aspect = preview.naturalWidth / preview.naturalHeight || 1;
  paint(byId("heat"), content.maps[name], content.region, aspect);
  stage.classList.add("heated");
  const where = content.where?.[name];
  saysMap(`“${store.names[label]}”${where ? `: ${where}` : ""}. ${MEANS[content.kind]}`);
  byId("map-says").title = content.meaning;
}

function hideMap() {
  shown = null;
  byId("stage").classList.remove("heated");
  saysMap("");
}

/** Text on the map is read aloud; the hint in its place is not, or it would be at every step. */
function saysMap(text) {
  byId("map-says").textContent = text;
  byId("map-hint").textContent = text ? "" : hint();
}

const hint = () =>
  [
    store.model.can.maps && "Point at a label, or step to it, to see its activation map.",
    store.model.can.support && "Choose it to see the training images behind its score.",
  ]
    .filter(Boolean)
    .join(" ");
