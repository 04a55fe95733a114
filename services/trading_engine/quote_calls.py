"""Mass quotes at the venue: one call for many orders, and what its answer means for each of them.

A side whose slot is free is a new order; one whose slot is taken changes the order there, which
keeps its client_order_id as long as the venue keeps its order. If that order ended before the call
arrived, the venue makes a new one: the answer shows it, and it is taken as the other's successor,
with the same owner. Until it is known what came of the call both count, as both may trade: by the
answer, or, without one, by reading the whole account when the call can do nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

import msgspec

from common import core as c, messages as m
from common.domain import risk
from common.domain.order import Facts, Order
from common.messages import OrderTrigger as E, RejectReason as R
from common.venues.order_entry import (
    CallDone,
    CallRefused,
    QuoteSide,
    QuoteTag,
    Quoting,
    VenueOrder,
)
from services.trading_engine.answers import Answers
from services.trading_engine.calls import GONE, NS_PER_MS, Calls
from services.trading_engine.evidence import AFTER_HORIZON_NS, AGAIN_NS
from services.trading_engine.ledger import Item
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.records import IntentRecord
from services.trading_engine.reports import Reports
from services.trading_engine.state import MASS_QUOTE, Call, EngineState

REFUSED = {"place": E.REJECTED, "modify": E.REPLACE_REJECTED, "cancel": E.CANCEL_REJECTED}
ZERO = Decimal(0)
PASSED = {"place": risk.PASSED_BY_PLACE, "modify": risk.PASSED_BY_MODIFY}


class Step(msgspec.Struct, eq=False):
    """One side on its way. kind: "place", "modify" or "cancel" of the order. item: None if it was
    sent before a restart."""

    item: Item | None
    order: Order
    kind: str
    sent: QuoteSide


class QuoteCall(Call):
    """Context of a mass quote. steps: those of which it is not known what came of them. look_ns:
    when to ask for that, if the answer has not told."""

    names: QuoteTag = QuoteTag("", "", "")
    steps: list[Step] = []
    look_ns: int = 0

    @property
    def possible_ns(self) -> int:
        """From when on the account shows all that it did."""
        return self.valid_until_ns + AFTER_HORIZON_NS


class QuoteCalls:
    """Sends mass quotes and cancels of quotes, and takes the answers."""

    def __init__(
        self,
        state: EngineState,
        entry: Quoting | None,
        calls: Calls,
        reports: Reports,
        doubts: Reconciler,
        answers: Answers,
    ) -> None:
        self._state = state
        self._entry = entry
        self._calls = calls
        self._reports = reports
        self._doubts = doubts
        self._answers = answers
        self._sent: dict[str, QuoteCall] = {}  # by quote_id, until it is known what came of it

    # --- sending ------------------------------------------------------------------------------

    def begin(self, quote_set: str, group: str, now_ns: int) -> QuoteCall:
        """A call without steps; its quote_id never comes back."""
        valid_until_ns = now_ns + self._state.config.order_valid_for_ms * NS_PER_MS
        names = QuoteTag(self._state.ids.next(), quote_set, group)
        call = QuoteCall(MASS_QUOTE, now_ns, valid_until_ns=valid_until_ns, names=names)
        call.look_ns = call.possible_ns
        return call

    def add(self, call: QuoteCall, step: Step, now_ns: int) -> None:
        """Journal and tell what is to be sent; from here on it counts as exposure."""
        state, order, sent = self._state, step.order, step.sent
        wanted = Facts()
        if step.kind == "modify":
            total = order.state.cum_quantity + sent.quantity
            wanted = Facts(price=sent.price, quantity=total, post_only=sent.post_only)
            order.apply(E.REPLACE_SENT, call.sent_ns, wanted)
            self._reserve(call, step)
        elif step.kind == "cancel":
            order.apply(E.CANCEL_SENT, call.sent_ns)
        call.steps.append(step)
        call.orders.append(order.state.client_order_id)
        state.quotes.file(order.state)
        state.quotes.name(call.names.quote_id, sent.symbol, sent.side, order.state.client_order_id)
        assert step.item is not None
        self._answers.expect(step.item, order, now_ns)
        state.publish(order, "self")
        self._intend(call, step, step.item, wanted)

    def _reserve(self, call: QuoteCall, step: Step) -> None:
        """Both the order and what may come in its place count."""
        name = _reserved(call, step.order.state.client_order_id)
        self._state.store.reserve(name, step.order, step.sent.quantity)

    def resume(self, sent: Iterable[IntentRecord]) -> None:
        """Replacements of an earlier life of which it is not known what came of them."""
        for intent in sent:
            order = self._state.store.get(intent.order.client_order_id)
            names = QuoteTag(intent.quote_id, "", "")
            new = QuoteCall(MASS_QUOTE, 0, valid_until_ns=intent.valid_until_ns, names=names)
            new.look_ns = new.possible_ns
            if order is not None:
                call = self._sent.setdefault(intent.quote_id, new)
                symbol = self._state.market.symbol_of(order.state.instrument)
                quantity = (intent.quantity or ZERO) - intent.order.cum_quantity
                side = QuoteSide(symbol, order.state.side, intent.price, m.Exact(quantity))
                call.steps.append(Step(None, order, intent.kind, side))
                self._reserve(call, call.steps[-1])

    def _intend(self, call: QuoteCall, step: Step, item: Item, wanted: Facts) -> None:
        request = item.request
        self._state.out.record(
            IntentRecord(
                request.key,
                request.request_id,
                item.index,
                step.kind,
                step.order.state,
                call.valid_until_ns,
                wanted.price,
                wanted.quantity,
                post_only=wanted.post_only,
                checks=PASSED.get(step.kind, []),
                quote_id=call.names.quote_id,
            )
        )

    def send(self, call: QuoteCall, owner: str) -> None:
        assert self._entry is not None
        state, names = self._state, call.names
        sides = [step.sent for step in call.steps]
        made = self._entry.mass_quote(names, sides, call.valid_until_ns, call)
        self._sent[names.quote_id] = call
        record = self._calls.expect(call, made.method)
        gates = state.modes.gates(owner)
        state.out.add(
            c.LinkSend(
                state.link, made.frame, unless=gates, refers=names.quote_id, sent_record=record
            )
        )

    # --- answers ------------------------------------------------------------------------------

    def on_answer(self, call: QuoteCall, done: CallDone, now_ns: int) -> None:
        refused = done.refused
        outcome = "ok" if refused is None else f"{refused.code} {refused.text}"
        self._calls.over(call)
        self._calls.log(call, outcome, now_ns)
        seen = {(order.symbol, order.side): order for order in done.orders}
        errors = {(error.symbol, error.side): error.refused for error in done.quote_errors}
        known = []
        for step in call.steps:
            side = step.sent.symbol, step.sent.side
            error = refused or errors.get(side)
            if error is None and side in seen:
                self._accept(call, step, seen[side], now_ns)
                known.append(step)
            elif error is None or error.unknown:
                self._doubts.begin(step.order, call.valid_until_ns, now_ns)
            else:
                self._refuse(call, step, error, now_ns)
                known.append(step)
        for fill in done.fills:
            self._reports.on_fill(fill, "answer", now_ns)
        self._settle(call, known)

    def _accept(self, call: QuoteCall, step: Step, seen: VenueOrder, now_ns: int) -> None:
        order = self._reports.on_order(seen, "answer", now_ns, step.kind)
        is_other = order is not step.order and not step.order.is_final
        if is_other or order.state.status is m.OrderStatus.PENDING_REPLACE:
            # The venue made another order: the one that was meant has ended, and that is asked for.
            # So is what holds if the answer is of an earlier time than what was told besides.
            self._doubts.begin(step.order, call.valid_until_ns, now_ns, is_doubt=False)
        state, item = order.state, step.item
        ended_early = state.status in (m.OrderStatus.CANCELED, m.OrderStatus.REJECTED)
        if item is None or item.result is not None:
            return
        if ended_early and step.kind != "cancel":
            text = state.text or f"the order is {state.status.value}"
            self._answers.refuse(item, state.reject_reason or R.VENUE_REFUSED, "", text, order)
        else:
            item.result = m.CommandReply(item.request.request_id, True, orders=[state])

    def _refuse(self, call: QuoteCall, step: Step, refused: CallRefused, now_ns: int) -> None:
        order, item = step.order, step.item
        facts = Facts(reason=refused.reason, text=refused.text)
        if order.apply(REFUSED[step.kind], now_ns, facts):
            self._state.publish(order, "answer")
        if (refused.reason in GONE or step.kind == "cancel") and not order.is_final:
            self._doubts.begin(order, call.valid_until_ns, now_ns, is_doubt=False)
        if item is not None and item.result is None:
            self._answers.refuse(item, refused.reason, refused.field, refused.text, order)

    def on_withheld(self, quote_id: str, reason: str, now_ns: int) -> bool:
        """The call never left, so nothing of it is in doubt; False: it is not a mass quote."""
        call = self._sent.get(quote_id)
        if call is None:
            return False
        self._calls.over(call)
        code = R.NOT_READY if self._state.stopping else R.KILL_SWITCH
        for step in call.steps:
            self._refuse(call, step, CallRefused(code, reason), now_ns)
        self._settle(call, list(call.steps))
        return True

    def _settle(self, call: QuoteCall, known: list[Step]) -> None:
        """It is known what came of these sides: nothing but the orders themselves counts now."""
        for step in known:
            call.steps.remove(step)
            order, sent = step.order, step.sent
            self._state.store.release(_reserved(call, order.state.client_order_id))
            if order.venue_order_ids or order.is_final:
                self._state.quotes.forget(call.names.quote_id, sent.symbol, sent.side)
        if not call.steps:
            self._sent.pop(call.names.quote_id, None)

    # --- time ---------------------------------------------------------------------------------

    def on_clock_moved(self, by_ns: int) -> None:
        """Until when the venue may still carry out what was sent is by its clock."""
        for call in self._sent.values():
            call.valid_until_ns -= by_ns

    def next_ns(self) -> int | None:
        return min((call.look_ns for call in self._sent.values()), default=None)

    def on_time(self, now_ns: int) -> None:
        """A call that can do nothing any more did what the account shows."""
        for call in [call for call in self._sent.values() if call.look_ns <= now_ns]:
            if self._doubts.synced_ns >= call.possible_ns:
                self._settle(call, list(call.steps))
            else:
                self._doubts.sync_soon(now_ns)
                call.look_ns = now_ns + AGAIN_NS

    # --- cancels ------------------------------------------------------------------------------

    def cancel_at_once(self, filters: m.CancelQuotes, orders: list[Order], now_ns: int) -> bool:
        """One call for them all, if the venue has it and the budget allows."""
        if self._entry is None:
            return False
        market = self._state.market
        symbol = market.symbol_of(filters.instrument) if filters.instrument else ""
        make = partial(self._entry.cancel_quotes, filters, symbol)
        return self._calls.cancel_together(make, orders, now_ns)

    def cancel_sets(self, orders: list[Order], now_ns: int) -> list[Order]:
        """Cancel whole quote sets with one call each.

        Returns:
            The orders that this did not concern.
        """
        members: dict[str, list[Order]] = {}
        for order in self._state.store.open.values():
            if order.state.quote_id and order.state.quote_set:
                members.setdefault(order.state.quote_set, []).append(order)
        left = {order.state.client_order_id: order for order in orders}
        for name, quotes in members.items():
            mine = all(quote.state.client_order_id in left for quote in quotes)
            filters = m.CancelQuotes(quote_set=name)
            if mine and len(quotes) > 1 and self.cancel_at_once(filters, quotes, now_ns):
                for quote in quotes:
                    del left[quote.state.client_order_id]
        return list(left.values())


def _reserved(call: QuoteCall, client_order_id: str) -> str:
    return f"{call.names.quote_id}/{client_order_id}"
