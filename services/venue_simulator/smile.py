"""Implied volatility of the simulated options: one slowly moving surface per underlying.

The shape in strike is the surface SVI of Gatheral and Jacquier (Arbitrage-free SVI volatility
surfaces, 2014) with phi = eta / sqrt(theta). With x = ln(K/F) / (s sqrt T) and s the volatility at
the money,

    iv(x) = s * sqrt((1 + rho eta x + sqrt((eta x + rho)^2 + 1 - rho^2)) / 2)

It is s at the money, tilted by rho, and free of butterfly arbitrage while eta (1 + |rho|) stays
within the bounds of their theorem 4.2, which the constants below do: option prices fall and are
convex in strike at any moment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from services.venue_simulator.noise import Noise, seed_of, wave
from services.venue_simulator.reference_prices import COMMON_VOLATILITY, coin_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DAY_S = 86_400.0
RISK_PREMIUM = 1.08  # implied over realised volatility
TERM_RISE = 0.06  # long terms stand this much higher, as a fraction
SHORT_TERM_YEARS = 0.06  # terms below it move more
RHO, ETA = -0.15, 0.75
MIN_YEARS = 60.0 / (365 * DAY_S)


class Surface:
    """Volatilities of one underlying."""

    def __init__(self, seed: int, base: str) -> None:
        coin = coin_of(base)
        realised = math.hypot(COMMON_VOLATILITY * coin.beta, coin.own_volatility)
        self._middle = RISK_PREMIUM * realised
        self._level = self._path(
            seed, base, "level", (10 * DAY_S, 0.1), (DAY_S, 0.05), (3600, 0.015), (60, 0.003)
        )
        self._front = self._path(seed, base, "front", (2 * DAY_S, 0.1), (7200, 0.04), (90, 0.006))
        self._rho = self._path(seed, base, "rho", (5 * DAY_S, 0.08), (7200, 0.02))
        self._eta = self._path(seed, base, "eta", (7 * DAY_S, 0.05), (7200, 0.015))

    def at_the_money(self, now_ns: int, years: float) -> float:
        """Volatility of the forward strike, 1.0 = 100 % a year."""
        front = math.exp(-years / SHORT_TERM_YEARS)
        move = self._level.at(now_ns) + front * self._front.at(now_ns)
        return self._middle * math.exp(move + TERM_RISE * years / (years + 0.3))

    def volatilities(self, now_ns: int, years: float, log_strikes: Floats) -> Floats:
        """Of strikes given as ln(K/F), float64[n], at one moment."""
        import numpy as np

        middle = self.at_the_money(now_ns, years)
        rho, eta = RHO + self._rho.at(now_ns), ETA + self._eta.at(now_ns)
        x = log_strikes / (middle * math.sqrt(max(years, MIN_YEARS)))
        inner = np.sqrt((eta * x + rho) ** 2 + 1.0 - rho * rho)
        return middle * np.sqrt((1.0 + rho * eta * x + inner) / 2.0)

    def volatilities_over(self, times_ns: Ints, years: Floats, log_strikes: Floats) -> Floats:
        """Of one strike at ascending int64[n] within minutes.

        The surface moves so slowly that its parameters are taken on a straight line between the
        first and the last moment.
        """
        import numpy as np

        ends = [int(times_ns[0]), int(times_ns[-1])]
        middles = [
            self.at_the_money(end_ns, float(left))
            for end_ns, left in zip(ends, (years[0], years[-1]), strict=True)
        ]
        middle = np.interp(times_ns, ends, middles)
        rho = np.interp(times_ns, ends, [RHO + self._rho.at(end_ns) for end_ns in ends])
        eta = np.interp(times_ns, ends, [ETA + self._eta.at(end_ns) for end_ns in ends])
        x = log_strikes / (middle * np.sqrt(np.maximum(years, MIN_YEARS)))
        inner = np.sqrt((eta * x + rho) ** 2 + 1.0 - rho * rho)
        values: Floats = middle * np.sqrt((1.0 + rho * eta * x + inner) / 2.0)
        return values

    @staticmethod
    def _path(seed: int, base: str, name: str, *periods: tuple[float, float]) -> Noise:
        return wave(seed_of(seed, "surface", base, name), *periods)
