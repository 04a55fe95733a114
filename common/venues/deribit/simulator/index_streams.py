"""Streams about an index: what it was made of, its day, its delivery, its volatility."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from common.venues.deribit.simulator.catalog import milliseconds
from common.venues.deribit.simulator.figures import FigureMethods
from common.venues.deribit.simulator.streams import SECOND_NS, Stream
from common.venues.serving import World
from common.venues.simulation import SimulatedExchange

DAY_NS = 86_400 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
SETTLEMENT_NS = 8 * HOUR_NS  # after midnight UTC
HIGH_CHANGE = 0.1  # in a day, as a fraction
# An index is the mean of prices elsewhere; these made-up ones agree with it.
SOURCES = ("alpha", "beta", "gamma", "delta")


class EveryStream(Stream, ABC):
    """The same object for a joiner and, as the index moves, for everybody."""

    def __init__(self, channel: str, index: str, exchange: SimulatedExchange) -> None:
        super().__init__(channel)
        self._index, self._exchange = index, exchange
        self.keys = (("index", index),)
        self._last: Any = None

    @abstractmethod
    def data(self, now_ns: int) -> Any:
        """What the channel says at this moment."""

    def first(self, now_ns: int) -> list[Any]:
        self._last = self.data(now_ns)
        return [self._last]

    def collect(self, now_ns: int) -> list[Any]:
        data = self.data(now_ns)
        if data == self._last:
            return []
        self._last = data
        return [data]

    def _price(self) -> float:
        return self._exchange.index_price(self._index) or 0.0


class RankingStream(EveryStream):
    """deribit_price_ranking.{index}"""

    def data(self, now_ns: int) -> list[dict[str, Any]]:
        price = self._price()
        return [
            {
                "identifier": name,
                "enabled": True,
                "price": price,
                "original_price": price,
                "weight": 100.0 / len(SOURCES),
                "timestamp": milliseconds(now_ns),
            }
            for name in SOURCES
        ]


class StatisticsStream(EveryStream):
    """deribit_price_statistics.{index}: of 24 h, looked at every quarter of an hour."""

    def __init__(self, channel: str, index: str, exchange: SimulatedExchange, world: World) -> None:
        super().__init__(channel, index, exchange)
        self._world = world
        self._step, self._low, self._high, self._open = -1, 0.0, 0.0, 0.0

    def data(self, now_ns: int) -> dict[str, Any]:
        price = self._price()
        step_ns = HOUR_NS // 4
        if now_ns // step_ns != self._step:
            self._step = now_ns // step_ns
            moments = range(now_ns - DAY_NS, now_ns, step_ns)
            prices = [self._world.index_price(self._index, moment) for moment in moments]
            self._low, self._high, self._open = min(prices), max(prices), prices[0]
        self._low, self._high = min(self._low, price), max(self._high, price)
        return {
            "index_name": self._index,
            "low24h": self._low,
            "high24h": self._high,
            "change24h": round(100 * (price / self._open - 1), 2),
            "high_volatility": self._high / self._low - 1 > HIGH_CHANGE,
        }


class ExpirationPriceStream(EveryStream):
    """estimated_expiration_price.{index}: before the last half hour just the index."""

    def data(self, now_ns: int) -> dict[str, Any]:
        left_ns = (SETTLEMENT_NS - now_ns) % DAY_NS
        seconds = left_ns // SECOND_NS
        return {"seconds": seconds, "price": self._price(), "is_estimated": left_ns < HOUR_NS // 2}


class VolatilityIndexStream(EveryStream):
    """deribit_volatility_index.{index}: once a second, when it moved."""

    def __init__(
        self, channel: str, index: str, coin: str, exchange: SimulatedExchange, of: FigureMethods
    ) -> None:
        super().__init__(channel, index, exchange)
        self._coin, self._of = coin, of
        self._sent = 0.0

    def data(self, now_ns: int) -> dict[str, Any]:
        self._sent = self._of.volatility(self._coin, now_ns)
        return {
            "timestamp": milliseconds(now_ns),
            "volatility": self._sent,
            "index_name": self._index,
            "estimated_delivery": self._sent,
        }

    def collect(self, now_ns: int) -> list[Any]:
        if self._of.volatility(self._coin, now_ns) == self._sent:
            return []
        return [self.data(now_ns)]
