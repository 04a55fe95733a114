"""Net Greeks per underlying, holdings outside the venues, and the limits on both."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from common.config import ExposureLimitsConfig
from common.messages import BalanceUpdated, Exposure, InventoryDelta, RiskAlert
from services.position_server.valuation import Valuation

MOST_SOURCES = 1_000
LONGEST_NAME = 64
ZERO = Decimal(0)


class Inventory:
    """The last word of each outside source on each underlying."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], InventoryDelta] = {}

    def push(self, delta: InventoryDelta) -> str:
        """Take a message.

        Returns:
            Why it was refused, "" if it was not.
        """
        key = (delta.source, delta.underlying)
        for field, text in zip(("source", "underlying"), key, strict=True):
            if not 0 < len(text) <= LONGEST_NAME:
                return f"{field}: 1 to {LONGEST_NAME} characters"
        held = self._held.get(key)
        if held is None and len(self._held) >= MOST_SOURCES:
            return f"source: more than {MOST_SOURCES} of them"
        if held is not None and delta.observed_ns < held.observed_ns:
            return "observed_ns: older than what the source said before"
        self._held[key] = delta
        return ""

    def underlyings(self) -> set[str]:
        return {underlying for _, underlying in self._held}

    def total(self, underlying: str) -> Decimal:
        return sum((d.quantity for d in self._held.values() if d.underlying == underlying), ZERO)


class Totals(NamedTuple):
    delta: float
    gamma: float
    vega: float
    theta: float
    complete: bool


def add_up(valuations: Iterable[tuple[Valuation, bool]]) -> Totals:
    """Sum what is known. The flag says whether the marks behind a valuation are fresh."""
    delta = gamma = vega = theta = 0.0
    complete = True
    for each, is_fresh in valuations:
        figures = (each.net_delta, each.gamma, each.vega, each.theta)
        complete = complete and is_fresh and None not in figures
        delta += each.net_delta or 0.0
        gamma += each.gamma or 0.0
        vega += each.vega or 0.0
        theta += each.theta or 0.0
    return Totals(delta, gamma, vega, theta, complete)


class Limits:
    """Compares with the configured bounds; remembers what is over, to tell each crossing once."""

    def __init__(self, config: ExposureLimitsConfig, venue: str, account: str) -> None:
        self._config = config
        self._venue = venue
        self._account = account
        self._raised: dict[tuple[str, str], RiskAlert] = {}

    @property
    def raised(self) -> list[RiskAlert]:
        return [self._raised[key] for key in sorted(self._raised)]

    def underlyings(self) -> set[str]:
        config = self._config
        return {*config.max_delta, *config.max_gamma, *config.max_vega}

    def check_exposure(self, exposure: Exposure) -> list[RiskAlert]:
        """Alerts of limits that this exposure crossed, or keeps again."""
        alerts = []
        for limit, bounds, figure in (
            ("max_delta", self._config.max_delta, exposure.delta),
            ("max_gamma", self._config.max_gamma, exposure.gamma),
            ("max_vega", self._config.max_vega, exposure.vega),
        ):
            bound = bounds.get(exposure.underlying)
            if bound is not None:
                over = not abs(figure) <= bound  # a NaN is over
                alerts += self._judge(limit, exposure.underlying, figure, bound, over)
        return alerts

    def check_balance(self, balance: BalanceUpdated) -> list[RiskAlert]:
        bound = self._config.min_available_fraction
        if bound is None:
            return []
        fraction = float(balance.available / balance.equity) if balance.equity > 0 else 0.0
        is_used = bool(balance.equity or balance.initial_margin)
        return self._judge(
            "min_available_fraction",
            balance.currency,
            fraction,
            bound,
            is_used and fraction < bound,
        )

    def _judge(
        self, limit: str, subject: str, value: float, bound: float, over: bool
    ) -> list[RiskAlert]:
        key = (limit, subject)
        if over == (key in self._raised):
            return []
        word = "is beyond" if over else "is back within"
        text = f"{subject}: {limit.removeprefix('max_')} {value:.6g} {word} its limit {bound:g}"
        alert = RiskAlert(self._venue, self._account, limit, subject, value, bound, over, text)
        if over:
            self._raised[key] = alert
        else:
            del self._raised[key]
        return [alert]
