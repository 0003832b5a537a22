// Files from a drop, the clipboard or the file dialog.

import { byId } from "./dom.js";

const IMAGE = /\.(jpe?g|jpe|jfif|mpo|a?png|webp|gif|bmp|dib|tiff?|p[pgbn]m|avif|hei[cf]|hif)$/i;

/** Call `take` with every list of files that a user adds. */
export function listen(take) {
  const input = byId("files");
  byId("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) {
      event.preventDefault();
      take(files.map(named));
    }
  });
  listenForDrops(take);
}

function listenForDrops(take) {
  const curtain = byId("curtain");
  let depth = 0; // each element under the pointer has its own enter and leave
  const show = (change) => {
    depth = Math.max(0, depth + change);
    curtain.classList.toggle("shown", depth > 0);
  };
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragenter", (event) => hasFiles(event) && show(1));
  document.addEventListener("dragleave", (event) => hasFiles(event) && show(-1));
  document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(-depth);
    take(await dropped(event.dataTransfer));
  });
}

/** Return the dropped files, and the images in dropped folders. */
async function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file"); // not the text beside them
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files];
  const found = [];
  for (const [index, file] of files.entries()) {
    if (entries[index]?.isDirectory) found.push(...(await within(entries[index])));
    else found.push(file);
  }
  return found;
}

async function within(folder) {
  const found = [];
  const reader = folder.createReader();
  for (;;) {
    const entries = await new Promise((done) => reader.readEntries(done, () => done([])));
    if (!entries.length) return found; // a reader returns a hundred at a time
    for (const entry of entries) {
      if (entry.isDirectory) found.push(...(await within(entry)));
      else if (IMAGE.test(entry.name)) {
        const file = await new Promise((done) => entry.file(done, () => done(null)));
        if (file) found.push(Object.assign(file, { path: entry.fullPath.replace(/^\//, "") }));
      }
    }
  }
}

/** A pasted image is always called image.png: give each its time. It is in no folder. */
function named(file) {
  if (file.name !== "image.png") return file;
  const time = new Date().toISOString().slice(11, 23).replace(/[:.]/g, "-");
  return Object.assign(new File([file], `pasted-${time}.png`, { type: file.type }), { pasted: true });
}
