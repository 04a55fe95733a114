"""Order calls: from a decided order to a frame on the link, and what its answer does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from common import core as c, messages as m
from common.domain import risk
from common.domain.order import Facts, Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from common.venues.order_entry import CallDone, CallRefused, OrderEntry, VenueCall
from services.trading_engine.answers import ANSWER_WAIT_NS
from services.trading_engine.ledger import Item
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.records import Entry, IntentRecord, SentRecord
from services.trading_engine.reports import Reports
from services.trading_engine.state import MASS_QUOTE, Call, EngineState

NS_PER_MS = 1_000_000
REFUSED = {
    "place": E.REJECTED,
    "modify": E.REPLACE_REJECTED,
    "cancel": E.CANCEL_REJECTED,
    "cancel_all": E.CANCEL_REJECTED,
}
PASSED = {"place": risk.PASSED_BY_PLACE, "modify": risk.PASSED_BY_MODIFY}
GONE = frozenset({R.ORDER_CLOSED, R.UNKNOWN_ORDER})


class Calls:
    """Sends places, modifies and cancels, and takes their answers."""

    def __init__(
        self, state: EngineState, entry: OrderEntry, reports: Reports, doubts: Reconciler
    ) -> None:
        self._state = state
        self._entry = entry
        self._reports = reports
        self._doubts = doubts
        self._unanswered: deque[Call] = deque()  # in the order of sending

    # --- sending ------------------------------------------------------------------------------

    def place(
        self, order: Order, item: Item, reprice: bool, now_ns: int, linked: Sequence[Order] = ()
    ) -> None:
        """linked: what is placed together with it, in one call."""
        state = self._state
        call = self._call("place", order, now_ns)
        call.orders += [other.state.client_order_id for other in linked]
        symbol = state.market.symbol_of(order.state.instrument)
        others = [other.state for other in linked]
        made = self._entry.place(order.state, symbol, call.valid_until_ns, reprice, call, others)
        for each in (order, *linked):
            state.publish(each, "self")
            self._intend(item, each, call, Facts())
        self._send(call, made.method, made.frame, order=order)

    def modify(self, order: Order, item: Item, wanted: Facts, now_ns: int) -> None:
        call = self._call("modify", order, now_ns)
        before = order.state
        made = self._entry.modify(before, wanted, call.valid_until_ns, call)
        order.apply(E.REPLACE_SENT, now_ns, wanted)
        self._state.publish(order, "self")
        self._intend(item, order, call, wanted)
        self._send(call, made.method, made.frame, order=order)

    def cancel(self, order: Order, now_ns: int, item: Item | None = None) -> None:
        """Queue a cancel; it goes before everything else that waits."""
        if item is not None:
            call = Call("cancel", now_ns, order.state.client_order_id)
            self._intend(item, order, call, Facts())
        self._state.cancels[order.state.client_order_id] = None
        self.send_cancels(now_ns)

    def cancel_all(
        self,
        filters: m.CancelAll,
        orders: list[Order],
        now_ns: int,
        *,
        at_any_cost: bool = False,
    ) -> bool:
        """One call for them all, if the venue has it and the budget allows.

        Args:
            at_any_cost: do not ask the budget, and do not wait for the journal.
        """
        market = self._state.market
        symbol = market.symbol_of(filters.instrument) if filters.instrument else ""
        make = partial(self._entry.cancel_all, filters, symbol)
        return self.cancel_together(make, orders, now_ns, at_any_cost=at_any_cost)

    def cancel_together(
        self,
        make: Callable[[Call], VenueCall | None],
        orders: list[Order],
        now_ns: int,
        *,
        at_any_cost: bool = False,
    ) -> bool:
        """The same for any call that cancels many.

        What the venue knows is cancelled at once. An order that still waits for the journal must
        not be overtaken by its own cancel: those get a call of their own behind it.
        """
        at_once = [o for o in orders if o.state.venue_order_id or at_any_cost]
        waiting = [o for o in orders if not (o.state.venue_order_id or at_any_cost)]
        if not waiting:
            return self._send_together(make, orders, now_ns, True, at_any_cost)
        if at_once and not self._send_together(make, at_once, now_ns, True):
            return False
        if self._send_together(make, waiting, now_ns, False):
            return True
        if at_once:  # one by one then, as the budget allows
            self._state.cancels |= {order.state.client_order_id: None for order in waiting}
        return bool(at_once)

    def _send_together(
        self,
        make: Callable[[Call], VenueCall | None],
        orders: list[Order],
        now_ns: int,
        urgent: bool,
        at_any_cost: bool = False,
    ) -> bool:
        state = self._state
        if not at_any_cost and state.pacer.ready_ns(now_ns, is_cancel=True) > now_ns:
            return False  # before it is made: a call that is made waits for its answer
        call = Call("cancel_all", now_ns, valid_until_ns=now_ns)
        made = make(call)
        if made is None:
            return False
        state.pacer.spent(now_ns)
        for order in orders:
            call.orders.append(order.state.client_order_id)
            if order.apply(E.CANCEL_SENT, now_ns):
                state.publish(order, "self")
        self._send(call, made.method, made.frame, urgent=urgent)
        return True

    def send_cancels(self, now_ns: int) -> None:
        """Send what the budget allows of the cancels that wait."""
        state = self._state
        while state.cancels and state.logged_in and state.pacer.take(now_ns, is_cancel=True):
            name = next(iter(state.cancels))
            del state.cancels[name]
            order = state.store.get(name)
            if order is not None and not order.is_final:
                self._send_cancel(order, now_ns)

    def _send_cancel(self, order: Order, now_ns: int) -> None:
        state = self._state
        known = state.market.instrument(order.state.instrument)
        currency = known.definition.settlement if known else ""
        call = self._call("cancel", order, now_ns)
        made = self._entry.cancel(order.state, currency, call)
        if order.apply(E.CANCEL_SENT, now_ns):
            state.publish(order, "self")
        self._send(call, made.method, made.frame, urgent=bool(order.state.venue_order_id))

    def _call(self, kind: str, order: Order, now_ns: int) -> Call:
        valid_until = now_ns + self._state.config.order_valid_for_ms * NS_PER_MS
        name = order.state.client_order_id
        return Call(kind, now_ns, name, valid_until_ns=valid_until, orders=[name])

    def _send(
        self,
        call: Call,
        method: str,
        frame: bytes,
        *,
        urgent: bool = False,
        order: Order | None = None,
    ) -> None:
        sent = self.expect(call, method)
        self._state.send(frame, urgent=urgent, sent_record=sent, order=order)

    def expect(self, call: Call, method: str) -> Entry:
        """Watch for the answer to a call; returns the record of its sending."""
        call.method = method
        self._unanswered.append(call)
        return Entry(0, [SentRecord(call.kind, method, list(call.orders))])

    def _intend(self, item: Item, order: Order, call: Call, wanted: Facts) -> None:
        self._state.out.record(
            IntentRecord(
                item.request.key,
                item.request.request_id,
                item.index,
                item.kind,
                order.state,
                call.valid_until_ns,
                wanted.price,
                wanted.quantity,
                wanted.trigger_price,
                wanted.post_only,
                PASSED.get(item.kind, []),
                wanted.trigger_offset,
                wanted.display_quantity,
            )
        )

    # --- answers ------------------------------------------------------------------------------

    def on_answer(self, call: Call, done: CallDone, now_ns: int) -> None:
        """Merge what came back; a refusal ends the call unless it leaves the outcome open."""
        refused = done.refused
        self.log(call, "ok" if refused is None else f"{refused.code} {refused.text}", now_ns)
        for seen in done.orders:
            self._reports.on_order(seen, "answer", now_ns, call.kind)
        for fill in done.fills:
            self._reports.on_fill(fill, "answer", now_ns)
        if refused is None and (not done.orders or self._lacks_word(call)):
            call.answered = True  # a mere count, or not all of them: the stream tells the rest
            return
        self._forget(call)
        for order in self._orders_of(call):
            if refused is not None:
                self._refuse(order, call, refused, now_ns)
            elif call.kind == "modify" and order.state.status is S.PENDING_REPLACE:
                # The answer is of an earlier time than what was told besides: ask what holds.
                self._doubts.begin(order, _horizon_ns(call), now_ns, is_doubt=False)

    def _lacks_word(self, call: Call) -> bool:
        """The venue took the call and has not spoken of every order in it yet."""
        linked = self._orders_of(call)[1:] if call.kind == "place" else []
        return any(order.state.status is S.PENDING_NEW for order in linked)

    def _refuse(self, order: Order, call: Call, refused: CallRefused, now_ns: int) -> None:
        gone = refused.reason in GONE
        if refused.unknown or (gone and call.kind == "cancel"):
            # "Not open" says that it ended, not how: that is asked for.
            unknown = refused.unknown
            self._doubts.begin(order, _horizon_ns(call), now_ns, is_doubt=unknown)
            return
        facts = Facts(reason=refused.reason, text=refused.text)
        if order.apply(REFUSED[call.kind], now_ns, facts):
            self._state.publish(order, "answer")
        if gone and not order.is_final:
            self._doubts.begin(order, _horizon_ns(call), now_ns, is_doubt=False)

    def on_lost(self, call: Call, now_ns: int) -> None:
        """The link dropped before the answer: the outcome is unknown."""
        self._forget(call)
        self.log(call, "lost", now_ns)
        self._doubt(call, now_ns)

    def on_clock_moved(self, by_ns: int) -> None:
        """Until when the venue may still accept what is on its way is by its clock."""
        for call in self._unanswered:
            if call.kind != MASS_QUOTE:  # those are awaited for longer, elsewhere
                call.valid_until_ns -= by_ns

    def log(self, call: Call, outcome: str, now_ns: int) -> None:
        if call.is_logged:
            return
        call.is_logged = True
        latency_ms = (now_ns - call.sent_ns) / NS_PER_MS
        self._state.out.add(c.ApiCalled(call.method, latency_ms, outcome, call.client_order_id))

    @property
    def is_waiting(self) -> bool:
        """Calls are on their way."""
        return bool(self._unanswered)

    def forget(self, client_order_id: str) -> list[str]:
        """The place or modify of this order was never sent.

        Returns:
            The orders that this concerns: with it those that it was to be placed with.
        """
        concerned = {client_order_id: None}
        for call in list(self._unanswered):
            if call.client_order_id == client_order_id and call.kind in ("place", "modify"):
                self._unanswered.remove(call)
                concerned |= dict.fromkeys(call.orders)
        return list(concerned)

    def over(self, call: Call) -> None:
        """Nothing more is awaited of it."""
        self._forget(call)

    def _forget(self, call: Call) -> None:
        if call in self._unanswered:
            self._unanswered.remove(call)

    # --- time ---------------------------------------------------------------------------------

    def next_ns(self, now_ns: int) -> int | None:
        due = [self._unanswered[0].sent_ns + ANSWER_WAIT_NS] if self._unanswered else []
        if self._state.cancels and self._state.logged_in:
            due.append(self._state.pacer.ready_ns(now_ns, is_cancel=True))
        return min(due, default=None)

    def on_time(self, now_ns: int) -> None:
        while self._unanswered and self._unanswered[0].sent_ns + ANSWER_WAIT_NS <= now_ns:
            call = self._unanswered.popleft()
            if not call.answered:
                self.log(call, "no answer", now_ns)
            self._doubt(call, now_ns)
        self.send_cancels(now_ns)

    def _doubt(self, call: Call, now_ns: int) -> None:
        for order in self._orders_of(call):
            if order.is_pending:
                self._doubts.begin(order, _horizon_ns(call), now_ns)

    def _orders_of(self, call: Call) -> list[Order]:
        found = (self._state.store.get(name) for name in call.orders)
        return [order for order in found if order is not None]


def _horizon_ns(call: Call) -> int:
    """Until when the venue may still do what makes an order or changes its terms. A cancel does
    neither: however late it comes, an order that is absent stays so."""
    return call.sent_ns if call.kind in ("cancel", "cancel_all") else call.valid_until_ns
