"""TriggerBook: the stop orders of one instrument that wait for a price."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from common.messages import TriggerPrice


class Trigger(NamedTuple):
    """offset: of a trailing one, whose threshold keeps this distance from the best price."""

    source: TriggerPrice
    rising: bool  # met at or above the threshold; else at or below
    threshold: Decimal
    offset: Decimal | None = None

    def is_met(self, price: Decimal) -> bool:
        return price >= self.threshold if self.rising else price <= self.threshold

    def follow(self, price: Decimal) -> Trigger:
        """The same trigger, moved if this is the best price so far."""
        if self.offset is None:
            return self
        moved = trailing(self.source, self.rising, price, self.offset)
        better = moved.threshold < self.threshold
        return moved if better is self.rising else self

    def with_offset(self, offset: Decimal) -> Trigger:
        """The same best price at another distance."""
        change = offset - (self.offset or offset)
        moved = self.threshold + (change if self.rising else -change)
        return self._replace(threshold=moved, offset=offset)


def trailing(source: TriggerPrice, rising: bool, best: Decimal, offset: Decimal) -> Trigger:
    return Trigger(source, rising, best + offset if rising else best - offset, offset)


class TriggerBook:
    """Waiting orders by number, oldest first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, Trigger] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, number: int, trigger: Trigger) -> None:
        """An order that is already waiting goes to the back; a trailing one remembers its best."""
        before = self._waiting.pop(number, None)
        if before is not None and trigger.offset is not None:
            trigger = before.with_offset(trigger.offset)
        self._waiting[number] = trigger

    def remove(self, number: int) -> None:
        self._waiting.pop(number, None)

    def take_due(self, source: TriggerPrice, price: Decimal) -> list[int]:
        """Remove and return the orders whose trigger this price meets, oldest first."""
        due = []
        for number, trigger in self._waiting.items():
            if trigger.source is not source:
                continue
            if trigger.is_met(price):
                due.append(number)
            elif trigger.offset is not None:
                self._waiting[number] = trigger.follow(price)
        for number in due:
            del self._waiting[number]
        return due
