// Which labels are tags, by the label table: the rules of imlgcn/labels/label_table.py, and what a
// person has answered. A test compares the two.

/** Make rules of what /v1/labels says: positions instead of labels, edges from the bottom up. */
export function makeRules(items) {
  const index = new Map(items.map((item, label) => [item.label, label]));
  const parents = items.map((item) => (item.parents ?? []).map((name) => index.get(name)));
  const edges = fromBelow(parents);
  const needed = items.map((_, label) => new Set([label])); // each label and everything above it
  for (const [child, parent] of [...edges].reverse()) {
    for (const label of needed[parent]) needed[child].add(label);
  }
  return {
    edges,
    needed: needed.map((labels) => [...labels]),
    exclusive: items.map((item) => item.exclusive ?? ""),
    shown: items.map((item) => item.show ?? true),
  };
}

/** Return each [child, parent], such that all edges into a label come before those out of it. */
function fromBelow(parents) {
  const left = parents.map(() => 0);
  for (const parent of parents.flat()) left[parent] += 1;
  const [ready, edges] = [[...left.keys()].filter((label) => !left[label]), []];
  while (ready.length) {
    const child = ready.pop();
    for (const parent of parents[child]) {
      edges.push([child, parent]);
      left[parent] -= 1;
      if (!left[parent]) ready.push(parent);
    }
  }
  return edges;
}

/** Return probabilities in which no parent is below its child. */
export function close({ edges }, probabilities) {
  const closed = [...probabilities];
  for (const [child, parent] of edges) closed[parent] = Math.max(closed[parent], closed[child]);
  return closed;
}

/** Return the set of an image's tags; `answers`: label -> 1 yes, 0 no. */
export function decide({ edges, needed, exclusive, shown }, probabilities, thresholds, answers) {
  const known = withWhatFollows(edges, answers);
  const scores = probabilities.map((p, label) => known.get(label) ?? p);
  for (const [child, parent] of edges) {
    if (!known.has(parent)) scores[parent] = Math.max(scores[parent], scores[child]);
  }
  const isAbove = (label) => known.get(label) !== 0 && scores[label] >= thresholds[label];
  const above = [...scores.keys()].filter((label) => known.get(label) === 1 || isAbove(label));
  const [given, taken] = [new Set(), new Map()]; // taken: exclusive set -> its label that is given
  for (const label of above.sort((a, b) => scores[b] - scores[a])) {
    const together = needed[label].filter((other) => known.get(other) !== 0);
    const sets = together.filter((other) => exclusive[other]);
    if (!sets.every((other) => (taken.get(exclusive[other]) ?? other) === other)) continue;
    for (const other of together) given.add(other);
    for (const other of sets) taken.set(exclusive[other], other);
  }
  const said = [...answers.keys()].filter((label) => answers.get(label) === 1);
  return new Set([...given].filter((label) => shown[label]).concat(said));
}

/** A yes holds for what is above the label, a no for what is below it, unless that has an answer. */
function withWhatFollows(edges, answers) {
  const known = new Map(answers);
  for (const [child, parent] of edges) {
    if (known.get(child) === 1 && !known.has(parent)) known.set(parent, 1);
  }
  for (const [child, parent] of [...edges].reverse()) {
    if (known.get(parent) === 0 && !known.has(child)) known.set(child, 0);
  }
  return known;
}
