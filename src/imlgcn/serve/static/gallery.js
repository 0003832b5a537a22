// One card per image: thumbnail, name, tags. Two hundred of them must not block the page.

import { byId, make } from "./dom.js";
import { pick } from "./grow.js";
import { reasonOf } from "./next.js";
import { found, select, store } from "./store.js";

const SIDE = 320; // pixels of a thumbnail's longer side
const DECODING = 2; // thumbnails at once
const TAGS = 5; // on a card

const cards = new Map(); // item -> {row, button, canvas, tags, reason, box}
const undecoded = [];
let decoding = 0;

export function show() {
  const list = byId("gallery");
  store.addEventListener("added", ({ detail }) => {
    list.append(...detail.map(card));
    decode();
  });
  store.addEventListener("removed", ({ detail }) => {
    cards.get(detail)?.row.remove();
    cards.delete(detail);
  });
  store.addEventListener("asked", ({ detail }) => detail.forEach(renew));
  store.addEventListener("scored", ({ detail }) => renew(detail));
  store.addEventListener("corrected", ({ detail }) => renew(detail));
  store.addEventListener("thresholds", () => store.items.forEach(renew));
  store.addEventListener("arranged", arrange);
  store.addEventListener("selected", ({ detail }) => mark(detail));
  list.addEventListener("keydown", move);
}

function card(item) {
  const canvas = make("canvas", { width: 4, height: 3, "aria-hidden": "true" });
  const [tags, reason] = [make("span", { class: "tags" }), make("span", { class: "reason", hidden: true })];
  const name = item.name.split("/").at(-1);
  const button = make(
    "button",
    { type: "button", class: "card waiting", tabindex: "-1", title: item.name },
    make("span", { class: "thumb" }, canvas),
    make("span", { class: "card-name" }, name),
    tags,
    reason,
  );
  button.addEventListener("click", () => select(item));
  const box = store.model.can.grow ? pick(item) : null;
  const row = make("li", {}, button, box && make("label", { class: "pick" }, box));
  cards.set(item, { row, button, canvas, tags, reason, box });
  undecoded.push(item);
  renew(item);
  return row;
}

function renew(item) {
  const { button, tags } = cards.get(item) ?? {};
  if (!button) return;
  button.className = `card ${item.state}`;
  if (item === store.selected) button.classList.add("selected");
  tags.replaceChildren(...words(item));
}

function words(item) {
  if (item.state === "waiting") return [make("span", { class: "tag none" }, "waiting…")];
  if (item.state === "failed") {
    const what = item.refused ? "cannot be tagged" : "not tagged: try again";
    return [make("span", { class: "tag failed" }, what), make("span", { class: "why" }, item.error)];
  }
  const labels = found(item);
  if (!labels.length) return [make("span", { class: "tag none" }, "no tag")];
  const shown = labels.slice(0, TAGS).map((label) => {
    const corrected = item.corrections.has(label) ? " corrected" : "";
    return make("span", { class: `tag${corrected}` }, store.names[label]);
  });
  const left = labels.length - TAGS;
  return left > 0 ? [...shown, make("span", { class: "tag none" }, `+${left}`)] : shown;
}

function mark(item) {
  for (const [other, { button, box }] of cards) {
    const chosen = other === item;
    button.classList.toggle("selected", chosen);
    button.tabIndex = chosen ? 0 : -1; // one stop for the Tab key; the arrows do the rest
    if (box) box.tabIndex = button.tabIndex;
    if (chosen) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Put the cards in the order of the items; a card that moves keeps the focus. */
function arrange() {
  for (const [item, { reason }] of cards) {
    const found = reasonOf(item);
    reason.hidden = !found;
    reason.textContent = found ? `${found.place}. ${sentence(found.why)}` : "";
  }
  const focused = document.activeElement;
  byId("gallery").append(...store.arranged.map((item) => cards.get(item).row));
  if (byId("gallery").contains(focused)) focused.focus({ preventScroll: true });
}

const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1).replaceAll(" %", "\u00a0%")}.`;

function move(event) {
  const last = store.arranged.length - 1;
  const index = store.arranged.indexOf(store.selected);
  const targets = {
    ArrowRight: () => index + 1,
    ArrowLeft: () => index - 1,
    ArrowDown: () => index + columns(),
    ArrowUp: () => index - columns(),
    Home: () => 0,
    End: () => last,
  };
  const target = targets[event.key]?.() ?? index;
  if (target === index || target < 0 || target > last) return;
  event.preventDefault();
  const picking = event.target.type === "checkbox";
  select(store.arranged[target]);
  cards.get(store.selected)[picking ? "box" : "button"].focus();
}

/** How many cards are in a row: all of them where the gallery is one row that scrolls. */
function columns() {
  const rows = [...byId("gallery").children];
  const below = rows.findIndex((row) => row.offsetTop > rows[0].offsetTop);
  return below === -1 ? rows.length : below;
}

function decode() {
  while (decoding < DECODING && undecoded.length) {
    const item = undecoded.shift();
    decoding += 1;
    thumbnail(item).finally(() => {
      decoding -= 1;
      decode();
    });
  }
}

/** Draw a thumbnail; the server always gets the file itself. */
async function thumbnail(item) {
  const parts = cards.get(item);
  if (!parts) return;
  try {
    const options = { resizeWidth: SIDE, resizeQuality: "medium" };
    const bitmap = await createImageBitmap(item.file, options);
    const { canvas } = parts;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("bitmaprenderer").transferFromImageBitmap(bitmap);
    canvas.classList.add("drawn");
  } catch {
    parts.row.classList.add("no-thumb"); // a format that this browser cannot show
  }
}
