"""Messages as the objects that JSON and the command line show: same names, same order."""

from __future__ import annotations

from typing import Any

from common import messages as m


def row(message: m.Message) -> dict[str, Any]:
    """All fields by name."""
    return {name: getattr(message, name) for name in message.__struct_fields__}


def levels(flat: list[float], count: int | None = None) -> list[tuple[float, float]]:
    """[price, quantity, price, quantity, ...] as pairs, the best `count`."""
    numbers = iter(flat if count is None else flat[: 2 * count])
    return list(zip(numbers, numbers, strict=True))


def order_answer(reply: m.CommandReply, order: m.OrderUpdated | None) -> dict[str, Any]:
    """The answer to place, modify and cancel: the order, and how the command was judged."""
    fields = row(order) if order else {"client_order_id": "", "status": None}
    return fields | {
        "accepted": reply.accepted,
        "reason": reply.reason,
        "text": reply.text or fields.get("text", ""),
        "field": reply.field,
        "in_doubt": reply.in_doubt,
        "request_id": reply.request_id,
    }
