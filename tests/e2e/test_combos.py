"""A combo that another client made: the desk lists and trades it, and holds its legs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.desk import NOT_YET_KNOWN, Desk
from tests.e2e.test_ccxt_and_desk import client
from tests.e2e.test_desk import eventually, ok, order_of, settled_position_of

__all__ = ["client"]

PERPETUAL = "BTC-PERPETUAL"


def listed(desk: Desk, name: str) -> dict[str, Any] | None:
    rows = ok(desk.cli("instruments", "--kind", "future_combo", "--json"))
    found = rows["instruments"] if isinstance(rows, dict) else rows
    return next((row for row in found if row["instrument"] == name), None)


def positions(desk: Desk) -> dict[str, Decimal]:
    told = ok(desk.cli("positions", "--json"))
    return {row["instrument"]: Decimal(row["quantity"]) for row in told["positions"]}


def best_bid(desk: Desk, name: str) -> Decimal | None:
    result = desk.cli("book", name, "--once", "--json")
    bids = result.json["bids"] if result.code == 0 else []
    return Decimal(str(bids[0][0])) if bids else None


@pytest.fixture
def combo(desk: Desk, client: Any) -> tuple[str, str]:  # noqa: F811
    """A spread of the farthest future and the perpetual, and that future."""
    future = max(
        (each for each in client.markets.values() if each["future"] and each["base"] == "BTC"),
        key=lambda market: market["expiry"],
    )["id"]
    legs = [
        {"instrument_name": future, "direction": "buy", "amount": 10},
        {"instrument_name": PERPETUAL, "direction": "sell", "amount": 10},
    ]
    made = client.request("create_combo", ["private"], "GET", {"trades": client.json(legs)})
    return f"deribit.{made['result']['id']}", f"deribit.{future}"


def test_the_desk_trades_a_combo_of_another_client(desk: Desk, combo: tuple[str, str]) -> None:
    name, future = combo
    rules = eventually(lambda: listed(desk, name), f"{name} is listed")
    eventually(lambda: (listed(desk, name) or rules)["legs"], "its legs are known")
    best = eventually(lambda: best_bid(desk, name), "a book")
    legs = {future: 10, f"deribit.{PERPETUAL}": -10}
    before = {leg: settled_position_of(desk, leg) for leg in legs}
    placed = desk.place(name, "buy", "20", "--price", str(best - 100))
    order_id = placed["client_order_id"]
    assert Decimal(order_of(desk, order_id)["price"]) == best - 100
    terms = ("--price", str(best - 110), "--quantity", "10")
    ok(desk.cli("modify", order_id, *terms, "--json"))
    assert Decimal(order_of(desk, order_id)["price"]) == best - 110
    ok(desk.cli("cancel", order_id, "--json"))
    assert order_of(desk, order_id)["status"] == "CANCELED"
    assert {leg: settled_position_of(desk, leg) for leg in legs} == before
    taken = desk.place(name, "buy", "10", "--type", "market")
    eventually(lambda: order_of(desk, taken["client_order_id"])["status"] == "FILLED", "a fill")
    for leg, change in legs.items():
        wanted = before[leg] + change
        eventually(lambda leg=leg, w=wanted: positions(desk).get(leg, 0) == w, f"{leg} is held")
    assert name not in positions(desk)
    back = desk.place(name, "sell", "10", "--type", "market")
    eventually(lambda: order_of(desk, back["client_order_id"])["status"] == "FILLED", "sold again")


def test_a_price_outside_the_venues_band_is_refused_here(
    desk: Desk, combo: tuple[str, str]
) -> None:
    name, _ = combo
    eventually(lambda: listed(desk, name), f"{name} is listed")
    order = ("place", name, "buy", "10", "--price", "-50000", "--json")
    refused = eventually(
        lambda: (r := desk.cli(*order).json)["reason"] not in NOT_YET_KNOWN and r, "it is judged"
    )
    assert (refused["reason"], refused["field"]) == ("PRICE_COLLAR", "price")
