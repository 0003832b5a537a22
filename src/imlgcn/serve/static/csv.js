// Tables that `imlgcn train` and `imlgcn check` read. No page needed: pure functions.

const quote = (cell) => (/[",;\t\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const table = (rows) => rows.map((row) => `${row.map(quote).join(",")}\n`).join("");

/** Tags: `image,labels` with `sea;sand`; one column per label where a name holds a separator. */
export function tagsTable(items, labels, found) {
  if (labels.some((name) => /[;|,]|^\?/.test(name))) {
    return table([
      ["image", ...labels],
      ...items.map((item) => {
        const tags = new Set(found(item));
        return [item.name, ...labels.map((_, place) => (tags.has(place) ? "1" : "0"))];
      }),
    ]);
  }
  const rows = items.map((item) => [item.name, found(item).map((place) => labels[place]).join(";")]);
  return table([["image", "labels"], ...rows]);
}

/**
 * Corrections: a column for each label that was judged on some image, with 1 (yes), 0 (no) or ?
 * (nobody has said). A column of ? alone would teach nothing.
 */
export function correctionsTable(items, labels) {
  const judged = items.filter((item) => item.corrections.size);
  const places = [...labels.keys()].filter((place) => judged.some((item) => item.corrections.has(place)));
  return table([
    ["image", ...places.map((place) => labels[place])],
    ...judged.map((item) => [
      item.name,
      ...places.map((place) => String(item.corrections.get(place) ?? "?")),
    ]),
  ]);
}

/** The names that do not lead to one file: {shared: of several images, pasted: of no file}. */
export function unclearNames(items) {
  const [seen, shared] = [new Set(), new Set()];
  for (const { name } of items) (seen.has(name) ? shared : seen).add(name);
  const pasted = items.filter((item) => item.file.pasted).map((item) => item.name);
  return { shared: [...shared], pasted };
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
