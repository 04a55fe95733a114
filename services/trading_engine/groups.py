"""Linked orders: how much each of a group may still fill beyond what the others may.

Of two that cancel each other only the larger counts, if they are on one side and one of them waits
for a price that triggers it. Two that both rest in the book, or will, both count: one order of
somebody else can hit both before either is cancelled. An order that waits
for the whole execution of a first one on the other side (COMPLETE_FILL, or INCREMENTAL in
proportion) adds only what goes beyond that one; several of them, what they go beyond it together.
On FIRST_HIT it counts in full: one unit of the first order makes all of it live.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from common import messages as m
from common.domain.order import Order
from common.messages import ContingencyType as T, FillCondition

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
    taken_back = ZERO if first is None or kind is T.OCO else _sure(first)
    for order in group:
        quantity = ZERO if _is_lesser(order, legs) else leaves_of(order)
        if first is not None and _takes_back(order, first):
            part = min(quantity, taken_back)
            quantity, taken_back = quantity - part, taken_back - part
        yield order, quantity


def exclude_each_other(
    one: m.OrderUpdated | m.PlaceOrder, other: m.OrderUpdated | m.PlaceOrder
) -> bool:
    """Two legs of a pair, of which only one can fill."""
    prices = one.trigger_price, one.trigger_offset, other.trigger_price, other.trigger_offset
    return one.side is other.side and any(price is not None for price in prices)


def _sure(order: Order) -> Decimal:
    """What it fills at least before it is filled whole."""
    if order.is_final:
        return ZERO
    leaves, wanted = order.state.leaves_quantity, order.wanted
    if wanted is None or wanted.quantity is None:
        return leaves
    return max(ZERO, min(leaves, wanted.quantity - order.state.cum_quantity))


def _takes_back(order: Order, first: Order) -> bool:
    """It trades only when the first one has filled whole, and against it."""
    waits = order.state.fill_condition in (FillCondition.COMPLETE_FILL, FillCondition.INCREMENTAL)
    return waits and order is not first and order.state.side is not first.state.side


def _is_lesser(order: Order, legs: list[Order]) -> bool:
    """The other leg of its pair excludes it and is larger; of equal ones the later gives way.

    A leg that filled in part has cancelled or cut the other one, or soon will have.
    """
    if order not in legs:
        return False
    position = legs.index(order)
    return any(
        (leaves_of(other), -index) > (leaves_of(order), -position)
        for index, other in enumerate(legs)
        if other is not order and exclude_each_other(other.state, order.state)
    )
