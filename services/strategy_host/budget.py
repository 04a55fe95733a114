"""The strategy's part of the account's rate, so that it can know what would be refused."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
SHARE = 0.8  # of the account's rate, where nothing else is configured
BURST_SHARE = 0.5  # the engine keeps a part of the burst for cancels


class Budget:
    """A token bucket. Cancels always go, and are paid for afterwards."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_ns = per_second / NS_PER_S
        self._capacity = max(1.0, burst)
        self._tokens = self._capacity
        self._at_ns = 0

    def allowance(self, now_ns: int) -> int:
        """How many calls may be sent now."""
        if now_ns > self._at_ns:
            gained = (now_ns - self._at_ns) * self._per_ns if self._at_ns else 0.0
            self._tokens = min(self._capacity, self._tokens + gained)
            self._at_ns = now_ns
        return max(0, int(self._tokens + 1e-9))

    def spend(self, now_ns: int) -> None:
        self.allowance(now_ns)
        self._tokens -= 1.0
