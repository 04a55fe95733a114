"""Order types beyond the plain ones: take profit, trailing stop, market to limit, icebergs."""

from __future__ import annotations

import pytest

from common.messages import OrderType, TriggerPrice
from common.venues.simulation import (
    BookChange,
    OrderChanges,
    OrderFilter,
    OrderState,
    Placed,
    Refused,
    SimulatedRefusal,
)
from services.venue_simulator.rules import SECOND_NS
from tests.services.venue_simulator.kit import D, Scene

TRAILING = OrderType.TRAILING_STOP
MARK = TriggerPrice.MARK


def trailing(scene: Scene, side: str, offset: int, source: TriggerPrice = MARK):
    return scene.place(
        "ann", side, 100, order_type=TRAILING, trigger=source, trigger_offset=D(offset)
    )


def move_mark(scene: Scene, *prices: float) -> None:
    for price in prices:
        scene.market.index = price
        scene.tick(SECOND_NS)


def state_of(scene: Scene, placed) -> OrderState:
    return scene.order("ann", placed.order.number).state


@pytest.mark.parametrize(
    ("side", "quiet", "enough"),
    [("SELL", [50_400, 50_301, 50_900, 50_801], 50_800), ("BUY", [49_600, 49_699, 49_100], 49_200)],
)
def test_a_trailing_stop_keeps_its_distance_from_the_best_price(side, quiet, enough):
    scene = Scene()
    waiting = trailing(scene, side, 100)
    assert waiting.order.trigger_reference == 50_000 and waiting.order.trigger_price is None
    move_mark(scene, *quiet)
    assert state_of(scene, waiting) is OrderState.UNTRIGGERED
    move_mark(scene, enough)
    assert state_of(scene, waiting) is OrderState.TRIGGERED


def test_another_distance_counts_from_the_best_price_so_far():
    scene = Scene()
    waiting = trailing(scene, "SELL", 100)
    move_mark(scene, 50_500, 50_450)
    edited = scene.exchange.edit(
        "ann", waiting.order.number, OrderChanges(trigger_offset=D(200)), scene.now
    )
    assert isinstance(edited, Placed) and edited.order.trigger_offset == 200
    move_mark(scene, 50_301)
    assert state_of(scene, waiting) is OrderState.UNTRIGGERED
    move_mark(scene, 50_300)
    assert state_of(scene, waiting) is OrderState.TRIGGERED


def test_a_trailing_stop_needs_a_price_to_trail_and_a_distance():
    scene = Scene()
    assert trailing(scene, "SELL", 100, TriggerPrice.LAST) == Refused(
        SimulatedRefusal.INVALID_TRIGGER, "trigger"
    )
    for name, more in {
        "trigger_offset": {},
        "trigger_price": {"trigger_offset": D(1), "trigger_price": D(1)},
    }.items():
        refused = scene.place("ann", "SELL", 100, order_type=TRAILING, trigger=MARK, **more)
        assert refused == Refused(SimulatedRefusal.INVALID_TRIGGER, name)
    placed = trailing(scene, "SELL", 100)
    changes = OrderChanges(trigger_price=D(40_000))
    refused = scene.exchange.edit("ann", placed.order.number, changes, scene.now)
    assert refused == Refused(SimulatedRefusal.INVALID_TRIGGER, "trigger_price")


def test_filters_tell_the_kinds_of_stops_and_what_they_became():
    scene = Scene()
    trailing(scene, "SELL", 100)
    waits = {"trigger": MARK, "trigger_price": D(50_400)}
    scene.placed("ann", "SELL", 100, 51_000, order_type=OrderType.TAKE_PROFIT_LIMIT, **waits)
    scene.placed("ann", "SELL", 100, order_type=OrderType.TAKE_PROFIT, **waits)

    def kinds(*types: OrderType) -> list[OrderType]:
        which = OrderFilter(order_types=frozenset(types))
        return [order.order_type for order in scene.exchange.open_orders("ann", which)]

    assert kinds(TRAILING) == [TRAILING]
    assert kinds(OrderType.TAKE_PROFIT) == [OrderType.TAKE_PROFIT]
    assert kinds(OrderType.LIMIT) == []
    move_mark(scene, 50_400)
    assert kinds(OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT) == []
    assert len(kinds(OrderType.LIMIT)) == 1


def test_market_to_limit_takes_the_best_price_and_stays_there():
    scene = Scene()
    refused = scene.place("ann", "BUY", 30, order_type=OrderType.MARKET_TO_LIMIT)
    assert refused == Refused(SimulatedRefusal.NO_LIQUIDITY)
    scene.placed("bob", "SELL", 10, 50_001)
    scene.placed("bob", "SELL", 50, 50_002)
    order = scene.placed("ann", "BUY", 30, order_type=OrderType.MARKET_TO_LIMIT)
    assert (order.state, order.cum_quantity, order.price) == (OrderState.OPEN, 10, 50_001)
    edited = scene.exchange.edit("ann", order.number, OrderChanges(price=D(50_002)), scene.now)
    assert isinstance(edited, Placed) and edited.order.state is OrderState.FILLED


def test_the_book_shows_only_the_display_of_an_iceberg():
    scene = Scene()
    scene.exchange.watch("INVERSE-PERP", scene.now)
    order = scene.placed("ann", "BUY", 5_000, 49_500, display_quantity=D(1_000))
    assert (order.display_quantity, order.shown_quantity) == (1_000, 1_000)
    (change,) = scene.events(BookChange)
    assert [(level.price, level.quantity) for level in change.bids] == [(49_500.0, 1_000.0)]
    scene.placed("bob", "SELL", 1_300, 49_500)
    order = scene.order("ann", order.number)
    assert (order.cum_quantity, order.shown_quantity) == (1_300, 700)
    changes = OrderChanges(display_quantity=D(2_000))
    edited = scene.exchange.edit("ann", order.number, changes, scene.now)
    assert isinstance(edited, Placed) and edited.order.shown_quantity == 2_000
    assert scene.exchange.book("INVERSE-PERP", 1).bids == [(49_500.0, 2_000.0)]


@pytest.mark.parametrize(("display", "least"), [(990, 1_000), (1_005, 1_000), (1_500, 2_000)])
def test_a_display_is_not_too_small_and_on_a_lot(display, least):
    scene = Scene()
    quantity = 200_000 if least == 2_000 else 5_000
    refused = scene.place("ann", "BUY", quantity, 49_500, display_quantity=D(display))
    assert refused == Refused(SimulatedRefusal.INVALID_DISPLAY, "display_quantity", D(least))
