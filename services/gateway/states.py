"""What is known of one topic of market data, and how it is told to clients.

A state takes the messages of its topic and returns what the channel says next; `snapshot()` is what
a joiner is told first. `sequence` counts what the channel said, so that a client sees a hole.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from common import messages as m
from common.core import BusMessage
from services.gateway.rows import levels, row

Row = dict[str, Any]
RECENT_TRADES = 200


class BookState:
    """A whole book, kept from snapshots and deltas."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.sequence = 0
        self.stale = True
        self.reason = "no snapshot yet"
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._times: Row = {"venue_sequence": 0, "venue_time_ns": 0, "received_ns": 0}

    @property
    def is_known(self) -> bool:
        return not self.stale

    def apply(self, event: BusMessage) -> Row | None:
        message = event.message
        if isinstance(message, m.BookStale):
            return self.lose(message.reason)
        self._times = _times(event)
        if isinstance(message, m.BookSnapshot):
            self._bids = dict(levels(message.bids))
            self._asks = dict(levels(message.asks))
            self.stale, self.reason = False, ""
            self.sequence += 1
            return self.snapshot()
        if isinstance(message, m.BookDelta) and not self.stale:
            return self._change(message)
        return None

    def _change(self, delta: m.BookDelta) -> Row:
        bids, asks = levels(delta.bids), levels(delta.asks)
        _merge(self._bids, bids)
        _merge(self._asks, asks)
        self.sequence += 1
        return {
            "type": "delta",
            "instrument": self.instrument,
            "sequence": self.sequence,
            "previous_sequence": self.sequence - 1,
            "bids": bids,
            "asks": asks,
            **self._times,
        }

    def lose(self, reason: str) -> Row | None:
        """The book is not to be traded on until the next snapshot."""
        if self.stale:
            return None
        self.stale, self.reason = True, reason
        self.sequence += 1
        return {
            "type": "stale",
            "instrument": self.instrument,
            "sequence": self.sequence,
            "previous_sequence": self.sequence - 1,
            "reason": reason,
        }

    def snapshot(self) -> Row | None:
        return {"type": "snapshot", **self.book()} if self.is_known else None

    def book(self, count: int | None = None) -> Row:
        """The book as HTTP and the command line show it, the best `count` levels a side."""
        return {
            "instrument": self.instrument,
            "sequence": self.sequence,
            "stale": self.stale,
            "bids": sorted(self._bids.items(), reverse=True)[:count],
            "asks": sorted(self._asks.items())[:count],
            **self._times,
        }


def _merge(side: dict[float, float], changes: list[tuple[float, float]]) -> None:
    for price, quantity in changes:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


class LatestState:
    """A topic of which only the last message matters: quotes, tickers, indices, depth."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sequence = 0
        self.last: Row | None = None

    @property
    def is_known(self) -> bool:
        return self.last is not None and not self.last["stale"]

    def apply(self, event: BusMessage) -> Row | None:
        if isinstance(event.message, m.BookStale):
            return self.lose(event.message.reason)
        self.sequence += 1
        fields = {"type": self.kind, "sequence": self.sequence, "stale": False}
        self.last = fields | row(event.message) | _times(event)
        return self.last

    def lose(self, reason: str) -> Row | None:
        if self.last is None or self.last["stale"]:
            return None
        self.sequence += 1
        self.last = self.last | {"stale": True, "sequence": self.sequence}
        return self.last

    def snapshot(self) -> Row | None:
        return self.last


class TradesState:
    """The recent trades of one instrument, newest last."""

    is_known = True

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.sequence = 0
        self.recent: deque[Row] = deque(maxlen=RECENT_TRADES)

    def apply(self, event: BusMessage) -> Row | None:
        self.sequence += 1
        trade = row(event.message) | _times(event)
        self.recent.append(trade)
        return {"type": "trade", "sequence": self.sequence} | trade

    def lose(self, reason: str) -> Row | None:
        return None

    def snapshot(self) -> Row | None:
        return {
            "type": "snapshot",
            "instrument": self.instrument,
            "sequence": self.sequence,
            "trades": list(reversed(self.recent)),
        }


State = BookState | LatestState | TradesState


def make(kind: str, instrument: str) -> State:
    if kind == "book":
        return BookState(instrument)
    return TradesState(instrument) if kind == "trade" else LatestState(kind)


def _times(event: BusMessage) -> Row:
    return {
        "venue_sequence": event.venue_sequence,
        "venue_time_ns": event.venue_time_ns,
        "received_ns": event.received_ns,
    }
