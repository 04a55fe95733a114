"""The matching engine, by example and against a naive twin."""

from __future__ import annotations

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.messages import TimeInForce
from services.venue_simulator.matching import (
    DEAD_MAX,
    MatchingEngine,
    MatchRefusal,
    Order,
    OwnOrders,
    PostOnly,
)
from tests.examples import examples

GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK


def engine_with(*orders: Order) -> MatchingEngine:
    engine = MatchingEngine()
    for order in orders:
        assert engine.place(order).rests
    engine.bids.take_changes()
    engine.asks.take_changes()
    return engine


def buy(number: int, tick: int, lots: int, owner: str = "ann") -> Order:
    return Order(number, owner, True, tick, lots)


def sell(number: int, tick: int, lots: int, owner: str = "bob") -> Order:
    return Order(number, owner, False, tick, lots)


def trades(outcome) -> list[tuple[int, int, int]]:
    return [(trade.maker.number, trade.tick, trade.lots) for trade in outcome.trades]


def test_better_prices_trade_first_then_older_orders():
    engine = engine_with(sell(1, 101, 5), sell(2, 100, 5), sell(3, 100, 5))
    outcome = engine.place(buy(4, 101, 12))
    assert trades(outcome) == [(2, 100, 5), (3, 100, 5), (1, 101, 2)]
    assert not outcome.rests
    assert engine.asks.depth(9) == [(101, 3)]


def test_what_a_limit_order_cannot_trade_rests():
    engine = engine_with(sell(1, 100, 5))
    outcome = engine.place(buy(2, 100, 8))
    assert outcome.rests and engine.bids.depth(9) == [(100, 3)]


def test_what_an_ioc_order_cannot_trade_is_dropped():
    engine = engine_with(sell(1, 100, 5))
    outcome = engine.place(buy(2, 100, 8), IOC)
    assert outcome.order.leaves == 3 and not outcome.rests
    assert not engine.orders


def test_a_fok_order_trades_whole_or_not_at_all():
    engine = engine_with(sell(1, 100, 5), sell(2, 101, 5))
    assert engine.place(buy(3, 100, 6), FOK).refusal is MatchRefusal.NOT_FILLABLE
    assert engine.asks.depth(9) == [(100, 5), (101, 5)]
    assert trades(engine.place(buy(4, 101, 6), FOK)) == [(1, 100, 5), (2, 101, 1)]


def test_a_post_only_order_that_would_trade_moves_one_tick_inside():
    engine = engine_with(sell(1, 100, 5), buy(2, 90, 5))
    outcome = engine.place(buy(3, 105, 1), post_only=PostOnly.REPRICE)
    assert outcome.rests and outcome.order.tick == 99
    outcome = engine.place(sell(4, 80, 1), post_only=PostOnly.REPRICE)
    assert outcome.order.tick == 100


def test_post_only_moves_by_the_step_that_holds_at_the_price():
    engine = MatchingEngine(lambda tick: 5 if tick >= 50 else 1)
    engine.place(sell(1, 60, 1))
    assert engine.place(buy(2, 70, 1), post_only=PostOnly.REPRICE).order.tick == 55
    engine.cancel(1)
    engine.place(sell(3, 56, 1))  # off its step on purpose
    engine.cancel(2)
    engine.place(buy(4, 49, 1))
    assert engine.place(sell(5, 10, 1), post_only=PostOnly.REPRICE).order.tick == 50


def test_a_rejecting_post_only_order_changes_nothing():
    engine = engine_with(sell(1, 100, 5))
    outcome = engine.place(buy(2, 100, 1), post_only=PostOnly.REJECT)
    assert outcome.refusal is MatchRefusal.WOULD_CROSS
    assert engine.bids.depth(9) == [] and 2 not in engine.orders


def test_a_taker_that_would_meet_its_own_order_is_refused():
    engine = engine_with(sell(1, 100, 5), sell(2, 101, 5, "ann"))
    assert trades(engine.place(buy(3, 101, 5), own=OwnOrders.REJECT_TAKER)) == [(1, 100, 5)]
    outcome = engine.place(buy(4, 101, 1), own=OwnOrders.REJECT_TAKER)
    assert outcome.refusal is MatchRefusal.SELF_TRADE


def test_a_taker_may_cancel_its_own_resting_orders_instead():
    engine = engine_with(sell(1, 100, 5, "ann"), sell(2, 101, 5))
    outcome = engine.place(buy(3, 101, 5), own=OwnOrders.CANCEL_MAKER)
    assert [(order.number, lots) for order, lots in outcome.canceled] == [(1, 5)]
    assert trades(outcome) == [(2, 101, 5)]
    engine.check()


def test_a_smaller_size_keeps_its_place():
    engine = engine_with(buy(1, 100, 5), buy(2, 100, 5))
    engine.amend(1, 100, 3)
    assert trades(engine.place(sell(3, 100, 4))) == [(1, 100, 3), (2, 100, 1)]


def test_a_larger_size_goes_to_the_back():
    engine = engine_with(buy(1, 100, 5), buy(2, 100, 5))
    engine.amend(1, 100, 6)
    assert trades(engine.place(sell(3, 100, 6))) == [(2, 100, 5), (1, 100, 1)]


def test_an_amend_through_the_spread_trades_at_once():
    engine = engine_with(buy(1, 90, 5), sell(2, 100, 3))
    outcome = engine.amend(1, 100, 5)
    assert trades(outcome) == [(2, 100, 3)] and outcome.rests
    assert engine.bids.depth(9) == [(100, 2)]


def test_a_refused_amend_leaves_the_order_as_it_was():
    engine = engine_with(buy(1, 90, 5), buy(2, 90, 5), sell(3, 100, 3))
    outcome = engine.amend(1, 100, 9, post_only=PostOnly.REJECT)
    assert outcome.refusal is MatchRefusal.WOULD_CROSS
    assert trades(engine.place(sell(4, 90, 1))) == [(1, 90, 1)]


def test_an_iceberg_shows_its_display_and_queues_again_for_each_part():
    iceberg = Order(1, "ann", True, 100, 10, display=4)
    engine = engine_with(iceberg, buy(2, 100, 5))
    assert engine.bids.depth(9) == [(100, 9)] and iceberg.remaining == 10
    assert trades(engine.place(sell(3, 100, 6))) == [(1, 100, 4), (2, 100, 2)]
    assert engine.bids.depth(9) == [(100, 7)], "the next part is shown behind order 2"
    assert trades(engine.place(sell(4, 100, 8))) == [(2, 100, 3), (1, 100, 4), (1, 100, 1)]
    assert engine.bids.depth(9) == [(100, 1)]
    engine.check()


def test_hidden_lots_count_for_fill_or_kill_and_for_what_a_sweep_costs():
    engine = engine_with(Order(1, "ann", False, 100, 10, display=1), sell(2, 101, 5))
    assert engine.sweep(True, 101, 12) == (12, 10 * 100 + 2 * 101)
    assert trades(engine.place(buy(3, 100, 10), FOK))[-1] == (1, 100, 1)
    assert engine.asks.depth(9) == [(101, 5)] and 1 not in engine.orders


def test_an_iceberg_shrinks_from_its_hidden_part_and_keeps_its_place():
    iceberg = Order(1, "ann", True, 100, 10, display=4)
    engine = engine_with(iceberg, buy(2, 100, 5))
    engine.amend(1, 100, 5)
    assert (iceberg.leaves, iceberg.hidden) == (4, 1)
    engine.amend(1, 100, 3)
    assert (iceberg.leaves, iceberg.hidden) == (3, 0)
    assert trades(engine.place(sell(3, 100, 4))) == [(1, 100, 3), (2, 100, 1)]


def test_another_display_goes_to_the_back():
    engine = engine_with(Order(1, "ann", True, 100, 10, display=4), buy(2, 100, 5))
    engine.amend(1, 100, 10, display=2)
    assert engine.bids.depth(9) == [(100, 7)]
    assert trades(engine.place(sell(3, 100, 5))) == [(2, 100, 5)]


def test_an_own_iceberg_is_canceled_whole():
    engine = engine_with(Order(1, "ann", False, 100, 10, display=4), sell(2, 100, 1))
    outcome = engine.place(buy(3, 100, 2, "ann"), own=OwnOrders.CANCEL_MAKER)
    assert [(order.number, lots) for order, lots in outcome.canceled] == [(1, 10)]
    assert trades(outcome) == [(2, 100, 1)] and outcome.rests
    engine.check()


def test_changes_name_each_level_once_with_what_was_before():
    engine = engine_with(buy(1, 100, 5), buy(2, 99, 5))
    engine.place(sell(3, 99, 7))
    engine.place(buy(4, 98, 1))
    engine.cancel(4)
    assert engine.bids.take_changes() == [(100, 5, 0), (99, 5, 3)]
    assert engine.bids.take_changes() == []


def test_sweep_tells_the_cost_of_what_can_be_filled():
    engine = engine_with(sell(1, 100, 5), sell(2, 102, 5), sell(3, 110, 5))
    assert engine.sweep(True, 105, 8) == (8, 5 * 100 + 3 * 102)
    assert engine.sweep(True, 105, 20) == (10, 5 * 100 + 5 * 102)


def test_cancelled_orders_do_not_pile_up_behind_one_that_stays():
    engine = engine_with(buy(1, 100, 1))
    for number in range(2, 1_000):
        engine.place(buy(number, 100, 1))
        engine.cancel(number)
    assert len(engine.bids.levels[100].orders) <= 2 * DEAD_MAX
    engine.check()


class NaiveEngine:
    """The same rules with one list of orders: readable, slow, and obviously right."""

    def __init__(self) -> None:
        self.resting: list[Order] = []  # oldest first

    def side(self, is_buy: bool) -> list[Order]:
        """Best price first, then oldest."""
        orders = [order for order in self.resting if order.is_buy is is_buy]
        return sorted(orders, key=lambda order: -order.tick if is_buy else order.tick)

    def crossed(self, order: Order) -> list[Order]:
        others = self.side(not order.is_buy)
        if order.is_buy:
            return [other for other in others if other.tick <= order.tick]
        return [other for other in others if other.tick >= order.tick]

    def place(self, order, tif, own, post_only):
        """(trades, cancelled, refusal) as the engine reports them."""
        crossed = self.crossed(order)
        if crossed and post_only is PostOnly.REPRICE:
            order.tick = crossed[0].tick + (-1 if order.is_buy else 1)
            crossed = []
        elif crossed and post_only is PostOnly.REJECT:
            return [], [], MatchRefusal.WOULD_CROSS
        if own is OwnOrders.REJECT_TAKER and self.meets_own(order, crossed):
            return [], [], MatchRefusal.SELF_TRADE
        strangers = [o for o in crossed if own is OwnOrders.TRADE or o.owner != order.owner]
        if tif is FOK and sum(other.remaining for other in strangers) < order.leaves:
            return [], [], MatchRefusal.NOT_FILLABLE
        done, cancelled = [], []
        while order.leaves and (crossed := crossed and self.crossed(order)):
            other = crossed[0]
            if own is OwnOrders.CANCEL_MAKER and other.owner == order.owner:
                cancelled.append(other.number)
                self.resting.remove(other)
                continue
            lots = min(order.leaves, other.leaves)
            order.leaves -= lots
            other.leaves -= lots
            done.append((other.number, other.tick, lots))
            if not other.leaves:
                self.resting.remove(other)
                self.rest(other)
        if tif is GTC:
            self.rest(order)
        return done, cancelled, None

    def rest(self, order: Order) -> None:
        """At the back of the queue, with as much shown as the display allows."""
        remaining = order.remaining
        order.leaves = min(remaining, order.display or remaining)
        order.hidden = remaining - order.leaves
        if remaining:
            self.resting.append(order)

    def meets_own(self, order: Order, crossed: list[Order]) -> bool:
        left, tick = order.leaves, None
        for other in crossed:
            if other.tick != tick:
                left -= sum(o.hidden for o in crossed if o.tick == tick)
                tick = other.tick
            if left <= 0:
                return False
            if other.owner == order.owner:
                return True
            left -= other.leaves
        return False

    def amend(self, number, tick, leaves, own, post_only):
        old = next(order for order in self.resting if order.number == number)
        if tick == old.tick and leaves <= old.remaining:
            old.leaves = min(old.leaves, leaves)
            old.hidden = leaves - old.leaves
            return [], [], None
        before = list(self.resting)
        self.resting.remove(old)
        new = Order(number, old.owner, old.is_buy, tick, leaves, old.display)
        result = self.place(new, GTC, own, post_only)
        if result[2] is not None:
            self.resting = before
        return result

    def levels(self, is_buy: bool) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for order in self.side(is_buy):
            totals[order.tick] = totals.get(order.tick, 0) + order.leaves
        return list(totals.items())


TICKS = st.integers(95, 105)
LOTS = st.integers(1, 9)
OWNERS = st.sampled_from(["ann", "bob", "cid"])
OWN = st.sampled_from(list(OwnOrders))
POST = st.sampled_from([None, None, *PostOnly])


class MatchingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = MatchingEngine()
        self.naive = NaiveEngine()
        self.number = 0
        self.copies: dict[bool, dict[int, int]] = {True: {}, False: {}}

    @rule(
        is_buy=st.booleans(),
        tick=TICKS,
        lots=LOTS,
        owner=OWNERS,
        tif=st.sampled_from([GTC, GTC, GTC, IOC, FOK]),
        own=OWN,
        post_only=POST,
        display=st.integers(0, 3),
    )
    def place(self, is_buy, tick, lots, owner, tif, own, post_only, display):
        self.number += 1
        if tif is not GTC:
            post_only = None
        order = Order(self.number, owner, is_buy, tick, lots, display)
        twin = Order(self.number, owner, is_buy, tick, lots, display)
        outcome = self.engine.place(order, tif, own, post_only)
        assert self.summary(outcome) == self.naive.place(twin, tif, own, post_only)

    @precondition(lambda self: self.engine.orders)
    @rule(data=st.data(), tick=TICKS, lots=LOTS, own=OWN, post_only=POST)
    def amend(self, data, tick, lots, own, post_only):
        number = data.draw(st.sampled_from(sorted(self.engine.orders)))
        outcome = self.engine.amend(number, tick, lots, own, post_only)
        assert self.summary(outcome) == self.naive.amend(number, tick, lots, own, post_only)

    @precondition(lambda self: self.engine.orders)
    @rule(data=st.data())
    def cancel(self, data):
        number = data.draw(st.sampled_from(sorted(self.engine.orders)))
        assert self.engine.cancel(number) is not None
        self.naive.resting = [o for o in self.naive.resting if o.number != number]

    @invariant()
    def both_books_are_the_same(self):
        self.engine.check()
        for is_buy in (True, False):
            levels = self.engine.side(is_buy).depth(99)
            assert levels == self.naive.levels(is_buy)
            queue = [o.number for o in self.naive.side(is_buy)]
            limit = 0 if is_buy else 999
            crossed = self.engine.side(is_buy).crossed_orders(limit)
            assert [order.number for order in crossed] == queue

    @invariant()
    def changes_rebuild_the_book(self):
        for is_buy, copy in self.copies.items():
            side = self.engine.side(is_buy)
            for tick, before, now in side.take_changes():
                assert copy.get(tick, 0) == before != now
                copy[tick] = now
            assert {t: q for t, q in copy.items() if q} == dict(side.depth(99))

    def summary(self, outcome):
        cancelled = [order.number for order, _ in outcome.canceled]
        return trades(outcome), cancelled, outcome.refusal


MatchingMachine.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestMatchingMachine = MatchingMachine.TestCase
