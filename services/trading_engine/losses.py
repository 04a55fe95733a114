"""The daily loss limits: what a loss above them does.

Of an account or a strategy that lost more than `reducing` only orders that lower exposure are
taken; above `halted` the kill switch is set: of the venue, or of the strategy. A new day lifts
REDUCING; the kill switch is released by a person. Whoever wants to go on the same day raises the
limit first: what a person sets holds only until the next figures. Missing figures are refused by
the check of each order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from common import core as c, messages as m
from common.domain.modes import strategy_scope
from common.domain.risk import Loss
from common.messages import RejectReason as R, TradingMode
from services.trading_engine.records import ModeRecord
from services.trading_engine.state import EngineState


class LossLimits:
    def __init__(self, state: EngineState) -> None:
        self._state = state

    def take(self, figures: m.ProfitOfDay, now_ns: int) -> None:
        """New figures: judge them if they are whole."""
        self._state.profit.take(figures, now_ns)
        if figures.complete:
            self._lift_of_other_days(_day(figures))
            self.judge()

    def judge(self) -> None:
        """Compare what is known with the limits that hold now."""
        figures = self._state.profit.figures
        if figures is None:
            return
        for scope, pnl, limit in self._limited(figures):
            text = f"a loss of {-pnl:.2f} USD in the day of {_day(figures)}, the limit is"
            if -pnl > limit.halted:
                self._halt(scope, f"{text} {limit.halted}")
            elif -pnl > limit.reducing:
                reason = f"{text} {limit.reducing}"
                self._state.tighten(scope, TradingMode.REDUCING, reason, R.LOSS_LIMIT)

    def _limited(self, figures: m.ProfitOfDay) -> Iterator[tuple[str, Decimal, Loss]]:
        """Scope, profit and limit of all that have a limit."""
        limits = self._state.limits
        if limits.max_loss is not None:
            yield self._state.venue, figures.pnl, limits.max_loss
        for owner, pnl in figures.strategies.items():
            limit = limits.loss_of(owner)
            if limit is not None:
                yield strategy_scope(owner), pnl, limit

    def _halt(self, scope: str, reason: str) -> None:
        if scope not in self._state.modes.latches:
            self._state.out.alert("ERROR", "the day's loss is too large", scope=scope, why=reason)
            self._state.out.add(c.SetLatch(scope, reason))

    def _lift_of_other_days(self, day: str) -> None:
        state = self._state
        for scope, setting in state.modes.settings.items():
            if setting.code is R.LOSS_LIMIT and day not in setting.reason:
                reason = f"the day of {day} began"
                state.modes.set(scope, TradingMode.ACTIVE)
                state.out.record(ModeRecord(TradingMode.ACTIVE, reason, "", scope))
                state.out.alert("WARNING", "trading is ACTIVE again", scope=scope, why=reason)


def _day(figures: m.ProfitOfDay) -> str:
    start = datetime.fromtimestamp(figures.day_start_ns / 1e9, UTC)
    return start.strftime("%Y-%m-%d %H:%M UTC")
