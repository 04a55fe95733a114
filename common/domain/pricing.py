"""Pure pricing: mid and microprice of a book, options by Black-76.

Black-76 values a European option on a forward F with strike K, years T, volatility v (1.0 = 100 %
a year) and rate r:

    call = exp(-rT) (F N(d1) - K N(d2))        d1 = (ln(F/K) + v^2 T / 2) / (v sqrt T)
    put  = exp(-rT) (K N(-d2) - F N(-d1))      d2 = d1 - v sqrt T

F. Black, The pricing of commodity contracts, 1976. The scalar functions need only `math`; the
`_array` twins take and return float64[n] and import numpy when called. Both handle the limits
T <= 0 and v <= 0: what remains then is the discounted intrinsic value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

YEAR_NS = 365 * 86_400_000_000_000
YEAR_DAYS = 365.0
ROOT_TWO = math.sqrt(2.0)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
MAX_VOLATILITY = 50.0
IV_ITERATIONS = 100


class Greeks(msgspec.Struct, frozen=True):
    """Price and derivatives of one option.

    delta and gamma in terms of the forward; vega per 1.0 of volatility; theta per year at a fixed
    forward; rho per 1.0 of rate at a fixed spot, the forward growing with the rate.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


class OptionQuote(msgspec.Struct, frozen=True):
    """One option in the units in which crypto venues publish it (see `option_quote`)."""

    mark_price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


# --- books -----------------------------------------------------------------------------------


def mid_price(bid: float, ask: float) -> float:
    return (bid + ask) / 2


def microprice(bid: float, bid_quantity: float, ask: float, ask_quantity: float) -> float:
    """The mid weighted by the opposite quantities: near the side that is about to give way."""
    total = bid_quantity + ask_quantity
    if total <= 0:
        return mid_price(bid, ask)
    return (bid * ask_quantity + ask * bid_quantity) / total


# --- scalar Black-76 -------------------------------------------------------------------------


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / ROOT_TWO)


def normal_pdf(x: float) -> float:
    return math.exp(-0.5 * x * x) / ROOT_TWO_PI


def years_between(now_ns: int, expiration_ns: int) -> float:
    """Time to expiry in years of 365 days, not below 0."""
    return max(0, expiration_ns - now_ns) / YEAR_NS


def black76_price(
    is_call: bool, forward: float, strike: float, years: float, volatility: float, rate: float = 0.0
) -> float:
    """The premium today, in the currency of the forward."""
    sign = 1.0 if is_call else -1.0
    discount = math.exp(-rate * years)
    deviation = volatility * math.sqrt(max(0.0, years))
    if deviation <= 0.0 or strike <= 0.0:
        return discount * max(0.0, sign * (forward - strike))
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    value = sign * (forward * normal_cdf(sign * d1) - strike * normal_cdf(sign * d2))
    return discount * max(0.0, value)


def black76_greeks(
    is_call: bool, forward: float, strike: float, years: float, volatility: float, rate: float = 0.0
) -> Greeks:
    """Price and Greeks together; at T = 0 or v = 0 all but price and delta are 0."""
    sign = 1.0 if is_call else -1.0
    discount = math.exp(-rate * years)
    root = math.sqrt(max(0.0, years))
    deviation = volatility * root
    if deviation <= 0.0 or strike <= 0.0:
        intrinsic = sign * (forward - strike)
        delta = sign * discount if intrinsic > 0 else 0.0
        return Greeks(discount * max(0.0, intrinsic), delta, 0.0, 0.0, 0.0, 0.0)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    first, second = normal_cdf(sign * d1), normal_cdf(sign * (d1 - deviation))
    price = discount * max(0.0, sign * (forward * first - strike * second))
    density = discount * normal_pdf(d1)
    return Greeks(
        price=price,
        delta=sign * discount * first,
        gamma=density / (forward * deviation),
        vega=forward * density * root,
        theta=rate * price - forward * density * volatility / (2 * root),
        rho=sign * discount * strike * years * second,
    )


def implied_volatility(
    is_call: bool, forward: float, strike: float, years: float, price: float, rate: float = 0.0
) -> float | None:
    """The volatility that gives this price; None if none does.

    Works on the out-of-the-money twin of the option, whose price is all time value, and on its
    logarithm, where Newton's steps are good far from the money; bisection takes over when a step
    leaves the bracket. None also where the time value is lost in rounding (1e-15 of the forward).
    """
    if years <= 0.0 or strike <= 0.0 or forward <= 0.0:
        return None
    undiscounted = price * math.exp(rate * years)
    intrinsic = max(0.0, (forward - strike) if is_call else (strike - forward))
    value = undiscounted - intrinsic
    if not value > 1e-15 * forward or value >= min(forward, strike):
        return None
    return _solve_volatility(strike > forward, forward, strike, years, value)


def _solve_volatility(
    is_call: bool, forward: float, strike: float, years: float, value: float
) -> float | None:
    """`implied_volatility` of an out-of-the-money option at rate 0."""
    low, high = 0.0, MAX_VOLATILITY
    target = math.log(value)
    moneyness = abs(math.log(forward / strike))
    guess = math.sqrt(2 * moneyness / years) if moneyness > 1e-3 else 0.0
    guess = max(guess, value / min(forward, strike) * ROOT_TWO_PI / math.sqrt(years))
    guess = min(max(guess, 1e-4), MAX_VOLATILITY / 2)
    for _ in range(IV_ITERATIONS):
        greeks = black76_greeks(is_call, forward, strike, years, guess)
        error = math.log(greeks.price) - target if greeks.price > 0 else -math.inf
        low, high = (guess, high) if error < 0 else (low, guess)
        step = error * greeks.price / greeks.vega if greeks.vega > 0 and error > -1e300 else None
        following = guess - step if step is not None else math.nan
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - guess) <= 1e-15 * guess:
            return following
        guess = following
    return guess if guess < MAX_VOLATILITY * 0.999 else None


# --- as venues quote -------------------------------------------------------------------------


def option_quote(
    is_call: bool,
    forward: float,
    strike: float,
    years: float,
    volatility: float,
    *,
    inverse: bool,
) -> OptionQuote:
    """Mark price and Greeks as crypto option venues publish them, before their rounding.

    The rules, found by fitting recorded tickers of 2020, 2021 and 2026:

    - time runs to the expiry at 08:00 UTC, in years of 365 days; the rate is 0; the forward is the
      future of that expiry.
    - the mark of an inverse option is in the coin: Black-76 divided by the forward; of a linear one
      in the counter currency.
    - delta is N(d1) for calls and N(d1) - 1 for puts; gamma per unit of the counter currency; vega
      for one volatility point; rho for one percentage point; theta is minus the smaller of the
      option's value and of |one day's theta| * min(1, days to expiry).
    """
    greeks = black76_greeks(is_call, forward, strike, years, volatility)
    return OptionQuote(
        mark_price=greeks.price / forward if inverse else greeks.price,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega / 100,
        theta=quoted_theta(greeks.theta, years, greeks.price),
        rho=greeks.rho / 100,
    )


def quoted_theta(theta: float, years: float, value: float) -> float:
    """One day's decay, or what is left of it before expiry, but never more than the value itself.

    Venues take their published mark for `value`: with marks recorded to a few digits the rule gives
    their theta to 0.024 USD, with recomputed marks to 0.046 USD (a chain of 2020).
    """
    return -min(value, abs(theta) / YEAR_DAYS * min(1.0, years * YEAR_DAYS))


# --- numpy twins -----------------------------------------------------------------------------


def normal_cdf_array(x: Floats) -> Floats:
    """N(x). numpy has no erf; the libm one in a map is exact and quick enough for a chain."""
    import numpy as np

    scaled = (-x / ROOT_TWO).ravel().tolist()
    values = np.fromiter(map(math.erfc, scaled), dtype=np.float64, count=len(scaled))
    return (0.5 * values).reshape(x.shape)


class GreeksArray(msgspec.Struct, frozen=True):
    """`Greeks` of n options: float64[n] each."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats


def black76_array(
    is_call: Bools,
    forward: Floats,
    strike: Floats,
    years: Floats,
    volatility: Floats,
    rate: float = 0.0,
) -> GreeksArray:
    """`black76_greeks` of n options at once; arguments broadcast. Strikes are positive."""
    import numpy as np

    sign = np.where(is_call, 1.0, -1.0)
    discount = np.exp(-rate * years)
    root = np.sqrt(np.maximum(0.0, years))
    deviation = volatility * root
    dead = deviation <= 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        d1 = np.log(forward / strike) / deviation + deviation / 2
        d1 = np.where(dead, sign * np.where(sign * (forward - strike) > 0, np.inf, -np.inf), d1)
        second_argument = np.where(dead, d1, d1 - deviation)
        density = np.where(dead, 0.0, discount * np.exp(-0.5 * d1 * d1) / ROOT_TWO_PI)
        gamma = np.where(dead, 0.0, density / (forward * deviation))
        decay = np.where(dead, 0.0, forward * density * volatility / (2 * root))
    first, second = normal_cdf_array(sign * d1), normal_cdf_array(sign * second_argument)
    price = discount * np.maximum(0.0, sign * (forward * first - strike * second))
    return GreeksArray(
        price=price,
        delta=sign * discount * first,
        gamma=gamma,
        vega=forward * density * root,
        theta=np.where(dead, 0.0, rate * price - decay),
        rho=sign * discount * strike * years * second,
    )


def option_quote_array(
    is_call: Bools,
    forward: Floats,
    strike: Floats,
    years: Floats,
    volatility: Floats,
    *,
    inverse: bool,
) -> GreeksArray:
    """`option_quote` of n options at once; `price` holds the mark."""
    import numpy as np

    greeks = black76_array(is_call, forward, strike, years, volatility)
    decay = np.abs(greeks.theta) / YEAR_DAYS * np.minimum(1.0, years * YEAR_DAYS)
    return GreeksArray(
        price=greeks.price / forward if inverse else greeks.price,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega / 100,
        theta=-np.minimum(greeks.price, decay),
        rho=greeks.rho / 100,
    )
