// The slider: thresholds from finding more to being surer, with what each got on images it never saw.

import { byId, count, draw, make, percent } from "./dom.js";
import { setThresholds } from "./store.js";

const WIDTH = 220;
const HEIGHT = 120;
const EDGE = { left: 24, right: 10, top: 8, bottom: 22 };

export function show(trade) {
  if (!trade || trade.steps.length < 2) return;
  const slider = byId("slider");
  const steps = trade.steps;
  slider.min = 0;
  slider.max = steps.length - 1;
  slider.value = trade.default;
  const tested = trade.split === "test";
  const judges = count(trade.images, tested ? "test image" : "validation image");
  const dot = curve(steps, judges);
  const renew = () => {
    const step = steps[Number(slider.value)];
    const balanced = Number(slider.value) === trade.default;
    byId("trade-says").replaceChildren(...sentence(step));
    byId("trade-goal").replaceChildren(
      balanced ? "The tagger’s own thresholds, as with " : "Thresholds as with ",
      make("code", {}, `--threshold ${step.goal}`),
      tested
        ? `, fitted on validation images, measured on ${judges}.`
        : `, measured on the ${judges} that the thresholds were fitted on: expect less.`,
    );
    slider.setAttribute(
      "aria-valuetext",
      `precision ${percent(step.precision)}, recall ${percent(step.recall)}`,
    );
    dot.setAttribute("cx", x(step.recall));
    dot.setAttribute("cy", y(step.precision));
    setThresholds(step.thresholds, { ...step, judges, positives: trade.positives, fitted: !tested });
  };
  slider.addEventListener("input", renew);
  byId("trade").hidden = false;
  renew();
}

function sentence(step) {
  if (step.precision === null) return ["No tag is given to any of these images."];
  const strong = (share) => make("strong", {}, percent(share));
  return [strong(step.precision), " of the tags are right, ", strong(step.recall), " of what is there is found."];
}

const x = (share) => EDGE.left + share * (WIDTH - EDGE.left - EDGE.right);
const y = (share) => HEIGHT - EDGE.bottom - share * (HEIGHT - EDGE.top - EDGE.bottom);

/** Draw precision against recall of all steps and return the dot that marks the chosen one. */
function curve(steps, judges) {
  const said = steps.filter((step) => step.precision !== null);
  const points = said.map((step) => `${x(step.recall)},${y(step.precision)}`).join(" ");
  const dot = draw("circle", { r: 5.5, class: "dot" });
  const text = (content, attributes) => {
    const element = draw("text", attributes);
    element.textContent = content;
    return element;
  };
  byId("trade-curve").replaceChildren(
    draw(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: "img",
        "aria-label": `Precision against recall on ${judges}, with the chosen point`,
      },
      draw("path", { class: "axis", d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}` }),
      draw("polyline", { class: "line", points }),
      text("found (recall)", { x: x(0.5), y: HEIGHT - 4, class: "middle" }),
      text("right (precision)", {
        transform: `translate(${x(0) - 8} ${y(0.5)}) rotate(-90)`,
        class: "middle",
      }),
      dot,
    ),
  );
  return dot;
}
