"""OrderBook: one instrument's price levels, from snapshots and deltas.

Each side is two parallel lists, prices and quantities, both ascending by price: the best bid is the
last bid and the best ask the first ask. Most changes happen near the touch, so bids move little
memory; a binary search finds a level and the best 20 are two slices. Measured against sorted
dictionaries and the C package `order-book`, this is the fastest that pure Python offers.

Levels travel flat, [price, quantity, price, quantity, ...]; a quantity is the new total at its
price and 0 removes the level, as in messages.BookDelta.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import inf

from common.errors import BookGap, LocalError

TOP = 20


class OrderBook:
    """The book of one instrument. `sequence` is the venue's id of the last message applied."""

    __slots__ = (
        "ask_prices",
        "ask_quantities",
        "bid_prices",
        "bid_quantities",
        "instrument",
        "sequence",
    )

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.clear()

    def clear(self) -> None:
        self.sequence = 0
        self.bid_prices: list[float] = []
        self.bid_quantities: list[float] = []
        self.ask_prices: list[float] = []
        self.ask_quantities: list[float] = []

    def apply_snapshot(self, bids: Sequence[float], asks: Sequence[float], sequence: int) -> None:
        """Replace everything. Levels may come in any order; of a repeated price the last holds."""
        self.bid_prices, self.bid_quantities = _sorted_side(bids)
        self.ask_prices, self.ask_quantities = _sorted_side(asks)
        self.sequence = sequence

    def apply_delta(
        self, bids: Iterable[float], asks: Iterable[float], previous: int, sequence: int
    ) -> None:
        """Change levels.

        Args:
            previous: the venue's id of the message this one follows.

        Raises:
            BookGap: a message is missing; nothing was changed.
        """
        if previous != self.sequence:
            raise BookGap(self.instrument, self.sequence, previous)
        if bids:
            _update_side(self.bid_prices, self.bid_quantities, bids)
        if asks:
            _update_side(self.ask_prices, self.ask_quantities, asks)
        self.sequence = sequence

    @property
    def best_bid(self) -> tuple[float, float] | None:
        """(price, quantity) or None."""
        return (self.bid_prices[-1], self.bid_quantities[-1]) if self.bid_prices else None

    @property
    def best_ask(self) -> tuple[float, float] | None:
        return (self.ask_prices[0], self.ask_quantities[0]) if self.ask_prices else None

    @property
    def is_crossed(self) -> bool:
        """Best bid at or above best ask: no venue trades like this, so something is wrong."""
        bids, asks = self.bid_prices, self.ask_prices
        return bool(bids and asks) and bids[-1] >= asks[0]

    def top_bids(self, levels: int = TOP) -> list[float]:
        """The best levels, flat, best first."""
        prices = self.bid_prices[: -levels - 1 : -1]
        flat = prices + prices
        flat[::2] = prices
        flat[1::2] = self.bid_quantities[: -levels - 1 : -1]
        return flat

    def top_asks(self, levels: int = TOP) -> list[float]:
        prices = self.ask_prices[:levels]
        flat = prices + prices
        flat[::2] = prices
        flat[1::2] = self.ask_quantities[:levels]
        return flat

    def all_bids(self) -> list[float]:
        return self.top_bids(len(self.bid_prices))

    def all_asks(self) -> list[float]:
        return self.top_asks(len(self.ask_prices))

    def check(self) -> None:
        """Raise LocalError if an invariant is broken; for tests and debugging."""
        for prices, quantities in (
            (self.bid_prices, self.bid_quantities),
            (self.ask_prices, self.ask_quantities),
        ):
            if len(prices) != len(quantities):
                raise LocalError(
                    f"{self.instrument}: {len(prices)} prices, {len(quantities)} sizes"
                )
            if any(low >= high for low, high in zip(prices, prices[1:], strict=False)):
                raise LocalError(f"{self.instrument}: prices do not ascend")
            if not all(0 < quantity < inf for quantity in quantities):
                raise LocalError(f"{self.instrument}: a level without a quantity")


def _sorted_side(flat: Sequence[float]) -> tuple[list[float], list[float]]:
    levels = dict(zip(flat[::2], flat[1::2], strict=True))
    prices = sorted(price for price, quantity in levels.items() if quantity)
    return prices, [levels[price] for price in prices]


def _update_side(prices: list[float], quantities: list[float], flat: Iterable[float]) -> None:
    levels = iter(flat)
    for price in levels:
        quantity = next(levels)  # half the time of zip() for the usual one or two levels
        at = bisect_left(prices, price)
        if at < len(prices) and prices[at] == price:
            if quantity:
                quantities[at] = quantity
            else:
                del prices[at], quantities[at]
        elif quantity:
            prices.insert(at, price)
            quantities.insert(at, quantity)
