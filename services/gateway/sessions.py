"""WebSocket clients: who they are, what they read, and how much they may ask."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from common.config import GatewayConfig
from services.gateway.channels import Channel
from services.gateway.events import ClientOpened
from services.gateway.keys import Key

MAX_ERRORS = 100
ERROR_WINDOW_NS = 10_000_000_000
# What is never merged and kept for a client that does not read.
QUEUE = 1000
QUEUE_BYTES = 4_000_000
BLOCKED_NS = 30_000_000_000
LOGIN_NS = 5_000_000_000

TOO_SLOW = 4008
UNAUTHENTICATED = 4001
TOO_MANY = 4029


class Bucket:
    """A rate with a burst."""

    __slots__ = ("_at_ns", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now_ns: int) -> None:
        self._rate, self._burst, self._left, self._at_ns = rate, burst, burst, now_ns

    def take(self, now_ns: int) -> bool:
        gained = (now_ns - self._at_ns) / 1e9 * self._rate
        self._left = min(self._burst, self._left + max(0.0, gained))
        self._at_ns = now_ns
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def is_full(self, now_ns: int) -> bool:
        return self._left + (now_ns - self._at_ns) / 1e9 * self._rate >= self._burst


Name = TypeVar("Name")


def forget_full(buckets: dict[Name, Bucket], now_ns: int) -> None:
    """A full bucket is as good as a new one."""
    for name in [name for name, bucket in buckets.items() if bucket.is_full(now_ns)]:
        del buckets[name]


class Session:
    """One WebSocket client."""

    def __init__(self, event: ClientOpened, config: GatewayConfig, now_ns: int) -> None:
        self.client = event.client
        self.binary = event.binary
        self.address = event.address
        self.host = event.host if event.host.isascii() and event.host.isprintable() else ""
        self.key: Key | None = None
        self.channels: dict[str, Channel] = {}
        self.opened_ns = now_ns
        self.blocked_ns: int | None = None
        self.next_channel = ""  # the first that is told when it reads again
        self._queue: list[bytes] = []
        self._queue_bytes = 0
        self._is_past = False  # its bound, and told to go
        self.bucket = Bucket(config.messages_per_second, config.message_burst, now_ns)
        self._errors: deque[int] = deque(maxlen=MAX_ERRORS)

    def key_at(self, now_ns: int) -> Key | None:
        """The key it logged in with, as long as that may be used."""
        usable = self.key is not None and self.key.is_usable(self.address, now_ns)
        return self.key if usable else None

    def in_turn(self) -> list[Channel]:
        """Its channels, the one whose turn it is first."""
        names = list(self.channels)
        start = names.index(self.next_channel) if self.next_channel in self.channels else 0
        return [self.channels[name] for name in names[start:] + names[:start]]

    def enqueue(self, payload: bytes) -> bool:
        """Keep it until the client reads again. False, once: it is past its bound and is to be
        closed; nothing is kept any more."""
        if self._is_past:
            return True
        self._queue_bytes += len(payload)
        self._queue.append(payload)
        self._is_past = len(self._queue) > QUEUE or self._queue_bytes > QUEUE_BYTES
        if self._is_past:
            self.take_queue()
        return not self._is_past

    def take_queue(self) -> list[bytes]:
        queue, self._queue, self._queue_bytes = self._queue, [], 0
        return queue

    def count_error(self, now_ns: int) -> bool:
        """Whether there were too many of late."""
        self._errors.append(now_ns)
        return len(self._errors) == MAX_ERRORS and now_ns - self._errors[0] < ERROR_WINDOW_NS

    def is_overdue(self, now_ns: int, must_log_in: bool) -> tuple[int, str] | None:
        """Why to close it now: a code and a reason."""
        if self.blocked_ns is not None and now_ns - self.blocked_ns > BLOCKED_NS:
            return TOO_SLOW, "you did not read for 30 s"
        if must_log_in and self.key is None and now_ns - self.opened_ns > LOGIN_NS:
            return UNAUTHENTICATED, "log in within 5 s"
        if self.key is not None and self.key_at(now_ns) is None:
            return UNAUTHENTICATED, "your key has expired"
        return None
