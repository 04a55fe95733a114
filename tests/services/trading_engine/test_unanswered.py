"""Requests that an engine took and died with: each gets its one answer in the next life."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from common import core as c, messages as m
from common.messages import OrderStatus as S, RejectReason as R
from services.trading_engine import records
from services.trading_engine.fold import Fold
from services.trading_engine.story import explain
from tests.services.trading_engine import test_quotes as quotes
from tests.services.trading_engine.kit import PERP, SECOND, Bench, place

D = Decimal


def spend(bench: Bench, *, is_cancel: bool) -> None:
    """The rate budget of this moment."""
    while bench.engine._state.pacer.take(bench.now, is_cancel=is_cancel):
        pass


def journaled(bench: Bench) -> Counter[str]:
    """How many answers the journal holds of each request that it holds."""
    found: Counter[str] = Counter()
    for entry in records.decode(bench.journal):
        for record in entry.records:
            match record:
                case records.RequestRecord(key):
                    found[key] += 0
                case records.ReplyRecord(key):
                    found[key] += 1
    return found


def answered(bench: Bench, command: m.Command, request_id: str) -> m.CommandReply:
    """The same request again: the answer that the journal holds already."""
    (held,) = [
        record.reply
        for entry in records.decode(bench.journal)
        for record in entry.records
        if isinstance(record, records.ReplyRecord) and record.reply.request_id == request_id
    ]
    reply = bench.asked(command, request_id=request_id)
    assert reply == held
    return reply


def restarted(bench: Bench, *, folded: bool = False) -> Bench:
    """Another engine, from the journal or from a snapshot of it."""
    if folded:
        fold = Fold().take_all(records.decode(bench.journal))
        bench.journal[:] = [records.encode(entry) for entry in fold.entries()]
    later = bench.restart()
    later.start()
    return later


@pytest.mark.parametrize("folded", [False, True])
def test_a_modify_that_waited_for_the_rate_budget_is_refused(folded: bool) -> None:
    bench = Bench().start()
    order = bench.placed()
    spend(bench, is_cancel=False)
    change = m.ModifyOrder(order.client_order_id, price=D("48000"))
    assert bench.replies(bench.ask(change, "late")) == []
    later = restarted(bench, folded=folded)
    reply = answered(later, change, "late")
    assert (reply.reason, reply.in_doubt) == (R.NOT_READY, False)
    assert "restarted before this was sent" in reply.text
    later.advance(10)
    assert not bench.twin.calls("private/edit")
    assert set(journaled(later).values()) <= {1, 2}


def test_a_place_that_waited_for_prices_is_refused_and_never_sent() -> None:
    bench = Bench().start(prices=False)
    bench.ask(place(), "early")
    later = restarted(bench)
    assert answered(later, place(), "early").reason is R.NOT_READY
    later.advance(10)
    assert not bench.twin.calls("private/buy")


def test_of_a_list_what_was_sent_waits_for_the_venue_and_the_rest_is_refused() -> None:
    bench = Bench(rate_burst=5.0).start()
    orders = m.PlaceOrders([place(str(price)) for price in (49000, 48900, 48800, 48700)])
    bench.losing = True
    assert bench.replies(bench.ask(orders, "list")) == []
    later = restarted(bench)
    later.advance(10)
    reply = answered(later, orders, "list")
    assert [result.reason for result in reply.results] == [R.LATE, R.LATE, R.LATE, R.NOT_READY]
    assert not bench.twin.orders


@pytest.mark.parametrize("folded", [False, True])
def test_a_cancel_that_waited_for_the_rate_budget_is_carried_out(folded: bool) -> None:
    bench = Bench().start()
    first, second = bench.placed(), bench.placed()
    spend(bench, is_cancel=True)
    bench.ask(m.CancelOrder(first.client_order_id), "gone")
    assert "private/cancel" not in bench.sent()
    later = restarted(bench, folded=folded)
    later.advance(5)
    assert answered(later, m.CancelOrder(first.client_order_id), "gone").accepted
    assert [order.client_order_id for order in later.open_orders()] == [second.client_order_id]


def test_a_cancel_of_an_order_that_is_being_cancelled_is_answered_with_it() -> None:
    bench = Bench().start()
    order = bench.placed()
    bench.losing = True
    bench.ask(m.CancelOrder(order.client_order_id), "one")
    bench.ask(m.CancelOrder(order.client_order_id), "two")
    later = restarted(bench)
    later.advance(10)
    for name in ("one", "two"):
        assert answered(later, m.CancelOrder(order.client_order_id), name).accepted


@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize("folded", [False, True])
def test_a_cancel_all_is_finished_for_the_orders_that_it_meant(arrived: bool, folded: bool) -> None:
    bench = Bench().start()
    names = [bench.placed(owner="a").client_order_id for _ in range(3)]
    bench.losing, bench.held = not arrived, []
    assert bench.replies(bench.ask(m.CancelAll(), "all")) == []
    later = restarted(bench, folded=folded)
    later.advance(1)  # after a snapshot the budget has to fill first
    spared = later.placed()
    later.advance(10)
    reply = answered(later, m.CancelAll(), "all")
    assert reply.accepted
    assert [result.orders[0].client_order_id for result in reply.results] == names
    assert [order.client_order_id for order in later.open_orders()] == [spared.client_order_id]


def test_an_order_that_filled_before_it_could_be_cancelled_is_told_so() -> None:
    bench = Bench().start()
    names = [bench.placed(owner="a").client_order_id for _ in range(2)]
    bench.losing = True
    bench.ask(m.CancelAll(owner="a"), "all")
    bench.losing = False
    bench.up = False
    bench.twin.fill("V1", 100)
    later = restarted(bench)
    later.advance(10)
    first, second = answered(later, m.CancelAll(owner="a"), "all").results
    assert (first.reason, first.orders[0].status) == (R.ORDER_CLOSED, S.FILLED)
    assert (second.accepted, second.orders[0].status) == (True, S.CANCELED)
    assert [result.orders[0].client_order_id for result in (first, second)] == names


def test_a_list_of_cancels_is_answered_name_by_name() -> None:
    bench = Bench().start()
    order = bench.placed(owner="a")
    theirs = bench.placed(owner="b")
    bench.losing = True
    command = m.CancelOrders([order.client_order_id, theirs.client_order_id, "nobody"], owner="a")
    bench.ask(command, "some")
    later = restarted(bench)
    later.advance(10)
    results = answered(later, command, "some").results
    assert [result.reason for result in results] == [None, R.UNKNOWN_ORDER, R.UNKNOWN_ORDER]
    assert later.order(theirs.client_order_id).status is S.NEW


def test_a_cancel_of_an_order_in_doubt_is_sent_before_its_instrument_is_known() -> None:
    bench = Bench().start()
    bench.held = []
    name = bench.ask(place(), "it")
    (order,) = bench.open_orders()
    bench.losing = True
    bench.ask(m.CancelOrder(order.client_order_id), "gone")
    later = bench.restart()
    later.feed(c.Started())
    later.connect()
    later.advance(10)
    assert bench.twin.open_ids == []
    later.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [quotes.PERPETUAL]))
    later.advance(10)
    assert answered(later, m.CancelOrder(order.client_order_id), "gone").accepted
    assert answered(later, place(), name).accepted


def test_quotes_that_waited_for_their_budget_are_refused_side_by_side() -> None:
    bench = quotes.bench(quote_rate_per_second=4.0, quote_rate_burst=1.0)
    quotes.quoted(bench)
    again = quotes.quote(quotes.entry("48000", "52000"))
    assert bench.replies(bench.ask(again, "quotes")) == []
    later = restarted(bench)
    reply = answered(later, again, "quotes")
    assert [result.reason for result in reply.results] == [R.NOT_READY] * 2


def test_a_cancel_of_quotes_is_finished() -> None:
    bench = quotes.bench()
    sides = quotes.quoted(bench)
    bench.losing = True
    bench.ask(m.CancelQuotes(owner="maker"), "quotes")
    later = restarted(bench)
    later.advance(10)
    reply = answered(later, m.CancelQuotes(owner="maker"), "quotes")
    assert reply.accepted and len(reply.results) == len(sides)
    assert later.open_orders() == []


def test_a_change_of_a_protection_without_an_answer_stays_in_doubt() -> None:
    bench = quotes.bench()
    bench.losing = True
    bench.ask(quotes.SETTINGS, "protect")
    later = restarted(bench)
    reply = answered(later, quotes.SETTINGS, "protect")
    assert reply.in_doubt and reply.reason is None and "protections" in reply.text


def test_what_an_older_build_left_without_its_orders_is_refused() -> None:
    bench = Bench().start()
    command = m.CancelAll()
    asked = records.RequestRecord("@gateway/old", "old", command, "gateway")
    bench.journal.append(records.encode(records.Entry(bench.now, [asked])))
    later = restarted(bench)
    assert answered(later, command, "old").reason is R.NOT_READY


def test_the_answer_is_on_disk_before_anybody_asks_again() -> None:
    bench = Bench().start(prices=False)
    bench.ask(place(), "early")
    later = bench.restart()
    later.feed(c.Started())
    assert journaled(later)["@gateway/early"] == 1
    again = later.restart()
    again.start()
    assert journaled(again)["@gateway/early"] == 1


def test_a_cancel_of_all_is_part_of_the_story_of_each_order() -> None:
    bench = Bench().start()
    order = bench.placed(owner="a")
    bench.asked(m.CancelAll(owner="a"), request_id="all")
    story = explain(bench.journal, order.client_order_id)
    assert [asked["command"] for asked in story.asked] == ["PlaceOrder", "CancelAll"]
    assert [step.what for step in story.steps].count("reply") == 2


def test_a_late_cancel_does_not_reach_an_order_that_ended_meanwhile() -> None:
    bench = Bench().start()
    order = bench.placed()
    bench.losing = True
    bench.ask(m.CancelOrder(order.client_order_id), "gone")
    bench.losing, bench.up = False, False
    bench.twin.end("V1", "user_request")
    bench.now += SECOND
    later = restarted(bench)
    later.advance(10)
    assert answered(later, m.CancelOrder(order.client_order_id), "gone").accepted
    assert later.order(order.client_order_id).status is S.CANCELED
    assert later.asked(place(), request_id="new").orders[0].instrument == PERP
