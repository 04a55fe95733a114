"""The contract between a simulated exchange and what stands around it.

Above it a venue's protocol server (common/venues/<venue>/simulator) turns wire requests into the
calls of `SimulatedExchange` and its events into notifications. Below it a `SimulatedMarket` says
what things are worth and what the invisible other traders do. In the middle
services/venue_simulator/exchange.py matches orders and keeps accounts. All three are pure: time is
an argument, in nanoseconds since 1970 UTC.

Words are those of messages.py. Orders, fills and money are Decimal; what is public market data is
float64. Order and trade numbers are integers that the protocol turns into its venue's text. A
business "no" is a `Refused`, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from common.core import Data
from common.messages import (
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    Liquidity,
    OptionType,
    OrderType,
    PriceType,
    Side,
    TimeInForce,
    TriggerPrice,
)

ZERO = Decimal(0)

# --- words -----------------------------------------------------------------------------------


class SimulatedRefusal(StrEnum):
    """Why the exchange says no. `Refused.limit` carries the bound where there is one."""

    NOT_ENOUGH_FUNDS = "NOT_ENOUGH_FUNDS"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    PRICE_MISSING = "PRICE_MISSING"
    PRICE_NOT_ALLOWED = "PRICE_NOT_ALLOWED"  # not positive, or given where none belongs
    PRICE_TOO_HIGH = "PRICE_TOO_HIGH"  # limit: the greatest price
    PRICE_TOO_LOW = "PRICE_TOO_LOW"  # limit: the least price
    QUANTITY_TOO_LOW = "QUANTITY_TOO_LOW"  # limit: the minimum
    QUANTITY_TOO_HIGH = "QUANTITY_TOO_HIGH"
    QUANTITY_OFF_LOT = "QUANTITY_OFF_LOT"  # limit: the step
    POST_ONLY_WOULD_CROSS = "POST_ONLY_WOULD_CROSS"
    POST_ONLY_NOT_ALLOWED = "POST_ONLY_NOT_ALLOWED"  # with MARKET, IOC or FOK
    SELF_TRADE = "SELF_TRADE"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_CLOSED = "ORDER_CLOSED"
    NOT_OWNER = "NOT_OWNER"
    NOTHING_CHANGED = "NOTHING_CHANGED"
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    INSTRUMENT_CLOSED = "INSTRUMENT_CLOSED"  # expired, halted or cancel-only
    SETTLEMENT_RUNNING = "SETTLEMENT_RUNNING"
    REDUCE_ONLY = "REDUCE_ONLY"
    NO_POSITION = "NO_POSITION"
    INVALID_TRIGGER = "INVALID_TRIGGER"
    INVALID_DISPLAY = "INVALID_DISPLAY"
    NO_LIQUIDITY = "NO_LIQUIDITY"  # a MARKET_TO_LIMIT order found nobody to trade with
    TOO_LATE = "TOO_LATE"  # read after its valid_until
    PROTECTION_MISSING = "PROTECTION_MISSING"  # the order asks for one that is not set
    PROTECTION_FROZEN = "PROTECTION_FROZEN"  # it has acted, and waits
    PROTECTION_QUANTITY = "PROTECTION_QUANTITY"  # limit: max_quantity
    PROTECTION_TYPE = "PROTECTION_TYPE"  # of LIMIT orders only
    UNSUITABLE_FOR_COMBO = "UNSUITABLE_FOR_COMBO"  # plain orders alone
    LINK_NOT_ALLOWED = "LINK_NOT_ALLOWED"  # not that many orders, or not these
    LABEL_TOO_LONG = "LABEL_TOO_LONG"
    LABEL_NOT_UNIQUE = "LABEL_NOT_UNIQUE"
    MAX_OPEN_ORDERS = "MAX_OPEN_ORDERS"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"


class OrderState(StrEnum):
    """UNTRIGGERED stops wait; TRIGGERED ones have become another order. A partial fill is OPEN."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    UNTRIGGERED = "untriggered"
    TRIGGERED = "triggered"


class CancelReason(StrEnum):
    USER_REQUEST = "user_request"
    DISCONNECT = "disconnect"
    UNFILLED_REST = "unfilled_rest"  # of a MARKET, IOC or FOK order
    EDIT_POST_ONLY = "edit_post_only"  # an edit would have crossed
    SELF_TRADE = "self_trade"
    SETTLEMENT = "settlement"  # a DAY order at the daily settlement
    EXPIRY = "expiry"  # the instrument expired
    REDUCE_ONLY = "reduce_only"  # nothing is left to reduce
    NOT_ENOUGH_FUNDS = "not_enough_funds"  # when its trigger was met
    OTHER_CLOSED = "other_closed"  # the other one of its pair
    PRIMARY_CLOSED = "primary_closed"  # the order that would have placed it
    PROTECTION = "protection"  # market maker protection acted
    PROTECTION_CHANGED = "protection_changed"  # it was removed, or allows less


class SelfTrading(StrEnum):
    """What happens when an order meets one of its own account."""

    REJECT_TAKER = "reject_taker"
    CANCEL_MAKER = "cancel_maker"


class LinkKind(StrEnum):
    """What an order does to those that it is placed with."""

    TRIGGERS = "triggers"  # its execution places them
    CANCELS = "cancels"  # it and the other are a pair: the execution of one cancels the other
    TRIGGERS_PAIR = "triggers_pair"  # its execution places two that are such a pair


class FillCondition(StrEnum):
    """Which execution of an order acts on those linked to it."""

    FIRST_HIT = "first_hit"  # the first fill, wholly
    COMPLETE_FILL = "complete_fill"  # the last one
    INCREMENTAL = "incremental"  # each fill, in proportion, rounded down to lots


class LevelAction(StrEnum):
    NEW = "new"
    CHANGE = "change"
    DELETE = "delete"


class TickDirection(StrEnum):
    """Of a trade price against the one before."""

    PLUS = "plus"
    ZERO_PLUS = "zero_plus"
    MINUS = "minus"
    ZERO_MINUS = "zero_minus"


# --- requests --------------------------------------------------------------------------------


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


# --- orders and trades -----------------------------------------------------------------------


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


# --- market data -----------------------------------------------------------------------------


class BookLevelChange(Data, array_like=True):
    """One level after a change; quantity is the new total, 0.0 for DELETE."""

    action: LevelAction
    price: float
    quantity: float


class BookChange(Data):
    """What one request did to a book. prev_change_id is the change_id of the change before.

    Ids grow per instrument and are not consecutive.
    """

    symbol: str
    change_id: int
    prev_change_id: int
    changed_ns: int
    bids: list[BookLevelChange]
    asks: list[BookLevelChange]


class BookView(Data):
    """A book, best price first, as (price, quantity)."""

    symbol: str
    change_id: int
    changed_ns: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class OptionFigures(Data):
    """What the market thinks of an option. IVs in percent.

    delta per unit of underlying, gamma per unit of price, vega for one volatility point, theta for
    one day, rho for one percentage point; the last four in the counter currency (USD).
    """

    mark_iv: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    underlying_price: float
    underlying: str  # symbol of the future behind it, "" for the index itself
    interest_rate: float = 0.0


class TickerView(Data):
    """Everything a ticker may say; None where the instrument has no such figure or nobody traded.

    settlement_price, open_interest: None for spot. current_funding and funding_8h as fractions per
    8 h; interest_value is the venue's internal accumulator.
    """

    symbol: str
    status: InstrumentStatus
    time_ns: int
    mark_price: float
    index_price: float
    best_bid_price: float | None
    best_bid_quantity: float
    best_ask_price: float | None
    best_ask_quantity: float
    last_price: float | None
    min_price: float
    max_price: float
    high: float | None
    low: float | None
    price_change: float | None  # percent in 24 h
    volume: float  # 24 h, base currency
    volume_usd: float
    volume_notional: float
    open_interest: float | None = None
    settlement_price: float | None = None
    delivery_price: float | None = None  # once expired
    current_funding: float | None = None
    funding_8h: float | None = None
    interest_value: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    option: OptionFigures | None = None


class Candle(Data):
    """One bar; volume in base currency, cost in the quote currency."""

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    cost: float


class FundingPoint(Data):
    """Funding of the hour that ended at time_ns; fractions of the position."""

    time_ns: int
    index_price: float
    prev_index_price: float
    interest_1h: float
    interest_8h: float


class SettlementKind(StrEnum):
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"


class Settlement(Data):
    """One instrument at a daily settlement or at its delivery.

    account is "" for the public record; position, profit and funding are those of an account.
    """

    number: int
    kind: SettlementKind
    symbol: str
    settled_ns: int
    mark_price: float
    index_price: float
    account: str = ""
    position: Decimal = ZERO
    session_pnl: Decimal = ZERO
    funding: Decimal = ZERO


class DeliveryPrice(Data):
    index: str
    delivered_ns: int
    price: float


class LedgerKind(StrEnum):
    TRADE = "trade"
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    TRANSFER = "transfer"
    WITHDRAWAL = "withdrawal"


class LedgerEntry(Data):
    """One change of one balance; fill or settlement: what caused it.

    number: of the account's entries. other: the other account of a transfer, the address of a
    withdrawal. equity: afterwards, at the marks of that time.
    """

    number: int
    kind: LedgerKind
    currency: str
    change: Decimal
    balance: Decimal  # afterwards
    at_ns: int
    fill: SimulatedFill | None = None
    settlement: Settlement | None = None
    other: str = ""
    equity: Decimal = ZERO


# --- accounts --------------------------------------------------------------------------------


class PositionView(Data):
    """One position; money in the settlement currency.

    quantity is signed, in the instrument's unit; size_currency the same in coin.
    floating_pnl and realized_pnl are this session's, total_pnl is unrealised since entry.
    delta in coin; gamma, vega, theta are totals of the position in USD terms.
    """

    account: str
    symbol: str
    kind: InstrumentKind
    quantity: Decimal
    size_currency: Decimal
    average_price: Decimal
    average_price_usd: Decimal | None  # options
    mark_price: float
    index_price: float
    settlement_price: float  # 0.0 before the first
    delta: float
    gamma: float | None
    vega: float | None
    theta: float | None
    floating_pnl: Decimal
    realized_pnl: Decimal
    total_pnl: Decimal
    realized_funding: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    open_orders_margin: Decimal
    leverage: float | None  # None for options
    estimated_liquidation_price: float | None = None


class AccountSummary(Data):
    """One currency of an account (segregated standard margin).

    margin_balance = balance + futures_session_upl + futures_session_rpl;
    equity = margin_balance + options_value; available_funds = margin_balance - initial_margin;
    session_upl, session_rpl and total_pnl are the sums over futures and options.
    """

    account: str
    currency: str
    balance: Decimal
    equity: Decimal
    margin_balance: Decimal
    available_funds: Decimal
    available_withdrawal_funds: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    projected_initial_margin: Decimal  # with open orders left out
    projected_maintenance_margin: Decimal
    spot_reserve: Decimal  # held by open spot orders
    session_upl: Decimal
    session_rpl: Decimal
    total_pnl: Decimal
    futures_pnl: Decimal
    futures_session_upl: Decimal
    futures_session_rpl: Decimal
    options_pnl: Decimal
    options_session_upl: Decimal
    options_session_rpl: Decimal
    options_value: Decimal
    delta_total: float
    delta_total_map: dict[str, float]  # by index
    options_delta: float
    options_gamma: float
    options_vega: float
    options_theta: float
    options_gamma_map: dict[str, float]
    options_vega_map: dict[str, float]
    options_theta_map: dict[str, float]
    fee_balance: Decimal = ZERO


class MarginsView(Data):
    """What an order of this quantity and price would tie up on either side."""

    buy: Decimal
    sell: Decimal
    min_price: Decimal
    max_price: Decimal


class Protection(Data):
    """Market maker protection of one index and group of an account.

    It acts when the fills within an interval, which begins with the first of them, exceed a limit:
    their quantity, net delta or net vega (all in coin, vega in the counter currency), or their
    number. frozen_ns 0: it stays frozen until it is reset.
    """

    index: str
    group: str
    interval_ns: int
    frozen_ns: int
    max_quantity: Decimal  # of one order
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    trade_count_limit: int | None = None


class ProtectionStatus(Data):
    """frozen_until_ns: None if it is not frozen, 0 if until it is reset."""

    index: str
    group: str
    frozen_until_ns: int | None


# --- events ----------------------------------------------------------------------------------


class OrderChanged(Data):
    """An order of a client account is new, filled, edited, triggered or closed."""

    order: SimulatedOrder


class PositionChanged(Data):
    """Ask position(account, symbol) for the figures."""

    account: str
    symbol: str
    quantity: Decimal


class BalanceChanged(Data):
    """Ask account_summary(account, currency) for the figures."""

    account: str
    currency: str


class ProtectionActed(Data):
    """A protection has canceled its orders; frozen_until_ns 0: until it is reset."""

    account: str
    index: str
    group: str
    frozen_until_ns: int


class InstrumentStateChanged(Data):
    symbol: str
    status: InstrumentStatus
    changed_ns: int


class InstrumentListed(Data):
    symbol: str
    listed_ns: int


class IndexChanged(Data):
    index: str
    price: float
    changed_ns: int


SimulatedEvent = (
    BookChange
    | PublicTrade
    | OrderChanged
    | SimulatedFill
    | PositionChanged
    | BalanceChanged
    | ProtectionActed
    | InstrumentStateChanged
    | InstrumentListed
    | IndexChanged
    | Settlement
)


# --- the market behind the exchange ----------------------------------------------------------


class FlowAction(StrEnum):
    """What a synthetic trader does.

    PLACE: rest this order; a resting one with the same key is moved instead. It trades with orders
    of clients that it crosses; synthetic orders that it crosses are cancelled, so that requoting
    makes no trades. CANCEL: of a key that is gone does nothing. TAKE: trade up to this price with
    whatever rests there, synthetic orders included; the rest is dropped.
    """

    PLACE = "place"
    CANCEL = "cancel"
    TAKE = "take"


class FlowOrder(Data):
    """One act of the synthetic market in one instrument.

    key: the market's own number, unique among the resting orders of the instrument. The exchange
    rounds price to the tick in the passive direction (TAKE: outwards) and quantity to the lot, at
    least the minimum.
    """

    action: FlowAction
    key: int
    side: Side = Side.BUY
    price: float = 0.0
    quantity: float = 0.0
    at_ns: int = 0


class SimulatedMarket(Protocol):
    """Prices and synthetic traders; every answer is a pure function of its arguments and a seed."""

    def add(self, definitions: Iterable[InstrumentDefinition]) -> None:
        """Trade these too; futures before the options on them. Known ones are left alone."""
        ...

    def redefine(self, definition: InstrumentDefinition) -> None:
        """Trade this one with other figures, such as another tick."""
        ...

    def set_awake(self, symbol: str, awake: bool) -> None:
        """A book begins or ceases to be kept: the cap on updates is shared among those kept."""
        ...

    def index_names(self) -> Sequence[str]: ...

    def index_price(self, name: str, now_ns: int) -> float: ...

    def fair_price(self, symbol: str, now_ns: int) -> float:
        """The mark price, in price units, as the venue would publish it."""
        ...

    def fair_prices(self, symbol: str, times_ns: Sequence[int]) -> Sequence[float]:
        """`fair_price` at ascending moments, not rounded; of futures much cheaper. For charts."""
        ...

    def option_figures(self, symbol: str, now_ns: int) -> OptionFigures | None:
        """None for what is not an option."""
        ...

    def implied_volatility(self, symbol: str, price: float, now_ns: int) -> float:
        """In percent; 0.0 where no volatility gives this price."""
        ...

    def funding_rate(self, symbol: str, now_ns: int) -> float:
        """Momentary funding of a perpetual as a fraction per 8 h; 0.0 for the others."""
        ...

    def open_interest(self, symbol: str, now_ns: int) -> float:
        """What others hold, in the venue's own unit; 0.0 for spot and combos."""
        ...

    def seed_book(self, symbol: str, now_ns: int) -> Sequence[FlowOrder]:
        """The resting orders (PLACE) of a book that is made on demand."""
        ...

    def best_quote(self, symbol: str, now_ns: int) -> tuple[float, float, float, float]:
        """Best bid, its quantity, best ask, its quantity of what seed_book makes, but cheaper:
        for tickers of books that sleep."""
        ...

    def orders_between(self, symbol: str, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        """What happens in (from_ns, to_ns], in order of at_ns."""
        ...


# --- the exchange ----------------------------------------------------------------------------


class SimulatedExchange(Protocol):
    """Matching, accounts and market data of one venue.

    Queries answer as of the greatest now_ns that any call has carried. Every call that changes
    something queues events; drain() hands them over in order. The owner calls
    advance() often (every 5 to 20 ms) and drain() after each call that changes something.
    """

    # reference data
    def instruments(self) -> Sequence[InstrumentDefinition]: ...

    def instrument(self, symbol: str) -> InstrumentDefinition | None:
        """Expired ones too, with their present status."""
        ...

    def list_instrument(self, definition: InstrumentDefinition, now_ns: int) -> None: ...

    def list_combo(
        self, definition: InstrumentDefinition, legs: Sequence[ComboLeg], now_ns: int
    ) -> None:
        """A combo of listed instruments; its price is the signed sum of theirs."""
        ...

    def index_names(self) -> Sequence[str]: ...

    def index_price(self, name: str) -> float | None: ...

    # orders
    def place(self, account: str, request: OrderRequest, now_ns: int) -> Placed | Refused: ...

    def edit(
        self, account: str, number: int, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused: ...

    def edit_by_label(
        self, account: str, symbol: str, label: str, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused: ...

    def cancel(self, account: str, number: int, now_ns: int) -> SimulatedOrder | Refused: ...

    def cancel_matching(
        self, account: str, which: OrderFilter, now_ns: int
    ) -> list[SimulatedOrder]: ...

    def close_position(
        self, account: str, symbol: str, price: Decimal | None, session: str, now_ns: int
    ) -> Placed | Refused:
        """A reduce-only order of the whole position: LIMIT at price, MARKET for None."""
        ...

    def order(self, account: str, number: int) -> SimulatedOrder | Refused: ...

    def open_orders(self, account: str, which: OrderFilter) -> list[SimulatedOrder]:
        """Waiting stops included, oldest first."""
        ...

    def order_history(self, account: str, which: HistoryFilter) -> list[SimulatedOrder]: ...

    def fills(self, account: str, which: TradeFilter) -> FillPage: ...

    def traded(self, from_ns: int) -> list[TradedVolume]:
        """What was traded since then, to the hour, at most 30 days ago; the past before the start
        of the venue has none."""
        ...

    def disconnect(self, account: str, session: str, now_ns: int) -> list[SimulatedOrder]:
        """Cancel what this session placed (only called when the session asked for that)."""
        ...

    # accounts
    def accounts(self) -> Sequence[str]: ...

    def currencies(self, account: str) -> Sequence[str]: ...

    def positions(
        self, account: str, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[PositionView]:
        """Open positions, and flat ones that had profit in this session."""
        ...

    def position(self, account: str, symbol: str) -> PositionView | None:
        """A flat one with zeros; None for an unknown or a spot instrument."""
        ...

    def account_summary(self, account: str, currency: str) -> AccountSummary | None: ...

    def margins(self, account: str, symbol: str, quantity: Decimal, price: Decimal) -> MarginsView:
        """Raises KeyError for an unknown instrument: ask instrument() first."""
        ...

    def order_margin(self, account: str, number: int) -> Decimal | None: ...

    def set_self_trading(self, account: str, mode: SelfTrading) -> None: ...

    def self_trading(self, account: str) -> SelfTrading: ...

    def protect(self, account: str, wanted: Protection, now_ns: int) -> None:
        """Set a protection; an interval of 0 removes it and cancels its orders."""
        ...

    def protections(self, account: str) -> list[Protection]: ...

    def protection_status(self, account: str) -> list[ProtectionStatus]: ...

    def reset_protection(self, account: str, index: str, group: str, now_ns: int) -> bool:
        """Let a frozen protection take orders again; False if there is none."""
        ...

    def ledger(self, account: str, currency: str | None) -> list[LedgerEntry]:
        """Oldest first; currency None for all."""
        ...

    def move_cash(
        self, account: str, currency: str, amount: Decimal, target: str, now_ns: int
    ) -> LedgerEntry | Refused:
        """To another account, or out of the venue if `target` is none of its accounts."""
        ...

    def settlements(
        self, account: str | None, symbol: str | None, currency: str | None, count: int
    ) -> list[Settlement]:
        """Newest first; account None for the public record."""
        ...

    # market data
    def book(self, symbol: str, depth: int) -> BookView | None: ...

    def ticker(self, symbol: str) -> TickerView | None: ...

    def tickers(
        self, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[TickerView]:
        """Of all trading instruments; currency is the settlement currency."""
        ...

    def public_trades(self, which: TradeFilter) -> TradePage: ...

    def candles(self, symbol: str, from_ns: int, to_ns: int, bar_ns: int) -> list[Candle]: ...

    def funding_history(self, symbol: str, from_ns: int, to_ns: int) -> list[FundingPoint]: ...

    def funding_value(self, symbol: str, from_ns: int, to_ns: int) -> float: ...

    def delivery_prices(self, index: str) -> list[DeliveryPrice]:
        """Newest first."""
        ...

    def watch(self, symbol: str, now_ns: int) -> BookView | None:
        """Keep this book alive and queue its BookChange and PublicTrade events; counts.

        Returns the book the following changes apply to; None for an unknown instrument.
        """
        ...

    def unwatch(self, symbol: str) -> None: ...

    # time
    def advance(self, now_ns: int) -> None:
        """Synthetic orders, triggers, funding, settlement and expiry up to now."""
        ...

    def drain(self) -> list[SimulatedEvent]: ...
