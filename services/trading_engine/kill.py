"""The kill switch in the engine: while a latch is set, no order leaves and none stays open.

The shell holds back at the last moment what the latch stops; here the orders that are open are
cancelled: with one call for all, then one by one what is left, until the venue reports none. Orders
that turn up later, out of doubt or from outside, meet the same end.
"""

from __future__ import annotations

from collections.abc import Mapping

from common import core as c, messages as m
from common.domain.modes import DESK, STRATEGY
from common.domain.order import Facts, Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from services.trading_engine.calls import Calls
from services.trading_engine.placing import Placing
from services.trading_engine.quote_calls import QuoteCalls
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.records import LatchRecord
from services.trading_engine.state import EngineState

LOOK_NS = 250_000_000
AGAIN_NS = 1_000_000_000  # a cancel that changed nothing in this time is sent again


class KillSwitch:
    """Carries out what latches ask for."""

    def __init__(
        self,
        state: EngineState,
        calls: Calls,
        placing: Placing,
        doubts: Reconciler,
        quotes: QuoteCalls,
    ) -> None:
        self._state = state
        self._calls = calls
        self._placing = placing
        self._doubts = doubts
        self._quotes = quotes
        self._at_once: set[str] = set()  # scopes whose call for all orders is still to be sent
        self._next_ns: int | None = None
        self._since_ns = 0
        self._asked: int | None = None  # how many times the account had been read by then

    @property
    def _latches(self) -> dict[str, str]:
        return self._state.modes.latches

    # --- latches ------------------------------------------------------------------------------

    def on_latch(
        self, latches: Mapping[str, str], released: Mapping[str, str], now_ns: int
    ) -> None:
        state = self._state
        new, gone = state.modes.latch(latches)
        for scope in gone:
            reason = released.get(scope, "the latch file was removed by hand")
            state.out.record(LatchRecord(scope, False, reason))
            state.out.alert("WARNING", "the kill switch was released", scope=scope, reason=reason)
        for scope, reason in new.items():
            state.out.record(LatchRecord(scope, True, reason))
            state.out.alert("ERROR", "the kill switch is on", scope=scope, reason=reason)
        if new:
            self._placing.retry(now_ns)  # what waits is refused
        self._begin(set(new), now_ns)

    def _begin(self, scopes: set[str], now_ns: int) -> None:
        if scopes:
            self._at_once |= scopes
            self._since_ns, self._asked, self._next_ns = now_ns, None, now_ns
        if not self._latches:
            self._at_once, self._next_ns = set(), None
        self.on_time(now_ns)

    def on_logged_in(self, now_ns: int) -> None:
        """The link is there again: cancel before anything else is asked."""
        self._begin(set(self._latches), now_ns)

    def trip(self, reason: str) -> None:
        """The engine itself halts the desk."""
        self._state.out.alert("ERROR", "the engine halts the desk", reason=reason)
        self._state.out.add(c.SetLatch(DESK, reason))

    # --- cancelling ---------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        return self._next_ns if self._state.logged_in else None

    def on_time(self, now_ns: int) -> None:
        if not self._state.logged_in or self._next_ns is None or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + LOOK_NS
        self._cancel_at_once(now_ns)
        left = [o for o in self._state.store.open.values() if self._is_killed(o)]
        fresh = [o for o in left if o.state.status is not S.PENDING_CANCEL]
        self._quotes.cancel_sets(fresh, now_ns)
        for order in left:
            self._cancel(order, now_ns)
        if left:
            self._asked = None
        elif self._state.is_ready:
            self._prove(now_ns)

    def _cancel_at_once(self, now_ns: int) -> None:
        """One call for everything; it does not wait for the rate budget."""
        scopes, self._at_once = self._at_once, set()
        if any(not scope.startswith(STRATEGY) for scope in scopes):
            orders = list(self._state.store.open.values())
            self._calls.cancel_all(m.CancelAll(), orders, now_ns, at_any_cost=True)

    def cancel_everything(self, now_ns: int) -> None:
        """Without a latch: the process is about to end."""
        orders = list(self._state.store.open.values())
        if not self._state.logged_in:
            return
        if self._calls.cancel_all(m.CancelAll(), orders, now_ns, at_any_cost=True):
            return
        for order in orders:
            self._calls.cancel(order, now_ns)

    def _is_killed(self, order: Order) -> bool:
        return self._state.modes.of(order.state.owner).is_latch

    def _cancel(self, order: Order, now_ns: int) -> None:
        state = order.state
        waits = state.status is S.PENDING_CANCEL or not state.venue_order_id
        if waits and now_ns < state.updated_ns + AGAIN_NS:
            return
        self._calls.cancel(order, now_ns)

    def _prove(self, now_ns: int) -> None:
        """Nothing is open here: the venue has to say so too."""
        if self._asked is None:
            self._asked = self._doubts.syncs
            self._doubts.sync(now_ns)
        elif self._doubts.syncs > self._asked:
            self._next_ns = None
            took = f"{(now_ns - self._since_ns) / 1e9:.2f} s"
            self._state.out.alert("WARNING", "the venue reports no open order", after=took)

    def look_at_changes(self, now_ns: int) -> None:
        """An order that appears while its scope is latched is cancelled like the others."""
        if self._latches and self._next_ns is None and self._state.logged_in:
            opened = (order for order, _ in self._state.changed if not order.is_final)
            if any(self._is_killed(order) for order in opened):
                self._asked, self._next_ns = None, now_ns

    # --- what the shell held back -------------------------------------------------------------

    def on_withheld(self, client_order_id: str, reason: str, now_ns: int) -> None:
        """A new order or a modify that never left: that is certain, so nothing is in doubt."""
        for name in self._calls.forget(client_order_id):
            order = self._state.store.get(name)
            if order is not None:
                self._end_withheld(order, reason, now_ns)

    def _end_withheld(self, order: Order, reason: str, now_ns: int) -> None:
        code = R.NOT_READY if self._state.stopping else R.KILL_SWITCH
        facts = Facts(reason=code, text=reason)
        trigger = E.REJECTED if not order.state.venue_order_id else E.REPLACE_REJECTED
        if order.apply(trigger, now_ns, facts):
            self._state.publish(order, "self")
