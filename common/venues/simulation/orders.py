"""Orders, fills and trades as the exchange shows them."""

from __future__ import annotations

from decimal import Decimal

from common.core import Data
from common.messages import Liquidity, OrderType, PriceType, Side, TimeInForce, TriggerPrice
from common.venues.simulation.requests import ProtectionTag
from common.venues.simulation.words import (
    CancelReason,
    FillCondition,
    OrderState,
    SimulatedRefusal,
    TickDirection,
)


class LinkView(Data):
    """How an order is linked to others.

    secondaries: what its execution places. primary: whose execution placed it, or will; is_dormant:
    it will, and until then this order only waits. secondary: the dormant order that it comes from.
    pair: a number that it shares with the other order that cancels it.
    """

    condition: FillCondition
    secondaries: tuple[int, ...] = ()
    triggers_pair: bool = False
    primary: int | None = None
    is_dormant: bool = False
    secondary: int | None = None
    pair: int | None = None


class SimulatedOrder(Data):
    """The state of one order at one moment.

    price: of a market order its protection price; None while a STOP waits. The order that a stop
    turns into has a number of its own and carries the stop's as trigger_order. shown_quantity: what
    the book shows now of an order with a display_quantity. trigger_reference: the price that a
    TRAILING_STOP found when it was placed.
    """

    number: int
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    state: OrderState
    quantity: Decimal
    cum_quantity: Decimal
    price: Decimal | None
    avg_price: Decimal | None
    time_in_force: TimeInForce
    created_ns: int
    updated_ns: int
    post_only: bool = False
    reject_post_only: bool = False
    reduce_only: bool = False
    label: str = ""
    session: str = ""
    replaced: bool = False
    trigger: TriggerPrice | None = None
    trigger_price: Decimal | None = None
    trigger_order: int | None = None
    cancel_reason: CancelReason | None = None
    trigger_offset: Decimal | None = None
    trigger_reference: Decimal | None = None
    display_quantity: Decimal | None = None
    shown_quantity: Decimal | None = None
    link: LinkView | None = None
    protection: ProtectionTag | None = None
    price_type: PriceType | None = None
    stated_price: Decimal | None = None  # in that; price is where the order is now
    auto_replaced: bool = False  # it was moved by the market

    @property
    def leaves_quantity(self) -> Decimal:
        return self.quantity - self.cum_quantity


class SimulatedFill(Data):
    """One execution as one of its two accounts sees it. side is the account's own."""

    trade_number: int  # the public trade's
    trade_sequence: int
    account: str
    order_number: int
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity
    fee: Decimal  # paid; negative = received
    fee_currency: str
    realized_pnl: Decimal  # of what this fill closed, before fees
    filled_ns: int
    order_type: OrderType
    order_state: OrderState  # after this fill
    tick_direction: TickDirection
    mark_price: float
    index_price: float
    label: str = ""
    post_only: bool = False
    reduce_only: bool = False
    self_trade: bool = False
    implied_volatility: float | None = None  # percent; options
    underlying_price: float | None = None
    protection: ProtectionTag | None = None
    combo: str = ""  # of a leg, which also has the combo's order_number
    combo_trade: int | None = None
    legs: tuple[SimulatedFill, ...] = ()  # of a combo; position and fee are theirs
    price_type: PriceType | None = None  # of the order


class PublicTrade(Data):
    """One trade as everybody sees it; side is the aggressor's.

    legs: of a combo, the trades that it made; they name it and its trade.
    """

    trade_number: int  # unique at the venue
    trade_sequence: int  # +1 per trade of the instrument
    symbol: str
    side: Side
    price: float
    quantity: float
    traded_ns: int
    tick_direction: TickDirection
    mark_price: float
    index_price: float
    implied_volatility: float | None = None  # percent; options
    combo: str = ""
    combo_trade: int | None = None
    legs: tuple[PublicTrade, ...] = ()


class Placed(Data):
    """The yes to a place, edit or close: the order as it stands and what it traded at once."""

    order: SimulatedOrder
    fills: list[SimulatedFill]


class Refused(Data):
    """The no. field names the field of the request at fault, if one is."""

    reason: SimulatedRefusal
    field: str = ""
    limit: Decimal | None = None


class FillPage(Data):
    fills: list[SimulatedFill]
    has_more: bool


class TradePage(Data):
    trades: list[PublicTrade]
    has_more: bool
