"""What one strategy does again and again: the same order, and fills in quick succession."""

from __future__ import annotations

from collections import OrderedDict, deque
from decimal import Decimal

from common import messages as m

KEPT = 10_000
Same = tuple[str, str, m.Side, Decimal | None, Decimal]


class Repeats:
    """Counts within a time before now; remembers no more than it has to."""

    def __init__(self) -> None:
        self._sent: OrderedDict[Same, deque[int]] = OrderedDict()
        self._fills: dict[str, deque[int]] = {}

    def same_orders(self, order: m.PlaceOrder, since_ns: int) -> int:
        """Orders of the same owner, side, price and quantity sent since then."""
        times = self._sent.get(_key(order), deque())
        while times and times[0] <= since_ns:
            times.popleft()
        return len(times)

    def on_sent(self, order: m.PlaceOrder, now_ns: int) -> None:
        self._sent.setdefault(_key(order), deque()).append(now_ns)
        self._sent.move_to_end(_key(order))
        while len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    def on_fill(self, owner: str, at_ns: int, within_ns: int) -> int:
        """How many fills this owner had in that time, this one included."""
        times = self._fills.setdefault(owner, deque())
        times.append(at_ns)
        while times[0] <= at_ns - within_ns:
            times.popleft()
        return len(times)

    def forget_fills(self, owner: str) -> None:
        """A person enabled the strategy again: count anew."""
        self._fills.pop(owner, None)


def _key(order: m.PlaceOrder) -> Same:
    return order.owner, order.instrument, order.side, order.price, order.quantity
