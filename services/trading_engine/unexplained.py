"""Positions that change without any fill: delivered at expiry, transferred, set by the venue.

Each time the account is read in whole, its positions are compared with those of the last time and
the fills since. What stays different when it is read once more is taken over and told, and trading
is reduced as after an order from outside; only deliveries at expiry are expected. See
docs/decisions/liquidations-reduce.md.
"""

from __future__ import annotations

from decimal import Decimal

from common import core as c, messages as m
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.reports import Reports
from services.trading_engine.state import EngineState

AGAIN_NS = 300_000_000
ZERO = Decimal(0)


class Unexplained:
    """Finds what no fill explains."""

    def __init__(self, state: EngineState, reports: Reports, doubts: Reconciler) -> None:
        self._state = state
        self._reports = reports
        self._doubts = doubts
        self._expected: dict[str, Decimal] | None = None  # None: the account was not read yet
        self._suspects: set[str] = set()  # differed when the account was last read

    def on_difference(self, told: m.PositionDifference, now_ns: int) -> None:
        """The position server counts another position than the venue: do we, too?"""
        held = self._state.store.positions.get(told.instrument, ZERO)
        if self._state.is_ready and held != told.theirs:
            self._doubts.sync_soon(now_ns, 0)

    def on_read(self, now_ns: int) -> None:
        """The account was read in whole, with all fills until then."""
        if self._reports.is_base_unsure:
            return  # and it will be read again
        held, moved = dict(self._state.store.positions), self._state.store.take_moves()
        before, self._expected = self._expected, held
        if before is None:
            return
        suspects = set()
        for name in sorted(before.keys() | held.keys() | moved.keys()):
            expected = before.get(name, ZERO) + moved.get(name, ZERO)
            theirs = held.get(name, ZERO)
            if theirs == expected:
                continue
            if name in self._suspects:
                self._tell(name, expected, theirs, now_ns)
            else:
                suspects.add(name)
                held[name] = expected
        self._suspects = suspects
        if suspects:
            self._doubts.sync_soon(now_ns, AGAIN_NS)

    def look(self, now_ns: int) -> None:
        """A fill of the moment of reading may count twice or not at all: read once more."""
        if self._reports.is_base_unsure and self._state.is_ready:
            self._doubts.sync_soon(now_ns, AGAIN_NS)

    def _tell(self, name: str, ours: Decimal, theirs: Decimal, now_ns: int) -> None:
        out = self._state.out
        out.add(c.Count("positions_unexplained"))
        text = "a position changed without a fill: taken over from the venue"
        out.alert("WARNING", text, instrument=name, ours=str(ours), theirs=str(theirs))
        if theirs or not self._has_expired(name, now_ns):
            self._reports.reduce(f"the position in {name} changed without a fill")

    def _has_expired(self, name: str, now_ns: int) -> bool:
        known = self._state.market.instrument(name)
        expiration_ns = known.definition.expiration_ns if known else None
        return expiration_ns is not None and expiration_ns <= now_ns
