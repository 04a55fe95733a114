"""client_order_id: decimal text of 2^63 + engine (8 bits) + start counter (16) + counter (39).

It fits the client id field of every venue and never comes back, since the start counter is raised
and kept on disk before any link opens. The engine number tells which engine an order belongs to.
"""

from __future__ import annotations

from common.errors import LocalError

TOP_BIT = 1 << 63
ENGINE_BITS, START_BITS, COUNTER_BITS = 8, 16, 39
START_SHIFT = COUNTER_BITS
ENGINE_SHIFT = COUNTER_BITS + START_BITS
MAX_START = (1 << START_BITS) - 1


class ClientOrderIds:
    """The ids of one run of one engine."""

    def __init__(self, engine_number: int, start_counter: int) -> None:
        if not 0 <= engine_number < 1 << ENGINE_BITS:
            raise LocalError(f"engine number {engine_number} does not fit 8 bits")
        if not 0 <= start_counter <= MAX_START:
            raise LocalError(f"start counter {start_counter} does not fit 16 bits")
        self._engine = engine_number
        self._begin(start_counter)

    def _begin(self, start_counter: int) -> None:
        self.start_counter = start_counter
        self._base = TOP_BIT + (self._engine << ENGINE_SHIFT) + (start_counter << START_SHIFT)
        self._counter = 0

    def raise_above(self, start_counter: int) -> bool:
        """Leave the ids of an earlier start alone; False if we do so already."""
        if start_counter < self.start_counter:
            return False
        if start_counter >= MAX_START:
            raise LocalError("all start counters of this engine are used")
        self._begin(start_counter + 1)
        return True

    def next(self) -> str:
        self._counter += 1
        if self._counter >= 1 << COUNTER_BITS:
            raise LocalError("all ids of this start are used: restart the engine")
        return str(self._base + self._counter)

    def is_ours(self, text: str) -> bool:
        """An id that this engine made, in this run or an earlier one."""
        return engine_of(text) == self._engine


def engine_of(text: str) -> int | None:
    """The number of the engine that made this id, None if none of ours did."""
    if len(text) > 20 or not text.isascii() or not text.isdigit():
        return None
    value = int(text)
    if value < TOP_BIT or value >= TOP_BIT << 1:
        return None
    return (value >> ENGINE_SHIFT) & ((1 << ENGINE_BITS) - 1)


def start_of(text: str) -> int:
    """The start counter in an id that one of our engines made."""
    return (int(text) >> START_SHIFT) & MAX_START
