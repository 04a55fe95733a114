"""The ledger of an account: every change of its balances, and what caused it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

from common.venues.simulation import (
    ZERO,
    LedgerEntry,
    LedgerKind,
    Settlement,
    SimulatedFill,
)


class Ledger:
    """Compares the balances with those of the last entry, so that it always adds up."""

    def __init__(
        self,
        balances: Mapping[str, Decimal],
        history: int,
        equity: Callable[[str], Decimal] = lambda currency: ZERO,
    ) -> None:
        self._balances = balances
        self._equity = equity
        self._noted = dict(balances)
        self._numbers = itertools.count(1)
        self.entries: deque[LedgerEntry] = deque(maxlen=history)

    def write(
        self,
        kind: LedgerKind,
        currency: str,
        at_ns: int,
        *,
        fill: SimulatedFill | None = None,
        settlement: Settlement | None = None,
        other: str = "",
    ) -> LedgerEntry:
        """An entry for each currency that changed; at least for this one, which is returned."""
        changed = [name for name, held in self._balances.items() if held != self._before(name)]
        names = dict.fromkeys([*changed, currency])
        written = {}
        for name in names:
            held = self._balances.get(name, ZERO)
            written[name] = LedgerEntry(
                number=next(self._numbers),
                kind=kind,
                currency=name,
                change=held - self._before(name),
                balance=held,
                at_ns=at_ns,
                fill=fill,
                settlement=settlement,
                other=other,
                equity=self._equity(name),
            )
            self._noted[name] = held
        self.entries.extend(written.values())
        return written[currency]

    def _before(self, name: str) -> Decimal:
        return self._noted.get(name, ZERO)
