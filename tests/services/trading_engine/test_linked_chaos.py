"""Linked orders over a link that does its worst: the venue's truth, and each under its own id."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import messages as m
from common.domain.order import Order
from common.messages import ContingencyType as T
from common.messages import FillCondition as F
from services.trading_engine.groups import counted, leaves_of
from services.trading_engine.store import OrderStore
from tests.services.trading_engine.kit import MS, PERP, T0, Bench, place
from tests.services.trading_engine.linked_twin import LinkedTwin
from tests.services.trading_engine.test_chaos import Chaos

D = Decimal
SEEDS = 40


class LinkedChaos(Chaos):
    """Half of what it places is linked."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.bench = Bench(LinkedTwin(T0 // MS)).start()

    def place(self) -> None:
        kind = self.random.choice([None, *T])
        if kind is None:
            super().place()
            return
        most = {T.OCO: 1, T.OTOCO: 2}.get(kind, self.random.randrange(1, 4))
        linked = [
            m.LinkedOrder(m.Side.SELL, price=D(self.random.randrange(51000, 55000)))
            for _ in range(most)
        ]
        self.ask(place("48000", "40", contingency_type=kind, linked_orders=linked, owner="s"))

    def check_orders(self) -> None:
        twin, ours = self.bench.twin, self.bench.open_orders()
        assert {
            (o.venue_order_id, o.quantity, o.cum_quantity, o.in_doubt_since_ns) for o in ours
        } == {
            (i, D(str(twin.orders[i]["amount"])), D(str(twin.orders[i]["filled_amount"])), None)
            for i in twin.open_ids
        }
        labels = {order["order_id"]: order["label"] for order in twin.orders.values()}
        for order in ours:
            if labels[order.venue_order_id]:
                assert order.client_order_id == labels[order.venue_order_id]
                assert not order.external
            if order.link_id:
                assert order.owner == "s"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_venues_truth_about_linked_orders_is_held_in_the_end(seed: int) -> None:
    chaos = LinkedChaos(seed)
    chaos.run(60)
    chaos.check()
    store = chaos.bench.engine._state.store
    for side in m.Side:
        assert store.open_quantity(PERP, side) >= 0


# --- how a group counts ------------------------------------------------------------------------


def order(number: int, side: m.Side, quantity: int, filled: int, kind: T, rule: F) -> Order:
    state = m.OrderUpdated(
        client_order_id=str(number),
        venue_order_id=f"V{number}",
        instrument=PERP,
        venue="deribit",
        account="main",
        owner="s",
        side=side,
        order_type=m.OrderType.LIMIT,
        price=D(1),
        quantity=D(quantity),
        time_in_force=m.TimeInForce.GTC,
        status=m.OrderStatus.NEW if filled < quantity else m.OrderStatus.FILLED,
        cum_quantity=D(filled),
        leaves_quantity=D(quantity - filled),
        avg_price=None,
        event=m.OrderTrigger.ACCEPTED,
        revision=1,
        created_ns=1,
        updated_ns=1,
        contingency_type=kind,
        fill_condition=rule,
        link_id="1",
    )
    return Order(state)


@st.composite
def groups(draw: st.DrawFn) -> list[Order]:
    kind, rule = draw(st.sampled_from(T)), draw(st.sampled_from(F))
    size = {T.OCO: 2, T.OTOCO: 3}.get(kind, draw(st.integers(2, 5)))
    made = []
    for number in range(1, size + 1):
        quantity = draw(st.integers(1, 50))
        filled, side = draw(st.integers(0, quantity)), draw(st.sampled_from(m.Side))
        made.append(order(number, side, quantity, filled, kind, rule))
    return made


@given(groups(), st.randoms(use_true_random=False))
def test_a_group_counts_no_more_than_its_orders_and_no_less_than_the_largest_of_a_pair(
    group: list[Order], random: object
) -> None:
    first, *others = group
    found = {o.state.client_order_id: quantity for o, quantity in counted(group)}
    assert set(found) == {o.state.client_order_id for o in group}
    for each in group:
        assert 0 <= found[each.state.client_order_id] <= leaves_of(each)
    kind, rule = first.state.contingency_type, first.state.fill_condition
    if kind is not T.OCO:
        assert found["1"] == leaves_of(first)
    if kind is T.OTO and rule is F.FIRST_HIT:
        assert all(found[o.state.client_order_id] == leaves_of(o) for o in others)
    legs = group if kind is T.OCO else others if kind is T.OTOCO else []
    if rule is F.FIRST_HIT or kind is T.OCO:
        for side in m.Side:
            mine = [leaves_of(o) for o in legs if o.state.side is side]
            names = [o.state.client_order_id for o in legs if o.state.side is side]
            assert sum(found[name] for name in names) == max(mine, default=0)


@given(groups(), st.randoms(use_true_random=False))
def test_the_sums_of_the_store_do_not_depend_on_the_order_of_news(
    group: list[Order], random: object
) -> None:
    wanted: Counter[m.Side] = Counter()
    for each, quantity in counted(group):
        wanted[each.state.side] += quantity
    news = group * 2
    random.shuffle(news)  # type: ignore[attr-defined]
    store = OrderStore()
    for each in news:
        store.put(each)
    ordered = OrderStore()
    for each in group:
        ordered.put(each)
    for side in m.Side:
        assert ordered.open_quantity(PERP, side) == wanted[side]
        assert store.open_quantity(PERP, side) <= sum(
            leaves_of(o) for o in group if o.state.side is side
        )
