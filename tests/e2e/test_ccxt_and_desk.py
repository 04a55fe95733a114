"""The desk and unmodified ccxt trade with each other at the same simulated venue."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.e2e.desk import WAIT_S, Desk
from tests.e2e.test_desk import eventually, order_of

INSTRUMENT, SYMBOL = "deribit.BTC-PERPETUAL", "BTC/USD:BTC"
QUANTITY = 20_000


@pytest.fixture
def client(desk: Desk) -> Any:
    key = {"apiKey": "bench", "secret": "bench-secret"}
    exchange = ccxt.deribit(key | {"enableRateLimit": False, "timeout": WAIT_S * 1000})
    exchange.urls["api"]["rest"] = desk.venue_url
    exchange.load_markets()
    return exchange


def inside_price(client: Any) -> tuple[float, float]:
    """The best price of a buyer that does not trade, and how much was offered there before."""
    book = client.fetch_order_book(SYMBOL, limit=1)
    (bid, quantity), ask = book["bids"][0][:2], book["asks"][0][0]
    return (bid + 0.5, 0.0) if bid + 0.5 < ask else (bid, quantity)


def test_the_desk_takes_what_ccxt_made(desk: Desk, client: Any) -> None:
    with desk.calm(INSTRUMENT.partition(".")[2]):
        price, ahead = inside_price(client)
        maker = client.create_order(SYMBOL, "limit", "buy", QUANTITY, price, {"postOnly": True})
        words = (INSTRUMENT, "sell", str(int(ahead) + QUANTITY), "--price", str(price))
        taken = desk.place(*words, "--tif", "ioc")["client_order_id"]
        eventually(lambda: order_of(desk, taken)["status"] == "FILLED", "taken")
    assert client.fetch_order(maker["id"])["status"] == "closed"
    (trade,) = client.fetch_order_trades(maker["id"], SYMBOL)
    assert (trade["takerOrMaker"], trade["amount"], trade["price"]) == ("maker", QUANTITY, price)


def test_ccxt_takes_what_the_desk_made(desk: Desk, client: Any) -> None:
    with desk.calm(INSTRUMENT.partition(".")[2]):
        price, ahead = inside_price(client)
        words = (INSTRUMENT, "buy", str(QUANTITY), "--price", str(price), "--post-only")
        made = desk.place(*words)["client_order_id"]
        take = ("limit", "sell", int(ahead) + QUANTITY, price, {"timeInForce": "IOC"})
        taken = client.create_order(SYMBOL, *take)
        assert (taken["status"], taken["filled"]) == ("closed", int(ahead) + QUANTITY)
        eventually(lambda: order_of(desk, made)["status"] == "FILLED", "filled")
    filled = order_of(desk, made)
    assert (float(filled["cum_quantity"]), float(filled["avg_price"])) == (QUANTITY, price)
