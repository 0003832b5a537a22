// Elements without markup in strings: nothing that comes from outside is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** Make an element; `attributes` with a value of null or false are left out. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an element of a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

let unheard = [];

/** Announce something to screen readers; announcements of the same turn are joined. */
export function say(text) {
  unheard.push(text);
  if (unheard.length > 1) return;
  setTimeout(() => {
    byId("status").textContent = unheard.map((words) => words.replace(/\.$/, "")).join(". ");
    unheard = [];
  });
}

/** Show a notice and announce it; an empty one clears it. */
export function notice(text) {
  byId("notice").textContent = text;
  if (text) say(text);
}
