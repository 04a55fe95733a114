// The order ticket. It says what is missing; what is allowed, the engine decides.

import { $, make, setText, showFacts } from "./dom.js";
import { number, plain, stepped } from "./format.js";
import { LIMITED, atField, fieldOf, isPriced, parameters, shown } from "./ticket_fields.js";

const TICKS = ["price", "trigger_price", "trigger_offset", "take_profit", "stop_loss"];
const LOTS = ["quantity", "display_quantity"];
const SWITCHES = ["post_only", "reduce_only", "limited", "iceberg", "bracket"];
const STEPS = { USD: 1, IMPLIED_VOLATILITY: 0.1 }; // of prices that count something else

export class Ticket {
  constructor(desk, onneedlogin) {
    this.desk = desk;
    this.onneedlogin = onneedlogin;
    this.form = $("ticket");
    this.instrument = null;
    this.best = { bid: null, ask: null };
    this.position = null;
    this.isLoggedIn = false;
    this.form.addEventListener("input", (event) => {
      this.forgive(event.target.name);
      if (event.target.name === "tab") this.choose(event.target.value);
      this.draw();
    });
    this.form.addEventListener("change", () => this.draw());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.form.addEventListener("keydown", (event) => this.key(event));
    this.draw();
  }

  // By name, without the fields that are hidden.
  get value() {
    return Object.fromEntries(new FormData(this.form));
  }

  field(name) {
    return this.form.querySelector(`[name="${name}"]:not(:disabled)`);
  }

  choose(tab) {
    this.forgive();
    this.form.elements.tab.value = tab;
    this.form.elements.limited.checked = false;
  }

  empty() {
    for (const name of [...TICKS, ...LOTS]) this.form.elements[name].value = "";
    this.forgive();
    this.say("");
  }

  clear() {
    this.empty();
    for (const name of SWITCHES) this.form.elements[name].checked = false;
    this.draw();
  }

  open(instrument) {
    this.instrument = instrument;
    this.empty();
    this.form.elements.quantity.placeholder = `min ${instrument.min_quantity}`;
    const unit = instrument.contract_type === "inverse" && instrument.kind !== "option" ? instrument.quote : instrument.base;
    $("quantity-unit").textContent = unit;
    $("price-unit").textContent = instrument.quote;
    this.offerPriceTypes();
    this.draw();
  }

  offerPriceTypes() {
    const { quote, contract_type: contract } = this.instrument;
    const choices = [["", quote], ["USD", "USD"], ["IMPLIED_VOLATILITY", "% vol"]];
    const offered = choices.filter(([value]) => value !== "USD" || contract === "inverse");
    const options = offered.map(([value, text]) => make("option", { value }, text));
    this.form.elements.price_type.replaceChildren(...options);
  }

  // A price of the book.
  setPrice(price) {
    if (["MARKET", "TRAILING_STOP"].includes(this.value.tab)) this.choose("LIMIT");
    this.form.elements.price_type.value = "";
    const field = isPriced(this.value) ? "price" : "trigger_price";
    this.form.elements[field].value = price;
    this.forgive(field);
    this.draw();
    this.form.elements.quantity.focus();
  }

  // Prepare the order that closes a position.
  close(position) {
    const quantity = String(position.quantity);
    this.clear();
    this.form.elements.side.value = quantity.startsWith("-") ? "BUY" : "SELL";
    this.choose("MARKET");
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
    if (event.key === "Escape") this.clear();
    const moves = { ArrowUp: 1, ArrowDown: -1 };
    const name = event.target.name;
    if (!(event.key in moves) || !this.instrument) return;
    const steps = moves[event.key] * (event.shiftKey ? 10 : 1);
    if (TICKS.includes(name)) {
      event.target.value = this.moved(event.target, steps);
    } else if (LOTS.includes(name)) {
      const next = stepped(event.target.value || 0, this.instrument.lot_size, steps);
      event.target.value = Number(next) > 0 ? next : this.instrument.min_quantity;
    } else {
      return;
    }
    this.forgive(name);
    event.preventDefault();
    this.draw();
  }

  moved({ name, value }, steps) {
    const kind = name === "price" && this.value.price_type;
    const best = this.best[this.value.side === "BUY" ? "bid" : "ask"] || 0;
    const start = value || (kind || name === "trigger_offset" ? 0 : best);
    return stepped(start, STEPS[kind] || this.instrument.tick_size, steps);
  }

  // Hidden fields are disabled too: they are no part of the order.
  show() {
    const all = this.form.querySelectorAll("[data-for]");
    for (const [name, isShown] of Object.entries(shown(this.value, this.instrument))) {
      const node = [...all].find((each) => each.dataset.for === name);
      node.hidden = !isShown;
      for (const field of node.matches("select") ? [node] : node.querySelectorAll("input, select:not([data-for])")) field.disabled = !isShown;
    }
  }

  draw() {
    this.show();
    this.show(); // once more: a switch that comes out of hiding may be on already
    const { side, tab } = this.value;
    setText($("limited-text"), LIMITED[tab] || "");
    $("price-unit").hidden = !this.form.elements.price_type.hidden;
    const button = $("submit");
    button.className = "submit " + (side === "BUY" ? "buy" : "sell");
    const verb = side === "BUY" ? "Buy" : "Sell";
    const name = this.instrument ? this.instrument.symbol : "";
    setText(button, this.isLoggedIn ? `${verb} ${name}` : "Log in to trade");
    this.drawSum();
  }

  drawSum() {
    const { side, tab, price, price_type: kind, quantity } = this.value;
    const item = this.instrument;
    if (!item) return;
    const best = this.best[side === "BUY" ? "ask" : "bid"];
    const guess = kind ? 0 : isPriced(this.value) ? Number(price) : best;
    const amount = Number(quantity) || 0;
    const rows = [];
    if (amount && guess) {
      const isInverse = item.contract_type === "inverse" && item.kind !== "option";
      const fee = Number(tab === "LIMIT" && this.value.post_only ? item.maker_fee : item.taker_fee);
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
    showFacts($("sum"), rows);
  }

  say(text, kind = "") {
    $("outcome").className = "outcome " + kind;
    setText($("outcome"), text);
    if (text) $("outcome").scrollIntoView({ block: "nearest" });
  }

  order() {
    const request_id = "page-" + crypto.getRandomValues(new Uint32Array(3)).join("-");
    return { ...parameters(this.value, this.instrument), request_id };
  }

  async submit() {
    if (!this.isLoggedIn) {
      this.onneedlogin();
      return;
    }
    if (!this.instrument) return;
    const button = $("submit");
    button.disabled = true;
    this.forgive();
    const began = performance.now();
    try {
      const answer = await this.desk.call("order.place", this.order());
      const took = number(performance.now() - began, 1);
      if (answer.in_doubt) this.say("The venue has not answered yet; the order is in doubt.", "doubt");
      else if (answer.accepted) this.say(`${answer.status.replaceAll("_", " ").toLowerCase()} · ${took} ms`, "good");
      else this.refuse(answer.reason || "refused", answer.text, answer.field);
    } catch (problem) {
      this.refuse("", problem.message, problem.field);
    } finally {
      button.disabled = false;
    }
  }

  // Tells a refusal at the field that it is about, if it is shown.
  refuse(reason, text, name) {
    const field = name && this.field(fieldOf(name));
    if (!field || !text) {
      this.say([reason, text].filter(Boolean).join(": "), "bad");
      return;
    }
    this.say(reason, "bad");
    const note = make("p", { class: "problem", id: `problem-${field.name}`, role: "alert" }, atField(text));
    (field.closest(".row, .options") || field).after(note);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", note.id);
    field.focus();
  }

  // Takes back what was said at this field, or at all of them.
  forgive(name = null) {
    for (const field of this.form.querySelectorAll('[aria-invalid="true"]')) {
      if (name !== null && field.name !== name) continue;
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      $(`problem-${field.name}`)?.remove();
    }
  }
}
