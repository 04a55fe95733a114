"""What is asked over ROUTER/DEALER, and the one answer."""

from __future__ import annotations

from common.messages.base import Exact, Message
from common.messages.orders import Fill, OrderUpdated, ProtectionUpdated
from common.messages.positions import AccountSnapshot
from common.messages.words import (
    ContingencyType,
    FillCondition,
    InstrumentKind,
    OrderType,
    PriceType,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TriggerPrice,
)


class LinkedOrder(Message):
    """An order placed together with a first one, for the same instrument; fields as in PlaceOrder.

    quantity: None for that of the first order; tag: "" for its tag.
    """

    side: Side
    quantity: Exact | None = None
    order_type: OrderType = OrderType.LIMIT
    price: Exact | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Exact | None = None
    trigger: TriggerPrice | None = None
    trigger_offset: Exact | None = None
    tag: str = ""


class PlaceOrder(Message):
    """A new order. price for LIMIT, STOP_LIMIT and TAKE_PROFIT_LIMIT alone; trigger_price for
    STOP, TAKE_PROFIT and their LIMIT kinds, trigger_offset for TRAILING_STOP: the distance from the
    best price since. The mark price wakes them unless trigger says otherwise.

    display_quantity: how much of it the book shows at a time; None: all.
    post_only alone is refused when it would cross, unless reprice lets the venue move it.
    expires_ns: the engine refuses the command when it reads it later than this (0: after 1 s).
    parent: the owner's name of a larger order that this one is a part of, which has one instrument
    and one side. What is filled and open of its parts never exceeds parent_quantity.
    linked_orders: placed with it by contingency_type, one with OCO, two with OTOCO, up to ten with
    OTO; each becomes an order with a client_order_id of its own, of the same owner.
    fill_condition: which of its executions acts on them; FIRST_HIT if it is None.
    price_type: of an option, what price counts; None: the instrument's own unit.
    """

    instrument: str
    side: Side
    quantity: Exact
    order_type: OrderType = OrderType.LIMIT
    price: Exact | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Exact | None = None
    trigger: TriggerPrice | None = None
    owner: str = ""
    tag: str = ""
    expires_ns: int = 0
    reprice: bool = False
    trigger_offset: Exact | None = None
    display_quantity: Exact | None = None
    contingency_type: ContingencyType | None = None
    fill_condition: FillCondition | None = None
    linked_orders: list[LinkedOrder] = []
    price_type: PriceType | None = None
    parent: str = ""
    parent_quantity: Exact | None = None


class PlaceOrders(Message):
    """Several orders in one command, at most 100; each is judged and answered by itself."""

    orders: list[PlaceOrder]


class ModifyOrder(Message):
    """Change price, total quantity or another term in place; None leaves a field as it is."""

    client_order_id: str
    price: Exact | None = None
    quantity: Exact | None = None
    trigger_price: Exact | None = None
    owner: str = ""
    post_only: bool | None = None
    trigger_offset: Exact | None = None
    display_quantity: Exact | None = None


class CancelOrder(Message):
    client_order_id: str
    owner: str = ""


class CancelOrders(Message):
    client_order_ids: list[str]
    owner: str = ""


class CancelAll(Message):
    """Cancel what matches every given filter; no filter cancels all, external orders included.

    owner: only orders of this owner; tag: only orders that carry it (cancel by label).
    """

    instrument: str | None = None
    kind: InstrumentKind | None = None
    currency: str | None = None  # settlement currency
    owner: str | None = None
    tag: str | None = None


class QuoteEntry(Message):
    """Both sides of the quote in one instrument, FIX QuotEntryGrp. A side is a price and the
    quantity that is to remain, whatever traded before; quantity 0 takes it away, None leaves it."""

    instrument: str
    bid_price: Exact | None = None
    bid_quantity: Exact | None = None
    ask_price: Exact | None = None
    ask_quantity: Exact | None = None


class MassQuote(Message):
    """Quotes in many instruments at once, FIX MsgType i; at most 100 entries.

    There is one quote per instrument, side and mmp_group, which a new one replaces. Each side is an
    order of its own and is judged and answered by itself: results has one reply per side that was
    given, bid before ask, in the order of the entries.
    quote_set: names them for CancelQuotes; "": the owner, else the mmp_group.
    """

    quotes: list[QuoteEntry]
    mmp_group: str
    quote_set: str = ""
    owner: str = ""
    tag: str = ""
    post_only: bool = False  # a side that would trade at once is refused
    expires_ns: int = 0  # as in PlaceOrder


class CancelQuotes(Message):
    """Cancel the quotes that match every given filter; no filter cancels all quotes.

    min_delta and max_delta: options whose delta lies within; both or none.
    """

    instrument: str | None = None
    kind: InstrumentKind | None = None
    currency: str | None = None  # settlement currency
    quote_set: str | None = None
    mmp_group: str | None = None
    owner: str | None = None
    min_delta: float | None = None
    max_delta: float | None = None


class SetProtection(Message):
    """Set market maker protection, as in ProtectionUpdated; interval_s 0 removes it, and with it
    the quotes that it covers."""

    index: str
    mmp_group: str
    interval_s: int
    frozen_s: int = 0
    max_quote_quantity: Exact | None = None  # needed unless it is removed
    quantity_limit: Exact | None = None
    delta_limit: Exact | None = None
    vega_limit: Exact | None = None
    trade_count_limit: int | None = None


class ResetProtection(Message):
    """Take quotes again after protection acted."""

    index: str
    mmp_group: str


class QueryProtections(Message):
    """All protections of the account, as the venue tells them now."""


class QueryOrders(Message):
    """Open orders, or one order by id, or with closed=True the recently closed ones too."""

    client_order_id: str | None = None
    owner: str | None = None
    closed: bool = False


class QueryFills(Message):
    owner: str | None = None
    client_order_id: str | None = None
    limit: int = 1000


class SetMode(Message):
    """Set the trading mode of one scope: of a strategy (owner), of the venue, or of the desk as
    this engine sees it. The strictest of all that concern an order holds."""

    mode: TradingMode
    reason: str
    venue: str = ""
    owner: str = ""


class QueryPositions(Message):
    """To the position server: answered with an AccountSnapshot."""


class SetParameters(Message):
    """To a strategy's host, `strategies.<name>`: change these parameters, all of them or none.

    values: as text; lists and the like as JSON. They hold over restarts. reset: names of those that
    are to have the configuration's value again, before values is applied; "*" for all.
    """

    values: dict[str, str]
    reset: list[str] = []


class CommandReply(Message):
    """The one answer to a command. accepted: the venue (or, for queries, we) said yes.

    orders: the orders concerned, as they stand. A place, modify or cancel the venue has not
    answered within 2 s comes back with in_doubt set and the pending order.
    """

    request_id: str
    accepted: bool
    reason: RejectReason | None = None
    text: str = ""
    field: str = ""  # the field at fault, if one is
    in_doubt: bool = False
    orders: list[OrderUpdated] = []
    fills: list[Fill] = []
    results: list[CommandReply] = []  # one per order of a PlaceOrders or CancelOrders
    account: AccountSnapshot | None = None
    mode: TradingMode | None = None
    protections: list[ProtectionUpdated] = []
