"""Writing to WebSocket clients: a frame is built once, writes of one pass of the loop are joined.

Frames go straight to the transports, past the WebSocket library, which would copy and await once
per client. A client whose buffer is still full at the next pass is reported as blocked, and as
drained when it has read.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable

from services.gateway.events import ClientBlocked, ClientDrained, Send
from services.gateway.stats import Stats

TEXT, BINARY = 0x81, 0x82
MAX_BUFFER = 65_536
DRAINED_BUFFER = 16_384
LOOK_S = 0.02
MANY = 50  # with more clients than this, writes are joined over a moment instead of a pass
MOMENT_S = 0.002


def frame(payload: bytes, binary: bool) -> bytes:
    """An unmasked, unfragmented WebSocket frame (RFC 6455, section 5.2)."""
    size, first = len(payload), BINARY if binary else TEXT
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class Outbox:
    """The frames of one client that wait for the end of the pass."""

    __slots__ = ("client", "frames", "is_blocked", "transport")

    def __init__(self, client: int, transport: asyncio.WriteTransport) -> None:
        self.client = client
        self.transport = transport
        self.frames: list[bytes] = []
        self.is_blocked = False

    def write(self) -> bool:
        """Write what waits; False if what was written before is still there."""
        is_behind = self.transport.get_write_buffer_size() > MAX_BUFFER
        if not self.transport.is_closing():
            self.transport.write(b"".join(self.frames))
        self.frames = []
        return not is_behind


class Outboxes:
    """All clients' outboxes."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stats: Stats,
        now_ns: Callable[[], int],
        on_event: Callable[[ClientBlocked | ClientDrained], None],
    ) -> None:
        self._loop = loop
        self._stats = stats
        self._now_ns = now_ns
        self._on_event = on_event
        self._boxes: dict[int, Outbox] = {}
        self._waiting: dict[int, Outbox] = {}
        self._times: list[tuple[int, int]] = []  # venue_time_ns, received_ns of what waits
        self._is_scheduled = False
        self._is_looking = False
        self._blocked: deque[Outbox] = deque()  # whoever waited longest first

    def open(self, client: int, transport: asyncio.WriteTransport) -> None:
        self._boxes[client] = Outbox(client, transport)

    def close(self, client: int) -> None:
        self._boxes.pop(client, None)
        self._waiting.pop(client, None)

    def send(self, command: Send) -> None:
        data = frame(command.payload, command.binary)
        boxes, waiting, count = self._boxes, self._waiting, 0
        for client in command.clients:  # with many clients the hottest loop of all
            box = boxes.get(client)
            if box is not None:
                if not box.frames:
                    waiting[client] = box
                box.frames.append(data)
                count += 1
        self._stats.sent_messages += count
        self._stats.sent_bytes += count * len(data)
        if command.received_ns:
            self._times.append((command.venue_time_ns, command.received_ns))
        if not self._is_scheduled:
            self._is_scheduled = True
            if len(self._boxes) > MANY:
                self._loop.call_later(MOMENT_S, self.flush)
            else:
                self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write everything that waits."""
        self._is_scheduled = False
        waiting, self._waiting = self._waiting, {}
        for box in waiting.values():
            if not box.write() and not box.is_blocked:
                self._block(box)
                self._on_event(ClientBlocked(box.client))
        self._observe()

    def _observe(self) -> None:
        now_ns = self._now_ns()
        for venue_time_ns, received_ns in self._times:
            self._stats.receipt_to_send.observe_ns(now_ns - received_ns)
            if venue_time_ns:
                self._stats.venue_to_send.observe_ns(now_ns - venue_time_ns)
        self._times.clear()

    def hold(self, client: int) -> None:
        """Call this client blocked until it has read what it was sent."""
        box = self._boxes.get(client)
        if box is not None and not box.is_blocked:
            self._block(box)

    def _block(self, box: Outbox) -> None:
        box.is_blocked = True
        self._blocked.append(box)
        self._look_again(LOOK_S)

    def _look(self) -> None:
        """See which blocked clients have read: one a pass of the loop, since it may have a thousand
        channels to catch up with, and whoever waited longest first."""
        self._is_looking = False
        for _ in range(len(self._blocked)):
            box = self._blocked.popleft()
            if box.client not in self._boxes:
                continue
            if not box.frames and box.transport.get_write_buffer_size() < DRAINED_BUFFER:
                box.is_blocked = False
                self._on_event(ClientDrained(box.client))
                self._look_again(0.0)
                return
            self._blocked.append(box)
        self._look_again(LOOK_S)

    def _look_again(self, after_s: float) -> None:
        if self._blocked and not self._is_looking:
            self._is_looking = True
            self._loop.call_later(after_s, self._look)
