// The gateway's history of the account as this page keeps it: its points, and one more a second.

const MINUTE_NS = 60e9;
const MOST = { second: 900, minute: 1440 };
const nameOf = (row) => [row.kind, row.venue, row.account, row.name, row.strategy].join("|");

export class History {
  constructor() {
    this.clear();
  }

  clear(resolution = "second") {
    this.resolution = resolution;
    this.times = []; // ns
    this.series = new Map(); // name: {row, values: {measure: list}}
  }

  load(answer) {
    this.clear(answer.resolution);
    this.times = answer.time_ns;
    this.series = new Map(answer.series.map((row) => [nameOf(row), row]));
  }

  // Take the point of a second; of a minute the last one counts.
  add(point) {
    const [now] = point.time_ns;
    if (!point.series.length || now <= (this.times.at(-1) ?? 0)) return;
    const before = this.times.at(-1);
    const isSame = this.resolution === "minute" && before && Math.floor(before / MINUTE_NS) === Math.floor(now / MINUTE_NS);
    if (isSame) this.cut(-1);
    const count = this.times.push(now);
    for (const row of point.series) this.append(row, count);
    for (const row of this.series.values()) {
      for (const list of Object.values(row.values)) if (list.length < count) list.push(null);
    }
    if (count > MOST[this.resolution]) this.cut(0);
  }

  append(row, count) {
    const name = nameOf(row);
    if (!this.series.has(name)) this.series.set(name, { ...row, values: {} });
    const { values } = this.series.get(name);
    for (const [measure, [value]] of Object.entries(row.values)) {
      values[measure] ??= new Array(count - 1).fill(null);
      values[measure].push(value);
    }
  }

  // Forget the first point (0) or the last one (-1).
  cut(end) {
    const lists = [this.times, ...[...this.series.values()].flatMap((row) => Object.values(row.values))];
    for (const list of lists) list.splice(end, 1);
  }

  get seconds() {
    return this.times.map((at) => at / 1e9);
  }

  rows(kind, account = "") {
    return [...this.series.values()].filter((row) => row.kind === kind && (!account || `${row.venue}.${row.account}` === account));
  }

  names(kind, account) {
    return [...new Set(this.rows(kind, account).map((row) => row.name))].sort();
  }

  // One measure, summed over the accounts; unknown where any part of it is.
  values(kind, account, name, measure, strategy = "") {
    const lists = this.rows(kind, account).filter((row) => row.name === name && row.strategy === strategy).map((row) => row.values[measure] || []);
    if (lists.length === 1) return lists[0];
    return this.times.map((_, index) => lists.reduce((sum, list) => (sum === null || (list[index] ?? null) === null ? null : sum + list[index]), lists.length ? 0 : null));
  }
}
