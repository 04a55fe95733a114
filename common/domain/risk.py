"""Pre-trade checks: may this order be sent? A refusal is data, never an exception.

check() is pure: the order, the configured limits and what is known about market and account go in.
It fails closed: a limit that needs a price refuses when there is none. A user's order is never
rounded or moved; a refusal names the field and says what would pass.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite

import msgspec

from common.config import LimitsConfig
from common.domain.exposure import Holding, combo_value, total
from common.domain.instrument import Instrument, exact
from common.errors import ConfigError
from common.messages import (
    ContractType,
    InstrumentKind,
    InstrumentStatus,
    OrderType,
    PlaceOrder,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
)

R = RejectReason
ZERO = Decimal(0)
NS_PER_S = 1_000_000_000
COUNTS = ("max_fills", "fills_within_s", "max_same_orders", "same_within_ms", "max_age_ms")
LARGEST = Decimal("1e15")  # of a price or quantity; beyond it exact arithmetic would give out
TRIGGERED_LIMIT = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
TRIGGERED_MARKET = frozenset({OrderType.STOP, OrderType.TAKE_PROFIT})
PRICED = TRIGGERED_LIMIT | {OrderType.LIMIT}
TRIGGERED = TRIGGERED_LIMIT | TRIGGERED_MARKET
TRAILING = frozenset({OrderType.TRAILING_STOP})
WAITING = TRIGGERED | TRAILING
RESTING = PRICED | {OrderType.MARKET_TO_LIMIT}


class Refusal(msgspec.Struct, frozen=True):
    reason: RejectReason
    field: str
    text: str


class Limits(msgspec.Struct, frozen=True):
    """LimitsConfig with exact numbers; None is no limit."""

    max_quantity: dict[str, Decimal] = {}
    max_notional: Decimal | None = None
    collar_percent: Decimal | None = None
    option_collar_percent: Decimal | None = None
    max_open_orders: int | None = None
    max_orders_per_second: float | None = None
    max_external_orders: int | None = None
    max_position: dict[str, Decimal] = {}
    max_underlying_exposure: dict[str, Decimal] = {}
    max_account_exposure: Decimal | None = None
    max_fills: int | None = None
    fills_within_ns: int = NS_PER_S
    max_same_orders: int | None = None
    same_within_ns: int = NS_PER_S
    max_age_ms: int | None = None
    strict: bool = False  # a limit that is missing refuses

    @property
    def values_exposure(self) -> bool:
        return bool(self.max_underlying_exposure) or self.max_account_exposure is not None

    @classmethod
    def of(cls, config: LimitsConfig, where: str = "limits", strict: bool = False) -> Limits:
        """Raises: ConfigError if a number cannot be read."""

        def number(key: str, text: str | float | None) -> Decimal | None:
            if text is None:
                return None
            try:
                value = Decimal(str(text))
            except InvalidOperation:
                value = Decimal("nan")
            if not value.is_finite() or value <= 0:
                raise ConfigError(where, key, "must be a number above 0")
            return value

        def numbers(name: str) -> dict[str, Decimal]:
            texts: dict[str, str] = getattr(config, name)
            return {key: number(f"{name}.{key}", text) or ZERO for key, text in texts.items()}

        for name in COUNTS:
            count = getattr(config, name)
            if count is not None and not count > 0:
                raise ConfigError(where, name, "must be a number above 0")
        return cls(
            max_quantity=numbers("max_quantity"),
            max_position=numbers("max_position"),
            max_underlying_exposure=numbers("max_underlying_exposure"),
            max_account_exposure=number("max_account_exposure", config.max_account_exposure),
            max_fills=config.max_fills,
            fills_within_ns=int(config.fills_within_s * NS_PER_S),
            max_same_orders=config.max_same_orders,
            same_within_ns=config.same_within_ms * 1_000_000,
            max_age_ms=config.max_age_ms,
            strict=strict,
            max_notional=number("max_notional", config.max_notional),
            collar_percent=number("price_collar_percent", config.price_collar_percent),
            option_collar_percent=number("option_collar_percent", config.option_collar_percent),
            max_open_orders=config.max_open_orders,
            max_orders_per_second=config.max_orders_per_second,
            max_external_orders=config.max_external_orders,
        )


class Market(msgspec.Struct, frozen=True):
    """Prices known now; None where unknown or stale. age_ms: since it was last proved that quotes
    are right; None without a quote. is_signed: prices may be 0 and below, as those of combos."""

    bid: float | None = None
    ask: float | None = None
    mark: float | None = None
    last: float | None = None
    index: float | None = None
    age_ms: float | None = None
    min_price: float | None = None  # the venue's band
    max_price: float | None = None
    is_signed: bool = False

    def known(self, name: str) -> Decimal | None:
        value = getattr(self, name)
        if value is None or not isfinite(value) or (value <= 0 and not self.is_signed):
            return None
        return exact(value)

    @property
    def mid(self) -> Decimal | None:
        bid, ask = self.known("bid"), self.known("ask")
        return (bid + ask) / 2 if bid is not None and ask is not None else None


class State(msgspec.Struct, frozen=True):
    """What the checks need to know about the account; quantities in the instrument's unit."""

    instrument: Instrument | None
    market: Market = Market()
    mode: TradingMode = TradingMode.ACTIVE
    open_orders: int = 0
    orders_last_second: int = 0
    position: Decimal = ZERO
    open_same_side: Decimal = ZERO  # what open orders of this side may still fill
    mode_text: str = ""  # what set the mode
    mode_code: RejectReason = RejectReason.MODE
    same_orders: int = 0  # sent a moment ago
    holding: Holding | None = None  # of this instrument, without this order
    others: list[Holding] = []  # of the other instruments, where limits are in money


def check(
    order: PlaceOrder, limits: Limits, state: State, *, is_new: bool = True
) -> Refusal | None:
    """The first reason not to send the order, None if there is none.

    Args:
        is_new: False for a modify, whose order counts among the open ones already.
    """
    if state.instrument is None:
        text = f"there is no instrument {order.instrument}; try `crossdesk instruments`"
        return Refusal(R.UNKNOWN_INSTRUMENT, "instrument", text)
    for rule in RULES:
        refusal = rule(order, limits, state, state.instrument)
        if refusal is not None:
            return refusal
    return _check_open_orders(limits, state) if is_new else None


# --- form ------------------------------------------------------------------------------------


def _check_mode(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    if state.mode is TradingMode.HALTED:
        text = f"{state.mode_text or 'trading is HALTED'}: only cancels are taken"
        return Refusal(state.mode_code, "", text)
    if state.mode is TradingMode.REDUCING:
        closes = state.position * order.side.sign < 0
        if not closes or order.quantity + state.open_same_side > abs(state.position):
            text = f"trading is REDUCING and this could open or flip (position {state.position})"
            return Refusal(state.mode_code, "side", text)
    return None


def _check_trading(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    status = instrument.definition.status
    if status is InstrumentStatus.ACTIVE:
        return None
    return Refusal(R.INSTRUMENT_NOT_TRADING, "instrument", f"{instrument.name} is {status.value}")


def _check_quantity(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    rules, quantity = instrument.definition, order.quantity
    if not quantity.is_finite() or not 0 < quantity <= LARGEST:
        text = f"quantity {quantity} must be above 0 and at most {LARGEST:f}"
        return Refusal(R.BAD_QUANTITY, "quantity", text)
    if quantity < rules.min_quantity:
        text = f"quantity {quantity} is below the minimum of {rules.min_quantity}"
        return Refusal(R.MIN_QUANTITY, "quantity", text)
    if not instrument.is_on_lot(quantity):
        below = instrument.round_quantity(quantity)
        text = (
            f"quantity {quantity} is not a multiple of {rules.lot_size};"
            f" nearest are {below} and {below + rules.lot_size}"
        )
        return Refusal(R.QUANTITY_OFF_LOT, "quantity", text)
    return None


def _check_price(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    name = order.order_type.value
    if order.order_type in PRICED:
        if order.price is None:
            return Refusal(R.BAD_PRICE, "price", f"a {name} order needs a price")
        return _check_one_price("price", order.price, instrument)
    if order.price is not None:
        return Refusal(R.BAD_PRICE, "price", f"a {name} order takes no price")
    return None


def _check_trigger(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
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
    return _check_one_price("trigger_price", order.trigger_price, instrument)


def _check_display(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    shown, field = order.display_quantity, "display_quantity"
    if shown is None:
        return None
    if order.order_type not in RESTING or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        return Refusal(R.BAD_REQUEST, field, f"an order that does not rest takes no {field}")
    if not shown.is_finite() or not 0 < shown <= order.quantity:
        text = f"{field} {shown} must be above 0 and at most the quantity"
        return Refusal(R.BAD_QUANTITY, field, text)
    if not instrument.is_on_lot(shown):
        text = f"{field} {shown} is not a multiple of {instrument.definition.lot_size}"
        return Refusal(R.QUANTITY_OFF_LOT, field, text)
    return None


def _check_one_price(field: str, price: Decimal, instrument: Instrument) -> Refusal | None:
    if instrument.is_combo and field == "price":
        if not price.is_finite() or abs(price) > LARGEST:
            text = f"{field} {price} must be at most {LARGEST:f} away from 0"
            return Refusal(R.BAD_PRICE, field, text)
    elif not price.is_finite() or not 0 < price <= LARGEST:
        return Refusal(R.BAD_PRICE, field, f"{field} {price} must be above 0, at most {LARGEST:f}")
    if instrument.is_on_tick(price):
        return None
    below = instrument.round_price(price, Side.BUY)
    above = instrument.round_price(price, Side.SELL)
    text = (
        f"{field} {price} is not a multiple of the tick {instrument.tick_at(price)};"
        f" nearest are {below} and {above}"
    )
    return Refusal(R.PRICE_OFF_TICK, field, text)


def _check_flags(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    if not order.post_only:
        return None
    if order.order_type not in PRICED:
        text = f"post_only needs a price; a {order.order_type.value} order takes liquidity"
        return Refusal(R.BAD_REQUEST, "post_only", text)
    if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        text = f"post_only and {order.time_in_force.value} contradict each other"
        return Refusal(R.BAD_REQUEST, "post_only", text)
    return None


# --- configured limits -----------------------------------------------------------------------


def _limit_of(limits: dict[str, Decimal], instrument: Instrument) -> tuple[str, Decimal | None]:
    """The limit of an instrument: by its name, its symbol or its kind."""
    rules = instrument.definition
    for key in (rules.instrument, rules.symbol, rules.kind.value):
        if key in limits:
            return key, limits[key]
    return "", None


def _check_limits_exist(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    if not limits.strict:
        return None
    rules = instrument.definition
    is_option = rules.kind is InstrumentKind.OPTION
    given = {
        "max_quantity": _limit_of(limits.max_quantity, instrument)[1],
        "max_position": _limit_of(limits.max_position, instrument)[1],
        "max_underlying_exposure": limits.max_underlying_exposure.get(rules.underlying),
        "max_account_exposure": limits.max_account_exposure,
        "max_notional": limits.max_notional,
        "price_collar_percent": (
            limits.option_collar_percent if is_option else limits.collar_percent
        ),
        "max_open_orders": limits.max_open_orders,
        "max_orders_per_second": limits.max_orders_per_second,
        "max_fills": limits.max_fills,
        "max_same_orders": limits.max_same_orders,
        "max_age_ms": limits.max_age_ms,
        "max_external_orders": limits.max_external_orders,
    }
    missing = [name for name, value in given.items() if value is None]
    if not missing:
        return None
    text = f"no {', '.join(missing)} is set for {rules.instrument}, and a missing limit refuses"
    return Refusal(R.NO_LIMIT, "instrument", text)


def _check_data(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    market = state.market
    bid, ask = market.known("bid"), market.known("ask")
    if bid is not None and ask is not None and bid > ask:
        text = f"the book is crossed: {bid} is bid and {ask} is asked"
        return Refusal(R.STALE_DATA, "instrument", text)
    if limits.max_age_ms is None:
        return None
    if market.age_ms is None:
        return Refusal(R.STALE_DATA, "instrument", "there is no quote, or it is stale")
    if not market.age_ms <= limits.max_age_ms:
        text = f"the quote is {market.age_ms:.0f} ms old, the limit is {limits.max_age_ms} ms"
        return Refusal(R.STALE_DATA, "instrument", text)
    return None


def _check_same(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    limit = limits.max_same_orders
    if limit is None or state.same_orders < limit:
        return None
    text = (
        f"{state.same_orders} orders with this side, price and quantity were sent in the last"
        f" {limits.same_within_ns // 1_000_000} ms, the limit is {limit}"
    )
    return Refusal(R.DUPLICATE_ORDER, "", text)


def _check_exposure(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    before = state.holding or Holding(instrument)
    after = before.with_order(order.side, order.quantity)
    if after.worst <= before.worst:
        return None  # whatever the limits, it brings nothing new
    key, limit = _limit_of(limits.max_position, instrument)
    if limit is None and limits.max_position and instrument.is_combo:
        text = f"positions are limited, and max_position says nothing of {instrument.name}"
        return Refusal(R.NO_LIMIT, "instrument", f"{text} or its kind, whose legs would change")
    if limit is not None and after.worst > limit:
        text = f"a position of {after.worst} could come of it, the limit is {limit} for {key}"
        return Refusal(R.EXPOSURE, "quantity", text)
    return _check_exposure_value(limits, state, after)


def _check_exposure_value(limits: Limits, state: State, after: Holding) -> Refusal | None:
    underlying = after.instrument.definition.underlying
    near = [h for h in state.others if h.instrument.definition.underlying == underlying]
    parts = (
        (underlying, limits.max_underlying_exposure.get(underlying), near),
        ("the account", limits.max_account_exposure, state.others),
    )
    for name, limit, others in parts:
        if limit is None:
            continue
        value = total([after, *others])
        if value is None:
            text = f"no price to value the exposure to {name} with"
            return Refusal(R.NO_MARKET_DATA, "instrument", text)
        if value > limit:
            text = f"an exposure to {name} of {value:.2f} could come of it, the limit is {limit}"
            return Refusal(R.EXPOSURE, "quantity", text)
    return None


def _check_max_quantity(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    key, limit = _limit_of(limits.max_quantity, instrument)
    if limit is None or order.quantity <= limit:
        return None
    text = f"quantity {order.quantity} is above the limit of {limit} for {key}"
    return Refusal(R.MAX_QUANTITY, "quantity", text)


def _check_notional(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    minimum = instrument.definition.min_notional
    if limits.max_notional is None and minimum <= 0:
        return None
    price = _worst_price(order, state.market)
    if instrument.is_combo:
        return _check_combo_notional(order, limits, state, instrument)
    if price is None and not instrument.is_inverse_future:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no price to value this order with")
    value = instrument.notional(order.quantity, price or ZERO)
    if value < minimum:
        text = f"a value of {value:f} is below the venue's minimum of {minimum}"
        return Refusal(R.MIN_NOTIONAL, "quantity", text)
    if limits.max_notional is None:
        return None
    if _is_inverse_option(instrument):
        index = state.market.known("index")
        if index is None:
            return Refusal(R.NO_MARKET_DATA, "instrument", "no index to value this option with")
        value *= index
    if value > limits.max_notional:
        text = f"a value of {value:.2f} is above the limit of {limits.max_notional}"
        return Refusal(R.MAX_NOTIONAL, "quantity", text)
    return None


def _check_combo_notional(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    value = combo_value(instrument, order.quantity, state.market.known("index"))
    if value is None:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no index to value this combo with")
    if limits.max_notional is not None and value > limits.max_notional:
        text = f"a leg's value of {value:.2f} is above the limit of {limits.max_notional}"
        return Refusal(R.MAX_NOTIONAL, "quantity", text)
    return None


def _is_inverse_option(instrument: Instrument) -> bool:
    rules = instrument.definition
    return rules.contract_type is ContractType.INVERSE and rules.kind is InstrumentKind.OPTION


def _worst_price(order: PlaceOrder, market: Market) -> Decimal | None:
    """The highest price this order could be worth."""
    market_price = market.mid or market.known("mark") or market.known("last")
    prices = [p for p in (order.price, order.trigger_price, market_price) if p is not None]
    return max(prices, default=None)


def _check_collar(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    is_option = instrument.definition.kind is InstrumentKind.OPTION
    percent = limits.option_collar_percent if is_option else limits.collar_percent
    if percent is None or order.order_type in TRIGGERED_MARKET | TRAILING:
        return None  # a stop has no price of its own until it wakes
    if instrument.is_combo:
        return _check_band(order, state.market)
    references = _references(order, state.market, is_option)
    if not references:
        return Refusal(R.NO_MARKET_DATA, "instrument", "no mid, mark or last price to judge by")
    price = order.price if order.price is not None else _touch(order.side, state.market)
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
    price = order.price if order.price is not None else _touch(order.side, market)
    if lowest is None or highest is None or price is None:
        text = "no price band of the venue, or no price, to judge an order of a combo by"
        return Refusal(R.NO_MARKET_DATA, "instrument", text)
    if lowest <= price <= highest:
        return None
    text = f"price {price} is outside the venue's band of {lowest} to {highest}"
    return Refusal(R.PRICE_COLLAR, "price", text)


def _references(order: PlaceOrder, market: Market, is_option: bool) -> dict[str, Decimal]:
    """The prices an order must be near to, all of them."""
    if order.order_type in TRIGGERED_LIMIT and order.trigger_price is not None:
        return {"trigger price": order.trigger_price}  # the market will be there when it wakes
    found = {"mid": market.mid, "mark": market.known("mark"), "last": market.known("last")}
    references = {name: price for name, price in found.items() if price is not None}
    if is_option and len(references) > 1:
        references.pop("last", None)  # an option's last trade may be days old
    return references


def _touch(side: Side, market: Market) -> Decimal | None:
    """The price a market order would start to trade at."""
    return market.known("ask" if side is Side.BUY else "bid")


def _check_rate(
    order: PlaceOrder, limits: Limits, state: State, instrument: Instrument
) -> Refusal | None:
    limit = limits.max_orders_per_second
    if limit is None or state.orders_last_second < limit:
        return None
    text = f"more than {limit:g} orders in the last second"
    return Refusal(R.RATE_LIMIT, "", text)


def _check_open_orders(limits: Limits, state: State) -> Refusal | None:
    limit = limits.max_open_orders
    if limit is None or state.open_orders < limit:
        return None
    return Refusal(
        R.MAX_OPEN_ORDERS, "", f"{state.open_orders} orders are open, the limit is {limit}"
    )


Rule = Callable[[PlaceOrder, Limits, State, Instrument], Refusal | None]

RULES: tuple[Rule, ...] = (
    _check_trading,
    _check_quantity,
    _check_price,
    _check_trigger,
    _check_display,
    _check_flags,
    _check_mode,
    _check_limits_exist,
    _check_data,
    _check_max_quantity,
    _check_notional,
    _check_collar,
    _check_rate,
    _check_same,
    _check_exposure,
)
"""In this order; the first refusal is the answer."""

# What an order passed that was not refused, for the journal.
PASSED_BY_MODIFY = ["instrument", *(rule.__name__.removeprefix("_check_") for rule in RULES)]
PASSED_BY_PLACE = [*PASSED_BY_MODIFY, "open_orders"]
