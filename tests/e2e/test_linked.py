"""Linked orders, changed terms and priced options on a whole desk, from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.desk import Desk
from tests.e2e.test_desk import PERPETUAL, eventually, fresh_book, ok, order_of


@pytest.fixture
def clean(desk: Desk) -> Iterator[Desk]:
    """The desk; whatever the test placed is canceled afterwards."""
    yield desk
    desk.cli("cancel-all", "--venue", "deribit", "--json")
    eventually(lambda: not ok(desk.cli("orders", "--json"))["orders"], "no order is open")


def mark(desk: Desk) -> float:
    return float(fresh_book(desk)["bids"][0][0])


def group(desk: Desk, first: str) -> list[dict[str, Any]]:
    """The orders that were placed together with this one."""
    rows = ok(desk.cli("orders", "--all", "--json"))["orders"]
    return [row for row in rows if row["link_id"] == first and row["client_order_id"] != first]


def is_in(desk: Desk, client_order_id: str, status: str) -> Any:
    return lambda: order_of(desk, client_order_id)["status"] == status


def test_one_of_two_cancels_the_other(clean: Desk) -> None:
    price = mark(clean)
    low, high = int(price * 0.9), int(price * 1.1)
    placed = ok(
        clean.cli(
            *("place", PERPETUAL, "sell", "100", "--price", str(high), "--json"),
            *("--oco", f"side=sell,type=stop,trigger_price={low}"),
        )
    )
    first = placed["client_order_id"]
    (other,) = eventually(
        lambda: (found := group(clean, first)) and found[0]["venue_order_id"] and found,
        "its partner is known",
    )
    assert other["owner"] == placed["owner"]
    ok(clean.cli("cancel", first, "--json"))
    eventually(is_in(clean, other["client_order_id"], "CANCELED"), "the other went with it")


def test_a_bracket_waits_for_its_entry(clean: Desk) -> None:
    """A filled entry puts its take profit and its stop loss in place; they end together."""
    price = mark(clean)
    low, high = int(price * 0.9), int(price * 1.1)
    bracket = ("--otoco", f"side=sell,price={high}", "--otoco")
    entry = ok(
        clean.cli(
            *("place", PERPETUAL, "buy", "100", "--type", "market", "--json", *bracket),
            f"side=sell,type=stop,trigger_price={low},reduce_only=true",
        )
    )
    first = entry["client_order_id"]
    eventually(is_in(clean, first, "FILLED"), "the entry is filled")
    orders = eventually(lambda: len(found := group(clean, first)) == 2 and found, "both are known")
    assert {order["order_type"] for order in orders} == {"LIMIT", "STOP"}
    names = [order["client_order_id"] for order in orders]
    for name in names:
        eventually(lambda name=name: order_of(clean, name)["status"] == "NEW", "it works")
    ok(clean.cli("cancel", names[0], "--json"))
    eventually(is_in(clean, names[1], "CANCELED"), "its partner went with it")


def test_offset_and_display_change_in_place(clean: Desk) -> None:
    trailing = ok(
        clean.cli(
            *("place", PERPETUAL, "sell", "100", "--type", "trailing_stop", "--json"),
            *("--trigger-offset", "500"),
        )
    )["client_order_id"]
    ok(clean.cli("modify", trailing, "--trigger-offset", "900", "--json"))
    assert float(order_of(clean, trailing)["trigger_offset"]) == 900
    price = str(int(mark(clean) * 0.9))
    iceberg = ok(
        clean.cli(
            *("place", PERPETUAL, "buy", "10000", "--price", price, "--display", "1000", "--json")
        )
    )["client_order_id"]
    ok(clean.cli("modify", iceberg, "--display", "2000", "--json"))
    assert float(order_of(clean, iceberg)["display_quantity"]) == 2000


@pytest.mark.parametrize(("kind", "price"), [("usd", "60"), ("implied_volatility", "20")])
def test_an_option_is_priced_in_dollars_or_volatility(clean: Desk, kind: str, price: str) -> None:
    """The venue turns it into the instrument's unit, and so does every later look."""
    rows = ok(clean.cli("instruments", "--venue", "deribit", "--kind", "option", "--json"))
    spot = mark(clean)
    calls = [
        row
        for row in rows["instruments"]
        if row["settlement"] == "BTC" and row["option_type"] == "call"
    ]
    near = min(calls, key=lambda row: (-row["expiration_ns"], abs(float(row["strike"]) - spot)))
    words = (near["instrument"], "buy", "0.1", "--price", price, "--price-type", kind)
    order = order_of(clean, clean.place(*words)["client_order_id"])
    assert order["price_type"] == kind.upper() and order["status"] in ("NEW", "FILLED")


def test_what_cannot_be_linked_says_why(clean: Desk) -> None:
    result = clean.cli("place", PERPETUAL, "buy", "10", "--price", "50000", "--oco", "side")
    assert result.code == 2 and "name=value" in result.err
    two = ("--oco", "side=sell,price=70000", "--oco", "side=sell,price=71000", "--json")
    result = clean.cli("place", PERPETUAL, "buy", "10", "--price", "50000", *two)
    assert result.code == 1 and "OCO needs 1 linked order, got 2" in result.out
