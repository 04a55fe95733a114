"""Instruments: the venue's definitions as last heard, and what of them has to be told."""

from __future__ import annotations

import msgspec

from common import messages as m
from common.domain.backoff import Backoff
from common.domain.instrument import COMBOS

NS_PER_S = 1_000_000_000
HOURLY_NS = 3600 * NS_PER_S
SOON_NS = 2 * NS_PER_S
PART = 500  # definitions in one message


class Instruments:
    """Definitions by name. Not loaded until the first list has come."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._definitions: dict[str, m.InstrumentDefinition] = {}
        self._legs: dict[str, list[tuple[str, m.Exact]]] = {}  # of combos, told apart from them
        self.loaded = False

    def __contains__(self, instrument: str) -> bool:
        return instrument in self._definitions

    def get(self, instrument: str) -> m.InstrumentDefinition | None:
        return self._definitions.get(instrument)

    def replace(
        self, definitions: list[m.InstrumentDefinition]
    ) -> tuple[list[m.InstrumentDefinition], list[str]]:
        """Take a new list.

        Returns:
            What is new or differs, and the names that are gone.
        """
        new = {definition.instrument: self._whole(definition) for definition in definitions}
        changed = [
            definition
            for name, definition in new.items()
            if self._definitions.get(name) != definition
        ]
        gone = [name for name in self._definitions if name not in new]
        self._definitions = new
        self.loaded = True
        return changed, gone

    def take_legs(self, legs: dict[str, list[tuple[str, m.Exact]]]) -> list[m.InstrumentDefinition]:
        """The legs of combos; returns the definitions that change by them."""
        self._legs |= legs
        changed, _ = self.replace(list(self._definitions.values()))
        return changed

    @property
    def lacks_legs(self) -> bool:
        """A combo is listed whose legs are not known."""
        return any(each.kind in COMBOS and not each.legs for each in self._definitions.values())

    def _whole(self, definition: m.InstrumentDefinition) -> m.InstrumentDefinition:
        legs = self._legs.get(definition.instrument)
        return msgspec.structs.replace(definition, legs=legs) if legs else definition

    def set_status(self, instrument: str, status: m.InstrumentStatus) -> bool:
        """True if that is news. An expired instrument stays until the next list."""
        definition = self._definitions.get(instrument)
        if definition is None or definition.status is status:
            return False
        self._definitions[instrument] = msgspec.structs.replace(definition, status=status)
        return True

    def parts(self) -> list[m.InstrumentList]:
        """The whole list, by name, in messages of at most PART definitions; at least one."""
        ordered = [self._definitions[name] for name in sorted(self._definitions)]
        pieces = [ordered[start : start + PART] for start in range(0, len(ordered), PART)] or [[]]
        return [
            m.InstrumentList(self._venue, number, len(pieces), piece)
            for number, piece in enumerate(pieces)
        ]


class Refresh:
    """When to ask the venue for its instruments: at the start, hourly, and soon after news."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._asked = False
        self._due_ns = 0

    def is_due(self, now_ns: int) -> bool:
        """Ask now? The answer is owed to on_answer or on_failure."""
        if self._asked or now_ns < self._due_ns:
            return False
        self._asked = True
        return True

    def hasten(self, now_ns: int) -> None:
        """There is news; it may come in numbers, as at the daily settlement."""
        self._due_ns = min(self._due_ns, now_ns + SOON_NS)

    def hurry(self) -> None:
        """Ask as soon as possible."""
        self._due_ns = 0

    def on_answer(self, now_ns: int) -> None:
        self._asked = False
        self._backoff.reset()
        self._due_ns = now_ns + HOURLY_NS

    def on_failure(self, now_ns: int) -> None:
        self._asked = False
        self._due_ns = now_ns + self._backoff.next_ns()
