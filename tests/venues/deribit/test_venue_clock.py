"""Row 43: the venue's clock is off, or jumps."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from common.config import Credentials, Secret
from common.venues import order_entry as entry
from common.venues.deribit.orders import ORDERS_CHANNEL, TRADES_CHANNEL, OrderEntry
from common.venues.deribit.venue_clock import VenueClock
from tests.venues.deribit.test_orders import order

MS, SECOND = 1_000_000, 1_000_000_000
NOW = 1_700_000_000 * SECOND


def us(ns: int) -> int:
    return ns // 1000


def measured(skew_ns: int = 0, at_ns: int = NOW) -> VenueClock:
    clock = VenueClock()
    clock.begin(at_ns)
    clock.measure(at_ns, at_ns, us(at_ns + skew_ns), us(at_ns + skew_ns))
    assert (clock.skew_ns, clock.is_doubted) == (skew_ns, False)
    return clock


def test_row_43_the_middle_of_the_way_is_compared() -> None:
    clock = VenueClock()
    assert clock.measure(NOW, NOW + 40 * MS, us(NOW + 5025 * MS), us(NOW + 5025 * MS)) > 0
    assert clock.skew_ns == 5005 * MS
    assert clock.due_ns == NOW + 40 * MS + 60 * SECOND
    later = NOW + SECOND
    assert clock.measure(later, later, us(later + 5000 * MS), us(later + 5000 * MS)) == 0
    assert clock.skew_ns == 5000 * MS


def test_row_43_what_took_long_or_makes_no_sense_measures_nothing() -> None:
    clock = VenueClock()
    clock.measure(NOW, NOW + 2 * SECOND, us(NOW + 9 * SECOND), us(NOW + 9 * SECOND))
    assert clock.skew_ns == 0 and clock.due_ns == NOW + 3 * SECOND
    for us_in, us_out in ((0, 0), (30, 10), (-5, 10)):
        assert clock.measure(NOW, NOW, us_in, us_out) == 0 and clock.skew_ns == 0
        assert clock.is_doubted and clock.due_ns == NOW + SECOND  # and it is asked again


def test_row_43_a_link_that_comes_up_has_it_measured_first() -> None:
    clock = VenueClock()
    assert clock.is_doubted
    clock.begin(NOW)
    assert clock.is_doubted and clock.due_ns == NOW + SECOND  # should the answer get lost
    clock = measured()
    clock.begin(NOW + SECOND)
    assert clock.is_doubted
    clock.measure(NOW + SECOND, NOW + SECOND, us(NOW + SECOND), us(NOW + SECOND))
    assert not clock.is_doubted


@pytest.mark.parametrize("jump_ms", [-3_600_000, -600, 600, 5000])
def test_row_43_an_impossible_time_in_any_answer_has_it_measured_at_once(jump_ms: int) -> None:
    clock = measured()
    later = NOW + SECOND
    clock.glance(later, us(later + 400 * MS))
    assert not clock.is_doubted and clock.due_ns == NOW + 60 * SECOND
    clock.glance(later, us(later + jump_ms * MS))
    assert clock.is_doubted and clock.due_ns == later
    clock.asked(later)
    clock.glance(later + MS, us(later + (jump_ms + 1) * MS))
    assert clock.due_ns == later + SECOND  # one question is enough, while its answer may come
    venue = us(later + jump_ms * MS)
    assert clock.measure(later, later + 2 * MS, venue, venue) < 0 or jump_ms > 0
    assert not clock.is_doubted and clock.skew_ns == (jump_ms - 1) * MS


def test_row_43_a_time_told_unasked_that_is_still_to_come_is_a_jump() -> None:
    clock = measured(5 * SECOND)
    for ahead_ms in (5000, 5400, -3_600_000):  # the last may have been slow on its way
        at = NOW + SECOND
        clock.hear(at + ahead_ms * MS, at, at)
        assert not clock.is_doubted and clock.due_ns == NOW + 60 * SECOND
    clock.hear(NOW + 9 * SECOND, NOW - SECOND, NOW + SECOND)
    assert not clock.is_doubted  # it was received before it was measured
    clock.hear(NOW + 6600 * MS, NOW + SECOND, NOW + SECOND)
    assert clock.is_doubted and clock.due_ns == NOW + SECOND


def test_row_43_a_time_told_unasked_that_is_long_over_is_measured_but_not_every_time() -> None:
    clock = measured()
    at = NOW + 5 * SECOND
    clock.hear(at - 2 * SECOND, at, at)
    assert not clock.is_doubted and clock.due_ns == at
    clock.measure(at, at, us(at), us(at))
    clock.hear(at - SECOND, at + SECOND, at + SECOND)
    assert clock.due_ns == at + 60 * SECOND


def test_row_43_what_happened_since_then_is_asked_for_by_the_clock_of_then() -> None:
    clock = measured()
    at = NOW + 10 * SECOND
    clock.measure(at, at, us(at + 300 * SECOND), us(at + 300 * SECOND))
    assert clock.since_ns(NOW) == NOW  # an order of before the jump filled before it, perhaps
    assert clock.since_ns(at + SECOND) == at + 301 * SECOND
    assert clock.lowest_ns == 0
    at += 10 * SECOND
    clock.measure(at, at, us(at - 60 * SECOND), us(at - 60 * SECOND))
    assert clock.since_ns(NOW) == NOW - 60 * SECOND
    assert clock.lowest_ns == -60 * SECOND


# --- order entry ----------------------------------------------------------------------------------


def answered(order_entry: OrderEntry, frame: bytes, at_ns: int, venue_ns: int) -> list[object]:
    call = json.loads(frame)
    result = {"id": call["id"], "result": "ok", "usIn": us(venue_ns), "usOut": us(venue_ns)}
    return list(order_entry.parse(json.dumps(result).encode(), at_ns))


def connected(skew_ns: int = 0) -> OrderEntry:
    order_entry = OrderEntry(Credentials("key", Secret("secret")), cancel_on_disconnect=False)
    assert order_entry.clock_doubt and order_entry.skew_ns is None
    answered(order_entry, order_entry.on_up(NOW)[0], NOW, NOW + skew_ns)
    assert not order_entry.clock_doubt and order_entry.skew_ns == skew_ns
    return order_entry


def test_row_43_orders_carry_their_last_moment_in_the_venues_time() -> None:
    order_entry = OrderEntry(Credentials("key", Secret("secret")), cancel_on_disconnect=False)
    first = order_entry.on_up(NOW)[0]
    told = answered(order_entry, first, NOW + 10 * MS, NOW - 4995 * MS)
    (warned,) = told  # nothing has moved: it was not known before
    assert isinstance(warned, entry.Warned) and "-5.0 s" in warned.text
    placed = order_entry.place(order(), "BTC-PERPETUAL", NOW + 2 * SECOND, False, None)
    assert json.loads(placed.frame)["params"]["valid_until"] == (NOW - 3 * SECOND) // MS
    assert order_entry.next_wake_ns is not None
    (question,) = order_entry.on_time(NOW + 60 * SECOND + 10 * MS)[:1]
    assert json.loads(question)["method"] == "public/test"


def late_refusal(order_entry: OrderEntry, at_ns: int) -> None:
    """In time by our clock, as the answer's own time says, and too late for the venue."""
    placed = order_entry.place(order(), "BTC-PERPETUAL", at_ns + SECOND, False, "context")
    error = {"code": 13888, "message": "timed_out", "data": {"param": "valid_until"}}
    answer = {"id": json.loads(placed.frame)["id"], "error": error}
    answer |= {"usIn": us(at_ns), "usOut": us(at_ns)}
    order_entry.parse(json.dumps(answer).encode(), at_ns)


def order_told(order_entry: OrderEntry, at_ns: int) -> None:
    told = json.loads(ORDER_TOLD)
    told["params"]["data"]["last_update_timestamp"] = (at_ns + 2 * SECOND) // MS
    order_entry.parse(json.dumps(told).encode(), at_ns)


def trade_told(order_entry: OrderEntry, at_ns: int) -> None:
    told = json.loads(TRADE_TOLD)
    told["params"]["data"][0]["timestamp"] = (at_ns + 2 * SECOND) // MS
    order_entry.parse(json.dumps(told).encode(), at_ns)


def quote_told(order_entry: OrderEntry, at_ns: int) -> None:
    order_entry.hear_time(at_ns + 2 * SECOND, at_ns, at_ns)


def question_answered(order_entry: OrderEntry, at_ns: int) -> None:
    answered(order_entry, order_entry.logout(), at_ns, at_ns - 2 * SECOND)


@pytest.mark.parametrize(
    "show", [late_refusal, order_told, trade_told, quote_told, question_answered]
)
def test_row_43_whatever_shows_a_jump_puts_the_clock_in_doubt_until_it_is_measured(
    show: Callable[[OrderEntry, int], None],
) -> None:
    order_entry, at = connected(), NOW + SECOND
    show(order_entry, at)
    assert "measured again" in order_entry.clock_doubt
    assert order_entry.next_wake_ns == at
    (question,) = order_entry.on_time(at)
    assert json.loads(question)["method"] == "public/test"
    warned, moved = answered(order_entry, question, at, at + 2 * SECOND)
    assert isinstance(warned, entry.Warned) and moved == entry.ClockMoved(2 * SECOND)
    assert not order_entry.clock_doubt and order_entry.skew_ns == 2 * SECOND


ORDER_TOLD = json.dumps(
    {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {
            "channel": ORDERS_CHANNEL,
            "data": {
                "order_id": "1",
                "label": "",
                "instrument_name": "BTC-PERPETUAL",
                "direction": "buy",
                "order_type": "limit",
                "order_state": "open",
                "price": 50000.0,
                "amount": 10.0,
                "filled_amount": 0.0,
                "average_price": 0.0,
                "time_in_force": "good_til_cancelled",
                "creation_timestamp": NOW // MS,
                "last_update_timestamp": NOW // MS,
            },
        },
    }
)
TRADE_TOLD = json.dumps(
    {
        "jsonrpc": "2.0",
        "method": "subscription",
        "params": {
            "channel": TRADES_CHANNEL,
            "data": [
                {
                    "trade_id": "7",
                    "order_id": "1",
                    "label": "",
                    "instrument_name": "BTC-PERPETUAL",
                    "direction": "buy",
                    "price": 50000.0,
                    "amount": 10.0,
                    "liquidity": "M",
                    "fee": 0.0,
                    "fee_currency": "BTC",
                    "timestamp": NOW // MS,
                }
            ],
        },
    }
)
