"""Public methods about figures that no single instrument has: volatilities, volumes."""

from __future__ import annotations

import math
from typing import Any

from common.messages import InstrumentKind, OptionType
from common.venues.deribit.simulator.calls import Call, Handler, begin_ns
from common.venues.deribit.simulator.catalog import CURRENCIES, Catalog, milliseconds
from common.venues.deribit.simulator.envelope import invalid_params
from common.venues.serving import World
from common.venues.simulation import SimulatedExchange

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
RESOLUTIONS_S = {"1": 1, "60": 60, "3600": 3600, "43200": 43_200, "1D": 86_400}
MAX_POINTS = 1000
SAMPLES = 4  # of the volatility within one bar
WINDOW_HOURS = 15 * 24  # of the historical volatility
HOURS_PER_YEAR = 365 * 24
SPANS = {"": 1, "_7d": 7, "_30d": 30}  # days
VOLUME_KINDS = ("calls", "puts", "futures", "spot")
# Coins with options have a volatility index.
VOLATILITY_COINS = ("BTC", "ETH")


def volatility_coin(index: str) -> str | None:
    """The coin of a volatility index such as btc_usd; None if there is none."""
    coin, _, quote = index.partition("_")
    return coin.upper() if quote == "usd" and coin.upper() in VOLATILITY_COINS else None


class FigureMethods:
    """Handlers by the name of their method."""

    def __init__(self, exchange: SimulatedExchange, catalog: Catalog, world: World) -> None:
        self._exchange, self._catalog, self._world = exchange, catalog, world
        self.handlers: dict[str, Handler] = {
            "public/get_volatility_index_data": self._volatility_bars,
            "public/get_historical_volatility": self._historical_volatility,
            "public/get_trade_volumes": self._volumes,
        }

    def volatility(self, coin: str, at_ns: int) -> float:
        """In percent, as the venue prints it."""
        return round(self._world.volatility(coin, at_ns), 2)

    def _volatility_bars(self, call: Call) -> dict[str, Any]:
        """The newest bars come first over several calls; continuation is where to go on."""
        coin = self._coin(call)
        step_ns = RESOLUTIONS_S[call.params["resolution"]] * SECOND_NS
        from_ns = begin_ns(call.params["start_timestamp"]) or 0
        to_ns = min(begin_ns(call.params["end_timestamp"]) or 0, call.now_ns)
        if to_ns < from_ns:
            raise invalid_params("end_timestamp", "must not be before start_timestamp")
        last = to_ns - to_ns % step_ns
        first = max(from_ns + -from_ns % step_ns, last - (MAX_POINTS - 1) * step_ns)
        bars = [self._bar(coin, start, step_ns) for start in range(first, last + 1, step_ns)]
        more = first - step_ns >= from_ns
        return {"data": bars, "continuation": milliseconds(first) - 1 if more else None}

    def _bar(self, coin: str, start_ns: int, step_ns: int) -> list[float]:
        values = [
            self.volatility(coin, start_ns + step_ns * place // SAMPLES)
            for place in range(SAMPLES + 1)
        ]
        return [milliseconds(start_ns), values[0], max(values), min(values), values[-1]]

    def _coin(self, call: Call) -> str:
        coin = self._catalog.currency(call.params["currency"], allow_any=False) or ""
        if coin not in VOLATILITY_COINS:
            raise invalid_params("currency", "has no volatility index")
        return coin

    def _historical_volatility(self, call: Call) -> list[list[float]]:
        """Hourly for 15 days: of the hourly moves of the index in the 15 days before, a year."""
        coin = self._catalog.currency(call.params["currency"], allow_any=False) or ""
        index = f"{coin.lower()}_usd"
        if index not in self._exchange.index_names():
            return []
        last = call.now_ns - call.now_ns % HOUR_NS
        times = [last - (2 * WINDOW_HOURS - place) * HOUR_NS for place in range(2 * WINDOW_HOURS)]
        logs = [math.log(self._world.index_price(index, moment)) for moment in times]
        squares = [(b - a) ** 2 for a, b in zip(logs, logs[1:], strict=False)]
        total = sum(squares[: WINDOW_HOURS - 1])
        points = []
        for place in range(WINDOW_HOURS, len(times)):
            total += squares[place - 1] - (
                squares[place - 1 - WINDOW_HOURS] if place > WINDOW_HOURS else 0.0
            )
            yearly = math.sqrt(total / WINDOW_HOURS * HOURS_PER_YEAR)
            points.append([milliseconds(times[place]), round(100 * yearly, 4)])
        return points

    def _volumes(self, call: Call) -> list[dict[str, Any]]:
        """Of 24 h, 7 and 30 days, in the currency; before its start nothing was traded here."""
        found: dict[str, dict[str, Any]] = {name: {"currency": name} for name in CURRENCIES}
        for span, days in SPANS.items() if call.params.get("extended", False) else [("", 1)]:
            for row in found.values():
                row |= {f"{kind}_volume{span}": 0.0 for kind in VOLUME_KINDS}
            for traded in self._exchange.traded(call.now_ns - days * DAY_NS):
                if traded.base in found:
                    name = f"{_volume_kind(traded.kind, traded.option_type)}_volume{span}"
                    row = found[traded.base]
                    row[name] = round(row[name] + traded.volume, 8)
        return list(found.values())


def _volume_kind(kind: InstrumentKind, option_type: OptionType | None) -> str:
    if kind is InstrumentKind.OPTION:
        return "puts" if option_type is OptionType.PUT else "calls"
    return "spot" if kind is InstrumentKind.SPOT else "futures"
