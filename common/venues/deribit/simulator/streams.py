"""Streams of public market data: one object per channel, shared by all its subscribers.

A stream takes the exchange's events, and gives the data of the notifications that they become:
`first` for one joiner, `collect` for everybody. The hub decides when.
https://docs.deribit.com/articles/notifications (read mid-2026)
"""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator import objects
from common.venues.deribit.simulator.catalog import Catalog, milliseconds
from common.venues.deribit.universe import Listing
from common.venues.simulation import (
    BookView,
    InstrumentListed,
    InstrumentStateChanged,
    PublicTrade,
    SimulatedEvent,
    SimulatedExchange,
)

Key = tuple[str, str]
"""What a stream listens to: ("book", symbol), ("index", name), ("account", client id) ..."""

MS_NS = 1_000_000
SECOND_NS = 1_000 * MS_NS
INTERVALS_NS = {"raw": 0, "100ms": 100 * MS_NS, "agg2": SECOND_NS}


class Stream:
    """One channel. keys: what it listens to; symbols: the books that must be alive for it."""

    keys: tuple[Key, ...] = ()
    symbols: tuple[str, ...] = ()
    interval_ns = 0
    is_periodic = False  # looked at every second even without an event

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.label = ""
        self.subscribers: dict[int, None] = {}
        self.due_ns = 0

    def first(self, now_ns: int) -> list[Any]:
        """The data that a joiner gets at once; [] if it waits for the next event."""
        return []

    def take(self, event: SimulatedEvent) -> None:
        """An event of one of the keys."""

    def collect(self, now_ns: int) -> list[Any]:
        """The data of the notifications that are due, oldest first."""
        return []


class TickerStream(Stream):
    """ticker.{instrument}.{interval}: the whole ticker when something of it changed."""

    is_periodic = True

    def __init__(
        self, channel: str, listing: Listing, interval: str, exchange: SimulatedExchange
    ) -> None:
        super().__init__(channel)
        self._listing, self._exchange = listing, exchange
        symbol = listing.definition.symbol
        self.keys = (("book", symbol), ("trade", symbol), ("index", listing.definition.price_index))
        self.symbols = (symbol,)
        self.interval_ns = INTERVALS_NS[interval]
        self._sent: dict[str, Any] = {}

    def _data(self) -> dict[str, Any]:
        view = self._exchange.ticker(self._listing.definition.symbol)
        return {} if view is None else objects.ticker(view, self._listing)

    def first(self, now_ns: int) -> list[Any]:
        data = self._data()
        return [data] if data else []

    def collect(self, now_ns: int) -> list[Any]:
        data = self._data()
        if not data or data | {"timestamp": 0} == self._sent:
            return []
        self._sent = data | {"timestamp": 0}
        return [data]


class IncrementalTickerStream(TickerStream):
    """incremental_ticker.{instrument}: a snapshot, then what changed, at most once a second."""

    def __init__(self, channel: str, listing: Listing, exchange: SimulatedExchange) -> None:
        super().__init__(channel, listing, "agg2", exchange)

    def first(self, now_ns: int) -> list[Any]:
        data = self._data()
        if not data:
            return []
        self._sent = dict(data)
        return [{"type": "snapshot"} | data]

    def collect(self, now_ns: int) -> list[Any]:
        data = self._data()
        changed = {name: value for name, value in data.items() if self._sent.get(name) != value}
        if not changed.keys() - {"timestamp"}:
            return []
        self._sent = data
        named = {"instrument_name": data["instrument_name"], "timestamp": data["timestamp"]}
        return [{"type": "change"} | named | changed]


class QuoteStream(Stream):
    """quote.{instrument}: best bid and ask when one of them changed."""

    def __init__(self, channel: str, symbol: str, exchange: SimulatedExchange) -> None:
        super().__init__(channel)
        self._symbol, self._exchange = symbol, exchange
        self.keys, self.symbols = (("book", symbol),), (symbol,)
        self._sent: tuple[Any, ...] = ()

    def first(self, now_ns: int) -> list[Any]:
        view = self._exchange.book(self._symbol, 1)
        return [] if view is None else [self._data(view)]

    def collect(self, now_ns: int) -> list[Any]:
        view = self._exchange.book(self._symbol, 1)
        if view is None or (*view.bids[:1], None, *view.asks[:1]) == self._sent:
            return []
        self._sent = (*view.bids[:1], None, *view.asks[:1])
        return [self._data(view)]

    def _data(self, view: BookView) -> dict[str, Any]:
        bid = view.bids[0] if view.bids else (0.0, 0.0)
        ask = view.asks[0] if view.asks else (0.0, 0.0)
        return {
            "timestamp": milliseconds(view.changed_ns),
            "instrument_name": self._symbol,
            "best_bid_price": bid[0],
            "best_bid_amount": bid[1],
            "best_ask_price": ask[0],
            "best_ask_amount": ask[1],
        }


class TradesStream(Stream):
    """trades.{instrument}.{interval} and trades.{kind}.{currency}.{interval}: arrays of trades."""

    def __init__(
        self, channel: str, symbols: tuple[str, ...], interval: str, catalog: Catalog
    ) -> None:
        super().__init__(channel)
        self.keys = tuple(("trade", symbol) for symbol in symbols)
        self.symbols, self._catalog = symbols, catalog
        self.interval_ns = INTERVALS_NS[interval]
        self._trades: list[dict[str, Any]] = []

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, PublicTrade) and self._catalog.find(event.symbol) is not None:
            self._trades.append(objects.public_trade(event, self._catalog.listing))

    def collect(self, now_ns: int) -> list[Any]:
        trades, self._trades = self._trades, []
        return [trades] if trades else []


class ChartStream(Stream):
    """chart.trades.{instrument}.{resolution}: the present bar, again after each trade."""

    interval_ns = 100 * MS_NS

    def __init__(
        self, channel: str, symbol: str, minutes: int, exchange: SimulatedExchange
    ) -> None:
        super().__init__(channel)
        self._symbol, self._exchange = symbol, exchange
        self._bar_ns = minutes * 60 * SECOND_NS
        self.keys, self.symbols = (("trade", symbol),), (symbol,)

    def collect(self, now_ns: int) -> list[Any]:
        start_ns = now_ns - now_ns % self._bar_ns
        bars = self._exchange.candles(self._symbol, start_ns, now_ns, self._bar_ns)
        if not bars:
            return []
        bar = bars[-1]
        return [
            {
                "tick": milliseconds(bar.start_ns),
                "open": bar.open,
                "high": bar.high,
                "low": bar.low,
                "close": bar.close,
                "volume": round(bar.volume, 8),
                "cost": bar.cost,
                "status": "ok",
            }
        ]


class PerpetualStream(Stream):
    """perpetual.{instrument}.{interval}: index and funding."""

    def __init__(
        self, channel: str, listing: Listing, interval: str, exchange: SimulatedExchange
    ) -> None:
        super().__init__(channel)
        self._symbol, self._exchange = listing.definition.symbol, exchange
        self.keys = (("index", listing.definition.price_index),)
        self.interval_ns = INTERVALS_NS[interval]

    def first(self, now_ns: int) -> list[Any]:
        return self.collect(now_ns)

    def collect(self, now_ns: int) -> list[Any]:
        view = self._exchange.ticker(self._symbol)
        if view is None:
            return []
        return [
            {
                "timestamp": milliseconds(view.time_ns),
                "index_price": view.index_price,
                "interest": view.current_funding or 0.0,
            }
        ]


class IndexStream(Stream):
    """deribit_price_index.{index}"""

    def __init__(self, channel: str, index: str, exchange: SimulatedExchange) -> None:
        super().__init__(channel)
        self._index, self._exchange = index, exchange
        self.keys = (("index", index),)

    def first(self, now_ns: int) -> list[Any]:
        return self.collect(now_ns)

    def collect(self, now_ns: int) -> list[Any]:
        price = self._exchange.index_price(self._index)
        return [{"timestamp": milliseconds(now_ns), "price": price, "index_name": self._index}]


class MarkPriceStream(Stream):
    """markprice.options.{index}: marks of all options; iv is a fraction here."""

    interval_ns = SECOND_NS
    is_periodic = True

    def __init__(
        self, channel: str, index: str, exchange: SimulatedExchange, catalog: Catalog
    ) -> None:
        super().__init__(channel)
        self._index, self._exchange, self._catalog = index, exchange, catalog
        self.keys = (("index", index),)
        self._sent: dict[str, float] = {}

    def first(self, now_ns: int) -> list[Any]:
        return [list(self._marks().values())]

    def collect(self, now_ns: int) -> list[Any]:
        marks = self._marks()
        changed = [
            mark for name, mark in marks.items() if self._sent.get(name) != mark["mark_price"]
        ]
        self._sent = {name: mark["mark_price"] for name, mark in marks.items()}
        return [changed] if changed else []

    def _marks(self) -> dict[str, dict[str, Any]]:
        marks = {}
        for listing in self._catalog.select(None, "option"):
            symbol = listing.definition.symbol
            if listing.definition.price_index != self._index:
                continue
            view = self._exchange.ticker(symbol)
            if view is not None and view.option is not None:
                marks[symbol] = {
                    "timestamp": milliseconds(view.time_ns),
                    "mark_price": view.mark_price,
                    "iv": round(view.option.mark_iv / 100, 6),
                    "instrument_name": symbol,
                }
        return marks


class InstrumentStateStream(Stream):
    """instrument.state.{kind}.{currency}, with the five words of the older scheme."""

    keys = (("state", ""),)
    WORDS = {
        "active": "started",
        "cancel_only": "settled",
        "halted": "settled",
        "expired": "closed",
    }

    def __init__(self, channel: str, kind: str, currency: str | None, catalog: Catalog) -> None:
        super().__init__(channel)
        self._kind, self._currency, self._catalog = kind, currency, catalog
        self._ready: list[Any] = []

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, InstrumentListed):
            self._add(event.symbol, "created", event.listed_ns)
        elif isinstance(event, InstrumentStateChanged):
            self._add(event.symbol, self.WORDS[event.status.value], event.changed_ns)

    def _add(self, symbol: str, state: str, time_ns: int) -> None:
        listing = self._catalog.find(symbol)
        if listing is None or self._kind not in ("any", listing.details.kind):
            return
        if self._currency in (None, listing.definition.settlement):
            timestamp = milliseconds(time_ns)
            self._ready.append({"timestamp": timestamp, "state": state, "instrument_name": symbol})

    def collect(self, now_ns: int) -> list[Any]:
        ready, self._ready = self._ready, []
        return ready
