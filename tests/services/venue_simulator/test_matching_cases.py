"""Matching cases of other engines (see tests/data/expected/NOTICE.md), through the exchange."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from common.messages import OrderType, Side, TimeInForce, TriggerPrice
from common.venues.simulation import (
    OrderChanges,
    OrderFilter,
    OrderRequest,
    OrderState,
    Placed,
    Refused,
    TradeFilter,
)
from tests.services.venue_simulator.kit import LINEAR, NOW, D, Scene, account

CASES = json.loads(
    (Path(__file__).parents[2] / "data" / "expected" / "matching_cases.json").read_text()
)["cases"]
TYPES = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
}
UNIT = {"tick_size": D(1), "lot_size": D(1), "min_quantity": D(1), "contract_size": D(1)}
BOARD = msgspec.structs.replace(LINEAR, symbol="BOARD", **UNIT)


class Replay:
    """One case: every order has an account of its own, rich enough not to matter."""

    def __init__(self, case) -> None:
        self.case = case
        acts = case["setup"] + case["actions"]
        self.names = [f"a{i}" for i in range(len(acts))]
        people = [account(name, USDC="1e15") for name in self.names]
        self.scene = Scene(*people, definitions=[BOARD], future_band=Decimal("1e6"))
        self.numbers: dict[int, tuple[str, int]] = {}  # case id -> account, order number
        self.ids: dict[int, int] = {}  # order number -> case id
        self.statuses: dict[str, str] = {}
        for name, act in zip(self.names, acts, strict=True):
            self.act(name, act)
            self.watch()

    def watch(self) -> None:
        """Orders born from stops stand for the same id."""
        for event in self.scene.events():
            order = getattr(event, "order", None)
            if order is not None and order.trigger_order in self.ids:
                case_id = self.ids[order.trigger_order]
                self.ids[order.number] = case_id
                self.numbers[case_id] = (order.account, order.number)

    def act(self, name: str, act) -> None:
        result = self.new(name, act) if act["op"] == "new" else self.change(act)
        if act in self.case["actions"]:
            self.statuses[str(act["id"])] = status_of(result, act)

    def new(self, name: str, act):
        kind = TYPES[act["type"]]
        stop = act.get("stop_price")
        request = OrderRequest(
            "BOARD",
            Side(act["side"].upper()),
            D(act["qty"]),
            kind,
            None if "price" not in act else D(act["price"]),
            TimeInForce(act.get("tif", "gtc").upper()),
            trigger=None if stop is None else TriggerPrice.LAST,
            trigger_price=None if stop is None else D(stop),
        )
        result = self.scene.exchange.place(name, request, NOW)
        assert isinstance(result, Placed), result
        self.ids[result.order.number] = act["id"]
        self.numbers[act["id"]] = (name, result.order.number)
        return self.scene.exchange.order(name, result.order.number)

    def change(self, act):
        name, number = self.numbers.get(act["id"], ("a0", 0))
        exchange = self.scene.exchange
        if act["op"] == "cancel":
            return exchange.cancel(name, number, NOW)
        old = exchange.order(name, number)
        done = D(0) if isinstance(old, Refused) else old.cum_quantity
        changes = OrderChanges(
            price=D(act["price"]) if "price" in act else None,
            quantity=D(act["qty"]) + done if "qty" in act else None,
            trigger_price=D(act["stop_price"]) if "stop_price" in act else None,
        )
        result = exchange.edit(name, number, changes, NOW)
        return result if isinstance(result, Refused) else exchange.order(name, number)

    def trades(self):
        """From the fills of all accounts, oldest first."""
        sides: dict[int, dict] = {}
        for name in self.names:
            page = self.scene.exchange.fills(name, TradeFilter(count=1000))
            for fill in page.fills:
                row = sides.setdefault(fill.trade_number, {})
                row["price"], row["qty"] = int(fill.price), int(fill.quantity)
                row[fill.liquidity.value.lower()] = self.ids[fill.order_number]
        return [sides[number] for number in sorted(sides)]

    def resting(self, side: str):
        orders = []
        for name in self.names:
            orders += self.scene.exchange.open_orders(name, OrderFilter())
        rows = [
            {"id": self.ids[o.number], "price": int(o.price), "qty": int(o.leaves_quantity)}
            for o in orders
            if o.state is OrderState.OPEN and o.side.value.lower() == side
        ]
        return sorted(rows, key=lambda row: (row["price"], row["id"]))

    def waiting(self):
        numbers = self.scene.exchange._state.listings["BOARD"].triggers._waiting
        orders = [self.scene.exchange._state.orders[number] for number in numbers]
        rows = []
        for order in orders:
            row = {
                "id": self.ids[order.number],
                "side": order.side.value.lower(),
                "stop_price": int(order.trigger_price),
                "qty": int(order.quantity),
            }
            if order.price is not None:
                row["price"] = int(order.price)
            rows.append(row)
        return rows


def status_of(result, act) -> str:
    if isinstance(result, Refused):
        return "unknown_order"
    if result.state is OrderState.CANCELED:
        if result.cum_quantity and act["op"] != "cancel":
            return "partially_filled_then_cancelled"
        return "cancelled"
    if result.state is OrderState.UNTRIGGERED:
        return "waiting"
    if result.state is OrderState.OPEN and result.cum_quantity:
        return "partially_filled"
    return result.state.value


def by_price(rows):
    return sorted(rows, key=lambda row: (row["price"], row["id"]))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case):
    replay = Replay(case)
    expect = case["expect"]
    assert replay.trades() == expect["trades"]
    assert replay.resting("buy") == by_price(expect["bids"])
    assert replay.resting("sell") == by_price(expect["asks"])
    if "untriggered_stops" in expect:
        assert replay.waiting() == expect["untriggered_stops"]
    told = expect.get("status_of_acted_orders", {})
    triggered = {"filled", "partially_filled", "open", "partially_filled_then_cancelled"}
    for case_id, status in told.items():
        if replay.statuses[case_id] == "triggered":
            assert status in triggered
        else:
            assert replay.statuses[case_id] == status
