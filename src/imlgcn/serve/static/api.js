// Requests to the server. A failure is an Error with the server's own message, and `refused` where
// the image is at fault: trying again would not help.

import { renewed, token } from "./token.js";

/** Return the address of a path of this server, which may be below another path of its name. */
export const address = (path) => new URL(`..${path}`, import.meta.url);

const ATTEMPTS = 30; // of an image while the queue is full
const REFUSALS = [400, 413, 415, 422];

async function ask(path, options = {}) {
  let answer, used;
  try {
    do {
      used = token();
      answer = await fetch(address(path), { ...options, headers: used === null ? {} : { authorization: `Bearer ${used}` } });
    } while (answer.status === 401 && (await renewed(used)));
  } catch {
    const readable = await options.body?.slice?.(0, 1).arrayBuffer().catch(() => null);
    if (readable === null) throw refusal("The file was changed or moved since it was added. Add it again.");
    throw new Error("The server does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  const error = new Error(content.error?.message ?? `The server answered ${answer.status}.`);
  error.status = answer.status;
  error.refused = REFUSALS.includes(answer.status);
  error.wait = Number(answer.headers.get("retry-after")) || 0;
  throw error;
}

export const refusal = (message) => Object.assign(new Error(message), { refused: true });

export const get = (path) => ask(path);

/** Return {probabilities, logits} of every label for one image file. */
export async function tag(file, known) {
  const query = new URLSearchParams({ all: "true", logits: "true" });
  if (known) query.set("known", JSON.stringify(known));
  const content = await send(`/v1/tags?${query}`, file);
  return content.images[0];
}

/** Return the activation maps of an image file: of some labels, or of all without any. */
export const maps = (file, labels = []) =>
  send(labels.length ? `/v1/maps?${new URLSearchParams(labels.map((label) => ["label", label]))}` : "/v1/maps", file);

/** Return the training images that decide about one label of an image file. */
export const support = (file, label) => send(`/v1/support?${new URLSearchParams({ label })}`, file);

/** Return what suggestions need of each item: {vector} or {error}. */
export async function vectors(items) {
  const form = new FormData();
  for (const item of items) form.append("image", item.file, item.name);
  return (await send("/v1/vectors", form)).images;
}

/** Return which images to label next, of [{name, vector}]. */
export const suggest = (images, budget, rare) => send("/v1/suggest", JSON.stringify({ images, budget, rare }));

/** Teach the tagger a label from files that show it and others that do not. */
export function addLabel(name, shown, other) {
  const form = new FormData();
  for (const [field, items] of [["image", shown], ["not", other]]) {
    for (const item of items) form.append(field, item.file, item.name);
  }
  return send(`/v1/labels/add?${new URLSearchParams({ name })}`, form);
}

/** Change labels of the tagger: `what` is remove, rename or merge, `pairs` its parameters. */
export const changeLabels = (what, pairs) => send(`/v1/labels/${what}?${new URLSearchParams(pairs)}`);

/** Return {labels, thresholds} as they are with the label table in a file. */
export const tryTable = (file) => send("/v1/label-table", file);

/** Write the label table in a file into the tagger. */
export const keepTable = (file) => send("/v1/label-table?keep=true", file);

export const undoLabel = () => send("/v1/labels/undo");

async function send(path, body) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask(path, { method: "POST", body });
    } catch (error) {
      if (error.status !== 503 || attempt === ATTEMPTS) throw error;
      await new Promise((done) => setTimeout(done, 1000 * (error.wait || 1)));
    }
  }
}
