"""Combos at the simulated venue: their making, books and trades."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from common.domain.book import OrderBook
from common.domain.instrument import Instrument
from common.messages import InstrumentKind
from common.venues.deribit.feed import parse_book, parse_ticker
from common.venues.deribit.order_payloads import decode_trades
from common.venues.deribit.reference import parse_instrument
from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue


@pytest.fixture
def client() -> Client:
    return Venue().connect().login()


def futures(client: Client) -> list[str]:
    """Dated ones, the nearest first."""
    found = client.ask("public/get_instruments", currency="BTC", kind="future")
    dated = [i for i in found if i["settlement_period"] != "perpetual"]
    dated.sort(key=lambda i: i["expiration_timestamp"])
    return [i["instrument_name"] for i in dated]


def leg(name: str, direction: str) -> dict[str, Any]:
    return {"instrument_name": name, "direction": direction, "amount": 10}


def spread(client: Client) -> dict[str, Any]:
    trades = [leg(PERPETUAL, "buy"), leg(futures(client)[0], "sell")]
    combo: dict[str, Any] = client.ask("private/create_combo", trades=trades)
    return combo


def test_a_combo_is_made_once_and_listed(client: Client) -> None:
    near = futures(client)[0]
    assert client.ask("public/get_combos", currency="any") == []
    combo = spread(client)
    code = near.split("-")[1]
    assert combo["id"] == f"BTC-FS-{code}_PERP" and combo["state"] == "active"
    assert combo["legs"] == [
        {"instrument_name": near, "amount": 1},
        {"instrument_name": PERPETUAL, "amount": -1},
    ]
    again = [leg(near, "buy"), leg(PERPETUAL, "sell")]
    assert client.ask("private/create_combo", trades=again) == combo
    assert client.ask("public/get_combos", currency="BTC") == [combo]
    assert client.ask("public/get_combo_ids", currency="BTC", state="active") == [combo["id"]]
    assert client.ask("public/get_combo_ids", currency="ETH") == []
    assert client.ask("public/get_combo_details", combo_id=combo["id"]) == combo
    assert client.refused("public/get_combo_details", combo_id="BTC-FS-X")[0] == 13020
    shown = client.ask("public/get_instruments", currency="BTC", kind="future_combo")
    assert [i["instrument_name"] for i in shown] == [combo["id"]]
    assert shown[0]["instrument_id"] == combo["instrument_id"]


def test_option_combos_are_named_after_their_legs(client: Client) -> None:
    options = client.ask("public/get_instruments", currency="BTC", kind="option")
    codes = sorted({o["instrument_name"].split("-")[1] for o in options})
    by_name = {o["instrument_name"]: o for o in options}
    strikes = {
        code: sorted({o["strike"] for n, o in by_name.items() if n.split("-")[1] == code})
        for code in codes
    }
    code = codes[0]
    low, high = (int(strike) for strike in strikes[code][:2])

    def made(*legs: tuple[int, str, str]) -> str:
        trades = [leg(f"BTC-{code}-{k}-{t}", direction) for k, t, direction in legs]
        name: str = client.ask("private/create_combo", trades=trades)["id"]
        return name

    assert made((high, "C", "sell"), (low, "C", "buy")) == f"BTC-CS-{code}-{low}_{high}"
    assert made((high, "P", "buy"), (low, "P", "sell")) == f"BTC-PS-{code}-{high}_{low}"
    assert made((low, "C", "buy"), (low, "P", "buy")) == f"BTC-STRD-{code}-{low}"
    assert made((low, "P", "buy"), (high, "C", "buy")) == f"BTC-STRG-{code}-{low}_{high}"


@pytest.mark.parametrize(
    "trades",
    [
        [leg(PERPETUAL, "buy")],
        [leg(PERPETUAL, "buy"), leg(PERPETUAL, "sell")],
        [leg(PERPETUAL, "buy"), leg("ETH-PERPETUAL", "sell")],
        [leg(PERPETUAL, "buy"), leg("BTC_USDC", "sell")],
    ],
)
def test_legs_that_make_no_combo(client: Client, trades: list[dict[str, Any]]) -> None:
    refused = client.refused("private/create_combo", trades=trades)
    assert refused[:2] == (13036, "unavailable_for_combo_books")


def test_a_combo_trades_and_so_do_its_legs(client: Client) -> None:
    name = spread(client)["id"]
    near = futures(client)[0]
    channels = [f"trades.{name}.raw", f"trades.{near}.raw", f"book.{name}.100ms"]
    client.ask("private/subscribe", channels=channels)
    book = client.ask("public/get_order_book", instrument_name=name)
    assert book["bids"] and book["asks"]
    done = client.ask("private/buy", instrument_name=name, amount=100, type="market")
    assert done["order"]["order_state"] == "filled"
    (trade,) = done["trades"]
    assert trade["combo_id"] == name and trade["price"] == book["asks"][0][0]
    first, second = trade["legs"]
    assert (first["instrument_name"], first["direction"]) == (near, "buy")
    assert (second["instrument_name"], second["direction"]) == (PERPETUAL, "sell")
    assert first["price"] - second["price"] == pytest.approx(trade["price"])
    assert first["combo_trade_id"] == trade["trade_id"]
    sizes = {p["instrument_name"]: p["size"] for p in client.ask("private/get_positions")}
    assert sizes == {near: 100, PERPETUAL: -100}
    assert client.take(f"trades.{name}.raw")[0][0]["legs"]
    assert client.take(f"trades.{near}.raw")[0][-1]["combo_id"] == name
    kind = {"currency": "BTC", "kind": "future_combo"}
    own = client.ask("private/get_user_trades_by_currency", **kind)["trades"]
    assert [t["trade_id"] for t in own] == [trade["trade_id"]]


def test_orders_of_combos_rest_at_negative_prices_and_go_with_their_leg(client: Client) -> None:
    name = spread(client)["id"]
    order = client.ask("private/buy", instrument_name=name, amount=10, price=-500)["order"]
    assert (order["price"], order["order_state"]) == (-500, "open")
    leg_orders = {"instrument_name": PERPETUAL}
    assert client.ask("private/cancel_all_by_instrument", **leg_orders) == 0
    assert client.ask("private/cancel_all_by_instrument", **leg_orders, include_combos=True) == 1
    stop = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 1}
    refused = client.refused("private/buy", instrument_name=name, amount=10, **stop)
    assert refused[0] == 13036


def test_the_desk_counts_each_leg_once(client: Client) -> None:
    name, near = spread(client)["id"], futures(client)[0]
    client.ask("private/subscribe", channels=["user.trades.any.any.raw"])
    client.ask("private/buy", instrument_name=name, amount=100, type="market")
    told = [trade for trades in client.take("user.trades.any.any.raw") for trade in trades]
    fills, _ = decode_trades(json.dumps(told).encode())
    assert {fill.combo for fill in fills} == {name}
    assert {fill.symbol: fill.is_leg for fill in fills} == {
        name: False,
        near: True,
        PERPETUAL: True,
    }
    assert len({fill.exec_id for fill in fills}) == 3
    assert len({fill.venue_order_id for fill in fills}) == 1


def test_the_desk_reads_what_the_venue_says_of_a_combo(client: Client) -> None:
    name = spread(client)["id"]
    client.ask("private/buy", instrument_name=name, amount=10, price=-500)
    client.ask("private/sell", instrument_name=name, amount=10, type="market")
    listed = client.ask("public/get_instrument", instrument_name=name)
    definition = parse_instrument(msgspec.Raw(json.dumps(listed).encode()))
    assert definition.kind is InstrumentKind.FUTURE_COMBO and definition.expiration_ns
    assert Instrument(definition).is_on_tick(Decimal(-500))
    told = client.ask("public/ticker", instrument_name=name)
    (event,) = parse_ticker(definition.instrument, msgspec.Raw(json.dumps(told).encode()))
    assert event.message.min_price < -500 < event.message.max_price


def test_a_book_of_a_combo_has_negative_prices() -> None:
    data = {"type": "snapshot", "timestamp": 1, "change_id": 5, "instrument_name": "x"}
    data |= {"bids": [["new", -2.5, 10.0]], "asks": [["new", 0.0, 20.0], ["new", 2.5, 30.0]]}
    raw = msgspec.Raw(json.dumps(data).encode())
    (reset,) = parse_book("deribit.BTC-FS-25DEC26_PERP", raw)
    book = OrderBook("x")
    book.apply_snapshot(reset.bids, reset.asks, 5)
    book.check()
    assert (book.best_bid, book.best_ask) == ((-2.5, 10.0), (0.0, 20.0)) and not book.is_crossed
    with pytest.raises(msgspec.ValidationError):
        parse_book("deribit.BTC-PERPETUAL", raw)
