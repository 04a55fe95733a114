"""Take profit, trailing stops and icebergs at the simulated venue, in the venue's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


def sell(client: Client, order_type: str, **more: Any) -> dict[str, Any]:
    params = {"instrument_name": PERPETUAL, "amount": 100, "type": order_type, **more}
    order: dict[str, Any] = client.ask("private/sell", **params)["order"]
    return order


def ids(orders: list[dict[str, Any]]) -> list[str]:
    return [order["order_id"] for order in orders]


@pytest.mark.parametrize("order_type", ["take_limit", "take_market"])
def test_a_take_profit_waits_above_the_market(client: Client, order_type: str) -> None:
    trigger = {"trigger": "index_price", "trigger_price": 90_000}
    order = sell(client, order_type, price=90_000, **trigger)
    assert (order["order_type"], order["order_state"]) == (order_type, "untriggered")
    assert order["order_id"].startswith("BTC-TPI") and order["trigger_price"] == 90_000
    assert order["price"] == ("market_price" if order_type == "take_market" else 90_000)
    by_type = {"instrument_name": PERPETUAL, "type": order_type}
    assert ids(client.ask("private/get_open_orders_by_instrument", **by_type)) == [
        order["order_id"]
    ]
    assert client.ask("private/cancel_all_by_instrument", **by_type | {"type": "stop"}) == 0
    assert client.ask("private/cancel_all_by_instrument", **by_type | {"type": "take"}) == 1


def test_a_trailing_stop_tells_its_distance_and_becomes_a_market_order(
    venue: Venue, client: Client
) -> None:
    mark = client.ask("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    order = sell(client, "trailing_stop", trigger="mark_price", trigger_offset=20_000)
    assert order["order_id"].startswith("BTC-TSM") and order["price"] == "market_price"
    assert (order["trigger_offset"], order["trigger_reference_price"]) == (20_000, mark)
    assert "trigger_price" not in order
    edited = client.ask("private/edit", order_id=order["order_id"], amount=50, trigger_offset=0.01)
    assert edited["order"]["trigger_offset"] == 0.01
    venue.pass_ms(20_000)
    state = client.ask("private/get_order_state", order_id=order["order_id"])
    assert (state["order_state"], state["triggered"]) == ("triggered", True)
    history = {"instrument_name": PERPETUAL, "include_unfilled": True}
    done = client.ask("private/get_order_history_by_instrument", **history)
    born = next(o for o in done if o.get("trigger_order_id") == order["order_id"])
    assert (born["order_type"], born["order_state"], born["amount"]) == ("market", "filled", 50)


def test_an_iceberg_shows_its_display_amount(client: Client) -> None:
    order = {"instrument_name": PERPETUAL, "amount": 5_000, "price": 50_000.5}
    placed = client.ask("private/buy", **order, display_amount=1_000)["order"]
    assert (placed["amount"], placed["display_amount"], placed["refresh_amount"]) == (
        5_000,
        1_000,
        1_000,
    )
    book = client.ask("public/get_order_book", instrument_name=PERPETUAL, depth=10_000)
    assert [50_000.5, 1_000] in book["bids"]
    edited = client.ask(
        "private/edit", order_id=placed["order_id"], amount=5_000, display_amount=2_000
    )["order"]
    assert edited["refresh_amount"] == 2_000
    whole = client.ask("private/buy", **order, display_amount=5_000)["order"]
    assert "display_amount" not in whole
