"""Player: recorded messages back on the bus, in the place of a market_data process.

Joiners of a topic get its last message, or the whole book, as market_data would send it. Of an
instrument whose book is replayed depth and quote are made from the book, so that they are there
whether or not they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common import messages as m
from common.core import (
    BusMessage,
    CoreCommand,
    Data,
    Publish,
    PublishSnapshot,
    SetState,
    Started,
    Subscribed,
    TopicLost,
    WakeAt,
)
from common.domain.book import OrderBook
from common.replay import Moment

BATCH = 64  # messages of one pass; the rest waits for PASS_NS, so that readers keep up
PASS_NS = 1_000_000
LEAST_WAIT_NS = 200_000
FOLLOWS_BOOK = ("depth", "quote")


class Finished(Data):
    """Everything was replayed."""

    messages: int


class Player:
    """The core of a replay.

    Args:
        speed: 1 replays as recorded, 0 as fast as readers can be trusted to follow.
        waits: begin when somebody reads, not at once.
    """

    def __init__(self, moments: Iterator[Moment], speed: float, waits: bool = False) -> None:
        self._moments = moments
        self._next = next(moments, None)
        self._speed = speed
        self._waits = waits
        self._from_ns = self._next.time_ns if self._next is not None else 0
        self._started_ns: int | None = None
        self._count = 0
        self._latest: dict[str, BusMessage] = {}
        self._parts: dict[str, dict[int, BusMessage]] = {}
        self._books: dict[str, OrderBook] = {}
        self._stale: dict[str, str] = {}

    def handle(self, event: Any, now_ns: int) -> list[Any]:
        match event:
            case Started():
                text = "waits for a reader" if self._waits else ""
                return [SetState("ready", text), *([] if self._waits else self._start(now_ns))]
            case Subscribed(topic):
                snapshots = self._snapshots(topic)
                if self._waits and self._started_ns is None:
                    return [*snapshots, SetState("ready"), *self._start(now_ns)]
                return list(snapshots)
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        if self._started_ns is None:
            return []
        commands: list[Any] = []
        for _ in range(BATCH):
            if self._next is None:
                return [*commands, Finished(self._count)]
            if self._due_ns(self._next) > now_ns:
                break
            commands += self._replay(self._next.event)
            self._count += 1
            self._next = next(self._moments, None)
        due_ns = self._due_ns(self._next) if self._next is not None else 0
        return [*commands, WakeAt(max(due_ns, now_ns + (PASS_NS if commands else LEAST_WAIT_NS)))]

    def _start(self, now_ns: int) -> list[Any]:
        self._started_ns = now_ns
        return [WakeAt(now_ns)]

    def _due_ns(self, moment: Moment) -> int:
        if not self._speed or self._started_ns is None:
            return 0
        return self._started_ns + int((moment.time_ns - self._from_ns) / self._speed)

    # --- messages ----------------------------------------------------------------------------

    def _replay(self, event: BusMessage | TopicLost) -> list[CoreCommand]:
        word, _, name = event.topic.partition(".")
        if isinstance(event, TopicLost):
            return self._make_stale(name, event.reason) if word == "book" else []
        if word == "book":
            return self._replay_book(name, event)
        if word in FOLLOWS_BOOK and name in self._books:
            return []
        self._keep(event)
        return [_publish(event.topic, event.message, event)]

    def _keep(self, event: BusMessage) -> None:
        message = event.message
        if isinstance(message, m.InstrumentList):
            self._parts.setdefault(event.topic, {})[message.part] = event
            for definition in message.instruments:
                topic = f"instrument.{definition.instrument}"
                self._latest[topic] = _with(event, topic, definition)
        elif not isinstance(message, m.Trade | m.InstrumentState):
            self._latest[event.topic] = event

    def _replay_book(self, name: str, event: BusMessage) -> list[CoreCommand]:
        message = event.message
        if isinstance(message, m.BookStale):
            return self._make_stale(name, message.reason)
        book = self._books.get(name)
        if isinstance(message, m.BookSnapshot):
            if book is None:
                book = self._books[name] = OrderBook(name)
            book.apply_snapshot(message.bids, message.asks, event.venue_sequence)
            self._stale.pop(name, None)
        elif isinstance(message, m.BookDelta):
            if book is None or name in self._stale:
                return []  # nothing that it could be applied to
            book.apply_delta(message.bids, message.asks, book.sequence, event.venue_sequence)
        if book is None:
            return []
        self._latest[event.topic] = event
        return [_publish(event.topic, message, event), *self._publish_top(name, book, event)]

    def _publish_top(self, name: str, book: OrderBook, event: BusMessage) -> list[CoreCommand]:
        """Depth and quote, if they changed."""
        commands: list[CoreCommand] = []
        for topic, message in ((f"depth.{name}", _depth(book)), (f"quote.{name}", _quote(book))):
            before = self._latest.get(topic)
            if before is None or before.message != message:
                self._latest[topic] = _with(event, topic, message)
                commands.append(_publish(topic, message, event))
        return commands

    def _make_stale(self, name: str, reason: str) -> list[CoreCommand]:
        topic = f"book.{name}"
        last = self._latest.get(topic)
        if last is None or name in self._stale:
            return []
        self._stale[name] = reason
        found: list[tuple[str, m.Event]] = [
            (topic, m.BookStale(name, reason)),
            (f"depth.{name}", m.Depth(name, [], [], True)),
            (f"quote.{name}", m.Quote(name, None, 0.0, None, 0.0, True)),
        ]
        for word, message in found:
            self._latest[word] = _with(last, word, message)
        return [_publish(word, message, last) for word, message in found]

    # --- joiners -----------------------------------------------------------------------------

    def _snapshots(self, topic: str) -> list[PublishSnapshot]:
        word, _, name = topic.partition(".")
        last = self._latest.get(topic)
        if topic in self._parts:
            parts = self._parts[topic]
            return [_snapshot(topic, parts[part].message, parts[part]) for part in sorted(parts)]
        if last is None:
            return []
        book = self._books.get(name)
        if word == "book" and book is not None and name not in self._stale:
            whole = m.BookSnapshot(name, book.all_bids(), book.all_asks())
            return [_snapshot(topic, whole, last)]
        return [_snapshot(topic, last.message, last)]


def _depth(book: OrderBook) -> m.Depth:
    return m.Depth(book.instrument, book.top_bids(), book.top_asks())


def _quote(book: OrderBook) -> m.Quote:
    bid, bid_quantity = book.best_bid or (None, 0.0)
    ask, ask_quantity = book.best_ask or (None, 0.0)
    return m.Quote(book.instrument, bid, bid_quantity, ask, ask_quantity)


def _with(event: BusMessage, topic: str, message: m.Event) -> BusMessage:
    """The same stamps on another message."""
    return BusMessage(
        topic,
        message,
        event.sequence,
        event.publisher_start_ns,
        event.venue_sequence,
        event.venue_time_ns,
        event.received_ns,
        event.sent_ns,
    )


def _publish(topic: str, message: m.Event, stamps: BusMessage) -> Publish:
    times = stamps.venue_sequence, stamps.venue_time_ns, stamps.received_ns
    return Publish(topic, message, *times)


def _snapshot(topic: str, message: m.Event, stamps: BusMessage) -> PublishSnapshot:
    times = stamps.venue_sequence, stamps.venue_time_ns, stamps.received_ns
    return PublishSnapshot(topic, message, *times)
