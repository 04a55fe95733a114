"""What a bad day does: a network that delays, doubles, cuts and goes dead; a disk that forgets or
fails."""

from __future__ import annotations

from random import Random

import msgspec

MS = 1_000_000
NS_PER_S = 1_000_000_000


class Weather(msgspec.Struct):
    """How the network behaves now. Delays in ns; the others are probabilities per frame."""

    delay_ns: int = MS
    jitter_ns: int = MS
    doubled: float = 0.0  # notifications that come twice, the second time later
    lost_books: float = 0.0  # public notifications that a proxy swallowed
    split: float = 0.0  # batches of frames that arrive in two reads

    @classmethod
    def random(cls, random: Random) -> Weather:
        return cls(
            delay_ns=random.choice([MS // 5, MS, 20 * MS]),
            jitter_ns=random.choice([MS // 5, 5 * MS, 80 * MS]),
            doubled=random.choice([0.0, 0.1, 0.4]),
            lost_books=random.choice([0.0, 0.0, 0.02]),
            split=random.choice([0.0, 0.3]),
        )


class Wire(msgspec.Struct):
    """One connection: its bytes stay in order, whatever their delays.

    is_dead: half open; nothing arrives any more and neither side is told.
    """

    up_ns: int = 0  # when the last frame to the venue arrives
    down_ns: int = 0
    is_dead: bool = False
    is_open: bool = True  # at the venue


class Disk:
    """The journal of one process. A record is durable once its own sync is over.

    Records, not bytes: that the reader cuts a torn record off is tested with the journal itself.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.sync_ns = MS
        self.failure = ""  # "write": full; "sync": nobody knows what is on it
        self.durable: list[bytes] = []
        self._waiting: list[bytes] = []
        self._done_ns = 0

    def write(self, payload: bytes, now_ns: int) -> int:
        """When the record will be durable; in the order of writing."""
        self._waiting.append(payload)
        took_ns = self._random.randrange(self.sync_ns // 10, self.sync_ns)
        self._done_ns = max(self._done_ns, now_ns + took_ns)
        return self._done_ns

    def synced(self) -> bytes:
        """The oldest record that waits is durable now."""
        payload = self._waiting.pop(0)
        self.durable.append(payload)
        return payload

    def crash(self) -> list[bytes]:
        """Power is cut: some of what waited made it, the next was torn, the rest is gone.

        Returns what made it.
        """
        made_it = self._waiting[: self._random.randint(0, len(self._waiting))]
        if self.failure == "write" or self._random.random() < 0.5:
            made_it = []
        self.durable += made_it
        self._waiting.clear()
        self._done_ns, self.failure = 0, ""
        return made_it
