"""Every member that the venue's own objects were seen with is in ours.

The lists are facts about production and the test venue in 2024 to 2026, written down by hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

TICKER = """best_ask_amount best_ask_price best_bid_amount best_bid_price estimated_delivery_price
    index_price instrument_name last_price mark_price max_price min_price open_interest state stats
    timestamp"""
PERPETUAL_TICKER = f"{TICKER} current_funding funding_8h interest_value settlement_price"
OPTION_TICKER = f"""{TICKER} ask_iv bid_iv greeks interest_rate mark_iv settlement_price
    underlying_index underlying_price"""
INSTRUMENT = """base_currency base_currency_uuid contract_size counter_currency creation_timestamp
    expiration_timestamp index_id instrument_id instrument_name instrument_type is_active kind
    lot_size maker_commission min_trade_amount price_index product_group quote_currency
    quote_currency_uuid state taker_commission tick_size tick_size_steps underlying_type"""
DERIVATIVE = f"""{INSTRUMENT} block_trade_commission block_trade_min_trade_amount
    block_trade_tick_size settlement_currency settlement_period"""
FUTURE = f"""{DERIVATIVE} future_type max_leverage max_liquidation_commission
    max_non_default_leverage"""
OPTION = f"{DERIVATIVE} option_type strike"
SUMMARY = """ask_price base_currency bid_price creation_timestamp estimated_delivery_price high
    instrument_name last low mark_price mid_price open_interest price_change quote_currency volume
    volume_notional volume_usd"""
TRADE = """amount contracts direction index_price instrument_name mark_price price
    starbase_match_id starbase_timestamp tick_direction timestamp trade_id trade_seq"""
ORDER = """amount api average_price contracts creation_timestamp direction filled_amount
    instrument_name is_liquidation label last_update_timestamp mmp order_id order_state order_type
    post_only price reduce_only reject_post_only replaced risk_reducing time_in_force user_id web"""
STOP = """amount api contracts creation_timestamp direction instrument_name is_liquidation label
    last_update_timestamp mmp order_id order_state order_type post_only price reduce_only
    reject_post_only replaced risk_reducing time_in_force trigger trigger_price user_id web"""
USER_TRADE = """amount api contracts direction fee fee_currency index_price instrument_name label
    liquidity mark_price matching_id mmp order_id order_type post_only price profit_loss reduce_only
    risk_reducing self_trade state tick_direction timestamp trade_id trade_seq user_id"""
POSITION = """average_price delta direction floating_profit_loss index_price initial_margin
    instrument_name kind maintenance_margin mark_price open_orders_margin realized_profit_loss
    settlement_price size total_profit_loss"""
FUTURE_POSITION = f"""{POSITION} estimated_liquidation_price interest_value leverage
    realized_funding size_currency"""
OPTION_POSITION = f"{POSITION} average_price_usd floating_profit_loss_usd gamma theta vega"
PORTFOLIO = """additional_reserve available_funds available_withdrawal_funds balance
    cross_collateral_enabled currency delta_total delta_total_map equity fee_balance futures_pl
    futures_session_rpl futures_session_upl initial_margin locked_balance maintenance_margin
    margin_balance margin_model options_delta options_gamma options_gamma_map options_pl
    options_session_rpl options_session_upl options_theta options_theta_map options_value
    options_vega options_vega_map portfolio_margining_enabled projected_delta_total
    projected_initial_margin projected_maintenance_margin session_rpl session_upl spot_reserve
    total_pl"""
ACCOUNT = """block_rfq_self_match_prevention creation_timestamp email id
    interuser_transfers_enabled login_enabled mmp_enabled referrer_id security_keys_enabled
    self_trading_extended_to_subaccounts self_trading_reject_mode system_name type username"""
CURRENCY = """apr coin_type currency currency_long currency_uuid decimals in_cross_collateral_pool
    min_confirmations min_withdrawal_fee network_currency network_fee onchain_operations_precision
    withdrawal_fee withdrawal_priorities"""


@pytest.fixture(scope="module")
def venue() -> Venue:
    return Venue()


@pytest.fixture(scope="module")
def client(venue: Venue) -> Client:
    made = venue.connect().login()
    made.ask("private/buy", instrument_name=PERPETUAL, amount=10, type="market", label="s")
    venue.pass_ms(100)
    return made


def has(found: dict[str, Any], members: str) -> None:
    assert set(members.split()) - found.keys() == set()


def option(client: Client) -> str:
    for instrument in client.ask("public/get_instruments", currency="BTC", kind="option"):
        name: str = instrument["instrument_name"]
        if client.ask("public/ticker", instrument_name=name)["best_ask_price"] > 0:
            return name
    raise AssertionError("no option is offered")


def test_instruments(client: Client) -> None:
    members = {"future": FUTURE, "option": OPTION, "spot": INSTRUMENT}
    instruments = client.ask("public/get_instruments")
    assert {instrument["kind"] for instrument in instruments} == set(members)
    for instrument in instruments:
        has(instrument, members[instrument["kind"]])
        assert isinstance(instrument["instrument_id"], int)
        assert isinstance(instrument["tick_size_steps"], list)
        assert ("settlement_period" in instrument) == (instrument["kind"] != "spot")
    ids = [instrument["instrument_id"] for instrument in instruments]
    assert len(set(ids)) == len(ids)
    by_id = client.ask("public/get_order_book_by_instrument_id", instrument_id=ids[0], depth=1)
    assert by_id["instrument_name"] == instruments[0]["instrument_name"]


def test_tickers_and_books(client: Client) -> None:
    ticker = client.ask("public/ticker", instrument_name=PERPETUAL)
    has(ticker, PERPETUAL_TICKER)
    has(ticker["stats"], "high low price_change volume volume_usd volume_notional")
    has(client.ask("public/ticker", instrument_name="BTC_USDC"), TICKER)
    options = client.ask("public/ticker", instrument_name=option(client))
    has(options, OPTION_TICKER)
    has(options["greeks"], "delta gamma vega theta rho")
    book = client.ask("public/get_order_book", instrument_name=PERPETUAL, depth=2)
    has(book, f"{PERPETUAL_TICKER} asks bids change_id")
    assert book["bids"][0] == [book["best_bid_price"], book["best_bid_amount"]]


def test_summaries(client: Client) -> None:
    for summary in client.ask("public/get_book_summary_by_currency", currency="BTC"):
        has(summary, SUMMARY)
    perpetual = client.ask("public/get_book_summary_by_instrument", instrument_name=PERPETUAL)[0]
    has(perpetual, "current_funding funding_8h")
    one = client.ask("public/get_book_summary_by_instrument", instrument_name=option(client))[0]
    has(one, "mark_iv interest_rate underlying_price underlying_index")


def test_trades(client: Client) -> None:
    trades = client.ask("public/get_last_trades_by_currency", currency="BTC")
    has(trades, "trades has_more")
    has(trades["trades"][0], TRADE)
    own = client.ask("private/get_user_trades_by_instrument", instrument_name=PERPETUAL)
    has(own["trades"][0], USER_TRADE)


def test_orders(client: Client) -> None:
    order = {"instrument_name": PERPETUAL, "amount": 10, "price": 50000}
    has(client.ask("private/buy", **order)["order"], ORDER)
    has(client.ask("private/cancel_all", detailed=True)[0]["result"][0], f"{ORDER} cancel_reason")
    far = client.ask("public/ticker", instrument_name=PERPETUAL)["max_price"]
    stop = {"type": "stop_market", "trigger": "mark_price", "trigger_price": far}
    placed = client.ask("private/buy", instrument_name=PERPETUAL, amount=10, **stop)["order"]
    has(placed, STOP)
    client.ask("private/cancel", order_id=placed["order_id"])
    spot = client.ask("private/buy", instrument_name="BTC_USDC", amount=0.001, price=20000)
    assert "reduce_only" not in spot["order"] and spot["order"]["is_rebalance"] is False


def test_positions(client: Client) -> None:
    client.ask("private/buy", instrument_name=option(client), amount=0.1, type="market")
    members = {"future": FUTURE_POSITION, "option": OPTION_POSITION}
    positions = client.ask("private/get_positions", currency="any")
    assert {position["kind"] for position in positions} == set(members)
    for position in positions:
        has(position, members[position["kind"]])
    assert client.ask("private/get_positions") == positions


def test_accounts(client: Client) -> None:
    summary = client.ask("private/get_account_summary", currency="BTC")
    has(summary, f"{PORTFOLIO} limits")
    for name in ("equity", "balance", "available_funds", "margin_balance", "initial_margin"):
        assert isinstance(summary[name], int | float)
    assert summary["margin_balance"] == pytest.approx(
        summary["balance"] + summary["futures_session_upl"] + summary["futures_session_rpl"]
    )
    extended = client.ask("private/get_account_summary", currency="BTC", extended=True)
    has(extended, f"{PORTFOLIO} {ACCOUNT} limits fees fee_group trading_products_details")
    assert extended["fees"]["btc_usd"]["perpetual"]["default"]["taker"] == 0.00035
    whole = client.ask("private/get_account_summaries")
    has(whole, f"{ACCOUNT} summaries")
    assert {"BTC", "ETH", "USDC", "USDT"} <= {s["currency"] for s in whole["summaries"]}
    has(whole["summaries"][0], f"{PORTFOLIO} limits fees")
    has(client.ask("private/get_subaccounts", with_portfolio=True)[0], "portfolio type username")
    assert client.ask("private/get_account_summary", currency="EURR")["equity"] == 0


def test_reference_data(client: Client) -> None:
    for currency in client.ask("public/get_currencies"):
        has(currency, CURRENCY)
    flat = client.ask("public/get_expirations", currency="any", kind="any")
    assert "PERPETUAL" in flat["future"] and flat["option"]
    assert set(client.ask("public/get_expirations", currency="BTC", kind="option")) == {"btc"}
    grouped = client.ask("public/get_expirations", currency="grouped", kind="any")
    assert grouped["eth"]["future"] and set(grouped["eth"]) == {"future", "option"}
    assert "btc_usd" in client.ask("public/get_index_price_names")
    named = client.ask("public/get_index_price_names", extended=True)
    assert "btc_usd" in [entry["name"] for entry in named]
    assert client.ask("public/get_contract_size", instrument_name=PERPETUAL) == {
        "contract_size": 10
    }
    price = client.ask("public/get_index_price", index_name="btc_usd")
    has(price, "index_price estimated_delivery_price")
    for currency in ("BTC", "ETH", "USDC", "SOL", "USDT", "EURR", "any"):
        assert isinstance(client.ask("public/get_instruments", currency=currency), list)
    assert client.ask("public/get_combos", currency="BTC") == []


def test_series(venue: Venue, client: Client) -> None:
    end = venue.now_ms
    span = {"instrument_name": PERPETUAL, "start_timestamp": end - 86_400_000, "end_timestamp": end}
    chart = client.ask("public/get_tradingview_chart_data", **span, resolution="60")
    has(chart, "status ticks open high low close volume cost")
    assert len({len(chart[name]) for name in chart if name != "status"}) == 1
    history = client.ask("public/get_funding_rate_history", **span)
    has(history[-1], "timestamp index_price prev_index_price interest_1h interest_8h")
    assert isinstance(client.ask("public/get_funding_rate_value", **span), int | float)
    funding = client.ask("public/get_funding_chart_data", instrument_name=PERPETUAL, length="8h")
    has(funding, "current_interest interest_8h data")
    has(client.ask("public/get_delivery_prices", index_name="btc_usd"), "data records_total")
    for method, params in (
        ("public/get_last_settlements_by_currency", {"currency": "BTC"}),
        ("public/get_last_settlements_by_instrument", {"instrument_name": PERPETUAL}),
        ("private/get_settlement_history_by_currency", {"currency": "BTC"}),
    ):
        has(client.ask(method, **params), "settlements continuation")
