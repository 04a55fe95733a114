"""Recorded messages in their order, and cores run on them in virtual time.

The same records give the same order and the same calls, byte for byte, so that a core that ran on
them once does the same the second time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from common import messages as m
from common.core import BusMessage, Core, Subscribe, TopicLost, Unsubscribe, WakeAt

LATE_NS = 1_000_000_000  # a receive time older than this is not when the message came to be
DESKS_OWN = (m.BookStale, m.InstrumentList, m.InstrumentDefinition)


class Record(NamedTuple):
    """One recorded message, or the note that some are missing."""

    recorded_ns: int
    event: BusMessage | TopicLost


class Moment(NamedTuple):
    """A record at the time it is replayed."""

    time_ns: int
    event: BusMessage | TopicLost


def time_of(record: Record) -> int:
    """When the desk received what the message tells.

    What the desk says of itself, or says again to somebody who joins, has no such time or an old
    one: then it is the time at which it was recorded.
    """
    event = record.event
    if isinstance(event, TopicLost) or isinstance(event.message, DESKS_OWN):
        return record.recorded_ns
    if 0 <= record.recorded_ns - event.received_ns <= LATE_NS:
        return event.received_ns
    return record.recorded_ns


def in_order(sources: Sequence[Iterable[Record]]) -> Iterator[Moment]:
    """All records by time received; those of one topic stay in the order they were recorded in.

    Args:
        sources: each in the order it was recorded in. Of equal times, earlier sources come first.
    """
    merged = heapq.merge(*sources, key=lambda record: record.recorded_ns)
    waiting: list[tuple[int, int, Record]] = []
    last: dict[str, int] = {}
    for number, record in enumerate(merged):
        topic = record.event.topic
        time_ns = last[topic] = max(time_of(record), last.get(topic, 0))
        heapq.heappush(waiting, (time_ns, number, record))
        while waiting[0][0] <= record.recorded_ns - LATE_NS:
            due_ns, _, due = heapq.heappop(waiting)
            yield Moment(due_ns, due.event)
    while waiting:
        due_ns, _, due = heapq.heappop(waiting)
        yield Moment(due_ns, due.event)


class Timeline:
    """Virtual time: calls that are due happen at their time, in the order they were asked for."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._asked = 0

    def call_at(self, ns: int, call: Callable[[], None]) -> None:
        """At once, when the time has passed already, but after what is under way."""
        heapq.heappush(self._due, (max(ns, self.now_ns), self._asked, call))
        self._asked += 1

    def advance(self, to_ns: int) -> None:
        """Move on, and make the calls that are due on the way. Time never goes back."""
        while self._due and self._due[0][0] <= to_ns:
            self.now_ns, _, call = heapq.heappop(self._due)
            call()
        self.now_ns = max(self.now_ns, to_ns)


class VirtualShell:
    """Runs one core on a timeline, as transport/loop.py does on a clock.

    Args:
        execute: gets every command but WakeAt, Subscribe and Unsubscribe.
    """

    def __init__(self, core: Core, timeline: Timeline, execute: Callable[[Any], None]) -> None:
        self.core = core
        self._timeline = timeline
        self._execute = execute
        self._exact: set[str] = set()
        self._prefixes: set[str] = set()
        self._wakes: set[int] = set()

    def feed(self, event: Any) -> None:
        self._run(self.core.handle(event, self._timeline.now_ns))

    def deliver(self, event: BusMessage | TopicLost) -> None:
        """Feed a message of the bus if the core follows its topic."""
        topic = event.topic
        if topic in self._exact or any(topic.startswith(prefix) for prefix in self._prefixes):
            self.feed(event)

    def _run(self, commands: Sequence[Any]) -> None:
        for command in commands:
            match command:
                case WakeAt(ns):
                    self._wake_at(max(ns, self._timeline.now_ns))
                case Subscribe(topic):
                    (self._prefixes if topic.endswith(".") else self._exact).add(topic)
                case Unsubscribe(topic):
                    (self._prefixes if topic.endswith(".") else self._exact).discard(topic)
                case _:
                    self._execute(command)

    def _wake_at(self, ns: int) -> None:
        if ns not in self._wakes:
            self._wakes.add(ns)
            self._timeline.call_at(ns, lambda: self._wake(ns))

    def _wake(self, ns: int) -> None:
        self._wakes.discard(ns)
        self._run(self.core.on_time(self._timeline.now_ns))


def play(
    moments: Iterable[Moment], timeline: Timeline, deliver: Callable[[BusMessage | TopicLost], None]
) -> int:
    """Hand over every message at its time; what is due before it happens before it.

    Returns:
        How many there were.
    """
    count = 0
    for count, moment in enumerate(moments, 1):
        timeline.advance(moment.time_ns)
        deliver(moment.event)
    return count
