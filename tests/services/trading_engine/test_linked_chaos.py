"""Linked orders over a link that does its worst: the venue's truth, and each under its own id."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from common import messages as m
from common.domain.order import Facts, Order
from common.messages import ContingencyType as T, FillCondition as F
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


def order(
    number: int, side: m.Side, quantity: int, filled: int, kind: T, rule: F, trigger: int = 0
) -> Order:
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
        trigger_price=D(trigger) if trigger else None,
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
        made.append(order(number, side, quantity, filled, kind, rule, draw(st.integers(0, 1))))
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
            waits = any(o.state.trigger_price for o in legs if o.state.side is side)
            bound = max(mine, default=0) if waits else sum(mine)
            assert sum(found[name] for name in names) == bound


def test_several_that_wait_for_one_order_take_back_what_it_fills_once() -> None:
    first = order(1, m.Side.BUY, 340, 0, T.OTO, F.COMPLETE_FILL)
    others = [
        order(number, m.Side.SELL, quantity, 0, T.OTO, F.COMPLETE_FILL)
        for number, quantity in ((2, 340), (3, 340), (4, 170))
    ]
    assert sum(quantity for o, quantity in counted([first, *others]) if o is not first) == 510


def test_a_smaller_quantity_on_its_way_takes_back_less() -> None:
    first = order(1, m.Side.BUY, 300, 0, T.OTO, F.COMPLETE_FILL)
    other = order(2, m.Side.SELL, 300, 0, T.OTO, F.COMPLETE_FILL)
    first.apply(m.OrderTrigger.REPLACE_SENT, 2, Facts(quantity=D(100)))
    assert dict(zip("12", (q for _, q in counted([first, other])), strict=True)) == {
        "1": D(300),
        "2": D(200),
    }


@pytest.mark.parametrize(("trigger", "both"), [(0, 450), (1, 320)])
def test_one_order_of_somebody_else_can_hit_both_that_rest_in_the_book(
    trigger: int, both: int
) -> None:
    first = order(1, m.Side.SELL, 320, 0, T.OCO, F.FIRST_HIT)
    other = order(2, m.Side.SELL, 130, 0, T.OCO, F.FIRST_HIT, trigger)
    assert sum(quantity for _, quantity in counted([first, other])) == both


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
