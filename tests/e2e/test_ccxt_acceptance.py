"""Every unified method that ccxt declares for Deribit, against the simulated venue.

docs/venues.md has a row for each, with its test here or why there is none; a test holds the table,
ccxt's `has` and the checks of this module together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro
import pytest

from tests.e2e.simulator_process import SimulatedVenue, simulated_venue

pytestmark = pytest.mark.xdist_group("acceptance")  # one of it for all of them
TABLE = Path(__file__).parents[2] / "docs" / "venues.md"
ROW = re.compile(r"^\| `(\w+)` \| (works|no): (.+) \|$", re.M)
PERPETUAL, COIN = "BTC/USD:BTC", "BTC"
TRAILING = "trailing_stop"
WAIT_S = 60
BALANCES = {"BTC": "1000", "ETH": "10000", "USDC": "50000000", "USDT": "1000000"}
ACCOUNTS = [
    {"client_id": "bench", "client_secret": "bench-secret", "balances": BALANCES, "limited": False},
    {
        "client_id": "child",
        "client_secret": "child-secret",
        "balances": BALANCES,
        "limited": False,
        "subaccount_of": "bench",
    },
]
# What `has` says of the exchange itself and not of a method.
PROPERTIES = {
    "publicAPI",
    "privateAPI",
    "CORS",
    "sandbox",
    "spot",
    "swap",
    "future",
    "option",
    "ws",
}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedVenue]:
    with simulated_venue(tmp_path_factory.mktemp("acceptance"), accounts=ACCOUNTS) as started:
        yield started


def pointed(exchange: Any, venue: SimulatedVenue) -> Any:
    exchange.urls["api"]["rest"] = venue.http_url
    exchange.urls["api"]["ws"] = venue.websocket_url
    return exchange


KEYS = {"apiKey": "bench", "secret": "bench-secret"} | {
    "enableRateLimit": False,
    "timeout": WAIT_S * 1000,
}


@pytest.fixture(scope="module")
def client(venue: SimulatedVenue) -> Any:
    exchange = pointed(ccxt.deribit(dict(KEYS)), venue)
    exchange.load_markets()
    return exchange


# --- what the structures must be -------------------------------------------------------------


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_time(entry: dict[str, Any]) -> None:
    assert entry["timestamp"] > 1_600_000_000_000
    assert entry["datetime"] == ccxt.Exchange.iso8601(entry["timestamp"])


def is_order(order: dict[str, Any], status: str | None = None) -> dict[str, Any]:
    assert isinstance(order["id"], str) and order["id"]
    assert order["symbol"] in (PERPETUAL,) and order["side"] in ("buy", "sell")
    assert number(order["amount"]) and number(order["filled"] or 0)
    assert order["type"] and "info" in order
    assert status is None or order["status"] == status
    is_time(order)
    return order


def is_trade(trade: dict[str, Any], *, own: bool = False) -> None:
    assert isinstance(trade["id"], str) and trade["symbol"] == PERPETUAL
    assert trade["side"] in ("buy", "sell") and trade["price"] > 0 and trade["amount"] > 0
    is_time(trade)
    if own:
        assert trade["order"] and trade["takerOrMaker"] in ("taker", "maker")
        assert number(trade["fee"]["cost"]) and trade["fee"]["currency"] == COIN


def is_ticker(ticker: dict[str, Any], symbol: str = PERPETUAL) -> None:
    assert ticker["symbol"] == symbol and ticker["bid"] < ticker["ask"]
    assert number(ticker["last"]) or ticker["last"] is None
    is_time(ticker)


def is_book(book: dict[str, Any]) -> None:
    bids, asks = [x[0] for x in book["bids"]], [x[0] for x in book["asks"]]
    assert bids == sorted(bids, reverse=True) and asks == sorted(asks) and bids[0] < asks[0]
    assert all(number(x) and x > 0 for level in book["bids"] for x in level[:2])


def is_bars(bars: list[list[float]]) -> None:
    assert bars and all(bar[3] <= min(bar[1], bar[4]) and bar[2] >= bar[4] for bar in bars)
    assert all(a[0] < b[0] for a, b in zip(bars, bars[1:], strict=False))


def is_position(position: dict[str, Any]) -> None:
    assert position["symbol"] and position["side"] in ("long", "short", None)
    for name in ("contracts", "markPrice", "entryPrice", "initialMargin", "unrealizedPnl"):
        assert number(position[name]), name


def is_cash(entry: dict[str, Any]) -> None:
    assert entry["currency"] == COIN and entry["amount"] > 0
    is_time(entry)


# --- what the checks need --------------------------------------------------------------------


def option_of(client: Any) -> str:
    """The option on BTC that expires last, nearest to the money."""
    price = client.fetch_ticker(PERPETUAL)["info"]["mark_price"]
    options = [m for m in client.markets.values() if m["option"] and m["settle"] == COIN]
    nearest = min(options, key=lambda m: (-m["expiry"], abs(m["strike"] - float(price))))
    return str(nearest["symbol"])


def far(client: Any, side: str = "buy") -> float:
    info = client.fetch_ticker(PERPETUAL)["info"]
    price = float(info["min_price"]) + 10 if side == "buy" else float(info["max_price"]) - 10
    return float(client.price_to_precision(PERPETUAL, price))


def rest(client: Any, **params: Any) -> dict[str, Any]:
    return is_order(client.create_order(PERPETUAL, "limit", "buy", 100, far(client), params))


def trade(client: Any) -> dict[str, Any]:
    return is_order(client.create_order(PERPETUAL, "market", "buy", 10), "closed")


def gone(client: Any, order: dict[str, Any]) -> None:
    is_order(client.cancel_order(order["id"], PERPETUAL), "canceled")


# --- a check for each method -----------------------------------------------------------------

Check = Callable[[Any], None]
CHECKS: dict[str, Check] = {}


def checks(*methods: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(methods, check))
        return check

    return register


@checks("fetchTime", "fetchStatus")
def clock_and_state(client: Any) -> None:
    assert client.fetch_time() > 1_600_000_000_000
    assert client.fetch_status()["status"] == "ok"


@checks("fetchMarkets", "fetchCurrencies", "fetchDepositWithdrawFees")
def reference(client: Any) -> None:
    markets = client.fetch_markets()
    assert len({market["symbol"] for market in markets}) == len(markets) > 1000
    assert all(number(market["precision"]["price"]) for market in markets)
    currencies = client.fetch_currencies()
    assert currencies[COIN]["id"] == COIN and number(currencies[COIN]["fee"])
    assert COIN in client.fetch_deposit_withdraw_fees()


@checks("fetchTicker", "fetchTickers")
def tickers(client: Any) -> None:
    is_ticker(client.fetch_ticker(PERPETUAL))
    found = client.fetch_tickers(params={"code": COIN})
    assert len(found) > 300
    is_ticker(found[PERPETUAL])


@checks("fetchOrderBook", "fetchL2OrderBook")
def books(client: Any) -> None:
    is_book(client.fetch_order_book(PERPETUAL, 20))
    is_book(client.fetch_l2_order_book(PERPETUAL, 20))


@checks("fetchTrades", "fetchOHLCV")
def tape(client: Any) -> None:
    trade(client)
    found = client.fetch_trades(PERPETUAL, limit=10)
    for one in found:
        is_trade(one)
    assert found
    is_bars(client.fetch_ohlcv(PERPETUAL, "1m", limit=10))
    is_bars(client.fetch_ohlcv(PERPETUAL, "1d", limit=5))


@checks("fetchFundingRate", "fetchFundingRateHistory")
def funding(client: Any) -> None:
    rate = client.fetch_funding_rate(PERPETUAL)
    assert rate["symbol"] == PERPETUAL and number(rate["fundingRate"])
    history = client.fetch_funding_rate_history(PERPETUAL, limit=24)
    assert history and all(number(point["fundingRate"]) for point in history)
    is_time(history[0])


@checks("fetchOpenInterest")
def open_interest(client: Any) -> None:
    trade(client)
    found = client.fetch_open_interest(PERPETUAL)
    assert found["symbol"] == PERPETUAL
    assert any(number(found[name]) for name in ("openInterestAmount", "openInterestValue"))


@checks("fetchGreeks", "fetchOption", "fetchOptionChain")
def options(client: Any) -> None:
    symbol = option_of(client)
    greeks = client.fetch_greeks(symbol)
    assert greeks["symbol"] == symbol
    for name in ("delta", "gamma", "vega", "theta", "rho", "markPrice", "markImpliedVolatility"):
        assert number(greeks[name]), name
    assert client.fetch_option(symbol)["symbol"] == symbol
    chain = client.fetch_option_chain(COIN)
    assert symbol in chain and number(chain[symbol]["markPrice"])


@checks("fetchVolatilityHistory")
def volatility(client: Any) -> None:
    history = client.fetch_volatility_history(COIN)
    assert len(history) > 300 and all(point["volatility"] > 0 for point in history)
    is_time(history[0])


@checks("fetchLiquidations", "fetchMyLiquidations")
def liquidations(client: Any) -> None:
    """Nobody is liquidated there."""
    assert client.fetch_liquidations(PERPETUAL) == []
    assert client.fetch_my_liquidations(PERPETUAL) == []


@checks("fetchBalance")
def balance(client: Any) -> None:
    found = client.fetch_balance()
    for currency in BALANCES:
        one = found[currency]
        assert number(one["total"]) and one["free"] + one["used"] == pytest.approx(one["total"])


@checks("fetchTradingFees")
def fees(client: Any) -> None:
    """ccxt knows the older form of the venue's fees only, and takes those of the instruments."""
    found = client.fetch_trading_fees()
    assert found.keys() == client.markets.keys()
    assert all(number(fee["maker"]) and number(fee["taker"]) for fee in found.values())


@checks("fetchAccounts", "transfer", "fetchTransfers")
def subaccounts(client: Any) -> None:
    accounts = client.fetch_accounts()
    assert [account["type"] for account in accounts] == ["main", "subaccount"]
    moved = client.transfer(COIN, 1.5, "bench", accounts[1]["id"])
    assert moved["amount"] == 1.5 and moved["status"] == "ok"
    is_cash(moved)
    assert moved["id"] in [entry["id"] for entry in client.fetch_transfers(COIN)]


@checks(
    "fetchDeposits",
    "fetchWithdrawals",
    "withdraw",
    "fetchDepositAddress",
    "createDepositAddress",
)
def cash(client: Any) -> None:
    (deposit,) = client.fetch_deposits(COIN)
    is_cash(deposit)
    assert client.withdraw(COIN, 0.5, "an-address-elsewhere")["info"]["result"]["amount"] == 0.5
    withdrawal = client.fetch_withdrawals(COIN)[-1]
    is_cash(withdrawal)
    assert (withdrawal["type"], withdrawal["amount"]) == ("withdrawal", 0.5)
    address = client.create_deposit_address(COIN)["address"]
    assert client.fetch_deposit_address(COIN)["address"] == address == deposit["address"]


@checks(
    "createOrder",
    "createLimitOrder",
    "createMarketOrder",
    "createReduceOnlyOrder",
    "editOrder",
    "cancelOrder",
    "cancelAllOrders",
)
def orders(client: Any) -> None:
    price = far(client)
    order = is_order(client.create_limit_order(PERPETUAL, "buy", 100, price), "open")
    edited = is_order(client.edit_order(order["id"], PERPETUAL, "limit", "buy", 60, price + 1))
    assert (edited["id"], edited["amount"]) == (order["id"], 60)
    gone(client, edited)
    is_order(client.create_market_order(PERPETUAL, "buy", 20), "closed")
    is_order(client.create_reduce_only_order(PERPETUAL, "market", "sell", 10), "closed")
    rest(client)
    client.cancel_all_orders(PERPETUAL)
    assert client.fetch_open_orders(PERPETUAL) == []


@checks(
    "createStopOrder",
    "createStopMarketOrder",
    "createStopLimitOrder",
    "createTrailingAmountOrder",
)
def stops(client: Any) -> None:
    """ccxt drops the trigger price of its own stop helpers; `stopLossPrice` comes through."""
    above = far(client, "sell")
    stop = {"stopLossPrice": above}
    made = [
        client.create_order(PERPETUAL, "market", "buy", 10, None, stop),
        client.create_order(PERPETUAL, "limit", "buy", 10, above, stop),
        client.create_stop_order(PERPETUAL, "limit", "buy", 10, above, above, stop),
        client.create_stop_market_order(PERPETUAL, "buy", 10, above, stop),
        client.create_stop_limit_order(PERPETUAL, "buy", 10, above, above, stop),
        client.create_trailing_amount_order(PERPETUAL, "market", "sell", 10, None, 2000),
    ]
    for order in made:
        is_order(order)
    kinds = [order["info"]["order_type"] for order in made]
    assert kinds == ["stop_market", *["stop_limit"] * 2, "stop_market", "stop_limit", TRAILING]
    waiting = [o["id"] for o in client.fetch_open_orders(PERPETUAL)]
    assert {order["id"] for order in made} <= set(waiting)
    client.cancel_all_orders(PERPETUAL)


@checks("fetchOrder", "fetchOpenOrders", "fetchClosedOrders", "fetchOrderTrades", "fetchMyTrades")
def histories(client: Any) -> None:
    resting, filled = rest(client), trade(client)
    assert is_order(client.fetch_order(resting["id"]), "open")["id"] == resting["id"]
    assert resting["id"] in [is_order(o, "open")["id"] for o in client.fetch_open_orders(PERPETUAL)]
    gone(client, resting)
    closed = client.fetch_closed_orders(PERPETUAL)
    assert filled["id"] in [is_order(o)["id"] for o in closed]
    for found in (client.fetch_order_trades(filled["id"]), client.fetch_my_trades(PERPETUAL)):
        assert filled["id"] in [one["order"] for one in found]
        for one in found:
            is_trade(one, own=True)


@checks("fetchPosition", "fetchPositions")
def positions(client: Any) -> None:
    trade(client)
    is_position(client.fetch_position(PERPETUAL))
    found = client.fetch_positions()
    assert PERPETUAL in [position["symbol"] for position in found]
    for position in found:
        is_position(position)


@pytest.mark.parametrize("check", list(dict.fromkeys(CHECKS.values())), ids=lambda c: c.__name__)
def test_method(client: Any, check: Check) -> None:
    check(client)


# --- watching --------------------------------------------------------------------------------

WATCHES: dict[str, Callable[[Any], Any]] = {
    "watchOrderBook": lambda c: c.watch_order_book(PERPETUAL),
    "watchOrderBookForSymbols": lambda c: c.watch_order_book_for_symbols([PERPETUAL]),
    "watchTicker": lambda c: c.watch_ticker(PERPETUAL),
    "watchTickers": lambda c: c.watch_tickers([PERPETUAL]),
    "watchBidsAsks": lambda c: c.watch_bids_asks([PERPETUAL]),
    "watchTrades": lambda c: c.watch_trades(PERPETUAL),
    "watchTradesForSymbols": lambda c: c.watch_trades_for_symbols([PERPETUAL]),
    "watchOHLCV": lambda c: c.watch_ohlcv(PERPETUAL, "1m"),
    "watchOHLCVForSymbols": lambda c: c.watch_ohlcv_for_symbols([[PERPETUAL, "1m"]]),
    "watchBalance": lambda c: c.watch_balance(),
    "watchOrders": lambda c: c.watch_orders(),
    "watchMyTrades": lambda c: c.watch_my_trades(),
}
IS_RIGHT: dict[str, Callable[[Any], Any]] = {
    "watchOrderBook": is_book,
    "watchOrderBookForSymbols": is_book,
    "watchTicker": is_ticker,
    "watchTickers": lambda found: is_ticker(found[PERPETUAL]),
    "watchBidsAsks": lambda found: found[PERPETUAL]["bid"] < found[PERPETUAL]["ask"],
    "watchTrades": lambda found: is_trade(found[-1]),
    "watchTradesForSymbols": lambda found: is_trade(found[-1]),
    "watchOHLCV": is_bars,
    "watchOHLCVForSymbols": lambda found: is_bars(found[PERPETUAL]["1m"]),
    "watchBalance": lambda found: number(found[COIN][COIN]["total"]),
    "watchOrders": lambda found: is_order(found[-1]),
    "watchMyTrades": lambda found: is_trade(found[-1], own=True),
}


@pytest.mark.parametrize("method", WATCHES)
def test_watch(venue: SimulatedVenue, method: str) -> None:
    """With trades of our own meanwhile, since some channels send nothing without one."""

    async def work() -> Any:
        client = pointed(ccxt.pro.deribit(dict(KEYS)), venue)
        try:
            await client.load_markets()
            watching = asyncio.ensure_future(WATCHES[method](client))
            end = asyncio.get_running_loop().time() + WAIT_S
            while not watching.done() and asyncio.get_running_loop().time() < end:
                await client.create_order(PERPETUAL, "market", "buy", 10)
                await asyncio.wait([watching], timeout=0.3)
            return await asyncio.wait_for(watching, 1)
        finally:
            await client.close()

    assert IS_RIGHT[method](asyncio.run(work())) is not False


# --- the table -------------------------------------------------------------------------------


def test_the_table_and_ccxt_agree() -> None:
    declared = {name for name, has in ccxt.pro.deribit().has.items() if has} - PROPERTIES
    rows = ROW.findall(TABLE.read_text())
    assert {name for name, _, _ in rows} == declared and len(rows) == len(declared)
    tested = {name: text.split("`")[1] for name, verdict, text in rows if verdict == "works"}
    named = {name: check.__name__ for name, check in CHECKS.items()}
    assert tested == named | dict.fromkeys(WATCHES, "test_watch")
