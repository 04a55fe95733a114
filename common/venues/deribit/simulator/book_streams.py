"""Streams of order books: incremental ones, chained by change ids, and grouped ones."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from common.venues.deribit.simulator.catalog import milliseconds
from common.venues.deribit.simulator.streams import INTERVALS_NS, Stream
from common.venues.simulation import (
    BookChange,
    BookLevelChange,
    LevelAction,
    SimulatedEvent,
    SimulatedExchange,
)

FULL_DEPTH = 10_000


class BookStream(Stream):
    """book.{instrument}.{interval}: a snapshot, then changes chained by prev_change_id.

    Changes within the interval are merged; a level that came and went is not mentioned.
    """

    def __init__(
        self, channel: str, symbol: str, interval: str, exchange: SimulatedExchange
    ) -> None:
        super().__init__(channel)
        self._symbol, self._exchange = symbol, exchange
        self.keys, self.symbols = (("book", symbol),), (symbol,)
        self.interval_ns = INTERVALS_NS[interval]
        self._seen_id = self._sent_id = -1
        self._changed_ns = 0
        # per side: price -> (did the readers know the level, its quantity now)
        self._bids: dict[float, tuple[bool, float]] = {}
        self._asks: dict[float, tuple[bool, float]] = {}
        self._ready: list[dict[str, Any]] = []

    def first(self, now_ns: int) -> list[Any]:
        view = self._exchange.book(self._symbol, FULL_DEPTH)
        if view is None:
            return []
        self._seen_id = self._sent_id = view.change_id
        return [
            {
                "type": "snapshot",
                "timestamp": milliseconds(view.changed_ns),
                "instrument_name": self._symbol,
                "change_id": view.change_id,
                "bids": [("new", price, quantity) for price, quantity in view.bids],
                "asks": [("new", price, quantity) for price, quantity in view.asks],
            }
        ]

    def take(self, event: SimulatedEvent) -> None:
        if not isinstance(event, BookChange) or event.change_id <= self._seen_id:
            return
        self._seen_id, self._changed_ns = event.change_id, event.changed_ns
        if self.interval_ns:
            _merge(self._bids, event.bids)
            _merge(self._asks, event.asks)
        else:
            self._add(event.bids, event.asks)

    def collect(self, now_ns: int) -> list[Any]:
        if self._bids or self._asks:
            bids, asks = _levels(self._bids), _levels(self._asks)
            self._bids, self._asks = {}, {}
            if bids or asks:
                self._add(bids, asks)
        ready, self._ready = self._ready, []
        return ready

    def _add(self, bids: list[BookLevelChange], asks: list[BookLevelChange]) -> None:
        self._ready.append(
            {
                "type": "change",
                "timestamp": milliseconds(self._changed_ns),
                "instrument_name": self._symbol,
                "prev_change_id": self._sent_id,
                "change_id": self._seen_id,
                "bids": bids,
                "asks": asks,
            }
        )
        self._sent_id = self._seen_id


def _merge(pending: dict[float, tuple[bool, float]], changes: list[BookLevelChange]) -> None:
    for change in changes:
        known, _ = pending.get(change.price, (change.action is not LevelAction.NEW, 0.0))
        pending[change.price] = (known, change.quantity)


def _levels(pending: dict[float, tuple[bool, float]]) -> list[BookLevelChange]:
    levels = []
    for price, (known, quantity) in pending.items():
        if quantity:
            action = LevelAction.CHANGE if known else LevelAction.NEW
            levels.append(BookLevelChange(action, price, quantity))
        elif known:
            levels.append(BookLevelChange(LevelAction.DELETE, price, 0.0))
    return levels


class GroupedBookStream(Stream):
    """book.{instrument}.{group}.{depth}.{interval}: each message is whole and replaces the last."""

    def __init__(
        self,
        channel: str,
        symbol: str,
        step: Decimal | None,
        depth: int,
        interval: str,
        exchange: SimulatedExchange,
    ) -> None:
        """step: price units that one level spans, None for the tick."""
        super().__init__(channel)
        self._symbol, self._step, self._depth, self._exchange = symbol, step, depth, exchange
        self.keys, self.symbols = (("book", symbol),), (symbol,)
        self.interval_ns = INTERVALS_NS[interval]
        self._sent_id = -1

    def first(self, now_ns: int) -> list[Any]:
        return self._whole()

    def collect(self, now_ns: int) -> list[Any]:
        return self._whole()

    def _whole(self) -> list[Any]:
        depth = self._depth if self._step is None else FULL_DEPTH
        view = self._exchange.book(self._symbol, depth)
        if view is None:
            return []
        bids, asks = view.bids, view.asks
        if self._step is not None:
            bids = _grouped(bids, self._step, ROUND_FLOOR)
            asks = _grouped(asks, self._step, ROUND_CEILING)
        return [
            {
                "timestamp": milliseconds(view.changed_ns),
                "instrument_name": self._symbol,
                "change_id": view.change_id,
                "bids": bids[: self._depth],
                "asks": asks[: self._depth],
            }
        ]


def _grouped(
    levels: list[tuple[float, float]], step: Decimal, rounding: str
) -> list[tuple[float, float]]:
    sums: dict[Decimal, Decimal] = {}
    for price, quantity in levels:
        group = (Decimal(repr(price)) / step).to_integral_value(rounding) * step
        sums[group] = sums.get(group, Decimal(0)) + Decimal(repr(quantity))
    return [(float(price), float(quantity)) for price, quantity in sums.items()]
