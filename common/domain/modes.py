"""Trading modes: of the desk, of a venue and of each strategy, and the kill switch above them.

What holds for an order is the strictest of all that concern it. A latch is HALTED until a person
takes it away; a mode is whatever was set last.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from common.messages import RejectReason, TradingMode

DESK = "desk"
STRATEGY = "strategy."
STRICTNESS = {TradingMode.ACTIVE: 0, TradingMode.REDUCING: 1, TradingMode.HALTED: 2}


class Setting(msgspec.Struct, frozen=True):
    """The mode of one scope. code: what an order that it stops is refused with."""

    mode: TradingMode
    reason: str = ""
    code: RejectReason = RejectReason.MODE
    is_latch: bool = False
    scope: str = DESK

    @property
    def text(self) -> str:
        """For people: what holds, where, and who can change it."""
        where = {DESK: "the desk"}.get(self.scope, self.scope)
        if self.is_latch:
            return f"the kill switch of {where} is on: {self.reason}"
        reason = f" ({self.reason})" if self.reason else ""
        return f"trading of {where} is {self.mode.value}{reason}"


FREE = Setting(TradingMode.ACTIVE)


def strategy_scope(owner: str) -> str:
    return f"{STRATEGY}{owner}"


def scope_of(venue: str, owner: str) -> str:
    """The scope that a command names; an owner is narrower than a venue."""
    if owner:
        return strategy_scope(owner)
    return venue or DESK


class Modes:
    """Modes and latches as one venue's engine sees them."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self._settings: dict[str, Setting] = {}
        self.latches: dict[str, str] = {}

    @property
    def settings(self) -> dict[str, Setting]:
        """The modes that are not ACTIVE, by scope; latches are not among them."""
        return dict(self._settings)

    def at(self, scope: str) -> TradingMode:
        """What was set for this very scope."""
        return self._settings.get(scope, FREE).mode

    def concerns(self, scope: str) -> bool:
        """Whether a scope has to do with this venue."""
        return scope in (DESK, self.venue) or scope.startswith(STRATEGY)

    def set(
        self,
        scope: str,
        mode: TradingMode,
        reason: str = "",
        code: RejectReason = RejectReason.MODE,
    ) -> None:
        if mode is TradingMode.ACTIVE:
            self._settings.pop(scope, None)
        else:
            self._settings[scope] = Setting(mode, reason, code, False, scope)

    def latch(self, latches: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Take over all latches.

        Returns:
            Those of our concern that are new, with their reasons, and those that are gone.
        """
        ours = {scope: reason for scope, reason in latches.items() if self.concerns(scope)}
        new = {scope: reason for scope, reason in ours.items() if scope not in self.latches}
        gone = [scope for scope in self.latches if scope not in ours]
        self.latches = ours
        return new, gone

    def of(self, owner: str) -> Setting:
        """What holds for an order of this owner; "" for orders of nobody."""
        scopes = (DESK, self.venue, strategy_scope(owner))
        for scope in scopes:
            if scope in self.latches:
                reason = self.latches[scope]
                return Setting(TradingMode.HALTED, reason, is_latch=True, scope=scope)
        found = [self._settings[scope] for scope in scopes if scope in self._settings]
        return max(found, key=lambda setting: STRICTNESS[setting.mode], default=FREE)

    def gates(self, owner: str) -> tuple[str, ...]:
        """The latches that stop an order of this owner."""
        return (DESK, self.venue, strategy_scope(owner))
