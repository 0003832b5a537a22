// The training images that speak for and against a label, below its bar: of heads that score by them.

import * as api from "./api.js";
import { make, say } from "./dom.js";
import { number, plural } from "./numbers.js";
import { store } from "./store.js";

const SIDES = [
  ["for", "for it"],
  ["against", "against it"],
];

const panel = make("div", { class: "support", role: "group" });
let shown = []; // the item and label that the panel is about: responses may be late

/** Whether a label that is chosen has training images, or a sentence on why they are not shown. */
export const speaks = () => store.model.can.support || Boolean(store.model.no_support);

/** Put the panel below the bar of a label; without a label, or its bar, take it away. */
export function place(item, label) {
  const row = label === null ? null : document.querySelector(`[data-key="show-${label}"]`)?.parentElement;
  if (!row || !speaks()) {
    panel.remove();
    if (label === null) shown = [];
    return;
  }
  row.append(panel);
  if (shown[0] === item && shown[1] === label) return;
  shown = [item, label];
  panel.setAttribute("aria-label", `Training images, ${store.labels[label]}`);
  if (store.model.can.support) fill(item, label);
  else says(store.model.no_support);
}

async function fill(item, label) {
  says("comparing with the training images…");
  const content = await ask(item, label).catch((error) => error);
  if (shown[0] !== item || shown[1] !== label) return;
  const name = store.labels[label];
  if (content instanceof Error) says(content.message);
  else account(content.support[name], name);
}

function ask(item, label) {
  const known = item.support;
  if (!known.has(label)) {
    const answer = api.support(item.file, store.labels[label]);
    known.set(label, answer);
    answer.catch(() => known.delete(label)); // asked again, if it is chosen again
  }
  return known.get(label);
}

/** A sentence in place of the images. */
function says(text) {
  const sentence = `${text[0].toUpperCase()}${text.slice(1)}`.replace(/(?<![.…])$/, ".");
  panel.replaceChildren(make("p", { class: "note" }, sentence));
}

function account(parts, name) {
  const images = [...parts.for, ...parts.against];
  const longest = Math.max(...images.map((image) => Math.abs(image.effect)), 0.01);
  const pictured = images.some((image) => image.thumbnail);
  const sides = SIDES.filter(([side]) => parts[side].length).map(([side, words]) =>
    make(
      "section",
      { class: `side ${side}` },
      make("h3", {}, `Training images that speak ${words}`),
      make(
        "ul",
        { class: pictured ? "votes pictured" : "votes" },
        ...parts[side].map((image) => vote(image, side, longest, pictured)),
      ),
    ),
  );
  panel.replaceChildren(...sides, sum(parts, images));
  const counts = SIDES.map(([side, words]) => `${parts[side].length} ${words}`).join(", ");
  say(`Training images for “${name}”: ${counts}`);
}

function vote(image, side, longest, pictured) {
  const odd = image.present !== null && image.present !== (side === "for");
  const note = !odd ? null : side === "for" ? "without the label" : "with the label";
  const bar = make("span", { class: "weight" });
  bar.style.setProperty("--weight", Math.abs(image.effect) / longest);
  const value = make("span", { class: "effect" }, signed(image.effect));
  const file = image.name.split("/").at(-1);
  const more = note && make("span", { class: "odd" }, note);
  if (!pictured) {
    return make("li", { title: image.name }, value, bar, make("span", { class: "file" }, file, more && " ", more));
  }
  const picture = image.thumbnail
    ? make("img", { src: image.thumbnail, alt: file })
    : make("span", { class: "file" }, file);
  return make("li", { title: image.name }, make("span", { class: "picture" }, picture), bar, value, more);
}

/** The score as a sum; in two decimals its parts add up. */
function sum(parts, images) {
  const named = images.reduce((total, image) => total + image.effect, 0);
  const lines = [
    [signed(named), plural(images.length, "image")],
    [signed(parts.rest), plural(parts.others, "other")],
    [signed(parts.bias), "bias"],
    [`= ${number(parts.score, 2)}`, "score"],
  ];
  return make(
    "ul",
    { class: "sum", "aria-label": "The score, before calibration, is the sum" },
    ...lines.map(([value, words]) => make("li", {}, make("strong", {}, value), " ", words)),
  );
}

const signed = (value) => (value > 0 && Number(value.toFixed(2)) ? `+${number(value, 2)}` : number(value, 2));
