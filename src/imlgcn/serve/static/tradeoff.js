// The slider: thresholds from high recall to high precision, with what each reaches on test images.

import { byId, draw, make } from "./dom.js";
import { percent, plural } from "./numbers.js";
import { setThresholds } from "./store.js";

const WIDTH = 220;
const HEIGHT = 120;
const EDGE = { left: 24, right: 10, top: 8, bottom: 22 };

/** Show the slider of a trade-off, also in place of an earlier one; null: there is none. */
export function show(tradeoff) {
  byId("tradeoff").hidden = !tradeoff || tradeoff.steps.length < 2;
  if (byId("tradeoff").hidden) return;
  const slider = byId("slider");
  const steps = tradeoff.steps;
  slider.min = 0;
  slider.max = steps.length - 1;
  slider.value = tradeoff.default;
  const tested = tradeoff.split === "test";
  const evaluatedOn = plural(tradeoff.images, tested ? "test image" : "held-out image");
  const dot = curve(steps, evaluatedOn);
  const renew = () => {
    const step = steps[Number(slider.value)];
    const balanced = Number(slider.value) === tradeoff.default;
    byId("tradeoff-says").replaceChildren(...sentence(step));
    byId("tradeoff-goal").replaceChildren(
      balanced ? "The tagger’s own thresholds, as with " : "Thresholds as with ",
      make("code", {}, `--threshold ${step.goal}`),
      tested
        ? `, fitted on held-out images, measured on ${evaluatedOn}.`
        : `, measured on the ${evaluatedOn} that the thresholds were fitted on: expect less.`,
    );
    slider.setAttribute(
      "aria-valuetext",
      `precision ${percent(step.precision)}, recall ${percent(step.recall)}`,
    );
    dot.setAttribute("cx", x(step.recall));
    dot.setAttribute("cy", y(step.precision));
    setThresholds(step.thresholds, { ...step, evaluatedOn, positives: tradeoff.positives, fitted: !tested });
  };
  slider.oninput = renew; // in place of an earlier one
  renew();
}

function sentence(step) {
  if (step.precision === null) return ["No tag is given to any of these images."];
  const strong = (fraction) => make("strong", {}, percent(fraction));
  return [
    strong(step.precision),
    " of the tags are correct (precision), ",
    strong(step.recall),
    " of the labels present are found (recall).",
  ];
}

const x = (fraction) => EDGE.left + fraction * (WIDTH - EDGE.left - EDGE.right);
const y = (fraction) => HEIGHT - EDGE.bottom - fraction * (HEIGHT - EDGE.top - EDGE.bottom);

/** Draw precision against recall of all steps and return the dot that marks the selected one. */
function curve(steps, evaluatedOn) {
  const defined = steps.filter((step) => step.precision !== null);
  const points = defined.map((step) => `${x(step.recall)},${y(step.precision)}`).join(" ");
  const dot = draw("circle", { r: 5.5, class: "dot" });
  const text = (content, attributes) => {
    const element = draw("text", attributes);
    element.textContent = content;
    return element;
  };
  byId("tradeoff-curve").replaceChildren(
    draw(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        role: "img",
        "aria-label": `Precision against recall on ${evaluatedOn}, with the selected point`,
      },
      draw("path", { class: "axis", d: `M${x(0)} ${y(1)}V${y(0)}H${x(1)}` }),
      draw("polyline", { class: "line", points }),
      text("recall", { x: x(0.5), y: HEIGHT - 4, class: "middle" }),
      text("precision", {
        transform: `translate(${x(0) - 8} ${y(0.5)}) rotate(-90)`,
        class: "middle",
      }),
      dot,
    ),
  );
  return dot;
}
