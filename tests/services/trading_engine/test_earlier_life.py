"""What an engine takes over from its earlier life, also when the clock was ahead of ours then."""

from __future__ import annotations

import pytest

from common import messages as m
from common.messages import OrderStatus as S
from services.trading_engine import records
from services.trading_engine.fold import Fold
from services.trading_engine.pacing import Pacer
from tests.services.trading_engine.kit import MS, SECOND, T0, Bench, place

HOUR = 3600 * SECOND


def left(kind: str, count: int, at_ns: int) -> list[bytes]:
    """What a journal holds of calls that left."""
    record = records.SentRecord(kind, f"private/{kind}", ["1"])
    return [records.encode(records.Entry(at_ns + n * MS, [record])) for n in range(count)]


@pytest.mark.parametrize("set_back_ns", [0, HOUR])
def test_the_budget_that_an_earlier_life_used_up_fills_again(set_back_ns: int):
    bench = Bench(None, left("place", 25, T0 + set_back_ns), 2, T0, rate_per_second=5.0)
    pacer = bench.engine._state.pacer
    bench.start()
    bench.advance(60)
    assert sum(pacer.take(bench.now, is_cancel=True) for _ in range(300)) >= 19
    bench.advance(60)
    assert bench.placed().status is S.NEW


def taken(pacer: Pacer, at_ns: int) -> int:
    return sum(pacer.take(at_ns, is_cancel=True) for _ in range(300))


def test_a_life_after_a_snapshot_does_not_think_that_the_budget_was_full_then():
    """The venue's bucket stays empty while as much is sent as it refills, for however long."""
    snapshot = list(Fold().take_all([records.Entry(T0, [])]).entries())
    steady = [left("place", 1, T0 + n * SECOND // 5)[0] for n in range(1, 500)]
    journal = [*map(records.encode, snapshot), *steady]
    now = T0 + 100 * SECOND
    bench = Bench(None, journal, 2, now, rate_per_second=5.0, rate_burst=20.0)
    pacer = bench.engine._state.pacer
    pacer.begin(now)
    assert taken(pacer, now + 2 * SECOND) <= 10
    assert taken(pacer, now + 60 * SECOND) == 19


def test_the_venue_never_counts_below_nothing_so_a_later_life_waits_no_longer_than_needed():
    journal = left("place", 100, T0)
    bench = Bench(None, journal, 2, T0, rate_per_second=5.0, rate_burst=20.0)
    pacer = bench.engine._state.pacer
    assert taken(pacer, T0 + SECOND) == 3  # 4.5 came in, one of them is kept below the venue's


def test_mass_quotes_of_an_earlier_life_count_against_the_budget_of_quotes():
    journal = left("mass_quote", 30, T0)
    bench = Bench(None, journal, 2, T0, rate_burst=20.0, quote_rate_burst=20.0)
    state = bench.engine._state
    assert state.pacer.take(T0 + SECOND, is_cancel=False)
    assert not state.quote_pacer.take(T0 + SECOND // 10, is_cancel=True)


def test_an_order_in_doubt_of_a_life_whose_clock_was_ahead_is_settled_as_soon_as_any_other():
    bench = Bench(now_ns=T0 + HOUR).start()
    bench.losing = True
    (reply,) = _after(bench, bench.ask(place()))
    later = Bench(bench.twin, bench.journal, 2, T0)
    later.twin.now_ms = T0 // MS
    later.start()
    later.advance(8)
    assert later.order(reply.orders[0].client_order_id).status is S.REJECTED


def set_back(bench: Bench) -> Bench:
    """Another life, whose clock is an hour behind that of the one before."""
    later = Bench(bench.twin, bench.journal, 2, T0)
    later.twin.now_ms = T0 // MS
    later.start()
    later.advance(3)
    return later


def test_an_end_that_is_not_told_is_found_although_the_order_changed_in_the_future() -> None:
    bench = Bench(now_ns=T0 + HOUR).start()
    order = bench.placed()
    later = set_back(bench)
    assert later.order(order.client_order_id).updated_ns > later.now
    later.twin.now_ms = later.now // MS
    later.twin.end(order.venue_order_id, "user_request")
    later.advance(10)
    assert later.order(order.client_order_id).status is S.CANCELED


def test_what_became_of_an_order_made_in_the_future_is_asked_for_from_the_past() -> None:
    bench = Bench(now_ns=T0 + HOUR).start()
    bench.losing = True
    bench.ask(place())
    later = set_back(bench)
    asked = later.twin.calls("private/get_user_trades_by_instrument")
    assert asked
    assert all(call["start_timestamp"] <= T0 // MS for call in asked)


def _after(bench: Bench, request: str) -> list[m.CommandReply]:
    bench.advance(3)
    return bench.replies(request)
