"""Order: one order's life as a table, and the quantities that go with it.

What is absent from the table is illegal. A venue's reports arrive late, twice and in any order: an
answer and the stream overtake each other, a fill follows a cancel. So quantities only grow (what
was filled stays filled), each execution counts once by its exec_id, and an end that was only
reported gives way to a fill that completes the order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common.messages import OrderStatus, OrderTrigger, OrderUpdated, RejectReason

S = OrderStatus
E = OrderTrigger
Row = dict[OrderTrigger, OrderStatus]

ZERO = Decimal(0)
# What describes an order besides its quantities, where the venue or a modify states it.
TERMS = (
    "price",
    "trigger_price",
    "post_only",
    "trigger_offset",
    "display_quantity",
    "working_price",
)


def stay(status: OrderStatus, *triggers: OrderTrigger) -> Row:
    return dict.fromkeys(triggers, status)


FILLS: Row = {E.PARTIAL_FILL: S.PARTIALLY_FILLED, E.FILL: S.FILLED}
ENDS: Row = {E.CANCELED: S.CANCELED, E.EXPIRED: S.EXPIRED}
SENT: Row = {E.CANCEL_SENT: S.PENDING_CANCEL, E.REPLACE_SENT: S.PENDING_REPLACE}
CANCEL: Row = {E.CANCEL_SENT: S.PENDING_CANCEL}
# An answer and the stream overtake each other; other clients may change an order of ours too.
LATE = E.ACCEPTED, E.CANCEL_REJECTED, E.REPLACED, E.REPLACE_REJECTED

TRANSITIONS: dict[OrderStatus, Row] = {
    S.PENDING_NEW: FILLS | ENDS | CANCEL | {E.ACCEPTED: S.NEW, E.REJECTED: S.REJECTED},
    S.NEW: FILLS | ENDS | SENT | stay(S.NEW, *LATE),
    S.PARTIALLY_FILLED: FILLS | ENDS | SENT | stay(S.PARTIALLY_FILLED, *LATE),
    S.PENDING_CANCEL: FILLS
    | ENDS
    | {E.REJECTED: S.REJECTED, E.CANCEL_REJECTED: S.NEW}
    | stay(S.PENDING_CANCEL, E.ACCEPTED, E.PARTIAL_FILL, E.REPLACED, E.REPLACE_REJECTED),
    S.PENDING_REPLACE: FILLS
    | ENDS
    | CANCEL
    | {E.REPLACED: S.NEW, E.REPLACE_REJECTED: S.NEW}
    | stay(S.PENDING_REPLACE, E.ACCEPTED, E.PARTIAL_FILL, E.CANCEL_REJECTED),
    S.CANCELED: {E.FILL: S.FILLED} | stay(S.CANCELED, *LATE, E.PARTIAL_FILL, E.CANCELED),
    S.EXPIRED: {E.FILL: S.FILLED} | stay(S.EXPIRED, *LATE, E.PARTIAL_FILL, E.EXPIRED),
    S.FILLED: stay(S.FILLED, *LATE, E.FILL, E.CANCELED, E.EXPIRED),
    S.REJECTED: stay(S.REJECTED, E.REJECTED, E.CANCEL_REJECTED),
}

PENDING = frozenset({S.PENDING_NEW, S.PENDING_CANCEL, S.PENDING_REPLACE})
OPEN_STATUSES = frozenset({S.NEW, S.PARTIALLY_FILLED})


class Facts(msgspec.Struct, frozen=True):
    """What came with a trigger; None and "" say nothing about a field."""

    venue_order_id: str = ""
    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None
    post_only: bool | None = None
    cum_quantity: Decimal | None = None  # as the venue states it; never lowers ours
    avg_price: Decimal | None = None
    reason: RejectReason | None = None
    text: str = ""
    updated_ns: int | None = None  # venue time of this view of the order
    trigger_offset: Decimal | None = None
    display_quantity: Decimal | None = None
    working_price: Decimal | None = None


NOTHING = Facts()


class Order:
    """One order; `state` is what others see of it, and only apply() and its kin change it.

    Attributes:
        state: the order as a message.
        venue_order_ids: every id the venue gave it; some venues issue a new one at a modify.
        wanted: the modify that is under way, None if none is.
    """

    __slots__ = (
        "_exec_ids",
        "_filled",
        "_updated_ns",
        "_value",
        "state",
        "venue_order_ids",
        "wanted",
    )

    def __init__(self, state: OrderUpdated) -> None:
        self.state = state
        self.venue_order_ids = {state.venue_order_id} - {""}
        self.wanted: Facts | None = None
        self._exec_ids: set[str] = set()
        self._filled = ZERO  # the sum of the fills that were seen
        self._value = ZERO  # their prices times quantities
        self._updated_ns = 0  # the newest venue time that was applied

    @property
    def is_final(self) -> bool:
        return self.state.status.is_final

    @property
    def is_pending(self) -> bool:
        return self.state.status in PENDING

    @property
    def has_all_fills(self) -> bool:
        """Every execution behind cum_quantity was counted one by one."""
        return self._filled >= self.state.cum_quantity

    def is_older_than(self, updated_ns: int) -> bool:
        """A view of that venue time is newer than all that were applied."""
        return self._updated_ns < updated_ns

    def set_back(self, by_ns: int) -> None:
        """The venue's clock was: what it tells from now on is newer for all its earlier time."""
        self._updated_ns -= by_ns

    def believe(self, updated_ns: int) -> None:
        """A view of that time is the newest, whatever later time another one had."""
        self._updated_ns = min(self._updated_ns, updated_ns)

    def allows(self, trigger: OrderTrigger) -> bool:
        return trigger in TRANSITIONS[self.state.status]

    def apply(
        self,
        trigger: OrderTrigger,
        now_ns: int,
        facts: Facts = NOTHING,
        event: OrderTrigger | None = None,
    ) -> bool:
        """Take one step; False if it is illegal or changes nothing.

        Args:
            event: what others are told happened; the trigger by default.
        """
        if not self.allows(trigger):
            return False
        if self._is_stale(facts):
            if trigger is E.REPLACED:
                return False
            facts = Facts(cum_quantity=facts.cum_quantity, avg_price=facts.avg_price)
        before = self.state
        values = self._quantities(trigger, facts) | self._terms(trigger, facts)
        self._note(trigger, facts)
        status = self._status(trigger, values["cum_quantity"], values["quantity"])
        in_doubt = before.in_doubt_since_ns if status in PENDING else None
        changed = msgspec.structs.replace(
            before, status=status, in_doubt_since_ns=in_doubt, **values
        )
        if changed == before:
            return False
        self.state = msgspec.structs.replace(
            changed, event=event or trigger, revision=before.revision + 1, updated_ns=now_ns
        )
        return True

    def count(
        self,
        exec_id: str,
        price: Decimal,
        quantity: Decimal,
        now_ns: int,
        venue_order_id: str = "",
        event: OrderTrigger | None = None,
    ) -> bool:
        """Count one execution; False if this exec_id was counted before.

        An order that was proved REJECTED takes no quantity any more: who calls must raise alarm.
        """
        if not self.mark_counted(exec_id, price, quantity):
            return False
        facts = Facts(venue_order_id=venue_order_id, cum_quantity=self._filled)
        done = max(self._filled, self.state.cum_quantity) >= self._full_quantity()
        self.apply(E.FILL if done else E.PARTIAL_FILL, now_ns, facts, event)
        return True

    def mark_counted(self, exec_id: str, price: Decimal, quantity: Decimal) -> bool:
        """Remember an execution that the state holds already; False if it is known."""
        if exec_id in self._exec_ids:
            return False
        self._exec_ids.add(exec_id)
        if self.state.status is not S.REJECTED:
            self._filled += quantity
            self._value += price * quantity
        return True

    def doubt(self, now_ns: int) -> bool:
        """The venue has not told the order's fate in time, or lists it no more."""
        if self.is_final or self.state.in_doubt_since_ns is not None:
            return False
        self.state = msgspec.structs.replace(
            self.state,
            in_doubt_since_ns=now_ns,
            event=E.IN_DOUBT,
            revision=self.state.revision + 1,
            updated_ns=now_ns,
        )
        return True

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        state = self.state
        assert state.cum_quantity + state.leaves_quantity == state.quantity
        assert state.leaves_quantity >= 0 and state.cum_quantity >= self._filled >= 0
        assert (state.status is S.FILLED) <= (state.leaves_quantity == 0)
        assert state.in_doubt_since_ns is None or not self.is_final

    def _is_stale(self, facts: Facts) -> bool:
        """These facts are older than others that were applied."""
        return facts.updated_ns is not None and facts.updated_ns < self._updated_ns

    def _note(self, trigger: OrderTrigger, facts: Facts) -> None:
        if trigger is E.REPLACE_SENT:
            self.wanted = facts
        elif trigger in (E.REPLACED, E.REPLACE_REJECTED):
            self.wanted = None
        if facts.venue_order_id:
            self.venue_order_ids.add(facts.venue_order_id)
        self._updated_ns = max(self._updated_ns, facts.updated_ns or 0)

    def _full_quantity(self) -> Decimal:
        """What completes the order: with a larger quantity on its way, that one."""
        wanted = self.wanted.quantity if self.wanted is not None else None
        return max(self.state.quantity, wanted or ZERO)

    def _terms(self, trigger: OrderTrigger, facts: Facts) -> dict[str, Any]:
        """The fields that describe the order; a modify under way changes nothing yet."""
        if trigger in (E.REPLACE_SENT, E.CANCEL_SENT):
            return {"reject_reason": None, "text": ""}
        asked = self.wanted if trigger is E.REPLACED and self.wanted is not None else NOTHING
        values: dict[str, Any] = {}
        for name in TERMS:
            stated, wanted = getattr(facts, name), getattr(asked, name)
            value = wanted if stated is None else stated
            if value is not None:
                values[name] = value
        if facts.venue_order_id:
            values["venue_order_id"] = facts.venue_order_id
        if facts.reason is not None or facts.text:
            values |= {"reject_reason": facts.reason, "text": facts.text}
        return values

    def _quantities(self, trigger: OrderTrigger, facts: Facts) -> dict[str, Any]:
        state = self.state
        cum = max(state.cum_quantity, self._filled, facts.cum_quantity or ZERO)
        quantity = state.quantity
        if trigger is not E.REPLACE_SENT:
            asked = self.wanted.quantity if self.wanted and trigger is E.REPLACED else None
            quantity = facts.quantity or asked or quantity
        if trigger is E.FILL and cum < quantity:
            cum = quantity
        quantity = max(quantity, cum)  # more filled than asked for: the venue's word counts
        values = {"quantity": quantity, "cum_quantity": cum, "leaves_quantity": quantity - cum}
        average = self._average(cum, facts)
        return values | ({"avg_price": average} if average is not None else {})

    def _average(self, cum: Decimal, facts: Facts) -> Decimal | None:
        if self._filled and self._filled >= cum:
            return self._value / self._filled
        return facts.avg_price if facts.avg_price else None

    def _status(self, trigger: OrderTrigger, cum: Decimal, quantity: Decimal) -> OrderStatus:
        status = TRANSITIONS[self.state.status][trigger]
        if cum >= quantity and status is not S.REJECTED and not self._grows():
            return S.FILLED
        if status is S.NEW and cum > 0:
            return S.PARTIALLY_FILLED
        return status

    def _grows(self) -> bool:
        """A modify to a larger quantity is under way: a full fill may not be the end."""
        return self._full_quantity() > self.state.quantity
