"""The venue's objects of an account's own orders and trades."""

from __future__ import annotations

from typing import Any

from common.messages import InstrumentKind, OrderType, PriceType, TimeInForce
from common.venues.deribit.simulator.catalog import milliseconds, number, order_id, plain_id
from common.venues.deribit.simulator.objects import (
    DIRECTIONS,
    TICK_DIRECTIONS,
    combo_members,
    contracts,
)
from common.venues.deribit.universe import Listing
from common.venues.simulation import (
    CancelReason,
    FillCondition,
    LinkView,
    OrderState,
    ProtectionTag,
    SimulatedFill,
    SimulatedOrder,
)

LIFETIMES = {
    TimeInForce.GTC: "good_til_cancelled",
    TimeInForce.DAY: "good_til_day",
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
}
ORDER_STATES = {
    OrderState.OPEN: "open",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "cancelled",
    OrderState.UNTRIGGERED: "untriggered",
    OrderState.TRIGGERED: "triggered",
}
CANCEL_REASONS = {
    CancelReason.USER_REQUEST: "user_request",
    CancelReason.DISCONNECT: "cancel_on_disconnect",
    CancelReason.UNFILLED_REST: "user_request",
    CancelReason.EDIT_POST_ONLY: "edit_post_only_reject",
    CancelReason.SELF_TRADE: "user_request",
    CancelReason.SETTLEMENT: "settlement",
    CancelReason.EXPIRY: "settlement",
    CancelReason.REDUCE_ONLY: "risk_mitigation",
    CancelReason.NOT_ENOUGH_FUNDS: "risk_mitigation",
    CancelReason.OTHER_CLOSED: "oco_other_closed",
    CancelReason.PRIMARY_CLOSED: "oto_primary_closed",
    CancelReason.PROTECTION: "mmp_trigger",
    CancelReason.PROTECTION_CHANGED: "mmp_config_curtailment",
}
FILL_CONDITIONS = {condition: condition.value for condition in FillCondition}
ORDER_TYPES = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.MARKET_TO_LIMIT: "limit",
    OrderType.STOP: "stop_market",
    OrderType.STOP_LIMIT: "stop_limit",
    OrderType.TAKE_PROFIT: "take_market",
    OrderType.TAKE_PROFIT_LIMIT: "take_limit",
    OrderType.TRAILING_STOP: "trailing_stop",
}
ADVANCED = {PriceType.USD: "usd", PriceType.IMPLIED_VOLATILITY: "implv"}
TRIGGERS = {"MARK": "mark_price", "INDEX": "index_price", "LAST": "last_price"}


def order_type(order: SimulatedOrder) -> str:
    """What a stop turned into is an ordinary order."""
    asked = ORDER_TYPES[order.order_type]
    if order.trigger_order is None:
        return asked
    return "limit" if asked.endswith("limit") else "market"


def order(
    order: SimulatedOrder,
    listing: Listing,
    user_id: int,
    parent: SimulatedOrder | None = None,
    primary: SimulatedOrder | None = None,
) -> dict[str, Any]:
    """parent: the trigger order or secondary order that this one was born from; primary: the order
    whose execution places it."""
    settlement = listing.definition.settlement
    is_stop = order.trigger is not None and order.trigger_order is None
    result: dict[str, Any] = {
        "order_id": order_id(order, settlement),
        "order_state": ORDER_STATES[order.state],
        "order_type": order_type(order),
        "time_in_force": LIFETIMES[order.time_in_force],
        "instrument_name": order.symbol,
        "direction": DIRECTIONS[order.side],
        "price": "market_price" if order.price is None else number(order.price),
        "amount": number(order.quantity),
        "contracts": contracts(order.quantity, listing),
        "label": order.label,
        "creation_timestamp": milliseconds(order.created_ns),
        "last_update_timestamp": milliseconds(order.updated_ns),
        "post_only": order.post_only,
        "reject_post_only": order.reject_post_only,
        "api": True,
        "web": False,
        "mmp": order.protection is not None,
        "replaced": order.replaced,
        "risk_reducing": order.reduce_only,
        "user_id": user_id,
    }
    if listing.definition.kind is InstrumentKind.SPOT:
        result["is_rebalance"] = False
    else:
        result["reduce_only"], result["is_liquidation"] = order.reduce_only, False
    if not is_stop:
        result["filled_amount"] = number(order.cum_quantity)
        result["average_price"] = 0.0 if order.avg_price is None else number(order.avg_price)
    if order.cancel_reason is not None:
        result["cancel_reason"] = CANCEL_REASONS[order.cancel_reason]
    if is_stop:
        result |= _trigger_members(order)
    if parent is not None:
        result["trigger_order_id"] = order_id(parent, settlement)
    if primary is not None:
        result["primary_order_id"] = order_id(primary, settlement)
    return result | _special_members(order)


def _special_members(order: SimulatedOrder) -> dict[str, Any]:
    """What only some orders have."""
    result: dict[str, Any] = {}
    if order.order_type is OrderType.MARKET_TO_LIMIT:
        result["original_order_type"] = "market_limit"
    if order.display_quantity is not None and order.shown_quantity is not None:
        result["display_amount"] = number(order.shown_quantity)
        result["refresh_amount"] = number(order.display_quantity)
    if order.price_type is not None and order.stated_price is not None:
        word = ADVANCED[order.price_type]
        result |= {"advanced": word, word: number(order.stated_price)}
        result["auto_replaced"] = order.auto_replaced
    if order.protection is not None:
        result |= _protection_members(order, order.protection)
    if order.link is not None:
        result |= _link_members(order.link)
    return result


def _protection_members(order: SimulatedOrder, tag: ProtectionTag) -> dict[str, Any]:
    """Of protected orders and quotes; the amount of a quote is what remains of it."""
    result: dict[str, Any] = {}
    if order.state is OrderState.CANCELED:
        result["mmp_cancelled"] = order.cancel_reason is CancelReason.PROTECTION
    if tag.quote_id is not None:
        result |= {"quote": True, "mmp_group": tag.group} | _quote_members(tag)
        if order.state is OrderState.OPEN:
            result["amount"] = number(order.leaves_quantity)
    return result


def _quote_members(tag: ProtectionTag) -> dict[str, Any]:
    return {"quote_id": tag.quote_id, "quote_set_id": tag.quote_set}


def _link_members(link: LinkView) -> dict[str, Any]:
    """Members that are absent of orders that have no such link."""
    result: dict[str, Any] = {"trigger_fill_condition": FILL_CONDITIONS[link.condition]}
    if link.secondaries:
        result["oto_order_ids"] = [f"OTO-{number}" for number in link.secondaries]
    if link.triggers_pair:
        result["is_primary_otoco"] = True
    if link.primary is not None:
        result["is_secondary_oto"] = True
    if link.pair is not None:
        result["oco_ref"] = str(link.pair)
    return result


def _trigger_members(order: SimulatedOrder) -> dict[str, Any]:
    """Of an order that waits, or waited, for a price."""
    members = {
        "trigger_price": order.trigger_price,
        "trigger_offset": order.trigger_offset,
        "trigger_reference_price": order.trigger_reference,
    }
    result: dict[str, Any] = {
        name: number(value) for name, value in members.items() if value is not None
    }
    if order.trigger is not None:
        result["trigger"] = TRIGGERS[order.trigger.value]
    result["triggered"] = order.state is OrderState.TRIGGERED
    return result


def user_trade(fill: SimulatedFill, listing: Listing, user_id: int) -> dict[str, Any]:
    """direction is the account's own side, also of maker fills."""
    settlement = listing.definition.settlement
    result: dict[str, Any] = {
        "trade_id": plain_id(fill.trade_number, settlement),
        "trade_seq": fill.trade_sequence,
        "order_id": plain_id(fill.order_number, settlement),
        "matching_id": None,
        "instrument_name": fill.symbol,
        "timestamp": milliseconds(fill.filled_ns),
        "price": number(fill.price),
        "amount": number(fill.quantity),
        "contracts": contracts(fill.quantity, listing),
        "direction": DIRECTIONS[fill.side],
        "tick_direction": TICK_DIRECTIONS[fill.tick_direction],
        "index_price": fill.index_price,
        "mark_price": fill.mark_price,
        "order_type": ORDER_TYPES[fill.order_type],
        "state": ORDER_STATES[fill.order_state],
        "liquidity": fill.liquidity.value[0],
        "fee": number(fill.fee),
        "fee_currency": fill.fee_currency,
        "profit_loss": number(fill.realized_pnl),
        "post_only": fill.post_only,
        "reduce_only": fill.reduce_only,
        "mmp": fill.protection is not None,
        "api": True,
        "self_trade": fill.self_trade,
        "risk_reducing": fill.reduce_only,
        "user_id": user_id,
    }
    if fill.protection is not None and fill.protection.quote_id is not None:
        result |= _quote_members(fill.protection)
    if fill.price_type is not None:
        result["advanced"] = ADVANCED[fill.price_type]
    if fill.combo:
        result |= combo_members(fill.combo, fill.combo_trade)
    if fill.label:
        result["label"] = fill.label
    if fill.implied_volatility is not None:
        result["iv"] = fill.implied_volatility
    if fill.underlying_price is not None:
        result["underlying_price"] = fill.underlying_price
    return result
