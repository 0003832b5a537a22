// Tables that `imlgcn train` and `imlgcn check` read; pure functions apart from `download`.

const quote = (cell) => (/[",;\t\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
// a spreadsheet would compute a cell that begins so: imlgcn/spreadsheets.py does the same
const inert = (cell) =>
  /^'*[=+\-@\t\r\n＝＋－＠]/.test(cell) && !/^[-+]?[\d.,]+(e[-+]?\d+)?\s?%?$/i.test(cell) ? `'${cell}` : cell;
const table = (rows) => rows.map((row) => `${row.map(inert).map(quote).join(",")}\n`).join("");

const MOST_COLUMNS = 1000;

/** Tags: `image,labels` with `sea;sand`; one column per label where a name holds a separator. */
export function tagsTable(items, labels, found) {
  if (labels.some((name) => /[;|,]|^\?/.test(name))) {
    const tags = new Map(items.map((item) => [item, new Set(found(item))]));
    const given = new Set([...tags.values()].flatMap((each) => [...each]));
    // of very many labels only those that some image has
    const columns = [...labels.keys()].filter((index) => labels.length <= MOST_COLUMNS || given.has(index));
    return table([
      ["image", ...columns.map((index) => labels[index])],
      ...items.map((item) => [item.name, ...columns.map((index) => (tags.get(item).has(index) ? "1" : "0"))]),
    ]);
  }
  const rows = items.map((item) => [item.name, found(item).map((index) => labels[index]).join(";")]);
  return table([["image", "labels"], ...rows]);
}

/**
 * Corrections: a column for each label that was answered for some image, with 1 (yes), 0 (no) or ?
 * (unknown). A column of ? alone would be useless for training.
 */
export function correctionsTable(items, labels) {
  const corrected = items.filter((item) => item.corrections.size);
  const indices = [...labels.keys()].filter((index) => corrected.some((item) => item.corrections.has(index)));
  return table([
    ["image", ...indices.map((index) => labels[index])],
    ...corrected.map((item) => [
      item.name,
      ...indices.map((index) => String(item.corrections.get(index) ?? "?")),
    ]),
  ]);
}

/** Suggestions, as `imlgcn suggest --out next.csv` writes them. */
export function nextTable(rows) {
  const cells = rows.map(({ image, why, nearest, similarity }) => [
    image,
    why,
    nearest ?? "",
    similarity === null ? "" : similarity.toFixed(2),
  ]);
  return table([["image", "why", "nearest", "similarity"], ...cells]);
}

/** The names that do not identify one file: {shared: by several images, pasted: no file}. */
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
