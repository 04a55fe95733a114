// The strategies: a list, and of one its figures, profit curve, orders, fills and parameters.

import { Choice } from "./choice.js";
import { Curve, GREEN, RED } from "./curves.js";
import { $, batched, make, setClass, setText, showFacts, showRows, toast } from "./dom.js";
import { clock, number, plain, sign } from "./format.js";

const words = (text) => String(text || "").replaceAll("_", " ").toLowerCase();
const symbol = (instrument) => instrument.slice(instrument.indexOf(".") + 1);
const HINT = "No strategy has been heard of. Start one: crossdesk strategy run strategies/quoter.py --config strategies/quoter.yaml";

function side(value) {
  return make("span", { class: value === "BUY" ? "up" : "down" }, value === "BUY" ? "Buy" : "Sell");
}

function stateOf(row) {
  return row.stale && row.state !== "stopped" ? "silent" : row.state;
}

function tone(row) {
  const state = stateOf(row);
  if (state === "running") return "good";
  return state === "error" || state === "silent" ? "bad" : "";
}

function pnlText(row) {
  const parts = Object.entries(row.pnl).map(([currency, value]) => `${plain(value, 8)} ${currency}`);
  return parts.join(", ") || "–";
}

const pnlSign = (row) => sign(Object.values(row.pnl).reduce((sum, value) => sum + Number(value), 0));

export class Strategies {
  // orders() and fills(): those that the tables hold.
  constructor(desk, { orders, fills }) {
    Object.assign(this, { desk, orders, fills });
    this.rows = new Map();
    this.chosen = null;
    this.history = null;
    this.draw = batched(() => this.drawNow());
    this.curve = new Curve($("strategy-curve"), { onread: (value, at) => this.read(value, at) });
    this.tabs = new Choice($("strategy-tabs"), [["orders", "Orders"], ["fills", "Fills"], ["positions", "Positions"], ["rejects", "Rejects"]], () => this.draw());
    $("parameters").addEventListener("submit", (event) => this.apply(event));
    $("parameters").addEventListener("reset", (event) => this.undo(event));
    $("parameters").addEventListener("input", () => this.markChanges());
    this.drawNow();
  }

  clear() {
    this.rows.clear();
    this.chosen = null;
    this.draw();
  }

  take(data) {
    if (data.type === "snapshot") this.rows = new Map(data.strategies.map((row) => [row.name, row]));
    else this.rows.set(data.name, data);
    this.draw();
  }

  takeHistory(history) {
    this.history = history;
    this.draw();
  }

  choose(name) {
    this.chosen = name;
    $("parameter-rows").replaceChildren();
    setText($("parameter-outcome"), "");
    this.draw();
  }

  drawNow() {
    if (!this.rows.has(this.chosen)) this.chosen = [...this.rows.keys()].sort()[0] ?? null;
    const row = this.rows.get(this.chosen);
    setText($("no-strategy"), this.desk.key ? HINT : "Log in to see strategies.");
    $("no-strategy").hidden = Boolean(row);
    for (const node of [$("strategy"), $("parameters"), document.querySelector(".strategy-list")]) node.hidden = !row;
    if (!row) return;
    this.drawList();
    this.drawHead(row);
    this.drawCurve(row);
    this.drawTable(row);
    this.drawParameters(row);
  }

  drawList() {
    const box = $("strategies");
    const rows = [...this.rows.values()].sort((a, b) => a.name.localeCompare(b.name));
    while (box.children.length > rows.length) box.lastChild.remove();
    rows.forEach((row, index) => {
      const node = box.children[index] || box.appendChild(make("button", { type: "button", role: "option", class: "entry", onclick: (event) => this.choose(event.currentTarget.dataset.name) }, make("i"), make("span"), make("small")));
      node.dataset.name = row.name;
      node.setAttribute("aria-selected", String(row.name === this.chosen));
      setClass(node.children[0], "dot " + tone(row));
      setText(node.children[1], row.name);
      setText(node.children[2], pnlText(row));
      setClass(node.children[2], "figure " + pnlSign(row));
    });
  }

  drawHead(row) {
    setText($("strategy-name"), row.name);
    setText($("strategy-state"), stateOf(row));
    setClass($("strategy-state"), "tag " + tone(row));
    $("strategy-name").title = `${row.file}, ${row.venue}.${row.account}`;
    const rejects = Object.values(row.rejects).reduce((sum, count) => sum + count, 0);
    const held = row.positions.filter((item) => Number(item.quantity)).map((item) => `${plain(item.quantity)} ${symbol(item.instrument)}`);
    const facts = [
      ["PnL", pnlText(row), pnlSign(row)],
      ["Position", held.length > 1 ? `${held.length} instruments` : held[0] || "flat", ""],
      ["Open orders", number(row.open_orders), ""],
      ["Placed", number(row.placed), ""],
      ["Fills", number(row.fills), ""],
      ["Rejects", number(rejects), rejects ? "doubt" : ""],
      ["Started", clock(row.started_ns), ""],
    ];
    if (row.in_doubt) facts.push(["In doubt", number(row.in_doubt), "doubt"]);
    if (row.slow_calls) facts.push(["Slow calls", number(row.slow_calls), "doubt"]);
    showFacts($("strategy-facts"), facts);
    setText($("strategy-error"), row.last_error);
    $("strategy-error").hidden = !row.last_error;
  }

  drawCurve(row) {
    const currency = Object.keys(row.pnl)[0];
    this.currency = currency || "";
    if (!this.history || !currency) {
      this.curve.show([], []);
      return;
    }
    const values = this.history.values("strategy", "", currency, "pnl", row.name);
    const last = values.findLast((value) => value !== null) ?? 0;
    this.curve.show(this.history.seconds, values, { ink: last < 0 ? RED : GREEN, digits: 8 });
  }

  read(value, at) {
    const shown = value === null || value === undefined ? "–" : number(value, 8);
    $("strategy-readout").replaceChildren("PnL ", make("b", { class: sign(value) }, shown), ` ${this.currency || ""}`, at === null ? "" : ` at ${clock(at * 1e9)}`);
  }

  drawTable(row) {
    const orders = this.orders().filter((order) => order.owner === row.name);
    const fills = this.fills().filter((fill) => fill.owner === row.name);
    this.tabs.label("orders", `Orders ${orders.length || ""}`.trim());
    this.tabs.label("fills", `Fills ${fills.length || ""}`.trim());
    const { heads, rows, empty } = this.tableOf(row, orders, fills);
    showRows($("strategy-table"), `mini ${this.tabs.chosen}-of`, heads, rows, { empty });
  }

  tableOf(row, orders, fills) {
    if (this.tabs.chosen === "orders") {
      const rows = orders.sort((a, b) => b.created_ns - a.created_ns).map((order) => ({
        id: order.client_order_id,
        cells: [clock(order.created_ns), symbol(order.instrument), side(order.side), plain(order.price), `${plain(order.cum_quantity)} / ${plain(order.quantity)}`, words(order.in_doubt_since_ns ? "in doubt" : order.status)],
      }));
      return { heads: ["Time", "Instrument", "Side", "Price", "Filled", "Status"], rows, empty: "No open orders." };
    }
    if (this.tabs.chosen === "fills") {
      const rows = fills.map((fill) => ({
        id: fill.exec_id,
        cells: [clock(fill.filled_ns), symbol(fill.instrument), make("span", {}, side(fill.side), make("small", {}, ` ${words(fill.liquidity)}`)), plain(fill.last_price), plain(fill.last_quantity), plain(fill.fee, 8)],
      }));
      return { heads: ["Time", "Instrument", "Side", "Price", "Quantity", "Fee"], rows, empty: "No fills of late." };
    }
    if (this.tabs.chosen === "positions") {
      const rows = row.positions.map((item) => ({
        id: item.instrument,
        cells: [symbol(item.instrument), plain(item.quantity), plain(item.average_price, 2), plain(item.mark_price, 2), plain(item.realized_pnl, 8), plain(item.unrealized_pnl, 8), `${plain(item.working_buy)} / ${plain(item.working_sell)}`],
      }));
      return { heads: ["Instrument", "Quantity", "Entry", "Mark", "Realised", "Unrealised", "Working"], rows, empty: "No positions." };
    }
    const rows = Object.entries(row.rejects).map(([reason, count]) => ({ id: reason, cells: [words(reason), number(count)] }));
    return { heads: ["Reason", "Count"], rows, empty: "Nothing was refused." };
  }

  // --- parameters

  inputs() {
    return [...$("parameter-rows").querySelectorAll("input")];
  }

  drawParameters(row) {
    const entries = Object.entries(row.parameters);
    const names = this.inputs().map((input) => input.name);
    if (names.join() !== entries.map(([name]) => name).join()) {
      $("parameter-rows").replaceChildren(...entries.map(([name, value]) => {
        const input = make("input", { name, value, spellcheck: false });
        input.dataset.shown = value;
        return make("label", { class: "row" }, make("span", { title: name }, words(name)), input);
      }));
    }
    for (const input of this.inputs()) {
      const value = row.parameters[input.name];
      if (input.value === input.dataset.shown && input.value !== value) input.value = value;
      input.dataset.shown = value;
      input.disabled = stateOf(row) !== "running";
    }
    this.markChanges();
  }

  markChanges() {
    const changed = this.inputs().filter((input) => input.value !== input.dataset.shown);
    for (const input of this.inputs()) input.parentNode.classList.toggle("changed", changed.includes(input));
    for (const button of $("parameters").querySelectorAll("button")) button.disabled = !changed.length;
    return changed;
  }

  undo(event) {
    event.preventDefault();
    for (const input of this.inputs()) input.value = input.dataset.shown;
    this.say("", "");
    this.markChanges();
  }

  async apply(event) {
    event.preventDefault();
    const values = Object.fromEntries(this.markChanges().map((input) => [input.name, input.value.trim()]));
    if (!Object.keys(values).length) return;
    try {
      const answer = await this.desk.call("strategy.set", { name: this.chosen, values });
      if (!answer.accepted) {
        this.say(answer.text || answer.reason, "bad");
        this.inputs().find((input) => input.name === answer.field)?.focus();
        return;
      }
      for (const [name, value] of Object.entries(values)) {
        const input = this.inputs().find((each) => each.name === name);
        if (input) input.value = input.dataset.shown = value;
      }
      this.say("Applied; a restart of the strategy forgets it.", "good");
      this.draw();
    } catch (problem) {
      this.say(problem.message, "bad");
      toast(problem.message, "bad");
    }
  }

  say(text, kind) {
    setText($("parameter-outcome"), text);
    setClass($("parameter-outcome"), "outcome " + kind);
  }
}
