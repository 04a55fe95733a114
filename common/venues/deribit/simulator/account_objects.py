"""Account summaries, as production sent them in 2026 (segregated standard margin)."""

from __future__ import annotations

from typing import Any

from common.messages import InstrumentKind
from common.venues.deribit.simulator.catalog import Catalog, Identity, number
from common.venues.deribit.simulator.limits import SUMMARY
from common.venues.simulation import AccountSummary, SelfTrading, SimulatedExchange

CREATED_MS = 1_700_000_000_000
UNLIMITED = {"burst": 1_000_000, "rate": 1_000_000}


def summary(view: AccountSummary) -> dict[str, Any]:
    """One currency: the data of user.portfolio and the heart of get_account_summary."""
    return {
        "currency": view.currency,
        "balance": number(view.balance),
        "equity": number(view.equity),
        "margin_balance": number(view.margin_balance),
        "available_funds": number(view.available_funds),
        "available_withdrawal_funds": number(view.available_withdrawal_funds),
        "initial_margin": number(view.initial_margin),
        "maintenance_margin": number(view.maintenance_margin),
        "projected_initial_margin": number(view.projected_initial_margin),
        "projected_maintenance_margin": number(view.projected_maintenance_margin),
        "spot_reserve": number(view.spot_reserve),
        "additional_reserve": 0.0,
        "locked_balance": 0.0,
        "fee_balance": number(view.fee_balance),
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "estimated_liquidation_ratio": 0.0,
        "estimated_liquidation_ratio_map": {},
    } | _profit_and_risk(view)


def _profit_and_risk(view: AccountSummary) -> dict[str, Any]:
    return {
        "total_pl": number(view.total_pnl),
        "session_upl": number(view.session_upl),
        "session_rpl": number(view.session_rpl),
        "futures_pl": number(view.futures_pnl),
        "futures_session_upl": number(view.futures_session_upl),
        "futures_session_rpl": number(view.futures_session_rpl),
        "options_pl": number(view.options_pnl),
        "options_session_upl": number(view.options_session_upl),
        "options_session_rpl": number(view.options_session_rpl),
        "options_value": number(view.options_value),
        "options_delta": view.options_delta,
        "options_gamma": view.options_gamma,
        "options_vega": view.options_vega,
        "options_theta": view.options_theta,
        "options_gamma_map": view.options_gamma_map,
        "options_vega_map": view.options_vega_map,
        "options_theta_map": view.options_theta_map,
        "delta_total": view.delta_total,
        "projected_delta_total": view.delta_total,
        "delta_total_map": view.delta_total_map,
    }


def limits(limited: bool) -> dict[str, Any]:
    """The account's own rates; without limits, figures nobody reaches."""
    if limited:
        return SUMMARY
    trading = {"total": UNLIMITED}
    rest = dict.fromkeys(("spot", "quotes", "max_quotes", "guaranteed_quotes", "cancel_all"))
    return {
        "limits_per_currency": False,
        "non_matching_engine": UNLIMITED,
        "matching_engine": {"trading": trading} | dict.fromkeys(rest, UNLIMITED),
    }


def owner(identity: Identity, self_trading: SelfTrading, is_subaccount: bool) -> dict[str, Any]:
    """What `extended` adds: who the account is."""
    return {
        "id": identity.user_id,
        "username": identity.client_id,
        "system_name": identity.client_id,
        "email": f"{identity.client_id}@example.com",
        "type": "subaccount" if is_subaccount else "main",
        "creation_timestamp": CREATED_MS,
        "mmp_enabled": False,
        "security_keys_enabled": False,
        "login_enabled": True,
        "interuser_transfers_enabled": False,
        "referrer_id": None,
        "self_trading_reject_mode": self_trading.value,
        "self_trading_extended_to_subaccounts": False,
        "block_rfq_self_match_prevention": True,
        "trading_products_details": [
            {"product": name, "enabled": True, "overwriteable": False}
            for name in ("spots", "perpetual", "futures", "options")
        ],
        "fee_group": "default",
    }


def fees(catalog: Catalog, currency: str) -> dict[str, Any]:
    """index -> kind -> fee, from the first instrument of each; they do not differ within."""
    result: dict[str, Any] = {}
    for listing in catalog.select(currency, None):
        definition = listing.definition
        kind = "perpetual" if definition.kind is InstrumentKind.PERPETUAL else listing.details.kind
        kinds = result.setdefault(definition.price_index, {})
        if kind not in kinds:
            fee = {
                "type": "fixed",
                "taker": number(definition.taker_fee),
                "maker": number(definition.maker_fee),
            }
            kinds[kind] = {"default": fee, "block_trade": listing.details.block_trade_commission}
    return result


def portfolio(exchange: SimulatedExchange, account: str) -> dict[str, Any]:
    """An account's currencies as private/get_subaccounts shows them."""
    result = {}
    for currency in exchange.currencies(account):
        view = exchange.account_summary(account, currency)
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
