"""The venue's objects, with the members that its production showed in 2025 and 2026."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from common.messages import InstrumentKind, InstrumentStatus, Side
from common.venues.deribit.simulator.catalog import milliseconds, number, plain_id
from common.venues.deribit.universe import Listing, stable_id
from common.venues.simulation import (
    BookView,
    PositionView,
    PublicTrade,
    TickDirection,
    TickerView,
)

BOOK_STATES = {
    InstrumentStatus.ACTIVE: "open",
    InstrumentStatus.CANCEL_ONLY: "locked",
    InstrumentStatus.HALTED: "halted",
    InstrumentStatus.EXPIRED: "closed",
}
DIRECTIONS = {Side.BUY: "buy", Side.SELL: "sell"}
TICK_DIRECTIONS = {
    TickDirection.PLUS: 0,
    TickDirection.ZERO_PLUS: 1,
    TickDirection.MINUS: 2,
    TickDirection.ZERO_MINUS: 3,
}


def instrument(listing: Listing, status: InstrumentStatus) -> dict[str, Any]:
    """One element of public/get_instruments."""
    definition, details = listing.definition, listing.details
    result: dict[str, Any] = {
        "instrument_name": definition.symbol,
        "instrument_id": details.instrument_id,
        "kind": details.kind,
        "instrument_type": details.instrument_type,
        "base_currency": definition.base,
        "quote_currency": definition.quote,
        "counter_currency": details.counter_currency,
        "price_index": definition.price_index,
        "index_id": details.index_id,
        "tick_size": number(definition.tick_size),
        "tick_size_steps": [
            {"tick_size": number(tick), "above_price": number(above)}
            for above, tick in definition.tick_steps
        ],
        "min_trade_amount": number(definition.min_quantity),
        "contract_size": number(definition.contract_size),
        "lot_size": details.lot_size,
        "maker_commission": number(definition.maker_fee),
        "taker_commission": number(definition.taker_fee),
        "creation_timestamp": details.created_ms,
        "expiration_timestamp": details.expiration_ms,
        "is_active": status is InstrumentStatus.ACTIVE,
        "state": "delivered" if status is InstrumentStatus.EXPIRED else BOOK_STATES[status],
        "underlying_type": "crypto",
        "product_group": details.product_group,
        "base_currency_uuid": currency_uuid(definition.base),
        "quote_currency_uuid": currency_uuid(definition.quote),
    }
    if definition.kind is InstrumentKind.SPOT:
        return result
    result["settlement_currency"] = definition.settlement
    result["settlement_period"] = details.settlement_period
    result["block_trade_commission"] = details.block_trade_commission
    result["block_trade_min_trade_amount"] = details.block_trade_min_trade_amount
    result["block_trade_tick_size"] = details.block_trade_tick_size
    if definition.strike is not None and definition.option_type is not None:
        result["strike"] = number(definition.strike)
        result["option_type"] = definition.option_type.value
    else:
        result["future_type"] = details.instrument_type
        result["max_leverage"] = details.max_leverage
        result["max_non_default_leverage"] = details.max_non_default_leverage
        result["max_liquidation_commission"] = details.max_liquidation_commission
    return result


def currency_uuid(currency: str) -> str:
    """A stable invented uuid; only its shape is the venue's."""
    digits = f"{stable_id(f'uuid {currency}'):010x}{stable_id(f'more {currency}'):010x}"
    text = (digits * 2)[:32]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-9{text[17:20]}-{text[20:]}"


def ticker(view: TickerView, listing: Listing) -> dict[str, Any]:
    """public/ticker and the ticker channels. An empty side is 0.0, as production sends it."""
    definition = listing.definition
    expired = view.status is InstrumentStatus.EXPIRED
    result: dict[str, Any] = {
        "instrument_name": view.symbol,
        "timestamp": milliseconds(view.time_ns),
        "state": BOOK_STATES[view.status],
        "stats": {
            "high": view.high,
            "low": view.low,
            "price_change": view.price_change,
            "volume": round(view.volume, 8),
            "volume_usd": view.volume_usd,
            "volume_notional": view.volume_notional,
        },
        "index_price": view.index_price,
        "mark_price": view.mark_price,
        "last_price": view.last_price,
        "min_price": view.min_price,
        "max_price": view.max_price,
        "best_bid_price": view.best_bid_price or 0.0,
        "best_bid_amount": view.best_bid_quantity,
        "best_ask_price": view.best_ask_price or 0.0,
        "best_ask_amount": view.best_ask_quantity,
        "estimated_delivery_price": "expired" if expired else view.index_price,
    }
    if expired and view.delivery_price is not None:
        result["delivery_price"] = view.delivery_price
    result["open_interest"] = view.open_interest or 0.0
    if definition.kind is not InstrumentKind.SPOT:
        result["settlement_price"] = view.settlement_price or 0.0
    if definition.kind is InstrumentKind.PERPETUAL:
        result["current_funding"] = view.current_funding or 0.0
        result["funding_8h"] = view.funding_8h or 0.0
        result["interest_value"] = view.interest_value or 0.0
    if view.option is not None:
        result |= _option_members(view, listing)
    return result


def _option_members(view: TickerView, listing: Listing) -> dict[str, Any]:
    figures = view.option
    if figures is None:
        return {}
    return {
        "mark_iv": figures.mark_iv,
        "bid_iv": view.bid_iv or 0.0,
        "ask_iv": view.ask_iv or 0.0,
        "interest_rate": figures.interest_rate,
        "underlying_price": figures.underlying_price,
        "underlying_index": figures.underlying or listing.details.underlying_index or "index_price",
        "greeks": {
            "delta": round(figures.delta, 5),
            "gamma": round(figures.gamma, 5),
            "vega": round(figures.vega, 5),
            "theta": round(figures.theta, 5),
            "rho": round(figures.rho, 5),
        },
    }


def order_book(book: BookView, view: TickerView, listing: Listing) -> dict[str, Any]:
    result = ticker(view, listing)
    best_bid = book.bids[0] if book.bids else (0.0, 0.0)
    best_ask = book.asks[0] if book.asks else (0.0, 0.0)
    result["best_bid_price"], result["best_bid_amount"] = best_bid
    result["best_ask_price"], result["best_ask_amount"] = best_ask
    result["change_id"] = book.change_id
    result["bids"], result["asks"] = book.bids, book.asks
    return result


def summary(view: TickerView, listing: Listing, now_ns: int) -> dict[str, Any]:
    """One element of get_book_summary_by_currency. Missing prices are null here."""
    definition = listing.definition
    bid, ask = view.best_bid_price or None, view.best_ask_price or None
    result: dict[str, Any] = {
        "instrument_name": view.symbol,
        "base_currency": definition.base,
        "quote_currency": definition.quote,
        "creation_timestamp": milliseconds(now_ns),
        "bid_price": bid,
        "ask_price": ask,
        "mid_price": (bid + ask) / 2 if bid and ask else None,
        "mark_price": view.mark_price,
        "last": view.last_price,
        "high": view.high,
        "low": view.low,
        "price_change": view.price_change,
        "open_interest": view.open_interest or 0.0,
        "volume": round(view.volume, 8),
        "volume_usd": view.volume_usd,
        "volume_notional": view.volume_notional,
        "estimated_delivery_price": view.index_price,
    }
    if definition.kind is InstrumentKind.PERPETUAL:
        result["current_funding"] = view.current_funding or 0.0
        result["funding_8h"] = view.funding_8h or 0.0
    if view.option is not None:
        members = _option_members(view, listing)
        for name in ("mark_iv", "interest_rate", "underlying_price", "underlying_index"):
            result[name] = members[name]
    return result


def quote(view: TickerView) -> dict[str, Any]:
    return {
        "timestamp": milliseconds(view.time_ns),
        "instrument_name": view.symbol,
        "best_bid_price": view.best_bid_price or 0.0,
        "best_bid_amount": view.best_bid_quantity,
        "best_ask_price": view.best_ask_price or 0.0,
        "best_ask_amount": view.best_ask_quantity,
    }


def public_trade(trade: PublicTrade, listing_of: Callable[[str], Listing]) -> dict[str, Any]:
    listing = listing_of(trade.symbol)
    result: dict[str, Any] = {
        "trade_id": plain_id(trade.trade_number, listing.definition.settlement),
        "trade_seq": trade.trade_sequence,
        "instrument_name": trade.symbol,
        "timestamp": milliseconds(trade.traded_ns),
        "price": trade.price,
        "amount": trade.quantity,
        "contracts": contracts(Decimal(repr(trade.quantity)), listing),
        "direction": DIRECTIONS[trade.side],
        "tick_direction": TICK_DIRECTIONS[trade.tick_direction],
        "mark_price": trade.mark_price,
        "index_price": trade.index_price,
        "starbase_match_id": trade.trade_number,
        "starbase_timestamp": trade.traded_ns,
    }
    if trade.implied_volatility is not None:
        result["iv"] = trade.implied_volatility
    if trade.combo:
        result |= combo_members(trade.combo, trade.combo_trade)
    if trade.legs:
        result["legs"] = [public_trade(leg, listing_of) for leg in trade.legs]
    return result


def combo_members(combo: str, trade: int | None) -> dict[str, Any]:
    """Of a trade that is a leg. The id is a text in recordings, whatever the document says."""
    return {"combo_id": combo, "combo_trade_id": str(trade)}


def contracts(amount: Decimal, listing: Listing) -> float:
    return number(amount / listing.definition.contract_size)


def position(view: PositionView, listing: Listing) -> dict[str, Any]:
    direction = "zero" if not view.quantity else "buy" if view.quantity > 0 else "sell"
    result: dict[str, Any] = {
        "instrument_name": view.symbol,
        "kind": listing.details.kind,
        "direction": direction,
        "size": number(view.quantity),
        "average_price": number(view.average_price),
        "mark_price": view.mark_price,
        "index_price": view.index_price,
        "settlement_price": view.settlement_price,
        "delta": view.delta,
        "floating_profit_loss": number(view.floating_pnl),
        "realized_profit_loss": number(view.realized_pnl),
        "total_profit_loss": number(view.total_pnl),
        "initial_margin": number(view.initial_margin),
        "maintenance_margin": number(view.maintenance_margin),
        "open_orders_margin": number(view.open_orders_margin),
    }
    if view.kind is InstrumentKind.OPTION:
        average_usd = view.average_price_usd
        result["average_price_usd"] = 0.0 if average_usd is None else number(average_usd)
        result["gamma"], result["vega"] = view.gamma or 0.0, view.vega or 0.0
        result["theta"] = view.theta or 0.0
        usd_rate = view.index_price if listing.definition.contract_type == "inverse" else 1.0
        result["floating_profit_loss_usd"] = number(view.floating_pnl) * usd_rate
        return result
    result["size_currency"] = number(view.size_currency)
    result["leverage"] = 0 if view.leverage is None else int(view.leverage)
    result["estimated_liquidation_price"] = view.estimated_liquidation_price
    if view.kind is InstrumentKind.PERPETUAL:
        result["realized_funding"] = number(view.realized_funding)
        result["interest_value"] = 0.0
    return result
