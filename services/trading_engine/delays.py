"""How long messages were on their way here, whatever the clock of their host shows.

A publisher on another host stamps what it sends by its own clock. The quickest of its messages
within a minute or two tells how far the two clocks are apart: what took longer than that one was
late, be it on the bus or because nobody read it.
"""

from __future__ import annotations

import msgspec

WINDOW_NS = 60_000_000_000
PUBLISHERS_KEPT = 16
BEHIND_NS = 5_000_000_000  # a venue link that is silent for so long was probed, or is down
GAP_NS = 2_000_000_000  # between two beats: it was not well all the time


class _Quickest(msgspec.Struct):
    """The least difference between our time and theirs, in this window and in the one before."""

    since_ns: int
    apart_ns: int
    before_ns: int


class Delays:
    """Of all publishers that are heard."""

    def __init__(self) -> None:
        self._publishers: dict[int, _Quickest] = {}

    def sent_ns(self, publisher_start_ns: int, sent_ns: int, now_ns: int) -> int:
        """Note a message; when it was sent, by our clock, had the quickest taken no time."""
        apart_ns, known = now_ns - sent_ns, self._publishers.pop(publisher_start_ns, None)
        if known is None:
            while len(self._publishers) >= PUBLISHERS_KEPT:
                del self._publishers[next(iter(self._publishers))]
            known = _Quickest(now_ns, apart_ns, apart_ns)
        elif now_ns >= known.since_ns + WINDOW_NS:
            known.since_ns, known.before_ns = now_ns, known.apart_ns
            known.apart_ns = apart_ns
        self._publishers[publisher_start_ns] = known  # at the end: who is silent goes first
        known.apart_ns = min(known.apart_ns, apart_ns)
        return self.here_ns(publisher_start_ns, sent_ns)

    def here_ns(self, publisher_start_ns: int, their_ns: int) -> int:
        """A time of that publisher by our clock."""
        known = self._publishers.get(publisher_start_ns)
        return their_ns if known is None else their_ns + min(known.apart_ns, known.before_ns)


class Behind:
    """How far the links of the venue may still be behind: as far as the latest of what they
    carried of late. One late message says no more of a quiet instrument once market_data was well
    for BEHIND_NS to twice that, while nothing else came as late."""

    def __init__(self) -> None:
        self._since_ns = 0
        self._proved_ns = 0
        self._worst_ns = 0
        self._before_ns = 0

    def note(self, late_ns: int) -> None:
        self._worst_ns = max(self._worst_ns, late_ns)

    def prove(self, proved_ns: int) -> None:
        """All was well then."""
        if proved_ns > self._proved_ns + GAP_NS:
            self._since_ns = proved_ns
        self._proved_ns = proved_ns
        if proved_ns >= self._since_ns + BEHIND_NS:
            self._since_ns, self._before_ns, self._worst_ns = proved_ns, self._worst_ns, 0

    def late_ns(self, told_ns: int) -> int:
        """What is left of a lateness that a message showed."""
        return min(told_ns, max(self._worst_ns, self._before_ns))
