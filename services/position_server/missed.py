"""Fills that the private link could not tell while it was down: what is still to be asked for.

The venue answers by currency, and an answer may fail or be cut off with the link; what was asked
for and not told to its end is asked for again, from the same beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

AGAIN_NS = 10_000_000_000
MARGIN_NS = 10_000_000_000  # the venue's clock is not ours, and a dead link is noticed late


class MissedFills:
    """since_ns: from when on fills may be missing; None before the first loss."""

    def __init__(self) -> None:
        self.since_ns: int | None = None
        self._asked_ns: dict[str, int] = {}  # by currency; unanswered
        self._told: set[str] = set()

    def lose(self, now_ns: int) -> None:
        """The link went down; what was missing before that and not told yet still is."""
        if self.since_ns is None or (self._told and not self._asked_ns):
            self.since_ns = now_ns - MARGIN_NS
        self._asked_ns.clear()
        self._told.clear()

    def due(self, currencies: Iterable[str], now_ns: int) -> list[str]:
        """The currencies to ask for now; they count as asked for."""
        if self.since_ns is None:
            return []
        due = [each for each in sorted(currencies) if self._is_due(each, now_ns)]
        self._asked_ns |= dict.fromkeys(due, now_ns)
        return due

    def tell(self, currency: str) -> None:
        """All of this currency have come."""
        self._asked_ns.pop(currency, None)
        self._told.add(currency)

    def _is_due(self, currency: str, now_ns: int) -> bool:
        asked_ns = self._asked_ns.get(currency)
        is_late = asked_ns is None or now_ns - asked_ns >= AGAIN_NS
        return is_late and currency not in self._told
