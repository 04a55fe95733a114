"""Who is taken for silent, in a time that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import zmq

from common import codec, messages as m
from common.core import BusMessage, Event, TopicLost
from common.transport.sockets import LATE_S
from common.transport.subscriber import CHECK_S, SILENT_S, Subscriber
from tests.transport.still import StillLoop

TOPIC = "quote.deribit.X"
QUOTE = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
BEAT = m.Health("md.a", "ready", 1, 1, {}, {}, {})


class Reading:
    """A subscriber that got one quote and one beat of a publisher."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.loop = StillLoop()
        self.events: list[Event] = []
        self.subscriber = Subscriber(self.loop, context, [], self.events.append)
        self.subscriber.subscribe(TOPIC)
        self.hear(TOPIC, QUOTE)
        self.hear("health.md.a", BEAT)
        assert isinstance(self.events[-1], BusMessage)

    def hear(self, topic: str, message: m.Event, sent_ns: int = 1) -> None:
        frame = codec.encode(topic, message, publisher_start_ns=7, sequence=1, sent_ns=sent_ns)
        self.subscriber._on_frames([frame])

    def check_after(self, seconds: float) -> None:
        self.loop.now += seconds
        self.subscriber._check_beats()

    @property
    def lost(self) -> bool:
        return any(isinstance(event, TopicLost) for event in self.events)


@pytest.fixture
def reading() -> Iterator[Reading]:
    with zmq.Context() as context:
        made = Reading(context)
        yield made
        made.subscriber.close()


def test_a_publisher_that_misses_three_beats_is_silent(reading: Reading) -> None:
    for _ in range(round(SILENT_S / CHECK_S)):
        reading.check_after(CHECK_S)
    assert not reading.lost
    reading.check_after(CHECK_S)
    assert reading.lost


@pytest.mark.parametrize("stood_still_s", [0.7, 1.01, 1.4, 1.5, 1.6, 2.0, 60.0])
def test_after_a_standstill_nobody_is_silent_whose_beats_may_lie_unread(
    reading: Reading, stood_still_s: float
) -> None:
    reading.check_after(0.4)
    reading.check_after(stood_still_s)
    assert not reading.lost


def test_row_59_what_waited_during_a_standstill_is_dropped_and_the_present_asked_for(
    reading: Reading,
) -> None:
    reading.loop.now += LATE_S + 1
    reading.subscriber._reader._drain()
    assert isinstance(reading.events[-1], TopicLost)
    reading.hear(TOPIC, QUOTE)
    assert isinstance(reading.events[-1], TopicLost)
    reading.hear(TOPIC, QUOTE, sent_ns=2**62)
    assert isinstance(reading.events[-1], BusMessage)


def test_row_59_the_backlog_of_a_second_standstill_is_not_trusted_with_that_of_the_first() -> None:
    """Both the end of the first one's time and the second backlog are due when it wakes up."""
    loop = asyncio.new_event_loop()
    with zmq.Context() as context:
        subscriber = Subscriber(loop, context, [], lambda event: None)
        subscriber._on_late(LATE_S + 1)
        first = subscriber._trust
        assert first is not None and not first.cancelled()
        subscriber._on_late(LATE_S + 1)
        assert first.cancelled() and subscriber._trust is not first
        subscriber.close()
    loop.close()


def test_a_short_standstill_asks_for_nothing(reading: Reading) -> None:
    reading.loop.now += LATE_S - 1
    reading.subscriber._reader._drain()
    assert not reading.lost
