// The order book: a mirror kept from snapshots and deltas, and the ladder that shows it.

import { $, make, setClass, setText } from "./dom.js";
import { decimals, number, plain } from "./format.js";

const ROW_PX = 21;

export class Book {
  constructor() {
    this.clear();
  }

  clear() {
    this.bids = new Map();
    this.asks = new Map();
    this.sequence = 0;
    this.stale = true;
  }

  // False: a message is missing, ask for the channel again.
  take(data) {
    if (data.type === "snapshot") {
      this.bids = new Map(data.bids);
      this.asks = new Map(data.asks);
      this.stale = data.stale;
    } else if (data.previous_sequence !== undefined && data.previous_sequence !== this.sequence) {
      this.stale = true;
      return false;
    } else if (data.type === "stale") {
      this.stale = true;
    } else {
      merge(this.bids, data.bids);
      merge(this.asks, data.asks);
    }
    this.sequence = data.sequence ?? this.sequence;
    return true;
  }

  // [price, quantity, total] rows, best first, prices put together in steps of `step`.
  side(name, count, step) {
    const isBid = name === "bids";
    const levels = [...this[name]].sort((a, b) => (isBid ? b[0] - a[0] : a[0] - b[0]));
    const rows = [];
    let total = 0;
    for (const [price, quantity] of levels) {
      const exact = price / step;
      const at = (isBid ? Math.floor(exact + 1e-9) : Math.ceil(exact - 1e-9)) * step;
      const last = rows[rows.length - 1];
      total += quantity;
      if (last && Math.abs(last[0] - at) < step / 2) {
        last[1] += quantity;
        last[2] = total;
      } else if (rows.length === count) {
        break;
      } else {
        rows.push([at, quantity, total]);
      }
    }
    return rows;
  }

  best() {
    let bid = -Infinity;
    let ask = Infinity;
    for (const price of this.bids.keys()) if (price > bid) bid = price;
    for (const price of this.asks.keys()) if (price < ask) ask = price;
    return { bid: bid === -Infinity ? null : bid, ask: ask === Infinity ? null : ask };
  }
}

function merge(side, changes) {
  for (const [price, quantity] of changes) {
    if (quantity) side.set(price, quantity);
    else side.delete(price);
  }
}

class Ladder {
  constructor(id, isBid, onprice) {
    this.box = $(id);
    this.isBid = isBid;
    this.rows = [];
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row && row.dataset.price) onprice(row.dataset.price);
    });
  }

  fit() {
    const count = Math.max(4, Math.floor(this.box.clientHeight / ROW_PX));
    while (this.rows.length > count) this.rows.pop().node.remove();
    while (this.rows.length < count) {
      const cells = [make("span"), make("span"), make("span")];
      const bar = make("i");
      const node = make("button", { type: "button", tabIndex: -1 }, bar, ...cells);
      this.rows.push({ node, bar, cells });
      if (this.isBid) this.box.append(node);
      else this.box.prepend(node);
    }
    return count;
  }

  draw(levels, most, digits, quantityDigits, own) {
    this.rows.forEach((row, index) => {
      const level = levels[index];
      const price = level ? level[0].toFixed(digits) : "";
      row.node.dataset.price = price;
      setClass(row.node, own.has(price) ? "own" : "");
      setText(row.cells[0], level ? number(level[0], digits) : "");
      setText(row.cells[1], level ? number(level[1], quantityDigits) : "");
      setText(row.cells[2], level ? number(level[2], quantityDigits) : "");
      row.bar.style.transform = `scaleX(${level ? Math.min(1, level[2] / most) : 0})`;
    });
  }
}

export class BookView {
  constructor(book, onprice) {
    this.book = book;
    this.asks = new Ladder("asks", false, onprice);
    this.bids = new Ladder("bids", true, onprice);
    this.own = new Set();
    this.grouping = $("grouping");
  }

  open(instrument) {
    this.tick = Number(instrument.tick_size);
    this.quantityDigits = Math.min(4, decimals(instrument.lot_size));
    this.grouping.replaceChildren(
      ...[1, 2, 5, 10, 50, 100].map((times) => {
        const step = plain(this.tick * times);
        return make("option", { value: String(times) }, step);
      }),
    );
    for (const name of ["asks", "bids"]) this[name].draw([], 1, 0, 0, this.own);
  }

  draw() {
    if (!this.tick) return;
    const step = this.tick * Number(this.grouping.value || 1);
    const digits = Math.max(decimals(plain(this.tick).replaceAll(",", "")), 0);
    const asks = this.book.side("asks", this.asks.fit(), step);
    const bids = this.book.side("bids", this.bids.fit(), step);
    const most = Math.max(1e-12, asks.at(-1)?.[2] || 0, bids.at(-1)?.[2] || 0);
    this.asks.draw(asks, most, digits, this.quantityDigits, this.own);
    this.bids.draw(bids, most, digits, this.quantityDigits, this.own);
    const { bid, ask } = this.book.best();
    const known = bid !== null && ask !== null;
    setText($("spread-mid"), known ? number((bid + ask) / 2, digits + 1) : "–");
    const spread = known ? ask - bid : 0;
    const points = known ? number((spread / ((ask + bid) / 2)) * 10000, 2) : "";
    setText($("spread"), known ? `spread ${number(spread, digits)} · ${points} bp` : "");
  }
}
