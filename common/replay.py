"""Recorded messages in their order: the same records give the same order, byte for byte.

What is replayed is the market. It drives a venue simulator (services/venue_simulator/replay.py),
and with it, live or in virtual time, the same cores as any other market.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from common import messages as m
from common.core import BusMessage, TopicLost

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
