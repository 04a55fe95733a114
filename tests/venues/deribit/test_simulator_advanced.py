"""Option orders in USD and in volatility at the simulated venue, in the venue's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

CHANNEL = "user.orders.any.any.raw"


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


def option(client: Client, currency: str = "BTC") -> dict[str, Any]:
    """A call near the money, of the last expiry."""
    found = client.ask("public/get_instruments", currency=currency, kind="option")
    calls = [one for one in found if one["option_type"] == "call"]
    last = max(one["expiration_timestamp"] for one in calls)
    calls = [one for one in calls if one["expiration_timestamp"] == last]
    tickers = {one["instrument_name"]: ticker(client, one["instrument_name"]) for one in calls}

    def distance(one: dict[str, Any]) -> float:
        return abs(one["strike"] - tickers[one["instrument_name"]]["underlying_price"])

    return min(calls, key=distance)


def ticker(client: Client, name: str) -> dict[str, Any]:
    result: dict[str, Any] = client.ask("public/ticker", instrument_name=name)
    return result


def place(client: Client, name: str, advanced: str, price: float, **more: Any) -> dict[str, Any]:
    order = {"instrument_name": name, "amount": 1, "price": price, "advanced": advanced}
    result: dict[str, Any] = client.ask("private/buy", **(order | more))["order"]
    return result


def test_usd_is_turned_into_coins_by_the_index(client: Client) -> None:
    name = option(client)["instrument_name"]
    shown = ticker(client, name)
    usd = round(shown["mark_price"] * shown["index_price"] * 0.8)
    order = place(client, name, "usd", usd)
    assert (order["advanced"], order["usd"], order["order_state"]) == ("usd", usd, "open")
    assert order["price"] == pytest.approx(usd / shown["index_price"], abs=0.0005)
    assert order["price"] <= usd / shown["index_price"]


def test_volatility_is_turned_into_coins_by_the_model_of_the_marks(client: Client) -> None:
    name = option(client)["instrument_name"]
    shown = ticker(client, name)
    order = place(client, name, "implv", shown["mark_iv"])
    assert (order["advanced"], order["implv"]) == ("implv", shown["mark_iv"])
    assert order["price"] == pytest.approx(shown["mark_price"], abs=0.0006)


def test_a_trade_tells_what_the_price_of_its_order_counted(client: Client) -> None:
    name = option(client)["instrument_name"]
    order = {"instrument_name": name, "amount": 1, "price": 500, "advanced": "implv"}
    placed = client.ask("private/buy", **order | {"price": ticker(client, name)["mark_iv"] + 30})
    assert {trade["advanced"] for trade in placed["trades"]} == {"implv"}


def test_the_order_follows_the_market_and_says_so(venue: Venue, client: Client) -> None:
    name = option(client)["instrument_name"]
    client.ask("private/subscribe", channels=[CHANNEL])
    iv = round(ticker(client, name)["mark_iv"] * 0.5, 1)
    order = place(client, name, "implv", iv, amount=300)  # too many to be sold to it
    prices = {order["price"]}
    for _ in range(400):
        venue.pass_ms(2000)
        told = [o for o in client.take(CHANNEL) if o["order_id"] == order["order_id"]]
        prices |= {o["price"] for o in told}
        if len(prices) > 2:
            break
    assert len(prices) > 2
    now = client.ask("private/get_order_state", order_id=order["order_id"])
    assert (now["implv"], now["replaced"], now["auto_replaced"]) == (iv, False, True)
    assert now["order_state"] == "open"


def test_an_edit_sends_advanced_again(client: Client) -> None:
    name = option(client)["instrument_name"]
    shown = ticker(client, name)
    usd = round(shown["mark_price"] * shown["index_price"] * 0.6)
    order = place(client, name, "usd", usd, label="mine")
    change = {"amount": 2, "price": usd + 100}
    for more in ({}, {"advanced": "implv"}):
        refused = client.refused("private/edit", order_id=order["order_id"], **change, **more)
        assert (refused[0], refused[2]) == (-32602, "advanced")
    edited = client.ask("private/edit", order_id=order["order_id"], advanced="usd", **change)
    edited = edited["order"]
    assert (edited["usd"], edited["amount"], edited["replaced"]) == (usd + 100, 2, True)
    assert edited["price"] > order["price"]
    change = {"instrument_name": name, "label": "mine", "amount": 1, "advanced": "usd"}
    again = client.ask("private/edit_by_label", **change)["order"]
    assert (again["usd"], again["amount"], again["price"]) == (usd + 100, 1, edited["price"])


def test_what_cannot_be_advanced_is_refused(client: Client) -> None:
    name = option(client)["instrument_name"]
    linear = option(client, "USDC")["instrument_name"]
    usd = {"amount": 1, "price": 100, "advanced": "usd"}
    cases = [
        (usd | {"instrument_name": PERPETUAL, "amount": 10}, 11038),
        (usd | {"instrument_name": name, "post_only": True}, 11039),
        (usd | {"instrument_name": linear}, -32602),
        (usd | {"instrument_name": name, "type": "market"}, -32602),
        (usd | {"instrument_name": name, "price": 0}, 10023),
        (usd | {"instrument_name": name, "price": 5000, "advanced": "implv"}, 10023),
    ]
    for params, code in cases:
        assert client.refused("private/buy", **params)[0] == code, params
    plain = client.ask("private/buy", instrument_name=PERPETUAL, amount=10, price=40000)["order"]
    change = {"order_id": plain["order_id"], "amount": 10, "price": 40001, "advanced": "usd"}
    assert client.refused("private/edit", **change)[0] == 11041
