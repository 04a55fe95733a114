// One curve over time, drawn by uPlot: price axis on the right, the last value on it.

import { decimals, number } from "./format.js";
import uPlot from "./vendor/uplot/uPlot.esm.js";

const INK = { grid: "#1a2130", text: "#7d889c", zero: "#2f3a4e", label: "#24405f", labelText: "#dbe8ff" };
const FONT = "11px Inter, system-ui, sans-serif";
export const BLUE = [138, 180, 255];
export const GREEN = [63, 182, 139];
export const RED = [229, 96, 106];

const rgba = ([red, green, blue], alpha) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;

// A range with room around the curve; a flat one keeps a scale that fits its size.
function range(plot, low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.14 || Math.abs(high) * 1e-3 || 1;
  return [low - room, high + room];
}

function clockOf(seconds, withSeconds) {
  const text = new Date(seconds * 1000).toLocaleTimeString("en-GB");
  return withSeconds ? text : text.slice(0, 5);
}

export class Curve {
  // onread(value, seconds): the value under the pointer, or the last one with seconds null.
  constructor(box, { onread = () => {}, stepped = false } = {}) {
    Object.assign(this, { box, onread, stepped });
    this.ink = BLUE;
    this.digits = 2;
    this.times = [];
    this.values = [];
    this.plot = null;
    new ResizeObserver(() => this.resize()).observe(box);
  }

  // values: as long as times, null where unknown. ink: of the line.
  show(times, values, { ink = BLUE, digits = 2 } = {}) {
    Object.assign(this, { times, values, ink, digits });
    this.box.classList.toggle("blank", this.last() === null);
    if (this.last() !== null) {
      if (!this.plot) this.make();
      this.plot?.setData([times, values]);
    }
    this.read();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    if (this.plot) this.plot.setSize({ width, height });
    else if (this.times.length) this.show(this.times, this.values, this);
  }

  make() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!width || !height) return;
    const axis = { stroke: INK.text, font: FONT, grid: { stroke: INK.grid, width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width,
        height,
        padding: [8, 0, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, width: 0, fill: () => rgba(this.ink, 1) } },
        scales: { x: { time: true }, y: { range } },
        axes: [
          { ...axis, size: 26, space: (plot, index, first, last) => (last - first > 240 ? 54 : 76), values: (plot, splits, index, space, step) => splits.map((at) => clockOf(at, step < 60)) },
          { ...axis, side: 1, gap: 8, size: (plot, texts) => this.room(texts), space: 36, values: (plot, splits, index, space, step) => splits.map((at) => (this.isNearLabel(plot, at) ? null : number(at, Math.min(8, decimals(step))))) },
        ],
        series: [
          {},
          {
            stroke: () => rgba(this.ink, 1),
            fill: (plot) => this.wash(plot),
            width: 1.5,
            points: { show: (plot) => plot.data[0].length < 3, size: 5, fill: () => rgba(this.ink, 1) },
            paths: this.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          },
        ],
        hooks: { setCursor: [() => this.read()], drawClear: [(plot) => this.zero(plot)], draw: [(plot) => this.label(plot)] },
      },
      [this.times, this.values],
      this.box,
    );
  }

  room(texts) {
    const last = number(this.last() ?? 0, this.digits);
    const longest = Math.max(last.length, ...(texts || []).map((text) => text?.length ?? 0));
    return Math.max(58, longest * 6.6 + 18);
  }

  // The label of the last value would cover this tick's text.
  isNearLabel(plot, at) {
    const last = this.last();
    return last !== null && Math.abs(plot.valToPos(at, "y") - plot.valToPos(last, "y")) < 15;
  }

  last() {
    for (let index = this.values.length - 1; index >= 0; index -= 1) {
      if (this.values[index] !== null) return this.values[index];
    }
    return null;
  }

  read() {
    const index = this.plot?.cursor.idx;
    const isInside = index !== null && index !== undefined && this.plot.cursor.left >= 0;
    if (isInside) this.onread(this.values[index], this.times[index]);
    else this.onread(this.last(), null);
  }

  wash(plot) {
    const { top, height } = plot.bbox;
    if (!Number.isFinite(top + height)) return rgba(this.ink, 0);
    const fade = plot.ctx.createLinearGradient(0, top, 0, top + height);
    fade.addColorStop(0, rgba(this.ink, 0.22));
    fade.addColorStop(1, rgba(this.ink, 0.01));
    return fade;
  }

  zero(plot) {
    const { min, max } = plot.scales.y;
    if (!(min < 0 && max > 0)) return;
    const at = Math.round(plot.valToPos(0, "y", true)) + 0.5;
    const pen = plot.ctx;
    pen.save();
    pen.strokeStyle = INK.zero;
    pen.lineWidth = devicePixelRatio;
    pen.beginPath();
    pen.moveTo(plot.bbox.left, at);
    pen.lineTo(plot.bbox.left + plot.bbox.width, at);
    pen.stroke();
    pen.restore();
  }

  label(plot) {
    const last = this.last();
    if (last === null) return;
    const ratio = devicePixelRatio;
    const pen = plot.ctx;
    const left = plot.bbox.left + plot.bbox.width + 2 * ratio;
    const at = Math.min(Math.max(plot.valToPos(last, "y", true), plot.bbox.top), plot.bbox.top + plot.bbox.height);
    pen.save();
    pen.font = `${11 * ratio}px Inter, system-ui, sans-serif`;
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    const text = number(last, this.digits);
    pen.fillStyle = INK.label;
    pen.beginPath();
    pen.roundRect(left, at - 9 * ratio, pen.measureText(text).width + 12 * ratio, 18 * ratio, 4 * ratio);
    pen.fill();
    pen.fillStyle = INK.labelText;
    pen.fillText(text, left + 6 * ratio, at + 0.5 * ratio);
    pen.restore();
  }
}
