// How the tables tell the terms of an order, in few words.

import { plain } from "./format.js";

export const words = (text) => String(text || "").replaceAll("_", " ").toLowerCase();

const UNITS = { USD: " USD", IMPLIED_VOLATILITY: "% vol" };

export function priceText(order) {
  const price = order.price === null ? "" : plain(order.price) + (UNITS[order.price_type] || "");
  const by = order.trigger ? " " + words(order.trigger) : "";
  if (order.trigger_price !== null) return `${price} @ ${plain(order.trigger_price)}${by}`.trim();
  if (order.trigger_offset !== null) return `trails ${plain(order.trigger_offset)}${by}`;
  return price || "market";
}

export function quantityText(order) {
  const all = plain(order.quantity);
  return order.display_quantity === null ? all : `${plain(order.display_quantity)} of ${all}`;
}

export function typeText(order) {
  const type = words(order.order_type);
  return order.contingency_type ? `${type} · ${order.contingency_type}` : type;
}
