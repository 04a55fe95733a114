"""One WebSocket connection: login, heartbeat, cancel on disconnect, silence."""

from __future__ import annotations

import msgspec

from common.venues.deribit.simulator.access import Grant
from common.venues.deribit.simulator.envelope import heartbeat

SECOND_NS = 1_000_000_000
IDLE_LIMIT_NS = 600 * SECOND_NS
MIN_INTERVAL_S = 10


class Connection(msgspec.Struct):
    """State of one connection; times in ns. session: what its orders carry."""

    number: int
    address: str
    received_ns: int  # when its last message came
    grant: Grant | None = None
    logged_in_ns: int = 0
    cancel_on_disconnect: bool = False
    logged_out: bool = False
    interval_ns: int = 0  # of heartbeats, 0: none
    beat_ns: int = 0  # when the next heartbeat is due
    tested_ns: int | None = None  # an unanswered test_request was sent then

    @property
    def session(self) -> str:
        return f"ws{self.number}"

    def hear(self, now_ns: int) -> None:
        """Any message of the client is proof of life."""
        self.received_ns, self.tested_ns = now_ns, None

    def set_heartbeat(self, interval_s: float, now_ns: int) -> None:
        """0 ends them."""
        self.interval_ns = int(interval_s * SECOND_NS)
        self.beat_ns, self.tested_ns = now_ns + self.interval_ns, None

    def beat(self, grace_ns: int, now_ns: int) -> tuple[list[bytes], str]:
        """The frames that are due, and why to close the connection, "" if it stays.

        Each interval a heartbeat and a test_request; a client that sends nothing at all within the
        grace time after one (0: one further interval) is cut. The venue does not document its
        cadence; all known clients work with this one.
        """
        if now_ns - self.received_ns >= IDLE_LIMIT_NS:
            return [], "idle"
        if not self.interval_ns:
            return [], ""
        grace_ns = grace_ns or self.interval_ns
        if self.tested_ns is not None and now_ns - self.tested_ns >= grace_ns:
            return [], "heartbeat_timeout"
        if now_ns < self.beat_ns:
            return [], ""
        self.beat_ns = now_ns + self.interval_ns
        frames = [heartbeat("heartbeat"), heartbeat("test_request")]
        if self.tested_ns is None:
            self.tested_ns = now_ns
        return frames, ""
