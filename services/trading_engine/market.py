"""What the engine knows of the market: instrument definitions, quotes and tickers off the bus."""

from __future__ import annotations

import msgspec

from common import core as c
from common import messages as m
from common.domain.instrument import Instrument
from common.domain.risk import Market

NS_PER_MS = 1_000_000
WAIT_NS = 500_000_000  # for the first prices of an instrument


class _Watch(msgspec.Struct):
    """One instrument whose prices we follow."""

    since_ns: int
    quote: m.Quote | None = None
    ticker: m.Ticker | None = None
    quoted_ns: int = 0

    @property
    def is_complete(self) -> bool:
        quote = self.quote
        return quote is not None and not quote.stale and self.ticker is not None


class MarketView:
    """Prices of the instruments that were ever ordered here, and all definitions."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._watches: dict[str, _Watch] = {}
        self._instruments: dict[str, Instrument] = {}
        self._beaten_ns = 0  # when market_data last said that it is well
        self._names: dict[str, str] = {}  # symbol -> instrument

    def start(self) -> list[c.CoreCommand]:
        return [
            c.Subscribe(f"instruments.{self._venue}"),
            c.Subscribe(f"instrument.{self._venue}."),
            c.Subscribe("health."),
        ]

    @property
    def has_definitions(self) -> bool:
        return bool(self._instruments)

    def instrument(self, name: str) -> Instrument | None:
        return self._instruments.get(name)

    def name_of(self, symbol: str) -> str:
        """Our name of the venue's symbol."""
        return self._names.get(symbol, f"{self._venue}.{symbol}")

    def symbol_of(self, name: str) -> str:
        known = self._instruments.get(name)
        return known.definition.symbol if known else name.removeprefix(f"{self._venue}.")

    def prices(self, name: str, now_ns: int) -> Market:
        watch = self._watches.get(name)
        if watch is None:
            return Market()
        quote, ticker = watch.quote, watch.ticker
        known = self._instruments.get(name)
        usable = quote is not None and not quote.stale
        proved_ns = max(watch.quoted_ns, self._beaten_ns)
        return Market(
            age_ms=(now_ns - proved_ns) / NS_PER_MS if usable else None,
            bid=quote.bid_price if quote is not None and usable else None,
            ask=quote.ask_price if quote is not None and usable else None,
            mark=ticker.mark_price if ticker else None,
            last=ticker.last_price if ticker else None,
            index=ticker.index_price if ticker else None,
            min_price=ticker.min_price if ticker else None,
            max_price=ticker.max_price if ticker else None,
            is_signed=known is not None and known.is_combo,
        )

    def ticker(self, name: str) -> m.Ticker | None:
        watch = self._watches.get(name)
        return watch.ticker if watch is not None else None

    def watch(self, name: str, now_ns: int) -> list[c.CoreCommand]:
        """Follow an instrument's prices from its first order on."""
        if name in self._watches:
            return []
        self._watches[name] = _Watch(now_ns)
        return [c.Subscribe(f"quote.{name}"), c.Subscribe(f"ticker.{name}")]

    def wait_until_ns(self, name: str) -> int:
        """Until when an order may wait for prices; 0 when they are there."""
        watch = self._watches[name]
        return 0 if watch.is_complete else watch.since_ns + WAIT_NS

    def on_message(self, message: m.Event, now_ns: int) -> None:
        match message:
            case m.InstrumentList():
                for definition in message.instruments:
                    self._define(definition)
            case m.InstrumentDefinition():
                self._define(message)
            case m.InstrumentState():
                self._set_status(message)
            case m.Quote():
                if message.instrument in self._watches:
                    watch = self._watches[message.instrument]
                    watch.quote, watch.quoted_ns = message, now_ns
            case m.Health() if message.state == "ready":
                self._beaten_ns = now_ns  # its quotes are what the venue last said
            case m.Ticker():
                if message.instrument in self._watches:
                    self._watches[message.instrument].ticker = message

    def on_lost(self, topic: str) -> None:
        """What the topic said is stale until it speaks again."""
        kind, _, name = topic.partition(".")
        watch = self._watches.get(name)
        if watch is not None and kind == "quote":
            watch.quote = None
        elif watch is not None and kind == "ticker":
            watch.ticker = None

    def _define(self, definition: m.InstrumentDefinition) -> None:
        self._instruments[definition.instrument] = Instrument(definition)
        self._names[definition.symbol] = definition.instrument

    def _set_status(self, state: m.InstrumentState) -> None:
        known = self._instruments.get(state.instrument)
        if known is not None:
            self._define(msgspec.structs.replace(known.definition, status=state.status))
