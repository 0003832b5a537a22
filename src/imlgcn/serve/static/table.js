// Another label table on this page: names, parents, thresholds and hidden labels of a file at hand.

import { get, keepTable, tryTable } from "./api.js";
import { byId, make } from "./dom.js";
import { change, tell } from "./grow.js";
import * as labels from "./labels.js";
import { setTable, setThresholds, store } from "./store.js";
import * as tradeoff from "./tradeoff.js";

const OWN = "The tagger’s own: names, parents, thresholds, and labels that are hidden.";

let file = null; // the table in use, where it is not the tagger's own

/** Start to listen; `taken` takes the changed tagger over; `renamed` is told of other names. */
export function show(taken, renamed) {
  const input = byId("table-file");
  byId("table-choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    use(input.files[0], renamed);
    input.value = ""; // the same file may be chosen again
  });
  byId("table-back").addEventListener("click", () => back(renamed));
  byId("table-keep").addEventListener("click", () => keep(taken));
  store.addEventListener("relabelled", () => settle(null)); // the tagger has changed: its own holds
  settle(null);
}

/** Try a file; one with wrong rows changes nothing, and they are said. */
async function use(chosen, renamed) {
  if (!chosen) return;
  try {
    follow(await tryTable(chosen), false);
  } catch (error) {
    complain(error.message);
    return;
  }
  settle(chosen);
  renamed();
}

async function back(renamed) {
  try {
    const [{ labels: items }, thresholds] = await Promise.all([
      get("/v1/labels"),
      store.model.can.thresholds ? get("/v1/thresholds").catch(() => null) : null,
    ]);
    follow({ labels: items, thresholds }, true);
  } catch (error) {
    complain(error.message);
    return;
  }
  settle(null);
  renamed();
  byId("table-choose").focus(); // the button disappears, the focus must not
}

async function keep(taken) {
  const { name } = file;
  const failure = await change("Writing the label table", async () => {
    await keepTable(file);
    await taken();
    byId("labels").close();
    tell(`The tagger has the label table of ${name}.`);
  });
  if (failure) complain(failure);
  else byId("undo").focus();
}

function follow({ labels: items, thresholds }, own) {
  setTable(items, own);
  setThresholds(items.map((item) => item.threshold));
  tradeoff.show(thresholds);
}

function settle(chosen) {
  file = chosen;
  byId("table-problem").hidden = true;
  byId("table-back").hidden = !file;
  byId("table-keep").hidden = !file || !store.model.can.grow;
  byId("table-says").textContent = file
    ? `That of ${file.name}, on this page only: the tagger stays as it is.`
    : OWN;
  if (byId("labels").open) labels.list();
}

/** Each wrong row is a line of its own. */
function complain(message) {
  byId("table-problem").hidden = false;
  byId("table-problem").replaceChildren(...message.split(/; (?=line \d|and \d)/).map((line) => make("li", {}, line)));
}
