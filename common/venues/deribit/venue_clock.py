"""How far the venue's clock is ahead of ours, measured by the times in its answers.

An answer tells when its request came in and when it left. Half of the way there and back is our
error, so what took long proves little. Measured when a link comes up and each minute, and at once
when an answer tells a time that cannot be.
"""

from __future__ import annotations

NS_PER_US = 1_000
NS_PER_S = 1_000_000_000
EVERY_NS = 60 * NS_PER_S
AGAIN_NS = NS_PER_S
JUMP_NS = 500_000_000
SLOW_NS = NS_PER_S  # an answer that took longer measures nothing


class VenueClock:
    """skew_ns: what to add to our time to get the venue's; 0 until it is known."""

    def __init__(self) -> None:
        self.skew_ns = 0
        self.due_ns: int | None = None  # when to measure; None before the first answer

    def measure(self, sent_ns: int, now_ns: int, us_in: int, us_out: int) -> int:
        """Take the answer to a question of ours.

        Returns:
            By how much the venue's clock was found to have moved, 0 below half a second.
        """
        if us_in <= 0 or us_out < us_in:
            return 0
        if now_ns - sent_ns > SLOW_NS:
            self.due_ns = now_ns + AGAIN_NS
            return 0
        found = (us_in + us_out) * NS_PER_US // 2 - (sent_ns + now_ns) // 2
        moved, self.skew_ns = found - self.skew_ns, found
        self.due_ns = now_ns + EVERY_NS
        return moved if abs(moved) > JUMP_NS else 0

    def glance(self, now_ns: int, us_out: int) -> None:
        """Any answer: if its time and ours differ too much, measure at once."""
        if self.due_ns is None or us_out <= 0:
            return
        if abs(us_out * NS_PER_US - self.skew_ns - now_ns) > JUMP_NS:
            self.due_ns = min(self.due_ns, now_ns)

    def asked(self, now_ns: int) -> None:
        """A question is on its way."""
        self.due_ns = now_ns + EVERY_NS
