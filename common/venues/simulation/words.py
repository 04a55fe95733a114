"""The words of a simulated exchange that messages do not have."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


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
