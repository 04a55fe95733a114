"""How far the venue's clock is ahead of ours, measured by the times in its answers.

An answer tells when its request came in and when it left. Half of the way there and back is our
error, so what took long proves little. Measured when a link comes up and each minute, and at once
when a time that the venue tells cannot be. Until it is measured then, the clock is in doubt.
"""

from __future__ import annotations

from collections import deque

NS_PER_US = 1_000
NS_PER_S = 1_000_000_000
EVERY_NS = 60 * NS_PER_S
AGAIN_NS = NS_PER_S
LOOK_NS = 5 * NS_PER_S  # how often it is measured for what tells of a clock or of a slow line
JUMP_NS = 500_000_000
JUMPS_KEPT = 100
SLOW_NS = NS_PER_S  # an answer that took longer measures nothing


class VenueClock:
    """The clock as measured, and what is wrong with that.

    Attributes:
        skew_ns: what to add to our time to get the venue's; 0 until it is known.
        measured_ns: when it was measured last; 0: never.
        is_doubted: it was not measured on this link yet, or something showed that it has moved.
        due_ns: when to measure; None before the first link.
    """

    def __init__(self) -> None:
        self.skew_ns = 0
        self._earlier: deque[tuple[int, int]] = deque(maxlen=JUMPS_KEPT)  # until when it was what
        self.measured_ns = 0
        self.is_doubted = True
        self.due_ns: int | None = None

    def begin(self, now_ns: int) -> None:
        """A link is up, and a question of ours on its way."""
        self.is_doubted = True
        self.due_ns = now_ns + AGAIN_NS

    def measure(self, sent_ns: int, now_ns: int, us_in: int, us_out: int) -> int:
        """Take the answer to a question of ours.

        Returns:
            By how much the venue's clock was found to have moved, 0 below half a second.
        """
        if us_in <= 0 or us_out < us_in or now_ns - sent_ns > SLOW_NS:
            self.due_ns = now_ns + AGAIN_NS
            return 0
        found = (us_in + us_out) * NS_PER_US // 2 - (sent_ns + now_ns) // 2
        moved = found - self.skew_ns
        is_jump = abs(moved) > JUMP_NS
        if is_jump and self.measured_ns:
            self._earlier.append((now_ns, self.skew_ns))
        self.skew_ns, self.measured_ns = found, now_ns
        self.due_ns, self.is_doubted = now_ns + EVERY_NS, False
        return moved if is_jump else 0

    def since_ns(self, our_ns: int) -> int:
        """The least venue time of anything that happened from that moment of ours on."""
        held = [skew_ns for until_ns, skew_ns in self._earlier if until_ns >= our_ns]
        return our_ns + min([*held, self.skew_ns])

    @property
    def lowest_ns(self) -> int:
        """The lowest skew that is remembered."""
        return min([*(skew_ns for _, skew_ns in self._earlier), self.skew_ns])

    def glance(self, now_ns: int, us_out: int) -> None:
        """Any answer: its time and ours must agree."""
        if us_out > 0 and abs(us_out * NS_PER_US - self.skew_ns - now_ns) > JUMP_NS:
            self.doubt(now_ns)

    def hear(self, venue_ns: int, received_ns: int, now_ns: int) -> None:
        """A time that the venue told unasked, in what was received then.

        One that is still to come shows that the clock has moved. One that is long over may have
        been slow on its way as well: that is measured, and doubted if it is so.
        """
        if not self.measured_ns or received_ns <= self.measured_ns:
            return  # by a clock that may have been another
        ahead_ns = venue_ns - self.skew_ns - received_ns
        if ahead_ns > JUMP_NS:
            self.doubt(now_ns)
        elif ahead_ns < -JUMP_NS and now_ns >= self.measured_ns + LOOK_NS:
            self._measure_at(now_ns)

    def doubt(self, now_ns: int) -> None:
        """Something shows that the clock is not where it was: measure it at once."""
        if self.measured_ns and not self.is_doubted:
            self.is_doubted = True
            self._measure_at(now_ns)

    def asked(self, now_ns: int) -> None:
        """A question is on its way."""
        self.due_ns = now_ns + AGAIN_NS

    def _measure_at(self, now_ns: int) -> None:
        if self.due_ns is not None:
            self.due_ns = min(self.due_ns, now_ns)
