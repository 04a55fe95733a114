"""Whatever clients do, the parts of the simulated exchange agree with each other."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.messages import OrderType, Side, TimeInForce, TriggerPrice
from common.venues.simulation import (
    BookChange,
    FillCondition,
    FlowAction,
    FlowOrder,
    LevelAction,
    LinkKind,
    LinkRequest,
    OrderChanged,
    OrderChanges,
    OrderFilter,
    OrderRequest,
    OrderState,
    SelfTrading,
    SimulatedFill,
)
from services.venue_simulator.orders import LIMIT_TYPES, STOP_TYPES
from services.venue_simulator.rules import SECOND_NS
from tests.examples import examples
from tests.services.venue_simulator.kit import D, Scene, account

SYMBOL = "LINEAR-PERP"
PEOPLE = ("ann", "bob")
PRICES = st.integers(-6, 6).map(lambda n: D(50_000) + n * D("0.5"))
QUANTITIES = st.integers(1, 9).map(lambda n: n * D("0.001"))
WHO = st.sampled_from(PEOPLE)
SIDES = st.sampled_from(list(Side))
OTHERS = st.builds(
    OrderRequest,
    st.just(SYMBOL),
    SIDES,
    QUANTITIES,
    st.just(OrderType.LIMIT),
    PRICES,
    reduce_only=st.booleans(),
) | st.builds(
    OrderRequest,
    st.just(SYMBOL),
    SIDES,
    QUANTITIES,
    st.sampled_from([OrderType.STOP, OrderType.TAKE_PROFIT]),
    trigger=st.sampled_from(list(TriggerPrice)),
    trigger_price=PRICES,
    reduce_only=st.booleans(),
)
LINKS = st.none() | st.builds(
    LinkRequest,
    st.sampled_from(list(LinkKind)),
    st.sampled_from(list(FillCondition)),
    st.lists(OTHERS, min_size=1, max_size=2).map(tuple),
)
OPEN_STATES = (OrderState.OPEN, OrderState.UNTRIGGERED)


class ExchangeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(*(account(name) for name in PEOPLE), display_minimums=1)
        book = self.scene.exchange.watch(SYMBOL, self.scene.now)
        self.change_id = book.change_id
        self.sides = (dict(book.bids), dict(book.asks))
        self.told: dict[int, object] = {}  # order number -> last state told
        self.filled: dict[int, Decimal] = {}

    @property
    def exchange(self):
        return self.scene.exchange

    def open_orders(self, who):
        return self.exchange.open_orders(who, OrderFilter())

    @rule(
        who=WHO,
        side=SIDES,
        quantity=QUANTITIES,
        price=PRICES,
        kind=st.sampled_from(list(OrderType)),
        tif=st.sampled_from(list(TimeInForce)),
        post_only=st.booleans(),
        reject=st.booleans(),
        reduce_only=st.booleans(),
        trigger=st.sampled_from(list(TriggerPrice)),
        trigger_price=PRICES,
        offset=st.integers(1, 6).map(lambda n: n * D("0.5")),
        display=st.one_of(st.none(), QUANTITIES),
        link=LINKS,
    )
    def place(self, who, side, quantity, price, kind, tif, post_only, reject, reduce_only, **more):
        trailing = kind is OrderType.TRAILING_STOP
        stop = kind in STOP_TYPES
        request = OrderRequest(
            SYMBOL,
            side,
            quantity,
            kind,
            price if kind in LIMIT_TYPES else None,
            tif,
            post_only,
            reject,
            reduce_only,
            more["trigger"] if stop else None,
            more["trigger_price"] if stop and not trailing else None,
            trigger_offset=more["offset"] if trailing else None,
            display_quantity=more["display"],
            link=more["link"],
        )
        self.exchange.place(who, request, self.scene.now)

    @precondition(lambda self: self.open_orders("ann") or self.open_orders("bob"))
    @rule(
        data=st.data(),
        price=st.one_of(st.none(), PRICES),
        quantity=st.one_of(st.none(), QUANTITIES),
        reduce_only=st.sampled_from([None, None, True, False]),
        post_only=st.sampled_from([None, None, True, False]),
        display=st.one_of(st.none(), QUANTITIES),
    )
    def edit(self, data, price, quantity, reduce_only, post_only, display):
        orders = self.open_orders("ann") + self.open_orders("bob")
        order = data.draw(st.sampled_from(orders))
        changes = OrderChanges(
            price, quantity, None, post_only, None, reduce_only, display_quantity=display
        )
        self.exchange.edit(order.account, order.number, changes, self.scene.now)

    @precondition(lambda self: self.open_orders("ann"))
    @rule(data=st.data())
    def cancel(self, data):
        order = data.draw(st.sampled_from(self.open_orders("ann")))
        self.exchange.cancel("ann", order.number, self.scene.now)

    @rule(who=WHO)
    def cancel_all(self, who):
        self.exchange.cancel_matching(who, OrderFilter(), self.scene.now)

    @rule(who=WHO, price=st.one_of(st.none(), PRICES))
    def close(self, who, price):
        self.exchange.close_position(who, SYMBOL, price, "", self.scene.now)

    @rule(who=WHO, mode=st.sampled_from(list(SelfTrading)))
    def choose_self_trading(self, who, mode):
        self.exchange.set_self_trading(who, mode)

    @rule(
        acts=st.lists(
            st.tuples(
                st.sampled_from(list(FlowAction)), st.integers(1, 6), SIDES, PRICES, QUANTITIES
            ),
            max_size=4,
        ),
        move=st.integers(-4, 4),
    )
    def let_time_pass(self, acts, move):
        at_ns = self.scene.now + SECOND_NS
        self.scene.market.index = 50_000.0 + move / 2
        self.scene.market.flow[SYMBOL] = [
            FlowOrder(action, key, side, float(price), float(quantity), at_ns)
            for action, key, side, price, quantity in acts
        ]
        self.scene.tick(SECOND_NS)

    def hear(self) -> None:
        """Take in the events of the last step; every invariant that needs them calls this."""
        for event in self.exchange.drain():
            if isinstance(event, OrderChanged):
                before = self.told.get(event.order.number)
                assert before is None or before.state in OPEN_STATES, "final states stay"
                self.told[event.order.number] = event.order
            elif isinstance(event, SimulatedFill):
                number = event.order_number
                self.filled[number] = self.filled.get(number, D(0)) + event.quantity
            elif isinstance(event, BookChange):
                self.apply(event)

    @invariant()
    def events_tell_everything(self):
        self.hear()
        for number, order in self.told.items():
            assert self.exchange.order(order.account, number) == order
            assert order.cum_quantity == self.filled.get(number, D(0)) <= order.quantity
            assert (order.state is OrderState.FILLED) is (order.leaves_quantity == 0)

    def apply(self, change: BookChange) -> None:
        assert change.prev_change_id == self.change_id
        self.change_id = change.change_id
        for side, levels in zip(self.sides, (change.bids, change.asks), strict=True):
            for level in levels:
                assert (level.price in side) is (level.action is not LevelAction.NEW)
                side[level.price] = level.quantity
                if level.action is LevelAction.DELETE:
                    del side[level.price]

    @invariant()
    def books_agree(self):
        self.hear()
        state = self.exchange._state
        listing = state.listings[SYMBOL]
        listing.engine.check()
        view = listing.view(99)
        assert (dict(view.bids), dict(view.asks)) == self.sides
        resting = {n: o.remaining for n, o in listing.engine.orders.items() if n > 0}
        orders = self.open_orders("ann") + self.open_orders("bob")
        known = {
            o.number: listing.scale.lots(o.leaves_quantity)
            for o in orders
            if o.state is OrderState.OPEN
        }
        assert resting == known and listing.client_orders == len(orders)
        dormant = sum(o.link is not None and o.link.is_dormant for o in orders)
        assert len(listing.triggers) == len(orders) - len(known) - dormant
        assert not state.linked

    @invariant()
    def working_totals_are_those_of_the_resting_orders(self):
        state = self.exchange._state
        for who in PEOPLE:
            working = state.accounts[who].working.get(SYMBOL)
            resting = [o for o in self.open_orders(who) if o.state is OrderState.OPEN]
            for side in Side:
                mine = [o for o in resting if o.side is side and not o.reduce_only]
                total = sum((o.leaves_quantity for o in mine), D(0))
                value = sum((o.leaves_quantity * o.price for o in mine), D(0))
                if working is None:
                    assert not total
                elif side is Side.BUY:
                    assert (working.buy, working.buy_value) == (total, value)
                else:
                    assert (working.sell, working.sell_value) == (total, value)

    @invariant()
    def reduce_only_orders_never_exceed_the_position(self):
        for who in PEOPLE:
            held = self.exchange.position(who, SYMBOL).quantity
            for side in Side:
                resting = sum(
                    (
                        order.leaves_quantity
                        for order in self.open_orders(who)
                        if order.reduce_only
                        and order.side is side
                        and order.state is OrderState.OPEN
                    ),
                    D(0),
                )
                assert resting <= max(D(0), -held * side.sign)

    @invariant()
    def positions_sum_to_zero(self):
        state = self.exchange._state
        owners = [*state.accounts.values(), state.synthetic]
        assert sum((owner.quantity(SYMBOL) for owner in owners), D(0)) == 0


ExchangeMachine.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestExchangeMachine = ExchangeMachine.TestCase
