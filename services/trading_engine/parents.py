"""Parents: the larger orders that strategies carry out in parts, and how much of each is used."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import msgspec

from common import messages as m
from common.domain.order import Order
from common.domain.risk import ZERO, Parent
from common.messages import ContingencyType as T

KEPT = 10_000


class _Part(msgspec.Struct):
    """An order, or two that cancel each other: by its name what each filled and may still fill."""

    legs: dict[str, tuple[Decimal, Decimal]] = {}

    @property
    def counts(self) -> Decimal:
        """All that was filled, and the larger of what is left."""
        filled = sum((filled for filled, _ in self.legs.values()), ZERO)
        return filled + max((left for _, left in self.legs.values()), default=ZERO)

    def filled_beside(self, name: str) -> Decimal:
        return sum((filled for leg, (filled, _) in self.legs.items() if leg != name), ZERO)


class _Sum(msgspec.Struct):
    """used: of all parts; parts: what is known of each, if it counts with anything."""

    instrument: str
    side: m.Side
    quantity: Decimal
    used: Decimal = ZERO
    parts: dict[str, _Part] = {}


class Parents:
    """By owner and name, the longest unused ones are forgotten first."""

    def __init__(self) -> None:
        self._sums: OrderedDict[tuple[str, str], _Sum] = OrderedDict()

    def find(self, owner: str, name: str, without: Order | None = None) -> Parent | None:
        """without: a part that does not count, since it is about to change."""
        if not name or (owner, name) not in self._sums:
            return None
        found, used = self._sums[owner, name], self._sums[owner, name].used
        if without is not None and (part := found.parts.get(_key(without.state))) is not None:
            used += part.filled_beside(without.state.client_order_id) - part.counts
        return Parent(found.instrument, found.side, found.quantity, used)

    def note(self, order: Order) -> None:
        """A part is new, or changed."""
        state = order.state
        if not state.parent or state.parent_quantity is None:
            return
        terms = (state.instrument, state.side, state.parent_quantity)
        known = self._keep((state.owner, state.parent), *terms)
        wanted = order.wanted.quantity if order.wanted is not None else None
        left = max(state.quantity, wanted or ZERO) - state.cum_quantity
        key, leg = _key(state), (state.cum_quantity, ZERO if order.is_final else left)
        part = known.parts.setdefault(key, _Part({}))
        known.used -= part.counts
        if any(leg):
            part.legs[state.client_order_id] = leg
        else:
            part.legs.pop(state.client_order_id, None)
        known.used += part.counts
        if not part.legs:  # a parent may live as long as its strategy
            del known.parts[key]

    def add_old(self, owner: str, name: str, known: Parent) -> None:
        """What parts that nobody remembers filled."""
        terms = (known.instrument, known.side, known.quantity)
        self._keep((owner, name), *terms).used += known.used

    def _keep(self, key: tuple[str, str], instrument: str, side: m.Side, quantity: Decimal) -> _Sum:
        found = self._sums.setdefault(key, _Sum(instrument, side, quantity, ZERO, {}))
        self._sums.move_to_end(key)
        while len(self._sums) > KEPT:
            self._sums.popitem(last=False)
        return found


def _key(state: m.OrderUpdated) -> str:
    """Of an order, or of both that cancel each other."""
    kind = state.contingency_type
    if kind is T.OCO or (kind is T.OTOCO and state.is_secondary):
        return f"{state.link_id}/"
    return state.client_order_id
