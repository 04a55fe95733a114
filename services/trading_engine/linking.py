"""Linked orders: whether the venue takes them as asked for, and the checks of each.

What an order brings about by its links may trade like any other, so each of a group passes the
checks, with the exposure that the others leave it: see groups.py for how they count once open.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from common.domain import risk
from common.domain.exposure import Holding
from common.messages import (
    ContingencyType as T,
    FillCondition,
    LinkedOrder,
    PlaceOrder,
    RejectReason as R,
)
from common.venues.contract import Capabilities
from services.trading_engine.groups import exclude_each_other

ONE = Decimal(1)
COUNTS = {T.OCO: 1, T.OTOCO: 2}


def refuse(command: PlaceOrder, venue: Capabilities) -> risk.Refusal | None:
    """Why these links cannot be placed at this venue, whatever the market; None if they can."""
    kind, count = command.contingency_type, len(command.linked_orders)
    if kind is None:
        if count or command.fill_condition is not None:
            text = "linked orders need a contingency_type: OCO, OTO or OTOCO"
            return risk.Refusal(R.BAD_REQUEST, "contingency_type", text)
        return None
    if kind not in venue.contingencies:
        text = f"this venue takes no {kind.value} orders"
        return risk.Refusal(R.UNSUPPORTED, "contingency_type", text)
    least, most = (COUNTS[kind], COUNTS[kind]) if kind in COUNTS else (1, venue.linked_at_most)
    if not least <= count <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        text = f"{kind.value} needs {wanted} linked order{'s' if most > 1 else ''}, got {count}"
        return risk.Refusal(R.BAD_REQUEST, "linked_orders", text)
    if command.fill_condition is FillCondition.INCREMENTAL and kind is not T.OCO:
        text = "the desk cannot follow orders that the venue places in parts"
        return risk.Refusal(R.UNSUPPORTED, "fill_condition", text)
    return None


def secondaries(command: PlaceOrder) -> list[PlaceOrder]:
    """The linked orders as orders of their own."""
    return [_as_place(command, linked) for linked in command.linked_orders]


def _as_place(first: PlaceOrder, linked: LinkedOrder) -> PlaceOrder:
    return PlaceOrder(
        instrument=first.instrument,
        side=linked.side,
        quantity=first.quantity if linked.quantity is None else linked.quantity,
        order_type=linked.order_type,
        price=linked.price,
        time_in_force=linked.time_in_force,
        post_only=linked.post_only,
        reduce_only=linked.reduce_only,
        trigger_price=linked.trigger_price,
        trigger=linked.trigger,
        owner=first.owner,
        tag=linked.tag or first.tag,
        trigger_offset=linked.trigger_offset,
        contingency_type=first.contingency_type,
        fill_condition=first.fill_condition,
        # On the other side it takes back what the parent is carried out by.
        parent=first.parent if linked.side is first.side else "",
        parent_quantity=first.parent_quantity if linked.side is first.side else None,
    )


def check(
    first: PlaceOrder, others: Sequence[PlaceOrder], limits: risk.Limits, known: risk.State
) -> risk.Refusal | None:
    """The checks of the linked orders; those of the first one are passed."""
    holding = known.holding
    for index, other in enumerate(others):
        before = others[:index]
        given = msgspec.structs.replace(
            known,
            open_orders=known.open_orders + 1 + index,
            same_orders=0,
            holding=None if holding is None else _holding(first, before, other, holding),
            legs=[(_holding(first, before, other, leg, each), each) for leg, each in known.legs],
            parent=_parent(first, before, other, known.parent),
        )
        refusal = risk.check(other, limits, given)
        if refusal is not None:
            field = f"linked_orders[{index}]"
            field = f"{field}.{refusal.field}" if refusal.field else field
            text = f"linked order {index + 1}: {refusal.text}"
            return risk.Refusal(refusal.reason, field, text)
    return None


def _holding(
    first: PlaceOrder,
    before: Sequence[PlaceOrder],
    other: PlaceOrder,
    holding: Holding,
    each: Decimal = ONE,
) -> Holding:
    """What is held and ordered when this one may fill. each: of a leg for one of its combo."""
    if first.contingency_type is T.OCO and exclude_each_other(first, other):
        return holding  # as if the first one were not there: it is not, once this one trades
    if other.side is first.side:
        holding = _with(holding, first, each)
    elif first.contingency_type is T.OCO:
        return holding
    elif first.fill_condition is FillCondition.COMPLETE_FILL:
        position = holding.position + first.side.sign * first.quantity * each
        holding = msgspec.structs.replace(holding, position=position)
    for earlier in before:
        if first.contingency_type is T.OTO or not exclude_each_other(earlier, other):
            holding = _with(holding, earlier, each)
    return holding


def _parent(
    first: PlaceOrder, before: Sequence[PlaceOrder], other: PlaceOrder, known: risk.Parent | None
) -> risk.Parent | None:
    """With what those before it add. Of two that cancel each other the larger one counts."""
    whole = first.parent_quantity
    if not other.parent or whole is None:
        return None
    used = risk.ZERO if known is None else known.used
    if first.contingency_type is not T.OCO:
        used += first.quantity
    if first.contingency_type is T.OTO:
        used += sum(each.quantity for each in before if each.parent)
    return risk.Parent(first.instrument, first.side, whole, used)


def _with(holding: Holding, order: PlaceOrder, each: Decimal) -> Holding:
    side = order.side if each > 0 else order.side.opposite
    return holding.with_order(side, order.quantity * abs(each))
