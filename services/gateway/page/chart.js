// Two canvases: the mid price and trades of the last minutes, and the cumulative depth.

import { number } from "./format.js";

const SPAN_MS = 180_000;
const STEP_MS = 100;
const MAX_POINTS = 4000;
const INK = { up: "#3fb68b", down: "#e5606a", line: "#8ab4ff", grid: "#1a2130", text: "#7d889c" };

function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "11px Inter, system-ui, sans-serif";
  return { pen, width, height };
}

// Round values between low and high, about `count` of them.
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
  return found;
}

export class PriceChart {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.points = []; // {time, bid, ask}
    this.trades = []; // {time, price, isBuy, quantity}
    this.digits = 1;
  }

  quote(time, bid, ask) {
    if (bid === null || ask === null) return;
    const last = this.points.at(-1);
    if (last && time - last.time < STEP_MS) Object.assign(last, { bid, ask });
    else this.points.push({ time, bid, ask });
    if (this.points.length > MAX_POINTS) this.points.splice(0, 500);
  }

  trade(time, price, isBuy, quantity) {
    this.trades.push({ time, price, isBuy, quantity });
    if (this.trades.length > 600) this.trades.splice(0, 100);
  }

  draw(now) {
    const { pen, width, height } = prepare(this.canvas);
    const points = this.points.filter((point) => now - point.time < SPAN_MS);
    if (!points.length || width < 60) return;
    const first = Math.max(now - SPAN_MS, Math.min(points[0].time, now - 15_000));
    const trades = this.trades.filter((trade) => trade.time > first);
    const prices = points.flatMap((point) => [point.bid, point.ask]);
    prices.push(...trades.map((trade) => trade.price));
    let low = Math.min(...prices);
    let high = Math.max(...prices);
    const room = (high - low) * 0.12 || Math.abs(high) * 1e-5 || 1;
    low -= room;
    high += room;
    const right = 74;
    const x = (time) => ((time - first) / (now - first)) * (width - right);
    const y = (price) => height - 20 - ((price - low) / (high - low)) * (height - 28);
    this.grid(pen, width, height, low, high, first, now, x, y, right);
    this.band(pen, points, now, x, y);
    for (const trade of trades) {
      pen.fillStyle = trade.isBuy ? INK.up : INK.down;
      pen.globalAlpha = 0.85;
      pen.beginPath();
      pen.arc(x(trade.time), y(trade.price), 2.2, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    const last = points.at(-1);
    this.label(pen, y((last.bid + last.ask) / 2), width, right, (last.bid + last.ask) / 2);
  }

  grid(pen, width, height, low, high, first, now, x, y, right) {
    pen.fillStyle = INK.text;
    pen.strokeStyle = INK.grid;
    pen.lineWidth = 1;
    pen.beginPath();
    for (const price of ticks(low, high, Math.max(2, height / 60))) {
      const at = Math.round(y(price)) + 0.5;
      pen.moveTo(0, at);
      pen.lineTo(width - right, at);
      pen.fillText(number(price, this.digits), width - right + 8, at + 4);
    }
    const every = now - first > 90_000 ? 30_000 : now - first > 30_000 ? 15_000 : 5_000;
    for (let time = Math.ceil(first / every) * every; time < now; time += every) {
      const at = Math.round(x(time)) + 0.5;
      pen.moveTo(at, 0);
      pen.lineTo(at, height - 18);
      if (at > 24 && at < width - right - 24) {
        pen.textAlign = "center";
        pen.fillText(new Date(time).toLocaleTimeString("en-GB"), at, height - 5);
        pen.textAlign = "left";
      }
    }
    pen.stroke();
  }

  band(pen, points, now, x, y) {
    const steps = (key) => {
      const path = [];
      points.forEach((point, index) => {
        const until = points[index + 1]?.time ?? now;
        path.push([x(point.time), y(key(point))], [x(until), y(key(point))]);
      });
      return path;
    };
    const trace = (path) => path.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
    pen.beginPath();
    trace([...steps((point) => point.ask), ...steps((point) => point.bid).reverse()]);
    pen.closePath();
    pen.fillStyle = "rgba(110, 168, 254, 0.16)";
    pen.fill();
    const mids = steps((point) => (point.bid + point.ask) / 2);
    pen.beginPath();
    trace(mids);
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.strokeStyle = INK.line;
    pen.stroke();
  }

  label(pen, at, width, right, price) {
    pen.fillStyle = "#24405f";
    pen.beginPath();
    pen.roundRect(width - right + 2, at - 9, right - 6, 18, 4);
    pen.fill();
    pen.fillStyle = "#dbe8ff";
    pen.fillText(number(price, this.digits), width - right + 8, at + 4);
  }
}

// How far from mid most of a side's quantity lies; far single orders would flatten the picture.
function bulk(rows, mid) {
  const most = rows.at(-1)[2] * 0.8;
  return Math.abs(rows.find((row) => row[2] >= most)[0] - mid);
}

export class DepthChart {
  constructor(canvas) {
    this.canvas = canvas;
    this.digits = 1;
  }

  draw(book) {
    const { pen, width, height } = prepare(this.canvas);
    const bids = book.side("bids", 200, 1e-9);
    const asks = book.side("asks", 200, 1e-9);
    if (!bids.length || !asks.length || width < 60) return;
    const mid = (bids[0][0] + asks[0][0]) / 2;
    const reach = Math.min(Math.abs(mid), 1.2 * Math.max(bulk(bids, mid), bulk(asks, mid))) || 1;
    const near = (rows) => rows.filter(([price]) => Math.abs(price - mid) <= reach * 1.0001);
    const most = Math.max(near(bids).at(-1)?.[2] || 1, near(asks).at(-1)?.[2] || 1) * 1.1;
    const x = (price) => width / 2 + ((price - mid) / reach) * (width / 2);
    const y = (total) => height - 16 - (total / most) * (height - 22);
    this.fill(pen, near(bids), x, y, height, 0, "rgba(63, 182, 139, 0.18)", INK.up);
    this.fill(pen, near(asks), x, y, height, width, "rgba(229, 96, 106, 0.18)", INK.down);
    pen.fillStyle = INK.text;
    pen.fillText(number(mid - reach, this.digits), 6, height - 4);
    pen.textAlign = "center";
    pen.fillText(number(mid, this.digits + 1), width / 2, height - 4);
    pen.textAlign = "right";
    pen.fillText(number(mid + reach, this.digits), width - 6, height - 4);
    pen.textAlign = "left";
  }

  fill(pen, rows, x, y, height, edge, fill, stroke) {
    const path = [[x(rows[0][0]), height - 16]];
    rows.forEach(([price, , total], index) => {
      path.push([x(price), y(index ? rows[index - 1][2] : 0)], [x(price), y(total)]);
    });
    path.push([edge, y(rows.at(-1)[2])]);
    pen.beginPath();
    path.forEach(([px, py], index) => (index ? pen.lineTo(px, py) : pen.moveTo(px, py)));
    pen.strokeStyle = stroke;
    pen.lineWidth = 1.25;
    pen.stroke();
    pen.lineTo(edge, height - 16);
    pen.closePath();
    pen.fillStyle = fill;
    pen.fill();
  }
}
