"""SUB: following topics of other processes, and noticing what was lost.

A hole in a topic, a publisher that started anew (see following.py) or one that fell silent makes
the topic lost: the core is told, and we subscribe again for a snapshot. The beats of a publisher
carry its last sequences, so that a lost last message is noticed too. A snapshot that does not come,
or not with all its parts, is asked for again: see joining.py.

A process that stood still wakes up to a backlog: whatever begins with a snapshot is asked for anew,
and of it nothing is handed on that was sent before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import zmq

from common import codec, messages as m, parts
from common.core import BusMessage, Event, TopicLost
from common.errors import BadMessage
from common.following import PARTS_MISSING, Step, Topic
from common.transport import bus, joining, sockets
from common.transport.bus import Secured
from common.transport.clock import now_ns
from common.transport.joining import Awaited

BEATS = "health."
SILENT_S = 1.5
CHECK_S = 0.5
LATE_S = 2 * CHECK_S  # then beats may lie unread that were sent in time
AGAIN_S = 0.02


class Subscriber:
    """One SUB socket connected to several publishers."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoints: Sequence[str | Secured],
        on_event: Callable[[Event], None],
    ) -> None:
        self._loop = loop
        self._on_event = on_event
        self._exact: set[str] = set()
        self._prefixes: set[str] = set()
        self._topics: dict[str, Topic] = {}
        self._beats: dict[int, float] = {}  # publisher start -> loop time of its last beat
        self._awaited = Awaited()
        self.bad_frames = 0
        self._socket = sockets.make(context, zmq.SUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)  # else subscriptions above 1,000 are lost
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        self._socket.setsockopt(zmq.RCVBUF, sockets.BUFFER_BYTES)
        self._socket.setsockopt(zmq.SUBSCRIBE, BEATS.encode())
        for endpoint in endpoints:
            bus.connect(self._socket, endpoint)
        self._old_ns = 0  # what was sent before is old
        self._trust: asyncio.TimerHandle | None = None  # until then
        self._reader = sockets.Reader(loop, self._socket, self._on_frames, self._on_late)
        self._checked = loop.time()
        self._timer = loop.call_later(CHECK_S, self._check_beats)

    def connect(self, endpoint: str | Secured) -> None:
        """Read one more publisher; what is followed already is asked of it too."""
        bus.connect(self._socket, endpoint)
        self._reader.poke()

    def subscribe(self, topic: str) -> None:
        """Follow a topic; of one that is followed already, ask for the snapshot again."""
        if topic.endswith("."):
            if topic not in self._prefixes:
                self._prefixes.add(topic)
                self._socket.setsockopt(zmq.SUBSCRIBE, codec.subscription(topic))
            return
        if topic in self._exact:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, codec.subscription(topic))
        self._exact.add(topic)
        self._topics[topic] = Topic()
        self._awaited.ask(topic, self._loop.time())
        self._socket.setsockopt(zmq.SUBSCRIBE, codec.subscription(topic))

    def unsubscribe(self, topic: str) -> None:
        is_prefix = topic.endswith(".")
        group = self._prefixes if is_prefix else self._exact
        if topic in group:
            group.discard(topic)
            self._awaited.end(topic)
            names = list(self._topics) if is_prefix else [topic]
            for name in names:
                if not self._follows(name):
                    self._topics.pop(name, None)
            self._socket.setsockopt(zmq.UNSUBSCRIBE, codec.subscription(topic))

    def close(self) -> None:
        self._timer.cancel()
        if self._trust is not None:
            self._trust.cancel()
        self._reader.close()
        self._socket.close()

    def _follows(self, topic: str) -> bool:
        return topic in self._exact or any(topic.startswith(prefix) for prefix in self._prefixes)

    def _on_frames(self, frames: list[bytes]) -> None:
        try:
            topic, envelope = codec.decode(frames[0])
        except BadMessage:
            self.bad_frames += 1
            return
        if isinstance(envelope.message, m.Health):
            self._on_beat(envelope)
        if envelope.sent_ns < self._old_ns and topic in self._exact and joining.has_snapshot(topic):
            return
        if self._follows(topic) and self._is_next(topic, envelope):
            self._on_event(
                BusMessage(
                    topic,
                    envelope.message,
                    envelope.sequence,
                    envelope.publisher_start_ns,
                    envelope.venue_sequence,
                    envelope.venue_time_ns,
                    envelope.received_ns or now_ns(),
                    envelope.sent_ns,
                )
            )

    def _is_next(self, topic: str, envelope: codec.Envelope) -> bool:
        """Whether to hand a message on; a hole or a new publisher is told first."""
        known = self._topics.setdefault(topic, Topic())
        start = envelope.publisher_start_ns
        if start < known.start_ns:
            return False  # a late message of the one before, or the clock went back: see _silence
        if start not in self._beats:
            self._hear(start)
        was_whole = known.is_whole
        step = known.take(envelope, from_snapshot=topic in self._exact)
        if step.lost or not was_whole or not known.is_whole:
            self._await(topic, known, step, envelope.message)
        if step.lost:
            self._tell_lost(topic, step.lost)
        return step.is_next

    def _await(self, topic: str, known: Topic, step: Step, message: m.Event) -> None:
        """A snapshot in parts is awaited until the last of them is here."""
        if known.is_whole:
            self._awaited.end(topic)
        elif step.is_next and topic in self._exact and isinstance(message, parts.Part):
            self._awaited.go_on(topic, self._loop.time())

    def _on_late(self, late_s: float) -> None:
        """We stood still: what waits for us is old, and more of it may be lost than waits."""
        self._old_ns = now_ns()
        if self._trust is not None:  # of a standstill before
            self._trust.cancel()
        self._trust = self._loop.call_later(sockets.LATE_S, self._trust_again)
        for topic in [each for each in self._exact if joining.has_snapshot(each)]:
            known = self._topics.get(topic)
            if known is not None and known.synced:
                self._lose(topic, f"we stood still for {late_s:.1f} s")
            elif known is not None:
                self._loop.call_later(AGAIN_S, self._ask_again, topic)

    def _trust_again(self) -> None:
        """The backlog is read by now. A publisher elsewhere whose clock is behind ours is heard."""
        self._old_ns = 0

    def _lose(self, topic: str, reason: str) -> None:
        self._topics[topic].synced = False
        self._tell_lost(topic, reason)

    def _tell_lost(self, topic: str, reason: str) -> None:
        """What is awaited anyway is asked for in its time, so that who is too slow for a large
        snapshot does not ask for it all the time."""
        if topic in self._exact and topic not in self._awaited:
            self._loop.call_later(AGAIN_S, self._ask_again, topic)
        self._on_event(TopicLost(topic, reason))

    def _ask_again(self, topic: str) -> None:
        known = self._topics.get(topic)
        if known is not None and not known.synced and topic in self._exact:
            self.subscribe(topic)

    def _on_beat(self, envelope: codec.Envelope) -> None:
        beat = envelope.message
        assert isinstance(beat, m.Health)
        start = envelope.publisher_start_ns
        self._hear(start)
        if envelope.sent_ns < self._old_ns:
            return
        for topic, sequence in beat.sequences.items():
            known = self._topics.get(topic)
            if known is None or start < known.start_ns:
                continue
            if known.synced and (start > known.start_ns or sequence > known.sequence):
                self._lose(topic, "the last messages are missing")
            elif not known.synced:
                self._ask_again(topic)

    def _hear(self, start: int) -> None:
        """A publisher lives."""
        now = self._loop.time()
        if start not in self._beats:
            self._awaited.begin_again(now)
        self._beats[start] = now

    def _check_beats(self) -> None:
        """Loses the topics of publishers that missed three beats; a late loop judges nobody."""
        now = self._loop.time()
        late = now - self._checked > LATE_S
        self._checked = now
        self._timer = self._loop.call_later(CHECK_S, self._check_beats)
        if late:
            self._beats = dict.fromkeys(self._beats, now)
            return
        self._silence({start for start, seen in self._beats.items() if now - seen > SILENT_S})
        if self._beats:  # else there is nobody to ask
            for topic in self._awaited.due(now):
                known = self._topics.get(topic)
                if known is not None and known.synced:
                    self._lose(topic, PARTS_MISSING)
                self._ask_again(topic)

    def _silence(self, starts: set[int]) -> None:
        """These publishers are gone; whoever speaks next on their topics is the new one, even if
        its start is the lower one because the wall clock was set back between the two."""
        for start in starts:
            del self._beats[start]
        for topic, known in list(self._topics.items()):
            if known.start_ns in starts:
                known.start_ns = 0
                if known.synced:
                    self._lose(topic, "the publisher is silent")
