"""Parents: the larger orders that strategies carry out in parts, and how much of each is used."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import msgspec

from common import messages as m
from common.domain.order import Order
from common.domain.risk import ZERO, Parent

KEPT = 10_000


class _Sum(msgspec.Struct):
    """used: of all parts; parts: what each of them counts with, if anything. Of a part that ended
    that is what it filled, of an open one its whole quantity."""

    instrument: str
    side: m.Side
    quantity: Decimal
    used: Decimal = ZERO
    parts: dict[str, Decimal] = {}


class Parents:
    """By owner and name, the longest unused ones are forgotten first."""

    def __init__(self) -> None:
        self._sums: OrderedDict[tuple[str, str], _Sum] = OrderedDict()

    def find(self, owner: str, name: str, without: str = "") -> Parent | None:
        """without: a part that does not count, since it is about to change."""
        if not name or (owner, name) not in self._sums:
            return None
        found = self._sums[owner, name]
        used = found.used - found.parts.get(without, ZERO)
        return Parent(found.instrument, found.side, found.quantity, used)

    def note(self, order: Order) -> None:
        """A part is new, or changed."""
        state = order.state
        if not state.parent or state.parent_quantity is None:
            return
        terms = (state.instrument, state.side, state.parent_quantity)
        known = self._keep((state.owner, state.parent), *terms)
        wanted = order.wanted.quantity if order.wanted is not None else None
        counts = state.cum_quantity if order.is_final else max(state.quantity, wanted or ZERO)
        known.used += counts - known.parts.get(state.client_order_id, ZERO)
        if counts:
            known.parts[state.client_order_id] = counts
        else:  # a parent may live as long as its strategy
            known.parts.pop(state.client_order_id, None)

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
