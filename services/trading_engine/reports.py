"""What the venue says about orders and fills, merged into ours.

Answers, the stream and queries carry the same things in any order and any number of times; the
newer view of an order holds, a fill counts once. Orders that are not ours are adopted as external.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common import messages as m
from common.codec import NAME
from common.domain.order import NOTHING, OPEN_STATUSES, Facts, Order
from common.messages import OrderTrigger as E
from common.venues.order_entry import VenueFill, VenueOrder, VenueOrderState
from services.trading_engine.ids import start_of
from services.trading_engine.records import FillRecord, StartRecord
from services.trading_engine.state import EngineState

ORPHAN_WAIT_NS = 1_000_000_000  # how long a fill may precede all word of its order
ENDS = {
    VenueOrderState.FILLED: E.FILL,
    VenueOrderState.CANCELED: E.CANCELED,
    VenueOrderState.EXPIRED: E.EXPIRED,
    VenueOrderState.REJECTED: E.REJECTED,
}
ZERO = Decimal(0)
FILL_TIME_NS = 1_000_000  # times of fills are told in whole milliseconds, rounded down
STATED = ("price", "quantity", "trigger_price")
SOMETIMES_STATED = ("trigger_offset", "display_quantity")  # a view without says nothing of them


class Reports:
    """Turns the venue's records into steps of our orders."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._orphans: list[tuple[int, VenueFill, str]] = []  # due, fill, source
        self._based_ns = 0  # venue time of the positions that ours are counted from
        self.is_base_unsure = False  # they may have a fill of that very millisecond, or not

    # --- orders -------------------------------------------------------------------------------

    def find_seen(self, seen: VenueOrder) -> Order | None:
        """Our order that this is a view of."""
        parent, primary = seen.parent_venue_order_id, seen.primary_venue_order_id
        order = self.find(seen.venue_order_id, seen.label, parent, primary)
        if order is None and seen.handed_on and self._state.ids.is_ours(seen.label):
            return self._state.store.get(seen.label)  # we know what it became by now
        return order

    def find(
        self, venue_order_id: str, label: str, parent: str = "", primary: str = ""
    ) -> Order | None:
        """Our order of that id; by label only while the venue's id is not known to us, or when the
        venue made another one of the same linked order, for which the primary order speaks."""
        store = self._state.store
        order = store.by_venue_id(venue_order_id)
        if order is None and parent:
            order = store.by_venue_id(parent)
        if order is None and self._state.ids.is_ours(label):
            order = store.get(label)
            if order is not None and order.venue_order_ids and not self._is_of(order, primary):
                return None  # somebody else wrote our id on another order
        if order is None:
            order = self._quote_of(label)
            if order is not None and order.venue_order_ids:
                return None  # what it was to be replaced by became another order
        return order

    def _is_of(self, order: Order, primary: str) -> bool:
        """It is linked to our order with this id at the venue."""
        first = self._state.store.by_venue_id(primary) if order.state.is_secondary else None
        return first is not None and first.state.client_order_id == order.state.link_id

    def succeeds(self, seen: VenueOrder) -> bool:
        """It became of a quote that was to replace another one of ours, which had ended."""
        return self.find_seen(seen) is None and self._quote_of(seen.label) is not None

    def _quote_of(self, label: str) -> Order | None:
        """The quote that was sent under this name."""
        return self._state.store.get(self._state.quotes.named(label))

    def on_order(self, seen: VenueOrder, source: str, now_ns: int, answers: str = "") -> Order:
        """Merge one view of an order.

        Args:
            answers: the kind of call this view came back from: "place", "modify", "cancel" or "".
        """
        order = self.find_seen(seen)
        if order is None:
            before = self._quote_of(seen.label)
            if before is None:
                self._count_external(seen, source)
            order = self._adopt(seen, now_ns, before)
        return self._merge(order, seen, source, now_ns, answers)

    def take_back(self, seen: VenueOrder, now_ns: int) -> Order:
        """It is open at the venue and had ended here: count it as one from outside."""
        self._count_external(seen, "query")
        order = self._adopt(seen, now_ns)
        for fill in self._state.store.fills_after(0):
            if fill.venue_order_id == seen.venue_order_id and not fill.is_leg:
                order.mark_counted(fill.exec_id, fill.last_price, fill.last_quantity)
        return self._merge(order, seen, "query", now_ns)

    def _merge(
        self, order: Order, seen: VenueOrder, source: str, now_ns: int, answers: str = ""
    ) -> Order:
        if seen.parent_venue_order_id:
            order.venue_order_ids.add(seen.parent_venue_order_id)
        if self._is_past(order, seen):
            order.venue_order_ids.add(seen.venue_order_id)
            self._state.store.put(order)
            return order
        for trigger, facts in self._steps(order, seen, answers):
            event = E.RECONCILED if source == "query" and not answers else None
            if order.apply(trigger, now_ns, facts, event):
                self._state.publish(order, source, seen.updated_ns)
                if seen.liquidation:
                    self._reduce_for_liquidation(order.state.instrument)
        self._state.store.put(order)
        self._flush_orphans(seen.venue_order_id, now_ns)
        return order

    @staticmethod
    def _is_past(order: Order, seen: VenueOrder) -> bool:
        """The waiting order that this one was born from, whichever of them is told first."""
        now = order.state.venue_order_id
        if seen.venue_order_id in order.venue_order_ids - {now}:
            return True
        return seen.handed_on and now not in ("", seen.venue_order_id)

    def _steps(self, order: Order, seen: VenueOrder, answers: str) -> list[tuple[E, Facts]]:
        facts = Facts(
            venue_order_id=seen.venue_order_id,
            price=seen.price,
            quantity=seen.quantity,
            trigger_price=seen.trigger_price,
            post_only=seen.post_only,
            cum_quantity=seen.cum_quantity,
            avg_price=seen.avg_price,
            text=seen.text,
            updated_ns=seen.updated_ns,
            trigger_offset=seen.trigger_offset,
            display_quantity=seen.display_quantity,
            working_price=seen.working_price,
        )
        steps = []
        if self._is_replaced(order, seen, answers):
            terms = msgspec.structs.replace(facts, cum_quantity=None, avg_price=None)
            steps.append((E.REPLACED, terms))  # what it filled is a step of its own
        if seen.state is VenueOrderState.OPEN:
            grown = seen.cum_quantity > order.state.cum_quantity
            steps.append((E.PARTIAL_FILL if grown else E.ACCEPTED, facts))
        else:
            steps.append((ENDS[seen.state], facts))
        return steps

    @staticmethod
    def _is_replaced(order: Order, seen: VenueOrder, answers: str) -> bool:
        """The view shows a modify done: ours, or one that another client made."""
        state, wanted = order.state, order.wanted
        if answers == "modify":
            # An edit that the venue answers with the end of the order was not carried out.
            return seen.state in (VenueOrderState.OPEN, VenueOrderState.FILLED)
        if _shows(seen, state, NOTHING) or seen.state is VenueOrderState.REJECTED:
            return False
        if state.status is m.OrderStatus.PENDING_REPLACE and wanted is not None:
            return _shows(seen, state, wanted)
        return state.status in OPEN_STATUSES

    def _count_external(self, seen: VenueOrder, source: str) -> None:
        """Orders that are not from here: the first ones are a reason to take less risk; too many,
        or any under our own name, halt the desk."""
        state = self._state
        if state.ids.is_ours(seen.label) and state.store.get(seen.label) is None:
            is_new = source == "stream" and seen.state is VenueOrderState.OPEN and state.is_ready
            if is_new:
                state.trip = "somebody else sends orders with this engine's ids"
            return
        state.external_orders += 1
        limit = state.limits.max_external_orders
        if limit is not None and state.external_orders > limit:
            text = f"{state.external_orders} orders came from outside, the limit is {limit}"
            state.trip = state.trip or text
        else:
            self.reduce(f"an order of {state.market.name_of(seen.symbol)} came from outside")

    def _reduce_for_liquidation(self, instrument: str) -> None:
        """Whoever else may trade this account: the venue found it to have too much risk."""
        state, code = self._state, m.RejectReason.EXTERNAL_ORDERS
        reason = f"the venue liquidates this account: {instrument}"
        state.tighten(state.venue, m.TradingMode.REDUCING, reason, code)

    def reduce(self, reason: str) -> None:
        """Somebody else trades this account, or the venue does: until a person has looked, no more
        risk from here. Accounts without max_external_orders are shared on purpose."""
        state = self._state
        if state.limits.max_external_orders is not None:
            code = m.RejectReason.EXTERNAL_ORDERS
            state.tighten(state.venue, m.TradingMode.REDUCING, reason, code)

    def _adopt(self, seen: VenueOrder, now_ns: int, before: Order | None = None) -> Order:
        """An order we know nothing of: placed by hand, by another client, or by a lost journal.

        Args:
            before: the quote that this one, sent to replace it, came too late for.
        """
        state = self._state
        ours = state.ids.is_ours(seen.label) and state.store.get(seen.label) is None
        if ours:
            self._leave_alone(seen.label)
        order = Order(
            m.OrderUpdated(
                client_order_id=seen.label if ours else state.ids.next(),
                venue_order_id=seen.venue_order_id,
                instrument=state.market.name_of(seen.symbol),
                venue=state.venue,
                account=state.account,
                owner=before.state.owner if before else "",
                side=seen.side,
                order_type=seen.order_type,
                price=seen.price,
                quantity=seen.quantity,
                time_in_force=seen.time_in_force,
                status=m.OrderStatus.PENDING_NEW,
                cum_quantity=ZERO,
                leaves_quantity=seen.quantity,
                avg_price=None,
                event=E.PLACED,
                revision=0,
                created_ns=seen.created_ns or now_ns,
                updated_ns=now_ns,
                post_only=seen.post_only,
                reduce_only=seen.reduce_only,
                trigger_price=seen.trigger_price,
                trigger=seen.trigger,
                trigger_offset=seen.trigger_offset,
                display_quantity=seen.display_quantity,
                price_type=seen.price_type,
                working_price=seen.working_price,
                external=before is None,
                request_id=before.state.request_id if before else "",
                tag=before.state.tag if before else _tag(seen),
                quote_id=seen.quote.quote_id if seen.quote else "",
                quote_set=seen.quote.quote_set if seen.quote else "",
                mmp_group=seen.quote.group if seen.quote else "",
            )
        )
        state.quotes.file(order.state)
        if before is not None:
            return order
        state.out.alert(
            "WARNING",
            "adopted an order that was not placed through this engine",
            client_order_id=order.state.client_order_id,
            venue_order_id=seen.venue_order_id,
            instrument=order.state.instrument,
        )
        return order

    def _leave_alone(self, label: str) -> None:
        """An id of ours that we know nothing of: the journal was lost, or an old one restored."""
        state = self._state
        if state.ids.raise_above(start_of(label)):
            state.out.record(StartRecord(state.ids.start_counter))
            text = "the venue shows newer ids than the journal: the start counter was raised"
            state.out.alert("ERROR", text, client_order_id=label)

    # --- fills --------------------------------------------------------------------------------

    def on_fill(self, seen: VenueFill, source: str, now_ns: int) -> None:
        """Count one execution; of an order nobody spoke of yet, wait a moment for that."""
        order = self.find(seen.venue_order_id, seen.label)
        if self._state.store.knows_fill(seen.exec_id):
            if order is not None and not seen.is_leg:  # told before the order was known
                order.mark_counted(seen.exec_id, seen.price, seen.quantity)
            return
        if order is None and source == "stream":
            if all(fill.exec_id != seen.exec_id for _, fill, _ in self._orphans):
                self._orphans.append((now_ns + ORPHAN_WAIT_NS, seen, source))
            return
        self._count(order, seen, source, now_ns)

    def keep_old(self, seen: VenueFill) -> None:
        """A fill from before our time: for the record, not an event."""
        if not self._state.store.knows_fill(seen.exec_id):
            fill = self._fill(None, seen)
            self._state.store.add_fill(fill)
            self._move(fill)
            self._state.out.record(FillRecord(fill))

    def next_ns(self) -> int | None:
        return self._orphans[0][0] if self._orphans else None

    def on_time(self, now_ns: int) -> None:
        """Give up waiting for word of the orders of early fills."""
        while self._orphans and self._orphans[0][0] <= now_ns:
            _, fill, source = self._orphans.pop(0)
            if self._state.store.knows_fill(fill.exec_id):
                continue  # an answer told it as well
            self._count(None, fill, source, now_ns)

    def _flush_orphans(self, venue_order_id: str, now_ns: int) -> None:
        mine = [item for item in self._orphans if item[1].venue_order_id == venue_order_id]
        if mine:
            self._orphans = [item for item in self._orphans if item not in mine]
            for _, fill, source in mine:
                self.on_fill(fill, source, now_ns)

    def rebase(self, positions: dict[str, Decimal], told_ns: int) -> None:
        """The venue told its positions of that time; what was filled later comes on top."""
        store = self._state.store
        store.positions, self._based_ns, self.is_base_unsure = positions, told_ns, False
        for fill in store.fills_after(told_ns - FILL_TIME_NS):
            self._move(fill)

    def _count(self, order: Order | None, seen: VenueFill, source: str, now_ns: int) -> None:
        state = self._state
        fill = self._fill(order, seen)
        state.store.add_fill(fill)
        self._move(fill)
        state.out.record(FillRecord(fill))
        if seen.liquidation:
            self._reduce_for_liquidation(fill.instrument)
        elif order is None and not state.ids.is_ours(seen.label):
            self.reduce(f"a fill of {fill.instrument} came from outside")
        if order is not None and not fill.is_leg:
            self._count_in(order, fill, source, now_ns)
        state.publish_fill(fill)

    def _move(self, fill: m.Fill) -> None:
        if fill.filled_ns > self._based_ns:  # else the venue's positions have it
            self._state.store.move(fill)
        elif fill.filled_ns > self._based_ns - FILL_TIME_NS:
            self.is_base_unsure = True

    def _count_in(self, order: Order, fill: m.Fill, source: str, now_ns: int) -> None:
        before = order.state
        if before.status is m.OrderStatus.REJECTED:
            self._state.out.alert(
                "ERROR",
                "a fill of an order that was called rejected",
                client_order_id=before.client_order_id,
                exec_id=fill.exec_id,
            )
        event = E.RECONCILED if source == "query" else None
        order.count(
            fill.exec_id,
            fill.last_price,
            fill.last_quantity,
            now_ns,
            fill.venue_order_id,
            event,
        )
        if order.state is not before:
            self._state.publish(order, source, fill.filled_ns)

    def _fill(self, order: Order | None, seen: VenueFill) -> m.Fill:
        state = self._state
        label = seen.label if state.ids.is_ours(seen.label) else ""
        return m.Fill(
            exec_id=seen.exec_id,
            client_order_id=order.state.client_order_id if order else label,
            venue_order_id=seen.venue_order_id,
            instrument=state.market.name_of(seen.symbol),
            venue=state.venue,
            account=state.account,
            owner=order.state.owner if order else "",
            side=seen.side,
            last_price=seen.price,
            last_quantity=seen.quantity,
            liquidity=seen.liquidity,
            fee=seen.fee,
            fee_currency=seen.fee_currency,
            filled_ns=seen.filled_ns,
            external=order.state.external if order else True,
            tag=order.state.tag if order else "",
            combo=state.market.name_of(seen.combo) if seen.combo else "",
        )


def shows_terms(seen: VenueOrder, order: Order) -> bool:
    """The view has the terms of the order as they are here."""
    return _shows(seen, order.state, NOTHING)


def _shows(seen: VenueOrder, state: m.OrderUpdated, wanted: Facts) -> bool:
    """The view has the terms of the order, those that a modify wants instead."""
    if state.quote_id and wanted.quantity is not None:
        # What is to remain of a quote comes on top of what was filled meanwhile.
        return seen.price == wanted.price and seen.quantity >= wanted.quantity
    for name in (*STATED, *SOMETIMES_STATED):
        asked, value = getattr(wanted, name), getattr(seen, name)
        if asked is None and value is None and name in SOMETIMES_STATED:
            continue
        if value != (getattr(state, name) if asked is None else asked):
            return False
    return True


def _tag(seen: VenueOrder) -> str:
    """The label that another client gave it; a quote has none."""
    return seen.label if seen.quote is None and NAME.match(seen.label) else ""
