// What an answer says about the other labels: imlgcn/labels/known.py in the browser, where a test
// compares the two. Letters: L labels; j a known label, c any other.

import { percent } from "./numbers.js";

const SMALLEST = 1e-6; // of a probability
const WORTH_SAYING = 0.3; // logits: a third of the odds

/** Return what an update is computed with, from the content of /v1/known and the labels' names. */
export async function makeUpdate(facts, names) {
  const numbers = await unpack(facts.counts);
  const L = names.length;
  const complete = numbers.length === L * L; // else targets were unknown, and counted for each pair
  return {
    facts,
    names,
    both: (j, c) => numbers[j * L + c],
    shown: (j, c) => numbers[complete ? c * L + c : L * L + j * L + c], // c present, j known
    known: (j, c) => (complete ? facts.images : numbers[2 * L * L + j * L + c]),
  };
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Int32Array(await new Response(stream).arrayBuffer());
}

/** Return the probabilities that answers (Map: index -> 1 or 0) give the logits of one image. */
export function probabilities(update, logits, answers) {
  const { beta, slope, offset } = update.facts;
  const shift = new Float64Array(logits.length);
  for (const j of [...answers.keys()].sort((a, b) => a - b)) {
    for (let c = 0; c < shift.length; c += 1) shift[c] += evidence(update, logits, j, answers.get(j), c);
  }
  const positives = [...answers.values()].filter((value) => value === 1).length;
  const pair = Math.min(positives, slope.length - 1);
  return logits.map(
    (logit, c) => answers.get(c) ?? sigmoid(slope[pair] * (logit + beta * shift[c]) + offset[pair]),
  );
}

/** Return what a known label adds to the logit of another, before beta; 0 for itself. */
function evidence(update, logits, j, value, c) {
  if (j === c) return 0;
  const { surprise, smoothing } = update.facts;
  const p = update.both(j, j) / Math.max(update.known(j, j), 1);
  const [both, shown, known] = [update.both(j, c), update.shown(j, c), update.known(j, c)];
  const given = (both + smoothing * p) / (shown + smoothing);
  const without = (update.shown(c, j) - both + smoothing * p) / (known - shown + smoothing);
  const moved = surprise * (logits[j] - logit(p));
  const sign = value === 1 ? 1 : -1;
  return logSigmoid(sign * (moved + logit(given))) - logSigmoid(sign * (moved + logit(without)));
}

/**
 * Return why a label moved, by the answer that moved it most: "sea raises beach: 82 % of images with
 * sea show it". Null where no answer says much.
 */
export function why(update, logits, answers, c) {
  if (answers.has(c)) return null;
  const effects = [...answers].map(([j, value]) => {
    return { j, value, effect: update.facts.beta * evidence(update, logits, j, value, c) };
  });
  const [most] = effects.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  if (!most || Math.abs(most.effect) < WORTH_SAYING) return null;
  const [name, other] = [update.names[most.j], update.names[c]];
  const verb = most.effect > 0 ? "raises" : "lowers";
  const [withIt, without] = fractions(update, most.j, c);
  const text = most.value
    ? `${name} ${verb} ${other}: ${percent(withIt)} of images with ${name} show it`
    : `no ${name} ${verb} ${other}: ${percent(without)} of images without ${name} show it`;
  const rest = most.value ? without : withIt;
  return { raises: most.effect > 0, text: `${text}, ${percent(rest)} of the others` };
}

/** Return the fractions of images with j, and of those without, that show c. */
function fractions(update, j, c) {
  const both = update.both(j, c);
  const withIt = update.shown(c, j); // j present, c known
  const without = update.known(j, c) - withIt;
  const shown = update.shown(j, c) - both; // c present, j absent
  return [withIt ? both / withIt : null, without ? shown / without : null];
}

const clip = (p) => Math.min(Math.max(p, SMALLEST), 1 - SMALLEST);
const logit = (p) => Math.log(clip(p)) - Math.log1p(-clip(p));
const logSigmoid = (x) => (x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x)));
export const sigmoid = (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
