"""Orders of clients, and the form checks that a request must pass."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from common.domain.instrument import Instrument
from common.messages import InstrumentKind, OrderType, Side, TimeInForce
from common.venues.simulation import (
    ZERO,
    CancelReason,
    FillCondition,
    LinkView,
    OrderChanges,
    OrderRequest,
    OrderState,
    Refused,
    SimulatedOrder,
    SimulatedRefusal,
)
from services.venue_simulator.rules import ExchangeRules
from services.venue_simulator.triggers import Trigger, trailing

LIMIT_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
TAKE_TYPES = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
STOP_TYPES = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, *TAKE_TYPES)
COMBOS = (InstrumentKind.FUTURE_COMBO, InstrumentKind.OPTION_COMBO)
MARKET_TYPES = (
    OrderType.MARKET,
    OrderType.STOP,
    OrderType.TAKE_PROFIT,
    OrderType.TRAILING_STOP,
)


class Terms(NamedTuple):
    """What an edit may change."""

    price: Decimal | None
    quantity: Decimal
    trigger_price: Decimal | None
    post_only: bool
    reject_post_only: bool
    reduce_only: bool
    trigger_offset: Decimal | None
    display_quantity: Decimal | None
    stated_price: Decimal | None


class Pair:
    """Two legs, of which one cancels the other; each has an order and what came of it."""

    __slots__ = ("_legs", "number")

    def __init__(self, number: int, first: ClientOrder, second: ClientOrder) -> None:
        self.number = number
        self._legs = ([first], [second])

    def leg(self, order: ClientOrder) -> list[ClientOrder]:
        return self._legs[order in self._legs[1]]

    def opposite(self, order: ClientOrder) -> list[ClientOrder]:
        return self._legs[order in self._legs[0]]

    def join(self, order: ClientOrder, born: ClientOrder) -> None:
        self.leg(order).append(born)


class Link:
    """How one order is linked to others (see links.py)."""

    __slots__ = (
        "born",
        "condition",
        "counted",
        "is_dormant",
        "pair",
        "placed",
        "primary",
        "secondaries",
        "secondary",
        "triggers_pair",
    )

    def __init__(
        self,
        condition: FillCondition,
        primary: int | None = None,
        secondary: int | None = None,
    ) -> None:
        self.condition = condition
        self.secondaries: list[ClientOrder] = []
        self.triggers_pair = False
        self.primary = primary
        self.is_dormant = False
        self.secondary = secondary
        self.pair: Pair | None = None
        self.placed = ZERO  # of a dormant order: how much of it
        self.born: int | None = None  # ... and as which order, lately
        self.counted = ZERO  # fills that the other leg of the pair has heard of

    def view(self) -> LinkView:
        return LinkView(
            condition=self.condition,
            secondaries=tuple(other.number for other in self.secondaries),
            triggers_pair=self.triggers_pair,
            primary=self.primary,
            is_dormant=self.is_dormant,
            secondary=self.secondary,
            pair=self.pair.number if self.pair is not None else None,
        )


class ClientOrder:
    """One order of a client account while the exchange works on it."""

    __slots__ = (
        "_coins",
        "_value",
        "account",
        "auto_replaced",
        "cancel_reason",
        "created_ns",
        "cum_quantity",
        "display_quantity",
        "is_moving",
        "link",
        "number",
        "post_only",
        "price",
        "quantity",
        "reduce_only",
        "reject_post_only",
        "replaced",
        "request",
        "state",
        "stated_price",
        "trigger_offset",
        "trigger_order",
        "trigger_price",
        "trigger_reference",
        "updated_ns",
    )

    def __init__(self, number: int, account: str, request: OrderRequest, now_ns: int) -> None:
        self.number = number
        self.account = account
        self.request = request
        self.state = OrderState.OPEN
        self.quantity = request.quantity
        self.cum_quantity = ZERO
        self.price = request.price
        self.trigger_price = request.trigger_price
        self.post_only = request.post_only
        self.reject_post_only = request.reject_post_only
        self.reduce_only = request.reduce_only
        self.trigger_offset = request.trigger_offset
        self.trigger_reference: Decimal | None = None
        self.trigger_order: int | None = None
        self.display_quantity = request.display_quantity
        self.stated_price = request.stated_price
        self.is_moving = False  # the market moves it, not an edit of its owner
        self.auto_replaced = False
        self.link: Link | None = None
        self.cancel_reason: CancelReason | None = None
        self.replaced = False
        self.created_ns = self.updated_ns = now_ns
        self._value = ZERO  # sum of price * quantity over the fills
        self._coins = ZERO  # sum of quantity / price

    @property
    def symbol(self) -> str:
        return self.request.symbol

    @property
    def side(self) -> Side:
        return self.request.side

    @property
    def is_buy(self) -> bool:
        return self.request.side is Side.BUY

    @property
    def leaves_quantity(self) -> Decimal:
        return self.quantity - self.cum_quantity

    @property
    def order_type(self) -> OrderType:
        """What a stop turned into is an ordinary order."""
        asked = self.request.order_type
        if self.trigger_order is None:
            return asked
        return OrderType.MARKET if asked in MARKET_TYPES else OrderType.LIMIT

    @property
    def is_waiting(self) -> bool:
        return self.state is OrderState.UNTRIGGERED

    @property
    def is_dormant(self) -> bool:
        """It waits for the execution of another order."""
        return self.is_waiting and self.link is not None and self.link.is_dormant

    def trigger(self) -> Trigger:
        """Of a stop order that passed its checks."""
        source = self.request.trigger
        rising = self.is_buy is (self.request.order_type not in TAKE_TYPES)
        if source is not None and self.trigger_price is not None:
            return Trigger(source, rising, self.trigger_price)
        if source is None or self.trigger_reference is None or self.trigger_offset is None:
            raise ValueError(f"order {self.number} has no trigger")
        return trailing(source, rising, self.trigger_reference, self.trigger_offset)

    def terms(self) -> Terms:
        return Terms(
            self.price,
            self.quantity,
            self.trigger_price,
            self.post_only,
            self.reject_post_only,
            self.reduce_only,
            self.trigger_offset,
            self.display_quantity,
            self.stated_price,
        )

    def restore(self, terms: Terms) -> None:
        self.price, self.quantity, self.trigger_price = terms[:3]
        self.post_only, self.reject_post_only, self.reduce_only = terms[3:6]
        self.trigger_offset, self.display_quantity, self.stated_price = terms[6:]

    def change(self, changes: OrderChanges) -> None:
        """Take over what an edit names."""
        new = (getattr(changes, name) for name in Terms._fields)
        old = self.terms()
        self.restore(Terms._make(o if n is None else n for n, o in zip(new, old, strict=True)))

    def note_edit(self, now_ns: int) -> None:
        self.replaced = self.replaced or not self.is_moving
        self.auto_replaced = self.auto_replaced or self.is_moving
        self.updated_ns = now_ns

    def fill(self, price: Decimal, quantity: Decimal, now_ns: int) -> None:
        self.cum_quantity += quantity
        self._value += price * quantity
        if price:
            self._coins += quantity / price
        self.updated_ns = now_ns
        if self.leaves_quantity <= 0:
            self.state = OrderState.FILLED

    def avg_price(self, inverse: bool) -> Decimal | None:
        if not self.cum_quantity:
            return None
        if inverse and self._coins:
            return round(self.cum_quantity / self._coins, 8)
        return round(self._value / self.cum_quantity, 8)

    def record(self, inverse: bool, shown: Decimal | None = None) -> SimulatedOrder:
        """What the outside gets to see; shown: what the book shows of an order with a display."""
        request = self.request
        return SimulatedOrder(
            number=self.number,
            account=self.account,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            state=self.state,
            quantity=self.quantity,
            cum_quantity=self.cum_quantity,
            price=self.price,
            avg_price=self.avg_price(inverse),
            time_in_force=request.time_in_force,
            created_ns=self.created_ns,
            updated_ns=self.updated_ns,
            post_only=self.post_only,
            reject_post_only=self.reject_post_only,
            reduce_only=self.reduce_only,
            label=request.label,
            session=request.session,
            replaced=self.replaced,
            trigger=request.trigger,
            trigger_price=self.trigger_price,
            trigger_order=self.trigger_order,
            cancel_reason=self.cancel_reason,
            trigger_offset=self.trigger_offset,
            trigger_reference=self.trigger_reference,
            display_quantity=self.display_quantity,
            shown_quantity=shown,
            link=self.link.view() if self.link is not None else None,
            protection=request.protection,
            price_type=request.price_type,
            stated_price=self.stated_price,
            auto_replaced=self.auto_replaced,
        )


def check_request(
    instrument: Instrument, request: OrderRequest, rules: ExchangeRules, now_ns: int
) -> Refused | None:
    """Everything that can be judged from the request and the instrument alone."""
    if request.valid_until_ns is not None and now_ns > request.valid_until_ns:
        return Refused(SimulatedRefusal.TOO_LATE, "valid_until_ns")
    immediate = request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if request.post_only and (immediate or request.order_type not in LIMIT_TYPES):
        return Refused(SimulatedRefusal.POST_ONLY_NOT_ALLOWED, "post_only")
    return (
        check_quantity(instrument, request.quantity)
        or _check_price_presence(instrument, request)
        or _check_trigger(request)
        or check_display(instrument, request.display_quantity, request.quantity, rules)
    )


def check_changes(
    instrument: Instrument, order: ClientOrder, changes: OrderChanges, rules: ExchangeRules
) -> Refused | None:
    """The form of an edit; the sums and the market are judged later."""
    if changes.quantity is not None:
        refused = check_quantity(instrument, changes.quantity)
        if refused is None and changes.quantity <= order.cum_quantity:
            refused = Refused(SimulatedRefusal.QUANTITY_TOO_LOW, "quantity", order.cum_quantity)
        if refused is not None:
            return refused
    refused = check_display(
        instrument,
        changes.display_quantity or order.display_quantity,
        changes.quantity or order.quantity,
        rules,
    )
    if refused is not None:
        return refused
    if changes.price is not None:
        if order.request.order_type not in (*LIMIT_TYPES, OrderType.MARKET_TO_LIMIT):
            return Refused(SimulatedRefusal.PRICE_NOT_ALLOWED, "price")
        refused = check_price(instrument, changes.price)
        if refused is not None or not order.is_waiting:
            return refused  # what triggered already may be edited as it was placed
    return _check_trigger_changes(order, changes)


def _check_trigger_changes(order: ClientOrder, changes: OrderChanges) -> Refused | None:
    """Only what still waits, and only what it waits for: a price or a distance."""
    for name in ("trigger_price", "trigger_offset"):
        value = getattr(changes, name)
        kept = order.is_waiting and getattr(order, name) is not None
        if value is not None and not (kept and _is_price(value)):
            return Refused(SimulatedRefusal.INVALID_TRIGGER, name)
    return None


def check_display(
    instrument: Instrument, display: Decimal | None, quantity: Decimal, rules: ExchangeRules
) -> Refused | None:
    """What is shown is a multiple of the minimum, and a part of the order that is not too small."""
    if display is None:
        return None
    least = max(
        rules.display_minimums * instrument.definition.min_quantity, rules.display_part * quantity
    )
    if display.is_finite() and display >= least and instrument.is_on_lot(display):
        return None
    return Refused(SimulatedRefusal.INVALID_DISPLAY, "display_quantity", least)


def check_quantity(instrument: Instrument, quantity: Decimal) -> Refused | None:
    definition = instrument.definition
    if not quantity.is_finite() or quantity < definition.min_quantity:
        return Refused(SimulatedRefusal.QUANTITY_TOO_LOW, "quantity", definition.min_quantity)
    if quantity.adjusted() > 15:
        return Refused(SimulatedRefusal.QUANTITY_TOO_HIGH, "quantity")
    if not instrument.is_on_lot(quantity):
        return Refused(SimulatedRefusal.QUANTITY_OFF_LOT, "quantity", definition.lot_size)
    return None


def check_price(instrument: Instrument, price: Decimal) -> Refused | None:
    may_be_negative = instrument.definition.kind in COMBOS
    if not price.is_finite() or price.adjusted() > 15 or (price <= 0 and not may_be_negative):
        return Refused(SimulatedRefusal.PRICE_NOT_ALLOWED, "price")
    if not instrument.is_on_tick(price):
        return Refused(SimulatedRefusal.PRICE_OFF_TICK, "price", instrument.tick_at(price))
    return None


def _check_price_presence(instrument: Instrument, request: OrderRequest) -> Refused | None:
    if request.order_type not in LIMIT_TYPES:
        return None  # venues ignore the price of a market order
    if request.price is None:
        return Refused(SimulatedRefusal.PRICE_MISSING, "price")
    return check_price(instrument, request.price)


def _check_trigger(request: OrderRequest) -> Refused | None:
    if request.order_type not in STOP_TYPES:
        return None
    if request.trigger is None:
        return Refused(SimulatedRefusal.INVALID_TRIGGER, "trigger")
    is_trailing = request.order_type is OrderType.TRAILING_STOP
    name = "trigger_offset" if is_trailing else "trigger_price"
    other = "trigger_price" if is_trailing else "trigger_offset"
    if not _is_price(getattr(request, name)):
        return Refused(SimulatedRefusal.INVALID_TRIGGER, name)
    if getattr(request, other) is not None:
        return Refused(SimulatedRefusal.INVALID_TRIGGER, other)
    return None


def _is_price(value: Decimal | None) -> bool:
    return value is not None and value.is_finite() and value > 0 and value.adjusted() <= 15
