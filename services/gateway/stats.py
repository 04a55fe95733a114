"""Counts and histograms of the gateway: plain data that metrics.py shows to Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

# seconds; the last bucket is everything above
BOUNDS = (
    *(1e-4, 2e-4, 3e-4, 5e-4, 7e-4),
    *(1e-3, 2e-3, 3e-3, 5e-3, 7e-3),
    *(0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)


class Histogram:
    """How often a duration fell into each bucket."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total_s = 0.0

    def observe_ns(self, duration_ns: int) -> None:
        seconds = max(0, duration_ns) / 1e9
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them."""
        total, rows = 0, []
        for bound, count in zip((*BOUNDS, float("inf")), self.counts, strict=True):
            total += count
            rows.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        return rows


class Stats:
    """calls: by (method, outcome); an outcome is "ok" or the reason of an error."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.bus_messages: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()  # by code
        self.gaps = 0
        self.order_round_trip = Histogram()
        self.venue_to_send = Histogram()
        self.receipt_to_send = Histogram()
        self.sent_messages = 0
        self.sent_bytes = 0
        self.connections = 0  # ever
