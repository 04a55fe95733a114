"""Deribit's error codes, read as reasons of a refusal.

https://docs.deribit.com/articles/errors (the complete table), read in August 2026. Codes that say
nothing sure about the request, and codes that are not listed here, mean: the outcome is unknown.
"""

from __future__ import annotations

from common.messages import RejectReason as R
from common.venues.deribit.session import RpcError
from common.venues.order_entry import CallRefused

RATE_LIMIT_CODE = 10028
TOO_LATE_CODE = 13888  # after valid_until
OTHER_REJECT_CODE = 11030  # its text says why

REASONS: dict[int, R] = {
    10000: R.LINK_DOWN,
    10002: R.MIN_QUANTITY,
    10003: R.SELF_TRADE,
    10004: R.UNKNOWN_ORDER,
    10005: R.BAD_PRICE,
    10006: R.BAD_PRICE,
    10007: R.BAD_PRICE,
    10008: R.BAD_PRICE,
    10009: R.NOT_ENOUGH_FUNDS,
    10010: R.ORDER_CLOSED,
    10011: R.BAD_PRICE,
    10012: R.INSTRUMENT_NOT_TRADING,
    10013: R.MAX_OPEN_ORDERS,
    10014: R.MAX_OPEN_ORDERS,
    10015: R.MAX_OPEN_ORDERS,
    10016: R.MAX_QUANTITY,
    10017: R.MAX_QUANTITY,
    10018: R.MAX_QUANTITY,
    10019: R.VENUE_REFUSED,
    10020: R.UNKNOWN_INSTRUMENT,
    10021: R.BAD_QUANTITY,
    10022: R.BAD_QUANTITY,
    10023: R.BAD_PRICE,
    10024: R.BAD_REQUEST,
    10025: R.UNKNOWN_ORDER,
    10026: R.PRICE_OFF_TICK,
    10027: R.QUANTITY_OFF_LOT,
    RATE_LIMIT_CODE: R.VENUE_RATE_LIMIT,
    10029: R.UNKNOWN_ORDER,
    10030: R.BAD_REQUEST,
    10031: R.BAD_REQUEST,
    10032: R.MIN_NOTIONAL,
    10033: R.UNSUPPORTED,
    10034: R.BAD_PRICE,
    10035: R.BAD_PRICE,
    10036: R.BAD_REQUEST,
    10037: R.MAX_QUANTITY,
    10038: R.MAX_OPEN_ORDERS,
    10039: R.NOT_ENOUGH_FUNDS,
    10040: R.VENUE_REFUSED,
    10041: R.INSTRUMENT_NOT_TRADING,
    10043: R.PRICE_OFF_TICK,
    10044: R.PRICE_OFF_TICK,
    10045: R.VENUE_REFUSED,
    10046: R.VENUE_REFUSED,
    10047: R.VENUE_RATE_LIMIT,
    10048: R.UNKNOWN_INSTRUMENT,
    10066: R.VENUE_RATE_LIMIT,
    10072: R.VENUE_REFUSED,
    11008: R.ORDER_CLOSED,
    11013: R.MAX_OPEN_ORDERS,
    11021: R.POST_ONLY_WOULD_CROSS,
    11022: R.MAX_QUANTITY,
    11029: R.BAD_REQUEST,
    OTHER_REJECT_CODE: R.VENUE_REFUSED,
    11035: R.MAX_OPEN_ORDERS,
    11036: R.BAD_PRICE,
    11038: R.UNSUPPORTED,
    11039: R.UNSUPPORTED,
    11041: R.BAD_REQUEST,
    11042: R.VENUE_REFUSED,
    11043: R.BAD_REQUEST,
    11044: R.ORDER_CLOSED,
    11046: R.INSTRUMENT_NOT_TRADING,
    11047: R.BAD_REQUEST,
    11049: R.BAD_REQUEST,
    11050: R.BAD_REQUEST,
    11051: R.INSTRUMENT_NOT_TRADING,
    11054: R.POST_ONLY_WOULD_CROSS,
    11055: R.UNSUPPORTED,
    13009: R.VENUE_REFUSED,
    13019: R.INSTRUMENT_NOT_TRADING,
    13020: R.UNKNOWN_INSTRUMENT,
    13021: R.VENUE_REFUSED,
    13025: R.VENUE_REFUSED,
    13028: R.VENUE_REFUSED,
    13030: R.PROTECTION,
    13040: R.PROTECTION,
    13042: R.UNSUPPORTED,
    13043: R.PROTECTION,
    13403: R.VENUE_REFUSED,
    13503: R.VENUE_REFUSED,
    TOO_LATE_CODE: R.LATE,
    13901: R.UNSUPPORTED,
    13902: R.UNSUPPORTED,
    13903: R.BAD_REQUEST,
    -32000: R.BAD_REQUEST,
    -32600: R.BAD_REQUEST,
    -32601: R.BAD_REQUEST,
    -32602: R.BAD_REQUEST,
    -32700: R.BAD_REQUEST,
}

FIELDS = {"amount": "quantity", "contracts": "quantity", "instrument_name": "instrument"}
REASON_OF_FIELD = {
    "amount": R.BAD_QUANTITY,
    "contracts": R.BAD_QUANTITY,
    "price": R.BAD_PRICE,
    "trigger_price": R.BAD_PRICE,
}


def refusal(error: RpcError) -> CallRefused:
    """What the venue's error means for the call that got it."""
    known = error.code in REASONS
    reason = REASONS.get(error.code, R.VENUE_REFUSED)
    if error.code == OTHER_REJECT_CODE and "reduce_only" in error.text:
        reason = R.REDUCE_ONLY
    if reason is R.BAD_REQUEST:
        reason = REASON_OF_FIELD.get(error.field, reason)
    field = FIELDS.get(error.field, error.field)
    text = f"{error.text} ({error.code})" if error.code else error.text
    return CallRefused(reason, text, field, error.code, unknown=not known)
