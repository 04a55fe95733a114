"""Two unmodified ccxt clients beside the desk: one on the desk's own account, one on another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.e2e.desk import WAIT_S, Desk
from tests.e2e.test_desk import eventually, ok, order_of, position_of, settled_position_of

INSTRUMENT, SYMBOL = "deribit.BTC-PERPETUAL", "BTC/USD:BTC"
LINEAR, LINEAR_SYMBOL = "deribit.ETH_USDC-PERPETUAL", "ETH/USDC:USDC"
QUANTITY = 20_000


def client_of(desk: Desk, key: str) -> Any:
    options = {"apiKey": key, "secret": f"{key}-secret", "enableRateLimit": False}
    options |= {"timeout": WAIT_S * 1000}
    exchange = ccxt.deribit(options)
    exchange.urls["api"]["rest"] = desk.venue_url
    exchange.load_markets()
    return exchange


@pytest.fixture
def same_account(desk: Desk) -> Iterator[Any]:
    """A second client of the account the desk trades on; leaves no orders behind."""
    exchange = client_of(desk, "demo")
    yield exchange
    exchange.cancel_all_orders()


@pytest.fixture
def other_account(desk: Desk) -> Iterator[Any]:
    exchange = client_of(desk, "bench")
    yield exchange
    exchange.cancel_all_orders()


def open_at_the_desk(desk: Desk, venue_order_id: str) -> Any:
    """The desk's row of an order of the venue, None if it has none."""
    rows = ok(desk.cli("orders", "--json"))["orders"]
    return next((row for row in rows if row["venue_order_id"] == venue_order_id), None)


def fills_of(desk: Desk, instrument: str) -> dict[str, Any]:
    rows = ok(desk.cli("fills", "--instrument", instrument, "--json"))["fills"]
    return {row["exec_id"]: row for row in rows}


def far_below(client: Any, symbol: str) -> float:
    price = client.fetch_ticker(symbol)["info"]["mark_price"]
    return float(client.price_to_precision(symbol, float(price) * 0.8))


def test_an_order_placed_beside_the_desk_is_shown_changed_and_cancelled(
    desk: Desk, same_account: Any
) -> None:
    price = far_below(same_account, SYMBOL)
    placed = same_account.create_order(SYMBOL, "limit", "buy", 50, price)
    row = eventually(lambda: open_at_the_desk(desk, placed["id"]), "the order is adopted")
    assert row["external"] and row["owner"] == ""
    assert (row["status"], Decimal(row["price"]), row["quantity"]) == ("NEW", Decimal(price), "50")

    name = row["client_order_id"]
    ok(desk.cli("modify", name, "--price", str(price - 1), "--quantity", "60", "--json"))
    seen = same_account.fetch_order(placed["id"])
    assert (seen["price"], seen["amount"]) == (price - 1, 60)

    same_account.edit_order(placed["id"], SYMBOL, "limit", "buy", 70, price - 2)
    eventually(lambda: order_of(desk, name)["quantity"] == "70", "their edit is seen")

    ok(desk.cli("cancel", name, "--json"))
    assert same_account.fetch_order(placed["id"])["status"] == "canceled"


def test_an_order_of_the_desk_can_be_cancelled_beside_it(desk: Desk, same_account: Any) -> None:
    price = str(far_below(same_account, SYMBOL))
    placed = desk.place(INSTRUMENT, "buy", "50", "--price", price)
    same_account.cancel_order(placed["venue_order_id"], SYMBOL)
    name = placed["client_order_id"]
    eventually(lambda: order_of(desk, name)["status"] == "CANCELED", "their cancel is seen")
    assert desk.cli("cancel", name, "--json").code == 1


def test_a_trade_made_beside_the_desk_is_in_its_fills_and_position(
    desk: Desk, same_account: Any
) -> None:
    before = settled_position_of(desk, LINEAR)
    same_account.create_order(LINEAR_SYMBOL, "market", "buy", 0.02)
    moved = before + Decimal("0.02")
    eventually(lambda: position_of(desk, LINEAR) == moved, "the position moved")
    trade = same_account.fetch_my_trades(LINEAR_SYMBOL)[-1]
    fill = eventually(lambda: fills_of(desk, LINEAR).get(trade["id"]), "the fill is told")
    assert fill["external"] and Decimal(fill["last_price"]) == Decimal(str(trade["price"]))
    same_account.create_order(LINEAR_SYMBOL, "market", "sell", 0.02)
    eventually(lambda: position_of(desk, LINEAR) == before, "the position moved back")


def test_desk_and_another_account_trade_and_each_sees_its_side(
    desk: Desk, other_account: Any
) -> None:
    with desk.calm(INSTRUMENT.partition(".")[2]):
        book = other_account.fetch_order_book(SYMBOL, limit=1)
        price, ahead = book["bids"][0][:2]
        make = (INSTRUMENT, "buy", str(QUANTITY), "--price", str(price), "--post-only")
        name = desk.place(*make)["client_order_id"]
        take = ("limit", "sell", int(ahead) + QUANTITY, price, {"timeInForce": "IOC"})
        other_account.create_order(SYMBOL, *take)
        eventually(lambda: order_of(desk, name)["status"] == "FILLED", "it is filled")
    own = eventually(lambda: fills_of_order(desk, name), "its fills are told")
    theirs = {trade["id"]: trade for trade in other_account.fetch_my_trades(SYMBOL)}
    assert own.keys() <= theirs.keys()
    for exec_id, fill in own.items():
        trade = theirs[exec_id]
        assert (fill["side"], fill["liquidity"]) == ("BUY", "MAKER")
        assert (trade["side"], trade["takerOrMaker"]) == ("sell", "taker")
        assert float(fill["last_quantity"]) == trade["amount"]
        assert float(fill["last_price"]) == trade["price"]


def fills_of_order(desk: Desk, client_order_id: str) -> dict[str, Any]:
    """By exec_id, when all of it is there."""
    fills = fills_of(desk, INSTRUMENT)
    own = {name: row for name, row in fills.items() if row["client_order_id"] == client_order_id}
    return own if sum(float(row["last_quantity"]) for row in own.values()) == QUANTITY else {}
