"""Row 39: words of the venue that we do not know are counted and told, and nothing is guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common import core as c
from common.messages import OrderStatus as S
from tests.services.trading_engine.kit import LINK, Bench, place
from tests.services.trading_engine.twin import Refuse


@pytest.fixture
def bench() -> Bench:
    return Bench().start()


def counted(bench: Bench, name: str) -> float:
    return sum(x.by for x in bench.commands if isinstance(x, c.Count) and x.name == name)


def warnings(bench: Bench) -> list[c.Alert]:
    return [x for x in bench.commands if isinstance(x, c.Alert) and "not known" in x.text]


def in_new_words(bench: Bench, **changes: Any) -> dict[str, Any]:
    """An order of somebody else that the venue tells in words nobody has heard."""
    bench.twin.place(direction="buy", instrument_name="BTC-PERPETUAL", amount=10, price=40000)
    strange = list(bench.twin.orders.values())[-1]
    strange |= {"order_type": "iceberg_\u2028peg"} | changes
    return strange


def told(bench: Bench, order: dict[str, Any]) -> None:
    params = {"channel": "user.orders.any.any.raw", "data": order}
    frame = json.dumps({"method": "subscription", "params": params}).encode()
    bench.feed(c.VenueFrame(LINK, frame, bench.now))


def test_row_39_a_foreign_order_in_new_words_spoils_no_listing(bench: Bench):
    mine = bench.placed()
    in_new_words(bench)
    again = bench.restart()
    again.start()
    assert again.order(mine.client_order_id).status is S.NEW
    assert again.engine._state.is_ready
    assert counted(again, "orders_unreadable") > 0
    (alert, *_) = warnings(again)
    assert "unknown order_type" in alert.fields["raw"] and "peg" in alert.fields["raw"]
    assert "\u2028" not in alert.fields["raw"] and len(alert.fields["raw"]) < 1000


def test_row_39_a_listing_with_new_words_proves_no_absence(bench: Bench):
    bench.placed()  # an older order, which makes a cut listing reach back far enough
    strange = in_new_words(bench)
    bench.losing = True
    request = bench.ask(place("48000"))
    bench.advance(3)
    (reply,) = bench.replies(request)
    assert reply.in_doubt
    name = reply.orders[0].client_order_id
    bench.losing = False
    bench.advance(30)
    assert bench.order(name).status is S.PENDING_NEW
    assert bench.order(name).in_doubt_since_ns is not None
    strange["order_type"] = "limit"
    bench.advance(10)
    assert bench.order(name).status is S.REJECTED


def test_row_39_an_own_order_in_new_words_stays_in_doubt_until_they_are_understood(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    bench.advance(2.5)
    (reply,) = bench.replies(request)
    name = reply.orders[0].client_order_id
    order = next(iter(bench.twin.orders.values()))
    order["order_state"] = "snoozing"
    bench.held = None  # what it said of the order before is lost
    bench.advance(20)
    assert bench.order(name).in_doubt_since_ns is not None
    assert bench.order(name).status in (S.PENDING_NEW, S.NEW)
    order["order_state"] = "open"
    bench.advance(5)
    assert bench.order(name).status is S.NEW and bench.order(name).in_doubt_since_ns is None


def test_row_39_an_event_in_new_words_is_counted_and_the_account_is_read_again(bench: Bench):
    mine = bench.placed()
    before = bench.sent().count("private/get_open_orders")
    order = bench.twin.orders[mine.venue_order_id]
    told(bench, order | {"order_state": "snoozing"})
    assert counted(bench, "orders_unreadable") == 1
    assert warnings(bench)[0].fields["client_order_id"] == mine.client_order_id
    bench.advance(3)
    assert bench.sent().count("private/get_open_orders") == before + 1
    assert bench.order(mine.client_order_id).status is S.NEW


def test_row_39_a_trade_in_new_words_takes_no_other_trade_with_it(bench: Bench):
    mine = bench.placed()
    frames = bench.twin.fill(mine.venue_order_id, 40)
    trades = json.loads(frames[0])
    (good,) = trades["params"]["data"]
    trades["params"]["data"] = [good | {"trade_id": "T0", "liquidity": "X"}, good]
    bench.feed(c.VenueFrame(LINK, json.dumps(trades).encode(), bench.now))
    assert [fill.exec_id for fill in bench.fills()] == ["T1"]
    assert counted(bench, "trades_unreadable") == 1


def test_row_39_an_unknown_code_leaves_the_order_in_doubt_and_an_unknown_id_changes_nothing(
    bench: Bench,
):
    bench.twin.refuse["private/buy"] = Refuse(99999, "brand_new")
    reply = bench.asked(place())
    assert reply.in_doubt and "brand_new" not in reply.text
    answer = json.dumps({"jsonrpc": "2.0", "id": 987654, "result": {"order": 1}}).encode()
    before = bench.open_orders()
    bench.feed(c.VenueFrame(LINK, answer, bench.now))
    assert bench.open_orders() == before


ENDLESS = 10**30  # a whole number that no message can carry


@pytest.mark.parametrize("name", ["creation_timestamp", "last_update_timestamp"])
def test_an_order_of_an_endless_time_is_unreadable_and_stops_nothing(bench: Bench, name: str):
    told(bench, in_new_words(bench, order_type="limit", **{name: ENDLESS}))
    assert counted(bench, "orders_unreadable") == 1
    assert bench.placed().status is S.NEW


def test_a_fill_of_an_endless_time_is_unreadable_and_stops_nothing(bench: Bench):
    order = bench.placed()
    trade = {
        "trade_id": "1",
        "order_id": order.venue_order_id,
        "instrument_name": "BTC-PERPETUAL",
        "direction": "buy",
        "price": 49000,
        "amount": 10,
        "fee": 0,
        "fee_currency": "BTC",
        "liquidity": "M",
        "timestamp": ENDLESS,
    }
    params = {"channel": "user.trades.any.any.raw", "data": [trade]}
    frame = json.dumps({"method": "subscription", "params": params}).encode()
    bench.feed(c.VenueFrame(LINK, frame, bench.now))
    assert counted(bench, "trades_unreadable") == 1
