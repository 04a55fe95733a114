"""What the engine knows of the market: instrument definitions, quotes and tickers off the bus."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from math import isfinite

import msgspec

from common import core as c, messages as m
from common.domain.instrument import Instrument
from common.domain.risk import Market
from services.trading_engine.delays import Behind, Delays

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
WAIT_NS = 500_000_000  # for the first prices of an instrument
BUCKET_NS = 50_000_000  # how finely mids are remembered


class _Bucket(msgspec.Struct):
    """The mids of a moment."""

    since_ns: int
    low: float
    high: float
    last: float


class Mids:
    """The lowest and the highest mid of the last second, the one that held at its start included.

    What a single wrong message moves, moves the one or the other for a second at least.
    """

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque()
        self._before: float | None = None  # the mid that held before the first bucket

    def note(self, mid: float, now_ns: int) -> None:
        last = self._buckets[-1] if self._buckets else None
        if last is None or now_ns >= last.since_ns + BUCKET_NS:
            self._buckets.append(_Bucket(now_ns, mid, mid, mid))
            self._forget(now_ns)
        else:
            last.low, last.high, last.last = min(last.low, mid), max(last.high, mid), mid

    def range(self, now_ns: int) -> tuple[float | None, float | None]:
        self._forget(now_ns)
        lows = [bucket.low for bucket in self._buckets]
        highs = [bucket.high for bucket in self._buckets]
        first_ns = self._buckets[0].since_ns if self._buckets else now_ns
        if self._before is not None and first_ns > now_ns - NS_PER_S:
            lows.append(self._before)
            highs.append(self._before)
        return min(lows, default=None), max(highs, default=None)

    def clear(self) -> None:
        self._buckets.clear()
        self._before = None

    def _forget(self, now_ns: int) -> None:
        while self._buckets and self._buckets[0].since_ns + BUCKET_NS <= now_ns - NS_PER_S:
            self._before = self._buckets.popleft().last


class _Watch(msgspec.Struct):
    """One instrument whose prices we follow."""

    since_ns: int
    mids: Mids
    quote: m.Quote | None = None
    ticker: m.Ticker | None = None
    quoted_ns: int = 0
    venue_ns: int = 0  # the venue's time of what was new last
    late_ns: int = 0  # and how long it took from there to the desk

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
        self._delays = Delays()
        self._behind = Behind()
        self._beaten_ns = 0  # when market_data last said that it is well
        self._names: dict[str, str] = {}  # symbol -> instrument
        self._combos: dict[str, dict[str, Decimal]] = {}  # leg -> combos, with its part in each

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

    def settlements(self) -> list[str]:
        """The currencies that anything known settles in."""
        return sorted({each.definition.settlement for each in self._instruments.values()})

    def name_of(self, symbol: str) -> str:
        """Our name of the venue's symbol."""
        return self._names.get(symbol, f"{self._venue}.{symbol}")

    def symbol_of(self, name: str) -> str:
        known = self._instruments.get(name)
        return known.definition.symbol if known else name.removeprefix(f"{self._venue}.")

    def legs_of(self, name: str) -> list[tuple[str, Decimal]]:
        """Of a combo, when the definitions of all of them are known: how many for one."""
        known = self._instruments.get(name)
        legs = known.definition.legs if known is not None else []
        return list(legs) if all(leg in self._instruments for leg, _ in legs) else []

    def combos_with(self, name: str) -> dict[str, Decimal]:
        """The combos that an instrument is a leg of, and its part in each."""
        return self._combos.get(name, {})

    def prices(self, name: str, now_ns: int) -> Market:
        watch = self._watches.get(name)
        if watch is None:
            return Market()
        quote, ticker = watch.quote, watch.ticker
        known = self._instruments.get(name)
        usable = quote is not None and not quote.stale
        proved_ns = max(watch.quoted_ns, self._beaten_ns)
        late_ns = self._behind.late_ns(watch.late_ns)
        low, high = watch.mids.range(now_ns)
        return Market(
            age_ms=(now_ns - proved_ns + late_ns) / NS_PER_MS if usable else None,
            bid=quote.bid_price if quote is not None and usable else None,
            ask=quote.ask_price if quote is not None and usable else None,
            mark=ticker.mark_price if ticker else None,
            last=ticker.last_price if ticker else None,
            index=ticker.index_price if ticker else None,
            min_price=ticker.min_price if ticker else None,
            max_price=ticker.max_price if ticker else None,
            is_signed=known is not None and known.is_combo,
            low=low,
            high=high,
        )

    def on_clock_moved(self) -> None:
        """What was on its way when is told by a clock that is no more."""
        for watch in self._watches.values():
            watch.venue_ns = watch.late_ns = 0

    def ticker(self, name: str) -> m.Ticker | None:
        watch = self._watches.get(name)
        return watch.ticker if watch is not None else None

    def delta(self, name: str) -> float | None:
        """Of an option, as the venue last told it."""
        ticker = self.ticker(name)
        return ticker.delta if ticker is not None else None

    def watch(self, name: str, now_ns: int) -> list[c.CoreCommand]:
        """Follow an instrument's prices, and those of its legs, from its first order on."""
        commands: list[c.CoreCommand] = []
        for each in (name, *(leg for leg, _ in self.legs_of(name))):
            if each not in self._watches:
                self._watches[each] = _Watch(now_ns, Mids())
                commands += [c.Subscribe(f"quote.{each}"), c.Subscribe(f"ticker.{each}")]
        return commands

    def wait_until_ns(self, name: str) -> int:
        """Until when an order may wait for prices, of legs too; 0 when they are there."""
        names = [name, *(leg for leg, _ in self.legs_of(name))]
        watches = [self._watches[each] for each in names if each in self._watches]
        return max(0 if each.is_complete else each.since_ns + WAIT_NS for each in watches)

    def received_ns(self, event: c.BusMessage) -> int:
        """When the desk received it from the venue, by our clock; 0: it did not come from there."""
        if not event.received_ns:
            return 0
        return self._delays.here_ns(event.publisher_start_ns, event.received_ns)

    def on_message(self, event: c.BusMessage, skew_ns: int | None, now_ns: int) -> None:
        """skew_ns: how far the venue's clock is ahead of ours; None: not known."""
        message = event.message
        if isinstance(message, m.Health) and message.process != f"market_data.{self._venue}":
            return  # the beats of others prove nothing of prices
        # What was long on its way is as old as that.
        proved_ns = self._delays.sent_ns(event.publisher_start_ns, event.sent_ns, now_ns)
        match message:
            case m.InstrumentList():
                for definition in message.instruments:
                    self._define(definition)
            case m.InstrumentDefinition():
                self._define(message)
            case m.InstrumentState():
                self._set_status(message)
            case m.Quote():
                self._on_quote(message, proved_ns, now_ns)
            case m.Health(state="ready"):
                self._beaten_ns = proved_ns  # its quotes are what the venue last said
                self._behind.prove(proved_ns)
            case m.Ticker():
                self._on_ticker(message)
        if isinstance(message, m.Quote | m.Ticker) and skew_ns is not None:
            self._note_lateness(message.instrument, event, skew_ns)

    def _on_quote(self, quote: m.Quote, proved_ns: int, now_ns: int) -> None:
        watch = self._watches.get(quote.instrument)
        if watch is None:
            return
        watch.quote, watch.quoted_ns = quote, proved_ns
        if quote.stale or quote.bid_price is None or quote.ask_price is None:
            return
        mid = (quote.bid_price + quote.ask_price) / 2
        if isfinite(mid):
            watch.mids.note(mid, now_ns)

    def _on_ticker(self, ticker: m.Ticker) -> None:
        watch = self._watches.get(ticker.instrument)
        if watch is not None:
            watch.ticker = ticker

    def _note_lateness(self, name: str, event: c.BusMessage, skew_ns: int) -> None:
        """How long it took from the venue to the desk, if it is of something new: what a joiner
        gets, or a book that was fetched again, may have been so for hours."""
        watch = self._watches.get(name)
        received_ns = self.received_ns(event)
        if watch is None or not received_ns or event.venue_time_ns <= watch.venue_ns:
            return
        happened_ns = event.venue_time_ns - skew_ns
        if happened_ns > watch.since_ns:
            watch.late_ns = max(0, received_ns - happened_ns)
            watch.venue_ns = event.venue_time_ns
            self._behind.note(watch.late_ns)

    def on_lost(self, topic: str) -> None:
        """What the topic said is stale until it speaks again."""
        kind, _, name = topic.partition(".")
        watch = self._watches.get(name)
        if watch is not None and kind == "quote":
            watch.quote = None
            watch.mids.clear()
        elif watch is not None and kind == "ticker":
            watch.ticker = None

    def _define(self, definition: m.InstrumentDefinition) -> None:
        self._instruments[definition.instrument] = Instrument(definition)
        self._names[definition.symbol] = definition.instrument
        for leg, ratio in definition.legs:
            self._combos.setdefault(leg, {})[definition.instrument] = ratio

    def _set_status(self, state: m.InstrumentState) -> None:
        known = self._instruments.get(state.instrument)
        if known is not None:
            self._define(msgspec.structs.replace(known.definition, status=state.status))
