"""The desk and unmodified ccxt trade with each other at the same simulated venue."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.e2e.desk import Desk
from tests.e2e.test_desk import eventually, ok, order_of

INSTRUMENT, SYMBOL = "deribit.BTC-PERPETUAL", "BTC/USD:BTC"
ATTEMPTS = 10  # a synthetic trader may be better placed than we are


@pytest.fixture
def client(desk: Desk) -> Any:
    exchange = ccxt.deribit({"apiKey": "bench", "secret": "bench-secret", "enableRateLimit": False})
    exchange.urls["api"]["rest"] = desk.venue_url
    exchange.load_markets()
    return exchange


def inside_price(client: Any) -> float:
    """The best price of a buyer that does not trade."""
    book = client.fetch_order_book(SYMBOL, limit=1)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    return float(bid + 0.5 if bid + 0.5 < ask else bid)


def fills_of(desk: Desk, client_order_id: str) -> Any:
    order = order_of(desk, client_order_id)
    return order if order["status"] == "FILLED" else None


def test_the_desk_takes_what_ccxt_made(desk: Desk, client: Any) -> None:
    for _ in range(ATTEMPTS):
        price = inside_price(client)
        maker = client.create_order(SYMBOL, "limit", "buy", 200_000, price, {"postOnly": True})
        placed = ok(desk.cli("place", INSTRUMENT, "sell", "50", "--type", "market", "--json"))
        eventually(lambda order=placed: fills_of(desk, order["client_order_id"]), "filled")
        trades = client.fetch_order_trades(maker["id"], SYMBOL)
        if client.fetch_order(maker["id"])["status"] == "open":
            client.cancel_order(maker["id"])
        if any(trade["amount"] == 50 and trade["takerOrMaker"] == "maker" for trade in trades):
            return
    raise AssertionError("the two never met")


def test_ccxt_takes_what_the_desk_made(desk: Desk, client: Any) -> None:
    for _ in range(ATTEMPTS):
        price = str(inside_price(client))
        make = ("place", INSTRUMENT, "buy", "20000", "--price", price, "--post-only", "--json")
        result = desk.cli(*make)
        if result.code != 0:  # the market came to us before the order did
            continue
        placed = result.json
        taken = client.create_order(SYMBOL, "market", "sell", 50)
        assert taken["filled"] == 50
        desk.cli("cancel", placed["client_order_id"], "--json")
        order = order_of(desk, placed["client_order_id"])
        if float(order["cum_quantity"]) >= 50:
            return
    raise AssertionError("the two never met")
