// The token that a server may ask for: kept for this tab only, and sent with every request.

import { byId } from "./dom.js";

const KEY = "imlgcn-token";
let asking = null; // one dialog, however many requests wait for it

export const token = () => sessionStorage.getItem(KEY);

/** Ask for a token after `used` was refused; return whether there is another to try. */
export async function renewed(used) {
  if (token() !== used) return true;
  asking ??= ask(used !== null).finally(() => (asking = null));
  return asking;
}

function ask(again) {
  const [dialog, field] = [byId("token"), byId("token-text")];
  if (!dialog) return Promise.resolve(false);
  byId("token-says").textContent = again
    ? "That was not the token of this server."
    : "Whoever started this server can tell you its token. It is kept until you close this tab.";
  field.value = "";
  dialog.returnValue = "";
  return new Promise((done) => {
    byId("token-form").onsubmit = (event) => {
      event.preventDefault();
      const given = field.value.trim();
      if (!/^[!-~]+$/.test(given)) return;
      sessionStorage.setItem(KEY, given);
      dialog.close("given");
    };
    byId("token-cancel").onclick = () => dialog.close();
    dialog.onclose = () => done(dialog.returnValue === "given");
    dialog.showModal();
    field.focus();
  });
}
