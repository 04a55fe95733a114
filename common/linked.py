"""linked_order(): what a strategy or a tool places together with a first order."""

from __future__ import annotations

from common import messages as m
from common.strategy import Number, exact_number


def linked_order(
    side: m.Side,
    *,
    quantity: Number | None = None,
    price: Number | None = None,
    order_type: m.OrderType | None = None,
    time_in_force: m.TimeInForce = m.TimeInForce.GTC,
    post_only: bool = False,
    reduce_only: bool = False,
    trigger_price: Number | None = None,
    trigger: m.TriggerPrice | None = None,
    trigger_offset: Number | None = None,
    tag: str = "",
) -> m.LinkedOrder:
    """For `linked_orders` of a place. quantity: that of the first order if left out; the type
    follows from the prices.

    Raises:
        ValueError: a number that is not exact; names the field.
    """
    numbers = {
        "quantity": quantity,
        "price": price,
        "trigger_price": trigger_price,
        "trigger_offset": trigger_offset,
    }
    exact = {
        name: None if value is None else exact_number(name, value)
        for name, value in numbers.items()
    }
    return m.LinkedOrder(
        side,
        exact["quantity"],
        order_type or _type_of(exact),
        exact["price"],
        time_in_force,
        post_only,
        reduce_only,
        exact["trigger_price"],
        trigger,
        exact["trigger_offset"],
        tag,
    )


def _type_of(given: dict[str, m.Exact | None]) -> m.OrderType:
    if given["trigger_offset"] is not None:
        return m.OrderType.TRAILING_STOP
    if given["trigger_price"] is not None:
        return m.OrderType.STOP if given["price"] is None else m.OrderType.STOP_LIMIT
    return m.OrderType.MARKET if given["price"] is None else m.OrderType.LIMIT
