// Small helpers over the DOM. Text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

// Runs `draw` at most once per frame, and not at all while the page is hidden.
export function batched(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

export function toast(text, kind = "") {
  const node = make("div", { class: "toast " + kind }, text);
  const box = $("toasts");
  box.append(node);
  while (box.children.length > 4) box.firstChild.remove();
  setTimeout(() => node.remove(), 4000);
}

// Facts of [term, text, class] in a dl.
export function showFacts(box, facts) {
  while (box.children.length > facts.length) box.lastChild.remove();
  facts.forEach(([term, text, kind], index) => {
    const line = box.children[index] || box.appendChild(make("div", {}, make("dt"), make("dd")));
    setText(line.children[0], term);
    setText(line.children[1], text);
    setClass(line.children[1], "figure " + (kind || ""));
  });
}

const signature = (cell) => (cell instanceof Node ? `${cell.className} ${cell.textContent}` : String(cell));

function fillCell(td, cell) {
  const now = signature(cell);
  if (td.dataset.shown === now) return;
  td.dataset.shown = now;
  td.replaceChildren(cell);
}

// What a pointer was pressed on, until it is released: nothing moves below it meanwhile, since a
// button that is elsewhere at the release is never clicked.
let pressed = null;
const waiting = new Map(); // box: what is drawn in it after the release

addEventListener("pointerdown", (event) => (pressed = event.target), true);
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => setTimeout(release), true);

function release() {
  pressed = null;
  for (const draw of waiting.values()) draw();
  waiting.clear();
}

function isHeld(box, draw) {
  if (!pressed || !box.contains(pressed)) return false;
  waiting.set(box, draw);
  return true;
}

// Shows rows of {id, cells} in a table, or the text `empty` where there are none. A row keeps its
// nodes while its id is there and a cell while it reads the same. The row with the id `frozen` is
// left alone.
export function showRows(box, name, heads, rows, { empty = "", frozen = null } = {}) {
  if (isHeld(box, () => showRows(box, name, heads, rows, { empty, frozen }))) return;
  if (!rows.length) {
    box.replaceChildren(make("p", { class: "empty" }, empty));
    return;
  }
  let table = box.querySelector("table");
  if (!table || table.className !== name) {
    const head = make("tr", {}, ...heads.map((text) => make("th", {}, text)));
    table = make("table", { class: name }, make("thead", {}, head), make("tbody"));
    box.replaceChildren(table);
  }
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const wanted = rows.map(({ id, cells }) => {
    const row = known.get(String(id)) ?? make("tr", {}, ...cells.map(() => make("td")));
    row.dataset.id = id;
    if (String(id) !== frozen) cells.forEach((cell, index) => fillCell(row.cells[index], cell ?? "–"));
    return row;
  });
  const same = wanted.length === body.rows.length && wanted.every((row, index) => row === body.rows[index]);
  if (!same) body.replaceChildren(...wanted);
}
