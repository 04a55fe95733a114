"""All options of one underlying and expiry, valued together.

Marks stand still within MARK_STEP_NS, as a venue's do; so a whole chain is valued once per step in
one numpy sweep, and tickers of a thousand options cost little more than reading arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from common.domain.pricing import (
    GreeksArray,
    black76_array,
    implied_volatility,
    option_quote_array,
    years_between,
)
from common.messages import ContractType, InstrumentDefinition, OptionType
from common.venues.simulation import OptionFigures
from services.venue_simulator.reference_prices import index_decimals
from services.venue_simulator.smile import Surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MARK_STEP_NS = 100_000_000
MARK_DECIMALS = 4
GREEK_DECIMALS = 5
YEAR_NS = 365 * 86_400_000_000_000

ForwardAt = Callable[[int], float]
ForwardOver = Callable[["Ints"], "Floats"]


class Chain:
    """The options that share a forward and an expiry.

    forward_at, forward_over: price of the future of this expiry at one moment or at several.
    """

    def __init__(
        self,
        underlying: str,
        expiration_ns: int,
        surface: Surface,
        forward_at: ForwardAt,
        forward_over: ForwardOver,
    ) -> None:
        self.underlying = underlying
        self._expiration_ns = expiration_ns
        self._surface = surface
        self._forward_at, self._forward_over = forward_at, forward_over
        self._places: dict[str, int] = {}
        self._strike_list: list[float] = []
        self._call_list: list[bool] = []
        self._is_inverse = False
        self._marked_ns = -1
        self._forward = 0.0
        self._percent: list[float] = []
        self._marks: list[float] = []
        self._values: GreeksArray | None = None

    def add(self, definition: InstrumentDefinition) -> None:
        if definition.symbol in self._places:
            return
        self._places[definition.symbol] = len(self._strike_list)
        self._strike_list.append(float(definition.strike or 0))
        self._call_list.append(definition.option_type is OptionType.CALL)
        self._is_inverse = definition.contract_type is ContractType.INVERSE
        self._marked_ns = -1

    def mark(self, symbol: str, now_ns: int) -> float:
        """In price units, rounded as published."""
        self._value(now_ns)
        return self._marks[self._places[symbol]]

    def figures(self, symbol: str, now_ns: int) -> OptionFigures:
        values = self._value(now_ns)
        place = self._places[symbol]
        return OptionFigures(
            mark_iv=self._percent[place],
            delta=_greek(values.delta, place),
            gamma=_greek(values.gamma, place),
            vega=_greek(values.vega, place),
            theta=_greek(values.theta, place),
            rho=_greek(values.rho, place),
            underlying_price=round(self._forward, index_decimals(self._forward)),
            underlying=self.underlying,
        )

    def implied_volatility(self, symbol: str, price: float, now_ns: int) -> float:
        """In percent; 0.0 where no volatility gives this price."""
        self._value(now_ns)
        place = self._places[symbol]
        value = price * self._forward if self._is_inverse else price
        found = implied_volatility(
            self._call_list[place],
            self._forward,
            self._strike_list[place],
            years_between(self._marked_ns, self._expiration_ns),
            value,
        )
        return 0.0 if found is None else round(100.0 * found, 2)

    def prices_over(self, symbol: str, times_ns: Ints) -> Floats:
        """Exact value of one option at ascending int64[n] within minutes, in price units."""
        place = self._places[symbol]
        forwards = self._forward_over(times_ns)
        strikes = np.full_like(forwards, self._strike_list[place])
        years = np.maximum(0, self._expiration_ns - times_ns) / YEAR_NS
        log_strikes = np.log(strikes / forwards)
        volatilities = self._surface.volatilities_over(times_ns, years, log_strikes)
        is_call = np.full(len(forwards), self._call_list[place])
        prices = black76_array(is_call, forwards, strikes, years, volatilities).price
        return prices / forwards if self._is_inverse else prices

    def _value(self, now_ns: int) -> GreeksArray:
        """Value the chain at the step that this moment lies in."""
        step_ns = now_ns - now_ns % MARK_STEP_NS
        if self._values is not None and step_ns == self._marked_ns:
            return self._values
        self._forward = self._forward_at(step_ns)
        strikes = np.array(self._strike_list)
        years = years_between(step_ns, self._expiration_ns)
        log_strikes = np.log(strikes / self._forward)
        volatilities = self._surface.volatilities(step_ns, years, log_strikes)
        self._values = option_quote_array(
            np.array(self._call_list),
            np.full_like(strikes, self._forward),
            strikes,
            np.full_like(strikes, years),
            volatilities,
            inverse=self._is_inverse,
        )
        self._percent = np.round(volatilities * 100.0, 2).tolist()
        self._marks = np.round(self._values.price, MARK_DECIMALS).tolist()
        self._marked_ns = step_ns
        return self._values


def _greek(column: Floats, place: int) -> float:
    value = round(float(column[place]), GREEK_DECIMALS)
    return value if math.isfinite(value) else 0.0
