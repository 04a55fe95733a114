"""A live link may lose a report, too: what the venue lists is compared with ours now and then.

Only what stays different counts: a report may come after the list that shows what it tells, so it
has WAIT_NS to do so, and an order that changed here after the question proves nothing by the list,
nor does one that waits for an outcome: its own call or doubt ends that.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from common import core as c
from common.domain.order import Order
from common.venues.order_entry import CallDone, OrderEntry, VenueFill, VenueOrder, VenueOrderState
from services.trading_engine.evidence import AFTER_HORIZON_NS
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.reports import Reports, shows_terms
from services.trading_engine.state import Call, EngineState

NS_PER_S = 1_000_000_000
EVERY_NS = 4 * NS_PER_S  # while orders are open or were a moment ago
WIDE_NS = 6 * NS_PER_S  # fills of everything: others may trade the account, unheard as well
ACTIVE_NS = 60 * NS_PER_S
BUSY_NS = 2 * NS_PER_S  # other questions go first
SOON_NS = NS_PER_S  # between two rounds, however much somebody asks for one
WAIT_NS = NS_PER_S
OVERLAP_NS = 30 * NS_PER_S  # how far fills are asked for again


class _Round(msgspec.Struct, eq=False):
    """judge_ns: when what it found counts; None while answers are awaited. clean: none of them was
    refused. shows_all: an order that it lacks is not open. changed: orders that changed since it
    was asked; by name, since the clock may have been set back since they changed."""

    asked_ns: int
    outstanding: int
    currencies: list[str]
    clean: bool = True
    complete: bool = True
    shows_all: bool = True
    judge_ns: int | None = None
    orders: list[VenueOrder] = []
    fills: list[VenueFill] = []
    changed: set[str] = set()


class Comparing:
    """Asks for open orders and recent fills, and makes good what was not told."""

    def __init__(
        self, state: EngineState, entry: OrderEntry, reports: Reports, doubts: Reconciler
    ) -> None:
        self._state = state
        self._entry = entry
        self._reports = reports
        self._doubts = doubts
        self._round: _Round | None = None
        self._number = 0
        self._next_ns = 0
        self._wide_ns = 0  # when fills of everything are due
        self._whole_ns = 0  # when the account was read in whole
        self._since_ns: dict[str, int] = {}  # by currency: fills of before are known
        self._open_there: set[str] = set()  # by the venue's id: listed when last asked, ended here
        self._active: dict[str, int] = {}  # instrument -> when an order of it last changed

    # --- when ---------------------------------------------------------------------------------

    def on_ready(self, now_ns: int) -> None:
        """The account was read in whole."""
        self._whole_ns, self._round = now_ns, None
        self._since_ns.clear()
        self._next_ns = self._wide_ns = now_ns + EVERY_NS

    def on_down(self) -> None:
        self._round = None
        self._open_there.clear()

    def look_at(self, orders: Iterable[Order], now_ns: int) -> None:
        """These changed, so what comes next of them may get lost."""
        for order in orders:
            if self._round is not None:
                self._round.changed.add(order.state.client_order_id)
            self._active[order.state.instrument] = now_ns
            self._next_ns = min(self._next_ns, now_ns + EVERY_NS)

    def soon(self, instrument: str, now_ns: int) -> None:
        """Something about this instrument does not fit: do not wait for the next round."""
        self._active[instrument] = now_ns
        if self._round is None:
            self._next_ns = min(self._next_ns, now_ns + SOON_NS)

    def next_ns(self) -> int | None:
        if not self._state.may_judge:
            return None
        judge_ns = self._round.judge_ns if self._round is not None else None
        return self._next_ns if judge_ns is None else judge_ns

    def on_time(self, now_ns: int) -> None:
        due_ns = self.next_ns()
        if due_ns is None or now_ns < due_ns:
            return
        if self._round is not None and self._round.judge_ns is not None:
            self.look_at([order for order, _ in self._state.changed], now_ns)
            self._judge(self._round, now_ns)
            self._round = None
        elif self._state.next_question_ns(now_ns) is not None:
            self._next_ns = now_ns + BUSY_NS
        else:
            self._ask(now_ns)

    # --- asking -------------------------------------------------------------------------------

    def _ask(self, now_ns: int) -> None:
        currencies = self._currencies(now_ns)
        is_idle = not currencies and not self._state.store.open
        if now_ns >= self._wide_ns:
            self._wide_ns = now_ns + WIDE_NS
            currencies = self._state.market.settlements()
        self._next_ns = self._wide_ns if is_idle else now_ns + EVERY_NS
        since_ns = {name: self._since_ns.get(name, self._whole_ns) for name in currencies}
        since_ns = {name: each_ns - OVERLAP_NS for name, each_ns in since_ns.items()}
        self._number += 1
        call = Call("compare", now_ns, round=self._number)
        questions = self._entry.comparison_calls(since_ns, call)
        self._round = _Round(now_ns, len(questions), currencies)
        self._state.ask([question.frame for question in questions])

    def _currencies(self, now_ns: int) -> list[str]:
        """Those that fills of open orders, and of orders that were open a moment ago, settle in."""
        limit_ns = now_ns - ACTIVE_NS
        self._active = {name: ns for name, ns in self._active.items() if ns > limit_ns}
        names = {order.state.instrument for order in self._state.store.open.values()}
        known = map(self._state.market.instrument, names | set(self._active))
        return sorted({each.definition.settlement for each in known if each is not None})

    def on_answer(self, call: Call, done: CallDone, now_ns: int) -> None:
        asked = self._round
        if asked is None or call.round != self._number or not asked.outstanding:
            return
        asked.outstanding -= 1
        asked.clean = asked.clean and done.refused is None
        if done.following is not None:
            asked.outstanding += 1
            self._state.ask([self._entry.next_page(done.following, call).frame])
        else:
            asked.complete = asked.complete and done.complete
        asked.shows_all = asked.shows_all and not done.unreadable
        asked.orders += done.orders
        asked.fills += done.fills
        if not asked.outstanding:
            asked.judge_ns = now_ns + WAIT_NS

    # --- judging ------------------------------------------------------------------------------

    def _judge(self, asked: _Round, now_ns: int) -> None:
        listed: set[str] = set()
        before, self._open_there = self._open_there, set()
        for seen in sorted(asked.orders, key=lambda order: order.updated_ns):
            listed.add(self._compare(seen, asked, now_ns))
            if seen.venue_order_id in before & self._open_there:
                listed.add(self._take_back(seen, now_ns))
        if self._open_there:
            self._next_ns = min(self._next_ns, now_ns + SOON_NS)
        for fill in sorted(asked.fills, key=lambda fill: fill.filled_ns):
            if not self._state.store.knows_fill(fill.exec_id):
                self._reports.on_fill(fill, "query", now_ns)
                self._tell("a fill that was not told", exec_id=fill.exec_id)
        if asked.clean:
            self._note_fills(asked)
            if asked.shows_all:
                self._ask_for_unlisted(listed, asked, now_ns)

    def _compare(self, seen: VenueOrder, asked: _Round, now_ns: int) -> str:
        """Take over what no report told; returns the name of the order, "" if it is not ours."""
        order = self._reports.find_seen(seen)
        if order is None:
            is_open = seen.state is VenueOrderState.OPEN and not seen.handed_on
            if is_open or self._reports.succeeds(seen):
                order = self._reports.on_order(seen, "query", now_ns)
                self._tell("an order that was not told", venue_order_id=seen.venue_order_id)
            return "" if order is None else order.state.client_order_id
        if self._is_open_there(order, seen, asked):
            self._open_there.add(seen.venue_order_id)
        before = order.state
        is_other = seen.state is VenueOrderState.OPEN and not shows_terms(seen, order)
        is_news = order.is_older_than(seen.updated_ns) or seen.cum_quantity > before.cum_quantity
        if (is_news or is_other) and self._is_at_rest(order, asked):
            order.believe(seen.updated_ns)  # it was asked for later than all that we know
            self._reports.on_order(seen, "query", now_ns)
            if order.state is not before:
                self._tell("a change that was not told", client_order_id=before.client_order_id)
        return before.client_order_id

    def _is_at_rest(self, order: Order, asked: _Round) -> bool:
        """It is open, nothing is under way, and it has not changed since the question."""
        settled = not (order.is_final or order.is_pending)
        return settled and order.state.client_order_id not in asked.changed

    def _is_open_there(self, order: Order, seen: VenueOrder, asked: _Round) -> bool:
        """It had ended here before the question, and the venue lists that very order as open."""
        name, known_as = order.state.client_order_id, order.state.venue_order_id
        is_open = seen.state is VenueOrderState.OPEN and not seen.handed_on
        is_same = known_as in ("", seen.venue_order_id)
        is_settled = order.is_final and not self._doubts.is_asking_for(name)
        return is_open and is_same and is_settled and name not in asked.changed

    def _take_back(self, seen: VenueOrder, now_ns: int) -> str:
        """Two lists agree, both asked for after it had ended here: it lives, whoever was wrong."""
        self._open_there.discard(seen.venue_order_id)
        order = self._reports.take_back(seen, now_ns)
        what = "an order as open that had ended here"
        self._tell(what, venue_order_id=seen.venue_order_id)
        return order.state.client_order_id

    def _ask_for_unlisted(self, listed: set[str], asked: _Round, now_ns: int) -> None:
        """Open here and not there: it has ended. How, its own questions tell."""
        for name, order in list(self._state.store.open.items()):
            is_missing = name not in listed and not self._doubts.is_asking_for(name)
            if is_missing and self._is_at_rest(order, asked):
                self._tell("an end that was not told", client_order_id=name)
                horizon_ns = min(order.state.updated_ns, now_ns) + AFTER_HORIZON_NS
                self._doubts.begin_unlisted(order, horizon_ns, now_ns)

    def _note_fills(self, asked: _Round) -> None:
        """Up to when, by our clock, all fills are known."""
        if asked.complete:
            self._since_ns |= dict.fromkeys(asked.currencies, asked.asked_ns)

    def _tell(self, what: str, **fields: str) -> None:
        out = self._state.out
        out.add(c.Count("reports_lost"))
        out.alert("WARNING", f"the venue lists {what}: reconciled", **fields)
