"""Which sides of a mass quote are to be sent, and the own orders that they are or become."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from common import messages as m
from common.domain.quotes import WantedSide, sides_of
from common.own_orders import OwnOrder


class Plan(msgspec.Struct):
    """orders: of all sides. sent: of those that command holds, in the order of its sides."""

    command: m.MassQuote
    orders: list[OwnOrder]
    sent: list[OwnOrder]


def plan(command: m.MassQuote, open_orders: Iterable[OwnOrder], now_ns: int) -> Plan:
    """Leave out what stands as it is wanted and what is not settled; make orders of what is new."""
    group = command.mmp_group
    slots = {(o.instrument, o.side): o for o in open_orders if o.mmp_group == group}
    orders, sent, sides = [], [], []
    for side in sides_of(command):
        order = slots.get((side.instrument, side.side))
        if order is None and side.quantity:
            order = _new(command, side, now_ns)
        elif order is None or not order.is_settled or _is_same(order, side, command):
            orders += [order] if order is not None else []
            continue
        assert order is not None
        orders.append(order)
        sent.append(order)
        sides.append(side)
    return Plan(msgspec.structs.replace(command, quotes=_entries(sides)), orders, sent)


def _new(command: m.MassQuote, side: WantedSide, now_ns: int) -> OwnOrder:
    place = m.PlaceOrder(
        side.instrument,
        side.side,
        side.quantity or m.Exact("0"),
        price=side.price,
        post_only=command.post_only,
        tag=command.tag,
    )
    order = OwnOrder("", place, now_ns)
    order.mmp_group, order.quote_set = command.mmp_group, command.quote_set
    return order


def _is_same(order: OwnOrder, side: WantedSide, command: m.MassQuote) -> bool:
    wanted = side.price, side.quantity, command.post_only
    return (order.price, order.leaves_quantity, order.post_only) == wanted


def _entries(sides: list[WantedSide]) -> list[m.QuoteEntry]:
    found: dict[str, m.QuoteEntry] = {}
    for side in sides:
        entry = found.get(side.instrument) or m.QuoteEntry(side.instrument)
        word = "bid" if side.side is m.Side.BUY else "ask"
        values = {f"{word}_price": side.price, f"{word}_quantity": side.quantity}
        found[side.instrument] = msgspec.structs.replace(entry, **values)
    return list(found.values())


def key(request_id: str, instrument: str, side: m.Side) -> str:
    """What stands for the request_id of one side, since all sides of a request share it."""
    return f"{request_id}/{instrument}/{side.value}"


def is_in(order: OwnOrder, filters: m.CancelQuotes) -> bool:
    """A quote that the filters mean."""
    return (
        bool(order.mmp_group)
        and filters.instrument in (None, order.instrument)
        and filters.mmp_group in (None, order.mmp_group)
        and filters.quote_set in (None, order.quote_set)
    )
