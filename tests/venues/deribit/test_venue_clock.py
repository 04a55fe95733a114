"""Row 43: the venue's clock is off, or jumps."""

from __future__ import annotations

import json

from common.config import Credentials, Secret
from common.venues import order_entry as entry
from common.venues.deribit.orders import OrderEntry
from common.venues.deribit.venue_clock import VenueClock
from tests.venues.deribit.test_orders import order

MS, SECOND = 1_000_000, 1_000_000_000
NOW = 1_700_000_000 * SECOND


def us(ns: int) -> int:
    return ns // 1000


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


def test_row_43_an_impossible_time_in_any_answer_has_it_measured_at_once() -> None:
    clock = VenueClock()
    clock.glance(NOW, us(NOW + 9 * SECOND))
    assert clock.due_ns is None  # nothing was measured yet
    clock.measure(NOW, NOW, us(NOW), us(NOW))
    clock.glance(NOW + SECOND, us(NOW + SECOND + 400 * MS))
    assert clock.due_ns == NOW + 60 * SECOND
    clock.glance(NOW + SECOND, us(NOW + 6 * SECOND))
    assert clock.due_ns == NOW + SECOND


def answered(order_entry: OrderEntry, frame: bytes, at_ns: int, venue_ns: int) -> list[object]:
    call = json.loads(frame)
    result = {"id": call["id"], "result": "ok", "usIn": us(venue_ns), "usOut": us(venue_ns)}
    return list(order_entry.parse(json.dumps(result).encode(), at_ns))


def test_row_43_orders_carry_their_last_moment_in_the_venues_time() -> None:
    order_entry = OrderEntry(Credentials("key", Secret("secret")), cancel_on_disconnect=False)
    first = order_entry.on_up(NOW)[0]
    told = answered(order_entry, first, NOW + 10 * MS, NOW - 4995 * MS)
    (warned,) = told
    assert isinstance(warned, entry.Warned) and "-5.0 s" in warned.text
    placed = order_entry.place(order(), "BTC-PERPETUAL", NOW + 2 * SECOND, False, None)
    assert json.loads(placed.frame)["params"]["valid_until"] == (NOW - 3 * SECOND) // MS
    assert order_entry.next_wake_ns is not None
    (question,) = order_entry.on_time(NOW + 60 * SECOND + 10 * MS)[:1]
    assert json.loads(question)["method"] == "public/test"
