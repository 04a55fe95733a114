"""Statistics: bars of the trades of one instrument, for 24 h figures and charts; and what was
traded of all instruments of a kind in a month, those that are gone included."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from common.messages import InstrumentDefinition, InstrumentKind, OptionType
from services.venue_simulator.rules import DAY_NS, HOUR_NS, SECOND_NS

MINUTE_NS = 60 * SECOND_NS
BARS_MAX = 2 * 24 * 60  # two days
HOURS_MAX = 30 * 24 + 1

VolumeKey = tuple[str, InstrumentKind, OptionType | None]  # base currency first


class Volumes:
    """Volume in the base currency by the hour, of 30 days."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: dict[int, dict[VolumeKey, float]] = {}

    def add(self, definition: InstrumentDefinition, volume: float, now_ns: int) -> None:
        hour = now_ns // HOUR_NS
        sums = self._hours.get(hour)
        if sums is None:
            sums = self._hours[hour] = {}
            while len(self._hours) > HOURS_MAX:
                del self._hours[next(iter(self._hours))]
        key = definition.base, definition.kind, definition.option_type
        sums[key] = sums.get(key, 0.0) + volume

    def since(self, from_ns: int) -> dict[VolumeKey, float]:
        total: dict[VolumeKey, float] = {}
        for hour, sums in self._hours.items():
            if hour >= from_ns // HOUR_NS:
                for key, volume in sums.items():
                    total[key] = total.get(key, 0.0) + volume
        return total


class Bar:
    """Trades of one minute; volume in base currency, cost in the quote currency."""

    __slots__ = ("close", "cost", "high", "low", "open", "start_ns", "volume")

    def __init__(self, start_ns: int, price: float) -> None:
        self.start_ns = start_ns
        self.open = self.high = self.low = self.close = price
        self.volume = self.cost = 0.0

    def add(self, price: float, volume: float, cost: float) -> None:
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += volume
        self.cost += cost

    def merge(self, later: Bar) -> None:
        """Add a bar that came after."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.cost += later.cost


class Statistics:
    """The minute bars of the last two days that had trades, oldest first."""

    __slots__ = ("_bars",)

    def __init__(self) -> None:
        self._bars: dict[int, Bar] = {}

    def add(self, price: float, volume: float, cost: float, now_ns: int) -> None:
        start = now_ns - now_ns % MINUTE_NS
        bar = self._bars.get(start)
        if bar is None:
            bar = self._bars[start] = Bar(start, price)
            if len(self._bars) > BARS_MAX:
                del self._bars[next(iter(self._bars))]
        bar.add(price, volume, cost)

    def between(self, from_ns: int, to_ns: int) -> Iterator[Bar]:
        """Bars that began in [from_ns, to_ns)."""
        return (bar for start, bar in self._bars.items() if from_ns <= start < to_ns)

    def day(self, now_ns: int) -> Bar | None:
        """The last 24 h as one bar; None without trades."""
        bars = self.between(now_ns - DAY_NS, now_ns + 1)
        first = next(bars, None)
        if first is None:
            return None
        total = Bar(first.start_ns, first.open)
        for bar in chain([first], bars):
            total.merge(bar)
        return total
