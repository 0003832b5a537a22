// The label graph, with the labels of the selected image highlighted.

import { get } from "./api.js";
import { byId, draw, make, say } from "./dom.js";
import { number, percent, plural } from "./numbers.js";
import { found, store } from "./store.js";

const LONGEST = 22; // letters of a name in the drawing
const MARGIN = 8;
const MOST = 300; // arrows in words
const OFFERED = 12; // labels that are offered while one is typed
const MOST_ISOLATED = 200;

const nodes = new Map(); // label -> its elements
const edges = []; // {element, source, target}
let shown = null;
let whole = null; // the graph of all labels, where `shown` is that around one

/** Show a label graph, also in place of an earlier one; null: there is none. */
export function show(graph) {
  byId("graph").hidden = !graph;
  whole = graph;
  present(graph);
  if (!graph) return;
  byId("graph-around").hidden = graph.num_linked <= graph.nodes.length;
  byId("graph-find").oninput = offer; // in place of an earlier one
  byId("graph-whole").onclick = () => {
    present(whole);
    byId("graph-find").focus(); // the button disappears, the focus must not
  };
}

function present(graph) {
  nodes.clear();
  edges.length = 0;
  const first = !shown;
  shown = graph;
  byId("graph-find").value = "";
  byId("graph-found").replaceChildren();
  byId("graph-whole").hidden = graph === whole;
  if (!graph) return;
  const drawn = graph.nodes.length > 0;
  byId("graph-frame").hidden = byId("arrows").hidden = !drawn;
  if (drawn) {
    byId("graph-frame").replaceChildren(drawing(graph));
    inWords(graph);
  }
  byId("isolated").replaceChildren(...isolated(graph));
  if (first) {
    for (const what of ["selected", "scored", "corrected", "thresholds"]) {
      store.addEventListener(what, () => shown && light(shown));
    }
  }
  light(graph);
}

/** Draw it again: labels have other names. */
export const renew = () => shown && present(shown);

/** Offer labels of the name that is typed; one of them shows the graph around it. */
function offer() {
  const wanted = byId("graph-find").value.trim().toLowerCase();
  const called = store.labels.filter((label, index) =>
    [label, store.names[index]].some((name) => name.toLowerCase().includes(wanted)),
  );
  const offered = (wanted ? called : []).sort((a, b) => a.length - b.length).slice(0, OFFERED);
  byId("graph-found").replaceChildren(...offered.map((label) => make("li", {}, choice(label))));
}

function choice(label) {
  const button = make("button", { type: "button", class: "quiet" }, nameOf(label));
  button.addEventListener("click", async () => {
    try {
      present(await get(`/v1/graph?${new URLSearchParams({ label })}`));
      byId("graph-whole").focus();
      say(`The graph around ${nameOf(label)}`);
    } catch (error) {
      byId("graph-says").textContent = error.message;
    }
  });
  return button;
}

const nameOf = (label) => store.names[store.places.get(label)] ?? label;

function drawing(graph) {
  const [width, height] = graph.size;
  const position = new Map(graph.nodes.map((node) => [node.label, node]));
  const drawn = graph.edges.filter((edge) => position.has(edge.source) && position.has(edge.target));
  const both = new Set(drawn.map((edge) => `${edge.target}\n${edge.source}`));
  const box = [-MARGIN, -MARGIN, width + 2 * MARGIN, height + 2 * MARGIN];
  const svg = draw("svg", { viewBox: box.join(" "), role: "img", "aria-labelledby": "graph-title graph-says" });
  svg.style.setProperty("--width", `${width}px`);
  svg.append(arrowheads());
  for (const edge of drawn) {
    const mutual = both.has(`${edge.source}\n${edge.target}`);
    const element = line(position.get(edge.source), position.get(edge.target), mutual, edge);
    edges.push({ element, ...edge });
    svg.append(element);
  }
  for (const node of graph.nodes) svg.append(circle(node));
  return svg;
}

function arrowheads() {
  const head = (id) =>
    draw(
      "marker",
      { id, viewBox: "0 0 8 8", refX: 6.5, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" },
      draw("path", { d: "M0 .8L7 4 0 7.2z", class: id }),
    );
  return draw("defs", {}, head("head"), head("head-lit"));
}

function line(from, to, mutual, edge) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const bend = mutual ? Math.min(14, length / 5) : 0; // two arrows between the same nodes are bent
  const [x1, y1] = [from.x + ux * from.radius, from.y + uy * from.radius];
  const [x2, y2] = [to.x - ux * (to.radius + 3), to.y - uy * (to.radius + 3)];
  const middle = [(x1 + x2) / 2 - uy * bend, (y1 + y2) / 2 + ux * bend];
  const element = draw("path", { class: "edge", d: `M${x1} ${y1}Q${middle[0]} ${middle[1]} ${x2} ${y2}` });
  element.style.setProperty("--strength", edge.probability);
  return element;
}

function circle(node) {
  const called = nameOf(node.label);
  const cut = called.length > LONGEST ? `${called.slice(0, LONGEST - 1)}…` : called;
  const name = draw("text", {
    x: node.x,
    y: node.name_below ? node.y + node.radius + 10 : node.y - node.radius - 4,
  });
  name.textContent = cut;
  const title = draw("title");
  title.textContent = `${called}: ${plural(node.images, "training image")}`;
  const group = draw(
    "g",
    { class: "node" },
    draw("circle", { cx: node.x, cy: node.y, r: node.radius }),
    name,
    title,
  );
  nodes.set(node.label, group);
  return group;
}

/** All arrows as a list, for those who cannot see the drawing. */
function inWords({ edges: all, num_edges: count }) {
  const arrows = plural(count, "arrow");
  byId("arrows-title").textContent =
    count > MOST ? `The ${MOST} strongest of ${arrows} in words` : `${arrows} in words`;
  const items = all.slice(0, MOST).map(({ source, target, probability, images }) => {
    const given = `${percent(probability)} of the images with ${nameOf(source)}`;
    return make("li", {}, `${given} also show ${nameOf(target)}: ${plural(images, "image")}`);
  });
  byId("arrows-list").replaceChildren(...items);
}

function isolated({ isolated: all, num_isolated: count }) {
  if (!count) return [];
  const names = all.slice(0, MOST_ISOLATED);
  const chips = names.map((name) => {
    const chip = make("li", {}, nameOf(name));
    nodes.set(name, chip);
    return chip;
  });
  if (count > names.length) chips.push(make("li", {}, `and ${number(count - names.length, 0)} more`));
  return [make("p", { class: "note" }, "Labels without an arrow:"), make("ul", { class: "chips" }, ...chips)];
}

function light(graph) {
  const item = store.selected;
  const names = new Set(found(item).map((label) => store.labels[label]));
  for (const [name, element] of nodes) element.classList.toggle("lit", names.has(name));
  for (const edge of edges) {
    const lit = names.has(edge.source) && names.has(edge.target);
    edge.element.classList.toggle("lit", lit);
  }
  const [lit, others] = [true, false].map((wanted) => [...names].filter((name) => nodes.has(name) === wanted).map(nameOf));
  byId("graph-frame").firstElementChild?.classList.toggle("some-lit", lit.length > 0);
  const says = [
    legend(graph),
    lit.length > 0 && `Highlighted for this image: ${lit.join(", ")}.`,
    others.length > 0 && `Found as well, but not drawn: ${others.join(", ")}.`,
    names.size === 0 && "Labels found in the selected image are highlighted.",
  ];
  byId("graph-says").textContent = says.filter(Boolean).join(" ");
}

function legend(graph) {
  const [threshold, images] = [percent(graph.threshold), plural(graph.images, "training image")];
  if (graph.around !== undefined) {
    const name = nameOf(graph.around);
    if (!graph.nodes.length) return `${name} is hardly ever in an image with another label, as counted in ${images}.`;
    return (
      `${name} and the labels that share most images with it: an arrow from A to B says that at least ` +
      `${threshold} of the images with A also show B, as counted in ${images}.`
    );
  }
  if (!graph.nodes.length) {
    return `No label is in ${threshold} or more of another’s images, as counted in ${images}.`;
  }
  const linked = graph.num_linked;
  const left =
    linked > graph.nodes.length
      ? ` ${number(graph.nodes.length, 0)} of ${plural(linked, "label")} are drawn: those whose arrows count most images.`
      : "";
  return (
    `An arrow from A to B: at least ${threshold} of the images with A also show B, ` +
    `as counted in ${images}.${left}`
  );
}
