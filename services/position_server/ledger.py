"""One instrument of the account: what we made of the fills, what the venue says, and who is right.

The venue's first list of positions is the baseline. A fill from before it is inside it already and
only tells what was realised earlier; a fill from after it is added. Venue times decide, but
they are coarse: a fill within the time of the list itself is in doubt until the venue names a
quantity from after it, which fits with or without it. Where it fits only with it, another fill may
be missing instead, so all are asked for first, and ours stays unconfirmed. Fills arrive from the
engine and from the venue; exec_id makes them one.

Afterwards the venue's word confirms ours. When the two differ and nothing happens for SETTLE_NS the
difference is told, missing fills are asked for, and if none explain it theirs replaces ours. From
then on that list is the baseline of the quantity: a fill from before it that turns up later is in
it, and only its fee is still to be counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

import msgspec

from common.domain.instrument import Instrument, exact
from common.domain.position import Position, replay
from common.messages import Fill, InstrumentKind
from common.venues.accounts import PositionReport

ZERO = Decimal(0)
NS_PER_MS = 1_000_000
SETTLE_NS = 2_000_000_000
AGAIN_NS = 10_000_000_000  # fills that were asked for and never came are asked for again
TIME_STEP_NS = NS_PER_MS  # venue times of fills are in ms
MOST_SEEN = 20_000


class Baseline(msgspec.Struct, frozen=True):
    """When the venue's list of positions was true: at some time from `from_ns` to `to_ns`."""

    from_ns: int
    to_ns: int

    def has(self, fill: Fill) -> bool:
        """Certainly inside: its time, known to the ms, was over before the list was true."""
        return fill.filled_ns + TIME_STEP_NS <= self.from_ns

    def may_have(self, fill: Fill) -> bool:
        return fill.filled_ns <= self.to_ns


def average_of(report: PositionReport) -> Decimal | None:
    """The venue's average price; its mark where it names none, so that profit counts from now."""
    if report.average_price is not None or not report.quantity or not report.mark_price:
        return report.average_price
    return exact(report.mark_price)


class _Doubtful(msgspec.Struct, frozen=True):
    fill: Fill
    seen_ns: int


class Step(Enum):
    """What to do about a difference."""

    NOTHING = "nothing"
    ASK = "ask"  # tell it, and ask for fills that we miss
    REPAIR = "repair"


class Ledger:
    """Holds the fills back until both the instrument's definition and the baseline are known."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.position: Position | None = None
        self.report: PositionReport | None = None
        self.realized_before = ZERO  # by fills from before the baseline
        self.fees_before = ZERO
        self.differs_since_ns: int | None = None
        self.is_told = False  # the difference
        self.asked_ns: int | None = None
        self._is_answered = False
        self._instrument: Instrument | None = None
        self._baseline: Baseline | None = None
        self._listed: Baseline | None = None  # of `report`; None when it came with a change
        self._repaired: Baseline | None = None  # of the quantity that replaced ours
        self._opening: tuple[Decimal, Decimal | None] = (ZERO, None)
        self._seen: dict[str, int] = {}  # exec_id -> venue time
        self._forgotten_ns = 0  # older fills count as seen
        self._waiting: list[Fill] = []
        self._earlier: list[Fill] = []
        self._doubtful: list[_Doubtful] = []  # in order of venue time
        self._active_ns = 0
        self._heard_ns = 0

    @property
    def instrument(self) -> Instrument | None:
        return self._instrument

    @property
    def quantity(self) -> Decimal:
        """Ours; the venue's while ours cannot be counted yet."""
        if self.position is not None:
            return self.position.quantity
        return self.report.quantity if self.report else ZERO

    @property
    def theirs(self) -> Decimal:
        return self.report.quantity if self.report else ZERO

    @property
    def is_compared(self) -> bool:
        """Venues report no positions of spot instruments: those are ours alone."""
        is_spot = (
            self._instrument is not None and self._instrument.definition.kind is InstrumentKind.SPOT
        )
        return self.position is not None and not (is_spot and self.report is None)

    @property
    def is_confirmed(self) -> bool:
        return self.is_compared and self.quantity == self.theirs

    @property
    def is_used(self) -> bool:
        """Worth showing: open, or traded while we looked."""
        used = bool(self.quantity)
        if self.position is not None:
            used = used or bool(self.position.realized_pnl or self.position.fees)
        return used or bool(self.realized_before or self.fees_before)

    @property
    def realized_pnl(self) -> Decimal:
        return self.realized_before + (self.position.realized_pnl if self.position else ZERO)

    @property
    def fees(self) -> Decimal:
        ours = self.position.fees_in_currency() if self.position else ZERO
        return self.fees_before + ours

    @property
    def counts_from_ns(self) -> int:
        """Fills from before are inside the quantity, or too old to be told apart."""
        baseline = self._repaired or self._baseline
        return max(baseline.from_ns - TIME_STEP_NS if baseline else 0, self._forgotten_ns)

    def define(self, instrument: Instrument, now_ns: int) -> None:
        """Its rules are known, or changed."""
        self._instrument = instrument
        if self.position is not None:
            self.position.instrument = instrument
        else:
            self._open(now_ns)

    def start(self, baseline: Baseline, report: PositionReport | None, now_ns: int) -> None:
        """The venue's first word; None means flat."""
        self.report = report
        if self._baseline is None:
            self._baseline = baseline
            if report is not None:
                self._opening = (report.quantity, average_of(report))
            self._open(now_ns)

    def add(self, fills: Iterable[Fill], now_ns: int) -> bool:
        """Count fills that were not seen before.

        Returns:
            Whether anything changed.
        """
        fresh = []
        for fill in fills:
            if fill.exec_id not in self._seen and fill.filled_ns > self._forgotten_ns:
                self._seen[fill.exec_id] = fill.filled_ns
                fresh.append(fill)
        while len(self._seen) > MOST_SEEN:
            filled_ns = self._seen.pop(next(iter(self._seen)))
            self._forgotten_ns = max(self._forgotten_ns, filled_ns)
        if self.position is None:
            self._waiting += fresh
        elif fresh:
            self._count(fresh, now_ns)
        return bool(fresh)

    def hear(
        self, report: PositionReport | None, listed: Baseline, asked_ns: int, now_ns: int
    ) -> None:
        """The venue listed us; None means flat. asked_ns: when it was asked, 0 if unknown."""
        self._heard_ns, self._listed = asked_ns, listed
        known = [each.fill for each in self._doubtful if each.seen_ns < asked_ns]
        # Another fill that we do not have may be the difference, until all were asked for.
        has_all = self._is_answered and self.asked_ns is not None
        self._take(report, known, now_ns, has_all)

    def change(self, fills: list[Fill], report: PositionReport | None, now_ns: int) -> bool:
        """The venue told fills, and the position right after the last of them if it says so.

        Returns:
            Whether any fill was new.
        """
        is_new = self.add(fills, now_ns)
        if report is not None:
            self._listed = None
            ids = {fill.exec_id for fill in fills}
            last = max(
                (n for n, d in enumerate(self._doubtful) if d.fill.exec_id in ids), default=-1
            )
            self._take(report, [each.fill for each in self._doubtful[: last + 1]], now_ns, True)
        return is_new

    def next_step(self, now_ns: int) -> Step:
        """What a difference calls for now."""
        if self.differs_since_ns is None:
            return Step.NOTHING
        if now_ns - max(self._active_ns, self.differs_since_ns) < SETTLE_NS:
            return Step.NOTHING
        if self.asked_ns is None:
            return Step.ASK
        if not self._is_answered:
            return Step.ASK if now_ns - self.asked_ns >= AGAIN_NS else Step.NOTHING
        # The list must be younger than the question and than every fill that we counted.
        is_proof = self._listed is not None and self._heard_ns >= max(
            self.asked_ns, self._active_ns
        )
        return Step.REPAIR if is_proof else Step.NOTHING

    def ask(self, now_ns: int) -> None:
        """The difference was told and missing fills asked for."""
        self.is_told = True
        self.asked_ns, self._is_answered = now_ns, False

    def answer(self) -> None:
        """All fills that were asked for have come."""
        self._is_answered = self.asked_ns is not None

    def lose_link(self) -> None:
        """What was asked will not be answered; what differs is seen again with the next list."""
        self.differs_since_ns = self.asked_ns = None

    def repair(self, mark_price: Decimal | None) -> None:
        """Take the venue's quantity and average; what that closes counts as closed at the mark."""
        assert self.position is not None and self._listed is not None
        change = self.theirs - self.quantity
        if mark_price and self.quantity * change < 0:
            size = min(abs(change), abs(self.quantity))
            self.position.trade(size if change > 0 else -size, mark_price)
        average = average_of(self.report) if self.report else None
        self.position.open_at(self.theirs, average)
        self._repaired = self._listed
        for doubtful in self._doubtful:
            self.position.pay_fee(doubtful.fill)
        self._doubtful.clear()
        self._agree()

    def _agree(self) -> None:
        self.differs_since_ns = self.asked_ns = None
        self.is_told = False

    def _open(self, now_ns: int) -> None:
        if self._instrument is None or self._baseline is None:
            return
        self.position = Position(self._instrument)
        self.position.open_at(*self._opening)
        waiting, self._waiting = self._waiting, []
        self._count(waiting, now_ns)
        self._take(self.report, [], now_ns, False)

    def _take(
        self, report: PositionReport | None, known: list[Fill], now_ns: int, has_all: bool
    ) -> None:
        """A report that is younger than these doubtful fills; has_all: and no other is missing."""
        self.report = report
        if self.position is None or not self.is_compared:
            return
        self._settle_doubts(known, now_ns, has_all)
        if self.quantity == self.theirs:
            self._agree()
        elif self.differs_since_ns is None:
            self.differs_since_ns = now_ns

    def _count(self, fills: list[Fill], now_ns: int) -> None:
        assert self.position is not None and self._baseline is not None
        latest = self._repaired or self._baseline
        inside = []
        for fill in sorted(fills, key=lambda each: each.filled_ns):
            if latest.has(fill):
                inside.append(fill)
            elif not latest.may_have(fill):
                self.position.apply(fill)
                self._active_ns = now_ns
            else:
                self._doubtful.append(_Doubtful(fill, now_ns))
        self._doubtful.sort(key=lambda each: each.fill.filled_ns)
        self._count_inside(inside)

    def _count_inside(self, fills: list[Fill]) -> None:
        """Fills that the baseline's quantity has: what they realised is a matter of the past.

        What those between the first baseline and a repair realised, the repair has guessed.
        """
        assert self.position is not None and self._baseline is not None
        count_earlier = len(self._earlier)
        for fill in fills:
            if self._repaired is None or self._baseline.has(fill):
                self._earlier.append(fill)
            else:
                self.position.pay_fee(fill)
        if len(self._earlier) > count_earlier:
            self._count_earlier()

    def _count_earlier(self) -> None:
        assert self._instrument is not None
        self._earlier.sort(key=lambda each: each.filled_ns)
        past = replay(self._instrument, self._earlier, *self._opening)
        self.realized_before, self.fees_before = past.realized_pnl, past.fees_in_currency()

    def _settle_doubts(self, known: list[Fill], now_ns: int, has_all: bool) -> None:
        """Of these fills, oldest first, some were in the baseline and those after them were not:
        as many as make our quantity theirs."""
        assert self.position is not None
        change = ZERO
        for inside in range(len(known), -1, -1):
            if self.quantity + change == self.theirs:
                break
            if not inside:
                return
            change += known[inside - 1].side.sign * known[inside - 1].last_quantity
        if inside < len(known) and not has_all:
            return
        for fill in known[inside:]:
            self.position.apply(fill)
            self._active_ns = now_ns
        self._count_inside(known[:inside])
        self._doubtful = self._doubtful[len(known) :]
