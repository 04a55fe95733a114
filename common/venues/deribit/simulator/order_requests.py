"""From the parameters of order methods to the exchange's requests."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from decimal import Decimal
from typing import Any, NamedTuple

from common.messages import ContractType, OrderType, PriceType, Side, TriggerPrice
from common.venues.deribit.simulator import order_objects as objects
from common.venues.deribit.simulator.catalog import NS_PER_MS
from common.venues.deribit.simulator.envelope import Refused, Request, invalid_params
from common.venues.deribit.simulator.parameters import check, parse_line
from common.venues.deribit.universe import Listing
from common.venues.simulation import (
    LinkKind,
    LinkRequest,
    OrderChanges,
    OrderRequest,
    ProtectionTag,
    SimulatedOrder,
)

MAX_LABEL = 64
LIFETIMES = {text: lifetime for lifetime, text in objects.LIFETIMES.items()}
TRIGGERS = {text: TriggerPrice(name) for name, text in objects.TRIGGERS.items()}
ORDER_TYPES = {text: kind for kind, text in objects.ORDER_TYPES.items()} | {
    "limit": OrderType.LIMIT,
    "market_limit": OrderType.MARKET_TO_LIMIT,
}
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
TAKES = frozenset({OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT})
TRAILING = frozenset({OrderType.TRAILING_STOP})
WITHOUT_PRICE = frozenset(
    {
        OrderType.MARKET,
        OrderType.MARKET_TO_LIMIT,
        OrderType.STOP,
        OrderType.TAKE_PROFIT,
        OrderType.TRAILING_STOP,
    }
)
# `type` of the cancel_all family and of the open-order queries
TYPE_FILTERS: dict[str, frozenset[OrderType] | None] = {
    "all": None,
    "limit": frozenset({OrderType.LIMIT, OrderType.MARKET_TO_LIMIT}),
    "trigger_all": STOPS | TAKES | TRAILING,
    "stop": STOPS,
    "stop_all": STOPS,
    "stop_limit": frozenset({OrderType.STOP_LIMIT}),
    "stop_market": frozenset({OrderType.STOP}),
    "take": TAKES,
    "take_all": TAKES,
    "take_limit": frozenset({OrderType.TAKE_PROFIT_LIMIT}),
    "take_market": frozenset({OrderType.TAKE_PROFIT}),
    "trailing_stop": TRAILING,
    "trailing_all": TRAILING,
}
LINKS = {
    "one_triggers_other": LinkKind.TRIGGERS,
    "one_cancels_other": LinkKind.CANCELS,
    "one_triggers_one_cancels_other": LinkKind.TRIGGERS_PAIR,
}
FILL_CONDITIONS = {text: condition for condition, text in objects.FILL_CONDITIONS.items()}
ADVANCED = {text: kind for kind, text in objects.ADVANCED.items()}
MAX_LINKED = 10
PARTNERS = {LinkKind.CANCELS: 1, LinkKind.TRIGGERS_PAIR: 2}
DIRECTIONS = {"buy": Side.BUY, "sell": Side.SELL}
SECONDARY = parse_line(
    "amount:num direction*:str{buy/sell} price:num label:str "
    "type:str{limit/stop_limit/take_limit/market/stop_market/take_market/market_limit/"
    "trailing_stop} "
    "time_in_force:str{good_til_cancelled/good_til_day/fill_or_kill/immediate_or_cancel} "
    "post_only:bool reject_post_only:bool reduce_only:bool "
    "trigger:str{index_price/mark_price/last_price} trigger_price:num trigger_offset:num"
)


def order_request(
    params: dict[str, Any], listing: Listing, side: Side, session: str
) -> OrderRequest:
    """What private/buy and private/sell ask for.

    Raises:
        Refused: -32602 that names the parameter.
    """
    order_type = ORDER_TYPES[params.get("type", "limit")]
    quantity = _amount(params, listing, required=True) or Decimal(0)
    return OrderRequest(
        symbol=listing.definition.symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=_price(params, order_type),
        time_in_force=LIFETIMES[params.get("time_in_force", "good_til_cancelled")],
        post_only=params.get("post_only", False),
        reject_post_only=params.get("reject_post_only", False),
        reduce_only=params.get("reduce_only", False),
        label=_label(params),
        session=session,
        valid_until_ns=_valid_until_ns(params),
        display_quantity=_display(params, quantity),
        link=_link(params, listing, quantity, session),
        protection=ProtectionTag() if params.get("mmp", False) else None,
        **_trigger(params, order_type),
        **_advanced(params, listing, order_type),
    )


def _link(
    params: dict[str, Any], listing: Listing, quantity: Decimal, session: str
) -> LinkRequest | None:
    """linked_order_type with otoco_config, whose orders have the first one's amount if they name
    none."""
    configs = params.get("otoco_config")
    if "linked_order_type" not in params:
        if configs:
            raise invalid_params("linked_order_type", "required")
        return None
    if configs is None:
        raise invalid_params("otoco_config", "required")
    if len(configs) > MAX_LINKED:
        raise Refused(13901, "no_more_oto_orders")
    kind = LINKS[params["linked_order_type"]]
    if not configs or (kind is not LinkKind.TRIGGERS and len(configs) != PARTNERS[kind]):
        raise invalid_params("otoco_config", "wrong number of orders")
    orders = []
    for config in configs:
        one = check(SECONDARY, Request("", config))
        if "amount" not in one:
            one["amount"] = quantity
        orders.append(order_request(one, listing, DIRECTIONS[one["direction"]], session))
    condition = FILL_CONDITIONS[params.get("trigger_fill_condition", "first_hit")]
    return LinkRequest(kind, condition, tuple(orders))


def _advanced(params: dict[str, Any], listing: Listing, order_type: OrderType) -> dict[str, Any]:
    """An option order with its price in USD or volatility."""
    if "advanced" not in params:
        return {}
    kind, rules = ADVANCED[params["advanced"]], listing.definition
    if rules.strike is None:
        raise Refused(11038, "no_adv_for_futures")
    if params.get("post_only", False):
        raise Refused(11039, "no_adv_postonly")
    if kind is PriceType.USD and rules.contract_type is not ContractType.INVERSE:
        raise invalid_params("advanced", "usd is for inverse options")
    if order_type is not OrderType.LIMIT or "linked_order_type" in params:
        raise invalid_params("advanced", "for limit orders without links")
    return {"price_type": kind, "stated_price": params["price"]}


def _price(params: dict[str, Any], order_type: OrderType) -> Decimal | None:
    if order_type in WITHOUT_PRICE:
        return None  # the venue ignores a price here
    price: Decimal | None = params.get("price")
    if price is None:
        raise invalid_params("price", "required")
    return price


def _display(params: dict[str, Any], quantity: Decimal) -> Decimal | None:
    """None for an order that shows all of itself."""
    shown: Decimal | None = params.get("display_amount", params.get("max_show"))
    return shown if shown is not None and shown < quantity else None


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


def _trigger(params: dict[str, Any], order_type: OrderType) -> dict[str, Any]:
    """What a waiting order waits for; members that do not belong to its type are ignored."""
    if order_type not in STOPS | TAKES | TRAILING:
        return {}
    distance = "trigger_offset" if order_type in TRAILING else "trigger_price"
    for name in ("trigger", distance):
        if name not in params:
            raise invalid_params(name, "required")
    return {"trigger": TRIGGERS[params["trigger"]], distance: params[distance]}


def _label(params: dict[str, Any]) -> str:
    label: str = params.get("label", "")
    if len(label) > MAX_LABEL:
        raise invalid_params("label", f"at most {MAX_LABEL} characters")
    return label


def _valid_until_ns(params: dict[str, Any]) -> int | None:
    value: int | None = params.get("valid_until")
    return None if value is None else value * NS_PER_MS


class Paging(NamedTuple):
    """Where a page of closed orders begins."""

    offset: int
    closed_before: int | None


def paging_of(params: dict[str, Any]) -> Paging:
    """The continuation of the page before goes before an offset."""
    text = params.get("continuation")
    if text is not None:
        return Paging(0, _number_in(text))
    offset: int = params.get("offset", 0)
    if offset < 0:
        raise invalid_params("offset", "must not be negative")
    return Paging(offset, None)


def continuation_after(order: SimulatedOrder) -> str:
    """Names the last order of a page, so that orders that close meanwhile move nothing."""
    return urlsafe_b64encode(f"closed:{order.number}".encode()).decode().rstrip("=")


def _number_in(text: str) -> int:
    try:
        padded = text + "=" * (-len(text) % 4)
        word, _, number = urlsafe_b64decode(padded.encode("ascii")).decode("ascii").partition(":")
    except ValueError:
        word, number = "", ""
    if word != "closed" or not number.isdigit() or len(number) > 20:
        raise invalid_params("continuation", "invalid continuation")
    return int(number)


def order_changes(
    params: dict[str, Any], listing: Listing, price_type: PriceType | None
) -> OrderChanges:
    """price_type: of the order; `advanced` has to be sent again with every edit of it."""
    is_advanced = "advanced" in params
    if is_advanced and price_type is None:
        raise Refused(11041, "not_adv_order")
    if price_type is not None and (not is_advanced or ADVANCED[params["advanced"]] != price_type):
        raise invalid_params("advanced", "must be sent again, as it was")
    if price_type is not None and params.get("post_only", False):
        raise Refused(11039, "no_adv_postonly")
    return OrderChanges(
        price=None if is_advanced else params.get("price"),
        stated_price=params.get("price") if is_advanced else None,
        quantity=_amount(params, listing, required=False),
        trigger_price=params.get("trigger_price"),
        post_only=params.get("post_only"),
        reject_post_only=params.get("reject_post_only"),
        reduce_only=params.get("reduce_only"),
        valid_until_ns=_valid_until_ns(params),
        trigger_offset=params.get("trigger_offset"),
        display_quantity=params.get("display_amount"),
    )
