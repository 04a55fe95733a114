"""The words that messages use, with FIX's names where it has one."""

from __future__ import annotations

from enum import StrEnum


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
