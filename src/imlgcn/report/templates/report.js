// A table whose headings carry data-sort can be sorted by them; without this script it is complete.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const kind = head.dataset.sort;
    if (!kind) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = kind === "text" ? "ascending" : "descending";
      const other = now === "ascending" ? "descending" : "ascending";
      const next = now ? other : first;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const compare = (a, b) => {
        if (kind === "text") return sign * key(a).localeCompare(key(b));
        if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
        return sign * (key(a) - key(b));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// Thousands of labels: one page of rows at a time, found by name and sorted over all of them.
const store = document.getElementById("all-labels");
if (store) {
  const ROWS = 50;
  const { names, digits, columns, partners } = JSON.parse(store.textContent);
  const [few, fitted] = [Number(store.dataset.few), store.dataset.fitted === "1" ? columns.length : 0];
  const lower = names.map((name) => name.toLowerCase());
  const table = document.querySelector("table.browsed");
  const heads = [...table.tHead.rows[0].cells];
  const [bar, pager] = [document.getElementById("browse"), document.getElementById("pager")];
  const [find, least] = [bar.querySelector("[data-find]"), bar.querySelector("[data-least]")];
  let [by, down, first, order] = [2, true, 0, []];

  const make = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
  };
  const spelled = (value, places) =>
    value === null
      ? "–"
      : value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });

  function cell(column, label) {
    const value = columns[column][label];
    const element = make("td", "number", spelled(value, digits[column]));
    if (column === 0 && value !== null) {
      const line = make("span", "bar");
      line.style.setProperty("--fraction", `${value}%`);
      element.append(line);
    }
    if (column + 1 === fitted && value < few) element.prepend(make("span", "few", "few"));
    return element;
  }

  function row(label) {
    const name = make("th", "", names[label]);
    name.scope = "row";
    const near = partners[label] ?? [];
    const words = near.flatMap((other, at) => (at % 2 ? [] : [`${names[other]} ${near[at + 1]} %`]));
    const cells = columns.map((_, column) => cell(column, label));
    return make("tr", "", name, ...cells, make("td", "partners", words.join(", ")));
  }

  function compare(a, b) {
    if (by === 0) return (down ? -1 : 1) * (lower[a] < lower[b] ? -1 : lower[a] > lower[b] ? 1 : 0);
    const [x, y] = [columns[by - 1][a], columns[by - 1][b]];
    if (x === null || y === null) return (x === null) - (y === null);
    return (down ? y - x : x - y) || a - b;
  }

  function renew() {
    const [wanted, most] = [find.value.trim().toLowerCase(), Number(least.value) || 0];
    order = [...names.keys()].filter(
      (label) => lower[label].includes(wanted) && (columns[1][label] ?? 0) >= most,
    );
    order.sort(compare);
    show(0);
  }

  function show(start) {
    first = Math.min(Math.max(start, 0), Math.max(0, Math.ceil(order.length / ROWS) - 1) * ROWS);
    table.tBodies[0].replaceChildren(...order.slice(first, first + ROWS).map(row));
    heads.forEach((head, column) => {
      if (column === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const last = Math.min(first + ROWS, order.length);
    const place = order.length ? `${spelled(first + 1, 0)} to ${spelled(last, 0)} of ${spelled(order.length, 0)}` : "none";
    pager.querySelector("[data-place]").textContent = place;
    pager.querySelector("[data-step='-1']").disabled = first === 0;
    pager.querySelector("[data-step='1']").disabled = last === order.length;
    const found = order.length === names.length ? "" : `${spelled(order.length, 0)} of `;
    document.getElementById("browse-says").textContent = `${found}${spelled(names.length, 0)} labels.`;
    table.closest(".scroll").scrollTop = 0;
  }

  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    const button = make("button", "", ...head.childNodes);
    button.type = "button";
    head.append(button);
    button.addEventListener("click", () => {
      [by, down] = [column, by === column ? !down : column > 0];
      renew();
    });
  });
  for (const button of bar.querySelectorAll("[data-sort-by]")) {
    button.addEventListener("click", () => {
      [by, down] = [Number(button.dataset.sortBy), Boolean(button.dataset.down)];
      [find.value, least.value] = ["", button.dataset.positives];
      renew();
    });
  }
  for (const input of [find, least]) input.addEventListener("input", renew);
  pager.addEventListener("click", ({ target }) => {
    if (target.dataset.step) show(first + ROWS * Number(target.dataset.step));
  });
  bar.hidden = pager.hidden = false;
  renew();
}
