"""Links between orders: what the execution or the end of one does to the others.

A primary order has secondary ones, which lie dormant until its execution places them. As with a
stop, what is then placed is an order of its own; a dormant order that is placed in parts (on the
condition INCREMENTAL) makes one that grows. A pair has two legs: what happens to an order of one
leg cancels or reduces the orders of the other. A stop that triggers hands its links on.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from common.venues.simulation import (
    ZERO,
    CancelReason,
    FillCondition,
    LinkKind,
    LinkRequest,
    OrderRequest,
    OrderState,
    Placed,
    Refused,
    SimulatedRefusal,
)
from services.venue_simulator.execution import Execution
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import ClientOrder, Link, Pair
from services.venue_simulator.state import State

COUNTS = {LinkKind.CANCELS: (1, 1), LinkKind.TRIGGERS_PAIR: (2, 2), LinkKind.TRIGGERS: (1, 10)}
REASONS = {
    SimulatedRefusal.NOT_ENOUGH_FUNDS: CancelReason.NOT_ENOUGH_FUNDS,
    SimulatedRefusal.REDUCE_ONLY: CancelReason.REDUCE_ONLY,
    SimulatedRefusal.SELF_TRADE: CancelReason.SELF_TRADE,
}
GoLive = Callable[[ClientOrder, Listing], Placed | Refused]
Grow = Callable[[ClientOrder, Decimal], bool]


def check_links(request: OrderRequest) -> Refused | None:
    """The number of orders, and that they stay with the instrument."""
    if request.link is None:
        return None
    least, most = COUNTS[request.link.kind]
    others = request.link.orders
    fits = least <= len(others) <= most
    if fits and all(other.symbol == request.symbol and other.link is None for other in others):
        return None
    return Refused(SimulatedRefusal.LINK_NOT_ALLOWED, "link", Decimal(most))


class Links:
    """Acts on what the exchange did to linked orders.

    Args:
        go_live: sends an order into the book, or lets it wait for its trigger.
        grow: adds a quantity to an open order; whether it could.
    """

    def __init__(self, state: State, execution: Execution, go_live: GoLive, grow: Grow) -> None:
        self._state, self._execution = state, execution
        self._go_live, self._grow = go_live, grow
        self._running = False

    def place(self, order: ClientOrder, asked: LinkRequest, listing: Listing) -> Placed | Refused:
        """Send an order and, if it is taken, let its others lie dormant or go live too.

        What follows from its own execution is left to the next run().
        """
        others = self._prepare(order, asked)
        self._running = True
        placed = self._go_live(order, listing)
        if isinstance(placed, Placed):
            for other in others:
                self._enter(other, order, listing)
        self._running = False
        return placed

    def _enter(self, other: ClientOrder, order: ClientOrder, listing: Listing) -> None:
        if _link(other).is_dormant:
            self._state.add_order(other)
            self._state.report_order(other)
        elif order.number in self._state.orders or order.state is OrderState.TRIGGERED:
            self._place(other, listing)
        else:
            self._execution.cancel(other, CancelReason.OTHER_CLOSED)

    def _prepare(self, order: ClientOrder, asked: LinkRequest) -> list[ClientOrder]:
        """Make the others, and the links between them all."""
        state = self._state
        others = [
            ClientOrder(next(state.order_numbers), order.account, request, state.now_ns)
            for request in asked.orders
        ]
        order.link = Link(asked.condition)
        for other in others:
            other.state = OrderState.UNTRIGGERED
            other.link = Link(asked.condition)
        if asked.kind is LinkKind.CANCELS:
            _pair(order, others[0])
            return others
        order.link.secondaries = others
        order.link.triggers_pair = asked.kind is LinkKind.TRIGGERS_PAIR
        for other in others:
            _link(other).primary, _link(other).is_dormant = order.number, True
        if order.link.triggers_pair:
            _pair(*others)
        return others

    def run(self) -> None:
        """Do what follows from all that happened to linked orders, and from that in turn."""
        if self._running:
            return
        self._running = True
        linked = self._state.linked
        while linked:
            order = linked.pop(next(iter(linked)))
            if order.state is not OrderState.TRIGGERED:
                self._follow_primary(order)
                self._follow_pair(order)
        self._running = False

    # primary and secondaries

    def _follow_primary(self, order: ClientOrder) -> None:
        waiting = [other for other in _link(order).secondaries if other.is_waiting]
        if not waiting:
            return
        listing = self._state.listings[order.symbol]
        for other in waiting:
            if self._is_hit(order):
                self._release(other, order, listing)
            if other.is_waiting and order.state is OrderState.CANCELED:
                self._execution.withdraw(other, CancelReason.PRIMARY_CLOSED)

    def _is_hit(self, order: ClientOrder) -> bool:
        """Its execution acts on the others now."""
        if _link(order).condition is FillCondition.COMPLETE_FILL:
            return order.state is OrderState.FILLED
        return order.cum_quantity > 0

    def _release(self, other: ClientOrder, primary: ClientOrder, listing: Listing) -> None:
        """Place a dormant order, or the part that the primary's fills are worth."""
        link = _link(other)
        due = other.quantity - link.placed
        if link.condition is FillCondition.INCREMENTAL:
            due = _in_lots(other.quantity * primary.cum_quantity / primary.quantity, listing)
            due -= link.placed
        if due <= 0:
            return
        before = self._state.orders.get(link.born) if link.born is not None else None
        grown = before is not None and self._grow(before, due)
        if not grown and due < listing.definition.min_quantity:
            return  # waits for more
        link.placed += due
        if other.is_waiting and link.placed >= other.quantity:
            other.state, other.updated_ns = OrderState.TRIGGERED, self._state.now_ns
            self._state.close_order(other)
        if not grown:
            self._bear(other, due, listing)

    def _bear(self, other: ClientOrder, quantity: Decimal, listing: Listing) -> None:
        born = ClientOrder(
            next(self._state.order_numbers), other.account, other.request, self._state.now_ns
        )
        born.restore(other.terms())
        born.quantity = quantity
        link = _link(other)
        born.link = Link(link.condition, primary=link.primary, secondary=other.number)
        link.born = born.number
        if link.pair is not None:
            link.pair.join(other, born)
            born.link.pair = link.pair
        self._place(born, listing)

    def _place(self, order: ClientOrder, listing: Listing) -> None:
        order.state = OrderState.OPEN
        placed = self._go_live(order, listing)
        if isinstance(placed, Refused):
            reason = REASONS.get(placed.reason, CancelReason.UNFILLED_REST)
            self._execution.cancel(order, reason)

    # pairs

    def _follow_pair(self, order: ClientOrder) -> None:
        link = _link(order)
        if link.pair is None or order.cancel_reason is CancelReason.OTHER_CLOSED:
            return
        others = self._open(link.pair.opposite(order))
        if order.state is OrderState.CANCELED:
            others += self._open(link.pair.leg(order))
        elif link.is_dormant:
            return
        elif link.condition is FillCondition.INCREMENTAL:
            self._reduce(order, others)
            return
        elif not self._is_hit(order):
            return
        for other in others:
            self._execution.withdraw(other, CancelReason.OTHER_CLOSED)

    def _open(self, orders: list[ClientOrder]) -> list[ClientOrder]:
        return [order for order in orders if order.number in self._state.orders]

    def _reduce(self, order: ClientOrder, others: list[ClientOrder]) -> None:
        """Take from the other leg what the new fills of this one are worth."""
        link = _link(order)
        filled, link.counted = order.cum_quantity - link.counted, order.cum_quantity
        if not filled:
            return
        part = filled / (order.quantity - order.cum_quantity + filled)
        for other in others:
            if _link(other).is_dormant:
                continue
            listing = self._state.listings[other.symbol]
            kept = other.leaves_quantity - _in_lots(other.leaves_quantity * part, listing)
            self._execution.cut(listing, other, kept, CancelReason.OTHER_CLOSED)


def _pair(first: ClientOrder, second: ClientOrder) -> None:
    _link(first).pair = _link(second).pair = Pair(first.number, first, second)


def _link(order: ClientOrder) -> Link:
    if order.link is None:
        raise ValueError(f"order {order.number} has no links")
    return order.link


def _in_lots(quantity: Decimal, listing: Listing) -> Decimal:
    lot = listing.definition.lot_size
    return max(ZERO, quantity // lot * lot)
