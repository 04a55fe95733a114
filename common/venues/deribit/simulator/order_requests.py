"""From the parameters of order methods to the exchange's requests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from common.messages import OrderType, Side, TriggerPrice
from common.venues.deribit.simulator import objects
from common.venues.deribit.simulator.catalog import NS_PER_MS
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.universe import Listing
from common.venues.simulation import OrderChanges, OrderRequest

MAX_LABEL = 64
ORDER_TYPES = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "market_limit": OrderType.LIMIT,
    "stop_limit": OrderType.STOP_LIMIT,
    "take_limit": OrderType.STOP_LIMIT,
    "stop_market": OrderType.STOP,
    "take_market": OrderType.STOP,
}
LIFETIMES = {text: lifetime for lifetime, text in objects.LIFETIMES.items()}
TRIGGERS = {text: TriggerPrice(name) for name, text in objects.TRIGGERS.items()}
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
# `type` of the cancel_all family and of the open-order queries: order types, take
TYPE_FILTERS: dict[str, tuple[frozenset[OrderType] | None, bool | None]] = {
    "all": (None, None),
    "limit": (frozenset({OrderType.LIMIT}), None),
    "trigger_all": (STOPS, None),
    "stop": (STOPS, False),
    "stop_all": (STOPS, False),
    "stop_limit": (frozenset({OrderType.STOP_LIMIT}), False),
    "stop_market": (frozenset({OrderType.STOP}), False),
    "take": (STOPS, True),
    "take_all": (STOPS, True),
    "take_limit": (frozenset({OrderType.STOP_LIMIT}), True),
    "take_market": (frozenset({OrderType.STOP}), True),
    "trailing_stop": (frozenset(), None),
    "trailing_all": (frozenset(), None),
}
UNSUPPORTED = ("trigger_offset", "linked_order_type", "otoco_config")


def order_request(
    params: dict[str, Any], listing: Listing, side: Side, price: Decimal | None, session: str
) -> OrderRequest:
    """What private/buy and private/sell ask for; the price is found by the caller.

    Raises:
        Refused: -32602 that names the parameter.
    """
    type_name = params.get("type", "limit")
    return OrderRequest(
        symbol=listing.definition.symbol,
        side=side,
        quantity=_amount(params, listing, required=True) or Decimal(0),
        order_type=ORDER_TYPES[type_name],
        price=price,
        time_in_force=LIFETIMES[params.get("time_in_force", "good_til_cancelled")],
        post_only=params.get("post_only", False),
        reject_post_only=params.get("reject_post_only", False),
        reduce_only=params.get("reduce_only", False),
        trigger=_trigger(params, ORDER_TYPES[type_name]),
        trigger_price=params.get("trigger_price"),
        take=type_name.startswith("take"),
        label=_label(params),
        session=session,
        valid_until_ns=_valid_until_ns(params),
    )


def refuse_unsupported(params: dict[str, Any], type_name: str, listing: Listing) -> None:
    """What the venue offers and the simulator does not is refused, never half done."""
    if type_name == "trailing_stop" or any(name in params for name in UNSUPPORTED):
        raise Refused(10033, "not_implemented")
    if "advanced" in params:
        if listing.definition.strike is None:
            raise Refused(11038, "no_adv_for_futures")
        raise Refused(10033, "not_implemented")
    if params.get("mmp", False):
        raise Refused(13040, "mmp_required")
    shown = params.get("display_amount", params.get("max_show"))
    if shown is not None and shown < _amount(params, listing, required=True):
        raise Refused(10033, "not_implemented")


def _amount(params: dict[str, Any], listing: Listing, *, required: bool) -> Decimal | None:
    """amount, or contracts times the contract size; both must agree."""
    amount: Decimal | None = params.get("amount")
    contracts: Decimal | None = params.get("contracts")
    if contracts is not None:
        in_units = contracts * listing.definition.contract_size
        if amount is not None and amount != in_units:
            raise invalid_params("contracts", "does not agree with amount")
        amount = in_units
    if amount is None:
        if required:
            raise invalid_params("amount", "required")
        return None
    if amount <= 0:
        raise invalid_params("amount", "must be positive")
    return amount


def _trigger(params: dict[str, Any], order_type: OrderType) -> TriggerPrice | None:
    if order_type not in STOPS:
        return None
    for name in ("trigger", "trigger_price"):
        if name not in params:
            raise invalid_params(name, "required")
    return TRIGGERS[params["trigger"]]


def _label(params: dict[str, Any]) -> str:
    label: str = params.get("label", "")
    if len(label) > MAX_LABEL:
        raise invalid_params("label", f"at most {MAX_LABEL} characters")
    return label


def _valid_until_ns(params: dict[str, Any]) -> int | None:
    value: int | None = params.get("valid_until")
    return None if value is None else value * NS_PER_MS


def offset_of(params: dict[str, Any]) -> int:
    """offset, or the continuation of the page before."""
    text = params.get("continuation")
    if text is not None:
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise invalid_params("continuation", "invalid continuation")
        return int(text)
    offset: int = params.get("offset", 0)
    if offset < 0:
        raise invalid_params("offset", "must not be negative")
    return offset


def order_changes(params: dict[str, Any], listing: Listing) -> OrderChanges:
    if "advanced" in params or "trigger_offset" in params:
        raise Refused(11041, "not_adv_order")
    return OrderChanges(
        price=params.get("price"),
        quantity=_amount(params, listing, required=False),
        trigger_price=params.get("trigger_price"),
        post_only=params.get("post_only"),
        reject_post_only=params.get("reject_post_only"),
        reduce_only=params.get("reduce_only"),
        valid_until_ns=_valid_until_ns(params),
    )
