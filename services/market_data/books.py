"""Books: the live order books, and what is published of them.

Changes are applied as they arrive and published once per pass of the loop: what happened to a book
within a pass becomes one delta. A book that is not proven right is stale: that is told at once, and
nothing else of it is published until it is whole again.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from common import messages as m
from common.core import CoreCommand, Publish
from common.domain.book import OrderBook
from common.venues.streams import BookChange, BookReset

CROSSED = "crossed"


class Condition(Enum):
    LIVE = auto()
    CROSSED = auto()  # followed, but not published; it may right itself
    STALE = auto()  # waits for a whole book


class LiveBook:
    """One book, the changes of this pass, and what was last published."""

    __slots__ = (
        "asks",
        "bids",
        "book",
        "changed_ns",
        "condition",
        "crossed_ns",
        "depth",
        "dirty",
        "instrument",
        "proven_ns",
        "quote",
        "reason",
        "received_ns",
        "venue_time_ns",
        "whole",
    )

    def __init__(self, instrument: str, now_ns: int) -> None:
        self.instrument = instrument
        self.book = OrderBook(instrument)
        self.condition = Condition.STALE
        self.reason = "waiting for the venue"
        self.bids: list[float] = []
        self.asks: list[float] = []
        self.whole = False  # publish all of it, not the changes
        self.dirty = False
        self.depth: m.Depth | None = None
        self.quote: m.Quote | None = None
        self.venue_time_ns = 0
        self.received_ns = 0
        self.changed_ns = now_ns  # when it last changed, or last began to wait
        self.proven_ns = now_ns  # when a check last found it right
        self.crossed_ns = 0

    @property
    def is_live(self) -> bool:
        return self.condition is Condition.LIVE

    def snapshot(self) -> m.BookSnapshot | m.BookStale:
        if not self.is_live:
            return m.BookStale(self.instrument, self.reason)
        return m.BookSnapshot(self.instrument, self.book.all_bids(), self.book.all_asks())

    def new_depth(self) -> m.Depth:
        if not self.is_live:
            return m.Depth(self.instrument, [], [], True)
        return m.Depth(self.instrument, self.book.top_bids(), self.book.top_asks())

    def new_quote(self) -> m.Quote:
        if not self.is_live:
            return m.Quote(self.instrument, None, 0.0, None, 0.0, True)
        bid, bid_quantity = self.book.best_bid or (None, 0.0)
        ask, ask_quantity = self.book.best_ask or (None, 0.0)
        return m.Quote(self.instrument, bid, bid_quantity, ask, ask_quantity)


class Books:
    """The books that are wanted, by instrument."""

    def __init__(self) -> None:
        self._books: dict[str, LiveBook] = {}
        self._dirty: list[LiveBook] = []

    def __iter__(self) -> Iterator[LiveBook]:
        return iter(self._books.values())

    def get(self, instrument: str) -> LiveBook | None:
        return self._books.get(instrument)

    def open(self, instrument: str, now_ns: int) -> bool:
        """True if it was not open."""
        if instrument in self._books:
            return False
        self._books[instrument] = LiveBook(instrument, now_ns)
        return True

    def close(self, instrument: str, reason: str) -> list[CoreCommand]:
        live = self._books.pop(instrument, None)
        if live is None:
            return []
        told = self._make_stale(live, reason)
        live.dirty = False
        return told

    # --- what arrives ------------------------------------------------------------------------

    def reset(self, event: BookReset, received_ns: int) -> None:
        """A whole book: it ends whatever was wrong. One that nobody wants any more is nothing."""
        live = self._books.get(event.instrument)
        if live is None:
            return
        live.book.apply_snapshot(event.bids, event.asks, event.sequence)
        if live.condition is Condition.STALE:
            live.condition = Condition.LIVE
        live.whole = True
        self._touch(live, event.venue_time_ns, received_ns)

    def change(self, event: BookChange, received_ns: int) -> None:
        """Changed levels; the same message once more is nothing.

        Raises:
            BookGap: something is missing; the book is as it was. Not raised by a stale book, which
                takes no changes.
        """
        live = self._books.get(event.instrument)
        if live is None or live.condition is Condition.STALE:
            return
        if event.sequence == live.book.sequence:
            return
        live.book.apply_delta(event.bids, event.asks, event.previous, event.sequence)
        if live.dirty:
            live.bids += event.bids
            live.asks += event.asks
        else:
            live.bids, live.asks = event.bids.copy(), event.asks.copy()
        self._touch(live, event.venue_time_ns, received_ns)

    def make_stale(self, instrument: str, reason: str, now_ns: int) -> list[CoreCommand]:
        """Not to be traded on. Told once; a book that is stale already keeps its reason."""
        live = self._books.get(instrument)
        if live is None:
            return []
        live.changed_ns = now_ns
        return self._make_stale(live, reason)

    # --- what is published -------------------------------------------------------------------

    def publish(self, now_ns: int) -> list[CoreCommand]:
        """Everything that changed since the last time. Raises nothing; may find crossed books."""
        commands: list[CoreCommand] = []
        for live in self._dirty:
            if live.dirty:
                live.dirty = False
                commands += self._publish(live, now_ns)
        self._dirty.clear()
        return commands

    def crossed_before(self, time_ns: int) -> list[str]:
        """Books that have been crossed since before this time."""
        return [
            live.instrument
            for live in self
            if live.condition is Condition.CROSSED and live.crossed_ns <= time_ns
        ]

    def _touch(self, live: LiveBook, venue_time_ns: int, received_ns: int) -> None:
        live.venue_time_ns = venue_time_ns
        live.received_ns = live.changed_ns = received_ns
        if not live.dirty:
            live.dirty = True
            self._dirty.append(live)

    def _publish(self, live: LiveBook, now_ns: int) -> list[CoreCommand]:
        if live.book.is_crossed:
            if live.condition is Condition.CROSSED:
                return []
            live.crossed_ns = now_ns
            told = self._make_stale(live, CROSSED)
            live.condition = Condition.CROSSED
            return told
        if live.condition is Condition.CROSSED:
            live.condition, live.whole = Condition.LIVE, True
        if not live.is_live:
            return []
        return self._publish_live(live)

    def _publish_live(self, live: LiveBook) -> list[CoreCommand]:
        message: m.BookSnapshot | m.BookDelta
        if live.whole:
            message = m.BookSnapshot(live.instrument, live.book.all_bids(), live.book.all_asks())
            live.whole = False
        else:
            message = m.BookDelta(live.instrument, merged(live.bids), merged(live.asks))
        commands: list[CoreCommand] = [_publication("book", live, message)]
        depth, quote = live.new_depth(), live.new_quote()
        if depth != live.depth:
            live.depth = depth
            commands.append(_publication("depth", live, depth))
        if quote != live.quote:
            live.quote = quote
            commands.append(_publication("quote", live, quote))
        return commands

    def _make_stale(self, live: LiveBook, reason: str) -> list[CoreCommand]:
        was_live = live.is_live
        live.condition = Condition.STALE
        live.dirty = False  # what was not published yet is not published any more
        live.whole = True
        live.reason = reason if was_live else live.reason
        if not was_live:
            return []
        live.depth = live.quote = None
        stale = m.BookStale(live.instrument, reason)
        return [
            _publication("book", live, stale),
            _publication("depth", live, live.new_depth()),
            _publication("quote", live, live.new_quote()),
        ]


def merged(flat: list[float]) -> list[float]:
    """Of a price that changed several times, only the last change, where the first stood."""
    if len(flat) <= 2:
        return flat
    levels = dict(zip(flat[::2], flat[1::2], strict=True))
    if 2 * len(levels) == len(flat):
        return flat
    return [number for level in levels.items() for number in level]


def _publication(word: str, live: LiveBook, message: m.Event) -> Publish:
    return Publish(
        f"{word}.{live.instrument}",
        message,
        live.book.sequence,
        live.venue_time_ns,
        live.received_ns,
    )
