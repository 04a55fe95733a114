"""The venue's truth: after a (re)connect for the whole account, and for each order in doubt.

A doubt ends by evidence only. Found: the view is merged. Absent: said only when the venue can no
longer accept the call (its horizon), and two whole rounds of questions, a second apart, agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from common.domain.order import Facts, Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from common.venues.order_entry import CallDone, OrderEntry, VenueFill, VenueOrder, VenueOrderState
from services.trading_engine.evidence import AFTER_HORIZON_NS, AGAIN_NS, Doubt, Evidence
from services.trading_engine.records import SyncRecord, VerdictRecord
from services.trading_engine.reports import Reports
from services.trading_engine.state import Call, EngineState

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
ALARM_NS = 60 * NS_PER_S
SYNC_LIMIT_NS = 3 * NS_PER_S  # for all answers about the account, once the last was asked for
DAY_NS = 86_400 * NS_PER_S
OVERLAP_NS = 60 * NS_PER_S
ABSENT_ROUNDS = 2
MEASURED_WITHIN_NS = NS_PER_S  # so much a jump of the clock may have been larger than measured


class _Sync(msgspec.Struct, eq=False):
    round: int
    outstanding: int
    asked_ns: int
    clean: bool = True
    orders: list[VenueOrder] = []
    fills: list[VenueFill] = []


class Reconciler:
    """Asks the venue, and settles what is in doubt."""

    def __init__(self, state: EngineState, entry: OrderEntry, reports: Reports) -> None:
        self._state = state
        self._entry = entry
        self._reports = reports
        self._evidence = Evidence(state, entry, reports)
        self._doubts = self._evidence.doubts
        self._sync: _Sync | None = None
        self._sync_at_ns: int | None = None
        self._round = 0
        self._synced_before = False
        self._went_back_ns = 0  # by how much the venue's clock did, in all
        self.syncs = 0  # how many times the account was read in whole
        self.synced_ns = 0  # when it was asked for what it was last read as
        self.resend: list[Order] = []  # cancels that never arrived

    # --- doubts -------------------------------------------------------------------------------

    def begin(self, order: Order, horizon_ns: int, now_ns: int, *, is_doubt: bool = True) -> None:
        """Ask how the order stands; is_doubt marks the fate of one that waits as not known."""
        if is_doubt and order.is_pending:
            self._mark(order, now_ns)
        client_order_id = order.state.client_order_id
        known = self._doubts.get(client_order_id)
        if known is None:
            doubt = Doubt(order, horizon_ns, now_ns, now_ns, order.is_pending)
            self._doubts[client_order_id] = doubt
        else:
            known.horizon_ns = max(known.horizon_ns, horizon_ns)

    def on_clock_moved(self, by_ns: int) -> None:
        """Horizons are by the venue's clock, and so are the times of fills and of orders' views."""
        back_ns = max(-by_ns, 0)
        self._went_back_ns += back_ns
        if back_ns:
            for order in self._state.store.open.values():
                order.set_back(back_ns + MEASURED_WITHIN_NS)
        for doubt in self._doubts.values():
            doubt.horizon_ns -= by_ns

    def begin_unlisted(self, order: Order, horizon_ns: int, now_ns: int) -> None:
        """It is open here, and the venue does not list it: whether it lives is not known."""
        self._mark(order, now_ns)
        self.begin(order, horizon_ns, now_ns)

    def _mark(self, order: Order, now_ns: int) -> None:
        if order.doubt(now_ns):
            self._state.publish(order, "self")

    def is_asking_for(self, client_order_id: str) -> bool:
        return client_order_id in self._doubts

    def look_at(self, orders: Sequence[Order], now_ns: int) -> None:
        """Orders that changed: some need not be asked for any more, others lack a fill."""
        for order in orders:
            client_order_id = order.state.client_order_id
            doubt = self._doubts.get(client_order_id)
            if doubt is not None and not doubt.outstanding and self._is_told(doubt):
                self._settle(doubt, "the venue told")
            elif doubt is None and order.is_final and not order.has_all_fills:
                later_ns = now_ns + AFTER_HORIZON_NS
                doubt = Doubt(order, now_ns, later_ns, now_ns, False, quiet=True)
                self._doubts[client_order_id] = doubt

    @staticmethod
    def _is_told(doubt: Doubt) -> bool:
        order = doubt.order
        if order.is_final:
            return order.has_all_fills
        return doubt.was_pending and not order.is_pending

    def on_down(self) -> None:
        self.note_gap()
        self._state.forget_questions()
        self._sync = None
        self._sync_at_ns = None
        self._evidence.forget_rounds()

    def next_ns(self) -> int | None:
        due = [self._sync_at_ns, self._evidence.next_ns() if self._state.may_judge else None]
        return min((ns for ns in due if ns is not None), default=None)

    def on_time(self, now_ns: int) -> None:
        ready_ns = self._state.next_question_ns(now_ns)
        if self._sync is not None and ready_ns is not None and ready_ns > now_ns:
            self._sync_at_ns = now_ns + SYNC_LIMIT_NS  # the budget stretches the asking
        if self._sync_at_ns is not None and now_ns >= self._sync_at_ns:
            self.sync(now_ns)
        if self._state.may_judge:
            for doubt in self._doubts.values():
                self._alarm(doubt, now_ns)
            self._evidence.on_time(now_ns)

    def _alarm(self, doubt: Doubt, now_ns: int) -> None:
        if not doubt.alarmed and now_ns - doubt.since_ns > ALARM_NS:
            doubt.alarmed = True
            client_order_id = doubt.order.state.client_order_id
            text = "an order is in doubt for a minute"
            self._state.out.alert("ERROR", text, client_order_id=client_order_id)

    def on_query(self, call: Call, done: CallDone, now_ns: int) -> None:
        """One answer of a round of questions."""
        for doubt in self._evidence.take(call, done, now_ns):
            if self._state.may_judge:  # else it is asked for once more
                self._judge(doubt, now_ns)

    def _judge(self, doubt: Doubt, now_ns: int) -> None:
        order = doubt.order
        if order.is_final:
            self._judge_final(doubt, now_ns)
        elif doubt.found and not order.is_pending:
            self._settle(doubt, "found by asking")
        elif doubt.found:
            self._judge_pending(doubt, now_ns)
        elif not doubt.clean:
            doubt.absent = 0
            doubt.next_ns = now_ns + AGAIN_NS
        else:
            self._judge_absent(doubt, now_ns)

    def _judge_final(self, doubt: Doubt, now_ns: int) -> None:
        """Done when every fill is counted; a venue that cannot show one is given up on."""
        doubt.absent += doubt.clean
        if doubt.order.has_all_fills or doubt.absent >= ABSENT_ROUNDS:
            self._settle(doubt, "found by asking")
        else:
            doubt.next_ns = now_ns + AGAIN_NS

    def _judge_pending(self, doubt: Doubt, now_ns: int) -> None:
        """The order is open at the venue, our cancel or modify has not shown."""
        order = doubt.order
        past = now_ns >= doubt.possible_ns
        doubt.next_ns = now_ns + AGAIN_NS
        if order.state.status is S.PENDING_CANCEL:
            self.resend.append(order)
            doubt.next_ns = now_ns + AFTER_HORIZON_NS
        elif past:
            facts = Facts(reason=R.LATE, text="the modify did not reach the venue")
            if order.apply(E.REPLACE_REJECTED, now_ns, facts, E.REPLACE_REJECTED):
                self._state.publish(order, "query")
            self._settle(doubt, "open and unchanged after the horizon")

    def _judge_absent(self, doubt: Doubt, now_ns: int) -> None:
        order = doubt.order
        self._mark(order, now_ns)  # an old fill may have made it look told
        if doubt.asked_ns < doubt.possible_ns:
            doubt.next_ns = doubt.possible_ns
            return
        doubt.absent += 1
        doubt.next_ns = now_ns + AGAIN_NS
        if doubt.absent < ABSENT_ROUNDS:
            return
        facts = Facts(reason=R.LATE, text="not found: it did not reach the venue in time")
        never_there = not order.state.venue_order_id and order.is_pending
        if not never_there:  # or open by a cancel's refusal alone, which told of no order
            facts = Facts(text="the venue no longer knows this order")
        trigger = E.REJECTED if never_there else E.CANCELED
        if order.apply(trigger, now_ns, facts):
            self._state.publish(order, "query")
        self._settle(doubt, f"absent in {doubt.absent} rounds after the horizon")

    def _settle(self, doubt: Doubt, evidence: str) -> None:
        state = doubt.order.state
        del self._doubts[state.client_order_id]
        if doubt.order.is_final and not doubt.order.has_all_fills:
            text = "the venue shows no fill for a part of what it calls filled"
            self._state.out.alert("ERROR", text, client_order_id=state.client_order_id)
        if doubt.quiet:
            return
        self._state.out.record(VerdictRecord(state.client_order_id, state.status, evidence))
        self._state.out.alert(
            "INFO",
            f"doubt settled: {state.status.value}, {evidence}",
            client_order_id=state.client_order_id,
        )

    # --- the whole account --------------------------------------------------------------------

    def note_gap(self) -> None:
        """Fills may get lost on us. Those that come before the account is read in whole must not
        hide them, nor after a restart: from where to ask is written down."""
        store = self._state.store
        if store.fills_until_ns is None:
            store.fills_until_ns = store.last_fill_ns
            self._state.out.record(SyncRecord(False, store.fills_until_ns))

    def _close_gap(self) -> None:
        store = self._state.store
        store.fills_until_ns = None
        self._state.out.record(SyncRecord(True, store.last_fill_ns))

    def sync(self, now_ns: int) -> None:
        """Ask for open orders, recent orders and fills, and positions."""
        self.note_gap()
        self._sync_at_ns = now_ns + SYNC_LIMIT_NS
        self._round += 1
        since_ns = self._fills_until_ns - OVERLAP_NS - self._went_back_ns
        since_ns = max(since_ns, now_ns - DAY_NS)
        call = Call("sync", now_ns, round=self._round)
        questions = self._entry.account_calls(since_ns, call)
        self._sync = _Sync(self._round, len(questions), now_ns)
        self._state.ask([question.frame for question in questions])

    @property
    def _fills_until_ns(self) -> int:
        return self._state.store.fills_until_ns or 0

    def sync_soon(self, now_ns: int, wait_ns: int = AGAIN_NS) -> None:
        """Something the venue said was lost on us: look at the whole account again."""
        self.note_gap()
        if self._state.logged_in and self._sync is None and self._sync_at_ns is None:
            self._sync_at_ns = now_ns + wait_ns

    def on_sync(self, call: Call, done: CallDone, now_ns: int) -> bool:
        """One answer; True when all are in and the account's state is the venue's."""
        sync = self._sync
        if sync is None or sync.round != call.round:
            return False
        sync.outstanding -= 1
        if done.refused is not None:
            sync.clean = False
            self._state.out.alert("WARNING", "start-up query refused", text=done.refused.text)
        sync.orders += done.orders
        sync.fills += done.fills
        if done.positions is not None:
            self._rebase(done.positions, done.told_ns or now_ns)
        if done.following is not None:
            sync.outstanding += 1
            self._sync_at_ns = now_ns + SYNC_LIMIT_NS
            self._state.ask([self._entry.next_page(done.following, call).frame])
        if sync.outstanding:
            return False
        self._sync = None
        if not sync.clean:
            self._sync_at_ns = now_ns + AGAIN_NS
            return False
        self._sync_at_ns = None
        self.syncs += 1
        self._apply(sync, now_ns)
        self._close_gap()
        self.synced_ns = sync.asked_ns
        return True

    def _rebase(self, positions: dict[str, Decimal], told_ns: int) -> None:
        """The venue's positions of that time hold, with the fills that came after it."""
        name_of = self._state.market.name_of
        self._reports.rebase({name_of(s): quantity for s, quantity in positions.items()}, told_ns)

    def _apply(self, sync: _Sync, now_ns: int) -> None:
        seen_ids: set[str] = set()
        for seen in sorted(sync.orders, key=lambda order: order.updated_ns):
            known = self._reports.find_seen(seen)
            is_open = seen.state is VenueOrderState.OPEN and not seen.handed_on
            if known is not None or is_open or self._reports.succeeds(seen):
                order = self._reports.on_order(seen, "query", now_ns)
                seen_ids.add(order.state.client_order_id)
        has_history = self._synced_before or self._fills_until_ns > 0
        for fill in sorted(sync.fills, key=lambda fill: fill.filled_ns):
            known = self._reports.find(fill.venue_order_id, fill.label)
            if known is None and not has_history:
                self._reports.keep_old(fill)
            else:
                self._reports.on_fill(fill, "query", now_ns)
        self._synced_before = True
        self._doubt_unseen(seen_ids, now_ns)

    def _doubt_unseen(self, seen_ids: set[str], now_ns: int) -> None:
        """Open here, yet not listed there, or still waiting for an outcome: ask for each."""
        valid_ns = self._state.config.order_valid_for_ms * NS_PER_MS
        for client_order_id, order in list(self._state.store.open.items()):
            # An earlier life's clock may have been ahead of ours.
            horizon_ns = min(order.state.updated_ns, now_ns) + valid_ns
            if client_order_id not in seen_ids:
                self.begin_unlisted(order, horizon_ns, now_ns)
            elif order.is_pending:
                self.begin(order, horizon_ns, now_ns)
        for doubt in self._doubts.values():
            doubt.next_ns = now_ns
