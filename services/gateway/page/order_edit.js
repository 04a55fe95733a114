// Changing an order in its row: what order.modify takes, as far as the order has it.

import { make } from "./dom.js";

// Where each stands among the cells, what is before it, and what a screen reader calls it.
const FIELDS = [
  ["price", 4, "", "New price"],
  ["trigger_price", 4, "@", "New trigger price"],
  ["trigger_offset", 4, "trails", "New distance"],
  ["display_quantity", 5, "", "New quantity shown"],
  ["quantity", 5, "of", "New quantity"],
];
const PLACES = [...new Set(FIELDS.map(([, place]) => place))];

export class OrderEdit {
  // onsave: called with the parameters that changed; onback: nothing is to be changed.
  constructor(order, row, { onsave, onback }) {
    Object.assign(this, { order, onsave, onback });
    this.inputs = new Map();
    for (const place of PLACES) row.cells[place].replaceChildren(this.cell(place));
    const [first] = this.inputs.values();
    first.focus();
    first.select();
  }

  cell(place) {
    const box = make("span", { class: "edits" });
    for (const [name, , before, label] of FIELDS.filter((field) => field[1] === place)) {
      const value = this.order[name];
      if (value === null || value === undefined) continue;
      const input = make("input", { name, value, inputMode: "decimal", "aria-label": label, onkeydown: (event) => this.key(event) });
      if (before && (box.children.length || name !== "quantity")) box.append(make("small", {}, before));
      box.append(input);
      this.inputs.set(name, input);
    }
    return box;
  }

  key(event) {
    if (event.key === "Enter") this.save();
    if (event.key === "Escape") this.onback();
  }

  save() {
    const changes = {};
    for (const [name, input] of this.inputs) {
      const value = input.value.trim();
      if (value !== String(this.order[name])) changes[name] = value;
    }
    if (Object.keys(changes).length) this.onsave({ client_order_id: this.order.client_order_id, ...changes });
    else this.onback();
  }
}
