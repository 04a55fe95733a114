"""A venue that tells the truth, in Deribit's words: the other end of the engine's link in tests.

It keeps orders in a dict and answers at once; what of its answers and notifications arrives, and
when, is for the test to decide.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]
CLOSED = ("filled", "cancelled")


class Refuse(Exception):
    def __init__(self, code: int, message: str, **data: str) -> None:
        self.error = {"code": code, "message": message} | ({"data": data} if data else {})


class VenueTwin:
    """receive() takes a frame and returns what the venue sends back, in order.

    Attributes:
        orders: every order there ever was, by its id.
        received: (method, params) of all calls that arrived.
        refuse: error to answer the next call of a method with.
        crossing: an edit of a post-only order to one of these prices ends it.
        page: trades in one answer. moves: fill() changes positions.
        ahead_ms: of its clock against ours; None: it keeps up with ours and runs ahead a little.
    """

    def __init__(self, now_ms: int) -> None:
        self.orders: dict[str, Json] = {}
        self.trades: list[Json] = []
        self.positions: dict[str, float] = {}
        self.received: list[tuple[str, Json]] = []
        self.refuse: dict[str, Refuse] = {}
        self.crossing: set[float] = set()
        self.page = 1000
        self.moves = True
        self.now_ms = now_ms
        self.ahead_ms: int | None = None
        self._number = 0

    def keep_up(self, our_ms: int) -> None:
        """Time has passed."""
        if self.ahead_ms is None:
            self.now_ms = max(self.now_ms, our_ms)
        else:
            self.now_ms = our_ms + self.ahead_ms

    # --- what a test does to it ---------------------------------------------------------------

    def fill(self, order_id: str, amount: float, price: float | None = None) -> list[bytes]:
        """Trade some of a resting order; the notifications of it."""
        order = self.orders[order_id]
        order["filled_amount"] += amount
        order["average_price"] = price or order["price"]
        if order["filled_amount"] >= order["amount"]:
            order["order_state"] = "filled"
        trade = self._trade(order, amount, price or order["price"])
        self._move(order, amount)
        return [self._told("user.trades", [trade]), self._order_told(order)]

    def end(self, order_id: str, reason: str) -> list[bytes]:
        order = self.orders[order_id]
        order |= {"order_state": "cancelled", "cancel_reason": reason}
        return [self._order_told(order)]

    def place(self, **params: Any) -> list[bytes]:
        """An order of another client."""
        return self._place(params["direction"], params)[1]

    def calls(self, *methods: str) -> list[Json]:
        return [params for method, params in self.received if method in methods]

    @property
    def open_ids(self) -> list[str]:
        return [o["order_id"] for o in self.orders.values() if o["order_state"] not in CLOSED]

    # --- the protocol -------------------------------------------------------------------------

    def receive(self, frame: bytes) -> list[bytes]:
        call = json.loads(frame)
        method, params = call["method"], call.get("params", {})
        self.received.append((method, params))
        try:
            if method in self.refuse:
                raise self.refuse.pop(method)
            result, notices = self._answer(method, params)
        except Refuse as refusal:
            return [json.dumps({"id": call["id"], "error": refusal.error}).encode()]
        answer = {"jsonrpc": "2.0", "id": call["id"], "result": result}
        answer |= {"usIn": self.now_ms * 1000, "usOut": self.now_ms * 1000}
        return [json.dumps(answer).encode(), *notices]

    def _answer(self, method: str, params: Json) -> tuple[Any, list[bytes]]:
        name = method.split("/")[1]
        match name:
            case "auth":
                return {"access_token": "a", "refresh_token": "r", "expires_in": 900}, []
            case "subscribe":
                return params["channels"], []
            case "buy" | "sell":
                order, notices = self._place(name, params)
                return {"order": dict(order), "trades": []}, notices
            case "edit":
                return self._edit(params)
            case "cancel":
                order = self._known(params["order_id"])
                return dict(order), self._cancel(order)
            case "get_positions":
                return [{"instrument_name": k, "size": v} for k, v in self.positions.items()], []
        if name.startswith("cancel_"):
            return self._cancel_many(name, params)
        if name.startswith("get_"):
            return self._list(name, params), []
        return "ok", []

    def _place(self, direction: str, params: Json) -> tuple[Json, list[bytes]]:
        self._number += 1
        order = {
            "order_id": f"V{self._number}",
            "order_state": "untriggered" if "trigger" in params else "open",
            "order_type": params.get("type", "limit"),
            "instrument_name": params["instrument_name"],
            "direction": direction,
            "amount": params["amount"],
            "price": params.get("price", "market_price"),
            "time_in_force": params.get("time_in_force", "good_til_cancelled"),
            "filled_amount": 0.0,
            "average_price": 0.0,
            "label": params.get("label", ""),
            "post_only": params.get("post_only", False),
            "creation_timestamp": self.now_ms,
        }
        order |= {key: params[key] for key in ("trigger", "trigger_price") if key in params}
        self.orders[order["order_id"]] = order
        return order, [self._order_told(order)]

    def _edit(self, params: Json) -> tuple[Json, list[bytes]]:
        order = self._known(params["order_id"])
        if order["order_state"] in CLOSED:
            raise Refuse(11044, "not_open_order")
        if params["price"] in self.crossing and params.get("reject_post_only"):
            notices = self.end(order["order_id"], "edit_post_only_reject")
            return {"order": dict(order), "trades": []}, notices
        order |= {"price": params["price"], "amount": params["amount"], "replaced": True}
        if order["filled_amount"] >= order["amount"]:
            order["order_state"] = "filled"
        notice = self._order_told(order)
        return {"order": dict(order), "trades": []}, [notice]

    def _known(self, order_id: str) -> Json:
        if order_id not in self.orders:
            raise Refuse(10004, "order_not_found")
        return self.orders[order_id]

    def _cancel(self, order: Json) -> list[bytes]:
        if order["order_state"] in CLOSED:
            raise Refuse(11044, "not_open_order")
        return self.end(order["order_id"], "user_request")

    def _cancel_many(self, name: str, params: Json) -> tuple[int, list[bytes]]:
        found = [self.orders[order_id] for order_id in self.open_ids]
        if name == "cancel_by_label":
            found = [order for order in found if order["label"] == params["label"]]
        elif name == "cancel_all_by_instrument":
            symbol = params["instrument_name"]
            found = [order for order in found if order["instrument_name"] == symbol]
        return len(found), [notice for order in found for notice in self._cancel(order)]

    def _list(self, name: str, params: Json) -> Any:
        if "user_trades" in name:
            symbol = params.get("instrument_name")
            since_ms = params.get("start_timestamp", 0)
            trades = [t for t in self.trades if symbol in (None, t["instrument_name"])]
            trades = [t for t in trades if t["timestamp"] >= since_ms]
            only = params.get("currency") in (None, "BTC")
            shown = trades[: self.page] if only else []
            return {"trades": shown, "has_more": only and len(trades) > self.page}
        if name == "get_order_state":
            return self._known(params["order_id"])
        found = list(self.orders.values())
        if params.get("currency") not in (None, "BTC"):
            return []
        if "open" in name:
            found = [order for order in found if order["order_state"] not in CLOSED]
        if "label" in params:
            found = [order for order in found if order["label"] == params["label"]]
        return found

    def _trade(self, order: Json, amount: float, price: float) -> Json:
        trade = {
            "trade_id": f"T{len(self.trades) + 1}",
            "order_id": order["order_id"],
            "instrument_name": order["instrument_name"],
            "direction": order["direction"],
            "price": price,
            "amount": amount,
            "fee": 0.00001,
            "fee_currency": "BTC",
            "liquidity": "M",
            "timestamp": self.now_ms,
            "label": order["label"],
        }
        self.trades.append(trade)
        return trade

    def _move(self, order: Json, amount: float) -> None:
        if self.moves:
            moved = amount if order["direction"] == "buy" else -amount
            symbol = order["instrument_name"]
            self.positions[symbol] = self.positions.get(symbol, 0.0) + moved

    def _order_told(self, order: Json) -> bytes:
        self.now_ms += 1
        order["last_update_timestamp"] = self.now_ms
        return self._told("user.orders", dict(order))

    @staticmethod
    def _told(channel: str, data: Any) -> bytes:
        params = {"channel": f"{channel}.any.any.raw", "data": data}
        return json.dumps({"method": "subscription", "params": params}).encode()
