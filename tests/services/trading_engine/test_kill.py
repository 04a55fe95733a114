"""The kill switch and the modes, in the engine's core."""

from __future__ import annotations

import json

import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.messages import OrderStatus as S, RejectReason as R
from services.trading_engine import records
from tests.services.trading_engine.kit import Bench, place

HALTED, REDUCING, ACTIVE = m.TradingMode.HALTED, m.TradingMode.REDUCING, m.TradingMode.ACTIVE


@pytest.fixture
def bench() -> Bench:
    return Bench().start()


def latch(bench: Bench, **latches: str) -> None:
    named = {name.replace("strategy_", "strategy."): reason for name, reason in latches.items()}
    bench.feed(c.LatchChanged(named))


def alerts(bench: Bench) -> list[c.Alert]:
    return [x for x in bench.commands if isinstance(x, c.Alert)]


def records_of(bench: Bench, kind: type) -> list[object]:
    entries = records.decode(bench.journal)
    return [record for entry in entries for record in entry.records if isinstance(record, kind)]


# --- the latch ---------------------------------------------------------------------------------


def test_row_26_a_latch_refuses_new_orders_and_modifies_and_says_why(bench: Bench):
    order = bench.placed()
    latch(bench, desk="fat finger")
    reply = bench.asked(place())
    assert (reply.accepted, reply.reason) == (False, R.KILL_SWITCH)
    assert "fat finger" in reply.text
    assert bench.order(order.client_order_id).status is S.CANCELED


def test_row_26_everything_open_is_cancelled_with_one_call_and_the_venue_asked(bench: Bench):
    for _ in range(5):
        bench.placed()
    latch(bench, desk="stop")
    bench.advance(3)
    assert bench.sent().count("private/cancel_all") == 1
    assert bench.open_orders() == []
    assert [a.text for a in alerts(bench) if a.level == "WARNING"][-1] == (
        "the venue reports no open order"
    )


def test_row_26_what_the_call_for_all_left_open_is_cancelled_one_by_one(bench: Bench):
    order = bench.placed()
    bench.losing = True
    latch(bench, deribit="stop")
    bench.losing = False
    bench.advance(5)
    assert bench.order(order.client_order_id).status is S.CANCELED
    assert "private/cancel" in bench.sent()


def test_row_26_the_rate_budget_does_not_hold_the_first_cancel_back():
    bench = Bench(rate_per_second=0.1, rate_burst=3.0).start()
    bench.placed()
    while bench.engine._state.pacer.take(bench.now, is_cancel=True):
        pass
    latch(bench, desk="stop")
    assert bench.open_orders() == []


def test_row_26_a_sick_journal_does_not_hold_cancels_back(bench: Bench):
    bench.placed()
    bench.feed(c.JournalFailed("ENOSPC"))
    latch(bench, desk="stop")
    assert bench.open_orders() == []


def test_row_26_latched_while_offline_cancels_first_thing_when_the_link_is_back(bench: Bench):
    order = bench.placed()
    bench.cut()
    latch(bench, desk="stop")
    bench.advance(1)
    before = len(bench.sent())
    bench.connect()
    bench.advance(3)
    calls = [x for x in bench.sent()[before:] if "/get_" in x or x.startswith("private/cancel")]
    assert calls[0] == "private/cancel_all"
    assert bench.order(order.client_order_id).status is S.CANCELED


def test_row_26_latched_before_the_start_nothing_is_placed_and_all_is_cancelled(bench: Bench):
    bench.placed()
    bench.losing = True
    latch(bench, desk="stop")
    again = bench.restart().start()
    reply = again.asked(place(), request_id="new")
    assert reply.reason is R.KILL_SWITCH  # from the journal, before any file is read
    latch(again, desk="stop")
    again.advance(3)
    assert again.open_orders() == [] and again.twin.open_ids == []


def test_row_26_a_release_is_journaled_with_its_reason_and_trading_goes_on(bench: Bench):
    latch(bench, desk="stop")
    latch(bench, desk="stop")  # twice
    bench.feed(c.LatchChanged({}, {"desk": "all clear"}))
    assert bench.asked(place()).accepted
    told = [(r.scope, r.is_on, r.reason) for r in records_of(bench, records.LatchRecord)]
    assert told == [("desk", True, "stop"), ("desk", False, "all clear")]
    assert bench.restart().start().asked(place(), request_id="new").accepted


def test_a_strategys_latch_stops_only_its_orders(bench: Bench):
    mine, other = bench.placed(owner="quoter"), bench.placed(owner="hedger")
    latch(bench, strategy_quoter="runs wild")
    bench.advance(3)
    assert bench.order(mine.client_order_id).status is S.CANCELED
    assert bench.order(other.client_order_id).status is S.NEW
    assert bench.asked(place(owner="quoter")).reason is R.KILL_SWITCH
    assert bench.asked(place(owner="hedger")).accepted
    assert "private/cancel_all" not in bench.sent()


def test_another_venues_latch_is_not_ours(bench: Bench):
    order = bench.placed()
    latch(bench, elsewhere="stop")
    assert bench.order(order.client_order_id).status is S.NEW
    assert bench.asked(place()).accepted


def test_orders_carry_the_latches_that_stop_them_and_cancels_none(bench: Bench):
    order = bench.placed(owner="quoter")
    bench.ask(m.CancelOrder(order.client_order_id, "quoter"))
    sends = [x for x in bench.commands if isinstance(x, c.LinkSend)]
    gates = {json.loads(x.payload)["method"]: x.unless for x in sends}
    assert gates["private/buy"] == ("desk", "deribit", "strategy.quoter")
    assert gates["private/cancel"] == ()


def test_an_order_held_back_at_the_last_moment_is_rejected_for_certain(bench: Bench):
    bench.losing = True
    request = bench.ask(place())
    (send,) = [x for x in bench.commands if isinstance(x, c.LinkSend) and x.refers]
    bench.feed(c.SendWithheld(send.refers, "the kill switch is on: stop"))
    (reply,) = bench.replies(request)
    assert (reply.reason, reply.in_doubt) == (R.KILL_SWITCH, False)
    assert bench.order(send.refers).status is S.REJECTED
    bench.losing = False
    bench.advance(10)
    assert "private/get_order_state_by_label" not in bench.sent()


def test_row_40_orders_from_outside_reduce_and_too_many_halt_the_desk():
    bench = Bench(limits=LimitsConfig(max_external_orders=1)).start()
    by_hand = {"direction": "buy", "instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 1}
    bench.deliver(bench.twin.place(**by_hand, label="by hand"))
    assert not [x for x in bench.commands if isinstance(x, c.SetLatch)]
    assert bench.asked(place()).reason is R.EXTERNAL_ORDERS
    bench.deliver(bench.twin.place(**by_hand, label="by hand"))
    (set_latch,) = [x for x in bench.commands if isinstance(x, c.SetLatch)]
    assert set_latch.scope == "desk" and "from outside" in set_latch.reason


@pytest.mark.parametrize("told", ["an order of the venue", "the end of ours", "a fill"])
def test_row_40_a_liquidation_reduces_also_where_others_may_trade_the_account(told: str):
    bench = Bench().start()  # no max_external_orders
    ours = bench.placed().venue_order_id
    by_venue = {"direction": "sell", "instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 1}
    if told == "an order of the venue":
        bench.deliver(bench.twin.place(**by_venue, type="liquidation"))
    elif told == "the end of ours":
        bench.deliver(bench.twin.end(ours, "autoliquidation"))
    else:
        trade, _ = bench.twin.fill(ours, 10.0)
        bench.deliver([trade.replace(b'"liquidity": "M"', b'"liquidity": "M", "liquidation": "M"')])
    refused = bench.asked(place())
    assert refused.reason is R.EXTERNAL_ORDERS and "liquidates" in refused.text
    assert bench.asked(m.SetMode(ACTIVE, "looked at", venue="deribit")).accepted
    bench.cut()
    bench.connect()  # its history tells it again
    assert bench.asked(place()).accepted


def test_row_40_a_fill_against_somebody_who_is_liquidated_is_a_fill_like_any_other():
    bench = Bench().start()
    trade, _ = bench.twin.fill(bench.placed().venue_order_id, 10.0)
    bench.deliver([trade.replace(b'"liquidity": "M"', b'"liquidity": "M", "liquidation": "T"')])
    assert bench.fills() and bench.asked(place()).accepted


def test_row_11_an_order_with_our_ids_that_we_did_not_make_halts_the_desk(bench: Bench):
    ours = bench.placed().client_order_id
    stranger = str(int(ours) + 7)
    by_hand = {"direction": "buy", "instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 1}
    bench.deliver(bench.twin.place(**by_hand, label=stranger))
    (set_latch,) = [x for x in bench.commands if isinstance(x, c.SetLatch)]
    assert "somebody else" in set_latch.reason


# --- modes -------------------------------------------------------------------------------------


def test_modes_of_strategy_venue_and_desk_the_strictest_holds(bench: Bench):
    assert bench.asked(m.SetMode(HALTED, "x", owner="quoter")).mode is HALTED
    assert bench.asked(place(owner="quoter")).reason is R.MODE
    assert bench.asked(place(owner="hedger")).accepted
    assert bench.asked(m.SetMode(REDUCING, "x", venue="deribit")).accepted
    assert bench.asked(place(owner="hedger")).reason is R.MODE
    reply = bench.asked(m.SetMode(ACTIVE, "x", owner="hedger"))
    assert (reply.mode, "REDUCING" in reply.text) == (REDUCING, True)
    assert bench.asked(m.SetMode(ACTIVE, "x", venue="elsewhere")).reason is R.BAD_REQUEST


def test_modes_survive_a_restart(bench: Bench):
    bench.ask(m.SetMode(HALTED, "x", owner="quoter"))
    again = bench.restart().start()
    assert again.asked(place(owner="quoter"), request_id="new").reason is R.MODE
    assert again.asked(place(), request_id="newer").accepted


def test_a_mode_asked_for_again_after_its_release_is_answered_and_not_set_anew(bench: Bench):
    """Also if the engine died before it had answered."""
    bench.ask(m.SetMode(HALTED, "x"), request_id="halt")
    again = bench.restart().start()
    assert again.asked(place(), request_id="halted").reason is R.MODE
    again.ask(m.SetMode(ACTIVE, "x"), request_id="go on")
    assert again.asked(m.SetMode(HALTED, "x"), request_id="halt").mode is HALTED
    assert again.asked(place(), request_id="new").accepted
    assert again.restart().start().asked(place(), request_id="newer").accepted


def test_a_mode_whose_request_got_lost_is_set_when_it_is_asked_for_again(bench: Bench):
    before = len(bench.journal)
    bench.ask(m.SetMode(HALTED, "x"), request_id="halt")
    del bench.journal[before:]
    again = bench.restart().start()
    again.ask(m.SetMode(ACTIVE, "x"), request_id="go on")
    again.ask(m.SetMode(HALTED, "x"), request_id="halt")
    assert again.asked(place(), request_id="new").reason is R.MODE


def test_what_was_decided_before_a_halt_leaves_before_its_answer_and_what_waits_is_refused():
    bench = Bench(rate_per_second=10.0, rate_burst=2.0).start()
    bench.ask(place(), request_id="sent")
    bench.ask(place(), request_id="waits")
    bench.ask(m.SetMode(HALTED, "x"), request_id="halt")
    bench.advance(1)
    (waited,) = bench.replies("waits")
    assert waited.reason is R.MODE
    told = [x for x in bench.commands if isinstance(x, c.LinkSend | c.Reply)]
    before = told[: told.index(c.Reply(b"p", *bench.replies("halt")))]
    sent = [x for x in before if isinstance(x, c.LinkSend) and b"private/buy" in x.payload]
    assert len(sent) == bench.sent().count("private/buy") == 1


def test_a_mode_does_not_lift_a_latch(bench: Bench):
    latch(bench, desk="stop")
    reply = bench.asked(m.SetMode(ACTIVE, "go"))
    assert reply.mode is HALTED and "kill switch" in reply.text


# --- builds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", ["market_data.deribit", "gateway", "strategy_host.quoter"])
def test_row_87_orders_are_held_while_services_are_of_different_builds(bench: Bench, process: str):
    order = bench.placed()
    bench.engine._state.builds.own = "v1+aaa"

    def beat(build: str, process: str = process) -> None:
        health = m.Health(process, "ready", 1, 1, build=build)
        bench.bus(f"health.{process}", health)

    beat("v1-dirty+aaa")  # the same code under another name
    assert bench.asked(place()).accepted
    beat("v2+bbb")
    before = bench.sent().count("private/buy")
    reply = bench.asked(place())
    assert (reply.accepted, reply.reason) == (False, R.NOT_READY)
    assert f"{process} is of build v2+bbb, this engine of v1+aaa" in reply.text
    change = bench.asked(m.ModifyOrder(order.client_order_id, price=m.Exact("49500")))
    assert change.reason is R.NOT_READY
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted  # cancels go on
    assert bench.sent().count("private/buy") == before
    beat("v1+aaa")
    assert bench.asked(place()).accepted
    beat("v2+bbb")
    bench.advance(4.9)
    beat("v1+aaa", "another")
    assert bench.asked(place()).reason is R.NOT_READY
    bench.advance(0.2)
    beat("v1+aaa", "another")  # the one that differs is gone
    assert bench.asked(place()).accepted


# --- the end of the process --------------------------------------------------------------------


def stopped(bench: Bench) -> bool:
    return c.SetState("stopped") in bench.commands


def test_row_12_at_the_end_what_is_on_its_way_is_settled_first(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    bench.feed(c.Stopping())
    assert not stopped(bench) and "private/logout" not in bench.sent()
    assert bench.asked(place()).reason is R.NOT_READY
    bench.release()
    assert bench.replies(request)[0].accepted
    assert stopped(bench) and bench.sent()[-1] == "private/logout"


def test_row_12_a_venue_that_does_not_answer_is_left_after_4_s(bench: Bench):
    bench.held = []
    bench.ask(place())
    bench.feed(c.Stopping())
    bench.advance(4.1)
    assert stopped(bench)


# --- checks that need a memory -------------------------------------------------------------------


def test_the_same_order_again_and_again_is_refused_for_a_while():
    bench = Bench(limits=LimitsConfig(max_same_orders=2, same_within_ms=500)).start()
    assert [bench.asked(place()).reason for _ in range(3)] == [None, None, R.DUPLICATE_ORDER]
    assert bench.asked(place("49000.5")).accepted
    assert bench.asked(place(owner="other")).accepted
    bench.advance(0.6)
    assert bench.asked(place()).accepted


def test_fills_in_quick_succession_halt_their_strategy_until_a_person_enables_it():
    bench = Bench(limits=LimitsConfig(max_fills=2)).start()
    for _ in range(3):
        order = bench.placed(owner="quoter")
        bench.deliver(bench.twin.fill(order.venue_order_id, 100))
    assert bench.asked(place(owner="quoter")).reason is R.REPEATED_EXECUTION
    assert bench.asked(place(owner="hedger")).accepted
    again = bench.restart().start()
    reply = again.asked(place(owner="quoter"), request_id="new")
    assert reply.reason is R.REPEATED_EXECUTION
    again.ask(m.SetMode(ACTIVE, "looked at it", owner="quoter"), request_id="enable")
    assert again.asked(place(owner="quoter"), request_id="newer").accepted


def test_exposure_counts_what_is_open_and_in_doubt():
    bench = Bench(limits=LimitsConfig(max_position={"perpetual": "250"})).start()
    bench.placed()
    bench.losing = True
    bench.ask(place())  # nobody knows what became of it
    bench.losing = False
    reply = bench.asked(place())
    assert (reply.reason, "300" in reply.text) == (R.EXPOSURE, True)
    assert bench.asked(place("51000", "200", side=m.Side.SELL)).accepted


def test_a_quote_is_as_old_as_the_last_proof_of_it():
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    assert bench.asked(place()).accepted
    bench.advance(2)
    reply = bench.asked(place())
    assert (reply.reason, "2000 ms old" in reply.text) == (R.STALE_DATA, True)
    bench.bus("health.market_data.deribit", m.Health("market_data.deribit", "ready", 1, 1))
    assert bench.asked(place()).accepted
