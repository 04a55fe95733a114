"""What a protocol server asks of the exchange."""

from __future__ import annotations

from decimal import Decimal

from common.core import Data
from common.messages import (
    InstrumentKind,
    OptionType,
    OrderType,
    PriceType,
    Side,
    TimeInForce,
    TriggerPrice,
)
from common.venues.simulation.words import FillCondition, LinkKind


class LinkRequest(Data):
    """What an order is linked to: one other for CANCELS, two for TRIGGERS_PAIR.

    They are of the same instrument and have no links of their own.
    """

    kind: LinkKind
    condition: FillCondition
    orders: tuple[OrderRequest, ...]


class ProtectionTag(Data):
    """Under which market maker protection an order is, and which quote it belongs to, if any."""

    group: str = ""
    quote_id: str | None = None
    quote_set: str = ""


class OrderRequest(Data):
    """A new order. price for LIMIT, STOP_LIMIT and TAKE_PROFIT_LIMIT; trigger for all that wait,
    with a trigger_price, or for TRAILING_STOP with a trigger_offset, which is its distance from the
    best price since it was placed.

    display_quantity: how much of it the book shows at a time; None for all.
    post_only: moved to one tick inside the spread if it would cross; refused with reject_post_only.
    valid_until_ns: refused when read later than this; no order expiry.
    price_type: of an option: stated_price counts that, and price follows from it with the market.
    """

    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    trigger: TriggerPrice | None = None
    trigger_price: Decimal | None = None
    label: str = ""
    session: str = ""  # the connection that placed it, for disconnect()
    valid_until_ns: int | None = None
    trigger_offset: Decimal | None = None
    display_quantity: Decimal | None = None
    link: LinkRequest | None = None
    protection: ProtectionTag | None = None
    price_type: PriceType | None = None
    stated_price: Decimal | None = None


class OrderChanges(Data):
    """What an edit changes; None leaves as is. quantity is the new total, fills included.
    stated_price: in place of price, for an order with a price_type."""

    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None
    post_only: bool | None = None
    reject_post_only: bool | None = None
    reduce_only: bool | None = None
    valid_until_ns: int | None = None
    trigger_offset: Decimal | None = None
    display_quantity: Decimal | None = None
    stated_price: Decimal | None = None


class ComboLeg(Data):
    """quantity: for one unit of the combo; negative is sold when the combo is bought."""

    symbol: str
    quantity: Decimal


class OrderFilter(Data):
    """Which orders are meant: those that match every field that is not None.

    What a stop has turned into is a LIMIT or MARKET order.
    """

    symbol: str | None = None
    kinds: frozenset[InstrumentKind] | None = None
    currency: str | None = None  # settlement currency
    index: str | None = None  # price_index of the instrument
    order_types: frozenset[OrderType] | None = None
    label: str | None = None
    session: str | None = None
    is_quote: bool | None = None
    protection_group: str | None = None
    quote_set: str | None = None


class TradeFilter(Data):
    """Which fills or public trades are meant, and which part of them.

    The bounds are inclusive. ascending: oldest first; else newest first. count cuts after sorting.
    """

    symbol: str | None = None
    kinds: frozenset[InstrumentKind] | None = None
    currency: str | None = None
    order_number: int | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    from_number: int | None = None  # trade_number
    to_number: int | None = None
    from_sequence: int | None = None  # trade_sequence of one instrument
    to_sequence: int | None = None
    count: int = 10
    ascending: bool = False


class HistoryFilter(Data):
    """Which closed orders are meant; newest first."""

    symbol: str | None = None
    kinds: frozenset[InstrumentKind] | None = None
    currency: str | None = None
    include_unfilled: bool = False
    from_ns: int | None = None
    offset: int = 0
    count: int = 20
    to_ns: int | None = None
    only_triggers: bool = False  # those that waited for a price
    closed_before: int | None = None  # only those that closed before the order of this number


class TradedVolume(Data):
    """Of all instruments of one kind; volume in the base currency."""

    base: str
    kind: InstrumentKind
    option_type: OptionType | None
    volume: float
