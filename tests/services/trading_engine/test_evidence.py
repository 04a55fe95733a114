"""Many doubts at once: one set of listings serves them all, and no rule of proof is bent for it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.domain.order import Order
from common.messages import OrderStatus as S
from common.venues.order_entry import CallDone, VenueOrder, VenueOrderState
from services.trading_engine.evidence import PROVED_AT_ONCE, Doubt, could_show
from tests.services.trading_engine.kit import MS, SECOND, Bench, place
from tests.services.trading_engine.twin import Refuse

BY_LABEL = "private/get_order_state_by_label"
LISTINGS = (
    "private/get_open_orders_by_instrument",
    "private/get_order_history_by_instrument",
    "private/get_user_trades_by_instrument",
)


def in_doubt(count: int, *, arrived: bool, **config: Any) -> tuple[Bench, list[str]]:
    """Orders whose link was cut before any answer; the link is back at once."""
    bench = Bench(**config).start()
    bench.advance(60)  # a small budget reads the account slowly
    bench.losing, bench.held = not arrived, []
    requests = [bench.ask(place(str(49000 + n))) for n in range(count)]
    bench.losing, bench.held = False, None
    bench.cut()
    bench.twin.received.clear()
    bench.connect()
    return bench, [bench.replies(request)[0].orders[0].client_order_id for request in requests]


def statuses(bench: Bench, names: list[str]) -> set[S]:
    return {bench.order(name).status for name in names}


def test_row_20_twenty_orders_that_never_arrived_are_settled_within_the_horizon_and_five_seconds():
    bench, names = in_doubt(20, arrived=False)
    bench.advance(2.0 + 5.0)
    assert statuses(bench, names) == {S.REJECTED}


def test_row_19_twenty_orders_that_arrived_are_known_as_soon_as_the_account_was_read():
    bench, names = in_doubt(20, arrived=True)
    bench.advance(0.5)
    assert statuses(bench, names) == {S.NEW}
    assert not bench.twin.calls(BY_LABEL)


def test_one_set_of_listings_serves_all_doubts():
    bench, _ = in_doubt(20, arrived=False)
    bench.advance(3.9)
    calls = Counter(method for method, _ in bench.twin.received)
    assert [calls[name] for name in (*LISTINGS, BY_LABEL)] == [1, 1, 1, 0]
    bench.advance(3.1)
    calls = Counter(method for method, _ in bench.twin.received)
    assert calls[BY_LABEL] == 2 * 20 and all(calls[name] <= 5 for name in LISTINGS)


def test_fills_on_several_pages_do_not_put_the_proof_off():
    bench = Bench().start()
    order = bench.placed(quantity="100")
    bench.twin.page = 2
    bench.losing = True
    request = bench.ask(place())
    bench.losing = False
    for _ in range(5):
        bench.advance(0.1)
        bench.twin.now_ms = bench.now // MS
        bench.deliver(bench.twin.fill(order.venue_order_id, 10.0))
    bench.advance(2.0 + 5.0)
    (reply,) = bench.replies(request)
    assert statuses(bench, [reply.orders[0].client_order_id]) == {S.REJECTED}


@pytest.mark.parametrize("rate", [20.0, 4.0])
def test_every_order_is_asked_for_by_its_label_twice_a_second_apart(rate: float):
    """Also where the budget stretches a round."""
    bench, names = in_doubt(8, arrived=False, query_rate_per_second=rate, query_burst=4.0)
    began, settled = bench.now, False
    asked: dict[str, list[int]] = {name: [] for name in names}
    while not settled:
        bench.advance(0.05)
        settled = statuses(bench, names) == {S.REJECTED}
        for params in bench.twin.calls(BY_LABEL):
            asked[params["label"]].append(bench.now)
        bench.twin.received.clear()
        assert bench.now < began + 60 * SECOND
    for first, second in asked.values():
        assert first >= began + 4 * SECOND - SECOND // 10 and second - first >= SECOND


@pytest.mark.parametrize("listing", LISTINGS)
def test_row_23_one_listing_that_fails_leaves_all_in_doubt(listing: str):
    bench, names = in_doubt(5, arrived=False)
    for _ in range(50):
        bench.twin.refuse[listing] = Refuse(10066, "busy")
        bench.advance(0.2)
    assert statuses(bench, names) == {S.PENDING_NEW}
    bench.twin.refuse.clear()
    bench.advance(3)
    assert statuses(bench, names) == {S.REJECTED}


def test_the_one_that_arrived_is_found_among_those_that_did_not():
    bench = Bench().start()
    bench.losing = True
    lost = [bench.ask(place()) for _ in range(3)]
    bench.losing, bench.held = False, []
    found = bench.ask(place("49500"))
    bench.held = None
    bench.cut()
    bench.connect()
    bench.advance(7)
    ends = {name: bench.replies(name)[0].orders[0].client_order_id for name in (*lost, found)}
    assert statuses(bench, [ends[name] for name in lost]) == {S.REJECTED}
    assert bench.order(ends[found]).status is S.NEW


def test_row_20_cancels_of_an_order_in_doubt_do_not_put_its_verdict_off():
    bench, (name,) = in_doubt(1, arrived=False)
    for _ in range(7):
        bench.ask(m.CancelOrder(name))
        bench.advance(1.0)
    assert bench.order(name).status is S.REJECTED


def test_row_20_an_order_whose_cancel_was_refused_and_that_never_arrived_ends():
    bench = Bench().start()
    bench.losing = True
    bench.ask(place())
    bench.losing = False
    (order,) = bench.open_orders()
    bench.twin.refuse["private/cancel_by_label"] = Refuse(10066, "busy")
    bench.ask(m.CancelOrder(order.client_order_id))
    bench.cut()
    bench.connect()
    bench.advance(8)
    assert bench.order(order.client_order_id).status.is_final


def test_a_verdict_waits_as_long_as_orders_are_valid_also_after_a_restart():
    bench, (name,) = in_doubt(1, arrived=False, order_valid_for_ms=10_000)
    bench = bench.restart(order_valid_for_ms=10_000).start()
    bench.advance(11.9)
    assert bench.order(name).status is S.PENDING_NEW
    bench.advance(3)
    assert bench.order(name).status is S.REJECTED


def test_a_round_without_answers_is_begun_anew():
    bench, names = in_doubt(3, arrived=False)
    bench.advance(3.9)
    bench.losing = True
    bench.advance(2)
    bench.losing = False
    assert statuses(bench, names) == {S.PENDING_NEW}
    bench.advance(10)
    assert statuses(bench, names) == {S.REJECTED}


def test_row_23_other_rounds_do_not_hold_up_the_one_that_lacks_an_answer():
    """Each new doubt begins a round; what the first one lacks is asked for again in time."""
    bench, (name,) = in_doubt(1, arrived=False)
    bench.advance(3.9)
    bench.losing = True
    bench.advance(0.2)
    for _ in range(12):
        bench.losing = True
        bench.ask(place())  # in doubt two seconds later
        bench.losing = False
        bench.advance(0.5)
    assert bench.order(name).status is S.REJECTED


def test_more_doubts_than_one_round_asks_for_are_all_settled():
    count = 3 * PROVED_AT_ONCE
    bench, names = in_doubt(count, arrived=False)
    bench.advance(30)
    assert statuses(bench, names) == {S.REJECTED}
    asked = Counter(params["label"] for params in bench.twin.calls(BY_LABEL))
    assert set(asked.values()) == {2} and len(asked) == count


def test_a_budget_that_stretches_the_reading_of_the_account_does_not_repeat_it():
    bench = Bench(query_rate_per_second=4.0, query_burst=4.0).start()
    bench.advance(10)
    assert bench.placed().status is S.NEW
    assert len(bench.twin.calls("private/get_positions")) == 1


def test_a_silent_link_is_closed_once():
    """The shell reports the end when it comes; until then there is nothing to repeat."""
    bench = Bench().start()
    bench.losing = True
    bench.up = False  # so that the bench does not report the end either
    bench.advance(120)
    assert sum(isinstance(x, c.LinkClose) for x in bench.commands) == 1


@pytest.mark.parametrize("behind_s", [0, 3600])
def test_a_cut_listing_is_judged_by_the_clock_that_its_times_are_by(behind_s: int):
    """A venue whose clock is behind shows younger orders as older than they are."""
    bench = Bench().start()
    order = Order(bench.placed())
    seen = VenueOrder(
        "1",
        "",
        "BTC-PERPETUAL",
        m.Side.BUY,
        m.OrderType.LIMIT,
        None,
        order.state.quantity,
        m.TimeInForce.GTC,
        VenueOrderState.OPEN,
        order.state.cum_quantity,
        None,
        created_ns=order.state.created_ns + (60 - behind_s) * SECOND,
        updated_ns=0,
    )
    cut = CallDone(None, orders=[seen], complete=False, skew_ns=-behind_s * SECOND)
    assert not could_show(Doubt(order, 0, 0, 0, True, asked_ns=order.state.created_ns), cut)
    older = msgspec.structs.replace(seen, created_ns=seen.created_ns - 120 * SECOND)
    assert could_show(
        Doubt(order, 0, 0, 0, True, asked_ns=order.state.created_ns),
        msgspec.structs.replace(cut, orders=[older]),
    )


def at_rest(count: int) -> tuple[Bench, list[str]]:
    """Orders that the venue showed as open for a while."""
    bench = Bench().start()
    names = []
    for number in range(count):
        names.append(bench.placed(price=str(46000 + number)).client_order_id)
        bench.advance(0.05)
    bench.advance(30)
    return bench, names


def forgets_all(bench: Bench) -> None:
    """The venue died and came back without orders."""
    bench.cut()
    bench.twin.orders.clear()
    bench.twin.trades.clear()
    bench.connect()


@pytest.mark.parametrize("count", [1, 20, 111, 300])
def test_orders_that_the_venue_lost_are_in_doubt_at_once_and_ended_within_five_seconds(count: int):
    bench, names = at_rest(count)
    forgets_all(bench)
    orders = [bench.order(name) for name in names]
    assert {order.status for order in orders} == {S.NEW}
    assert all(order.in_doubt_since_ns == bench.now for order in orders)
    bench.advance(5.0)
    assert statuses(bench, names) == {S.CANCELED}
    assert all(bench.order(name).in_doubt_since_ns is None for name in names)


def test_an_order_whose_end_no_report_told_is_in_doubt_until_it_is_known():
    bench, (name, other) = at_rest(2)
    bench.twin.orders.clear()
    until = bench.now + 6 * SECOND
    while bench.order(name).in_doubt_since_ns is None:
        bench.advance(0.1)
        assert bench.now < until
    bench.advance(6)
    assert statuses(bench, [name, other]) == {S.CANCELED}


def test_a_fill_of_before_does_not_make_a_lost_order_look_alive():
    bench, (name,) = at_rest(1)
    bench.deliver(bench.twin.fill(bench.order(name).venue_order_id, 10.0))
    assert bench.order(name).status is S.PARTIALLY_FILLED
    bench.advance(30)
    bench.cut()
    bench.twin.orders.clear()
    bench.connect()
    assert bench.order(name).in_doubt_since_ns == bench.now
    bench.advance(5.0)
    assert bench.order(name).status is S.CANCELED


def test_a_lost_order_that_shows_again_is_no_longer_in_doubt():
    bench, (name,) = at_rest(1)
    kept = dict(bench.twin.orders)
    bench.cut()
    bench.twin.orders.clear()
    bench.connect()
    assert bench.order(name).in_doubt_since_ns is not None
    bench.twin.orders.update(kept)
    bench.advance(5.0)
    order = bench.order(name)
    assert (order.status, order.in_doubt_since_ns) == (S.NEW, None)
