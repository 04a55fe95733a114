"""Linked orders from command to end, at the simulated venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from common import messages as m
from common.config import LimitsConfig
from common.messages import ContingencyType as T, OrderStatus as S, RejectReason as R
from common.venues.contract import Capabilities
from services.trading_engine import records
from services.venue_simulator import control
from tests.services.trading_engine.simulated import ENGINE, PERP, SimulatedDesk

D = Decimal


@pytest.fixture
def desk() -> SimulatedDesk:
    return SimulatedDesk()


def bracket(desk: SimulatedDesk, factor: float = 0.99, **more: Any) -> m.PlaceOrder:
    """Buy, and once bought sell higher or stop lower."""
    terms: dict[str, Any] = {
        "contingency_type": T.OTOCO,
        "owner": "trader",
        "tag": "b",
        "linked_orders": [
            m.LinkedOrder(m.Side.SELL, price=desk.price(factor=1.03), tag="profit"),
            m.LinkedOrder(
                m.Side.SELL, order_type=m.OrderType.STOP, trigger_price=desk.price(factor=0.95)
            ),
        ],
    } | more
    return m.PlaceOrder(PERP, m.Side.BUY, D(100), price=desk.price(factor=factor), **terms)


def placed(desk: SimulatedDesk, **more: Any) -> list[m.OrderUpdated]:
    reply = desk.ask(bracket(desk, **more))
    assert reply.accepted, reply
    return reply.orders


def test_each_linked_order_is_an_order_of_ours_with_an_id_and_an_owner(desk: SimulatedDesk):
    first, profit, stop = placed(desk)
    names = {first.client_order_id, profit.client_order_id, stop.client_order_id}
    assert len(names) == 3
    assert first.status is S.NEW
    assert {order.link_id for order in (first, profit, stop)} == {first.client_order_id}
    profit = desk.reach(profit.client_order_id, S.NEW)
    stop = desk.reach(stop.client_order_id, S.NEW)
    assert profit.venue_order_id.startswith("OTO-") and not profit.external
    assert (profit.owner, profit.tag, stop.tag) == ("trader", "profit", "b")
    assert (profit.contingency_type, profit.fill_condition) == (T.OTOCO, m.FillCondition.FIRST_HIT)
    assert (profit.request_id, stop.request_id) == ("t1/1", "t1/2")


def test_every_intent_is_journaled_before_the_one_call_leaves(desk: SimulatedDesk):
    orders = placed(desk)
    entries: list[records.Entry] = list(desk.desk.nodes[ENGINE].journal)
    intents = [r for e in entries for r in e.records if isinstance(r, records.IntentRecord)]
    assert [x.order.client_order_id for x in intents] == [x.client_order_id for x in orders]
    assert {x.order.status for x in intents} == {S.PENDING_NEW}
    assert len({x.key for x in intents}) == 1


def test_a_filled_first_order_places_the_pair_and_one_leg_ends_the_other(desk: SimulatedDesk):
    first, profit, stop = placed(desk, factor=1.02)
    assert first.status is S.FILLED
    desk.desk.run_for(1)
    profit, stop = desk.order(profit.client_order_id), desk.order(stop.client_order_id)
    assert (profit.status, stop.status) == (S.NEW, S.NEW)
    assert not profit.venue_order_id.startswith("OTO-")
    assert desk.ask(m.CancelOrder(stop.client_order_id, "trader")).accepted
    ended = desk.reach(profit.client_order_id, S.CANCELED)
    assert ended.text == "oco_other_closed"
    assert desk.open_orders() == []
    assert {fill.client_order_id for fill in desk.fills()} == {first.client_order_id}


def test_the_profit_of_a_bracket_fills_under_its_own_id(desk: SimulatedDesk):
    first, profit, stop = placed(desk, factor=1.02)
    desk.desk.run_for(1)
    low = desk.price(factor=0.98)
    assert desk.ask(m.ModifyOrder(profit.client_order_id, price=low, owner="trader")).accepted
    assert desk.reach(profit.client_order_id, S.FILLED).cum_quantity == 100
    assert desk.reach(stop.client_order_id, S.CANCELED).text == "oco_other_closed"
    assert {fill.owner for fill in desk.fills()} == {"trader"}


def test_a_cancelled_first_order_takes_the_others_with_it(desk: SimulatedDesk):
    first, *others = placed(desk)
    assert desk.ask(m.CancelOrder(first.client_order_id, "trader")).accepted
    for other in others:
        assert desk.reach(other.client_order_id, S.CANCELED).text == "oto_primary_closed"


def test_cancelling_all_tells_each_of_them_once_and_as_it_ended(desk: SimulatedDesk):
    names = [order.client_order_id for order in placed(desk)]
    for name in names:
        desk.reach(name, S.NEW)
    reply = desk.ask(m.CancelAll(owner="trader"))
    assert [order.client_order_id for order in reply.orders] == names
    assert {order.status for order in reply.orders} == {S.CANCELED}


def test_a_waiting_order_can_be_modified_and_cancelled_by_itself(desk: SimulatedDesk):
    first, profit, stop = placed(desk, contingency_type=T.OTO)
    desk.reach(profit.client_order_id, S.NEW)
    higher = desk.price(factor=1.04)
    reply = desk.ask(m.ModifyOrder(profit.client_order_id, price=higher, owner="trader"))
    assert reply.accepted and reply.orders[0].price == higher
    assert desk.ask(m.CancelOrder(stop.client_order_id, "trader")).accepted
    assert {x.client_order_id for x in desk.open_orders()} == {
        first.client_order_id,
        profit.client_order_id,
    }


def test_two_that_cancel_each_other_are_both_live(desk: SimulatedDesk):
    other = m.LinkedOrder(m.Side.SELL, price=desk.price(factor=1.02))
    first, second = placed(desk, contingency_type=T.OCO, linked_orders=[other])
    second = desk.reach(second.client_order_id, S.NEW)
    assert not second.venue_order_id.startswith("OTO-")
    assert desk.ask(m.CancelOrder(first.client_order_id, "trader")).accepted
    assert desk.reach(second.client_order_id, S.CANCELED).text == "oco_other_closed"


def test_a_restart_knows_all_of_them_and_what_becomes_of_them(desk: SimulatedDesk):
    first, profit, stop = placed(desk)
    desk.reach(stop.client_order_id, S.NEW)
    desk.restart_engine()
    desk.desk.run_for(5)
    told = {order.client_order_id: order for order in desk.open_orders()}
    assert set(told) == {x.client_order_id for x in (first, profit, stop)}
    assert all(not order.external and order.owner == "trader" for order in told.values())
    up = desk.price(factor=1.02)
    assert desk.ask(m.ModifyOrder(first.client_order_id, price=up, owner="trader")).accepted
    desk.desk.run_for(1)
    live = desk.order(profit.client_order_id)
    assert live.status is S.NEW and not live.venue_order_id.startswith("OTO-")
    assert desk.ask(m.CancelAll(owner="trader")).accepted
    assert desk.open_orders() == []


def test_a_bracket_without_an_answer_is_found_by_the_label_of_each(desk: SimulatedDesk):
    desk.control(control.FreezeChannel(channel="user.*"))
    desk.control(control.DropAnswers(method="private/buy"))
    reply = desk.ask(bracket(desk))
    assert reply.in_doubt and len(reply.orders) == 3
    names = [order.client_order_id for order in reply.orders]
    for name in names:
        desk.run_till(lambda name=name: desk.order(name).in_doubt_since_ns is None)  # type: ignore[misc]
        assert desk.order(name).status is S.NEW
    assert [x for x in desk.open_orders() if x.external] == []


def test_a_bracket_that_never_arrived_is_rejected_as_a_whole(desk: SimulatedDesk):
    command, send = bracket(desk), desk.desk._send
    desk.desk._send = lambda *args: None  # type: ignore[method-assign]
    reply = desk.ask(command)
    desk.desk._send = send  # type: ignore[method-assign]
    desk.desk.cut_links(ENGINE)
    assert reply.in_doubt and len(reply.orders) == 3
    for order in reply.orders:
        assert desk.reach(order.client_order_id, S.REJECTED).reject_reason is R.LATE


def test_a_refusal_of_the_venue_ends_them_all(desk: SimulatedDesk):
    desk.control(control.Halt(symbol="BTC-PERPETUAL"))
    reply = desk.ask(bracket(desk))
    assert not reply.accepted
    assert {desk.order(x.client_order_id).status for x in reply.orders} <= {S.REJECTED}
    assert desk.open_orders() == []


ONE = [m.LinkedOrder(m.Side.SELL, price=D(60000))]
BAD = [
    ({"contingency_type": None}, R.BAD_REQUEST, "contingency_type"),
    ({"contingency_type": T.OCO}, R.BAD_REQUEST, "linked_orders"),
    ({"contingency_type": T.OTOCO, "linked_orders": ONE}, R.BAD_REQUEST, "linked_orders"),
    ({"contingency_type": T.OTO, "linked_orders": []}, R.BAD_REQUEST, "linked_orders"),
    ({"contingency_type": T.OTO, "linked_orders": ONE * 11}, R.BAD_REQUEST, "linked_orders"),
    ({"fill_condition": m.FillCondition.INCREMENTAL}, R.UNSUPPORTED, "fill_condition"),
    (
        {"contingency_type": T.OTO, "linked_orders": [m.LinkedOrder(m.Side.SELL)]},
        R.BAD_PRICE,
        "linked_orders[0].price",
    ),
    (
        {"contingency_type": T.OTO, "linked_orders": [*ONE, m.LinkedOrder(m.Side.SELL, D(5))]},
        R.MIN_QUANTITY,
        "linked_orders[1].quantity",
    ),
    (
        {"contingency_type": T.OTO, "linked_orders": [m.LinkedOrder(m.Side.SELL, tag="a b")]},
        R.BAD_REQUEST,
        "linked_orders",
    ),
]


def test_links_that_cannot_be_are_refused_and_nothing_is_sent(desk: SimulatedDesk):
    for terms, reason, field in BAD:
        reply = desk.ask(bracket(desk, **terms))
        assert (reply.accepted, reply.reason, reply.field) == (False, reason, field), terms
    assert not [x for _, x in desk.messages if isinstance(x, m.OrderUpdated)]


def test_a_venue_without_links_refuses_them_before_anything_is_sent():
    desk = SimulatedDesk(Capabilities())
    reply = desk.ask(bracket(desk))
    assert (reply.reason, reply.field) == (R.UNSUPPORTED, "contingency_type")
    assert "takes no OTOCO" in reply.text


def test_limits_hold_for_what_the_links_may_bring_about():
    limits = LimitsConfig(max_position={"perpetual": "100"})
    desk = SimulatedDesk(limits=limits)
    short = [m.LinkedOrder(m.Side.SELL, D(300), price=desk.price(factor=1.02))]
    reply = desk.ask(bracket(desk, contingency_type=T.OTO, linked_orders=short))
    assert (reply.reason, reply.field) == (R.EXPOSURE, "linked_orders[0].quantity")
    whole = m.FillCondition.COMPLETE_FILL
    assert desk.ask(bracket(desk, fill_condition=whole)).accepted
    more = m.PlaceOrder(PERP, m.Side.SELL, D(100), price=desk.price(factor=1.01))
    assert desk.ask(more).accepted  # the bracket's own sales hang on its purchase
    again = m.PlaceOrder(PERP, m.Side.SELL, D(10), price=desk.price(factor=1.01))
    assert desk.ask(again).reason is R.EXPOSURE


@pytest.mark.parametrize("kind", [T.OCO, T.OTOCO])
@pytest.mark.parametrize("waits", [False, True])
def test_two_that_rest_in_the_book_count_together_though_they_cancel_each_other(
    kind: T, waits: bool
) -> None:
    """One order of somebody else may hit both."""
    desk = SimulatedDesk(limits=LimitsConfig(max_position={"perpetual": "150"}))
    profit = m.LinkedOrder(m.Side.SELL, D(100), price=desk.price(factor=1.02))
    other = m.LinkedOrder(m.Side.SELL, D(100), price=desk.price(factor=1.03))
    if waits:
        stop, mark = desk.price(factor=0.98), m.TriggerPrice.MARK
        other = m.LinkedOrder(
            m.Side.SELL, D(100), m.OrderType.STOP, trigger_price=stop, trigger=mark
        )
    if kind is T.OCO:
        price = desk.price(factor=1.02)
        links: dict[str, Any] = {"contingency_type": kind, "linked_orders": [other]}
        command = m.PlaceOrder(PERP, m.Side.SELL, D(100), price=price, **links)
    else:
        command = bracket(desk, contingency_type=kind, linked_orders=[profit, other])
    reply = desk.ask(command)
    assert reply.reason is (None if waits else R.EXPOSURE), reply


# --- parts of a parent -----------------------------------------------------------------------


def pair(desk: SimulatedDesk, kind: T, quantity: int, linked: int) -> m.PlaceOrder:
    """Two on one side that are parts of a parent of 100."""
    return m.PlaceOrder(
        PERP,
        m.Side.BUY,
        D(quantity),
        price=desk.price(factor=0.99),
        owner="router",
        contingency_type=kind,
        linked_orders=[m.LinkedOrder(m.Side.BUY, D(linked), price=desk.price(factor=0.98))],
        parent="whole",
        parent_quantity=D(100),
    )


def test_what_an_order_places_on_its_side_is_a_part_of_its_parent_too(desk: SimulatedDesk):
    refused = desk.ask(pair(desk, T.OTO, 60, 50))
    assert (refused.reason, refused.field) == (R.PARENT_CAP, "linked_orders[0].quantity")
    reply = desk.ask(pair(desk, T.OTO, 60, 40))
    assert reply.accepted and [order.parent for order in reply.orders] == ["whole"] * 2
    assert desk.ask(pair(desk, T.OTO, 10, 10)).reason is R.PARENT_CAP


def test_of_two_that_cancel_each_other_the_larger_one_counts(desk: SimulatedDesk):
    reply = desk.ask(pair(desk, T.OCO, 60, 70))
    assert reply.accepted, reply
    assert desk.ask(pair(desk, T.OCO, 40, 10)).reason is R.PARENT_CAP
    change = m.ModifyOrder(reply.orders[0].client_order_id, quantity=D(110), owner="router")
    assert desk.ask(change).reason is R.PARENT_CAP
    assert desk.ask(pair(desk, T.OCO, 30, 10)).accepted


def test_what_takes_the_position_back_is_no_part_of_the_parent(desk: SimulatedDesk):
    orders = placed(desk, parent="whole", parent_quantity=D(100))
    assert [order.parent for order in orders] == ["whole", "", ""]
