"""Linked orders: how much each of a group may still fill beyond what the others may.

Of two that cancel each other only the larger counts, if they are on one side. An order that waits
for the whole execution of a first one on the other side (COMPLETE_FILL, or INCREMENTAL in
proportion) adds only what goes beyond that one. On FIRST_HIT it counts in full: one unit of the
first order makes all of it live.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from common.domain.order import Order
from common.messages import ContingencyType as T
from common.messages import FillCondition

ZERO = Decimal(0)


def leaves_of(order: Order) -> Decimal:
    """What an order may still fill; a modify under way counts with the larger quantity."""
    if order.is_final:
        return ZERO
    wanted = order.wanted.quantity if order.wanted is not None else None
    return max(order.state.leaves_quantity, (wanted or ZERO) - order.state.cum_quantity)


def counted(group: Sequence[Order]) -> Iterator[tuple[Order, Decimal]]:
    """Each order of one group, of which some may not be known any more, with what it counts."""
    first = next((order for order in group if not order.state.is_secondary), None)
    secondaries = [order for order in group if order.state.is_secondary]
    kind = group[0].state.contingency_type
    legs = list(group) if kind is T.OCO else secondaries if kind is T.OTOCO else []
    for order in group:
        quantity = leaves_of(order)
        if first is not None and order is not first and kind is not T.OCO:
            quantity = _beyond(order, first, quantity)
        yield order, ZERO if _is_lesser(order, legs) else quantity


def _beyond(order: Order, first: Order, quantity: Decimal) -> Decimal:
    waits = order.state.fill_condition in (FillCondition.COMPLETE_FILL, FillCondition.INCREMENTAL)
    if waits and order.state.side is not first.state.side:
        return max(ZERO, quantity - leaves_of(first))
    return quantity


def _is_lesser(order: Order, legs: list[Order]) -> bool:
    """The other leg of its pair is on the same side and larger; of equal ones the later gives way.

    A leg that filled in part has cancelled or cut the other one, or soon will have.
    """
    if order not in legs:
        return False
    position = legs.index(order)
    return any(
        (leaves_of(other), -index) > (leaves_of(order), -position)
        for index, other in enumerate(legs)
        if other is not order and other.state.side is order.state.side
    )
