"""Unmodified ccxt trades at the simulated venue: sync, async and pro. Loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest

from tests.e2e.simulator_process import SimulatedVenue, simulated_venue

pytestmark = pytest.mark.xdist_group("ccxt")  # one of it for all of them
PERPETUAL = "BTC/USD:BTC"
WAIT_S = 60


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedVenue]:
    with simulated_venue(tmp_path_factory.mktemp("ccxt")) as started:
        yield started


def options() -> dict[str, Any]:
    key = {"apiKey": "bench", "secret": "bench-secret"}
    return key | {"enableRateLimit": False, "timeout": WAIT_S * 1000}


def pointed(exchange: Any, venue: SimulatedVenue) -> Any:
    exchange.urls["api"]["rest"] = venue.http_url
    exchange.urls["api"]["ws"] = venue.websocket_url
    return exchange


@pytest.fixture(scope="module")
def client(venue: SimulatedVenue) -> Any:
    exchange = pointed(ccxt.deribit(options()), venue)
    exchange.load_markets()
    return exchange


def far_price(client: Any, side: str) -> float:
    """A price inside the band that does not trade."""
    ticker = client.fetch_ticker(PERPETUAL)["info"]
    bound = float(ticker["min_price"]) + 10 if side == "buy" else float(ticker["max_price"]) - 10
    return float(client.price_to_precision(PERPETUAL, bound))


def an_option(client: Any) -> str:
    """On BTC, near the money, and long before it expires."""
    price = float(client.fetch_ticker(PERPETUAL)["info"]["mark_price"])
    options = [m for m in client.markets.values() if m["option"] and m["settle"] == "BTC"]
    chosen = min(options, key=lambda m: (-m["expiry"], abs(m["strike"] - price)))
    return str(chosen["symbol"])


def test_markets_are_of_every_kind_and_over_a_thousand(client: Any) -> None:
    markets = client.markets.values()
    assert len(markets) > 1000
    kinds = {(market["type"], market["linear"]) for market in markets}
    assert {("spot", None), ("swap", True), ("swap", False), ("future", True)} <= kinds
    assert {("option", True), ("option", False), ("future", False)} <= kinds
    perpetual = client.market(PERPETUAL)
    assert (perpetual["precision"]["price"], perpetual["contractSize"]) == (0.5, 10)
    assert client.fetch_currencies()["BTC"]["fee"] == 0.0001
    assert client.fetch_status()["status"] == "ok"
    assert client.fetch_time() > 1_700_000_000_000


def test_order_book_is_sorted_and_not_crossed(client: Any) -> None:
    book = client.fetch_order_book(PERPETUAL, limit=10)
    bids, asks = [b[0] for b in book["bids"]], [a[0] for a in book["asks"]]
    assert len(bids) == len(asks) == 10
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0]
    assert book["nonce"] is None or book["nonce"] > 0


def test_tickers_trades_and_bars(client: Any) -> None:
    ticker = client.fetch_ticker(PERPETUAL)
    assert ticker["bid"] < ticker["ask"] and ticker["info"]["mark_price"]
    tickers = client.fetch_tickers(params={"code": "BTC"})
    assert PERPETUAL in tickers and len(tickers) > 300
    option = an_option(client)
    assert client.fetch_ticker(option)["info"]["greeks"]["delta"]
    assert client.fetch_greeks(option)["markPrice"] is not None
    client.create_order(PERPETUAL, "market", "buy", 10)
    trades = client.fetch_trades(PERPETUAL, limit=5)
    assert trades and trades[-1]["side"] in ("buy", "sell")
    bars = client.fetch_ohlcv(PERPETUAL, "1m", limit=10)
    assert all(bar[3] <= bar[4] <= bar[2] for bar in bars)
    rate = client.fetch_funding_rate(PERPETUAL)
    assert rate["symbol"] == PERPETUAL


def test_balance_names_every_currency(client: Any) -> None:
    balance = client.fetch_balance()
    assert balance["BTC"]["total"] > 900 and balance["USDC"]["free"] > 0
    assert client.fetch_balance({"code": "BTC"})["BTC"]["total"] > 900


def test_a_limit_order_lives(client: Any) -> None:
    price = far_price(client, "buy")
    order = client.create_order(
        PERPETUAL, "limit", "buy", 100, price, {"postOnly": True, "label": "life"}
    )
    assert (order["status"], order["filled"], order["price"]) == ("open", 0, price)
    assert [o["id"] for o in client.fetch_open_orders(PERPETUAL)] == [order["id"]]
    assert client.fetch_order(order["id"])["info"]["label"] == "life"
    edited = client.edit_order(order["id"], PERPETUAL, "limit", "buy", 60, price + 1)
    assert (edited["id"], edited["price"], edited["amount"]) == (order["id"], price + 1, 60)
    assert client.cancel_order(order["id"])["status"] == "canceled"
    assert client.fetch_open_orders(PERPETUAL) == []
    with pytest.raises(ccxt.InvalidOrder):
        client.cancel_order(order["id"])
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order("1")


def test_a_market_order_fills_and_makes_a_position(client: Any) -> None:
    before = {p["symbol"]: p for p in client.fetch_positions()}
    order = client.create_order(PERPETUAL, "market", "sell", 500)
    assert (order["status"], order["filled"]) == ("closed", 500)
    assert order["average"] > 0 and order["trades"]
    trades = client.fetch_my_trades(PERPETUAL, limit=5)
    assert trades[-1]["order"] == order["id"] and trades[-1]["takerOrMaker"] == "taker"
    assert client.fetch_order_trades(order["id"], PERPETUAL)
    position = client.fetch_position(PERPETUAL)
    held = before.get(PERPETUAL, {}).get("info", {}).get("size", 0)
    assert float(position["info"]["size"]) == float(held) - 500
    assert any(o["id"] == order["id"] for o in client.fetch_closed_orders(PERPETUAL))
    client.create_order(PERPETUAL, "market", "buy", 500, params={"reduceOnly": True})


def test_a_stop_waits(client: Any) -> None:
    trigger = far_price(client, "sell")
    stop = client.create_order(PERPETUAL, "market", "buy", 10, None, {"stopLossPrice": trigger})
    assert stop["info"]["order_state"] == "untriggered"
    assert stop["id"] in [o["id"] for o in client.fetch_open_orders(PERPETUAL)]
    assert client.cancel_all_orders(PERPETUAL) is not None
    assert client.fetch_open_orders(PERPETUAL) == []


def test_options_and_spot_trade(client: Any) -> None:
    spot = client.create_order("BTC/USDC", "market", "buy", 0.001)
    assert spot["status"] == "closed"
    book = client.fetch_order_book(an_option(client))
    assert book["bids"] or book["asks"]


@pytest.mark.parametrize(
    ("sent", "raised"),
    [
        ((PERPETUAL, "limit", "buy", 10, None), ccxt.BadRequest),
        ((PERPETUAL, "limit", "buy", 100_000_000_000, 60_000.0), ccxt.InsufficientFunds),
        ((PERPETUAL, "market", "buy", 10, None, {"label": "x" * 65}), ccxt.BadRequest),
    ],
)
def test_bad_orders_raise(client: Any, sent: tuple[Any, ...], raised: type[Exception]) -> None:
    with pytest.raises(raised):
        client.create_order(*sent)


def test_a_wrong_secret_raises(venue: SimulatedVenue) -> None:
    stranger = pointed(ccxt.deribit(options() | {"secret": "wrong"}), venue)
    with pytest.raises(ccxt.AuthenticationError):
        stranger.fetch_balance()


def test_async(venue: SimulatedVenue) -> None:
    async def work() -> None:
        client = pointed(ccxt.async_support.deribit(options()), venue)
        try:
            assert len(await client.load_markets()) > 1000
            book, ticker = await asyncio.gather(
                client.fetch_order_book(PERPETUAL), client.fetch_ticker(PERPETUAL)
            )
            assert book["bids"] and ticker["bid"]
            price = float(ticker["info"]["min_price"])
            order = await client.create_order(PERPETUAL, "limit", "buy", 10, price + 5)
            assert (await client.cancel_order(order["id"]))["status"] == "canceled"
        finally:
            await client.close()

    asyncio.run(work())


def watching(
    venue: SimulatedVenue, work: Callable[[Any], Awaitable[None]], timeout_s: float = WAIT_S
) -> None:
    """Run `work` with a ccxt.pro client, within a time."""

    async def run() -> None:
        client = pointed(ccxt.pro.deribit(options()), venue)
        try:
            await client.load_markets()
            await asyncio.wait_for(work(client), timeout_s)
        finally:
            await client.close()

    asyncio.run(run())


def test_watch_public(venue: SimulatedVenue) -> None:
    async def work(client: Any) -> None:
        for _ in range(5):
            book = await client.watch_order_book(PERPETUAL)
            assert book["bids"][0][0] < book["asks"][0][0]
        ticker = await client.watch_ticker(PERPETUAL)
        assert ticker["bid"] < ticker["ask"]
        quotes = await client.watch_bids_asks([PERPETUAL])
        assert quotes[PERPETUAL]["bid"] > 0
        trades = asyncio.ensure_future(client.watch_trades(PERPETUAL))
        bars = asyncio.ensure_future(client.watch_ohlcv(PERPETUAL, "1m"))
        while not (trades.done() and bars.done()):
            await client.create_order(PERPETUAL, "market", "buy", 10)
            await asyncio.wait([trades, bars], timeout=0.5)
        assert (await trades)[0]["price"] > 0 and (await bars)[0][4] > 0

    watching(venue, work)


def test_watch_own(venue: SimulatedVenue) -> None:
    async def work(client: Any) -> None:
        orders = asyncio.ensure_future(client.watch_orders())
        trades = asyncio.ensure_future(client.watch_my_trades())
        balance = await client.watch_balance()
        assert balance["BTC"]["BTC"]["total"] > 900
        while not (orders.done() and trades.done()):
            await client.create_order(PERPETUAL, "market", "sell", 10)
            await asyncio.wait([orders, trades], timeout=0.5)
        assert (await orders)[-1]["symbol"] == PERPETUAL
        assert (await trades)[-1]["amount"] == 10

    watching(venue, work)
