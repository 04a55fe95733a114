"""The life of an order: the table, the quantities, and what no sequence of reports may break."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.domain.order import TRANSITIONS, Facts, Order
from common.messages import (
    OrderStatus,
    OrderTrigger,
    OrderType,
    OrderUpdated,
    RejectReason,
    Side,
    TimeInForce,
)
from tests.examples import examples

S = OrderStatus
E = OrderTrigger


def d(text: str | int) -> Decimal:
    return Decimal(text)


def order(quantity: str = "100") -> Order:
    return Order(
        OrderUpdated(
            client_order_id="1",
            venue_order_id="",
            instrument="deribit.BTC-PERPETUAL",
            venue="deribit",
            account="main",
            owner="o",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            price=d("50000"),
            quantity=d(quantity),
            time_in_force=TimeInForce.GTC,
            status=S.PENDING_NEW,
            cum_quantity=d(0),
            leaves_quantity=d(quantity),
            avg_price=None,
            event=E.PLACED,
            revision=1,
            created_ns=1,
            updated_ns=1,
        )
    )


def accepted(quantity: str = "100") -> Order:
    made = order(quantity)
    assert made.apply(E.ACCEPTED, 2, Facts(venue_order_id="v1"))
    return made


def test_every_status_has_a_row_and_every_way_leads_somewhere_known():
    assert set(TRANSITIONS) == set(S)
    for row in TRANSITIONS.values():
        assert set(row.values()) <= set(S)


def test_an_order_is_accepted_filled_in_parts_and_then_whole():
    made = accepted()
    assert made.count("f1", d(50000), d(40), 3)
    assert (made.state.status, made.state.leaves_quantity) == (S.PARTIALLY_FILLED, d(60))
    assert made.count("f2", d(49990), d(60), 4)
    assert (made.state.status, made.state.cum_quantity) == (S.FILLED, d(100))
    assert made.state.avg_price == d("49994")
    assert made.state.revision == 4


def test_row_37_a_repeated_execution_counts_once():
    made = accepted()
    assert made.count("f1", d(50000), d(40), 3)
    assert not made.count("f1", d(50000), d(40), 4)
    assert made.state.cum_quantity == d(40)


def test_a_fill_before_the_acceptance_keeps_the_order_partly_filled():
    made = order()
    made.count("f1", d(50000), d(40), 2)
    made.apply(E.ACCEPTED, 3, Facts(venue_order_id="v1"))
    assert (made.state.status, made.state.venue_order_id) == (S.PARTIALLY_FILLED, "v1")


def test_row_36_a_fill_that_overtakes_the_cancel_is_counted():
    made = accepted()
    made.apply(E.CANCEL_SENT, 3)
    made.apply(E.CANCELED, 4)
    assert made.count("f1", d(50000), d(100), 5)
    assert made.state.status is S.FILLED


def test_a_state_told_before_its_fills_is_not_counted_twice():
    made = accepted()
    made.apply(E.FILL, 3, Facts(cum_quantity=d(100), avg_price=d(50001)))
    assert (made.state.status, made.state.avg_price) == (S.FILLED, d(50001))
    made.count("f1", d(50001), d(100), 4)
    assert made.state.cum_quantity == d(100)


def test_a_modify_takes_effect_when_the_venue_says_so():
    made = accepted()
    wanted = Facts(price=d(50001), quantity=d(60))
    made.apply(E.REPLACE_SENT, 3, wanted)
    assert (made.state.status, made.state.price) == (S.PENDING_REPLACE, d(50000))
    made.apply(E.REPLACED, 4)
    assert (made.state.status, made.state.price) == (S.NEW, d(50001))
    assert made.state.leaves_quantity == d(60)


def test_a_refused_modify_changes_nothing_but_says_why():
    made = accepted()
    made.apply(E.REPLACE_SENT, 3, Facts(price=d(50001)))
    made.apply(E.REPLACE_REJECTED, 4, Facts(reason=RejectReason.BAD_PRICE, text="no"))
    assert (made.state.status, made.state.price) == (S.NEW, d(50000))
    assert made.state.reject_reason is RejectReason.BAD_PRICE


def test_fills_stay_in_pending_replace_until_the_order_is_full():
    made = accepted()
    made.apply(E.REPLACE_SENT, 3, Facts(price=d(50001)))
    made.count("f1", d(50000), d(40), 4)
    assert made.state.status is S.PENDING_REPLACE
    made.count("f2", d(50000), d(60), 5)
    assert made.state.status is S.FILLED


def test_a_full_fill_under_a_growing_modify_waits_for_the_venue():
    made = accepted()
    made.apply(E.REPLACE_SENT, 3, Facts(quantity=d(150)))
    made.count("f1", d(50000), d(100), 4)
    assert made.state.status is S.PENDING_REPLACE
    made.apply(E.REPLACED, 5)
    assert (made.state.status, made.state.leaves_quantity) == (S.PARTIALLY_FILLED, d(50))


def test_a_full_fill_and_a_refused_growing_modify_is_a_filled_order():
    made = accepted()
    made.apply(E.REPLACE_SENT, 3, Facts(quantity=d(150)))
    made.count("f1", d(50000), d(100), 4)
    made.apply(E.REPLACE_REJECTED, 5)
    assert made.state.status is S.FILLED


def test_an_older_view_of_the_order_does_not_undo_a_newer_one():
    made = accepted()
    made.apply(E.REPLACED, 3, Facts(price=d(50002), updated_ns=20))
    assert not made.apply(E.REPLACED, 4, Facts(price=d(50001), updated_ns=10))
    assert not made.apply(E.ACCEPTED, 4, Facts(price=d(50000), updated_ns=5))
    assert made.state.price == d(50002)


def test_doubt_keeps_the_status_and_only_the_venue_ends_it():
    made = order()
    assert made.doubt(5) and not made.doubt(6)
    assert (made.state.status, made.state.in_doubt_since_ns) == (S.PENDING_NEW, 5)
    made.apply(E.CANCEL_SENT, 7)
    assert made.state.in_doubt_since_ns == 5
    made.apply(E.CANCELED, 8)
    assert made.state.in_doubt_since_ns is None


def test_a_refused_order_is_final_and_takes_no_fill():
    made = order()
    made.apply(E.REJECTED, 2, Facts(reason=RejectReason.NOT_ENOUGH_FUNDS))
    assert not made.allows(E.FILL)
    made.count("f1", d(1), d(1), 3)
    assert (made.state.status, made.state.cum_quantity) == (S.REJECTED, d(0))
    made.check()


@pytest.mark.parametrize("status", [s for s in S if s.is_final])
def test_nothing_is_sent_for_a_final_order(status: OrderStatus):
    assert not {E.CANCEL_SENT, E.REPLACE_SENT} & set(TRANSITIONS[status])


REPORTS = [E.ACCEPTED, E.REJECTED, E.CANCELED, E.EXPIRED, E.CANCEL_REJECTED]


class OrderMachine(RuleBasedStateMachine):
    """Reports in any order, any number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.order = order("10")
        self.reports: list[tuple[OrderTrigger, Facts]] = []
        self.fills: dict[str, Decimal] = {}
        self.ended: OrderStatus | None = None
        self.cum = d(0)

    @rule(trigger=st.sampled_from(REPORTS))
    def report(self, trigger: OrderTrigger) -> None:
        facts = Facts(venue_order_id="v1")
        self.order.apply(trigger, 2, facts)
        self.reports.append((trigger, facts))

    @rule(number=st.integers(0, 9))
    def fill(self, number: int) -> None:
        exec_id = f"f{number}"
        if self.order.state.status is not S.REJECTED:
            self.fills[exec_id] = d(1)
        self.order.count(exec_id, d(50000), d(1), 3)

    @rule()
    def send_cancel(self) -> None:
        self.order.apply(E.CANCEL_SENT, 4)

    @rule(quantity=st.integers(1, 20))
    def send_modify(self, quantity: int) -> None:
        self.order.apply(E.REPLACE_SENT, 4, Facts(quantity=d(quantity)))

    @rule(done=st.booleans())
    def answer_modify(self, done: bool) -> None:
        self.order.apply(E.REPLACED if done else E.REPLACE_REJECTED, 5)

    @rule()
    def doubt(self) -> None:
        self.order.doubt(6)

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """What changed the order before and is repeated at once changes nothing."""
        if self.reports:
            trigger, facts = data.draw(st.sampled_from(self.reports))
            self.order.apply(trigger, 7, facts)
            state = self.order.state
            assert not self.order.apply(trigger, 8, facts)
            assert self.order.state is state

    @invariant()
    def invariants_hold(self) -> None:
        self.order.check()
        state = self.order.state
        assert state.cum_quantity >= self.cum  # what was filled stays filled
        self.cum = state.cum_quantity
        assert state.cum_quantity == len(self.fills)
        if self.ended in (S.FILLED, S.REJECTED):
            assert state.status is self.ended
        self.ended = state.status if state.status.is_final else None
        assert (state.in_doubt_since_ns is None) or not state.status.is_final


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=examples(200), stateful_step_count=30, deadline=None
)
