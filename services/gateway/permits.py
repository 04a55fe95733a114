"""What a key's own limits let it order: instruments, quantity, orders per second.

Cancels are never limited. The engine's checks come on top.
"""

from __future__ import annotations

from decimal import Decimal

from services.gateway.calls import Caller
from services.gateway.keys import Key
from services.gateway.rpc import CallError
from services.gateway.sessions import Bucket, forget_full


class Permits:
    """Counts what each key orders."""

    def __init__(self) -> None:
        self._buckets: dict[Key, Bucket] = {}

    def check(self, caller: Caller, instrument: str | None, quantity: Decimal | None) -> None:
        """For a new order or a change; instrument None: that of an order not known here.

        Raises:
            CallError: FORBIDDEN or RATE_LIMIT.
        """
        key = caller.key
        if key is None:
            return
        self._allow(key, instrument, quantity)
        self._count(key, caller.now_ns)

    def check_all(self, caller: Caller, quantities: dict[str, Decimal]) -> None:
        """For a mass quote: the largest quantity by instrument; it counts as one order.

        Raises:
            CallError: FORBIDDEN or RATE_LIMIT.
        """
        key = caller.key
        if key is None:
            return
        for instrument, quantity in quantities.items():
            self._allow(key, instrument, quantity)
        self._count(key, caller.now_ns)

    @staticmethod
    def _allow(key: Key, instrument: str | None, quantity: Decimal | None) -> None:
        if not key.may_trade(instrument or ""):
            text = f"key {key.key_id!r} may not trade {instrument or 'an order unknown here'}"
            raise CallError("FORBIDDEN", text, "instrument")
        if quantity is not None and key.max_quantity is not None and quantity > key.max_quantity:
            text = f"key {key.key_id!r} may order at most {key.max_quantity:f}"
            raise CallError("FORBIDDEN", text, "quantity")

    def forget_idle(self, now_ns: int) -> None:
        """Keys that ordered nothing of late; also those that are gone or changed."""
        forget_full(self._buckets, now_ns)

    def _count(self, key: Key, now_ns: int) -> None:
        rate = key.orders_per_second
        if rate is None:
            return
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(rate, max(1.0, rate), now_ns)
        if not bucket.take(now_ns):
            text = f"key {key.key_id!r} may order {rate:g} times a second"
            raise CallError("RATE_LIMIT", text)
