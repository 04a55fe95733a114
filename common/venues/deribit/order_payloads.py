"""Deribit's order, user trade and position objects, read into the words of every venue.

https://docs.deribit.com (private/buy, private/get_user_trades_by_instrument), read in August 2026:

    {"order_id":"ETH-1234","order_state":"open","order_type":"limit","price":2000.05,"amount":10.0,
     "time_in_force":"good_til_cancelled","instrument_name":"ETH-PERPETUAL","direction":"buy",
     "filled_amount":0.0,"average_price":0.0,"label":"42","post_only":true,"reduce_only":false,
     "creation_timestamp":1700000000000,"last_update_timestamp":1700000000000}
    {"trade_id":"ETH-77","order_id":"ETH-1234","instrument_name":"ETH-PERPETUAL","direction":"buy",
     "price":2000.05,"amount":4.0,"fee":0.0000012,"fee_currency":"ETH","liquidity":"M",
     "timestamp":1700000000500,"label":"42","state":"open","trade_seq":9}

A trade of a combo has "combo_id" and "legs"; each leg is a trade of its own with that "combo_id".
A linked order that waits for another has an id of its own ("OTO-12"), its label, "is_secondary_oto"
and "primary_order_id"; the order it becomes names it in "trigger_order_id". The price of an order
with "advanced" is in its "usd" or "implv", and "price" is where the venue has put it meanwhile.

Members come and go without notice: what is not needed is not read. A waiting stop-market order has
the text "market_price" for a price and may lack filled_amount.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from common.errors import VenueProtocolError
from common.messages import Liquidity, OrderType, PriceType, Side, TimeInForce, TriggerPrice
from common.venues.deribit.whole_numbers import Milliseconds
from common.venues.order_entry import (
    QuoteTag,
    Unreadable,
    VenueFill,
    VenueOrder,
    VenueOrderState,
    quote_key,
)

VENUE_NAME = "deribit"
NS_PER_MS = 1_000_000
ZERO = Decimal(0)
T = TypeVar("T")

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
STATES = {
    "open": VenueOrderState.OPEN,
    "untriggered": VenueOrderState.OPEN,
    "triggered": VenueOrderState.OPEN,
    "filled": VenueOrderState.FILLED,
    "rejected": VenueOrderState.REJECTED,
    "cancelled": VenueOrderState.CANCELED,
}
LIQUIDATION = "liquidation"  # an order type
ENDED_BY_LIQUIDATION = "autoliquidation"
ENDED_BY_CALENDAR = "settlement"  # cancel_reason of a day order and of an expired instrument
ORDER_TYPES = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "market_limit": OrderType.MARKET_TO_LIMIT,
    LIQUIDATION: OrderType.MARKET,
    "stop_market": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "take_market": OrderType.TAKE_PROFIT,
    "take_limit": OrderType.TAKE_PROFIT_LIMIT,
    "trailing_stop": OrderType.TRAILING_STOP,
}
TIMES_IN_FORCE = {
    "good_til_cancelled": TimeInForce.GTC,
    "good_til_day": TimeInForce.DAY,
    "immediate_or_cancel": TimeInForce.IOC,
    "fill_or_kill": TimeInForce.FOK,
}
WITH_PRICE = frozenset(
    {
        OrderType.LIMIT,
        OrderType.MARKET_TO_LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
    }
)
TRIGGERS = {
    "mark_price": TriggerPrice.MARK,
    "index_price": TriggerPrice.INDEX,
    "last_price": TriggerPrice.LAST,
}
PRICE_TYPES = {"usd": PriceType.USD, "implv": PriceType.IMPLIED_VOLATILITY}
LIQUIDITY = {"M": Liquidity.MAKER, "T": Liquidity.TAKER}


class _Order(msgspec.Struct, gc=False):
    order_id: str
    order_state: str
    order_type: str
    instrument_name: str
    direction: str
    amount: Decimal
    price: msgspec.Raw = msgspec.Raw(b"null")
    time_in_force: str = "good_til_cancelled"
    original_order_type: str = ""
    filled_amount: Decimal | None = None
    average_price: Decimal | None = None
    label: str = ""
    creation_timestamp: Milliseconds = 0
    last_update_timestamp: Milliseconds = 0
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    trigger: str = ""
    cancel_reason: str = ""
    reject_reason: str = ""
    trigger_order_id: str = ""
    trigger_offset: Decimal | None = None
    refresh_amount: Decimal | None = None
    quote_id: str | None = None
    quote_set_id: str | None = None
    mmp_group: str | None = None
    primary_order_id: str = ""
    advanced: str = ""
    usd: Decimal | None = None
    implv: Decimal | None = None
    is_liquidation: bool = False


class _Trade(msgspec.Struct, gc=False):
    trade_id: str
    order_id: str
    instrument_name: str
    direction: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str
    timestamp: Milliseconds
    label: str | None = None
    combo_id: str | None = None
    legs: list[msgspec.Raw] | None = None
    quote_id: str | None = None
    liquidation: str | None = None  # the sides that were liquidated: "M", "T" or "MT"


class _Placed(msgspec.Struct, gc=False):
    order: _Order
    trades: list[_Trade] = []


class _Trades(msgspec.Struct, gc=False):
    trades: list[_Trade]
    has_more: bool = False


class _RawTrades(msgspec.Struct, gc=False):
    trades: msgspec.Raw
    has_more: bool = False


class _Position(msgspec.Struct, gc=False):
    instrument_name: str
    size: Decimal


def decode_order(data: msgspec.Raw | bytes) -> VenueOrder:
    """Raises: VenueProtocolError, as all functions here."""
    return _order(decode_as(data, _Order))


def decode_orders(data: msgspec.Raw | bytes) -> list[VenueOrder]:
    """One order (raw channels) or a list of them."""
    if bytes(data).lstrip().startswith(b"["):
        return [_order(order) for order in decode_as(data, list[_Order])]
    return [decode_order(data)]


def read_orders(data: msgspec.Raw | bytes) -> tuple[list[VenueOrder], list[Unreadable]]:
    """One order or a list of them; those that cannot be read by themselves, so that an order that
    somebody else placed in new words spoils no listing of ours."""
    return _read_each(data, decode_order, "order")


def read_trades(data: msgspec.Raw | bytes) -> tuple[list[VenueFill], list[Unreadable], bool]:
    """The fills, those that cannot be read, and whether these are all that were asked for."""
    complete = True
    if not bytes(data).lstrip().startswith(b"["):
        listing = decode_as(data, _RawTrades)
        data, complete = listing.trades, not listing.has_more
    fills, unreadable = _read_each(data, lambda raw: _fill(decode_as(raw, _Trade)), "trade")
    return fills, unreadable, complete


def _read_each(
    data: msgspec.Raw | bytes, read: Callable[[msgspec.Raw | bytes], T], what: str
) -> tuple[list[T], list[Unreadable]]:
    is_list = bytes(data).lstrip().startswith(b"[")
    good: list[T] = []
    bad: list[Unreadable] = []
    parts = decode_as(data, list[msgspec.Raw]) if is_list else [data]
    for part in parts:
        try:
            good.append(read(part))
        except VenueProtocolError as error:
            bad.append(_unreadable(what, part, error))
    return good, bad


def _unreadable(what: str, part: msgspec.Raw | bytes, error: VenueProtocolError) -> Unreadable:
    """With the ids of the order that it is about, if these at least are there as texts."""
    try:
        named = decode_as(part, dict[str, Any])
    except VenueProtocolError:
        named = {}
    ids = (named.get(name) for name in ("order_id", "label"))
    order_id, label = (text if isinstance(text, str) else "" for text in ids)
    whole = VenueProtocolError(VENUE_NAME, f"{error.problem} {error.raw!r} of", bytes(part))
    return Unreadable(what, str(whole), order_id, label)


def decode_placed(data: msgspec.Raw | bytes) -> tuple[VenueOrder, list[VenueFill]]:
    placed = decode_as(data, _Placed)
    return _order(placed.order), [_fill(trade) for trade in placed.trades]


def decode_trades(data: msgspec.Raw | bytes) -> tuple[list[VenueFill], bool]:
    """The fills, and whether these are all."""
    if bytes(data).lstrip().startswith(b"["):
        return [_fill(trade) for trade in decode_as(data, list[_Trade])], True
    listing = decode_as(data, _Trades)
    return [_fill(trade) for trade in listing.trades], not listing.has_more


def decode_positions(data: msgspec.Raw | bytes) -> dict[str, Decimal]:
    positions = decode_as(data, list[_Position])
    return {position.instrument_name: plain(position.size) for position in positions}


def plain(number: Decimal) -> Decimal:
    """The number without trailing zeros or exponent: 100.0 and 1e2 become 100."""
    if not number.is_finite() or abs(number.adjusted()) > 20:
        raise VenueProtocolError(VENUE_NAME, "a number of unusable size", str(number)[:40])
    short = number.normalize()
    return short.quantize(Decimal(1)) if short.as_tuple().exponent > 0 else short  # type: ignore[operator]


def decode_as(data: msgspec.Raw | bytes, kind: type[T]) -> T:
    """Raises: VenueProtocolError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation) as error:
        raise VenueProtocolError(VENUE_NAME, str(error), bytes(data)) from None


def _word(words: dict[str, T], text: str, what: str) -> T:
    if text not in words:
        raise VenueProtocolError(VENUE_NAME, f"unknown {what}", text)
    return words[text]


def _price(raw: msgspec.Raw) -> Decimal | None:
    """None for "market_price", the text of a stop-market order that waits."""
    text = bytes(raw)
    if text.startswith(b'"') or text == b"null":
        return None
    return plain(decode_as(text, Decimal))


def _order_type(order: _Order) -> OrderType:
    """A market order is shown as a limit order at a protection price."""
    return _word(ORDER_TYPES, order.original_order_type or order.order_type, "order_type")


def _order(order: _Order) -> VenueOrder:
    state = _word(STATES, order.order_state, "order_state")
    if state is VenueOrderState.CANCELED and order.cancel_reason == ENDED_BY_CALENDAR:
        state = VenueOrderState.EXPIRED
    kind = _order_type(order)
    has_price = kind in WITH_PRICE
    optional: dict[str, Any] = {}
    if order.trigger_price is not None:
        optional["trigger_price"] = plain(order.trigger_price)
    if order.trigger_offset is not None:
        optional["trigger_offset"] = plain(order.trigger_offset)
    if order.refresh_amount is not None:
        optional["display_quantity"] = plain(order.refresh_amount)
    if order.trigger:
        optional["trigger"] = _word(TRIGGERS, order.trigger, "trigger")
    price = _price(order.price) if has_price else None
    if order.advanced:
        optional["price_type"] = _word(PRICE_TYPES, order.advanced, "advanced")
        optional["working_price"] = price
        stated = order.usd if order.advanced == "usd" else order.implv
        price = None if stated is None else plain(stated)
    names = _quote_of(order)
    side = _word(SIDES, order.direction, "direction")
    return VenueOrder(
        venue_order_id=order.order_id,
        label=_label(order.label, order.quote_id, order.instrument_name, side),
        symbol=order.instrument_name,
        side=side,
        order_type=kind,
        price=price,
        quantity=_quantity(order, state),
        time_in_force=_word(TIMES_IN_FORCE, order.time_in_force, "time_in_force"),
        state=state,
        cum_quantity=plain(order.filled_amount or ZERO),
        avg_price=plain(order.average_price) if order.average_price else None,
        created_ns=order.creation_timestamp * NS_PER_MS,
        updated_ns=order.last_update_timestamp * NS_PER_MS,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        text=order.cancel_reason or order.reject_reason,
        parent_venue_order_id=order.trigger_order_id,
        primary_venue_order_id=order.primary_order_id,
        handed_on=order.order_state == "triggered",
        quote=names,
        liquidation=order.order_type == LIQUIDATION
        or order.is_liquidation
        or order.cancel_reason == ENDED_BY_LIQUIDATION,
        **optional,
    )


def _quote_of(order: _Order) -> QuoteTag | None:
    if order.quote_id is None:
        return None
    return QuoteTag(order.quote_id, order.quote_set_id or "", order.mmp_group or "")


def _label(label: str | None, quote_id: str | None, symbol: str, side: Side) -> str:
    return label or ("" if quote_id is None else quote_key(quote_id, symbol, side))


def _quantity(order: _Order, state: VenueOrderState) -> Decimal:
    """The amount of an open quote is what remains of it."""
    amount, filled = plain(order.amount), plain(order.filled_amount or ZERO)
    if order.quote_id is None:
        return amount
    return amount + filled if state is VenueOrderState.OPEN else max(amount, filled)


def _fill(trade: _Trade) -> VenueFill:
    side = _word(SIDES, trade.direction, "direction")
    return VenueFill(
        exec_id=trade.trade_id,
        venue_order_id=trade.order_id,
        label=_label(trade.label, trade.quote_id, trade.instrument_name, side),
        symbol=trade.instrument_name,
        side=side,
        price=plain(trade.price),
        quantity=plain(trade.amount),
        liquidity=_word(LIQUIDITY, trade.liquidity, "liquidity"),
        fee=plain(trade.fee),
        fee_currency=trade.fee_currency,
        filled_ns=trade.timestamp * NS_PER_MS,
        combo=trade.instrument_name if trade.legs else trade.combo_id or "",
        liquidation=trade.liquidity in (trade.liquidation or ""),
    )
