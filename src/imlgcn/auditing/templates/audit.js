"use strict";
// One question at a time; answers stay in this browser until they are downloaded or sent.
const { key, findings, pictures, sends_to } = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const stored = () => {
  try {
    return JSON.parse(localStorage.getItem(key)) || {};
  } catch {
    return {}; // no storage in this browser, or not ours
  }
};
const answers = stored(); // index of a finding -> "yes" or "no"
let at = Math.max(0, findings.findIndex((_, index) => !(index in answers)));

function figure(name) {
  const made = document.createElement("figure");
  if (pictures[name]) {
    const image = made.appendChild(document.createElement("img"));
    image.src = pictures[name];
    image.alt = "";
  }
  made.appendChild(document.createElement("figcaption")).textContent = name;
  return made;
}

function similar(title, names) {
  const part = document.createDocumentFragment();
  if (names.length) {
    part.appendChild(document.createElement("h2")).textContent = title;
    const row = part.appendChild(document.createElement("div"));
    row.className = "row";
    row.append(...names.map(figure));
  }
  return part;
}

function show() {
  const done = Object.keys(answers).length;
  element("progress").textContent = `${done} of ${findings.length} answered`;
  const finding = findings[at];
  if (!finding) {
    element("asked").textContent = "Nothing is doubtful.";
    return;
  }
  element("asked").textContent = `${at + 1}. Does this image show “${finding.label}”?`;
  element("picture").src = pictures[finding.image] || "data:,";
  element("picture").alt = finding.image;
  element("facts").textContent = finding.facts;
  element("similar").replaceChildren(
    similar("The same picture, labelled the other way", finding.duplicate ? [finding.duplicate] : []),
    similar(`Most similar with “${finding.label}”`, finding.with_label),
    similar(`Most similar without “${finding.label}”`, finding.without_label),
  );
  for (const choice of ["yes", "no"]) {
    element(choice).setAttribute("aria-pressed", String(answers[at] === choice));
  }
}

function move(step) {
  at = Math.min(Math.max(at + step, 0), Math.max(findings.length - 1, 0));
  show();
}

function answer(choice) {
  if (!findings[at]) return;
  if (answers[at] === choice) delete answers[at]; // once more takes it back
  else answers[at] = choice;
  try {
    localStorage.setItem(key, JSON.stringify(answers));
  } catch {
    // they are kept until the page is closed
  }
  if (answers[at]) move(1);
  show();
}

function table() {
  // a spreadsheet would compute a cell that begins so: imlgcn/spreadsheets.py does the same
  const inert = (text) => (/^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text);
  const quoted = (text) => `"${inert(text).replaceAll('"', '""')}"`;
  const rows = Object.entries(answers).map(([index, choice]) =>
    [findings[index].image, findings[index].label, choice].map(quoted).join(","),
  );
  return ["image,label,answer", ...rows, ""].join("\n");
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Have the server write the data with the answers to a new file. */
async function send() {
  const says = element("sent");
  says.textContent = "Saving…";
  try {
    const answer = await fetch(sends_to, { method: "POST", body: table() });
    const content = await answer.json();
    says.textContent = answer.ok ? content.says : `Not saved: ${content.error.message}`;
  } catch {
    says.textContent = "Not saved: the server does not answer. Is it still running?";
  }
}

element("yes").onclick = () => answer("yes");
element("no").onclick = () => answer("no");
element("back").onclick = () => move(-1);
element("next").onclick = () => move(1);
element("download").onclick = download;
if (sends_to) element("send").onclick = send;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {
    y: () => answer("yes"),
    n: () => answer("no"),
    ArrowRight: () => move(1),
    ArrowLeft: () => move(-1),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});
show();
