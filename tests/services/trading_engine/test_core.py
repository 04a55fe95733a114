"""The engine against a venue that tells the truth, over a link that does what a test says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.domain.order import Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from services.trading_engine import records
from tests.services.trading_engine.kit import (
    LINK,
    MS,
    PERP,
    QUOTE,
    SECOND,
    T0,
    TICKER,
    Bench,
    place,
)
from tests.services.trading_engine.twin import Refuse

D = Decimal
QUERY_CLOSED = m.QueryOrders(closed=True)


@pytest.fixture
def bench() -> Bench:
    return Bench().start()


# --- placing -----------------------------------------------------------------------------------


def test_an_order_is_journaled_before_it_is_sent_and_answered_once(bench: Bench):
    request = bench.ask(place())
    kinds = [type(x) for x in bench.commands]
    send = next(
        i
        for i, x in enumerate(bench.commands)
        if isinstance(x, c.LinkSend) and b"private/buy" in x.payload
    )
    assert c.Journal in kinds[kinds.index(c.Subscribe) : send]
    (reply,) = bench.replies(request)
    assert reply.accepted and reply.orders[0].status is S.NEW
    assert bench.events() == [(E.PLACED, S.PENDING_NEW), (E.ACCEPTED, S.NEW)]


def test_the_intent_is_in_the_record_that_precedes_the_send(bench: Bench):
    bench.placed()
    entries = records.decode(bench.journal)
    kinds = [[type(record).__name__ for record in entry.records] for entry in entries]
    assert ["RequestRecord"] in kinds and ["ReportRecord", "IntentRecord"] in kinds
    assert "ReplyRecord" in kinds[-1]


def test_the_call_carries_label_expiry_and_flags(bench: Bench):
    order = bench.placed(post_only=True, reduce_only=True, time_in_force=m.TimeInForce.DAY)
    (call,) = bench.twin.calls("private/buy")
    assert call == {
        "instrument_name": "BTC-PERPETUAL",
        "amount": 100,
        "type": "limit",
        "label": order.client_order_id,
        "valid_until": (T0 + 2 * SECOND) // MS,
        "price": 49000,
        "time_in_force": "good_til_day",
        "reduce_only": True,
        "post_only": True,
        "reject_post_only": True,
    }


def test_row_41_a_refusal_of_the_venue_is_answered_with_a_reason(bench: Bench):
    bench.twin.refuse["private/buy"] = Refuse(10009, "not_enough_funds")
    reply = bench.asked(place())
    assert (reply.accepted, reply.reason) == (False, R.NOT_ENOUGH_FUNDS)
    assert bench.order(reply.orders[0].client_order_id).status is S.REJECTED


def test_row_41_what_the_venue_refused_is_no_exposure():
    bench = Bench(limits=LimitsConfig(max_position={"perpetual": "100"})).start()
    bench.twin.refuse["private/buy"] = Refuse(10009, "not_enough_funds")
    assert bench.asked(place()).reason is R.NOT_ENOUGH_FUNDS
    assert bench.asked(place()).accepted
    assert bench.asked(place()).reason is R.EXPOSURE


def test_several_orders_in_one_command_are_judged_one_by_one(bench: Bench):
    reply = bench.asked(m.PlaceOrders([place("49000"), place("49000.2"), place("48000")]))
    assert [result.accepted for result in reply.results] == [True, False, True]
    assert (reply.accepted, reply.reason) == (False, R.PRICE_OFF_TICK)
    assert len(bench.twin.open_ids) == 2


BAD = [
    (place("49000.2"), R.PRICE_OFF_TICK, "price"),
    (place("0"), R.BAD_PRICE, "price"),
    (place("-1"), R.BAD_PRICE, "price"),
    (place(None), R.BAD_PRICE, "price"),
    (place("49000", "15"), R.QUANTITY_OFF_LOT, "quantity"),
    (place("49000", "0"), R.BAD_QUANTITY, "quantity"),
    (place("49000", "-10"), R.BAD_QUANTITY, "quantity"),
    (place("49000", "5"), R.MIN_QUANTITY, "quantity"),
    (place("1000"), R.PRICE_COLLAR, "price"),
    (place("90000"), R.PRICE_COLLAR, "price"),
    (place("49000", order_type=m.OrderType.MARKET), R.BAD_PRICE, "price"),
    (place(None, order_type=m.OrderType.STOP), R.BAD_PRICE, "trigger_price"),
    (place("49000", trigger_price=D("1")), R.BAD_REQUEST, "trigger_price"),
    (place("49000", post_only=True, time_in_force=m.TimeInForce.IOC), R.BAD_REQUEST, "post_only"),
    (place("49000", tag="a b"), R.BAD_REQUEST, "tag"),
    (place("49000", owner="x" * 65), R.BAD_REQUEST, "owner"),
    (m.PlaceOrder("deribit.NO", m.Side.BUY, D("1")), R.UNKNOWN_INSTRUMENT, "instrument"),
    (m.PlaceOrders([]), R.BAD_REQUEST, "orders"),
    (m.CancelOrder("7"), R.UNKNOWN_ORDER, "client_order_id"),
    (m.CancelAll(instrument="deribit.NO"), R.UNKNOWN_INSTRUMENT, "instrument"),
    (m.CancelOrders([]), R.BAD_REQUEST, "client_order_ids"),
    (m.ModifyOrder("7", price=D("1")), R.UNKNOWN_ORDER, "client_order_id"),
    (m.QueryOrders("7"), R.UNKNOWN_ORDER, "client_order_id"),
    (m.QueryPositions(), R.UNSUPPORTED, ""),
]


@pytest.mark.parametrize(("command", "reason", "field"), BAD)
def test_bad_commands_are_refused_and_nothing_is_sent(
    bench: Bench, command: m.Command, reason: R, field: str
):
    before = len(bench.twin.received)
    reply = bench.asked(command)
    assert (reply.accepted, reply.reason, reply.field) == (False, reason, field)
    assert reply.text
    assert len(bench.twin.received) == before


def test_row_62_a_command_that_is_read_too_late_is_refused(bench: Bench):
    assert bench.asked(place(), sent_ns=T0 - 2 * SECOND).reason is R.LATE
    assert bench.asked(place(expires_ns=T0 - 1)).reason is R.LATE


def test_the_first_order_waits_for_prices_at_most_half_a_second():
    bench = Bench().start(prices=False)
    request = bench.ask(place())
    assert c.Subscribe(f"quote.{PERP}") in bench.commands
    bench.advance(0.4)
    assert not bench.replies(request)
    bench.bus(f"quote.{PERP}", QUOTE)
    bench.advance(0.2)
    (reply,) = bench.replies(request)
    assert reply.accepted


def test_without_any_price_the_collar_refuses():
    bench = Bench().start(prices=False)
    request = bench.ask(place())
    bench.advance(0.6)
    (reply,) = bench.replies(request)
    assert reply.reason is R.NO_MARKET_DATA


def test_stop_orders_wait_at_the_venue(bench: Bench):
    stop = bench.placed(price=None, order_type=m.OrderType.STOP, trigger_price=D("45000"))
    assert (stop.status, stop.price) == (S.NEW, None)
    assert stop.trigger is m.TriggerPrice.MARK
    assert bench.twin.calls("private/buy")[0]["trigger"] == "mark_price"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (
            {"order_type": m.OrderType.TAKE_PROFIT, "trigger_price": D("60000")},
            {"type": "take_market", "trigger": "mark_price", "trigger_price": 60000},
        ),
        (
            {"order_type": m.OrderType.TRAILING_STOP, "trigger_offset": D("100")},
            {"type": "trailing_stop", "trigger": "mark_price", "trigger_offset": 100},
        ),
        ({"order_type": m.OrderType.MARKET_TO_LIMIT}, {"type": "market_limit"}),
        ({"price": "49000", "display_quantity": D("50")}, {"type": "limit", "display_amount": 50}),
    ],
)
def test_order_types_in_the_words_of_the_venue(
    bench: Bench, asked: dict[str, Any], sent: dict[str, Any]
):
    order = bench.placed(**{"price": None} | asked)
    params = bench.twin.calls("private/buy")[0]
    assert {name: params[name] for name in sent} == sent
    assert order.trigger_offset == asked.get("trigger_offset")
    assert order.display_quantity == asked.get("display_quantity")


# --- exactly once ------------------------------------------------------------------------------


def test_row_63_a_repeated_request_gets_the_first_answer_and_sends_nothing(bench: Bench):
    first = bench.asked(place(), request_id="same")
    bench.ask(place(), request_id="same", peer=b"q")
    assert bench.replies("same") == [first, first]
    assert len(bench.twin.calls("private/buy")) == 1


def test_a_repeat_while_the_first_runs_gets_the_same_answer(bench: Bench):
    bench.held = []
    bench.ask(place(), request_id="same", peer=b"p")
    bench.ask(place(), request_id="same", peer=b"q")
    assert bench.replies("same") == []
    bench.release()
    peers = [x.peer for x in bench.commands if isinstance(x, c.Reply)]
    assert peers == [b"p", b"q"]
    assert len(bench.twin.calls("private/buy")) == 1


def test_each_copy_of_a_command_is_answered_even_to_the_same_peer(bench: Bench):
    bench.held = []
    for _ in range(3):
        bench.ask(place(), request_id="same")
    bench.release()
    assert len(bench.replies("same")) == 3
    assert len(bench.twin.calls("private/buy")) == 1


def test_a_used_request_id_is_not_taken_for_another_command(bench: Bench):
    bench.asked(place(), request_id="same")
    bench.ask(place("48000"), request_id="same")
    assert bench.replies("same")[1].reason is R.DUPLICATE_REQUEST


def test_owners_have_request_ids_of_their_own(bench: Bench):
    bench.asked(place(owner="a"), request_id="same")
    bench.ask(place("48000", owner="b"), request_id="same")
    assert [reply.accepted for reply in bench.replies("same")] == [True, True]


# --- races -------------------------------------------------------------------------------------


def test_row_36_a_fill_that_comes_before_the_answer_is_counted_once(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    answer, told = bench.held
    bench.held = None
    bench.deliver([*bench.twin.fill("V1", 40), told, answer, told])
    (reply,) = bench.replies(request)
    assert (reply.orders[0].status, reply.orders[0].cum_quantity) == (S.PARTIALLY_FILLED, D(40))
    assert len(bench.fills()) == 1


def test_row_37_repeated_notifications_change_and_tell_nothing(bench: Bench):
    bench.placed()
    frames = bench.twin.fill("V1", 40) + bench.twin.fill("V1", 60)
    bench.deliver(frames)
    before = bench.events()
    bench.deliver(frames + frames[::-1])
    assert bench.events() == before
    assert [fill.last_quantity for fill in bench.fills()] == [D(40), D(60)]


def test_a_fill_of_an_order_nobody_spoke_of_waits_for_its_order(bench: Bench):
    bench.held = []
    bench.deliver(
        bench.twin.place(direction="buy", instrument_name="BTC-PERPETUAL", amount=50, price=1.0)
    )
    placed, bench.held = bench.held, None
    trade, order = bench.twin.fill("V1", 50)
    bench.deliver([trade])
    assert not bench.fills()
    bench.deliver([*placed, order])
    (fill,) = bench.fills()
    assert (
        fill.external
        and fill.client_order_id == bench.asked(QUERY_CLOSED).orders[0].client_order_id
    )


def test_a_fill_of_an_order_that_stays_unknown_is_told_as_external(bench: Bench):
    bench.twin.place(direction="buy", instrument_name="BTC-PERPETUAL", amount=50, price=1.0)
    bench.deliver(bench.twin.fill("V1", 50)[:1])
    bench.advance(1.1)
    (fill,) = bench.fills()
    assert (fill.external, fill.client_order_id) == (True, "")


def test_row_37_an_early_fill_that_a_list_tells_meanwhile_is_counted_once(bench: Bench):
    bench.twin.place(direction="buy", instrument_name="BTC-PERPETUAL", amount=50, price=1.0)
    bench.deliver(bench.twin.fill("V1", 50)[:1])
    bench.cut()
    bench.connect()
    assert len(bench.fills()) == 1
    bench.advance(1.1)
    assert len(bench.fills()) == 1


def test_a_cancel_that_meets_a_filled_order_finds_that_out(bench: Bench):
    order = bench.placed()
    bench.held = []
    bench.deliver(bench.twin.fill("V1", 100))
    bench.held.clear()
    bench.held = None
    request = bench.ask(m.CancelOrder(order.client_order_id))
    (reply,) = bench.replies(request)
    assert (reply.accepted, reply.reason) == (False, R.ORDER_CLOSED)
    assert bench.order(order.client_order_id).status is S.FILLED
    assert len(bench.fills()) == 1


# --- modify and cancel -------------------------------------------------------------------------


def test_a_modify_changes_price_and_total_in_place(bench: Bench):
    order = bench.placed()
    reply = bench.asked(m.ModifyOrder(order.client_order_id, price=D("49500"), quantity=D("60")))
    changed = reply.orders[0]
    assert reply.accepted and changed.venue_order_id == order.venue_order_id
    assert (changed.price, changed.quantity, changed.status) == (D("49500"), D("60"), S.NEW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, R.BAD_REQUEST),
        ({"price": D("49000.1")}, R.PRICE_OFF_TICK),
        ({"quantity": D("5")}, R.MIN_QUANTITY),
        ({"price": D("1")}, R.PRICE_COLLAR),
        ({"price": D("49500"), "owner": "other"}, R.UNKNOWN_ORDER),
    ],
)
def test_bad_modifies_are_refused_here(bench: Bench, change: dict, reason: R):
    order = bench.placed(owner="me")
    assert bench.asked(m.ModifyOrder(order.client_order_id, **change)).reason is reason
    assert not bench.twin.calls("private/edit")


def test_a_modify_below_what_is_filled_is_refused(bench: Bench):
    order = bench.placed()
    bench.deliver(bench.twin.fill("V1", 60))
    reply = bench.asked(m.ModifyOrder(order.client_order_id, quantity=D("60")))
    assert (reply.reason, reply.field) == (R.BAD_QUANTITY, "quantity")


def test_row_07_a_modify_that_the_venue_answers_by_ending_the_order_is_refused(bench: Bench):
    order = bench.placed(post_only=True)
    bench.twin.crossing = {51000.0}
    reply = bench.asked(m.ModifyOrder(order.client_order_id, price=D("51000")))
    assert (reply.accepted, reply.reason) == (False, R.ORDER_CLOSED)
    assert reply.text == "edit_post_only_reject"
    assert reply.orders[0].status is S.CANCELED


def test_a_modify_the_venue_refuses_leaves_the_order(bench: Bench):
    order = bench.placed()
    bench.twin.refuse["private/edit"] = Refuse(10043, "price_wrong_tick")
    reply = bench.asked(m.ModifyOrder(order.client_order_id, price=D("49500")))
    assert (reply.accepted, reply.reason) == (False, R.PRICE_OFF_TICK)
    assert bench.order(order.client_order_id).status is S.NEW


def test_cancel_ends_the_order(bench: Bench):
    order = bench.placed()
    reply = bench.asked(m.CancelOrder(order.client_order_id))
    assert reply.accepted and reply.orders[0].status is S.CANCELED
    again = bench.asked(m.CancelOrder(order.client_order_id))
    assert (again.accepted, again.reason) == (False, R.ORDER_CLOSED)


def test_cancel_all_by_tag_and_owner_takes_only_those(bench: Bench):
    bench.placed(tag="a", owner="x")
    bench.placed(tag="b", owner="x")
    bench.placed(tag="b", owner="y")
    reply = bench.asked(m.CancelAll(tag="b", owner="y"))
    assert reply.accepted and len(reply.orders) == 1
    assert len(bench.twin.open_ids) == 2
    assert len(bench.asked(m.CancelAll(owner="x")).orders) == 2


@pytest.mark.parametrize(
    ("filters", "method"),
    [
        ({}, "private/cancel_all"),
        ({"instrument": PERP}, "private/cancel_all_by_instrument"),
        ({"currency": "BTC"}, "private/cancel_all_by_currency"),
        ({"kind": m.InstrumentKind.PERPETUAL}, "private/cancel"),
    ],
)
def test_cancel_all_uses_the_call_that_says_exactly_that(bench: Bench, filters: dict, method: str):
    bench.placed()
    bench.placed()
    reply = bench.asked(m.CancelAll(**filters))
    assert reply.accepted and len(reply.orders) == 2
    assert bench.twin.calls(method) and not bench.twin.open_ids


def test_cancel_all_reaches_orders_of_other_clients(bench: Bench):
    bench.deliver(
        bench.twin.place(direction="sell", instrument_name="BTC-PERPETUAL", amount=50, price=1.0)
    )
    (external,) = bench.open_orders()
    assert external.external
    assert bench.asked(m.CancelAll()).orders[0].status is S.CANCELED


# --- doubt -------------------------------------------------------------------------------------


def test_row_19_no_answer_in_two_seconds_is_doubt_and_the_answer_still_counts(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    bench.advance(1.9)
    assert not bench.replies(request)
    bench.advance(0.2)
    (reply,) = bench.replies(request)
    assert (reply.accepted, reply.in_doubt) == (False, True)
    assert reply.orders[0].status is S.PENDING_NEW
    assert reply.orders[0].in_doubt_since_ns == T0 + 2 * SECOND
    bench.release()
    order = bench.order(reply.orders[0].client_order_id)
    assert (order.status, order.in_doubt_since_ns) == (S.NEW, None)
    assert len(bench.replies(request)) == 1


def test_a_call_without_an_answer_is_logged_once(bench: Bench):
    bench.held = []
    bench.ask(place())
    bench.advance(3)
    bench.cut()
    logged = [x for x in bench.commands if isinstance(x, c.ApiCalled)]
    assert [(x.method, x.outcome) for x in logged if x.method == "private/buy"] == [
        ("private/buy", "no answer")
    ]


def test_row_24_an_order_whose_answer_was_cut_off_is_found_and_never_sent_again(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    bench.held = None
    bench.cut()
    (reply,) = bench.replies(request)
    assert reply.in_doubt
    bench.advance(1)
    bench.connect()
    assert bench.order(reply.orders[0].client_order_id).status is S.NEW
    assert len(bench.twin.calls("private/buy")) == 1


def test_row_20_an_order_that_never_arrived_is_refused_only_on_proof(bench: Bench):
    bench.losing = True
    request = bench.ask(place())
    bench.cut()
    bench.losing = False
    bench.connect()
    name = bench.replies(request)[0].orders[0].client_order_id
    bench.advance(3.9)
    assert bench.order(name).status is S.PENDING_NEW
    bench.advance(0.2)  # horizon of 2 s and 2 s more: the first round that counts
    assert bench.order(name).status is S.PENDING_NEW
    bench.advance(1.0)
    assert bench.order(name).status is S.REJECTED
    assert len(bench.twin.calls("private/buy")) == 0


def test_row_23_a_failed_question_proves_nothing(bench: Bench):
    bench.losing = True
    request = bench.ask(place())
    bench.cut()
    bench.losing = False
    bench.connect()
    name = bench.replies(request)[0].orders[0].client_order_id
    for _ in range(8):
        bench.twin.refuse["private/get_user_trades_by_instrument"] = Refuse(10066, "busy")
        bench.advance(1.0)
    assert bench.order(name).status is S.PENDING_NEW
    bench.twin.refuse.clear()
    bench.advance(3.0)
    assert bench.order(name).status is S.REJECTED


def test_row_23_questions_that_fail_for_a_minute_raise_an_alert(bench: Bench):
    bench.losing = True
    request = bench.ask(place())
    bench.cut()
    bench.losing = False
    bench.connect()
    name = bench.replies(request)[0].orders[0].client_order_id
    for _ in range(70):
        for method in ("instrument", "currency"):
            bench.twin.refuse[f"private/get_user_trades_by_{method}"] = Refuse(10066, "busy")
        bench.advance(1.0)
    assert bench.order(name).status is S.PENDING_NEW
    assert [x for x in bench.commands if isinstance(x, c.Alert) and x.level == "ERROR"]
    bench.twin.refuse.clear()
    bench.advance(5.0)
    assert bench.order(name).status is S.REJECTED


def test_row_22_an_order_that_filled_while_we_were_away_is_filled(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    bench.held = None
    bench.cut()
    bench.twin.fill("V1", 100)
    bench.connect()
    name = bench.replies(request)[0].orders[0].client_order_id
    assert bench.order(name).status is S.FILLED
    assert [fill.last_quantity for fill in bench.fills()] == [D(100)]


def test_row_39_an_unreadable_answer_is_doubt_and_not_a_guess(bench: Bench):
    bench.held = []
    request = bench.ask(place())
    answer = json.loads(bench.held[0])
    answer["result"]["order"]["order_state"] = "bewitched"
    bench.held = None
    bench.deliver([json.dumps(answer).encode()])
    (reply,) = bench.replies(request)
    assert reply.in_doubt and not reply.accepted
    name = reply.orders[0].client_order_id
    bench.advance(1)
    assert bench.order(name).status is S.NEW  # found by asking
    assert len(bench.twin.calls("private/buy")) == 1


def test_row_06_a_lost_cancel_is_sent_again(bench: Bench):
    order = bench.placed()
    bench.losing = True
    request = bench.ask(m.CancelOrder(order.client_order_id))
    bench.cut()
    assert bench.replies(request)[0].in_doubt
    bench.losing = False
    bench.connect()
    bench.advance(1)
    assert bench.order(order.client_order_id).status is S.CANCELED
    assert not bench.twin.open_ids


def test_a_lost_modify_is_called_refused_after_its_horizon(bench: Bench):
    order = bench.placed()
    bench.losing = True
    bench.ask(m.ModifyOrder(order.client_order_id, price=D("49500")))
    bench.cut()
    bench.losing = False
    bench.connect()
    bench.advance(1)
    assert bench.order(order.client_order_id).status is S.PENDING_REPLACE
    bench.advance(5)
    settled = bench.order(order.client_order_id)
    assert (settled.status, settled.price) == (S.NEW, D("49000"))


def test_a_modify_whose_answer_was_lost_is_found_done(bench: Bench):
    order = bench.placed()
    bench.held = []
    bench.ask(m.ModifyOrder(order.client_order_id, price=D("49500")))
    bench.held = None
    bench.cut()
    bench.connect()
    settled = bench.order(order.client_order_id)
    assert (settled.status, settled.price) == (S.NEW, D("49500"))


def test_row_35_orders_canceled_while_we_were_away_are_canceled_by_report(bench: Bench):
    order = bench.placed()
    bench.cut()
    bench.twin.end("V1", "cancel_on_disconnect")
    bench.connect()
    ended = bench.order(order.client_order_id)
    assert (ended.status, ended.text) == (S.CANCELED, "cancel_on_disconnect")


def test_row_42_settlement_expires_an_order(bench: Bench):
    order = bench.placed(time_in_force=m.TimeInForce.DAY)
    bench.deliver(bench.twin.end("V1", "settlement"))
    assert bench.order(order.client_order_id).status is S.EXPIRED


# --- the link ----------------------------------------------------------------------------------


def test_without_a_link_orders_and_cancels_are_refused(bench: Bench):
    order = bench.placed()
    bench.cut()
    assert bench.asked(place()).reason is R.LINK_DOWN
    assert bench.asked(m.CancelOrder(order.client_order_id)).reason is R.LINK_DOWN


def test_row_28_the_link_is_opened_again_with_growing_delays(bench: Bench):
    opened = []
    for _ in range(4):
        bench.cut()
        before = bench.now
        while c.LinkOpen(LINK, "ws://venue") not in bench.commands[-3:]:
            bench.advance(0.05)
        opened.append(round((bench.now - before) / SECOND, 1))
        bench.commands.append(c.Count("x"))
    assert opened == sorted(opened) and opened[0] < 0.3 < opened[-1]


def test_row_31_after_a_breach_of_the_rate_limit_the_engine_is_silent(bench: Bench):
    bench.twin.refuse["private/buy"] = Refuse(10028, "too_many_requests")
    reply = bench.asked(place())
    assert reply.reason is R.VENUE_RATE_LIMIT
    assert any(isinstance(x, c.LinkClose) for x in bench.commands)
    before = len(bench.commands)
    bench.advance(4.9)
    assert not any(isinstance(x, c.LinkOpen | c.LinkSend) for x in bench.commands[before:])
    bench.advance(0.2)
    assert any(isinstance(x, c.LinkOpen) for x in bench.commands[before:])
    assert bench.asked(place()).reason is R.LINK_DOWN
    before = len(bench.sent())
    bench.connect()
    again = bench.sent()[before:]
    assert "private/get_open_orders" in again and "private/buy" not in again  # it looks first
    assert bench.asked(place()).accepted


PLATFORM = (
    '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"platform_state","data":%s}}'
)


def test_row_34_nothing_is_sent_to_a_venue_in_maintenance_and_its_end_is_a_new_start(bench: Bench):
    order = bench.placed()
    before = bench.sent().count("private/buy")
    bench.deliver([(PLATFORM % '{"price_index":"sol_usd","locked":true}').encode()])
    bench.deliver([(PLATFORM % '{"maintenance":true}').encode()])
    reply = bench.asked(place())
    assert (reply.reason, reply.text) == (R.NOT_READY, "the venue is in maintenance")
    change = m.ModifyOrder(order.client_order_id, price=D("48000"))
    assert bench.asked(change).reason is R.NOT_READY
    bench.twin.end(order.venue_order_id, "system")  # told to nobody
    bench.held = []
    bench.feed(c.VenueFrame(LINK, (PLATFORM % '{"maintenance":false}').encode(), bench.now))
    assert bench.held  # the answers about the account
    assert bench.asked(place()).reason is R.NOT_READY  # the account is not read yet
    assert bench.sent().count("private/buy") == before and "private/edit" not in bench.sent()
    bench.release()
    bench.advance(0.1)
    assert bench.order(order.client_order_id).status is S.CANCELED
    assert bench.asked(place()).accepted


def test_row_34_what_a_venue_in_maintenance_does_not_list_has_not_ended(bench: Bench):
    order = bench.placed()
    bench.deliver([(PLATFORM % '{"maintenance":true}').encode()])
    before, kept = bench.sent(), bench.twin.orders
    bench.twin.orders = {}
    bench.advance(30.0)
    assert set(bench.sent()[len(before) :]) <= {"public/test"}
    bench.twin.orders = kept
    bench.deliver([(PLATFORM % '{"maintenance":false}').encode()])
    bench.advance(10.0)
    state = bench.order(order.client_order_id)
    assert (state.status, state.in_doubt_since_ns) == (S.NEW, None)


def test_row_34_a_doubt_waits_for_the_end_of_maintenance(bench: Bench):
    order = bench.placed()
    bench.twin.orders, kept = {}, bench.twin.orders
    bench.cut()
    bench.connect()  # not listed: it is asked for
    bench.deliver([(PLATFORM % '{"maintenance":true}').encode()])
    bench.advance(30.0)
    state = bench.order(order.client_order_id)
    assert state.status is S.NEW and state.in_doubt_since_ns is not None
    bench.twin.orders = kept
    bench.deliver([(PLATFORM % '{"maintenance":false}').encode()])
    bench.advance(10.0)
    state = bench.order(order.client_order_id)
    assert (state.status, state.in_doubt_since_ns) == (S.NEW, None)


def test_row_33_wrong_credentials_are_tried_once_a_minute():
    bench = Bench()
    bench.twin.refuse["public/auth"] = Refuse(13004, "invalid_credentials")
    bench.start()
    alerts = [x for x in bench.commands if isinstance(x, c.Alert)]
    assert "invalid_credentials" in alerts[-1].text and "secret" not in str(alerts)
    before = len(bench.commands)
    bench.advance(59)
    assert not any(isinstance(x, c.LinkOpen) for x in bench.commands[before:])
    bench.advance(2)
    assert sum(isinstance(x, c.LinkOpen) for x in bench.commands[before:]) == 1


class Always(dict[str, Refuse]):
    """Refuses again and again."""

    def pop(self, method: str, *default: object) -> Refuse:  # type: ignore[override]
        return self[method]


def test_row_33_a_key_that_is_revoked_halts_the_venue_and_is_tried_once_a_minute():
    bench = Bench().start()
    order = bench.placed()
    bench.twin.refuse = Always({"public/auth": Refuse(13009, "unauthorized")})
    bench.cut()
    before, begun = bench.sent().count("public/auth"), len(bench.commands)
    for _ in range(600):
        bench.advance(1)
        opened = any(isinstance(x, c.LinkOpen) for x in bench.commands[begun:])
        begun = len(bench.commands)
        if opened:
            bench.connect()
    assert 9 <= bench.sent().count("public/auth") - before <= 11
    halted = [x for x in bench.commands if isinstance(x, c.Alert) and "HALTED" in x.text]
    assert len(halted) == 1 and "unauthorized" in str(halted[0])
    bench.twin.refuse = {}
    bench.advance(61)
    bench.connect()  # somebody gave it back: nothing is sent until a person says so
    assert bench.asked(place()).reason is R.MODE
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted
    assert bench.asked(m.SetMode(m.TradingMode.ACTIVE, "new key", venue="deribit")).accepted
    assert bench.asked(place()).accepted


def test_row_12_a_clean_stop_logs_out_so_that_the_orders_stay(bench: Bench):
    bench.feed(c.Stopping())
    assert bench.sent()[-1] == "private/logout"
    assert bench.asked(place()).reason is R.NOT_READY


def test_with_the_policy_cancel_the_venue_is_told_and_no_logout_is_sent():
    bench = Bench(on_disconnect="cancel").start()
    assert "private/enable_cancel_on_disconnect" in bench.sent()
    bench.feed(c.Stopping())
    assert "private/logout" not in bench.sent()


def test_a_bad_frame_is_counted_and_the_account_looked_at_again(bench: Bench):
    before = len(bench.twin.calls("private/get_open_orders"))
    bench.deliver([b"{"])
    assert c.Count("frames_bad") in bench.commands
    bench.advance(1.1)
    assert len(bench.twin.calls("private/get_open_orders")) == before + 1


# --- budgets and limits ------------------------------------------------------------------------


def test_row_32_places_beyond_the_budget_wait_briefly_or_are_refused():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    requests = [bench.ask(place()) for _ in range(30)]
    bench.advance(1)
    replies = [bench.replies(request)[0] for request in requests]
    accepted = [reply for reply in replies if reply.accepted]
    assert 14 <= len(accepted) <= 17
    assert {reply.reason for reply in replies} == {None, R.RATE_LIMIT}


def test_row_32_a_burst_beyond_the_budget_is_refused_at_once_and_those_who_wait_keep_their_turn():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    requests = [bench.ask(place()) for _ in range(500)]
    waiting = [request for request in requests if not bench.replies(request)]
    assert len(waiting) <= 2
    late = bench.ask(place())
    bench.advance(0.3)
    assert all(bench.replies(request)[0].accepted for request in waiting)
    assert bench.replies(late)[0].reason is R.RATE_LIMIT


def test_prices_that_go_while_an_order_waits_for_its_turn_make_nobody_spin():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start(prices=False)
    first = bench.ask(place())
    bench.bus(f"ticker.{PERP}", TICKER)
    bench.bus(f"quote.{PERP}", QUOTE)
    requests = [bench.ask(place()) for _ in range(500)]
    assert any(not bench.replies(request) for request in requests)
    bench.bus(f"quote.{PERP}", msgspec.structs.replace(QUOTE, stale=True))
    stale_ns = bench.now
    for _ in range(50):
        bench.now = max(bench.now, bench.wakes.pop(bench.wakes.index(min(bench.wakes))))
        bench.feed(None)
    assert bench.now > stale_ns + 100 * MS
    bench.advance(1)
    assert all(bench.replies(request) for request in [first, *requests])


def test_questions_about_many_doubts_stay_within_the_query_budget():
    bench = Bench().start()
    bench.losing = True
    for _ in range(30):
        bench.ask(place())
    bench.losing = False
    bench.cut()
    bench.commands.clear()
    bench.connect()
    for second in range(1, 11):
        bench.advance(1)
        questions = [method for method in bench.sent() if "get_" in method]
        assert len(questions) <= 50 + 10 * second
    bench.advance(60)
    assert bench.open_orders() == []


def test_row_32_cancels_keep_a_part_of_the_budget_for_themselves():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    order = bench.placed()
    for _ in range(30):
        bench.ask(place())
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted


def test_more_cancels_than_the_budget_allows_are_paced_and_none_is_lost():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    orders = [bench.placed() for _ in range(14)]
    names = [order.client_order_id for order in orders]
    bench.advance(0.01)
    request = bench.ask(m.CancelOrders(names))
    bench.advance(2.1)
    assert len(bench.replies(request)) == 1
    bench.advance(2)
    assert not bench.twin.open_ids


def test_a_cancel_that_waits_for_the_budget_is_sent_once_however_often_it_is_asked_for():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    order, *others = [bench.placed() for _ in range(12)]
    bench.held = []
    bench.ask(m.CancelOrders([other.client_order_id for other in others]))
    for _ in range(5):
        bench.ask(m.CancelOrder(order.client_order_id))
    bench.advance(1.9)
    sent = bench.twin.calls("private/cancel")
    assert [x["order_id"] for x in sent].count(order.venue_order_id) == 1
    bench.advance(10)
    bench.release()
    bench.advance(10)
    assert not bench.twin.open_ids


def test_a_cancel_all_that_the_budget_does_not_allow_waits_for_no_answer():
    bench = Bench(rate_per_second=5.0, rate_burst=20.0).start()
    orders = [bench.placed() for _ in range(14)]
    bench.ask(m.CancelOrders([order.client_order_id for order in orders[:10]]))
    for _ in range(5):
        bench.ask(m.CancelAll())
    bench.advance(20)
    assert not bench.twin.open_ids
    assert len(bench.twin.calls("private/cancel_all")) < 5
    assert bench.engine._calls._entry._session._waiting == {}


def test_configured_limits_refuse():
    limits = LimitsConfig(max_quantity={"perpetual": "1000"}, max_notional="500", max_open_orders=1)
    bench = Bench(limits=limits).start()
    assert bench.asked(place(quantity="2000")).reason is R.MAX_QUANTITY
    assert bench.asked(place(quantity="600")).reason is R.MAX_NOTIONAL
    bench.placed()
    assert bench.asked(place()).reason is R.MAX_OPEN_ORDERS


def test_halted_takes_cancels_only(bench: Bench):
    order = bench.placed()
    reply = bench.asked(m.SetMode(m.TradingMode.HALTED, "test"))
    assert reply.mode is m.TradingMode.HALTED
    assert bench.asked(place()).reason is R.MODE
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted


def test_reducing_takes_only_what_lowers_the_position():
    bench = Bench()
    bench.twin.positions["BTC-PERPETUAL"] = 100.0
    bench.start()
    bench.asked(m.SetMode(m.TradingMode.REDUCING, "test"))
    assert bench.asked(place(side=m.Side.BUY)).reason is R.MODE
    assert bench.asked(place("50500", side=m.Side.SELL, quantity="60")).accepted
    assert bench.asked(place("50500", side=m.Side.SELL, quantity="50")).reason is R.MODE


def test_a_failed_journal_stops_new_orders_but_not_cancels(bench: Bench):
    order = bench.placed()
    bench.feed(c.JournalFailed("disk full"))
    assert bench.asked(place()).reason is R.JOURNAL_FAILED
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted


# --- joiners and restarts ----------------------------------------------------------------------


def test_joiners_get_orders_and_fills_of_one_owner_or_of_all(bench: Bench):
    bench.placed(owner="a")
    bench.placed(owner="b")
    bench.deliver(bench.twin.fill("V1", 40))
    counts = {}
    for topic in (
        "order.deribit.main",
        "order.deribit.main.a",
        "order.deribit.main.-",
        "fill.deribit.main",
        "fill.deribit.main.b",
    ):
        bench.feed(c.Subscribed(topic, True))
        snapshot = bench.commands[-1]
        assert isinstance(snapshot, c.PublishSnapshot) and snapshot.topic == topic
        message = snapshot.message
        counts[topic] = len(
            message.orders if isinstance(message, m.OrderSnapshot) else message.fills
        )
    assert list(counts.values()) == [2, 1, 0, 1, 0]


def test_external_orders_at_start_are_adopted_and_marked():
    bench = Bench()
    bench.twin.place(direction="sell", instrument_name="BTC-PERPETUAL", amount=50, price=1.0)
    bench.start()
    (order,) = bench.open_orders()
    assert (order.external, order.owner, order.venue_order_id) == (True, "", "V1")


def test_an_order_changed_by_another_client_is_seen_as_it_is(bench: Bench):
    order = bench.placed()
    edit = {"order_id": "V1", "price": 48000.0, "amount": 70}
    bench.deliver(bench.twin._edit(edit)[1])
    changed = bench.order(order.client_order_id)
    assert (changed.price, changed.quantity) == (D("48000"), D("70"))


def test_a_restart_holds_the_same_orders_fills_and_answers(bench: Bench):
    order = bench.placed(owner="a")
    bench.deliver(bench.twin.fill("V1", 40))
    first = bench.asked(place("48000"), request_id="same")
    bench.asked(m.SetMode(m.TradingMode.REDUCING, "test"))
    before = bench.open_orders()
    again = bench.restart().start()
    assert again.open_orders() == before
    assert again.fills() == []  # told before
    assert len(again.asked(m.QueryFills()).fills) == 1
    assert again.asked(place("48000"), request_id="same") == first
    assert again.order(order.client_order_id).revision == before[0].revision
    assert again.asked(place()).reason is R.MODE


def test_row_04_a_fill_missed_while_the_engine_was_dead_is_told_after_the_restart(bench: Bench):
    bench.placed(owner="a")
    bench.twin.fill("V1", 40)
    again = bench.restart().start()
    assert [(fill.owner, fill.last_quantity) for fill in again.fills()] == [("a", D(40))]


def test_ids_of_a_new_run_are_new(bench: Bench):
    first = bench.placed()
    again = bench.restart().start()
    second = again.asked(place(), request_id="other").orders[0]
    assert int(second.client_order_id) > int(first.client_order_id)


def test_row_63_a_request_cut_off_by_a_restart_is_answered_by_what_the_venue_says(bench: Bench):
    bench.held = []
    bench.ask(place(), request_id="same")
    again = bench.restart()
    again.start()
    again.advance(1)
    reply = again.asked(place(), request_id="same")
    assert reply.accepted and reply.orders[0].status is S.NEW
    assert len(bench.twin.calls("private/buy")) == 1


def test_calls_are_logged_with_method_latency_and_outcome(bench: Bench):
    bench.placed()
    (call,) = [x for x in bench.commands if isinstance(x, c.ApiCalled)]
    assert (call.method, call.outcome, call.latency_ms) == ("private/buy", "ok", 0.0)


def test_a_login_answer_that_cannot_be_read_closes_the_link():
    bench = Bench()
    bench.losing = True
    bench.start()
    bench.feed(c.VenueFrame(LINK, b'{"id": 2, "result": {"access_token": \xff}}', bench.now))
    assert any(isinstance(command, c.LinkClose) for command in bench.commands)
    bench.losing = False
    bench.connect()
    bench.feed(c.VenueFrame(LINK, b"not json", bench.now))
    assert sum(isinstance(command, c.LinkClose) for command in bench.commands) == 1


def test_row_58_a_joiner_of_many_orders_gets_them_in_parts():
    bench = Bench().start()
    first = bench.placed().client_order_id
    held = bench.engine._state.store
    for number in range(1, 20_000):
        state = msgspec.structs.replace(held.open[first].state, client_order_id=f"o{number}")
        held.put(Order(state))
    bench.feed(c.Subscribed("order.deribit.main", True))
    told = [x.message for x in bench.commands if isinstance(x, c.PublishSnapshot)]
    assert [(part.part, part.parts) for part in told] == [(n, 40) for n in range(40)]
    assert sum(len(part.orders) for part in told) == 20_000
