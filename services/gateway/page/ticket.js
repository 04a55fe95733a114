// The order ticket. It says what is missing; what is allowed, the engine decides.

import { $, make, setText } from "./dom.js";
import { number, plain, stepped } from "./format.js";

const PRICED = ["LIMIT", "STOP_LIMIT"];
const TRIGGERED = ["STOP", "STOP_LIMIT"];

export class Ticket {
  constructor(desk, onneedlogin) {
    this.desk = desk;
    this.onneedlogin = onneedlogin;
    this.form = $("ticket");
    this.instrument = null;
    this.best = { bid: null, ask: null };
    this.position = null;
    this.isLoggedIn = false;
    this.form.addEventListener("input", () => this.draw());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.form.addEventListener("keydown", (event) => this.key(event));
    this.draw();
  }

  get value() {
    return Object.fromEntries(new FormData(this.form));
  }

  open(instrument) {
    this.instrument = instrument;
    for (const name of ["price", "trigger_price", "quantity"]) this.form.elements[name].value = "";
    this.form.elements.quantity.placeholder = `min ${instrument.min_quantity}`;
    const unit = instrument.contract_type === "inverse" && instrument.kind !== "option" ? instrument.quote : instrument.base;
    $("quantity-unit").textContent = unit;
    $("price-unit").textContent = instrument.quote;
    this.say("");
    this.draw();
  }

  setPrice(price) {
    const type = this.value.type;
    if (type === "MARKET") this.form.elements.type.value = "LIMIT";
    const field = type === "STOP" ? "trigger_price" : "price";
    this.form.elements[field].value = price;
    this.draw();
    this.form.elements.quantity.focus();
  }

  // Prepare the order that closes a position.
  close(position) {
    const quantity = String(position.quantity);
    this.form.elements.side.value = quantity.startsWith("-") ? "BUY" : "SELL";
    this.form.elements.type.value = "MARKET";
    this.form.elements.quantity.value = quantity.replace("-", "");
    this.form.elements.reduce_only.checked = true;
    this.draw();
    $("submit").focus();
  }

  login(isLoggedIn) {
    this.isLoggedIn = isLoggedIn;
    this.draw();
  }

  // What the sum is made of: best prices, and the position in this instrument if there is one.
  market(best, position) {
    this.best = best;
    this.position = position;
    this.drawSum();
  }

  key(event) {
    const moves = { ArrowUp: 1, ArrowDown: -1 };
    const name = event.target.name;
    if (!(event.key in moves) || !this.instrument) return;
    const steps = moves[event.key] * (event.shiftKey ? 10 : 1);
    if (name === "price" || name === "trigger_price") {
      const start = event.target.value || this.best[this.value.side === "BUY" ? "bid" : "ask"] || 0;
      event.target.value = stepped(start, this.instrument.tick_size, steps);
    } else if (name === "quantity") {
      const next = stepped(event.target.value || 0, this.instrument.lot_size, steps);
      event.target.value = Number(next) > 0 ? next : this.instrument.min_quantity;
    } else {
      return;
    }
    event.preventDefault();
    this.draw();
  }

  draw() {
    const { side, type } = this.value;
    const show = (field, isShown) => {
      const node = this.form.querySelector(`[data-for="${field}"]`);
      node.hidden = !isShown;
    };
    show("price", PRICED.includes(type));
    show("trigger_price", TRIGGERED.includes(type));
    show("post_only", PRICED.includes(type));
    const button = $("submit");
    button.className = "submit " + (side === "BUY" ? "buy" : "sell");
    const verb = side === "BUY" ? "Buy" : "Sell";
    const name = this.instrument ? this.instrument.symbol : "";
    setText(button, this.isLoggedIn ? `${verb} ${name}` : "Log in to trade");
    this.drawSum();
  }

  drawSum() {
    const { side, type, price, quantity } = this.value;
    const item = this.instrument;
    if (!item) return;
    const guess = PRICED.includes(type) ? Number(price) : this.best[side === "BUY" ? "ask" : "bid"];
    const amount = Number(quantity) || 0;
    const rows = [];
    if (amount && guess) {
      const isInverse = item.contract_type === "inverse" && item.kind !== "option";
      const fee = Number(type === "LIMIT" && this.value.post_only ? item.maker_fee : item.taker_fee);
      const base = isInverse ? amount / guess : amount;
      const value = isInverse ? amount : amount * guess;
      const cost = item.kind === "option" ? Math.min(fee * amount, 0.125 * value) : (isInverse ? base : value) * fee;
      rows.push(["Value", isInverse ? `${plain(base, 6)} ${item.base}` : `${plain(value, 6)} ${item.quote}`]);
      rows.push(["Fee at most", `${plain(cost, 8)} ${item.settlement}`]);
    } else {
      rows.push(["Tick", item.tick_size], ["Smallest", `${item.min_quantity}`]);
    }
    if (this.position) {
      const unit = $("quantity-unit").textContent;
      rows.push(["Position", `${plain(this.position.quantity, 4)} ${unit}`]);
      rows.push(["Entry", plain(this.position.average_price, 4)]);
    }
    const sum = $("sum");
    while (sum.children.length > rows.length) sum.lastChild.remove();
    rows.forEach(([term, text], index) => {
      const line = sum.children[index] || sum.appendChild(make("div", {}, make("dt"), make("dd")));
      setText(line.children[0], term);
      setText(line.children[1], text);
    });
  }

  say(text, kind = "") {
    $("outcome").className = "outcome " + kind;
    setText($("outcome"), text);
  }

  order() {
    const value = this.value;
    const params = {
      instrument: this.instrument.instrument,
      side: value.side,
      type: value.type,
      quantity: value.quantity.trim(),
      time_in_force: value.time_in_force,
      reduce_only: Boolean(value.reduce_only),
      request_id: "page-" + crypto.getRandomValues(new Uint32Array(3)).join("-"),
    };
    if (PRICED.includes(value.type)) {
      params.price = value.price.trim();
      params.post_only = Boolean(value.post_only);
    }
    if (TRIGGERED.includes(value.type)) {
      params.trigger_price = value.trigger_price.trim();
      params.trigger = value.trigger;
    }
    return params;
  }

  async submit() {
    if (!this.isLoggedIn) {
      this.onneedlogin();
      return;
    }
    if (!this.instrument) return;
    const button = $("submit");
    button.disabled = true;
    const began = performance.now();
    try {
      const answer = await this.desk.call("order.place", this.order());
      const took = number(performance.now() - began, 1);
      if (answer.in_doubt) this.say("The venue has not answered yet; the order is in doubt.", "doubt");
      else if (answer.accepted) this.say(`${answer.status.replaceAll("_", " ").toLowerCase()} · ${took} ms`, "good");
      else this.say(`${answer.reason || "refused"}: ${answer.text}`, "bad");
      if (answer.field) this.point(answer.field);
    } catch (problem) {
      this.say(problem.message, "bad");
      this.point(problem.field);
    } finally {
      button.disabled = false;
    }
  }

  point(field) {
    const node = this.form.elements[field];
    if (node && node.focus) node.focus();
  }
}
