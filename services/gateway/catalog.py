"""The instruments of all venues: finding one by its id or by its symbol, and searching."""

from __future__ import annotations

import difflib
from typing import Any

from common import messages as m
from services.gateway.rows import row
from services.gateway.rpc import CallError

MAX_CANDIDATES = 8
MAX_EXPIRED = 5000


class Catalog:
    """What the venues list. Instruments that expired of late are found, but not searched."""

    def __init__(self) -> None:
        self._definitions: dict[str, m.InstrumentDefinition] = {}
        self._by_symbol: dict[str, list[str]] = {}
        self._status: dict[str, m.InstrumentStatus] = {}
        self._expired: dict[str, None] = {}  # oldest first
        self._dollar_indices: dict[tuple[str, str], str] = {}  # venue, currency
        self._parts: dict[str, set[int]] = {}  # of a venue's list, those still to come

    def __len__(self) -> int:
        return len(self._definitions)

    def get(self, instrument: str) -> m.InstrumentDefinition | None:
        return self._definitions.get(instrument)

    def add(self, definition: m.InstrumentDefinition) -> None:
        name = definition.instrument
        if name not in self._definitions:
            self._by_symbol.setdefault(definition.symbol, []).append(name)
        self._definitions[name] = definition
        if definition.quote == "USD" and definition.price_index:
            key = definition.venue, definition.base
            self._dollar_indices.setdefault(key, definition.price_index)
        self.set_status(name, definition.status)

    def add_list(self, part: m.InstrumentList) -> None:
        """One part of a venue's whole list."""
        if part.part == 0:
            self._parts[part.venue] = set(range(part.parts))
        self._parts.setdefault(part.venue, set(range(part.parts))).discard(part.part)
        for definition in part.instruments:
            self.add(definition)

    def dollar_index(self, venue: str, currency: str) -> str:
        """The venue's index of a currency's price in USD, "" if it has none."""
        return self._dollar_indices.get((venue, currency), "")

    def has_all(self, venue: str) -> bool:
        """Whether the whole list of the venue has come."""
        return not self._parts.get(venue, {0})

    def set_status(self, instrument: str, status: m.InstrumentStatus) -> None:
        if instrument not in self._definitions:
            return
        self._status[instrument] = status
        if status is not m.InstrumentStatus.EXPIRED:
            self._expired.pop(instrument, None)
            return
        self._expired[instrument] = None
        if len(self._expired) > MAX_EXPIRED:
            self._forget(next(iter(self._expired)))

    def _forget(self, instrument: str) -> None:
        definition = self._definitions.pop(instrument)
        del self._expired[instrument], self._status[instrument]
        names = self._by_symbol[definition.symbol]
        names.remove(instrument)
        if not names:
            del self._by_symbol[definition.symbol]

    def resolve(self, text: str, field: str = "instrument") -> str:
        """An instrument's id, from itself or from a symbol that only one venue has.

        Raises:
            CallError: AMBIGUOUS with the candidates, NOT_FOUND with those of similar names, or
                UNAVAILABLE before the first list of instruments has come.
        """
        if not self._definitions:
            words = "the venues' instruments are not known yet: market_data has not sent its list"
            raise CallError("UNAVAILABLE", words, field)
        if text in self._definitions:
            return text
        found = self._by_symbol.get(text, [])
        if len(found) == 1:
            return found[0]
        if found:
            words = f"{text!r} is traded at several venues: say which one"
            raise CallError("AMBIGUOUS", words, field, sorted(found)[:MAX_CANDIDATES])
        words = f"there is no instrument {text[:64]!r}"
        raise CallError("NOT_FOUND", words, field, self._similar(text))

    def _similar(self, text: str) -> list[str]:
        wanted = text.upper()[:64]
        starts = [name for name in self._definitions if wanted in name.upper()]
        if wanted and starts:
            return sorted(starts, key=len)[:MAX_CANDIDATES]
        if len(self._definitions) > 5000:
            return []
        return difflib.get_close_matches(text[:64], self._definitions, MAX_CANDIDATES, 0.75)

    def search(
        self,
        venue: str | None = None,
        kind: m.InstrumentKind | None = None,
        words: str | None = None,
        limit: int = 10_000,
    ) -> list[dict[str, Any]]:
        """Rows of the instruments that have all the words in their id or kind."""
        wanted = (words or "").upper().split()
        rows = []
        for name, definition in self._definitions.items():
            if self._status[name] is m.InstrumentStatus.EXPIRED:
                continue
            if venue not in (None, definition.venue) or kind not in (None, definition.kind):
                continue
            if wanted and not _has(definition, wanted):
                continue
            rows.append(row(definition) | {"status": self._status[name]})
            if len(rows) >= limit:
                break
        return rows


def _has(definition: m.InstrumentDefinition, words: list[str]) -> bool:
    text = f"{definition.instrument} {definition.kind} {definition.option_type or ''}".upper()
    return all(word in text for word in words)
