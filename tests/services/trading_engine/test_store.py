"""The sums that the checks go by, kept as orders change: always those of the open orders."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common import messages as m
from common.domain.order import Facts, Order
from common.messages import OrderTrigger as E
from services.trading_engine.store import OrderStore
from tests.examples import examples

INSTRUMENTS = ("deribit.BTC-PERPETUAL", "deribit.ETH-PERPETUAL")
REPORTS = [E.ACCEPTED, E.REJECTED, E.CANCELED, E.EXPIRED, E.FILL, E.CANCEL_REJECTED]
KEYS = [(instrument, side) for instrument in INSTRUMENTS for side in m.Side]


def order(number: int, instrument: str, side: m.Side, quantity: int) -> Order:
    return Order(
        m.OrderUpdated(
            client_order_id=str(number),
            venue_order_id="",
            instrument=instrument,
            venue="deribit",
            account="main",
            owner="o",
            side=side,
            order_type=m.OrderType.LIMIT,
            price=Decimal(50000),
            quantity=Decimal(quantity),
            time_in_force=m.TimeInForce.GTC,
            status=m.OrderStatus.PENDING_NEW,
            cum_quantity=Decimal(0),
            leaves_quantity=Decimal(quantity),
            avg_price=None,
            event=E.PLACED,
            revision=1,
            created_ns=1,
            updated_ns=1,
        )
    )


class StoreMachine(RuleBasedStateMachine):
    """Orders come, change in any way that reports can bring, and are filed again."""

    def __init__(self) -> None:
        super().__init__()
        self.store = OrderStore()
        self.orders: list[Order] = []

    @rule(
        instrument=st.sampled_from(INSTRUMENTS),
        side=st.sampled_from(m.Side),
        quantity=st.integers(1, 100),
    )
    def place(self, instrument: str, side: m.Side, quantity: int) -> None:
        self.orders.append(order(len(self.orders), instrument, side, quantity))
        self.store.put(self.orders[-1])

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), trigger=st.sampled_from(REPORTS))
    def report(self, data: st.DataObject, trigger: E) -> None:
        chosen = data.draw(st.sampled_from(self.orders))
        chosen.apply(trigger, 2, Facts(venue_order_id=f"v{chosen.state.client_order_id}"))
        self.store.put(chosen)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), number=st.integers(0, 9), quantity=st.integers(1, 100))
    def fill(self, data: st.DataObject, number: int, quantity: int) -> None:
        chosen = data.draw(st.sampled_from(self.orders))
        chosen.count(f"f{number}", Decimal(50000), Decimal(quantity), 3)
        self.store.put(chosen)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), trigger=st.sampled_from([E.CANCEL_SENT, E.REPLACE_SENT]))
    def send(self, data: st.DataObject, trigger: E) -> None:
        chosen = data.draw(st.sampled_from(self.orders))
        chosen.apply(trigger, 4, Facts(quantity=Decimal(data.draw(st.integers(1, 200)))))
        self.store.put(chosen)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), done=st.booleans())
    def answer_modify(self, data: st.DataObject, done: bool) -> None:
        chosen = data.draw(st.sampled_from(self.orders))
        chosen.apply(E.REPLACED if done else E.REPLACE_REJECTED, 5)
        self.store.put(chosen)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def doubt(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(self.orders))
        chosen.doubt(6)
        self.store.put(chosen)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        """As after a restart: an equal order under the same id."""
        number = data.draw(st.integers(0, len(self.orders) - 1))
        copy = Order(msgspec.structs.replace(self.orders[number].state))
        self.orders[number] = copy
        self.store.put(copy)

    @invariant()
    def sums_are_those_of_the_open_orders(self) -> None:
        for instrument, side in KEYS:
            kept = self.store.open_quantity(instrument, side)
            assert kept == sum(map(_may_fill, self._open(instrument, side)))

    @invariant()
    def without_an_order_its_part_is_left_out(self) -> None:
        for each in self.orders[-3:]:
            state = each.state
            key = state.instrument, state.side
            without = self.store.open_quantity(*key, without=state.client_order_id)
            part = Decimal(0) if each.is_final else _may_fill(each)
            assert without == self.store.open_quantity(*key) - part

    def _open(self, instrument: str, side: m.Side) -> list[Order]:
        of_key = [
            o for o in self.orders if (o.state.instrument, o.state.side) == (instrument, side)
        ]
        return [order for order in of_key if not order.is_final]


def _may_fill(order: Order) -> Decimal:
    """In full; while a modify is under way the larger of both quantities."""
    wanted = order.wanted.quantity if order.wanted is not None else None
    return max(order.state.leaves_quantity, (wanted or Decimal(0)) - order.state.cum_quantity)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=examples(100), stateful_step_count=30, deadline=None
)
