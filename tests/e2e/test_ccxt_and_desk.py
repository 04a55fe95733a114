"""The desk and unmodified ccxt trade with each other at the same simulated venue."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.e2e.desk import Desk
from tests.e2e.test_desk import eventually, ok, order_of

INSTRUMENT, SYMBOL = "deribit.BTC-PERPETUAL", "BTC/USD:BTC"
ATTEMPTS = 10  # the market may move away from an order before it is taken
ENOUGH = 400_000  # for all that is better placed by then
DONE = ("FILLED", "CANCELED")


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


def test_the_desk_takes_what_ccxt_made(desk: Desk, client: Any) -> None:
    for _ in range(ATTEMPTS):
        price = inside_price(client)
        maker = client.create_order(SYMBOL, "limit", "buy", 20_000, price, {"postOnly": True})
        take = ("place", INSTRUMENT, "sell", str(ENOUGH), "--price", str(price), "--tif", "ioc")
        taken = ok(desk.cli(*take, "--json"))["client_order_id"]
        eventually(lambda name=taken: order_of(desk, name)["status"] in DONE, "taken")
        trades = client.fetch_order_trades(maker["id"], SYMBOL)
        if client.fetch_order(maker["id"])["status"] == "open":
            client.cancel_order(maker["id"])
        makers = [trade for trade in trades if trade["takerOrMaker"] == "maker"]
        if makers and float(order_of(desk, taken)["cum_quantity"]) > 0:
            return
    raise AssertionError("the two never met")


def test_ccxt_takes_what_the_desk_made(desk: Desk, client: Any) -> None:
    for _ in range(ATTEMPTS):
        price = inside_price(client)
        make = ("place", INSTRUMENT, "buy", "20000", "--price", str(price), "--post-only", "--json")
        result = desk.cli(*make)
        if result.code != 0:  # the market came to us before the order did
            continue
        made = result.json["client_order_id"]
        taken = client.create_order(SYMBOL, "limit", "sell", ENOUGH, price, {"timeInForce": "IOC"})
        desk.cli("cancel", made, "--json")
        eventually(lambda name=made: order_of(desk, name)["status"] in DONE, "at its end")
        if taken["filled"] and float(order_of(desk, made)["cum_quantity"]) > 0:
            return
    raise AssertionError("the two never met")
