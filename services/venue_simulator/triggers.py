"""TriggerBook: the stop orders of one instrument that wait for a price."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from common.messages import TriggerPrice


class Trigger(NamedTuple):
    source: TriggerPrice
    rising: bool  # met at or above the threshold; else at or below
    threshold: Decimal

    def is_met(self, price: Decimal) -> bool:
        return price >= self.threshold if self.rising else price <= self.threshold


class TriggerBook:
    """Waiting orders by number, oldest first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[int, Trigger] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, number: int, trigger: Trigger) -> None:
        """An order that is already waiting goes to the back."""
        self._waiting.pop(number, None)
        self._waiting[number] = trigger

    def remove(self, number: int) -> None:
        self._waiting.pop(number, None)

    def take_due(self, source: TriggerPrice, price: Decimal) -> list[int]:
        """Remove and return the orders whose trigger this price meets, oldest first."""
        due = [
            number
            for number, trigger in self._waiting.items()
            if trigger.source is source and trigger.is_met(price)
        ]
        for number in due:
            del self._waiting[number]
        return due
