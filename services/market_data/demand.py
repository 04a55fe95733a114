"""Demand: which streams of the venue the readers of our topics need.

The last reader's stream goes on for a while, so that a client that reconnects finds it running.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from common.venues.streams import Stream, StreamKind

STREAM_KINDS = {
    "book": StreamKind.BOOK,
    "depth": StreamKind.BOOK,
    "quote": StreamKind.BOOK,
    "trade": StreamKind.TRADE,
    "ticker": StreamKind.TICKER,
    "index": StreamKind.INDEX,
}
INDEX_NAME = re.compile(r"[A-Za-z0-9_]{1,64}\Z")


class Demand:
    """Topics are kept in sets: the bus reports every join, but only the last leave."""

    def __init__(self, venue: str, linger_ns: int) -> None:
        self._prefix = f"{venue}."
        self._linger_ns = linger_ns
        self._topics: dict[Stream, set[str]] = {}
        self._ends: dict[Stream, int] = {}

    def stream_of(self, topic: str) -> Stream | None:
        """What the topic needs; None if it needs nothing of this venue."""
        word, _, name = topic.partition(".")
        kind = STREAM_KINDS.get(word)
        if kind is None or not name.startswith(self._prefix):
            return None
        if kind is not StreamKind.INDEX:
            return Stream(kind, name)
        index = name.removeprefix(self._prefix)
        return Stream(kind, index) if INDEX_NAME.match(index) else None

    def join(self, stream: Stream, topic: str) -> None:
        self._topics.setdefault(stream, set()).add(topic)
        self._ends.pop(stream, None)

    def leave(self, stream: Stream, topic: str, now_ns: int) -> None:
        topics = self._topics.get(stream)
        if topics is None:
            return
        topics.discard(topic)
        if not topics:
            del self._topics[stream]
            self._ends[stream] = now_ns + self._linger_ns

    def ended(self, now_ns: int) -> list[Stream]:
        """The streams that nobody has read for the linger time; each is told once."""
        due = [stream for stream, end_ns in self._ends.items() if now_ns >= end_ns]
        for stream in due:
            del self._ends[stream]
        return due

    def wanted(self) -> Iterable[Stream]:
        """Streams with a reader, or that had one a moment ago."""
        return [*self._topics, *self._ends]
