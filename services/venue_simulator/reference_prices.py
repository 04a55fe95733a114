"""Reference prices of the simulated world: a pure function of (seed, time).

Every simulator process that has the same seed sees the same prices without talking to the others.
The log price of a coin is

    ln anchor + beta * common(t) + own(t)

with two Brownian-like paths (noise.py): `common` moves all coins, `own` only one. So underlyings
are correlated, and prices stay within some 15 % of their anchors for ever. On top: the premium of a
perpetual over its index, the rate at which dated futures stand above it, and how busy trading is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from common.errors import LocalError
from services.venue_simulator.noise import Noise, brownian, seed_of, wave

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DAY_S = 86_400.0
YEAR_NS = 365 * 86_400_000_000_000
COMMON_VOLATILITY = 0.42
BUSY_MIDDLE = 0.2  # makes the mean of the activity about 1
FUNDING_BAND = 0.00025
FUNDING_CAP = 0.005


class Coin(msgspec.Struct, frozen=True):
    """A coin's price in USD at the anchor and how it moves (per square root of a year)."""

    anchor: float
    beta: float
    own_volatility: float
    rate: float = 0.06  # at which its futures stand above the index, per year


COINS = {
    "usd": Coin(1.0, 0.0, 0.0, 0.0),
    "usdc": Coin(1.0, 0.0, 0.002, 0.0),
    "usdt": Coin(0.9995, 0.0, 0.004, 0.0),
    "btc": Coin(62_000.0, 1.0, 0.18, 0.06),
    "eth": Coin(3_000.0, 1.2, 0.30, 0.05),
    "sol": Coin(150.0, 1.4, 0.50, 0.08),
    "xrp": Coin(0.62, 1.0, 0.55, 0.07),
    "doge": Coin(0.15, 1.4, 0.60),
    "link": Coin(14.5, 1.3, 0.50),
    "avax": Coin(35.0, 1.4, 0.55),
    "ltc": Coin(82.0, 1.0, 0.40),
    "bch": Coin(420.0, 1.1, 0.45),
    "dot": Coin(6.8, 1.3, 0.45),
    "uni": Coin(9.6, 1.2, 0.60),
    "near": Coin(5.6, 1.4, 0.65),
    "algo": Coin(0.17, 1.2, 0.55),
    "trx": Coin(0.12, 0.6, 0.35),
}


class ReferencePrices:
    """Index prices, premiums, rates and activity. Holds nothing but paths and last answers."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._common = brownian(seed_of(seed, "common"), COMMON_VOLATILITY)
        self._own: dict[str, Noise] = {}
        self._premiums: dict[str, Noise] = {}
        self._rates: dict[str, Noise] = {}
        self._busy_all = wave(seed_of(seed, "busy"), (900.0, 0.35), (60.0, 0.35))
        self._busy_own: dict[str, Noise] = {}
        self._last_ns = -1
        self._last: dict[str, float] = {}

    def index(self, name: str, now_ns: int) -> float:
        """Price of an index "<base>_<quote>", as published: rounded to 2 decimals or more."""
        price = self.index_exact(name, now_ns)
        return round(price, index_decimals(price))

    def index_exact(self, name: str, now_ns: int) -> float:
        if now_ns != self._last_ns:
            self._last_ns = now_ns
            self._last = {}
        price = self._last.get(name)
        if price is None:
            base, quote = coins_of(name)
            price = math.exp(self._log_coin(base, now_ns) - self._log_coin(quote, now_ns))
            self._last[name] = price
        return price

    def index_array(self, name: str, times_ns: Ints) -> Floats:
        """`index_exact` for int64[n]."""
        import numpy as np

        base, quote = coins_of(name)
        return np.exp(self._log_coins(base, times_ns) - self._log_coins(quote, times_ns))

    def average(self, name: str, from_ns: int, to_ns: int, samples: int = 1800) -> float:
        """Time-weighted average of an index, e.g. of the half hour that sets a delivery price."""
        import numpy as np

        times = np.linspace(from_ns, to_ns, samples).astype(np.int64)
        mean = float(self.index_array(name, times).mean())
        return round(mean, index_decimals(mean))

    def premium(self, symbol: str, now_ns: int) -> float:
        """Of a perpetual or spot price over its index, as a fraction; some basis points."""
        return self._premium_path(symbol).at(now_ns)

    def premium_array(self, symbol: str, times_ns: Ints) -> Floats:
        return self._premium_path(symbol).at_array(times_ns)

    def funding(self, symbol: str, now_ns: int) -> float:
        """Fraction per 8 h: the premium outside a band of 2.5 basis points, capped."""
        premium = self.premium(symbol, now_ns)
        rate = max(FUNDING_BAND, premium) + min(-FUNDING_BAND, premium)
        return max(-FUNDING_CAP, min(FUNDING_CAP, rate))

    def growth(self, base: str, now_ns: int, expiration_ns: int) -> float:
        """What a future of this expiry is worth over the index: exp(rate * years)."""
        years = max(0, expiration_ns - now_ns) / YEAR_NS
        steepness = 1.0 + 0.25 * years / (years + 0.5)  # short terms move more than long ones
        rate = coin_of(base).rate * steepness + self._rate_path(base).at(now_ns) / (1.0 + 2 * years)
        return math.exp(rate * years)

    def growth_over(self, base: str, times_ns: Ints, expiration_ns: int) -> Floats:
        """`growth` at ascending int64[n] within minutes: a straight line between the ends."""
        import numpy as np

        ends = [int(times_ns[0]), int(times_ns[-1])]
        return np.interp(times_ns, ends, [self.growth(base, end, expiration_ns) for end in ends])

    def activity(self, base: str, now_ns: int) -> float:
        """How busy trading in a coin is, 1.0 on average; busy spells come in all coins."""
        own = self._busy_own.get(base)
        if own is None:
            own = wave(seed_of(self._seed, "busy", base), (240.0, 0.3), (30.0, 0.4))
            self._busy_own[base] = own
        return math.exp(self._busy_all.at(now_ns) + own.at(now_ns) - BUSY_MIDDLE)

    def _rate_path(self, base: str) -> Noise:
        path = self._rates.get(base)
        if path is None:
            spread = coin_of(base).rate * 0.3
            periods = ((12 * DAY_S, spread), (DAY_S, spread / 3), (DAY_S / 24, spread / 8))
            path = self._rates[base] = wave(seed_of(self._seed, "rate", base), *periods)
        return path

    def _premium_path(self, symbol: str) -> Noise:
        path = self._premiums.get(symbol)
        if path is None:
            periods = ((DAY_S / 3, 1.5e-4), (1800.0, 1.0e-4), (120.0, 0.5e-4), (15.0, 0.2e-4))
            path = self._premiums[symbol] = wave(seed_of(self._seed, "premium", symbol), *periods)
        return path

    def _log_coin(self, base: str, now_ns: int) -> float:
        value = self._last.get(base)
        if value is None:
            coin = coin_of(base)
            value = math.log(coin.anchor) + self._own_path(base).at(now_ns)
            if coin.beta:
                value += coin.beta * self._common_at(now_ns)
            self._last[base] = value
        return value

    def _log_coins(self, base: str, times_ns: Ints) -> Floats:
        coin = coin_of(base)
        own = math.log(coin.anchor) + self._own_path(base).at_array(times_ns)
        return own + coin.beta * self._common.at_array(times_ns) if coin.beta else own

    def _common_at(self, now_ns: int) -> float:
        value = self._last.get("")
        if value is None:
            value = self._last[""] = self._common.at(now_ns)
        return value

    def _own_path(self, base: str) -> Noise:
        path = self._own.get(base)
        if path is None:
            path = brownian(seed_of(self._seed, "coin", base), coin_of(base).own_volatility)
            self._own[base] = path
        return path


def coin_of(base: str) -> Coin:
    coin = COINS.get(base)
    if coin is None:
        raise LocalError(f"the simulated world has no coin {base!r}")
    return coin


def coins_of(name: str) -> tuple[str, str]:
    """Of an index name, e.g. ("btc", "usd")."""
    base, _, quote = name.partition("_")
    return base, quote


def index_decimals(price: float) -> int:
    """Enough for six digits or so: 62000.12, 3.1234, 0.123457."""
    if price >= 100.0:
        return 2
    return 4 if price >= 1.0 else 6
