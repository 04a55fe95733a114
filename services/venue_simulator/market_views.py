"""Views of the market: books, tickers, candles and funding."""

from __future__ import annotations

from collections.abc import Callable

from common.messages import InstrumentKind
from common.venues.simulation import (
    Candle,
    FundingPoint,
    OptionFigures,
    TickerView,
)
from services.venue_simulator.listing import Listing
from services.venue_simulator.rules import DAY_NS, HOUR_NS, SECOND_NS
from services.venue_simulator.state import State
from services.venue_simulator.statistics import MINUTE_NS, Bar

SLOW_NS = 60 * SECOND_NS  # how long 24 h figures are kept
QUOTE_NS = 5 * SECOND_NS  # how long the best prices of a sleeping book are kept
CANDLES_MAX = 5_000
SLOW_CANDLES_MAX = 1_000
POINTS = 4  # fair prices looked at inside one candle
FUNDING_POINTS = 64

Best = tuple[float | None, float]


class Slow:
    """Figures of one listing that need not be exact to the second."""

    __slots__ = ("funding_8h", "high", "low", "open", "until_ns")

    def __init__(self, until_ns: int) -> None:
        self.until_ns = until_ns
        self.open: float | None = None
        self.high: float | None = None
        self.low: float | None = None
        self.funding_8h: float | None = None


class MarketViews:
    """Reads the state of an exchange; changes nothing but its own caches."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._slow: dict[str, Slow] = {}
        self._quotes: dict[str, tuple[int, Best, Best]] = {}

    def ticker(self, listing: Listing, *, with_iv: bool) -> TickerView:
        """with_iv: the implied volatilities of bid and ask too, which cost some time."""
        state, now_ns = self._state, self._state.now_ns
        bid, ask = self._best(listing)
        slow = self._slow_figures(listing)
        day = listing.statistics.day(now_ns)
        mark, last = state.mark(listing), listing.last_price
        low, high = state.band(listing)
        perpetual = listing.kind is InstrumentKind.PERPETUAL
        figures = self._figures(listing)
        return TickerView(
            symbol=listing.symbol,
            status=listing.status,
            time_ns=now_ns,
            mark_price=mark,
            index_price=state.index(listing.definition.price_index),
            best_bid_price=bid[0],
            best_bid_quantity=bid[1],
            best_ask_price=ask[0],
            best_ask_quantity=ask[1],
            last_price=float(last) if last is not None else None,
            min_price=float(low),
            max_price=float(high),
            high=_extreme(max, slow.high, day.high if day else None),
            low=_extreme(min, slow.low, day.low if day else None),
            price_change=_change(slow.open, day, mark, listing.is_option),
            volume=day.volume if day else 0.0,
            volume_usd=self._in_usd(listing, day),
            volume_notional=day.cost if day else 0.0,
            open_interest=None if listing.is_spot else float(state.open_interest(listing)),
            settlement_price=None if listing.is_spot else listing.settlement_price,
            delivery_price=listing.delivery_price,
            current_funding=self._funding(listing, now_ns) if perpetual else None,
            funding_8h=slow.funding_8h,
            interest_value=0.0 if perpetual else None,
            bid_iv=self._volatility(listing, bid[0]) if with_iv else None,
            ask_iv=self._volatility(listing, ask[0]) if with_iv else None,
            option=figures,
        )

    def candles(self, listing: Listing, from_ns: int, to_ns: int, bar_ns: int) -> list[Candle]:
        """Bars that begin in [from_ns, to_ns]: of trades where there were any, else of the mark."""
        last = min(to_ns, self._state.now_ns)
        last -= last % bar_ns
        most = _most_candles(listing, bar_ns)
        first = max(from_ns, last - (most - 1) * bar_ns, listing.definition.created_ns)
        first -= first % bar_ns
        starts = range(first, last + 1, bar_ns)
        traded = self._traded_bars(listing, first, bar_ns)
        if len(traded) == len(starts) or listing.legs:
            return [_candle(traded[start]) for start in starts if start in traded]
        fair = self._fair_bars(listing, starts, bar_ns)
        return [_candle(traded.get(bar.start_ns, bar)) for bar in fair]

    def funding_history(self, listing: Listing, from_ns: int, to_ns: int) -> list[FundingPoint]:
        """Full hours in [from_ns, to_ns], at most 30 days of them."""
        if listing.kind is not InstrumentKind.PERPETUAL:
            return []
        end = min(to_ns, self._state.now_ns)
        end -= end % HOUR_NS
        first = max(from_ns + -from_ns % HOUR_NS, end - 30 * DAY_NS)
        return [self._funding_point(listing, hour) for hour in range(first, end + 1, HOUR_NS)]

    def funding_value(self, listing: Listing, from_ns: int, to_ns: int) -> float:
        """What a position pays over a time, as a fraction of itself."""
        from_ns = max(from_ns, listing.definition.created_ns)
        span = min(to_ns, self._state.now_ns) - from_ns
        if span <= 0 or listing.kind is not InstrumentKind.PERPETUAL:
            return 0.0
        rates = (
            self._funding(listing, from_ns + span * (2 * i + 1) // (2 * FUNDING_POINTS))
            for i in range(FUNDING_POINTS)
        )
        return sum(rates) / FUNDING_POINTS * span / (8 * HOUR_NS)

    def _best(self, listing: Listing) -> tuple[Best, Best]:
        if listing.awake:
            return listing.best(True), listing.best(False)
        if not listing.is_open or listing.legs:
            return (None, 0.0), (None, 0.0)
        moment = self._state.now_ns - self._state.now_ns % QUOTE_NS
        known = self._quotes.get(listing.symbol)
        if known is None or known[0] != moment:
            quote = self._state.market.best_quote(listing.symbol, self._state.now_ns)
            known = (moment, quote[:2], quote[2:])
            self._quotes[listing.symbol] = known
        return known[1], known[2]

    def _slow_figures(self, listing: Listing) -> Slow:
        now_ns = self._state.now_ns
        slow = self._slow.get(listing.symbol)
        if slow is not None and now_ns < slow.until_ns:
            return slow
        slow = self._slow[listing.symbol] = Slow(now_ns + SLOW_NS)
        if listing.is_option or listing.legs or not listing.is_open:
            return slow
        since = now_ns - now_ns % MINUTE_NS - DAY_NS
        hours = range(since, now_ns + 1, HOUR_NS)
        prices = [self._state.market.fair_price(listing.symbol, hour) for hour in hours]
        slow.open, slow.high, slow.low = prices[0], max(prices), min(prices)
        if listing.kind is InstrumentKind.PERPETUAL:
            slow.funding_8h = self._mean_funding(listing, now_ns)
        return slow

    def _figures(self, listing: Listing) -> OptionFigures | None:
        if not listing.is_option or not listing.is_open:
            return None
        return self._state.market.option_figures(listing.symbol, self._state.now_ns)

    def _volatility(self, listing: Listing, price: float | None) -> float | None:
        if not listing.is_option:
            return None
        if price is None:
            return 0.0
        market, now_ns = self._state.market, self._state.now_ns
        return market.implied_volatility(listing.symbol, price, now_ns)

    def _in_usd(self, listing: Listing, day: Bar | None) -> float:
        if day is None:
            return 0.0
        if listing.is_option and listing.definition.quote == listing.definition.base:
            return day.cost * self._state.index(listing.definition.price_index)
        return day.cost

    def _funding(self, listing: Listing, now_ns: int) -> float:
        return self._state.market.funding_rate(listing.symbol, now_ns)

    def _mean_funding(self, listing: Listing, now_ns: int) -> float:
        """Of the eight hours before."""
        return sum(self._funding(listing, now_ns - hour * HOUR_NS) for hour in range(8)) / 8

    def _funding_point(self, listing: Listing, hour: int) -> FundingPoint:
        index = listing.definition.price_index
        return FundingPoint(
            time_ns=hour,
            index_price=self._state.market.index_price(index, hour),
            prev_index_price=self._state.market.index_price(index, hour - HOUR_NS),
            interest_1h=self._funding(listing, hour - HOUR_NS // 2) / 8,
            interest_8h=self._mean_funding(listing, hour),
        )

    def _traded_bars(self, listing: Listing, first: int, bar_ns: int) -> dict[int, Bar]:
        """Bars of trades by their start."""
        bars: dict[int, Bar] = {}
        for minute in listing.statistics.between(first, self._state.now_ns + 1):
            start = minute.start_ns - minute.start_ns % bar_ns
            if start not in bars:
                bars[start] = Bar(start, minute.open)
            bars[start].merge(minute)
        return bars

    def _fair_bars(self, listing: Listing, starts: range, bar_ns: int) -> list[Bar]:
        """Bars of the fair price, looked at some times in each, of options once; none of later."""
        if not starts:
            return []
        points = 1 if listing.is_option else POINTS
        step = bar_ns // points
        now_ns = self._state.now_ns
        times = [min(t, now_ns) for t in range(starts[0], starts[-1] + bar_ns + 1, step)]
        prices = self._state.market.fair_prices(listing.symbol, times)
        ticks = [listing.scale.nearest(price) for price in prices]
        bars = []
        for i, start in enumerate(starts):
            bar = Bar(start, ticks[i * points])
            for price in ticks[i * points + 1 : (i + 1) * points + 1]:
                bar.add(price, 0.0, 0.0)
            bars.append(bar)
        return bars


def _most_candles(listing: Listing, bar_ns: int) -> int:
    """Fewer where every price is worked out by itself."""
    dated = listing.definition.expiration_ns is not None
    slow = listing.is_option or (dated and bar_ns > HOUR_NS // 4)
    return SLOW_CANDLES_MAX if slow else CANDLES_MAX


def _candle(bar: Bar) -> Candle:
    return Candle(bar.start_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.cost)


def _extreme(choose: Callable[[list[float]], float], *values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _change(before: float | None, day: Bar | None, mark: float, option: bool) -> float | None:
    """Percent in 24 h; of an option only if it traded."""
    if option:
        before, mark = (day.open, day.close) if day is not None else (None, mark)
    if not before:
        return None
    return round((mark / before - 1) * 100, 4)
