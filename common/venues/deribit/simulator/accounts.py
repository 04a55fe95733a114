"""The private methods of accounts: positions, summaries, settlements, settings."""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator import account_objects, objects
from common.venues.deribit.simulator.calls import Call, Handler
from common.venues.deribit.simulator.catalog import Catalog, Identity, kinds
from common.venues.deribit.simulator.envelope import Refused
from common.venues.deribit.simulator.family import Family
from common.venues.deribit.simulator.public import ALL_SETTLEMENTS, settlement_page
from common.venues.simulation import ZERO, AccountSummary, SelfTrading, SimulatedExchange


class AccountMethods:
    """Handlers by the name of their method."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        catalog: Catalog,
        limited: dict[str, bool],
        family: Family,
    ) -> None:
        """limited: by client id, whether it has the venue's rate limits."""
        self._exchange, self._catalog, self._limited = exchange, catalog, limited
        self._family = family
        self.handlers: dict[str, Handler] = {
            "private/get_positions": self._positions,
            "private/get_position": self._position,
            "private/get_account_summary": self._summary,
            "private/get_account_summaries": self._summaries,
            "private/get_settlement_history_by_currency": self._settlements,
            "private/get_settlement_history_by_instrument": self._settlements,
            "private/set_self_trading_config": self._set_self_trading,
        }

    def _positions(self, call: Call) -> list[dict[str, Any]]:
        currency = self._catalog.currency(call.params.get("currency"))
        wanted = kinds(call.params.get("kind"))
        return [
            objects.position(view, self._catalog.listing(view.symbol))
            for view in self._exchange.positions(call.account, currency)
            if wanted is None or view.kind in wanted
        ]

    def _position(self, call: Call) -> dict[str, Any]:
        listing = self._catalog.listing(call.params["instrument_name"])
        view = self._exchange.position(call.account, listing.definition.symbol)
        if view is None:
            raise Refused(10020, "invalid_or_unsupported_instrument")
        return objects.position(view, listing)

    def summary_object(self, owner: Identity, currency: str) -> dict[str, Any] | None:
        """The data of user.portfolio; None for a currency the account does not have."""
        view = self._exchange.account_summary(owner.client_id, currency)
        return None if view is None else account_objects.summary(view)

    def currencies(self, owner: Identity) -> list[str]:
        return list(self._exchange.currencies(owner.client_id))

    def _summary(self, call: Call) -> dict[str, Any]:
        currency = self._catalog.currency(call.params["currency"], allow_any=False) or ""
        view = self._exchange.account_summary(call.account, currency)
        if view is None:
            view = empty_summary(call.account, currency)
        result = self._with_limits(call, view)
        if call.params.get("extended", False):
            result |= self._owner(call) | {"fees": account_objects.fees(self._catalog, currency)}
        return result

    def _with_limits(self, call: Call, view: AccountSummary) -> dict[str, Any]:
        limits = account_objects.limits(self._limited.get(call.account, True))
        return account_objects.summary(view) | {"limits": limits}

    def _owner(self, call: Call) -> dict[str, Any]:
        mode = self._exchange.self_trading(call.account)
        is_subaccount = self._family.is_subaccount(call.account)
        return account_objects.owner(call.owner, mode, is_subaccount)

    def _summaries(self, call: Call) -> dict[str, Any]:
        views = (
            self._exchange.account_summary(call.account, currency)
            for currency in self._exchange.currencies(call.account)
        )
        summaries = []
        for view in views:
            if view is not None:
                fees = account_objects.fees(self._catalog, view.currency)
                summaries.append(self._with_limits(call, view) | {"fees": fees})
        return self._owner(call) | {"summaries": summaries}

    def _settlements(self, call: Call) -> dict[str, Any]:
        symbol = call.params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        currency = self._catalog.currency(call.params.get("currency"))
        found = self._exchange.settlements(call.account, symbol, currency, ALL_SETTLEMENTS)
        return settlement_page(found, call)

    def _set_self_trading(self, call: Call) -> str:
        self._exchange.set_self_trading(call.account, SelfTrading(call.params["mode"]))
        return "ok"


def empty_summary(account: str, currency: str) -> AccountSummary:
    """Of a currency that the account never held."""
    money = (
        "balance equity margin_balance available_funds available_withdrawal_funds initial_margin "
        "maintenance_margin projected_initial_margin projected_maintenance_margin spot_reserve "
        "session_upl session_rpl total_pnl futures_pnl futures_session_upl futures_session_rpl "
        "options_pnl options_session_upl options_session_rpl options_value"
    )
    return AccountSummary(
        account=account,
        currency=currency,
        **dict.fromkeys(money.split(), ZERO),
        delta_total=0.0,
        delta_total_map={},
        options_delta=0.0,
        options_gamma=0.0,
        options_vega=0.0,
        options_theta=0.0,
        options_gamma_map={},
        options_vega_map={},
        options_theta_map={},
    )
