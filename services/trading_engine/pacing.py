"""The venue's rate budget of the account: cancels first, new orders with what is left."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
CANCEL_RESERVE = 0.25  # the part of a full bucket that only cancels may use
BELOW_VENUE = 1.0  # how much less we count than the venue: its clock is not ours
LEAST = -BELOW_VENUE  # when the venue's bucket is empty


class Pacer:
    """A token bucket, a little smaller than the venue's."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_ns = per_second / NS_PER_S
        self._capacity = max(burst - BELOW_VENUE, 1.0)
        self._reserve = self._capacity * CANCEL_RESERVE if self._capacity >= 2 else 0.0
        self._tokens = self._capacity
        self._at_ns = 0
        self._closed_until_ns = 0

    def forget(self, at_ns: int) -> None:
        """What was spent before this time is not known: perhaps all that the venue gives."""
        self._tokens, self._at_ns = LEAST, at_ns

    def spent_earlier(self, at_ns: int) -> None:
        """A call left in an earlier life. The venue never counts below nothing."""
        self.spent(at_ns)
        self._tokens = max(self._tokens, LEAST)

    def begin(self, now_ns: int) -> None:
        """A life begins; the clock of the one before, which spent() tells of, may be ahead."""
        self._at_ns = min(self._at_ns, now_ns)

    def take(self, now_ns: int, *, is_cancel: bool) -> bool:
        """Spend one token if there is one for this kind of call."""
        if self.ready_ns(now_ns, is_cancel=is_cancel) > now_ns:
            return False
        self._tokens -= 1.0
        return True

    def spent(self, at_ns: int) -> None:
        """A call left whatever the bucket held, since it could not wait."""
        self._refill(at_ns)
        self._tokens -= 1.0

    def ready_ns(self, now_ns: int, *, is_cancel: bool, ahead: int = 0) -> int:
        """When take() will say yes once `ahead` others have taken."""
        self._refill(now_ns)
        needed = 1.0 + ahead if is_cancel else 1.0 + ahead + self._reserve
        ready = now_ns
        if self._tokens < needed:
            ready = now_ns + int((needed - self._tokens) / self._per_ns) + 1
        return max(ready, self._closed_until_ns)

    def silence(self, until_ns: int) -> None:
        """Nothing may be sent before this time; the bucket starts anew from there."""
        self._closed_until_ns = max(self._closed_until_ns, until_ns)
        self._tokens, self._at_ns = 0.0, max(self._at_ns, until_ns - NS_PER_S)

    def _refill(self, now_ns: int) -> None:
        if now_ns > self._at_ns:
            gained = (now_ns - self._at_ns) * self._per_ns if self._at_ns else 0.0
            self._tokens = min(self._capacity, self._tokens + gained)
            self._at_ns = now_ns
