"""Snapshots that are too large for one message of the bus come in parts; see following.py."""

from __future__ import annotations

from common import messages as m

Part = m.OrderSnapshot | m.InstrumentList
ORDERS_IN_PART = 500  # far below 1 MiB, however long their texts are


def split(snapshot: m.OrderSnapshot) -> list[m.OrderSnapshot]:
    """The same in parts; at least one."""
    orders, size = snapshot.orders, ORDERS_IN_PART
    slices = [orders[start : start + size] for start in range(0, len(orders), size)] or [[]]
    names = snapshot.venue, snapshot.account, snapshot.owner
    return [
        m.OrderSnapshot(*names, part, number, len(slices)) for number, part in enumerate(slices)
    ]


def is_later(message: m.Event) -> bool:
    """A part that means nothing without the first one."""
    return isinstance(message, Part) and message.part > 0


class Gathering:
    """Puts parts together again."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, str], list[m.OrderSnapshot]] = {}

    def take(self, part: m.OrderSnapshot) -> m.OrderSnapshot | None:
        """The whole, once its last part is there. What does not follow on the part before it, of a
        snapshot for somebody else, is left out."""
        key = part.venue, part.account, part.owner
        held = [] if part.part == 0 else self._held.pop(key, [])
        if part.part != len(held):
            return None
        held.append(part)
        if len(held) < part.parts:
            self._held[key] = held
            return None
        self._held.pop(key, None)
        return m.OrderSnapshot(*key, [order for each in held for order in each.orders])
