"""Credit rate limits: leaky buckets per account, or per address without login.

https://docs.deribit.com/articles/rate-limits (read mid-2026). A call costs credits of its group's
pool, which refills continuously; the call that finds too few is answered with 10028 and ends the
session.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Group(StrEnum):
    """What a method costs; the matching engine counts by itself, and mass quotes beside it."""

    ORDINARY = "ordinary"
    INSTRUMENTS = "instruments"
    SUBSCRIBE = "subscribe"
    TRANSACTIONS = "transactions"
    MATCHING = "matching"
    QUOTES = "quotes"


class Tariff(msgspec.Struct, frozen=True):
    """Credits: cost of one call, size of the pool, refill per second."""

    cost: int
    pool: int
    refill: int


TARIFFS = {
    Group.ORDINARY: Tariff(500, 50_000, 10_000),
    Group.INSTRUMENTS: Tariff(10_000, 500_000, 10_000),
    Group.SUBSCRIBE: Tariff(3_000, 30_000, 10_000),
    Group.TRANSACTIONS: Tariff(10_000, 80_000, 10_000),
    Group.MATCHING: Tariff(2_000, 40_000, 10_000),  # the lowest volume tier: 5/s, burst 20
    Group.QUOTES: Tariff(2_000, 40_000, 10_000),
}
SUMMARY = {
    "limits_per_currency": False,
    "non_matching_engine": {"burst": 100, "rate": 20},
    "matching_engine": {
        "trading": {"total": {"burst": 20, "rate": 5}},
        "spot": {"burst": 20, "rate": 5},
        "quotes": {"burst": 20, "rate": 5},
        "max_quotes": {"burst": 10, "rate": 10},
        "guaranteed_quotes": {"burst": 2, "rate": 2},
        "cancel_all": {"burst": 20, "rate": 5},
    },
}
GROUPS = {
    "public/get_instruments": Group.INSTRUMENTS,
    "public/subscribe": Group.SUBSCRIBE,
    "private/subscribe": Group.SUBSCRIBE,
    "private/get_transaction_log": Group.TRANSACTIONS,
    "private/mass_quote": Group.QUOTES,
}
MATCHING_PREFIXES = ("private/cancel", "private/edit")
MATCHING_METHODS = frozenset({"private/buy", "private/sell", "private/close_position"})


def group_of(method: str) -> Group:
    if method in MATCHING_METHODS or method.startswith(MATCHING_PREFIXES):
        return Group.MATCHING
    return GROUPS.get(method, Group.ORDINARY)


class Limits:
    """The pools of all subjects (client ids and addresses); a new subject's pools are full."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, Group], tuple[float, int]] = {}  # credits, as of ns

    def take(self, subject: str, method: str, now_ns: int) -> bool:
        """Pay for one call; False when the pool has too few credits left."""
        group = group_of(method)
        tariff = TARIFFS[group]
        credits, since_ns = self._pools.get((subject, group), (float(tariff.pool), now_ns))
        elapsed_s = max(0, now_ns - since_ns) / 1e9
        credits = min(tariff.pool, credits + elapsed_s * tariff.refill)
        enough = credits >= tariff.cost
        self._pools[subject, group] = (credits - tariff.cost if enough else credits, now_ns)
        return enough
