"""All methods that the simulated venue knows: the scope each needs and what its parameters are.

After the official OpenAPI document 2.1.1. A currency is checked by the handlers, which know the
list; here it is any text.
"""

from __future__ import annotations

import msgspec

from common.venues.deribit.simulator.parameters import Parameter, parse_line

_KIND = "kind:str{future/option/spot/future_combo/option_combo}"
_KINDS = "kind:str{future/option/spot/future_combo/option_combo/combo/any}"
_CANCEL_TYPE = "type:str{all/limit/trigger_all/stop/take/trailing_stop}"
_OPEN_TYPE = (
    "type:str{all/limit/trigger_all/stop_all/stop_limit/stop_market/take_all/take_limit/"
    "take_market/trailing_all/trailing_stop}"
)
_SORTED = "count:int sorting:str{asc/desc/default}"
_BETWEEN = "start_timestamp*:int end_timestamp*:int"
_ORDER = (
    "instrument_name*:str amount:num contracts:num price:num label:str "
    "type:str{limit/stop_limit/take_limit/market/stop_market/take_market/market_limit/"
    "trailing_stop} "
    "time_in_force:str{good_til_cancelled/good_til_day/fill_or_kill/immediate_or_cancel} "
    "display_amount:num max_show:num post_only:bool reject_post_only:bool reduce_only:bool "
    "trigger:str{index_price/mark_price/last_price} trigger_price:num trigger_offset:num "
    "advanced:str{usd/implv} mmp:bool valid_until:int "
    "linked_order_type:str{one_triggers_other/one_cancels_other/one_triggers_one_cancels_other} "
    "trigger_fill_condition:str{first_hit/complete_fill/incremental} otoco_config:objects"
)
_EDIT = (
    "amount:num contracts:num price:num post_only:bool reject_post_only:bool reduce_only:bool "
    "advanced:str{usd/implv} trigger_price:num trigger_offset:num mmp:bool valid_until:int "
    "display_amount:num"
)
_MMP = "index_name:str mmp_group:str block_rfq:bool"
_CANCEL = "detailed:bool freeze_quotes:bool"
_HISTORY = (
    "count:int offset:int include_old:bool include_unfilled:bool with_continuation:bool "
    "continuation:str historical:bool"
)
_SETTLED = (
    "type:str{settlement/delivery/bankruptcy} count:int continuation:str search_start_timestamp:int"
)
_USER_TRADES = f"{_SORTED} historical:bool subaccount_id:int"
_COD = "scope:str{connection/account}"

NONE, READ, TRADE = "", "trade:read", "trade:read_write"
ACCOUNT, ACCOUNT_WRITE = "account:read", "account:read_write"
WALLET, WALLET_WRITE = "wallet:read", "wallet:read_write"

_TABLE: dict[str, tuple[str, str]] = {
    # session
    "public/auth": (
        NONE,
        "grant_type*:str{client_credentials/client_signature/refresh_token} client_id:str "
        "client_secret:str refresh_token:str timestamp:int signature:str nonce:str data:str "
        "state:str scope:str",
    ),
    "public/exchange_token": (NONE, "refresh_token*:str subject_id*:int scope:str"),
    "public/fork_token": (NONE, "refresh_token*:str session_name*:str"),
    "private/logout": (NONE, "invalidate_token:bool"),
    "public/set_heartbeat": (NONE, "interval*:num"),
    "public/disable_heartbeat": (NONE, ""),
    "public/test": (NONE, "expected_result:str"),
    "public/hello": (NONE, "client_name*:str client_version*:str"),
    "public/get_time": (NONE, ""),
    "public/status": (NONE, ""),
    "private/enable_cancel_on_disconnect": (ACCOUNT_WRITE, _COD),
    "private/disable_cancel_on_disconnect": (ACCOUNT_WRITE, _COD),
    "private/get_cancel_on_disconnect": (ACCOUNT, _COD),
    "public/subscribe": (NONE, "channels*:list"),
    "public/unsubscribe": (NONE, "channels*:list"),
    "public/unsubscribe_all": (NONE, ""),
    "private/subscribe": (NONE, "channels*:list label:str"),
    "private/unsubscribe": (NONE, "channels*:list"),
    "private/unsubscribe_all": (NONE, ""),
    # instruments
    "public/get_currencies": (NONE, ""),
    "public/get_instruments": (NONE, f"currency:str {_KIND} expired:bool"),
    "public/get_instrument": (NONE, "instrument_name*:str"),
    "public/get_contract_size": (NONE, "instrument_name*:str"),
    "public/get_expirations": (
        NONE,
        "currency*:str kind*:str{future/option/any} currency_pair:str",
    ),
    "public/get_combos": (NONE, "currency*:str"),
    "public/get_combo_ids": (NONE, "currency*:str state:str{active/inactive}"),
    "public/get_combo_details": (NONE, "combo_id*:str"),
    "public/get_index_price_names": (NONE, "extended:bool"),
    "public/get_supported_index_names": (NONE, "type:str{all/spot/derivative}"),
    # market data
    "public/ticker": (NONE, "instrument_name*:str"),
    "public/get_order_book": (NONE, "instrument_name*:str depth:int"),
    "public/get_order_book_by_instrument_id": (NONE, "instrument_id*:int depth:int"),
    "public/get_last_trades_by_instrument": (
        NONE,
        "instrument_name*:str start_seq:int end_seq:int start_timestamp:int end_timestamp:int "
        + _SORTED,
    ),
    "public/get_last_trades_by_instrument_and_time": (
        NONE,
        f"instrument_name*:str {_BETWEEN} {_SORTED}",
    ),
    "public/get_last_trades_by_currency": (
        NONE,
        f"currency*:str {_KINDS} start_id:str end_id:str start_timestamp:int end_timestamp:int "
        + _SORTED,
    ),
    "public/get_last_trades_by_currency_and_time": (
        NONE,
        f"currency*:str {_KINDS} {_BETWEEN} {_SORTED}",
    ),
    "public/get_book_summary_by_currency": (NONE, f"currency*:str {_KIND}"),
    "public/get_book_summary_by_instrument": (NONE, "instrument_name*:str"),
    "public/get_index_price": (NONE, "index_name*:str"),
    "public/get_tradingview_chart_data": (
        NONE,
        f"instrument_name*:str {_BETWEEN} resolution*:str{{1/3/5/10/15/30/60/120/180/360/720/1D}}",
    ),
    "public/get_funding_rate_value": (NONE, f"instrument_name*:str {_BETWEEN}"),
    "public/get_funding_rate_history": (NONE, f"instrument_name*:str {_BETWEEN}"),
    "public/get_funding_chart_data": (NONE, "instrument_name*:str length*:str{8h/24h/1m}"),
    "public/get_delivery_prices": (NONE, "index_name*:str offset:int count:int"),
    "public/get_last_settlements_by_currency": (NONE, f"currency*:str {_SETTLED}"),
    "public/get_last_settlements_by_instrument": (NONE, f"instrument_name*:str {_SETTLED}"),
    "public/get_volatility_index_data": (
        NONE,
        f"currency*:str {_BETWEEN} resolution*:str{{1/60/3600/43200/1D}}",
    ),
    "public/get_historical_volatility": (NONE, "currency*:str"),
    "public/get_trade_volumes": (NONE, "extended:bool"),
    "public/get_mark_price_history": (NONE, f"instrument_name*:str {_BETWEEN}"),
    # orders
    "private/buy": (TRADE, _ORDER),
    "private/sell": (TRADE, _ORDER),
    "private/edit": (TRADE, f"order_id*:str {_EDIT}"),
    "private/edit_by_label": (TRADE, f"label*:str instrument_name*:str {_EDIT}"),
    "private/cancel": (TRADE, "order_id*:str"),
    "private/cancel_by_label": (TRADE, "label*:str currency:str"),
    "private/cancel_all": (TRADE, _CANCEL),
    "private/cancel_all_by_currency": (TRADE, f"currency*:str {_KINDS} {_CANCEL_TYPE} {_CANCEL}"),
    "private/cancel_all_by_currency_pair": (
        TRADE,
        f"currency_pair*:str {_KINDS} {_CANCEL_TYPE} {_CANCEL}",
    ),
    "private/cancel_all_by_instrument": (
        TRADE,
        f"instrument_name*:str {_CANCEL_TYPE} include_combos:bool {_CANCEL}",
    ),
    "private/cancel_all_by_kind_or_type": (
        TRADE,
        f"currency*:strings {_KINDS} {_CANCEL_TYPE} {_CANCEL}",
    ),
    "private/create_combo": (TRADE, "trades*:objects"),
    "private/mass_quote": (
        TRADE,
        "quote_id*:str mmp_group*:str quotes*:objects wait_for_response:bool detailed:bool "
        "valid_until:int",
    ),
    "private/cancel_quotes": (
        TRADE,
        "cancel_type*:str{delta/quote_set_id/instrument/instrument_kind/currency/currency_pair/all}"
        f" min_delta:num max_delta:num quote_set_id:str instrument_name:str {_KINDS} currency:str "
        f"currency_pair:str {_CANCEL}",
    ),
    "private/set_mmp_config": (
        TRADE,
        "index_name*:str interval*:int frozen_time*:int max_quote_quantity*:num mmp_group:str "
        "quantity_limit:num delta_limit:num vega_limit:num trade_count_limit:int block_rfq:bool",
    ),
    "private/get_mmp_config": (READ, _MMP),
    "private/get_mmp_status": (READ, _MMP),
    "private/reset_mmp": (TRADE, "index_name*:str mmp_group:str block_rfq:bool"),
    "private/close_position": (TRADE, "instrument_name*:str type*:str{limit/market} price:num"),
    "private/get_open_orders": (READ, f"{_KIND} {_OPEN_TYPE}"),
    "private/get_open_orders_by_currency": (READ, f"currency*:str {_KIND} {_OPEN_TYPE}"),
    "private/get_open_orders_by_instrument": (READ, f"instrument_name*:str {_OPEN_TYPE}"),
    "private/get_open_orders_by_label": (READ, "currency*:str label:str"),
    "private/get_order_state": (READ, "order_id*:str"),
    "private/get_order_state_by_label": (READ, "currency*:str label:str"),
    "private/get_order_history_by_currency": (READ, f"currency*:str {_KINDS} {_HISTORY}"),
    "private/get_order_history_by_instrument": (READ, f"instrument_name*:str {_HISTORY}"),
    "private/get_user_trades_by_currency": (
        READ,
        f"currency*:str {_KINDS} start_id:str end_id:str start_timestamp:int end_timestamp:int "
        + _USER_TRADES,
    ),
    "private/get_user_trades_by_currency_and_time": (
        READ,
        f"currency*:str {_KINDS} {_BETWEEN} {_USER_TRADES}",
    ),
    "private/get_user_trades_by_instrument": (
        READ,
        "instrument_name*:str start_seq:int end_seq:int start_timestamp:int end_timestamp:int "
        + _USER_TRADES,
    ),
    "private/get_user_trades_by_instrument_and_time": (
        READ,
        f"instrument_name*:str {_BETWEEN} {_USER_TRADES}",
    ),
    "private/get_user_trades_by_order": (
        READ,
        "order_id*:str sorting:str{asc/desc/default} historical:bool subaccount_id:int",
    ),
    "private/get_trigger_order_history": (
        READ,
        "currency*:str instrument_name:str count:int continuation:str",
    ),
    "private/get_order_margin_by_ids": (READ, "ids*:list"),
    "private/get_margins": (READ, "instrument_name*:str amount*:num price*:num"),
    # account
    "private/get_positions": (
        READ,
        "currency:str kind:str{future/option/spot/future_combo/option_combo/any} subaccount_id:int",
    ),
    "private/get_position": (READ, "instrument_name*:str"),
    "private/get_account_summary": (ACCOUNT, "currency*:str subaccount_id:int extended:bool"),
    "private/get_account_summaries": (ACCOUNT, "subaccount_id:int extended:bool"),
    "private/get_subaccounts": (ACCOUNT, "with_portfolio:bool"),
    "private/get_subaccounts_details": (ACCOUNT, "currency*:str with_open_orders:bool"),
    "private/get_transaction_log": (
        ACCOUNT,
        f"currency*:str {_BETWEEN} query:str count:int subaccount_id:int continuation:int",
    ),
    "private/submit_transfer_to_subaccount": (
        WALLET_WRITE,
        "currency*:str amount*:num destination*:int",
    ),
    "private/submit_transfer_between_subaccounts": (
        WALLET_WRITE,
        "currency*:str amount*:num destination*:int source:int",
    ),
    "private/get_transfers": (WALLET, "currency*:str count:int offset:int"),
    "private/get_deposits": (WALLET, "currency*:str count:int offset:int"),
    "private/get_withdrawals": (WALLET, "currency*:str count:int offset:int"),
    "private/withdraw": (WALLET_WRITE, "currency*:str address*:str amount*:num priority:str"),
    "private/get_current_deposit_address": (WALLET, "currency*:str"),
    "private/create_deposit_address": (WALLET_WRITE, "currency*:str"),
    "private/get_settlement_history_by_currency": (READ, f"currency*:str {_SETTLED}"),
    "private/get_settlement_history_by_instrument": (READ, f"instrument_name*:str {_SETTLED}"),
    "private/set_self_trading_config": (
        ACCOUNT_WRITE,
        "mode*:str{reject_taker/cancel_maker} extended_to_subaccounts:bool "
        "block_rfq_self_match_prevention:bool",
    ),
}


class Method(msgspec.Struct, frozen=True):
    """scope: what a login must be allowed, "" for any; private methods need a login."""

    name: str
    is_private: bool
    scope: str
    parameters: tuple[Parameter, ...]


METHODS = {
    name: Method(name, name.startswith("private/"), scope, parse_line(line))
    for name, (scope, line) in _TABLE.items()
}
WEBSOCKET_ONLY = frozenset(
    {
        "public/set_heartbeat",
        "public/disable_heartbeat",
        "public/hello",
        "public/subscribe",
        "public/unsubscribe",
        "public/unsubscribe_all",
        "private/subscribe",
        "private/unsubscribe",
        "private/unsubscribe_all",
        "private/logout",
    }
)
