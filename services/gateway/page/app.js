// The page: what is shown of one instrument and one account, and how the parts hang together.

import { Bar } from "./bar.js";
import { Book, BookView } from "./book.js";
import { DepthChart, PriceChart } from "./chart.js";
import { Desk } from "./desk.js";
import { $, batched, make, setClass, setText, showFacts, toast } from "./dom.js";
import { clock, decimals, number, percent, plain, short } from "./format.js";
import { Symbols } from "./symbols.js";
import { Tables } from "./tables.js";
import { Ticket } from "./ticket.js";

const TRADES = 60;
const PREFERRED = ["BTC-PERPETUAL", "BTC_USDC-PERPETUAL", "BTCUSDT"];

const desk = new Desk();
const book = new Book();
const ticket = new Ticket(desk, () => bar.openLogin());
const view = new BookView(book, (price) => ticket.setPrice(price));
const priceChart = new PriceChart($("chart-price"));
const depthChart = new DepthChart($("chart-depth"));
const symbols = new Symbols((item) => open(item));
const tables = new Tables(desk, {
  onopen: (instrument) => openNamed(instrument),
  onclose: (position) => {
    openNamed(position.instrument);
    ticket.close(position);
  },
  onorders: (order) => onOrders(order),
});
tables.onproblem = (text) => toast(text, "bad");

let current = null; // the instrument that is shown
let instruments = new Map();
let ticker = null;
let trades = [];
let digits = 1;
let latency = null;
let lastMid = null;

// --- drawing, once per frame

const draw = batched(() => {
  if (!current) return;
  drawHead();
  view.draw();
  ticket.market(book.best(), tables.positionIn(current.instrument));
});
const drawTrades = batched(() => {
  const box = $("trades");
  const count = Math.min(trades.length, Math.max(8, Math.ceil(box.clientHeight / 21)));
  while (box.children.length > count) box.lastChild.remove();
  while (box.children.length < count) {
    box.append(make("button", { type: "button", tabIndex: -1, onclick: (event) => ticket.setPrice(event.currentTarget.dataset.price) }, make("span"), make("span"), make("span")));
  }
  for (let index = 0; index < count; index += 1) {
    const trade = trades[index];
    const row = box.children[index];
    setClass(row, trade.aggressor_side === "BUY" ? "up" : "down");
    row.dataset.price = trade.price.toFixed(digits);
    setText(row.children[0], number(trade.price, digits));
    setText(row.children[1], plain(trade.quantity, 4));
    setText(row.children[2], clock(trade.venue_time_ns || trade.received_ns));
  }
});

function drawHead() {
  const { bid, ask } = book.best();
  const mid = bid !== null && ask !== null ? (bid + ask) / 2 : null;
  setText($("mid"), number(mid, digits));
  if (mid !== null && lastMid !== null && mid !== lastMid) {
    setClass($("mid"), "figure " + (mid > lastMid ? "up" : "down"));
  }
  lastMid = mid ?? lastMid;
  $("stale").hidden = !book.stale || !book.sequence;
  document.title = mid === null ? "crossdesk" : `${number(mid, digits)} ${current.symbol} · crossdesk`;
  const change = ticker?.price_change_24h;
  setText($("change"), change === null || change === undefined ? "" : percent(change));
  setClass($("change"), "figure " + (change > 0 ? "up" : change < 0 ? "down" : ""));
  drawFacts(bid, ask);
}

function drawFacts(bid, ask) {
  const value = ticker || {};
  const facts = [
    ["Bid", number(bid, digits), "up"],
    ["Ask", number(ask, digits), "down"],
    ["Mark", number(value.mark_price, current.kind === "option" ? digits : Math.max(2, digits))],
    ["Index", number(value.index_price, 2)],
  ];
  if (current.kind === "option") {
    facts.push(
      ["IV", value.mark_iv === null || value.mark_iv === undefined ? "–" : number(value.mark_iv, 1) + "%"],
      ["Delta", number(value.delta, 3)],
      ["Gamma", plain(value.gamma, 6)],
      ["Vega", number(value.vega, 2)],
      ["Theta", number(value.theta, 2)],
    );
  } else {
    facts.push(
      ["24h high", number(value.high_24h, digits)],
      ["24h low", number(value.low_24h, digits)],
      ["24h volume", value.volume_24h === undefined ? "–" : `${short(value.volume_24h)} ${current.base}`],
    );
    if (current.kind === "perpetual") {
      facts.push(["Funding 8h", percent((value.funding_8h ?? value.funding_rate ?? 0) * 100, 4)]);
    }
  }
  if (current.kind !== "spot") facts.push(["Open interest", short(value.open_interest)]);
  showFacts($("facts"), facts);
}

function drawCharts() {
  if (!document.hidden && current) {
    priceChart.draw(Date.now());
    depthChart.draw(book);
  }
}

// --- one instrument

function open(item) {
  if (current && current.instrument === item.instrument) return;
  if (current) {
    for (const kind of ["book", "trade", "ticker"]) desk.unsubscribe(`${kind}.${current.instrument}`);
  }
  current = item;
  digits = decimals(item.tick_size);
  priceChart.clear();
  priceChart.digits = depthChart.digits = digits;
  book.clear();
  ticker = null;
  lastMid = null;
  trades = [];
  setText($("name"), item.symbol);
  setText($("kind"), item.kind === "option" ? `${item.option_type} · ${item.venue}` : `${item.kind} · ${item.venue}`);
  const isInverse = item.contract_type === "inverse" && item.kind !== "option";
  setText($("unit"), `Quantity ${isInverse ? item.quote : item.base}`);
  view.open(item);
  ticket.open(item);
  symbols.mark(item.instrument);
  location.replace("#" + item.instrument);
  onOrders();
  desk.subscribe(`book.${item.instrument}`, takeBook);
  desk.subscribe(`trade.${item.instrument}`, takeTrade);
  desk.subscribe(`ticker.${item.instrument}`, takeTicker);
  draw();
  drawTrades();
}

function openNamed(instrument) {
  const item = instruments.get(instrument);
  if (item) open(item);
}

function takeBook(data) {
  if (!book.take(data)) desk.ask([`book.${current.instrument}`]);
  measure(data.received_ns);
  const { bid, ask } = book.best();
  if (!book.stale) priceChart.quote(Date.now(), bid, ask);
  draw();
}

function takeTrade(data) {
  if (data.type === "snapshot") {
    trades = data.trades.slice(0, TRADES);
    for (const trade of [...trades].reverse()) addToChart(trade);
  } else {
    trades.unshift(data);
    trades.length = Math.min(trades.length, TRADES);
    addToChart(data);
  }
  drawTrades();
}

function addToChart(trade) {
  const time = (trade.venue_time_ns || trade.received_ns) / 1e6;
  priceChart.trade(time, trade.price, trade.aggressor_side === "BUY", trade.quantity);
}

function takeTicker(data) {
  if (data.instrument) ticker = data;
  draw();
}

function measure(receivedNs) {
  if (!receivedNs) return;
  const age = performance.timeOrigin + performance.now() - receivedNs / 1e6;
  if (age < 0 || age > 10_000) return;
  latency = latency === null ? age : latency * 0.95 + age * 0.05;
}

// --- account

function onOrders(order) {
  view.own = new Set(
    tables.open().filter((item) => current && item.instrument === current.instrument && item.price !== null).map((item) => Number(item.price).toFixed(digits)),
  );
  if (order && order.type === "order") announce(order);
  draw();
}

function announce(order) {
  const what = `${order.side === "BUY" ? "Buy" : "Sell"} ${plain(order.quantity)} ${order.instrument.slice(order.instrument.indexOf(".") + 1)}`;
  if (order.event === "FILL" || order.event === "PARTIAL_FILL") toast(`${what}: ${plain(order.cum_quantity)} filled at ${plain(order.avg_price)}`, "good");
  if (order.event === "CANCELED") toast(`${what}: canceled`);
  if (order.event === "REJECTED") toast(`${what}: ${order.text || order.reject_reason}`, "bad");
}

function followAccount() {
  desk.subscribe("orders", (data) => tables.takeOrders(data));
  desk.subscribe("fills", (data) => tables.takeFills(data));
  desk.subscribe("positions", (data) => tables.takePositions(data));
  desk.subscribe("balances", (data) => tables.takeBalances(data));
}

function forgetAccount() {
  for (const name of ["orders", "fills", "positions", "balances"]) desk.channels.delete(name);
  tables.clear();
}

// --- the desk

const bar = new Bar(desk, {
  onkey: followAccount,
  onlogin: (isLoggedIn) => {
    ticket.login(isLoggedIn);
    tables.draw();
  },
  onlogout: forgetAccount,
  onprocesses: (rows) => tables.takeProcesses(rows),
});

desk.onstatus = (state, isLoggedIn, reason) => {
  bar.status(state, isLoggedIn);
  if (state !== "live") {
    book.stale = true;
    draw();
    if (reason) toast(reason, "bad");
  }
  if (state === "live") loadInstruments();
};

async function loadInstruments() {
  try {
    const answer = await (await fetch("/api/v1/instruments")).json();
    instruments = new Map((answer.instruments || []).map((item) => [item.instrument, item]));
    symbols.load([...instruments.values()]);
  } catch {
    instruments = new Map();
  }
  if (!instruments.size) {
    setTimeout(loadInstruments, 1000);
    return;
  }
  if (current) return;
  const wanted = instruments.get(decodeURIComponent(location.hash.slice(1)));
  const all = [...instruments.values()];
  const preferred = PREFERRED.map((name) => all.find((item) => item.symbol === name)).find(Boolean);
  open(wanted || preferred || all[0]);
}

$("health-button").addEventListener("click", () => tables.show("health"));
$("grouping").addEventListener("change", draw);
new ResizeObserver(draw).observe($("grid"));
setInterval(() => {
  setText($("latency"), latency === null ? "" : `feed ${number(latency, latency < 10 ? 1 : 0)} ms`);
}, 500);
setInterval(() => requestAnimationFrame(drawCharts), 100);
