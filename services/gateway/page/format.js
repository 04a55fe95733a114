// Numbers and times as people read them. Exact numbers arrive as text and stay text.

export function decimals(step) {
  const text = String(step);
  if (text.includes("e-")) return Number(text.split("e-")[1]);
  return (text.split(".")[1] || "").length;
}

const formats = new Map();

export function number(value, digits = 0) {
  if (value === null || value === undefined || value === "") return "–";
  let format = formats.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formats.set(digits, format);
  }
  return format.format(value);
}

// At most `digits` decimals, without trailing zeros.
export function plain(value, digits = 8) {
  if (value === null || value === undefined || value === "") return "–";
  const key = -1 - digits;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { maximumFractionDigits: digits });
    formats.set(key, format);
  }
  return format.format(value);
}

export function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1e9) return number(value / 1e9, 2) + "B";
  if (size >= 1e6) return number(value / 1e6, 2) + "M";
  if (size >= 1e4) return number(value / 1e3, 1) + "K";
  return plain(value, size >= 100 ? 0 : 4);
}

export function percent(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  return (value > 0 ? "+" : "") + number(value, digits) + "%";
}

export function clock(ns) {
  if (!ns) return "–";
  const date = new Date(ns / 1e6);
  return date.toLocaleTimeString("en-GB") + "." + String(date.getMilliseconds()).padStart(3, "0").slice(0, 1);
}

// value + steps * step, exactly, as text: counts in units of the step.
export function stepped(value, step, steps) {
  const digits = Math.max(decimals(step), decimals(value || 0));
  const unit = 10 ** digits;
  const moved = Math.round((Number(value) || 0) * unit) + steps * Math.round(Number(step) * unit);
  const grid = Math.round(Number(step) * unit) || 1;
  return (Math.round(moved / grid) * grid / unit).toFixed(decimals(step));
}

export function sign(value) {
  return value > 0 ? "up" : value < 0 ? "down" : "";
}
