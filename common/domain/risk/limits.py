"""Limits: what an account may do, as exact numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec

from common.config import LimitsConfig, LossConfig
from common.domain.instrument import Instrument
from common.errors import ConfigError
from common.messages import InstrumentKind

ZERO = Decimal(0)
NS_PER_S = 1_000_000_000
OTHERS = "*"  # stands for the strategies that are not named
COUNTS = (
    "max_fills",
    "fills_within_s",
    "max_same_orders",
    "same_within_ms",
    "max_age_ms",
    "max_strategy_orders_per_second",
    "max_profit_age_s",
)


class Loss(msgspec.Struct, frozen=True):
    """What the day may cost, in USD: more is REDUCING, then HALTED."""

    reducing: Decimal
    halted: Decimal


class Limits(msgspec.Struct, frozen=True):
    """LimitsConfig with exact numbers; None is no limit."""

    max_quantity: dict[str, Decimal] = {}
    max_notional: Decimal | None = None
    collar_percent: Decimal | None = None
    option_collar_percent: Decimal | None = None
    max_open_orders: int | None = None
    max_orders_per_second: float | None = None
    max_strategy_orders_per_second: float | None = None
    max_external_orders: int | None = None
    max_position: dict[str, Decimal] = {}
    max_underlying_exposure: dict[str, Decimal] = {}
    max_account_exposure: Decimal | None = None
    max_fills: int | None = None
    fills_within_ns: int = NS_PER_S
    max_same_orders: int | None = None
    same_within_ns: int = NS_PER_S
    max_age_ms: int | None = None
    max_loss: Loss | None = None
    strategy_losses: dict[str, Loss] = {}
    max_profit_age_ns: int = 10 * NS_PER_S
    allowed: dict[str, frozenset[str]] = {}
    strict: bool = False  # a limit that is missing refuses

    @property
    def values_exposure(self) -> bool:
        return bool(self.max_underlying_exposure) or self.max_account_exposure is not None

    @property
    def bounds_exposure(self) -> bool:
        return bool(self.max_position) or self.values_exposure

    def loss_of(self, owner: str) -> Loss | None:
        """What a strategy may lose in a day."""
        return self.strategy_losses.get(owner) or self.strategy_losses.get(OTHERS)

    def allowed_to(self, owner: str) -> frozenset[str] | None:
        """The instruments, symbols or kinds that a strategy may trade; None is all."""
        return self.allowed.get(owner, self.allowed.get(OTHERS))

    def collar_of(self, instrument: Instrument) -> Decimal | None:
        is_option = instrument.definition.kind is InstrumentKind.OPTION
        return self.option_collar_percent if is_option else self.collar_percent

    @classmethod
    def of(cls, config: LimitsConfig, where: str = "limits", strict: bool = False) -> Limits:
        """Raises: ConfigError if a number cannot be read."""
        read = _Reader(config, where)
        read.check_counts()
        return cls(
            max_quantity=read.numbers("max_quantity"),
            max_position=read.numbers("max_position"),
            max_underlying_exposure=read.numbers("max_underlying_exposure"),
            max_account_exposure=read.number("max_account_exposure"),
            max_notional=read.number("max_notional"),
            collar_percent=read.number("price_collar_percent"),
            option_collar_percent=read.number("option_collar_percent"),
            max_open_orders=config.max_open_orders,
            max_orders_per_second=config.max_orders_per_second,
            max_strategy_orders_per_second=config.max_strategy_orders_per_second,
            max_external_orders=config.max_external_orders,
            max_fills=config.max_fills,
            fills_within_ns=int(config.fills_within_s * NS_PER_S),
            max_same_orders=config.max_same_orders,
            same_within_ns=config.same_within_ms * 1_000_000,
            max_age_ms=config.max_age_ms,
            max_loss=read.loss("max_daily_loss", config.max_daily_loss),
            strategy_losses=read.losses(),
            max_profit_age_ns=int(config.max_profit_age_s * NS_PER_S),
            allowed={owner: frozenset(keys) for owner, keys in config.allowed_instruments.items()},
            strict=strict,
        )


class _Reader:
    """Reads the numbers of one account's limits."""

    def __init__(self, config: LimitsConfig, where: str) -> None:
        self._config = config
        self._where = where

    def check_counts(self) -> None:
        for name in COUNTS:
            count = getattr(self._config, name)
            if count is not None and not count > 0:
                raise ConfigError(self._where, name, "must be a number above 0")

    def number(self, name: str) -> Decimal | None:
        text = getattr(self._config, name)
        return None if text is None else self._above_0(name, text)

    def numbers(self, name: str) -> dict[str, Decimal]:
        texts: dict[str, str] = getattr(self._config, name)
        return {key: self._above_0(f"{name}.{key}", text) for key, text in texts.items()}

    def losses(self) -> dict[str, Loss]:
        name, found = "max_strategy_daily_loss", {}
        for owner, config in self._config.max_strategy_daily_loss.items():
            loss = self.loss(f"{name}.{owner}", config)
            if loss is not None:
                found[owner] = loss
        return found

    def loss(self, key: str, config: LossConfig | None) -> Loss | None:
        if config is None:
            return None
        reducing = self._above_0(f"{key}.reducing", config.reducing)
        halted = self._above_0(f"{key}.halted", config.halted)
        if halted < reducing:
            raise ConfigError(self._where, f"{key}.halted", "must be at least reducing")
        return Loss(reducing, halted)

    def _above_0(self, key: str, text: str | float) -> Decimal:
        try:
            value = Decimal(str(text))
        except InvalidOperation:
            value = Decimal("nan")
        if not value.is_finite() or value <= 0:
            raise ConfigError(self._where, key, "must be a number above 0")
        return value


def limit_of(limits: dict[str, Decimal], instrument: Instrument) -> tuple[str, Decimal | None]:
    """The limit of an instrument: by its name, its symbol or its kind."""
    for key in keys_of(instrument):
        if key in limits:
            return key, limits[key]
    return "", None


def keys_of(instrument: Instrument) -> tuple[str, str, str]:
    """What an instrument may be called in the limits, the narrowest first."""
    rules = instrument.definition
    return rules.instrument, rules.symbol, rules.kind.value
