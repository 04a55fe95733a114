"""Who is taken for silent, in a time that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import zmq

from common import codec, messages as m
from common.core import BusMessage, Event, TopicLost
from common.following import PARTS_MISSING
from common.transport.joining import TRIES
from common.transport.sockets import LATE_S
from common.transport.subscriber import CHECK_S, SILENT_S, Subscriber
from tests import samples
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


OWNED = "order.deribit.main.me"
LISTED = "instruments.deribit"


def orders(part: int) -> m.OrderSnapshot:
    return m.OrderSnapshot("deribit", "main", "me", [], part, 3)


def listed(part: int) -> m.InstrumentList:
    return m.InstrumentList("deribit", part, 3, [])


class Gathering:
    """A subscriber that has asked for a snapshot; its publisher beats on."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.loop = StillLoop()
        self.events: list[Event] = []
        self.subscriber = Subscriber(self.loop, context, [], self.events.append)

    def hear(self, topic: str, message: m.Event, sequence: int = 5, start_ns: int = 7) -> None:
        frame = codec.encode(
            topic, message, publisher_start_ns=start_ns, sequence=sequence, sent_ns=1
        )
        self.subscriber._on_frames([frame])

    def let_pass(self, seconds: float) -> None:
        for _ in range(round(seconds / CHECK_S)):
            self.loop.now += CHECK_S
            self.hear("health.md.a", BEAT)
            self.subscriber._check_beats()

    @property
    def told(self) -> list[object]:
        """What was handed on: the number of a part, another message, or why all of it is lost."""
        return [
            event.reason if isinstance(event, TopicLost) else getattr(event.message, "part", event)
            for event in self.events
            if isinstance(event, BusMessage | TopicLost)
        ]

    def is_awaited(self, topic: str) -> bool:
        return topic in self.subscriber._awaited

    def is_asked_for(self, topic: str) -> bool:
        """Anew: nothing of it is known any more."""
        return not self.subscriber._topics[topic].start_ns


@pytest.fixture
def gathering() -> Iterator[Gathering]:
    with zmq.Context() as context:
        made = Gathering(context)
        yield made
        made.subscriber.close()


IN_PARTS = pytest.mark.parametrize(("topic", "snapshot"), [(OWNED, orders), (LISTED, listed)])


@IN_PARTS
def test_row_58_a_snapshot_is_awaited_until_its_last_part(
    gathering: Gathering, topic: str, snapshot
) -> None:
    gathering.subscriber.subscribe(topic)
    for part in range(3):
        assert gathering.is_awaited(topic)
        gathering.hear(topic, snapshot(part))
    assert not gathering.is_awaited(topic)
    gathering.let_pass(600)
    assert gathering.told == [0, 1, 2]


@IN_PARTS
@pytest.mark.parametrize("came", [1, 2])
def test_row_58_a_last_part_that_is_lost_is_asked_for(
    gathering: Gathering, topic: str, snapshot, came: int
) -> None:
    gathering.subscriber.subscribe(topic)
    for part in range(came):
        gathering.hear(topic, snapshot(part))
    gathering.let_pass(10)
    assert gathering.told == [*range(came), PARTS_MISSING] and gathering.is_asked_for(topic)
    for part in range(3):
        gathering.hear(topic, snapshot(part))
    gathering.let_pass(600)
    assert gathering.told == [*range(came), PARTS_MISSING, 0, 1, 2]


@IN_PARTS
def test_row_58_a_middle_part_that_is_lost_is_asked_for(
    gathering: Gathering, topic: str, snapshot
) -> None:
    gathering.subscriber.subscribe(topic)
    for part in (0, 2):
        gathering.hear(topic, snapshot(part))
    assert gathering.told == [0, PARTS_MISSING] and gathering.is_awaited(topic)
    gathering.let_pass(10)
    assert gathering.is_asked_for(topic)
    for part in range(3):
        gathering.hear(topic, snapshot(part))
    assert gathering.told == [0, PARTS_MISSING, 0, 1, 2] and not gathering.is_awaited(topic)


def test_row_58_parts_that_get_lost_again_and_again_are_asked_for_for_ever(
    gathering: Gathering,
) -> None:
    gathering.subscriber.subscribe(OWNED)
    for _ in range(2 * TRIES):
        gathering.hear(OWNED, orders(0))
        gathering.let_pass(200)
        assert gathering.is_asked_for(OWNED)


def test_the_parts_of_a_new_publisher_are_not_mixed_with_late_ones_of_the_old(
    gathering: Gathering,
) -> None:
    gathering.subscriber.subscribe(OWNED)
    gathering.hear(OWNED, orders(0))
    for part in range(3):
        gathering.hear(OWNED, orders(part), 0, start_ns=8)
        gathering.hear(OWNED, orders(part), start_ns=7)
    assert gathering.told == [0, "the publisher started anew", 0, 1, 2]
    assert not gathering.is_awaited(OWNED)


def test_orders_between_the_parts_do_not_put_off_the_asking(gathering: Gathering) -> None:
    gathering.subscriber.subscribe(OWNED)
    gathering.hear(OWNED, orders(0))
    for sequence in range(5, 15):  # the snapshot covers the first
        gathering.hear(OWNED, samples.ORDER, sequence)
        gathering.let_pass(CHECK_S)
    reasons = [event for event in gathering.told if isinstance(event, str)]
    assert reasons == [PARTS_MISSING] and 2 <= gathering.told.index(PARTS_MISSING) <= 8


def test_a_joiner_that_asks_anew_when_it_is_told_is_answered_with_the_whole(
    gathering: Gathering,
) -> None:
    def ask_again(event: Event) -> None:
        gathering.events.append(event)
        if isinstance(event, TopicLost):
            gathering.subscriber.subscribe(OWNED)

    gathering.subscriber._on_event = ask_again
    gathering.subscriber.subscribe(OWNED)
    for part in (0, 1):
        gathering.hear(OWNED, orders(part))
    gathering.hear(OWNED, orders(0), 9)
    assert gathering.is_awaited(OWNED) and gathering.is_asked_for(OWNED)
    for part in (1, 2, 0, 1, 2):  # the rest of the one before, and ours
        gathering.hear(OWNED, orders(part), 9)
    assert gathering.told == [0, 1, "messages 6 to 8 are missing", 0, 0, 1, 2]
