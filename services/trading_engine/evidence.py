"""What the venue says of orders in doubt, asked for in rounds.

A round asks for the listings that could show any of its orders, once for all of them; when an
order may be called absent, also for itself by its ids, unless it is one of many that were at rest.
So many doubts cost little more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import TypeGuard

import msgspec

from common import messages as m
from common.domain.order import Order
from common.messages import RejectReason as R
from common.venues.order_entry import CallDone, OrderEntry, OrderOf
from services.trading_engine.reports import Reports
from services.trading_engine.state import Call, EngineState

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
AFTER_HORIZON_NS = 2 * NS_PER_S
AGAIN_NS = NS_PER_S
ANSWERS_NS = 3 * NS_PER_S  # for all answers of a round, once its last question left
ROUND_GAP_NS = NS_PER_S // 2  # so that doubts that come due together share a round
PROVED_AT_ONCE = 20  # orders of one round that are asked for by their ids
CONFIRMED_AT_ONCE = 10  # of these, if they need it less
NOT_KNOWN = frozenset({R.UNKNOWN_ORDER})


class Doubt(msgspec.Struct, eq=False):
    """An order that is asked for.

    Attributes:
        horizon_ns: until when the venue may still accept the call in doubt. quiet: only fills are
            missing. outstanding: answers of its round that are awaited. clean: all so far could
            have shown it. absent: whole rounds after the horizon that did not.
    """

    order: Order
    horizon_ns: int
    next_ns: int
    since_ns: int
    was_pending: bool
    quiet: bool = False
    asked_ns: int = 0
    round: int = 0
    outstanding: int = 0
    clean: bool = True
    found: bool = False
    absent: int = 0
    alarmed: bool = False

    @property
    def name(self) -> str:
        return self.order.state.client_order_id

    @property
    def needs_ids(self) -> bool:
        """It may never have arrived. What the venue once showed as open, with nothing under way,
        is in its lists of open orders, ended orders or fills: they settle a crowd alone."""
        return self.was_pending or not self.order.state.venue_order_id

    @property
    def places(self) -> int:
        """How many orders of a round may be asked for by their ids, this one among them."""
        return PROVED_AT_ONCE if self.needs_ids else CONFIRMED_AT_ONCE

    @property
    def possible_ns(self) -> int:
        """From when on silence about it proves something."""
        return self.horizon_ns + AFTER_HORIZON_NS


class Evidence:
    """Asks in rounds, within the query budget, and gathers the answers."""

    def __init__(self, state: EngineState, entry: OrderEntry, reports: Reports) -> None:
        self._state = state
        self._entry = entry
        self._reports = reports
        self.doubts: dict[str, Doubt] = {}
        self._round = 0
        self._round_ns = 0  # when the last round began
        self._asking_ns = 0  # when questions last waited for the budget

    def forget_rounds(self) -> None:
        """The link is gone, and all answers with it."""
        for doubt in self.doubts.values():
            doubt.outstanding = 0

    # --- asking -------------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """When something is to be done; None also while questions still wait to be sent."""
        if self.has_questions:
            return None
        return min(map(self._due_ns, self.doubts.values()), default=None)

    def _due_ns(self, doubt: Doubt) -> int:
        if doubt.outstanding:
            return self._limit_ns(doubt)
        return max(doubt.next_ns, self._round_ns + ROUND_GAP_NS)

    @property
    def has_questions(self) -> bool:
        """Some still wait for the budget."""
        return self._state.next_question_ns(self._asking_ns) is not None

    def _limit_ns(self, doubt: Doubt) -> int:
        """A round begins when the last one's questions are sent, so only the newest still asks."""
        is_newest = doubt.round == self._round
        sent_ns = max(doubt.asked_ns, self._asking_ns) if is_newest else doubt.asked_ns
        return sent_ns + ANSWERS_NS

    def on_time(self, now_ns: int) -> None:
        """Give up on rounds that were not answered; begin one if any doubt is due."""
        if self.has_questions:
            self._asking_ns = now_ns
            return
        for doubt in self.doubts.values():
            if doubt.outstanding and now_ns >= self._limit_ns(doubt):
                doubt.outstanding, doubt.absent, doubt.next_ns = 0, 0, now_ns
        if now_ns >= self._round_ns + ROUND_GAP_NS:
            idle = (d for d in self.doubts.values() if not d.outstanding and d.next_ns <= now_ns)
            self._ask(sorted(idle, key=attrgetter("next_ns")), now_ns)

    def _ask(self, due: list[Doubt], now_ns: int) -> None:
        proving = [doubt for doubt in due if doubt.possible_ns <= now_ns]
        proving.sort(key=lambda doubt: not doubt.needs_ids)
        by_id = {doubt.name for place, doubt in enumerate(proving) if place < doubt.places}
        later = {doubt.name for doubt in proving[PROVED_AT_ONCE:] if doubt.needs_ids}
        asked = self._begin([doubt for doubt in due if doubt.name not in later], now_ns)
        if not asked:
            return
        self._round_ns = now_ns
        about = CallsAbout(self.doubts, self._round, now_ns)
        questions = self._entry.listings(asked, about)
        for order, definition in asked:
            if order.client_order_id in by_id:
                questions += self._entry.order_calls(order, definition, about)
        self._state.ask([question.frame for question in questions])

    def _begin(self, due: list[Doubt], now_ns: int) -> list[OrderOf]:
        """A new round of those whose instrument is known."""
        self._round += 1
        asked = []
        for doubt in due:
            known = self._state.market.instrument(doubt.order.state.instrument)
            if known is None:
                doubt.next_ns = now_ns + AGAIN_NS
                continue
            state = doubt.order.state
            made_ns = _made_ns(state, now_ns)
            asked.append((msgspec.structs.replace(state, created_ns=made_ns), known.definition))
            doubt.round, doubt.asked_ns = self._round, now_ns
            doubt.outstanding, doubt.clean, doubt.found = 0, True, False
        return asked

    # --- answers ------------------------------------------------------------------------------

    def take(self, call: Call, done: CallDone, now_ns: int) -> list[Doubt]:
        """Merge one answer; returns the doubts whose round is complete with it."""
        found = self._merge(set(call.orders), done, now_ns)
        asking = [doubt for doubt in map(self.doubts.get, call.orders) if _awaits(doubt, call)]
        for doubt in asking:
            doubt.found = doubt.found or doubt.name in found
            doubt.clean = doubt.clean and could_show(doubt, done)
        if asking and done.following is not None:
            self._state.ask([self._entry.next_page(done.following, call).frame])
            return []
        for doubt in asking:
            doubt.outstanding -= 1
        return [doubt for doubt in asking if not doubt.outstanding]

    def _merge(self, asked: set[str], done: CallDone, now_ns: int) -> set[str]:
        """Take what the answer says of these orders; returns those that it knows."""
        found = set()
        for seen in done.orders:
            name = _name(self._reports.find_seen(seen))
            if name in asked:
                found.add(name)
                self._reports.on_order(seen, "query", now_ns)
        for fill in done.fills:
            name = _name(self._reports.find(fill.venue_order_id, fill.label))
            if name in asked:
                doubt = self.doubts.get(name)
                if doubt is not None and doubt.was_pending:  # else an old one says nothing
                    found.add(name)
                self._reports.on_fill(fill, "query", now_ns)
        return found


class CallsAbout(msgspec.Struct, frozen=True):
    """Makes the contexts of one round's questions, and counts them for each doubt."""

    doubts: dict[str, Doubt]
    round: int
    now_ns: int

    def __call__(self, names: Sequence[str]) -> Call:
        for name in names:
            self.doubts[name].outstanding += 1
        return Call("query", self.now_ns, round=self.round, orders=list(names))


def _name(order: Order | None) -> str:
    return "" if order is None else order.state.client_order_id


def _awaits(doubt: Doubt | None, call: Call) -> TypeGuard[Doubt]:
    return doubt is not None and doubt.round == call.round and doubt.outstanding > 0


def could_show(doubt: Doubt, done: CallDone) -> bool:
    """The answer says something by its silence: it was not refused, and the listing reaches back
    to before the order. A part that cannot be read may be the order itself."""
    if done.refused is not None:
        return done.refused.reason in NOT_KNOWN
    if done.unreadable:
        return False
    if done.complete or done.following is not None:
        return True
    oldest = min((order.created_ns for order in done.orders), default=0)
    return 0 < oldest - done.skew_ns < _made_ns(doubt.order.state, doubt.asked_ns)


def _made_ns(state: m.OrderUpdated, now_ns: int) -> int:
    """When the order was made, or before. A clock that was set back since then cannot tell."""
    return state.created_ns if state.created_ns <= now_ns else now_ns - DAY_NS
