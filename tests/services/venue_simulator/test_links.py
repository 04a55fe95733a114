"""Linked orders: one triggers other, one cancels other, and one triggers a pair."""

from __future__ import annotations

import pytest

from common.messages import OrderType, Side, TriggerPrice
from common.venues.simulation import (
    CancelReason,
    FillCondition,
    LinkKind,
    LinkRequest,
    OrderChanges,
    OrderFilter,
    OrderRequest,
    OrderState,
    Placed,
    Refused,
    SimulatedOrder,
    SimulatedRefusal,
)
from services.venue_simulator.rules import SECOND_NS
from tests.services.venue_simulator.kit import D, Scene, account

SYMBOL = "INVERSE-PERP"
FIRST, COMPLETE, PARTS = FillCondition


def other(quantity=100, price=51_000, side=Side.SELL, **more) -> OrderRequest:
    return OrderRequest(SYMBOL, side, D(quantity), price=D(price), **more)


def stop(quantity=100, trigger_price=49_000) -> OrderRequest:
    return OrderRequest(
        SYMBOL,
        Side.SELL,
        D(quantity),
        OrderType.STOP,
        trigger=TriggerPrice.MARK,
        trigger_price=D(trigger_price),
    )


def link(kind: LinkKind, condition: FillCondition, *orders: OrderRequest) -> LinkRequest:
    return LinkRequest(kind, condition, orders)


def open_orders(scene: Scene) -> list[SimulatedOrder]:
    return scene.exchange.open_orders("ann", OrderFilter())


def triggers(scene: Scene, condition: FillCondition, *orders: OrderRequest, price=49_900):
    """A primary BUY of 100 with these secondary orders."""
    asked = link(LinkKind.TRIGGERS, condition, *orders)
    return scene.placed("ann", "BUY", 100, price, link=asked)


def test_a_secondary_order_lies_dormant_until_the_primary_trades():
    scene = Scene()
    primary = triggers(scene, FIRST, other(label="exit"))
    dormant = open_orders(scene)[1]
    assert primary.link.secondaries == (dormant.number,)
    assert dormant.state is OrderState.UNTRIGGERED
    assert (dormant.link.primary, dormant.link.is_dormant) == (primary.number, True)
    assert scene.exchange.book(SYMBOL, 9).asks == []
    scene.placed("bob", "SELL", 30, 49_900)
    assert scene.order("ann", dormant.number).state is OrderState.TRIGGERED
    born = open_orders(scene)[1]
    assert (born.state, born.quantity, born.label) == (OrderState.OPEN, 100, "exit")
    assert (born.link.primary, born.link.secondary) == (primary.number, dormant.number)


def test_a_complete_fill_waits_for_the_last_one():
    scene = Scene()
    triggers(scene, COMPLETE, other())
    scene.placed("bob", "SELL", 90, 49_900)
    assert scene.exchange.book(SYMBOL, 9).asks == []
    scene.placed("bob", "SELL", 10, 49_900)
    assert scene.exchange.book(SYMBOL, 9).asks == [(51_000.0, 100.0)]


def test_an_incremental_secondary_grows_with_the_fills_in_whole_lots():
    scene = Scene()
    triggers(scene, PARTS, other(quantity=50))
    shown = []
    for _ in range(5):
        scene.placed("bob", "SELL", 20, 49_900)
        shown.append(sum(quantity for _, quantity in scene.exchange.book(SYMBOL, 9).asks))
    assert shown == [10, 20, 30, 40, 50]
    (born,) = open_orders(scene)
    assert (born.quantity, born.replaced) == (50, True)


def test_an_incremental_secondary_that_was_filled_begins_anew():
    scene = Scene()
    triggers(scene, PARTS, other(price=50_500), stop())
    scene.placed("bob", "SELL", 40, 49_900)
    scene.placed("bob", "BUY", 40, 50_500)
    assert scene.position("ann").quantity == 0
    scene.placed("bob", "SELL", 60, 49_900)
    limit, waiting = sorted(
        (o for o in open_orders(scene) if o.link.secondary is not None), key=lambda o: o.state
    )
    assert (limit.state, limit.quantity) == (OrderState.OPEN, 60)
    assert (waiting.state, waiting.quantity) == (OrderState.UNTRIGGERED, 100)


@pytest.mark.parametrize("condition", FillCondition)
def test_a_primary_that_ends_unfilled_takes_its_secondaries_with_it(condition):
    scene = Scene()
    primary = triggers(scene, condition, other(), stop())
    first, second = primary.link.secondaries
    scene.exchange.cancel("ann", primary.number, scene.now)
    assert open_orders(scene) == []
    for number in (first, second):
        assert scene.order("ann", number).cancel_reason is CancelReason.PRIMARY_CLOSED


def test_a_primary_that_trades_at_once_places_its_secondaries_at_once():
    scene = Scene()
    scene.placed("bob", "SELL", 100, 49_900)
    primary = triggers(scene, FIRST, other())
    assert primary.state is OrderState.FILLED
    assert [o.state for o in open_orders(scene)] == [OrderState.OPEN]


def test_a_dormant_order_can_be_edited_and_canceled():
    scene = Scene()
    primary = triggers(scene, FIRST, other(), other())
    first, second = primary.link.secondaries
    edited = scene.exchange.edit("ann", first, OrderChanges(price=D(50_500)), scene.now)
    assert isinstance(edited, Placed) and edited.order.price == 50_500
    scene.exchange.cancel("ann", second, scene.now)
    scene.placed("bob", "SELL", 100, 49_900)
    assert scene.exchange.book(SYMBOL, 9).asks == [(50_500.0, 100.0)]


def test_a_secondary_that_cannot_be_paid_ends_canceled():
    scene = Scene(account("ann", BTC="0.0001"), account("bob"))
    asked = link(LinkKind.TRIGGERS, FIRST, other(100_000))
    scene.placed("ann", "BUY", 100, 49_900, link=asked)
    scene.placed("bob", "SELL", 100, 49_900)
    closed = scene.exchange._state.accounts["ann"].closed
    assert closed[-1].cancel_reason is CancelReason.NOT_ENOUGH_FUNDS
    assert open_orders(scene) == []


def pair(scene: Scene, condition: FillCondition):
    """A SELL of 100 at 51000 and the stop of it; (limit, stop)."""
    asked = link(LinkKind.CANCELS, condition, stop())
    limit = scene.placed("ann", "SELL", 100, 50_500, link=asked)
    return limit, open_orders(scene)[1]


def test_the_orders_of_a_pair_share_a_reference():
    limit, waiting = pair(Scene(), FIRST)
    assert limit.link.pair == waiting.link.pair is not None
    assert (limit.state, waiting.state) == (OrderState.OPEN, OrderState.UNTRIGGERED)


@pytest.mark.parametrize(("condition", "left"), [(FIRST, 0), (COMPLETE, 100), (PARTS, 70)])
def test_a_partial_fill_acts_on_the_other_order_as_the_condition_says(condition, left):
    scene = Scene()
    _, waiting = pair(scene, condition)
    scene.placed("bob", "BUY", 30, 50_500)
    now = scene.order("ann", waiting.number)
    assert (now.quantity if now.state is OrderState.UNTRIGGERED else 0) == left
    scene.placed("bob", "BUY", 70, 50_500)
    assert scene.order("ann", waiting.number).cancel_reason is CancelReason.OTHER_CLOSED


@pytest.mark.parametrize("condition", FillCondition)
def test_a_stop_that_triggers_and_fills_cancels_the_other(condition):
    scene = Scene()
    limit, _ = pair(scene, condition)
    scene.placed("bob", "BUY", 500, 49_000)
    scene.market.index = 49_000.0
    scene.tick(SECOND_NS)
    assert scene.order("ann", limit.number).cancel_reason is CancelReason.OTHER_CLOSED
    assert scene.position("ann").quantity == -100 and open_orders(scene) == []


def test_canceling_one_of_a_pair_cancels_the_other():
    scene = Scene()
    limit, waiting = pair(scene, PARTS)
    scene.exchange.cancel("ann", waiting.number, scene.now)
    assert scene.order("ann", limit.number).cancel_reason is CancelReason.OTHER_CLOSED


def test_a_pair_whose_first_order_fills_at_once_never_places_the_second():
    scene = Scene()
    scene.placed("bob", "BUY", 100, 50_600)
    asked = link(LinkKind.CANCELS, FIRST, stop())
    limit = scene.placed("ann", "SELL", 100, 50_500, link=asked)
    assert limit.state is OrderState.FILLED and open_orders(scene) == []
    assert scene.exchange._state.accounts["ann"].closed[-1].cancel_reason is (
        CancelReason.OTHER_CLOSED
    )


@pytest.mark.parametrize("condition", FillCondition)
def test_one_triggers_a_pair_of_which_one_cancels_the_other(condition):
    scene = Scene()
    asked = link(LinkKind.TRIGGERS_PAIR, condition, other(price=50_500), stop())
    primary = scene.placed("ann", "BUY", 100, 49_900, link=asked)
    assert primary.link.triggers_pair
    scene.placed("bob", "SELL", 100, 49_900)
    limit, waiting = open_orders(scene)
    assert limit.link.pair == waiting.link.pair is not None
    scene.placed("bob", "BUY", 100, 50_500)
    assert scene.order("ann", waiting.number).cancel_reason is CancelReason.OTHER_CLOSED
    assert scene.position("ann").quantity == 0 and open_orders(scene) == []


def test_a_pair_in_parts_goes_on_with_the_primary():
    scene = Scene()
    asked = link(LinkKind.TRIGGERS_PAIR, PARTS, other(price=50_500), stop())
    scene.placed("ann", "BUY", 100, 49_900, link=asked)
    scene.placed("bob", "SELL", 40, 49_900)
    scene.placed("bob", "BUY", 40, 50_500)
    assert [o for o in open_orders(scene) if o.link.secondary is not None] == []
    scene.placed("bob", "SELL", 60, 49_900)
    live = [o for o in open_orders(scene) if o.link.secondary is not None]
    assert [o.quantity for o in live] == [60, 60]
    scene.exchange.cancel("ann", live[0].number, scene.now)
    assert open_orders(scene) == []


def test_links_are_refused_that_make_no_sense():
    scene = Scene()
    nested = other(link=link(LinkKind.TRIGGERS, FIRST, other()))
    elsewhere = OrderRequest("LINEAR-PERP", Side.SELL, D(1), price=D(51_000))
    for kind, orders in [
        (LinkKind.CANCELS, [other(), other()]),
        (LinkKind.TRIGGERS_PAIR, [other()]),
        (LinkKind.TRIGGERS, []),
        (LinkKind.TRIGGERS, [nested]),
        (LinkKind.TRIGGERS, [elsewhere]),
    ]:
        refused = scene.place("ann", "BUY", 100, 49_900, link=link(kind, FIRST, *orders))
        assert isinstance(refused, Refused)
        assert refused.reason is SimulatedRefusal.LINK_NOT_ALLOWED
    bad = link(LinkKind.TRIGGERS, FIRST, other(), other(quantity=5))
    refused = scene.place("ann", "BUY", 100, 49_900, link=bad)
    assert refused == Refused(SimulatedRefusal.QUANTITY_TOO_LOW, "quantity", D(10))
    assert open_orders(scene) == []
