// The account page: curves of equity and exposure, Greeks by expiry, strategies, positions, alerts.

import { Bar } from "./bar.js";
import { Choice } from "./choice.js";
import { BLUE, Curve, GREEN, RED } from "./curves.js";
import { Desk } from "./desk.js";
import { $, batched, make, setClass, setText, showFacts, showRows, toast } from "./dom.js";
import { clock, number, percent, plain, sign } from "./format.js";
import { History } from "./history.js";
import { Strategies } from "./strategies.js";
import { Tables } from "./tables.js";

const GREEKS_MS = 2000;
const NOTICES = 50;
const DIGITS = { delta: 4, gamma: 6, vega: 2, theta: 2, inventory: 4 };
const CHANNELS = ["orders", "fills", "positions", "balances", "risk", "strategies", "account"];

const desk = new Desk();
const history = new History();
let greeks = [];
let alerts = []; // raised now
let notices = []; // {time, text, kind}, newest first

const tables = new Tables(desk, { onopen: trade, onclose: (position) => trade(position.instrument), onorders: () => strategies?.draw() });
tables.onproblem = (text) => toast(text, "bad");
tables.show("positions");
const strategies = new Strategies(desk, { orders: () => tables.open(), fills: () => tables.fills });

const equityCurve = new Curve($("equity-curve"), { onread: (value, at) => readEquity(value, at) });
const exposureCurve = new Curve($("exposure-curve"), { stepped: true, onread: (value, at) => readExposure(value, at) });
const spans = new Choice($("spans"), [["second", "15 min"], ["minute", "24 h"]], loadHistory);
const measures = new Choice($("measures"), [["equity", "Equity"], ["pnl", "PnL"]], () => draw());
const currencies = new Choice($("currencies"), [["USD total", "USD"]], () => draw());
const underlyings = new Choice($("underlyings"), [["", "–"]], () => draw());
const figures = new Choice($("greeks-chosen"), Object.keys(DIGITS).map((name) => [name, name]), () => draw());

const account = () => $("accounts").value;
const isDollar = (currency) => currency.startsWith("USD");
const digitsOf = (currency) => (isDollar(currency) ? 2 : 8);

function trade(instrument) {
  desk.carryKey();
  location.href = "/#" + encodeURIComponent(instrument);
}

// --- drawing

const draw = batched(() => {
  drawAccounts();
  drawHead();
  drawEquity();
  drawExposure();
  drawAlerts();
});

function drawAccounts() {
  const names = [...new Set([...history.rows("balance"), ...history.rows("exposure")].map((row) => `${row.venue}.${row.account}`))].sort();
  const box = $("accounts");
  const wanted = ["", ...names];
  if ([...box.options].map((option) => option.value).join() === wanted.join()) return;
  const before = box.value;
  box.replaceChildren(...wanted.map((name) => make("option", { value: name }, name || "All accounts")));
  box.value = wanted.includes(before) ? before : "";
  box.hidden = names.length < 2;
}

const lastOf = (list) => list.findLast((value) => value !== null && value !== undefined) ?? null;
const firstOf = (list) => list.find((value) => value !== null && value !== undefined) ?? null;

function drawHead() {
  const equity = history.values("total", account(), "USD", "equity");
  const pnl = lastOf(history.values("total", account(), "USD", "pnl"));
  const now = lastOf(equity);
  const change = now === null ? null : now - firstOf(equity);
  setText($("equity-usd"), number(now, 2));
  setText($("equity-change"), change === null ? "" : `${change > 0 ? "+" : ""}${number(change, 2)} (${percent((change / (now - change || 1)) * 100, 3)})`);
  setClass($("equity-change"), "figure " + sign(change));
  const facts = [["PnL, USD", pnl === null ? "–" : number(pnl, 2), sign(pnl)]];
  for (const currency of history.names("balance", account())) {
    const value = lastOf(history.values("balance", account(), currency, "equity"));
    if (value) facts.push([currency, plain(value, isDollar(currency) ? 2 : 6), ""]);
  }
  for (const name of history.names("exposure", account())) {
    const delta = lastOf(history.values("exposure", account(), name, "delta"));
    if (delta !== null) facts.push([`Delta ${name}`, number(delta, 4), ""]);
  }
  facts.push(["Margin used", marginText(), ""], ["Alerts", String(alerts.length), alerts.length ? "down" : ""]);
  showFacts($("facts"), facts);
}

// The greatest part of any currency's equity that is bound as initial margin.
function marginText() {
  const parts = [...tables.balances.values()]
    .filter((item) => (!account() || `${item.venue}.${item.account}` === account()) && Number(item.equity) > 0)
    .map((item) => Number(item.initial_margin) / Number(item.equity));
  return parts.length ? number(Math.max(...parts) * 100, 2) + "%" : "–";
}

function drawEquity() {
  const held = history.names("balance", account()).filter((name) => firstOf(history.values("balance", account(), name, "equity")));
  currencies.offer([["USD total", "USD"], ...held.map((name) => [name, name])]);
  const isTotal = currencies.chosen === "USD total";
  const values = history.values(isTotal ? "total" : "balance", account(), isTotal ? "USD" : currencies.chosen, measures.chosen);
  const isLoss = measures.chosen === "pnl" && (lastOf(values) ?? 0) < 0;
  const ink = measures.chosen === "equity" ? BLUE : isLoss ? RED : GREEN;
  equityCurve.show(history.seconds, values, { ink, digits: digitsOf(currencies.chosen) });
}

function readEquity(value, at) {
  const name = currencies.chosen;
  const what = name === "USD total" ? "all currencies, in USD" : name;
  const kind = measures.chosen === "pnl" ? sign(value) : "";
  readout($("equity-readout"), measures.chosen === "pnl" ? "PnL" : "Equity", number(value, digitsOf(name)), what, at, kind);
}

function drawExposure() {
  const names = history.names("exposure", account());
  underlyings.offer(names.length ? names.map((name) => [name, name]) : [["", "–"]]);
  const values = history.values("exposure", account(), underlyings.chosen, figures.chosen);
  exposureCurve.show(history.seconds, values, { digits: DIGITS[figures.chosen] });
}

function readExposure(value, at) {
  const unit = figures.chosen === "delta" || figures.chosen === "inventory" ? underlyings.chosen : "USD";
  readout($("exposure-readout"), `Net ${figures.chosen}`, number(value, DIGITS[figures.chosen]), unit, at, "");
}

function readout(box, what, text, unit, at, kind) {
  box.replaceChildren(`${what} `, make("b", { class: "figure " + kind }, text), ` ${unit}`, at === null ? "" : ` at ${clock(at * 1e9)}`);
}

function drawAlerts() {
  const box = $("alerts");
  const lines = [
    ...alerts.map((alert) => make("li", { class: "bad" }, make("i", { class: "dot bad" }), make("span", {}, alert.text), make("small", {}, `${alert.venue}.${alert.account}`))),
    ...notices.map((notice) => make("li", {}, make("i", { class: "dot " + notice.kind }), make("span", {}, notice.text), make("small", {}, clock(notice.time * 1e6)))),
  ];
  if (!lines.length) lines.push(make("li", { class: "empty" }, desk.key ? "All limits are kept." : "Log in to see alerts."));
  if (box.textContent !== lines.map((line) => line.textContent).join("")) box.replaceChildren(...lines);
}

// --- Greeks by expiry

function bar(value, most, digits) {
  const node = make("span", { class: "figure bar-cell " + sign(value) }, number(value, digits));
  node.style.setProperty("--part", String(most ? Math.abs(value) / most : 0));
  return node;
}

const drawGreeks = batched(() => {
  const shown = greeks.filter((row) => !account() || `${row.venue}.${row.account}` === account());
  if (!shown.length) {
    $("greeks").replaceChildren(make("p", { class: "empty" }, desk.key ? "No positions with Greeks." : "Log in to see Greeks."));
    return;
  }
  const most = (name) => Math.max(...shown.map((row) => Math.abs(row[name])));
  const tops = { delta: most("delta"), gamma: most("gamma"), vega: most("vega"), theta: most("theta") };
  const rows = shown.map((row) => ({
    id: [row.venue, row.account, row.underlying, row.expiration_ns].join(),
    cells: [expiry(row), bar(row.delta, tops.delta, 3), bar(row.gamma, tops.gamma, 5), bar(row.vega, tops.vega, 1), bar(row.theta, tops.theta, 1)],
  }));
  showRows($("greeks"), "by-expiry", ["Expiry", "Delta", "Gamma", "Vega", "Theta"], rows);
});

function expiry(row) {
  const day = row.expiration_ns ? new Date(row.expiration_ns / 1e6).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "2-digit" }) : "Perp";
  const count = `${row.positions} position${row.positions > 1 ? "s" : ""}, ${row.options} of them options`;
  return make("span", { class: row.complete ? "" : "doubt", title: count }, make("b", {}, row.underlying), ` ${day}`);
}

async function loadGreeks() {
  if (!desk.isOpen || !desk.key || document.hidden) return;
  try {
    greeks = (await desk.call("greeks")).greeks;
  } catch {
    return; // as it was; the bar tells what is not healthy
  }
  drawGreeks();
}

// --- data

async function loadHistory() {
  if (!desk.isOpen || !desk.key) return;
  try {
    history.load(await desk.call("account.history", { resolution: spans.chosen }));
    strategies.takeHistory(history);
    draw();
  } catch (problem) {
    toast(problem.message, "bad");
  }
}

function takePoint(point) {
  history.add(point);
  if (document.hidden) return;
  strategies.takeHistory(history);
  draw();
}

function takeRisk(data) {
  if (data.type === "snapshot") alerts = data.risk;
  else {
    const same = (alert) => alert.venue === data.venue && alert.account === data.account && alert.limit === data.limit && alert.subject === data.subject;
    if (data.type === "alert") alerts = [...alerts.filter((alert) => !same(alert)), ...(data.raised ? [data] : [])];
    const text = data.text || `${data.instrument}: ours was ${plain(data.ours)}, the venue's ${plain(data.theirs)}`;
    if (!data.raised) notices = [{ time: Date.now(), text, kind: data.type === "alert" ? "good" : "" }, ...notices].slice(0, NOTICES);
  }
  draw();
}

function follow() {
  desk.subscribe("orders", (data) => tables.takeOrders(data));
  desk.subscribe("fills", (data) => {
    tables.takeFills(data);
    strategies.draw();
  });
  desk.subscribe("positions", (data) => tables.takePositions(data));
  desk.subscribe("balances", (data) => tables.takeBalances(data));
  desk.subscribe("risk", takeRisk);
  desk.subscribe("strategies", (data) => strategies.take(data));
  desk.subscribe("account", takePoint);
  loadHistory();
  loadGreeks();
}

function forget() {
  for (const name of CHANNELS) desk.channels.delete(name);
  tables.clear();
  strategies.clear();
  history.clear(spans.chosen);
  greeks = [];
  alerts = [];
  notices = [];
  draw();
  drawGreeks();
}

const page = new Bar(desk, {
  onkey: follow,
  onlogin: () => tables.draw(),
  onlogout: forget,
  onprocesses: (rows) => tables.takeProcesses(rows),
});

desk.onstatus = (state, isLoggedIn, reason) => {
  page.status(state, isLoggedIn);
  if (reason) toast(reason, "bad");
  if (state === "live" && isLoggedIn) {
    loadHistory();
    loadGreeks();
  }
};

$("health-button").addEventListener("click", () => tables.show("health"));
$("accounts").addEventListener("change", () => {
  draw();
  drawGreeks();
});
setInterval(loadGreeks, GREEKS_MS);
draw();
drawGreeks();
