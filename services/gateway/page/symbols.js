// The list of instruments: thousands of rows, of which only the visible ones exist.

import { $, make } from "./dom.js";

const ROW_PX = 30;
const KINDS = ["all", "perpetual", "future", "option", "spot"];
const COINS = ["BTC", "ETH", "SOL", "XRP"]; // first in the list, then by name
const RANK = { perpetual: 0, spot: 1, future: 2, option: 3 };

function coinRank(item) {
  const index = COINS.indexOf(item.base);
  return index < 0 ? COINS.length : index;
}

export class Symbols {
  constructor(onopen) {
    this.onopen = onopen;
    this.all = [];
    this.found = [];
    this.kind = "all";
    this.cursor = 0;
    this.current = "";
    this.input = $("search");
    this.box = $("symbols");
    this.sheet = make("div", { class: "sheet" });
    this.box.append(this.sheet);
    this.makeKinds();
    this.input.addEventListener("input", () => this.filter());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) this.choose(Number(row.dataset.index));
    });
    new ResizeObserver(() => this.draw()).observe(this.box);
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, select, textarea, dialog");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.input.focus();
        this.input.select();
      }
    });
  }

  makeKinds() {
    $("kinds").replaceChildren(
      ...KINDS.map((kind) =>
        make("button", {
          type: "button",
          role: "radio",
          "aria-checked": String(kind === this.kind),
          onclick: () => {
            this.kind = kind;
            for (const node of $("kinds").children) {
              node.setAttribute("aria-checked", String(node.dataset.kind === kind));
            }
            this.filter();
          },
          "data-kind": kind,
        }, kind === "perpetual" ? "perp" : kind),
      ),
    );
    for (const [index, node] of [...$("kinds").children].entries()) node.dataset.kind = KINDS[index];
  }

  load(instruments) {
    this.all = instruments.filter((item) => item.status !== "expired");
    this.venues = new Set(this.all.map((item) => item.venue)).size;
    this.all.sort(
      (a, b) =>
        RANK[a.kind] - RANK[b.kind] ||
        coinRank(a) - coinRank(b) ||
        a.base.localeCompare(b.base) ||
        a.contract_type.localeCompare(b.contract_type) ||
        (a.expiration_ns || 0) - (b.expiration_ns || 0) ||
        Number(a.strike || 0) - Number(b.strike || 0) ||
        a.symbol.localeCompare(b.symbol),
    );
    for (const item of this.all) {
      item.words = `${item.instrument} ${item.kind} ${item.option_type || ""}`.toUpperCase();
    }
    this.filter(true);
  }

  filter(keep = false) {
    const words = this.input.value.toUpperCase().split(/\s+/).filter(Boolean);
    this.found = this.all.filter(
      (item) =>
        (this.kind === "all" || item.kind === this.kind) &&
        words.every((word) => item.words.includes(word)),
    );
    this.sheet.style.height = `${this.found.length * ROW_PX}px`;
    if (!keep) {
      this.cursor = 0;
      this.box.scrollTop = 0;
    }
    $("symbols-count").textContent =
      this.found.length === this.all.length
        ? `${this.all.length} instruments`
        : `${this.found.length} of ${this.all.length} instruments`;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_PX) - 4);
    const count = Math.ceil(this.box.clientHeight / ROW_PX) + 8;
    const rows = this.found.slice(first, first + count).map((item, offset) => {
      const index = first + offset;
      const row = make("div", { class: "symbol", role: "option" }, item.symbol);
      row.dataset.index = String(index);
      row.title = item.instrument;
      row.style.transform = `translateY(${index * ROW_PX}px)`;
      row.setAttribute("aria-selected", String(item.instrument === this.current));
      if (index === this.cursor) row.classList.add("cursor");
      const label = { perpetual: "perp", option: "" }[item.kind] ?? item.kind; // -C and -P say it
      row.append(make("small", {}, [this.venues > 1 ? item.venue : "", label].filter(Boolean).join(" · ")));
      return row;
    });
    this.sheet.replaceChildren(...rows);
  }

  key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    if (event.key in moves) {
      event.preventDefault();
      this.cursor = Math.max(0, Math.min(this.found.length - 1, this.cursor + moves[event.key]));
      const top = this.cursor * ROW_PX;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      const bottom = top + ROW_PX - this.box.clientHeight;
      if (bottom > this.box.scrollTop) this.box.scrollTop = bottom;
      this.draw();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.choose(this.cursor);
    } else if (event.key === "Escape" && this.input.value) {
      this.input.value = "";
      this.filter();
    }
  }

  choose(index) {
    const item = this.found[index];
    if (!item) return;
    this.cursor = index;
    this.mark(item.instrument);
    this.onopen(item);
  }

  mark(instrument) {
    this.current = instrument;
    this.draw();
  }
}
