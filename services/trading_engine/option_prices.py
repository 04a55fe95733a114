"""Prices of options in USD or volatility, as the instrument's own prices, for the checks.

The venue keeps such an order where its USD or volatility puts it. We work out where that is now, in
the same way as marks are made (see pricing.option_quote), so that the collar and the limits hold.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common import messages as m
from common.domain import pricing, risk
from common.domain.instrument import Instrument, exact
from common.messages import RejectReason as R
from common.venues.contract import Capabilities

LARGEST_VOLATILITY = Decimal(1000)  # percent


def refuse(
    command: m.PlaceOrder, instrument: Instrument, venue: Capabilities
) -> risk.Refusal | None:
    """Why this order cannot have the price_type that it has, whatever the market."""
    kind = command.price_type
    if kind is None:
        return None
    if kind not in venue.price_types:
        text = f"this venue takes no prices in {kind.value}"
        return risk.Refusal(R.UNSUPPORTED, "price_type", text)
    rules = instrument.definition
    if rules.strike is None:
        text = f"{instrument.name} is no option: its price counts in its own unit"
        return risk.Refusal(R.BAD_REQUEST, "price_type", text)
    if kind is m.PriceType.USD and rules.contract_type is not m.ContractType.INVERSE:
        text = f"the price of {instrument.name} is in {rules.quote} already"
        return risk.Refusal(R.BAD_REQUEST, "price_type", text)
    return _refuse_price(command, kind)


def _refuse_price(command: m.PlaceOrder, kind: m.PriceType) -> risk.Refusal | None:
    price = command.price
    if command.order_type is not m.OrderType.LIMIT or price is None:
        text = f"a price in {kind.value} needs a LIMIT order with a price"
        return risk.Refusal(R.BAD_REQUEST, "price_type", text)
    if command.linked_orders:
        text = f"an order with a price in {kind.value} has no linked orders"
        return risk.Refusal(R.UNSUPPORTED, "linked_orders", text)
    most = LARGEST_VOLATILITY if kind is m.PriceType.IMPLIED_VOLATILITY else Decimal("1e15")
    if not price.is_finite() or not 0 < price <= most:
        text = f"a price in {kind.value} must be above 0 and at most {most:f}, got {price}"
        return risk.Refusal(R.BAD_PRICE, "price", text)
    return None


def in_own_unit(
    command: m.PlaceOrder, instrument: Instrument, ticker: m.Ticker | None, now_ns: int
) -> m.PlaceOrder | risk.Refusal:
    """The order with the price it would have now, on the tick that is worse for us."""
    if command.price_type is None or command.price is None:
        return command
    value = _value(command.price_type, float(command.price), instrument, ticker, now_ns)
    if value is None:
        text = f"no price of the underlying to turn {command.price_type.value} into a price with"
        return risk.Refusal(R.NO_MARKET_DATA, "price", text)
    against_us = command.side.opposite  # a buyer's estimate goes up, a seller's down
    tick = instrument.definition.tick_size
    price = max(tick, instrument.round_price(exact(value), against_us))
    return msgspec.structs.replace(command, price=price, price_type=None)


def _value(
    kind: m.PriceType, price: float, instrument: Instrument, ticker: m.Ticker | None, now_ns: int
) -> float | None:
    rules = instrument.definition
    if ticker is None or rules.strike is None or rules.expiration_ns is None:
        return None
    if kind is m.PriceType.USD:
        return price / ticker.index_price if ticker.index_price else None
    if not ticker.underlying_price:
        return None
    quote = pricing.option_quote(
        rules.option_type is m.OptionType.CALL,
        ticker.underlying_price,
        float(rules.strike),
        pricing.years_between(now_ns, rules.expiration_ns),
        price / 100,
        inverse=rules.contract_type is m.ContractType.INVERSE,
    )
    return quote.mark_price
