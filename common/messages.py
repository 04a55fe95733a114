"""Every message that crosses a process border, and its enums.

Grouped as data, events and commands. On the wire a message is a msgpack array that begins with its
class name; new fields are appended with a default, a name is never reused and a field never changes
its meaning. Market data is float64; what is committed (orders, fills, positions, money) is exact
and travels as text. Times are integer nanoseconds since 1970 UTC unless a name says otherwise.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, dataclass_transform

import msgspec

# Decimal itself also takes spaces, underscores and the digits of any script.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")

if TYPE_CHECKING:
    Exact = Decimal
else:

    class Exact(Decimal):
        """A finite decimal that was made from text, of at most 40 characters, exponent in +-20.

        The codec decodes committed numbers through this type, so that a float, an infinity or a
        number made to exhaust memory never gets past the border.
        """

        def __new__(cls, text: str | Decimal = "0") -> Exact:
            if isinstance(text, Decimal):
                text = str(text)
            if not isinstance(text, str):
                raise ValueError(f"exact numbers travel as text, got {type(text).__name__}")
            if len(text) > 40:
                raise ValueError("a number has at most 40 characters")
            if not NUMBER.match(text):
                raise ValueError(f"not a number: {text!r}")
            value = super().__new__(cls, text)
            if abs(value.adjusted()) > 20:
                raise ValueError(f"not a finite number of usable size: {text}")
            return value


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all bus messages; has no fields, so that children own their order."""


# --- words -----------------------------------------------------------------------------------


class Side(StrEnum):
    """FIX Side 54."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """FIX OrdType 40."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"  # as STOP and STOP_LIMIT, but wait for the better price
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"  # a STOP at a fixed distance from the best price since
    MARKET_TO_LIMIT = "MARKET_TO_LIMIT"  # takes the best price; the rest stays there as LIMIT


class TimeInForce(StrEnum):
    """FIX TimeInForce 59. DAY ends at the venue's daily settlement."""

    GTC = "GTC"
    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"


class TriggerPrice(StrEnum):
    """The price that wakes a stop order."""

    MARK = "MARK"
    INDEX = "INDEX"
    LAST = "LAST"


class ContingencyType(StrEnum):
    """What linked orders do to each other, FIX ContingencyType 1385."""

    OCO = "OCO"  # one cancels the other
    OTO = "OTO"  # the execution of one places the others
    OTOCO = "OTOCO"  # the execution of one places two, of which one cancels the other


class FillCondition(StrEnum):
    """Which execution of an order acts on those linked to it."""

    FIRST_HIT = "FIRST_HIT"  # the first fill, wholly
    COMPLETE_FILL = "COMPLETE_FILL"  # the last one
    INCREMENTAL = "INCREMENTAL"  # each fill, in proportion


class PriceType(StrEnum):
    """What the price of an option order counts, where it is not the instrument's own unit; FIX
    PriceType 423. The venue prices such an order anew whenever the market moves."""

    USD = "USD"
    IMPLIED_VOLATILITY = "IMPLIED_VOLATILITY"  # in percent


class OrderStatus(StrEnum):
    """FIX OrdStatus 39."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    PENDING_REPLACE = "PENDING_REPLACE"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


class OrderTrigger(StrEnum):
    """What happened to an order; the columns of the transition table in domain/order.py."""

    PLACED = "PLACED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    PARTIAL_FILL = "PARTIAL_FILL"
    FILL = "FILL"
    CANCEL_SENT = "CANCEL_SENT"
    CANCEL_REJECTED = "CANCEL_REJECTED"
    CANCELED = "CANCELED"
    REPLACE_SENT = "REPLACE_SENT"
    REPLACED = "REPLACED"
    REPLACE_REJECTED = "REPLACE_REJECTED"
    EXPIRED = "EXPIRED"
    IN_DOUBT = "IN_DOUBT"
    RECONCILED = "RECONCILED"


class Liquidity(StrEnum):
    """FIX LastLiquidityInd 851."""

    MAKER = "MAKER"
    TAKER = "TAKER"


class InstrumentKind(StrEnum):
    SPOT = "spot"
    PERPETUAL = "perpetual"
    FUTURE = "future"
    OPTION = "option"
    FUTURE_COMBO = "future_combo"
    OPTION_COMBO = "option_combo"


class ContractType(StrEnum):
    """How quantity, price and profit relate: see domain/instrument.py."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class OptionType(StrEnum):
    CALL = "call"
    PUT = "put"


class InstrumentStatus(StrEnum):
    """ACTIVE trades; CANCEL_ONLY takes cancels; HALTED nothing; EXPIRED is gone for good."""

    ACTIVE = "active"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"
    EXPIRED = "expired"


class TradingMode(StrEnum):
    """ACTIVE everything; REDUCING only what lowers exposure; HALTED cancels only."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class RejectReason(StrEnum):
    """Why a command was refused, by us or by the venue (FIX OrdRejReason 103, CxlRejReason 102)."""

    BAD_REQUEST = "BAD_REQUEST"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    INSTRUMENT_NOT_TRADING = "INSTRUMENT_NOT_TRADING"
    BAD_PRICE = "BAD_PRICE"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    BAD_QUANTITY = "BAD_QUANTITY"
    QUANTITY_OFF_LOT = "QUANTITY_OFF_LOT"
    MIN_QUANTITY = "MIN_QUANTITY"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    MAX_QUANTITY = "MAX_QUANTITY"
    MAX_NOTIONAL = "MAX_NOTIONAL"
    MAX_OPEN_ORDERS = "MAX_OPEN_ORDERS"
    PRICE_COLLAR = "PRICE_COLLAR"
    RATE_LIMIT = "RATE_LIMIT"
    NO_MARKET_DATA = "NO_MARKET_DATA"
    MODE = "MODE"
    LATE = "LATE"
    LINK_DOWN = "LINK_DOWN"
    NOT_READY = "NOT_READY"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_CLOSED = "ORDER_CLOSED"
    DUPLICATE_REQUEST = "DUPLICATE_REQUEST"
    UNSUPPORTED = "UNSUPPORTED"
    POST_ONLY_WOULD_CROSS = "POST_ONLY_WOULD_CROSS"
    NOT_ENOUGH_FUNDS = "NOT_ENOUGH_FUNDS"
    SELF_TRADE = "SELF_TRADE"
    REDUCE_ONLY = "REDUCE_ONLY"
    VENUE_RATE_LIMIT = "VENUE_RATE_LIMIT"
    VENUE_REFUSED = "VENUE_REFUSED"
    JOURNAL_FAILED = "JOURNAL_FAILED"
    KILL_SWITCH = "KILL_SWITCH"
    EXPOSURE = "EXPOSURE"
    REPEATED_EXECUTION = "REPEATED_EXECUTION"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    STALE_DATA = "STALE_DATA"
    NO_LIMIT = "NO_LIMIT"
    LOSS_LIMIT = "LOSS_LIMIT"
    PARENT_CAP = "PARENT_CAP"
    EXTERNAL_ORDERS = "EXTERNAL_ORDERS"
    INSTRUMENT_NOT_ALLOWED = "INSTRUMENT_NOT_ALLOWED"
    PROTECTION = "PROTECTION"  # market maker protection is missing, or has acted


# --- reference data --------------------------------------------------------------------------


class InstrumentDefinition(Message):
    """One instrument. Quantity means the venue's own unit (USD for Deribit inverse futures)."""

    instrument: str  # "deribit.BTC-PERPETUAL"
    venue: str
    symbol: str  # the venue's own text, Symbol 55
    kind: InstrumentKind
    contract_type: ContractType
    base: str  # "BTC"
    quote: str  # currency of the price; the coin itself for inverse options
    settlement: str  # currency of profit and margin; of a spot instrument its quote
    underlying: str  # what delta is counted in, e.g. "BTC"
    price_index: str  # the venue's index name, "" if none
    tick_size: Exact
    lot_size: Exact  # quantity step
    min_quantity: Exact
    contract_size: Exact  # quantity units in one contract
    maker_fee: Exact  # fraction of notional; of the underlying for options; negative = rebate
    taker_fee: Exact
    status: InstrumentStatus
    tick_steps: list[tuple[Exact, Exact]] = []  # (above_price, tick_size), ascending
    min_notional: Exact = Exact("0")
    strike: Exact | None = None
    option_type: OptionType | None = None
    expiration_ns: int | None = None  # None: never
    created_ns: int = 0
    max_leverage: float = 0.0
    legs: list[tuple[str, Exact]] = []  # of a combo: instruments, and how many for one; < 0: sold


class InstrumentList(Message):
    """One part of the whole list of a venue, topic `instruments.<venue>`; parts count from 0."""

    venue: str
    part: int
    parts: int
    instruments: list[InstrumentDefinition]


class InstrumentState(Message):
    """An instrument began or stopped trading, topic `instrument.<instrument>`."""

    instrument: str
    status: InstrumentStatus


# --- market data -----------------------------------------------------------------------------


class BookSnapshot(Message):
    """A whole book. Sides are flat [price, quantity, price, quantity, ...], best price first."""

    instrument: str
    bids: list[float]
    asks: list[float]


class BookDelta(Message):
    """Changed levels, flat as in BookSnapshot; quantity is the new total, 0 removes the level.

    A removed level may be one that was never told, because it came and went within one pass.
    """

    instrument: str
    bids: list[float]
    asks: list[float]


class BookStale(Message):
    """The book of this topic is not to be traded on until the next BookSnapshot."""

    instrument: str
    reason: str


class Depth(Message):
    """The best 20 levels a side, conflated; flat as in BookSnapshot. stale: do not trade on it."""

    instrument: str
    bids: list[float]
    asks: list[float]
    stale: bool = False


class Quote(Message):
    """Best bid and ask; None where a side is empty. stale: do not trade on it."""

    instrument: str
    bid_price: float | None
    bid_quantity: float
    ask_price: float | None
    ask_quantity: float
    stale: bool = False


class Trade(Message):
    """One public trade as the venue reported it (FIX MDEntryType 2)."""

    instrument: str
    price: float
    quantity: float
    aggressor_side: Side
    trade_id: str
    liquidation: bool = False


class Ticker(Message):
    """Mark, index and the slower figures of an instrument; IVs in percent, None where unknown.

    Greeks as the venue states them: delta per unit of underlying, gamma per unit of price, vega for
    one volatility point, theta for one day, both in the counter currency (USD).
    """

    instrument: str
    mark_price: float | None
    index_price: float | None
    last_price: float | None
    open_interest: float | None = None
    funding_rate: float | None = None  # momentary, as a fraction per 8 h
    funding_8h: float | None = None
    min_price: float | None = None  # the venue's price band
    max_price: float | None = None
    settlement_price: float | None = None
    volume_24h: float | None = None  # in base
    high_24h: float | None = None
    low_24h: float | None = None
    price_change_24h: float | None = None  # percent
    mark_iv: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None
    underlying_price: float | None = None
    underlying: str | None = None  # the future behind an option
    interest_rate: float | None = None
    bid_price: float | None = None
    ask_price: float | None = None


class IndexPrice(Message):
    """An index of the venue, topic `index.<venue>.<name>`."""

    venue: str
    index: str  # "btc_usd"
    price: float


# --- orders ----------------------------------------------------------------------------------


class OrderUpdated(Message):
    """The whole state of one order after `event`; of two, the one with the greater revision holds.

    An order whose fate the venue has not told keeps its status and carries in_doubt_since_ns.
    """

    client_order_id: str
    venue_order_id: str  # "" until known
    instrument: str
    venue: str
    account: str
    owner: str
    side: Side
    order_type: OrderType
    price: Exact | None
    quantity: Exact
    time_in_force: TimeInForce
    status: OrderStatus
    cum_quantity: Exact
    leaves_quantity: Exact
    avg_price: Exact | None
    event: OrderTrigger
    revision: int  # +1 per change of this order
    created_ns: int
    updated_ns: int
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Exact | None = None
    trigger: TriggerPrice | None = None
    reject_reason: RejectReason | None = None
    text: str = ""
    in_doubt_since_ns: int | None = None
    external: bool = False  # not placed through this engine
    request_id: str = ""
    tag: str = ""
    trigger_offset: Exact | None = None
    display_quantity: Exact | None = None
    contingency_type: ContingencyType | None = None  # of orders that are linked
    fill_condition: FillCondition | None = None
    link_id: str = ""  # client_order_id of the first order of the group it is linked in
    price_type: PriceType | None = None  # what price counts
    working_price: Exact | None = None  # where the venue has an order with a price_type now
    parent: str = ""
    parent_quantity: Exact | None = None
    quote_id: str = ""  # of a quote: the desk's id of the mass quote that first sent it
    quote_set: str = ""
    mmp_group: str = ""

    @property
    def is_secondary(self) -> bool:
        """Placed as one of the linked orders of another."""
        return self.link_id not in ("", self.client_order_id)


class OrderSnapshot(Message):
    """For joiners: all open orders and the recently closed ones of a topic's owner, or of all. Many
    orders come in parts, one after the other and with one sequence; a whole one is part 0 of 1."""

    venue: str
    account: str
    owner: str  # "" for all owners
    orders: list[OrderUpdated]
    part: int = 0
    parts: int = 1


class Fill(Message):
    """One execution of an own order; consumers deduplicate by exec_id."""

    exec_id: str
    client_order_id: str
    venue_order_id: str
    instrument: str
    venue: str
    account: str
    owner: str
    side: Side
    last_price: Exact
    last_quantity: Exact
    liquidity: Liquidity
    fee: Exact  # paid; negative = received
    fee_currency: str
    filled_ns: int  # venue time
    external: bool = False
    tag: str = ""
    combo: str = ""  # the combo traded, of its own fill and of the fills of its legs

    @property
    def moves_position(self) -> bool:
        """Nobody holds a combo: its own fill moves nothing, those of its legs do."""
        return self.combo != self.instrument

    @property
    def is_leg(self) -> bool:
        """Made by a fill of a combo's order, which counts that fill and not this one."""
        return bool(self.combo) and self.moves_position


class FillSnapshot(Message):
    """For joiners: the last 24 h of fills or the last 1,000, oldest first; has_more if cut."""

    venue: str
    account: str
    owner: str
    fills: list[Fill]
    has_more: bool = False


class ProtectionEvent(StrEnum):
    """SET: the settings are these now; TRIGGERED: it acted; RESET: quotes are taken again."""

    SET = "SET"
    REMOVED = "REMOVED"
    TRIGGERED = "TRIGGERED"
    RESET = "RESET"


class ProtectionUpdated(Message):
    """Market maker protection of one group of quotes, topic `protection.<venue>.<account>`.

    What trades within interval_s beyond a limit makes the venue cancel the group's quotes in
    instruments of this index, and refuse new ones for frozen_s. Limits in coins, None is none.
    """

    venue: str
    account: str
    index: str  # the venue's price index, "btc_usd"
    mmp_group: str
    interval_s: int  # 0: the settings are not known, or REMOVED
    frozen_s: int  # 0: until it is reset
    max_quote_quantity: Exact | None  # of one quote, in the instrument's unit
    quantity_limit: Exact | None
    delta_limit: Exact | None
    vega_limit: Exact | None
    trade_count_limit: int | None
    frozen_until_ns: int | None  # None: it takes quotes; 0: not until it is reset
    event: ProtectionEvent
    updated_ns: int


class ProtectionSnapshot(Message):
    """For joiners: all protections of an account as the venue last told them."""

    venue: str
    account: str
    protections: list[ProtectionUpdated]


# --- positions -------------------------------------------------------------------------------


class PositionUpdated(Message):
    """One position. quantity is signed; prices in price units; profit in `currency`.

    confirmed: quantity equals what the venue last said. delta in units of the underlying.
    """

    instrument: str
    venue: str
    account: str
    quantity: Exact
    average_price: Exact | None
    currency: str
    realized_pnl: Exact  # since the desk first saw this position, before fees
    unrealized_pnl: Exact | None  # since entry, at the mark; None without a mark
    fees: Exact
    mark_price: float | None
    index_price: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    initial_margin: Exact | None
    maintenance_margin: Exact | None
    confirmed: bool
    updated_ns: int
    liquidation_price: float | None = None


class BalanceUpdated(Message):
    """One currency of an account."""

    venue: str
    account: str
    currency: str
    balance: Exact
    equity: Exact
    available: Exact
    initial_margin: Exact
    maintenance_margin: Exact
    unrealized_pnl: Exact
    realized_pnl: Exact  # this session of the venue
    options_value: Exact
    updated_ns: int
    confirmed: bool = True


class AccountSnapshot(Message):
    """For joiners: everything the position server knows of an account."""

    venue: str
    account: str
    positions: list[PositionUpdated]
    balances: list[BalanceUpdated]
    exposures: list[Exposure]
    alerts: list[RiskAlert] = []  # those that are raised now


class Exposure(Message):
    """Net Greeks of one underlying: positions plus outside inventory, in units of the underlying.

    gamma, vega and theta in USD terms, as the venue's Greeks are.
    """

    venue: str
    account: str
    underlying: str
    delta: float
    gamma: float
    vega: float
    theta: float
    inventory: float  # the outside part of delta
    updated_ns: int
    complete: bool = True  # False: a mark or Greek is missing, so the figures are partial


class PositionDifference(Message):
    """Our quantity and the venue's disagreed; ours was replaced by theirs."""

    venue: str
    account: str
    instrument: str
    ours: Exact
    theirs: Exact
    detected_ns: int


class RiskAlert(Message):
    """A configured limit was crossed (raised) or is kept again."""

    venue: str
    account: str
    limit: str  # "max_delta"
    subject: str  # "BTC"
    value: float
    bound: float
    raised: bool
    text: str


class ProfitOfDay(Message):
    """Profit of an account and of its strategies since its day began, topic
    `profit.<venue>.<account>`, every second: realized and unrealized at the mark less fees, in USD
    (of linear instruments the quote currency counts as such).

    since_ns: from when on it is counted, later than day_start_ns on the desk's first day.
    complete: False when something of it cannot be told, and then text says what.
    """

    venue: str
    account: str
    day_start_ns: int
    since_ns: int
    pnl: Exact
    strategies: dict[str, Exact]  # by owner of the orders
    complete: bool
    text: str
    updated_ns: int


class InventoryDelta(Message):
    """Holdings outside the venues, pushed to the `inventory` socket; replaces the source's last."""

    source: str  # "uniswap-v3:weth-usdc"
    underlying: str  # "ETH"
    quantity: Exact  # signed, units of the underlying
    observed_ns: int


# --- strategies ------------------------------------------------------------------------------


class StrategyPosition(Message):
    """What a strategy's own fills add up to in one instrument, and what it has working there.

    Money in `currency`; working quantities count orders in doubt in full.
    """

    instrument: str
    quantity: Exact
    average_price: Exact | None
    currency: str
    realized_pnl: Exact  # before fees
    unrealized_pnl: Exact | None  # at the mark; None without one
    fees: Exact
    mark_price: float | None
    working_buy: Exact
    working_sell: Exact


class StrategyState(Message):
    """How a strategy does, topic `strategy.<name>`: when it changed, at most once a second.

    pnl: realized and unrealized less fees, by currency; without what has no mark.
    """

    name: str
    venue: str
    account: str
    state: str  # "starting", "running", "stopping", "stopped", "error"
    file: str
    parameters: dict[str, str]
    positions: list[StrategyPosition]
    pnl: dict[str, Exact]
    open_orders: int
    in_doubt: int
    placed: int  # orders, since the start of its host
    fills: int  # ever
    rejects: dict[str, int]  # refused places, modifies and cancels by reason, since the start
    slow_calls: int
    last_error: str  # with file and line
    started_ns: int
    updated_ns: int
    set_at_run_time: dict[str, str] = {}  # those of the parameters that SetParameters changed


class RawFrame(Message):
    """One frame of a venue's public link as it came, topic `raw.<venue>.<link>`, for recorders.

    Published only while somebody subscribes to that topic, or to `raw.<venue>` for all links.
    """

    link: str
    payload: bytes
    received_ns: int


# --- health ----------------------------------------------------------------------------------


class Health(Message):
    """The beat of a process, every 500 ms on its publisher, topic `health.<process>`.

    sequences: the last sequence of each topic that changed since the last two beats.
    """

    process: str
    state: str  # "starting", "ready", "degraded", "stopping"
    pid: int
    beat: int
    sequences: dict[str, int] = {}
    links: dict[str, bool] = {}
    counters: dict[str, float] = {}
    text: str = ""
    build: str = ""


class Alert(Message):
    """Something a person should know, topic `alert.<process>`; the same cause is told again at
    most once a minute, with how often it came up meanwhile."""

    process: str
    level: str  # "WARNING" or "ERROR"
    text: str
    fields: dict[str, str]
    count: int
    raised_ns: int


# --- commands and their answer ---------------------------------------------------------------


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


Snapshot = (
    InstrumentList
    | InstrumentDefinition
    | BookSnapshot
    | Depth
    | Quote
    | Ticker
    | IndexPrice
    | OrderSnapshot
    | FillSnapshot
    | ProtectionSnapshot
    | AccountSnapshot
    | ProfitOfDay
    | Health
    | StrategyState
)
"""Messages that are complete by themselves: after one a joiner is consistent."""

Delta = (
    BookDelta
    | OrderUpdated
    | Fill
    | ProtectionUpdated
    | PositionUpdated
    | BalanceUpdated
    | Exposure
)
"""Messages that only make sense after a snapshot of their topic."""

Event = (
    InstrumentList
    | InstrumentDefinition
    | InstrumentState
    | BookSnapshot
    | BookDelta
    | BookStale
    | Depth
    | Quote
    | Trade
    | Ticker
    | IndexPrice
    | OrderUpdated
    | OrderSnapshot
    | Fill
    | FillSnapshot
    | ProtectionUpdated
    | ProtectionSnapshot
    | PositionUpdated
    | BalanceUpdated
    | AccountSnapshot
    | Exposure
    | PositionDifference
    | RiskAlert
    | ProfitOfDay
    | InventoryDelta
    | Health
    | StrategyState
    | RawFrame
    | Alert
)
"""What is published."""

Command = (
    PlaceOrder
    | PlaceOrders
    | ModifyOrder
    | CancelOrder
    | CancelOrders
    | CancelAll
    | MassQuote
    | CancelQuotes
    | SetProtection
    | ResetProtection
    | QueryProtections
    | QueryOrders
    | QueryFills
    | SetMode
    | QueryPositions
    | SetParameters
)
"""What is asked over ROUTER/DEALER; answered with exactly one CommandReply."""
