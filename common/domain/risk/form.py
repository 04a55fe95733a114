"""Is this an order that the venue could take: its instrument, quantity, prices and flags."""

from __future__ import annotations

from decimal import Decimal

from common.domain.instrument import Instrument
from common.domain.risk.facts import (
    PRICED,
    RESTING,
    TRAILING,
    TRIGGERED,
    WAITING,
    Case,
    Refusal,
)
from common.messages import InstrumentStatus, RejectReason as R, Side, TimeInForce

LARGEST = Decimal("1e15")  # of a price or quantity; beyond it exact arithmetic would give out
IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


def check_trading(case: Case) -> Refusal | None:
    status = case.instrument.definition.status
    if status is InstrumentStatus.ACTIVE:
        return None
    text = f"{case.instrument.name} is {status.value}"
    return Refusal(R.INSTRUMENT_NOT_TRADING, "instrument", text)


def check_quantity(case: Case) -> Refusal | None:
    rules, quantity = case.instrument.definition, case.order.quantity
    if not quantity.is_finite() or not 0 < quantity <= LARGEST:
        text = f"quantity {quantity} must be above 0 and at most {LARGEST:f}"
        return Refusal(R.BAD_QUANTITY, "quantity", text)
    if quantity < rules.min_quantity:
        text = f"quantity {quantity} is below the minimum of {rules.min_quantity}"
        return Refusal(R.MIN_QUANTITY, "quantity", text)
    return _off_lot("quantity", quantity, case.instrument)


def _off_lot(field: str, quantity: Decimal, instrument: Instrument) -> Refusal | None:
    if instrument.is_on_lot(quantity):
        return None
    lot, below = instrument.definition.lot_size, instrument.round_quantity(quantity)
    text = f"{field} {quantity} is not a multiple of {lot}; nearest are {below} and {below + lot}"
    return Refusal(R.QUANTITY_OFF_LOT, field, text)


def check_price(case: Case) -> Refusal | None:
    order = case.order
    name = order.order_type.value
    if order.order_type in PRICED:
        if order.price is None:
            return Refusal(R.BAD_PRICE, "price", f"a {name} order needs a price")
        return _bad_price("price", order.price, case.instrument)
    if order.price is not None:
        return Refusal(R.BAD_PRICE, "price", f"a {name} order takes no price")
    return None


def check_trigger(case: Case) -> Refusal | None:
    order = case.order
    name, kind = order.order_type.value, order.order_type
    wanted = {"trigger_price": kind in TRIGGERED, "trigger_offset": kind in TRAILING}
    for field, is_wanted in wanted.items():
        value: Decimal | None = getattr(order, field)
        if is_wanted and value is None:
            return Refusal(R.BAD_PRICE, field, f"a {name} order needs a {field}")
        if value is not None and not is_wanted:
            return Refusal(R.BAD_REQUEST, field, f"a {name} order takes no {field}")
        if value is not None and (not value.is_finite() or value <= 0):
            return Refusal(R.BAD_PRICE, field, f"{field} {value} must be above 0")
    if order.trigger is not None and kind not in WAITING:
        return Refusal(R.BAD_REQUEST, "trigger", f"a {name} order takes no trigger")
    if order.trigger_price is None:
        return None
    return _bad_price("trigger_price", order.trigger_price, case.instrument)


def check_display(case: Case) -> Refusal | None:
    order = case.order
    shown, field = order.display_quantity, "display_quantity"
    if shown is None:
        return None
    if order.order_type not in RESTING or order.time_in_force in IMMEDIATE:
        return Refusal(R.BAD_REQUEST, field, f"an order that does not rest takes no {field}")
    if not shown.is_finite() or not 0 < shown <= order.quantity:
        text = f"{field} {shown} must be above 0 and at most the quantity"
        return Refusal(R.BAD_QUANTITY, field, text)
    return _off_lot(field, shown, case.instrument)


def check_flags(case: Case) -> Refusal | None:
    order = case.order
    if not order.post_only:
        return None
    if order.order_type not in PRICED:
        text = f"post_only needs a price; a {order.order_type.value} order takes liquidity"
    elif order.time_in_force in IMMEDIATE:
        text = f"post_only and {order.time_in_force.value} contradict each other"
    else:
        return None
    return Refusal(R.BAD_REQUEST, "post_only", text)


def _bad_price(field: str, price: Decimal, instrument: Instrument) -> Refusal | None:
    if instrument.is_combo and field == "price":
        if not price.is_finite() or abs(price) > LARGEST:
            text = f"{field} {price} must be at most {LARGEST:f} away from 0"
            return Refusal(R.BAD_PRICE, field, text)
    elif not price.is_finite() or not 0 < price <= LARGEST:
        return Refusal(R.BAD_PRICE, field, f"{field} {price} must be above 0, at most {LARGEST:f}")
    if instrument.is_on_tick(price):
        return None
    below, above = (instrument.round_price(price, side) for side in (Side.BUY, Side.SELL))
    tick = instrument.tick_at(price)
    text = f"{field} {price} is not a multiple of the tick {tick}; nearest are {below} and {above}"
    return Refusal(R.PRICE_OFF_TICK, field, text)
