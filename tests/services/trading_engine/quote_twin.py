"""The venue's truth about mass quotes and market maker protection, for the engine's tests."""

from __future__ import annotations

import json
from typing import Any

from tests.services.trading_engine.twin import CLOSED, Json, Refuse, VenueTwin

SIDES = {"bid": "buy", "ask": "sell"}


class QuoteTwin(VenueTwin):
    """Keeps one quote per instrument, side and group.

    Attributes:
        wrong: errors for sides, by (instrument_name, "bid" or "ask"). untold: sides that it takes
            and does not speak of.
    """

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self.protections: dict[tuple[str, str], Json] = {}
        self.frozen: list[Json] = []
        self.wrong: dict[tuple[str, str], Refuse] = {}
        self.untold: set[tuple[str, str]] = set()

    def trigger(self, index: str = "btc_usd", group: str = "mm", until: int = 0) -> list[bytes]:
        """Protection acts: the notice of it, and those of the orders that it cancels."""
        told = {"index_name": index, "mmp_group": group, "frozen_until": until}
        self.frozen.append(told)
        notices = [n for order_id in self.open_ids for n in self.end(order_id, "mmp_trigger")]
        params = {"channel": "user.mmp_trigger.any", "data": told}
        return [json.dumps({"method": "subscription", "params": params}).encode(), *notices]

    def _answer(self, method: str, params: Json) -> tuple[Any, list[bytes]]:
        match method.split("/")[1]:
            case "mass_quote":
                return self._mass_quote(params)
            case "cancel_quotes":
                return self._cancel_quotes(params)
            case "get_mmp_config":
                return list(self.protections.values()), []
            case "get_mmp_status":
                return list(self.frozen), []
            case "set_mmp_config":
                key = params["index_name"], params["mmp_group"]
                self.protections[key] = dict(params)
                if not params["interval"]:
                    del self.protections[key]
                return dict(params), []
            case "reset_mmp":
                if (params["index_name"], params["mmp_group"]) not in self.protections:
                    raise Refuse(13040, "mmp_required")
                self.frozen = []
                return "ok", []
        return super()._answer(method, params)

    def _mass_quote(self, params: Json) -> tuple[Json, list[bytes]]:
        orders, errors, notices = [], [], []
        for quote in params["quotes"]:
            for word in SIDES:
                if word not in quote:
                    continue
                wrong = self.wrong.pop((quote["instrument_name"], word), None)
                if wrong is not None:
                    named = {"instrument_name": quote["instrument_name"], "side": word}
                    errors.append(named | {"error": wrong.error})
                    continue
                try:
                    order, told = self._quote(params, quote, word)
                except Refuse as refusal:
                    named = {"instrument_name": quote["instrument_name"], "side": word}
                    errors.append(named | {"error": refusal.error})
                    continue
                if (quote["instrument_name"], word) not in self.untold:
                    orders.append(dict(order))
                    notices += told
        return {"orders": orders, "trades": [], "errors": errors}, notices

    def _quote(self, params: Json, quote: Json, word: str) -> tuple[Json, list[bytes]]:
        terms = quote[word]
        for order in self.orders.values():
            names = order["instrument_name"], order["direction"], order.get("mmp_group")
            wanted = quote["instrument_name"], SIDES[word], params["mmp_group"]
            if names == wanted and order["order_state"] not in CLOSED:
                return self._amend(order, terms)
        if "price" not in terms:
            raise Refuse(-32602, "Invalid params", param="price")
        named = {"instrument_name": quote["instrument_name"], **terms}
        order, _ = self._place(SIDES[word], named)
        order |= {
            "quote": True,
            "quote_id": params["quote_id"],
            "quote_set_id": quote["quote_set_id"],
            "mmp_group": params["mmp_group"],
        }
        return order, [self._order_told(order)]

    def _amend(self, order: Json, terms: Json) -> tuple[Json, list[bytes]]:
        if not terms["amount"]:
            return order, self.end(order["order_id"], "user_request")
        order |= {"price": terms["price"], "amount": terms["amount"], "replaced": True}
        return order, [self._order_told(order)]

    def _cancel_quotes(self, params: Json) -> tuple[int, list[bytes]]:
        found = [self.orders[name] for name in self.open_ids if "quote_id" in self.orders[name]]
        for name in ("instrument_name", "quote_set_id"):
            if name in params:
                found = [order for order in found if order[name] == params[name]]
        return len(found), [notice for order in found for notice in self._cancel(order)]

    def fill(self, order_id: str, amount: float, price: float | None = None) -> list[bytes]:
        """The amount of an open quote is what remains of it."""
        order = self.orders[order_id]
        if "quote_id" not in order:
            return super().fill(order_id, amount, price)
        order["filled_amount"] += amount
        order["average_price"] = price or order["price"]
        order["amount"] -= amount
        if order["amount"] <= 0:
            order |= {"order_state": "filled", "amount": order["filled_amount"]}
        trade = self._trade(order, amount, price or order["price"])
        self._move(order, amount)
        del trade["label"]
        trade |= {name: order[name] for name in ("quote_id", "quote_set_id")}
        return [self._told("user.trades", [trade]), self._order_told(order)]
