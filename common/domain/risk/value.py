"""Is the price sane and the order not too large, judged by data that can be trusted."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

from common.domain.exposure import combo_value, is_inverse_option
from common.domain.risk.facts import (
    TRAILING,
    TRIGGERED_LIMIT,
    TRIGGERED_MARKET,
    Case,
    Market,
    Refusal,
)
from common.domain.risk.limits import ZERO, limit_of
from common.messages import (
    InstrumentKind,
    OrderType,
    PlaceOrder,
    RejectReason as R,
    Side,
    TriggerPrice,
)

FIGURES = ("bid", "ask", "mark", "last", "index")


def check_data(case: Case) -> Refusal | None:
    market, limit = case.state.market, case.limits.max_age_ms
    bid, ask = market.known("bid"), market.known("ask")
    broken = [name for name in FIGURES if not _is_number(getattr(market, name))]
    if broken:
        text = f"the {broken[0]} is no number"
    elif bid is not None and ask is not None and bid > ask:
        text = f"the book is crossed: {bid} is bid and {ask} is asked"
    elif limit is None:
        return None
    elif market.age_ms is None:
        text = "there is no quote, or it is stale"
    elif not market.age_ms <= limit:
        text = f"the quote is {market.age_ms:.0f} ms old, the limit is {limit} ms"
    else:
        return None
    return Refusal(R.STALE_DATA, "instrument", text)


def _is_number(value: float | None) -> bool:
    return value is None or isfinite(value)


def check_max_quantity(case: Case) -> Refusal | None:
    key, limit = limit_of(case.limits.max_quantity, case.instrument)
    quantity = case.order.quantity
    if limit is None or quantity <= limit:
        return None
    text = f"quantity {quantity} is above the limit of {limit} for {key}"
    return Refusal(R.MAX_QUANTITY, "quantity", text)


# --- value -----------------------------------------------------------------------------------


def check_notional(case: Case) -> Refusal | None:
    instrument, limit = case.instrument, case.limits.max_notional
    minimum = instrument.definition.min_notional
    if limit is None and minimum <= 0:
        return None
    if instrument.is_combo:
        return _check_combo(case)
    price = _worst_price(case.order, case.state.market)
    if price is None and not instrument.is_inverse_future:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no price to value this order with")
    value = instrument.notional(case.order.quantity, price or ZERO)
    if value < minimum:
        text = f"a value of {value:f} is below the venue's minimum of {minimum}"
        return Refusal(R.MIN_NOTIONAL, "quantity", text)
    if limit is None:
        return None
    if is_inverse_option(instrument):
        index = case.state.market.known("index")
        if index is None:
            return Refusal(R.NO_MARKET_DATA, "instrument", "no index to value this option with")
        value *= index
    return _above(value, limit, "a value")


def _check_combo(case: Case) -> Refusal | None:
    index = case.state.market.known("index")
    value = combo_value(case.instrument, case.order.quantity, index)
    if value is None:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no index to value this combo with")
    return _above(value, case.limits.max_notional, "a leg's value")


def _above(value: Decimal, limit: Decimal | None, what: str) -> Refusal | None:
    if limit is None or value <= limit:
        return None
    return Refusal(
        R.MAX_NOTIONAL, "quantity", f"{what} of {value:.2f} is above the limit of {limit}"
    )


def _worst_price(order: PlaceOrder, market: Market) -> Decimal | None:
    """The highest price this order could be worth."""
    market_price = market.mid or market.known("mark") or market.known("last")
    prices = [p for p in (order.price, order.trigger_price, market_price) if p is not None]
    return max(prices, default=None)


# --- price -----------------------------------------------------------------------------------


def check_collar(case: Case) -> Refusal | None:
    order, market = case.order, case.state.market
    percent = case.limits.collar_of(case.instrument)
    if percent is None or order.order_type in TRIGGERED_MARKET | TRAILING:
        return None  # a stop has no price of its own until it wakes
    if case.instrument.is_combo:
        return _check_band(order, market)
    references = _references(case)
    if not references:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no mid, mark or last price to judge by")
    price = order.price if order.price is not None else market.touch(order.side)
    if price is None:
        side = "ask" if order.side is Side.BUY else "bid"
        return Refusal(R.NO_MARKET_DATA, "instrument", f"no {side} to judge a MARKET order by")
    for name, reference in references.items():
        if abs(price - reference) * 100 > percent * reference:
            text = f"price {price} is more than {percent} % away from the {name} of {reference}"
            return Refusal(R.PRICE_COLLAR, "price", text)
    return None


def _check_band(order: PlaceOrder, market: Market) -> Refusal | None:
    """The collar of a combo, whose price may be near 0: a share of that is no measure."""
    lowest, highest = market.known("min_price"), market.known("max_price")
    price = order.price if order.price is not None else market.touch(order.side)
    if lowest is None or highest is None or price is None:
        text = "no price band of the venue, or no price, to judge an order of a combo by"
        return Refusal(R.NO_MARKET_DATA, "instrument", text)
    if lowest <= price <= highest:
        return None
    text = f"price {price} is outside the venue's band of {lowest} to {highest}"
    return Refusal(R.PRICE_COLLAR, "price", text)


def _references(case: Case) -> dict[str, Decimal]:
    """The prices an order must be near to, all of them."""
    order, market = case.order, case.state.market
    if _waits(order, market) and order.trigger_price is not None:
        return {"trigger price": order.trigger_price}  # the market will be there when it wakes
    found = {
        "mid": market.mid,
        "mark": market.known("mark"),
        "last": market.known("last"),
        "lowest mid of the last second": market.known("low"),
        "highest mid of the last second": market.known("high"),
    }
    references = {name: price for name, price in found.items() if price is not None}
    if case.instrument.definition.kind is InstrumentKind.OPTION and len(references) > 1:
        references.pop("last", None)  # an option's last trade may be days old
    return references


def _waits(order: PlaceOrder, market: Market) -> bool:
    """Whether it sleeps until the market is at its trigger. One that the market has passed already
    wakes at once: a stop's limit is behind the market then, a take profit's would trade."""
    if order.order_type is not OrderType.TAKE_PROFIT_LIMIT or order.trigger_price is None:
        return order.order_type in TRIGGERED_LIMIT
    level = market.known((order.trigger or TriggerPrice.MARK).value.lower()) or market.mid
    return level is not None and (level - order.trigger_price) * order.side.sign > 0
