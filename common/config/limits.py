"""What may be ordered, held and lost."""

from __future__ import annotations

from typing import Literal

from common.config.base import Config, Count, Positive, ZeroOrMore


class LossConfig(Config):
    """What one day may cost, in USD: after a loss above `reducing` only what lowers exposure is
    taken, one above `halted` sets the kill switch."""

    reducing: str
    halted: str


class LimitsConfig(Config):
    """Pre-trade limits of one account; what is not named has no limit, unless the file is strict.

    max_notional is in USD for inverse instruments and in the quote currency for the others.
    price_collar_percent: how far a price may be from each of mid, mark and last, either way.
    """

    max_quantity: dict[str, str] = {}  # by instrument or kind, in the instrument's unit
    max_notional: str | None = None
    price_collar_percent: Positive | None = 10.0
    option_collar_percent: Positive | None = 200.0
    max_open_orders: ZeroOrMore | None = 500
    max_orders_per_second: Positive | None = None
    max_external_orders: ZeroOrMore | None = (
        None  # orders from outside: REDUCING, one more halts the desk
    )
    max_position: dict[str, str] = {}  # as max_quantity: position, open and in doubt, worst side
    max_underlying_exposure: dict[str, str] = {}  # the same in money, by underlying
    max_account_exposure: str | None = None
    max_fills: Count | None = None  # of one strategy within fills_within_s: then it is halted
    fills_within_s: Positive = 1.0
    max_same_orders: Count | None = None  # same strategy, side, price, quantity in same_within_ms
    same_within_ms: Count = 1000
    max_age_ms: Count | None = None  # of the proof that quotes are right; stale ones refuse as well
    max_strategy_orders_per_second: Positive | None = None  # as the account's, of each
    allowed_instruments: dict[str, list[str]] = {}  # by strategy ("*": others): names or kinds
    max_daily_loss: LossConfig | None = None  # of the account
    max_strategy_daily_loss: dict[str, LossConfig] = {}  # by strategy, "*" for the others
    max_profit_age_s: Positive = 10.0  # of the figures for the two above; older ones are REDUCING


class RiskConfig(Config):
    """config/risk.yaml: limits by account, `<venue>.<account>`, in place of those of the desk's
    file; read again whenever it changes. risk: "strict" refuses orders where a limit is missing.
    """

    risk: Literal["strict", "lenient"] = "strict"
    accounts: dict[str, LimitsConfig] = {}


class ExposureLimitsConfig(Config):
    """Raised as RiskAlert by the position server; per underlying, absolute values."""

    max_delta: dict[str, float] = {}
    max_gamma: dict[str, float] = {}
    max_vega: dict[str, float] = {}
    min_available_fraction: float | None = None  # available / equity, per currency
