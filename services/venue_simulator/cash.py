"""Cash that moves without a trade: between accounts, and out."""

from __future__ import annotations

from decimal import Decimal

from common.venues.simulation import (
    BalanceChanged,
    LedgerEntry,
    LedgerKind,
    Refused,
    SimulatedRefusal,
)
from services.venue_simulator.funds import Funds
from services.venue_simulator.state import State


class Cash:
    def __init__(self, state: State, funds: Funds) -> None:
        self._state, self._funds = state, funds

    def move(
        self, account: str, currency: str, amount: Decimal, target: str
    ) -> LedgerEntry | Refused:
        """The entry of the account that pays; a target that is no account is out of the venue."""
        source = self._state.accounts.get(account)
        if source is None:
            return Refused(SimulatedRefusal.ACCOUNT_UNKNOWN)
        if self._funds.available(source, currency) < amount:
            return Refused(SimulatedRefusal.NOT_ENOUGH_FUNDS)
        receiver = self._state.accounts.get(target)
        kind = LedgerKind.WITHDRAWAL if receiver is None else LedgerKind.TRANSFER
        paid = self._book(account, currency, -amount, kind, target)
        if receiver is not None:
            self._book(target, currency, amount, kind, account)
        return paid

    def _book(
        self, account: str, currency: str, amount: Decimal, kind: LedgerKind, other: str
    ) -> LedgerEntry:
        owner = self._state.accounts[account]
        owner.add_balance(currency, amount)
        self._state.events.append(BalanceChanged(account, currency))
        return owner.ledger.write(kind, currency, self._state.now_ns, other=other)
