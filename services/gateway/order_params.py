"""The parameters of a new or a changed order, with the orders that are linked to a new one.

Only their form is judged here; the engine and the venue do the rest.
"""

from __future__ import annotations

from typing import Any

from common import messages as m
from common.domain.risk import PRICED, TRAILING, TRIGGERED, WAITING
from services.gateway.params import Params
from services.gateway.rpc import CallError

MAX_LINKED = 10
CHANGES = ("price", "quantity", "trigger_price", "trigger_offset", "display_quantity")


def place_command(params: Params, instrument: str, owner: str) -> m.PlaceOrder:
    terms = _terms(params)
    quantity = params.required_number("quantity")
    check_quantity(quantity)
    contingency_type = params.word("contingency_type", m.ContingencyType)
    return m.PlaceOrder(
        instrument=instrument,
        quantity=quantity,
        **terms,
        owner=owner,
        expires_ns=params.integer("expires_ns", 0, 0, 2**63 - 1),
        reprice=params.flag("reprice"),
        display_quantity=params.number("display_quantity"),
        contingency_type=contingency_type,
        fill_condition=params.word("fill_condition", m.FillCondition),
        linked_orders=_linked_orders(params, contingency_type),
        price_type=params.word("price_type", m.PriceType),
        parent=params.name("parent"),
        parent_quantity=params.number("parent_quantity"),
    )


def modify_command(params: Params, client_order_id: str) -> m.ModifyOrder:
    """With the owner still to be filled in."""
    values = {name: params.number(name) for name in CHANGES}
    post_only = params.optional_flag("post_only")
    if post_only is None and all(value is None for value in values.values()):
        text = f"say what to change: {', '.join(CHANGES)} or post_only"
        raise CallError("BAD_PARAMETER", text, "price")
    check_quantity(values["quantity"])
    return m.ModifyOrder(
        client_order_id,
        values["price"],
        values["quantity"],
        values["trigger_price"],
        post_only=post_only,
        trigger_offset=values["trigger_offset"],
        display_quantity=values["display_quantity"],
    )


def largest_quantity(command: m.PlaceOrder) -> m.Exact:
    """Of the order and those that are linked to it."""
    linked = [each.quantity for each in command.linked_orders if each.quantity is not None]
    return max(command.quantity, *linked) if linked else command.quantity


def check_quantity(quantity: m.Exact | None) -> None:
    if quantity is not None and quantity <= 0:
        raise CallError("BAD_PARAMETER", "quantity is greater than 0", "quantity")


def _terms(params: Params) -> dict[str, Any]:
    """What a first order and a linked one have in common, by the names of their fields."""
    kind = params.word("type", m.OrderType) or m.OrderType.LIMIT
    prices = {
        "price": _price(params, "price", kind in PRICED, kind),
        "trigger_price": _price(params, "trigger_price", kind in TRIGGERED, kind),
        "trigger_offset": _price(params, "trigger_offset", kind in TRAILING, kind),
    }
    trigger = params.word("trigger", m.TriggerPrice)
    if trigger is not None and kind not in WAITING:
        raise CallError("BAD_PARAMETER", f"a {kind} order has no trigger", "trigger")
    return prices | {
        "order_type": kind,
        "trigger": trigger or (m.TriggerPrice.MARK if kind in WAITING else None),
        "side": params.required_word("side", m.Side),
        "time_in_force": params.word("time_in_force", m.TimeInForce) or m.TimeInForce.GTC,
        "post_only": params.flag("post_only"),
        "reduce_only": params.flag("reduce_only"),
        "tag": params.name("tag"),
    }


def _linked_orders(params: Params, kind: m.ContingencyType | None) -> list[m.LinkedOrder]:
    parts = params.parts("linked_orders", MAX_LINKED)
    if parts and kind is None:
        text = "linked_orders need a contingency_type: OCO, OTO or OTOCO"
        raise CallError("BAD_PARAMETER", text, "contingency_type")
    if kind is not None and not parts:
        text = f"a {kind} order needs linked_orders"
        raise CallError("BAD_PARAMETER", text, "linked_orders")
    orders = []
    for index, part in enumerate(parts):
        try:
            orders.append(_linked_order(part))
        except CallError as error:
            field = f"linked_orders[{index}]" + (f".{error.field}" if error.field else "")
            text = f"linked order {index + 1}: {error.text}"
            raise CallError(error.reason, text, field) from None
    return orders


def _linked_order(params: Params) -> m.LinkedOrder:
    quantity = params.number("quantity")
    check_quantity(quantity)
    terms = _terms(params)
    params.finish()
    return m.LinkedOrder(quantity=quantity, **terms)


def _price(params: Params, field: str, is_wanted: bool, order_type: m.OrderType) -> m.Exact | None:
    value = params.number(field)
    if is_wanted and value is None:
        raise CallError("BAD_PARAMETER", f"a {order_type} order needs a {field}", field)
    if not is_wanted and value is not None:
        raise CallError("BAD_PARAMETER", f"a {order_type} order has no {field}", field)
    return value
