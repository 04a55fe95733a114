// What the order ticket asks for by kind of order, and the parameters that its fields become.

// The tabs of the ticket; of those with two types the second one has a limit.
export const TYPES = {
  LIMIT: ["LIMIT"],
  MARKET: ["MARKET", "MARKET_TO_LIMIT"],
  STOP: ["STOP", "STOP_LIMIT"],
  TAKE_PROFIT: ["TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
  TRAILING_STOP: ["TRAILING_STOP"],
};
export const LIMITED = { MARKET: "Rest as limit", STOP: "Limit price", TAKE_PROFIT: "Limit price" };
const PRICED = new Set(["LIMIT", "STOP_LIMIT", "TAKE_PROFIT_LIMIT"]);
const WORDS = ["price_type", "trigger", "time_in_force"];
const NUMBERS = ["quantity", "price", "trigger_price", "trigger_offset", "display_quantity"];
const FLAGS = ["post_only", "reduce_only"];

export const typeOf = (value) => TYPES[value.tab][value.limited ? 1 : 0] || value.tab;
export const isPriced = (value) => PRICED.has(typeOf(value));

// Which fields and switches the ticket shows.
export function shown(value, instrument) {
  const isPlain = value.tab === "LIMIT" && !value.price_type;
  const isTrailing = value.tab === "TRAILING_STOP";
  const hasBracket = isPlain || typeOf(value) === "MARKET";
  return {
    trigger_price: value.tab === "STOP" || value.tab === "TAKE_PROFIT",
    trigger_offset: isTrailing,
    limited: value.tab in LIMITED,
    price: isPriced(value),
    price_type: value.tab === "LIMIT" && instrument?.kind === "option",
    post_only: isPriced(value),
    iceberg: isPriced(value),
    display_quantity: isPriced(value) && Boolean(value.iceberg),
    bracket: hasBracket,
    take_profit: hasBracket && Boolean(value.bracket),
    stop_loss: hasBracket && Boolean(value.bracket),
  };
}

// What order.place is called with. An empty field is left out: the desk says what it misses.
export function parameters(value, instrument) {
  const params = { instrument: instrument.instrument, side: value.side, type: typeOf(value) };
  for (const name of [...NUMBERS, ...WORDS]) {
    const text = (value[name] || "").trim();
    if (text) params[name] = text;
  }
  for (const name of FLAGS) if (value[name]) params[name] = true;
  if (value.bracket) {
    params.contingency_type = "OTOCO";
    params.linked_orders = [exit(value, "TAKE_PROFIT", value.take_profit), exit(value, "STOP", value.stop_loss)];
  }
  return params;
}

function exit(value, type, price) {
  const side = value.side === "BUY" ? "SELL" : "BUY";
  return { side, type, trigger_price: price.trim(), reduce_only: true };
}

// The field of the ticket that an answer's field is.
export function fieldOf(name) {
  if (name.startsWith("linked_orders[0]")) return "take_profit";
  if (name.startsWith("linked_orders[1]")) return "stop_loss";
  return name;
}

// What an answer says, where its place says already which order of a group it is about.
export const atField = (text) => text.replace(/^linked order \d+: /, "");
