"""XPUB: publishing with a sequence per topic, and who subscribes as the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

import zmq

from common import codec
from common.core import Event, Publish, PublishSnapshot, Subscribed, Unsubscribed
from common.transport import sockets
from common.transport.bus import Secured
from common.transport.clock import now_ns

SEND_HWM = 10_000
SHARE_S = 0.05
BEAT_TOPICS = 8_000  # in one beat: readers refuse messages over 1 MiB and would cut the connection


class Publisher:
    """One XPUB socket. Tells joiners and leavers of exact topics through on_event.

    Joiners of one topic within 50 ms share one snapshot. A message that readers would refuse for
    its size is not sent, since it would cost them the connection; on_refused(topic, bytes) is told,
    and its sequence is used up, so that readers see that something is missing.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        on_event: Callable[[Event], None],
        on_refused: Callable[[str, int], None],
        also: Secured | None = None,
    ) -> None:
        self.start_ns = now_ns()
        self._loop = loop
        self._on_event = on_event
        self._on_refused = on_refused
        self._sequences: dict[str, int] = {}
        self._changed: set[str] = set()
        self._changed_before: set[str] = set()
        self._readers: set[str] = set()
        self._shared: dict[str, bool] = {}  # topic -> another joiner waits for the window's end
        self._socket = sockets.make(context, zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self._socket.setsockopt(zmq.SNDBUF, sockets.BUFFER_BYTES)
        self._lock = sockets.bind(self._socket, endpoint, also)
        self._reader = sockets.Reader(loop, self._socket, self._on_subscription)

    def publish(self, command: Publish | PublishSnapshot) -> None:
        topic = command.topic
        sequence = self._sequences.get(topic, 0)
        if isinstance(command, Publish):
            sequence += 1
            self._sequences[topic] = sequence
            self._changed.add(topic)
        frame = codec.encode(
            topic,
            command.message,
            publisher_start_ns=self.start_ns,
            sequence=sequence,
            venue_sequence=command.venue_sequence,
            venue_time_ns=command.venue_time_ns,
            received_ns=command.received_ns,
            sent_ns=now_ns(),
        )
        if len(frame) > sockets.MAX_MESSAGE_BYTES:
            self._on_refused(topic, len(frame))
            return
        self._socket.send(frame, zmq.NOBLOCK)
        self._reader.poke()

    def changed_sequences(self) -> dict[str, int]:
        """The last sequence of each topic published since the last two calls, for the beat.

        Of too many topics, some wait for the next call.
        """
        recent = self._changed | self._changed_before
        self._changed_before, self._changed = self._changed, set()
        if len(recent) > BEAT_TOPICS:
            told = set(islice(recent, BEAT_TOPICS))
            self._changed_before, self._changed = self._changed_before & told, recent - told
            recent = told
        return {topic: self._sequences[topic] for topic in recent}

    def close(self) -> None:
        self._reader.close()
        self._socket.close()
        if self._lock is not None:
            self._lock.close()

    def _on_subscription(self, frames: list[bytes]) -> None:
        frame = frames[0]
        if len(frame) < 2 or frame[-1:] != codec.END:
            return  # a prefix: no snapshot, starts nothing
        topic = frame[1:-1].decode("utf-8", "replace")
        if frame[0] == 1:
            self._on_join(topic)
        elif topic in self._readers:
            self._readers.discard(topic)
            self._on_event(Unsubscribed(topic))

    def _on_join(self, topic: str) -> None:
        first = topic not in self._readers
        self._readers.add(topic)
        if topic in self._shared and not first:
            self._shared[topic] = True
            return
        self._shared[topic] = False
        self._loop.call_later(SHARE_S, self._close_window, topic)
        self._on_event(Subscribed(topic, first))

    def _close_window(self, topic: str) -> None:
        if self._shared.pop(topic, False) and topic in self._readers:
            self._on_join(topic)
