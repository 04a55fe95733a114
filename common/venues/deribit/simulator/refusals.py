"""The exchange's no, in the venue's codes and words."""

from __future__ import annotations

from common.messages import InstrumentStatus
from common.venues.deribit.simulator.envelope import INVALID_PARAMS, Refused as Fault
from common.venues.simulation import Refused, SimulatedRefusal

R = SimulatedRefusal
NAMES = {
    R.NOT_ENOUGH_FUNDS: (10009, "not_enough_funds"),
    R.PRICE_OFF_TICK: (10043, "price_wrong_tick"),
    R.PRICE_NOT_ALLOWED: (10023, "invalid_price"),
    R.PRICE_TOO_HIGH: (10007, "price_too_high"),
    R.PRICE_TOO_LOW: (10005, "price_too_low"),
    R.QUANTITY_TOO_LOW: (10002, "qty_too_low"),
    R.QUANTITY_TOO_HIGH: (10021, "invalid_amount"),
    R.POST_ONLY_WOULD_CROSS: (11054, "post_only_reject"),
    R.POST_ONLY_NOT_ALLOWED: (11055, "post_only_not_allowed"),
    R.SELF_TRADE: (10003, "order_overlap"),
    R.ORDER_NOT_FOUND: (10004, "order_not_found"),
    R.ORDER_CLOSED: (11044, "not_open_order"),
    R.NOT_OWNER: (10029, "not_owner_of_order"),
    R.NOTHING_CHANGED: (11043, "bad_argument"),
    R.INSTRUMENT_UNKNOWN: (13020, "not_found"),
    R.INSTRUMENT_CLOSED: (10012, "book_closed"),
    R.SETTLEMENT_RUNNING: (10041, "settlement_in_progress"),
    R.REDUCE_ONLY: (11030, "other_reject reduce_only"),
    R.NO_POSITION: (10010, "already_closed"),
    R.INVALID_TRIGGER: (11036, "invalid_trigger_price"),
    R.INVALID_DISPLAY: (10036, "invalid_max_show_amount"),
    R.NO_LIQUIDITY: (11030, "other_reject no_liquidity"),
    R.UNSUITABLE_FOR_COMBO: (13036, "unavailable_for_combo_books"),
    R.LINK_NOT_ALLOWED: (13901, "no_more_oto_orders"),
    R.PROTECTION_MISSING: (13040, "mmp_required"),
    R.PROTECTION_FROZEN: (13030, "mmp_trigger"),
    R.PROTECTION_QUANTITY: (11030, "other_reject max_quote_quantity"),
    R.PROTECTION_TYPE: (11047, "unsupported_arg_combination"),
    R.TOO_LATE: (13888, "timed_out"),
    R.LABEL_NOT_UNIQUE: (13032, "non_unique_order_label"),
    R.MAX_OPEN_ORDERS: (11030, "other_reject too_many_open_orders"),
    R.ACCOUNT_UNKNOWN: (13009, "unauthorized"),
}
PARAMS = {
    R.PRICE_MISSING: ("price", "required"),
    R.QUANTITY_OFF_LOT: ("amount", "must be a multiple of the contract size"),
    R.LABEL_TOO_LONG: ("label", "too long"),
}
WITH_LIMIT = frozenset({R.PRICE_TOO_HIGH, R.PRICE_TOO_LOW})
FIELDS = {
    "quantity": "amount",
    "symbol": "instrument_name",
    "order_type": "type",
    "number": "order_id",
    "valid_until_ns": "valid_until",
    "display_quantity": "display_amount",
    "link": "otoco_config",
}


def fault(refused: Refused, status: InstrumentStatus | None = None) -> Fault:
    """The error answer of a refusal; status is that of the order's instrument, if known."""
    if refused.reason in PARAMS:
        param, reason = PARAMS[refused.reason]
        if refused.reason is R.QUANTITY_OFF_LOT and refused.limit is not None:
            reason = f"must be a multiple of {refused.limit.normalize():f}"
        return Fault(INVALID_PARAMS, "Invalid params", reason=reason, param=param)
    if refused.reason is R.INSTRUMENT_CLOSED and status is InstrumentStatus.EXPIRED:
        return Fault(13019, "orderbook_closed")
    code, name = NAMES[refused.reason]
    if refused.reason in WITH_LIMIT and refused.limit is not None:
        name = f"{name} {refused.limit.normalize():f}"
    if not refused.field:
        return Fault(code, name)
    return Fault(code, name, param=FIELDS.get(refused.field, refused.field))
