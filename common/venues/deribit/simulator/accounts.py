"""The private methods of accounts: positions, summaries, settlements, settings."""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator import account_objects, objects
from common.venues.deribit.simulator.calls import Call, Handler, count_of
from common.venues.deribit.simulator.catalog import Catalog, Identity, kinds, number
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.public import settlement_page
from common.venues.simulation import ZERO, AccountSummary, SelfTrading, SimulatedExchange


class AccountMethods:
    """Handlers by the name of their method."""

    def __init__(
        self, exchange: SimulatedExchange, catalog: Catalog, limited: dict[str, bool]
    ) -> None:
        """limited: by client id, whether it has the venue's rate limits."""
        self._exchange, self._catalog, self._limited = exchange, catalog, limited
        self.handlers: dict[str, Handler] = {
            "private/get_positions": self._positions,
            "private/get_position": self._position,
            "private/get_account_summary": self._summary,
            "private/get_account_summaries": self._summaries,
            "private/get_subaccounts": self._subaccounts,
            "private/get_settlement_history_by_currency": self._settlements,
            "private/get_settlement_history_by_instrument": self._settlements,
            "private/set_self_trading_config": self._set_self_trading,
        }

    def _positions(self, call: Call) -> list[dict[str, Any]]:
        _refuse_subaccount(call)
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
        _refuse_subaccount(call)
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
        return account_objects.owner(call.owner, mode)

    def _summaries(self, call: Call) -> dict[str, Any]:
        _refuse_subaccount(call)
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

    def _subaccounts(self, call: Call) -> list[dict[str, Any]]:
        owner = self._owner(call)
        entry: dict[str, Any] = {
            "id": owner["id"],
            "username": owner["username"],
            "system_name": owner["system_name"],
            "email": owner["email"],
            "type": "main",
            "is_password": True,
            "login_enabled": True,
            "margin_model": "segregated_sm",
            "receive_notifications": False,
            "security_keys_enabled": False,
            "security_keys_assignments": [],
        }
        if call.params.get("with_portfolio", False):
            entry["portfolio"] = self._portfolio(call)
        return [entry]

    def _portfolio(self, call: Call) -> dict[str, Any]:
        result = {}
        for currency in self._exchange.currencies(call.account):
            view = self._exchange.account_summary(call.account, currency)
            if view is not None:
                result[currency.lower()] = {
                    "currency": currency.lower(),
                    "balance": number(view.balance),
                    "equity": number(view.equity),
                    "margin_balance": number(view.margin_balance),
                    "available_funds": number(view.available_funds),
                    "available_withdrawal_funds": number(view.available_withdrawal_funds),
                    "initial_margin": number(view.initial_margin),
                    "maintenance_margin": number(view.maintenance_margin),
                    "spot_reserve": number(view.spot_reserve),
                    "additional_reserve": 0.0,
                }
        return result

    def _settlements(self, call: Call) -> dict[str, Any]:
        symbol = call.params.get("instrument_name")
        if symbol is not None:
            self._catalog.listing(symbol)
        currency = self._catalog.currency(call.params.get("currency"))
        found = self._exchange.settlements(call.account, symbol, currency, count_of(call, 20))
        return settlement_page(found, call.params.get("type"))

    def _set_self_trading(self, call: Call) -> str:
        self._exchange.set_self_trading(call.account, SelfTrading(call.params["mode"]))
        return "ok"


def _refuse_subaccount(call: Call) -> None:
    """Simulated accounts have no subaccounts; naming the own account is fine."""
    named = call.params.get("subaccount_id")
    if named is not None and named != call.owner.user_id:
        raise invalid_params("subaccount_id", "not a subaccount of this account")


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
