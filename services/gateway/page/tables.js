// The tables below: orders with modify and cancel, fills, positions, balances, processes.

import { $, batched, make, setText, showRows } from "./dom.js";
import { clock, number, plain, sign } from "./format.js";
import { OrderEdit } from "./order_edit.js";
import { priceText, quantityText, typeText, words } from "./order_text.js";

const OPEN = new Set(["PENDING_NEW", "NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_REPLACE"]);
const MAX_CLOSED = 500;
const symbol = (instrument) => instrument.slice(instrument.indexOf(".") + 1);

function side(value) {
  return make("span", { class: value === "BUY" ? "up" : "down" }, value === "BUY" ? "Buy" : "Sell");
}

function signed(value, digits = 8) {
  const shown = value === null || value === undefined ? "–" : plain(value, digits);
  return make("span", { class: "figure " + sign(Number(value)) }, shown);
}

export class Tables {
  constructor(desk, { onopen, onclose, onorders }) {
    this.desk = desk;
    this.onopen = onopen;
    this.onclose = onclose;
    this.onorders = onorders;
    this.orders = new Map();
    this.fills = [];
    this.positions = new Map();
    this.balances = new Map();
    this.processes = new Map();
    this.editing = null;
    this.tab = "orders";
    this.draw = batched(() => this.drawNow());
    this.tabs = {
      orders: { title: "Orders", count: () => this.open().length, rows: () => this.orderRows() },
      positions: { title: "Positions", count: () => this.held().length, rows: () => this.positionRows() },
      fills: { title: "Fills", count: () => this.fills.length, rows: () => this.fillRows() },
      balances: { title: "Balances", count: () => 0, rows: () => this.balanceRows() },
      health: { title: "Desk", count: () => 0, rows: () => this.healthRows() },
    };
    this.makeTabs();
  }

  makeTabs() {
    const nav = $("tabs");
    for (const [name, tab] of Object.entries(this.tabs)) {
      tab.node = make("button", { type: "button", role: "tab", id: `tab-${name}`, onclick: () => this.show(name) });
      tab.label = tab.node.appendChild(make("span", {}, tab.title));
      tab.badge = tab.node.appendChild(make("b"));
      nav.append(tab.node);
    }
    this.cancelAll = make("button", { type: "button", class: "button small", id: "cancel-all", onclick: () => this.askCancelAll() }, "Cancel all");
    nav.append(make("span", { class: "space" }), this.cancelAll);
    nav.addEventListener("keydown", (event) => {
      const names = Object.keys(this.tabs);
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = names[(names.indexOf(this.tab) + move + names.length) % names.length];
      this.show(next);
      this.tabs[next].node.focus();
    });
    this.drawNow();
  }

  show(name) {
    this.tab = name;
    this.editing = null;
    this.drawNow();
  }

  clear() {
    this.orders.clear();
    this.positions.clear();
    this.balances.clear();
    this.fills = [];
    this.onorders();
    this.draw();
  }

  open() {
    return [...this.orders.values()].filter((order) => OPEN.has(order.status));
  }

  held() {
    return [...this.positions.values()].filter((position) => Number(position.quantity) !== 0);
  }

  positionIn(instrument) {
    return this.held().find((position) => position.instrument === instrument) || null;
  }

  takeOrders(data) {
    if (data.type === "snapshot") {
      this.orders = new Map(data.orders.map((order) => [order.client_order_id, order]));
    } else {
      const known = this.orders.get(data.client_order_id);
      if (!known || data.revision > known.revision) this.orders.set(data.client_order_id, data);
      if (this.orders.size > this.open().length + MAX_CLOSED) this.forgetClosed();
    }
    this.onorders(data);
    this.draw();
  }

  // The older half of those that ended: late news of them is none.
  forgetClosed() {
    const closed = [...this.orders.values()].filter((order) => !OPEN.has(order.status));
    for (const order of closed.slice(0, MAX_CLOSED / 2)) this.orders.delete(order.client_order_id);
  }

  takeFills(data) {
    if (data.type === "snapshot") this.fills = data.fills;
    else if (!this.fills.some((fill) => fill.exec_id === data.exec_id)) this.fills.unshift(data);
    this.fills.length = Math.min(this.fills.length, 300);
    this.draw();
  }

  takePositions(data) {
    if (data.type === "snapshot") {
      this.positions = new Map(data.positions.map((item) => [item.account + item.instrument, item]));
    } else {
      this.positions.set(data.account + data.instrument, data);
    }
    this.draw();
  }

  takeBalances(data) {
    if (data.type === "snapshot") {
      this.balances = new Map(data.balances.map((item) => [item.venue + item.account + item.currency, item]));
    } else {
      this.balances.set(data.venue + data.account + data.currency, data);
    }
    this.draw();
  }

  takeProcesses(rows) {
    this.processes = new Map(rows.map((row) => [row.name, row]));
    this.draw();
  }

  drawNow() {
    if (!this.open().some((order) => order.client_order_id === this.editing)) this.editing = null;
    for (const [name, tab] of Object.entries(this.tabs)) {
      const count = tab.count();
      setText(tab.badge, count ? String(count) : "");
      tab.node.setAttribute("aria-selected", String(name === this.tab));
      tab.node.tabIndex = name === this.tab ? 0 : -1;
    }
    this.cancelAll.hidden = this.tab !== "orders" || !this.open().length;
    const { heads, rows, empty } = this.tabs[this.tab].rows();
    showRows($("table"), this.tab, heads, rows, { empty, frozen: this.editing });
  }

  link(instrument) {
    return make("button", { type: "button", class: "link", title: instrument, onclick: () => this.onopen(instrument) }, symbol(instrument));
  }

  action(text, act, kind = "") {
    return make("button", { type: "button", class: "button small " + kind, onclick: act }, text);
  }

  orderRows() {
    const heads = ["Time", "Instrument", "Side", "Type", "Price", "Quantity", "Filled", "Force", "Status", ""];
    const open = this.open().sort((a, b) => b.created_ns - a.created_ns);
    const rows = open.map((order) => ({
      id: order.client_order_id,
      cells: [
        clock(order.created_ns),
        this.link(order.instrument),
        side(order.side),
        typeText(order),
        priceText(order),
        quantityText(order),
        plain(order.cum_quantity),
        this.forceOf(order),
        make("span", { class: order.in_doubt_since_ns ? "doubt" : "" }, order.in_doubt_since_ns ? "in doubt" : words(order.status)),
        make("span", { class: "actions" },
          this.action("Modify", (event) => this.edit(order.client_order_id, event.target.closest("tr"))),
          this.action("Cancel", () => this.run("order.cancel", { client_order_id: order.client_order_id })),
        ),
      ],
    }));
    const empty = this.desk.key ? "No open orders. Click a price in the book, set a quantity, and send." : "Log in to see and send orders.";
    return { heads, rows, empty };
  }

  forceOf(order) {
    const flags = [order.time_in_force];
    if (order.post_only) flags.push("post");
    if (order.reduce_only) flags.push("reduce");
    if (order.external) flags.push("external");
    return flags.join(" · ");
  }

  edit(id, row) {
    const order = this.orders.get(id);
    if (this.editing || !order) return;
    this.editing = id;
    const onback = () => {
      this.editing = null;
      for (const cell of row.cells) delete cell.dataset.shown;
      this.drawNow();
    };
    const onsave = async (changes) => {
      await this.run("order.modify", changes);
      onback();
    };
    const edit = new OrderEdit(order, row, { onsave, onback });
    row.cells[9].replaceChildren(make("span", { class: "actions" }, this.action("Save", () => edit.save(), "primary"), this.action("Back", onback)));
  }

  askCancelAll() {
    if (this.cancelAll.dataset.sure) {
      delete this.cancelAll.dataset.sure;
      setText(this.cancelAll, "Cancel all");
      this.run("order.cancel_all", {});
      return;
    }
    this.cancelAll.dataset.sure = "1";
    setText(this.cancelAll, "Sure? Click again");
    setTimeout(() => {
      delete this.cancelAll.dataset.sure;
      setText(this.cancelAll, "Cancel all");
    }, 2500);
  }

  async run(method, params) {
    try {
      const answer = await this.desk.call(method, params);
      if (!answer.accepted && !answer.in_doubt) this.onproblem(answer.text || answer.reason || "refused");
    } catch (problem) {
      this.onproblem(problem.message);
    }
  }

  positionRows() {
    const heads = ["Instrument", "Quantity", "Entry", "Mark", "Unrealised", "Realised", "Delta", "Margin", "Liquidation", ""];
    const rows = this.held().map((item) => ({
      id: item.account + item.instrument,
      cells: [
        this.link(item.instrument),
        signed(item.quantity),
        plain(item.average_price, 4),
        plain(item.mark_price, 4),
        this.money(item.unrealized_pnl, item.currency),
        this.money(item.realized_pnl, item.currency),
        plain(item.delta, 4),
        plain(item.initial_margin, 6),
        plain(item.liquidation_price, 2),
        this.action("Close", () => this.onclose(this.positions.get(item.account + item.instrument))),
      ],
    }));
    return { heads, rows, empty: this.desk.key ? "No positions." : "Log in to see positions." };
  }

  money(value, currency) {
    const node = signed(value, 8);
    if (value !== null && value !== undefined) node.append(make("small", {}, " " + currency));
    return node;
  }

  fillRows() {
    const heads = ["Time", "Instrument", "Side", "Price", "Quantity", "Fee", "Liquidity", "Execution"];
    const rows = this.fills.map((fill) => ({
      id: fill.exec_id,
      cells: [
        clock(fill.filled_ns),
        this.link(fill.instrument),
        side(fill.side),
        plain(fill.last_price),
        plain(fill.last_quantity),
        `${plain(fill.fee, 8)} ${fill.fee_currency}`,
        words(fill.liquidity),
        fill.exec_id,
      ],
    }));
    return { heads, rows, empty: this.desk.key ? "No fills yet." : "Log in to see fills." };
  }

  balanceRows() {
    const heads = ["Account", "Currency", "Equity", "Balance", "Available", "Initial margin", "Maintenance", "Unrealised", "Session"];
    const rows = [...this.balances.values()].map((item) => ({
      id: item.venue + item.account + item.currency,
      cells: [
        `${item.venue}.${item.account}`,
        item.currency,
        plain(item.equity, 8),
        plain(item.balance, 8),
        plain(item.available, 8),
        plain(item.initial_margin, 8),
        plain(item.maintenance_margin, 8),
        signed(item.unrealized_pnl),
        signed(item.realized_pnl),
      ],
    }));
    return { heads, rows, empty: this.desk.key ? "No balances yet." : "Log in to see balances." };
  }

  healthRows() {
    const heads = ["", "Process", "State", "Pid", "Links", "Beat", "Says"];
    const rows = [...this.processes.values()].map((row) => {
      const links = Object.entries(row.links || {});
      return {
        id: row.name,
        cells: [
          make("i", { class: "dot " + (row.healthy ? "good" : "bad") }),
          row.name,
          row.state,
          row.pid === null ? "–" : String(row.pid),
          links.length ? links.map(([name, up]) => `${name} ${up ? "up" : "down"}`).join(", ") : "–",
          row.beat_age_ms === undefined ? "–" : `${number(row.beat_age_ms)} ms ago`,
          row.text || "",
        ],
      };
    });
    return { heads, rows, empty: "Nothing has been heard of the desk's processes." };
  }
}
