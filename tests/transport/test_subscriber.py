"""Who is taken for silent, in a time that the test sets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from common import codec
from common import messages as m
from common.core import BusMessage, Event, TopicLost
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

    def hear(self, topic: str, message: m.Event) -> None:
        frame = codec.encode(topic, message, publisher_start_ns=7, sequence=1, sent_ns=1)
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
