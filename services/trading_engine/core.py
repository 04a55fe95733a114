"""The trading engine of one account: commands in; checks, journal, calls and order events out.

This module only dispatches: events go to the part that knows them, then what changed is told to the
requests that wait, and the next wake-up is asked for. `desk` takes commands, `placing` decides on
orders, `calls` speaks with the venue, `reports` merges what it says, `reconcile` settles doubts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from common import core as c, messages as m
from common.config import AccountConfig, StrategyConfig
from common.domain.backoff import Backoff
from common.domain.risk import Limits
from common.errors import VenueProtocolError
from common.messages import RejectReason as R
from common.venues import order_entry as entry
from common.venues.contract import Capabilities
from services.trading_engine.answers import Answers
from services.trading_engine.calls import Calls
from services.trading_engine.comparing import Comparing
from services.trading_engine.dead_men import DeadMen
from services.trading_engine.desk import Desk
from services.trading_engine.events import LimitsRead
from services.trading_engine.kill import KillSwitch
from services.trading_engine.ledger import Ledger
from services.trading_engine.link import Link
from services.trading_engine.losses import LossLimits
from services.trading_engine.placing import Placing
from services.trading_engine.queries import Queries
from services.trading_engine.quotes import Quotes
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.records import Entry, LimitsRecord, StartRecord, StopRecord
from services.trading_engine.reports import Reports
from services.trading_engine.restore import Restorer
from services.trading_engine.state import Call, EngineState
from services.trading_engine.unexplained import Unexplained
from services.trading_engine.unreadable import Unreadables

SETTLE_NS = 4_000_000_000  # for the answers to what is on its way when the process has to end

NO_EXTRAS = Capabilities()

# Never the answer to a login, which holds a token.
TELLS_OF_ORDERS = (entry.OrderSeen, entry.FillSeen, entry.CallDone, entry.Unreadable)


class TradingEngine:
    """One engine; see common/core.py for the contract with its shell.

    Args:
        order_entry: speaks the venue's language.
        start_counter: raised at every start, so that no client_order_id comes back.
        journal: what earlier runs wrote, oldest first.
        backoff: between reconnections.
        capabilities: what the venue takes beyond plain orders.
        strategies: of the desk, whose silence ends their orders.
    """

    def __init__(
        self,
        venue: str,
        config: AccountConfig,
        url: str,
        order_entry: entry.OrderEntry,
        backoff: Backoff,
        *,
        start_counter: int,
        journal: Iterable[Entry] = (),
        build: str = "",
        config_hash: str = "",
        capabilities: Capabilities = NO_EXTRAS,
        strategies: Iterable[StrategyConfig] = (),
    ) -> None:
        limits = Limits.of(config.limits, f"venues.{venue}.accounts.{config.name}.limits")
        self._state = state = EngineState(venue, config, limits, start_counter, capabilities)
        self._entry = order_entry
        self._ledger = Ledger()
        self._reports = Reports(state)
        self._doubts = Reconciler(state, order_entry, self._reports)
        self._comparing = Comparing(state, order_entry, self._reports, self._doubts)
        self._unexplained = Unexplained(state, self._reports, self._doubts)
        self._unreadables = Unreadables(state, self._reports, self._doubts)
        self._calls = Calls(state, order_entry, self._reports, self._doubts)
        self._answers = Answers(state, self._ledger)
        self._placing = Placing(state, order_entry, self._calls, self._answers)
        self._quotes = Quotes(
            state,
            order_entry,
            self._reports,
            self._doubts,
            self._calls,
            self._answers,
            self._placing,
        )
        self._queries = Queries(state)
        self._desk = Desk(
            state,
            self._calls,
            self._placing,
            self._answers,
            self._ledger,
            self._queries,
            self._quotes,
        )
        self._kill = KillSwitch(state, self._calls, self._placing, self._doubts, self._quotes.calls)
        self._losses = LossLimits(state)
        self._dead_men = DeadMen(state, self._desk, strategies)
        self._profit_topic = f"profit.{venue}.{config.name}"
        self._risk_topic = f"risk.{venue}.{config.name}"
        self._stop_by_ns: int | None = None
        self._link = Link(state, order_entry, url, backoff)
        self._armed_ns: int | None = None
        restorer = Restorer(state, self._ledger, self._answers)
        restorer.replay(journal)
        self._quotes.calls.resume(restorer.replacing)
        state.builds.own = build
        self._start = StartRecord(state.ids.start_counter, build, config_hash)

    # --- events -------------------------------------------------------------------------------

    def handle(self, event: c.Event | LimitsRead, now_ns: int) -> Sequence[c.CoreCommand]:
        self._state.received_ns = 0
        match event:
            case c.VenueFrame():
                self._on_frame(event, now_ns)
            case c.BusMessage():
                self._on_message(event, now_ns)
            case c.CommandReceived():
                self._desk.receive(event, now_ns)
            case c.Subscribed():
                self._on_subscribed(event.topic, now_ns)
            case c.TopicLost():
                self._on_lost(event)
            case c.JournalFailed():
                self._on_journal_failed(event, now_ns)
            case c.LatchChanged() | c.SendWithheld() | LimitsRead():
                self._on_control(event, now_ns)
            case c.Started() | c.Stopping() | c.LinkUp() | c.LinkDown():
                self._on_life(event, now_ns)
        return self._finish(now_ns)

    def _on_message(self, event: c.BusMessage, now_ns: int) -> None:
        message = event.message
        if isinstance(message, m.ProfitOfDay):
            self._losses.take(message, now_ns)
        elif isinstance(message, m.PositionDifference):
            self._comparing.soon(message.instrument, now_ns)
            self._unexplained.on_difference(message, now_ns)
        elif isinstance(message, m.StrategyState):
            self._dead_men.on_state(message)
        else:
            if isinstance(message, m.Health):
                self._state.builds.note(message, now_ns)
                self._dead_men.on_beat(message, now_ns)
            market = self._state.market
            market.on_message(event, self._entry.skew_ns, now_ns)
            received_ns = market.received_ns(event)
            if event.venue_time_ns and received_ns:
                self._entry.hear_time(event.venue_time_ns, received_ns, now_ns)
            self._placing.retry(now_ns)
            self._quotes.retry(now_ns)

    def _on_lost(self, event: c.TopicLost) -> None:
        if event.topic == self._profit_topic:
            self._state.profit.lose(event.reason)
        else:
            self._state.market.on_lost(event.topic)

    def _on_control(self, event: c.LatchChanged | c.SendWithheld | LimitsRead, now_ns: int) -> None:
        match event:
            case c.LatchChanged():
                self._kill.on_latch(event.latches, event.released, now_ns)
            case c.SendWithheld():
                if not self._quotes.calls.on_withheld(event.refers, event.reason, now_ns):
                    self._kill.on_withheld(event.refers, event.reason, now_ns)
            case LimitsRead():
                self._on_limits(event)

    def on_time(self, now_ns: int) -> Sequence[c.CoreCommand]:
        self._state.received_ns = 0
        if self._armed_ns is not None and now_ns >= self._armed_ns:
            self._armed_ns = None
        self._link.on_time(now_ns)
        self._calls.on_time(now_ns)
        self._reports.on_time(now_ns)
        self._doubts.on_time(now_ns)
        self._comparing.on_time(now_ns)
        self._placing.retry(now_ns)
        self._quotes.on_time(now_ns)
        self._kill.on_time(now_ns)
        self._dead_men.on_time(now_ns)
        return self._finish(now_ns)

    def _on_life(self, event: c.Event, now_ns: int) -> None:
        match event:
            case c.Started():
                self._state.begin(now_ns)
                self._state.out.record(self._start)
                self._doubts.note_gap()
                for command in self._state.market.start():
                    self._state.out.add(command)
                self._state.out.add(c.Subscribe(self._profit_topic))
                self._state.out.add(c.Subscribe(self._risk_topic))
                self._dead_men.start(now_ns)
                self._link.start()
            case c.Stopping():
                self._state.stopping = True
                self._state.out.record(StopRecord("asked to end"))
                self._placing.give_up(R.NOT_READY, "the engine is stopping")
                self._quotes.give_up(R.NOT_READY, "the engine is stopping")
                self._stop_by_ns = now_ns + SETTLE_NS
            case c.LinkUp():
                self._link.on_up(now_ns)
            case c.LinkDown():
                self._on_link_down(event.reason, now_ns)

    def _on_link_down(self, reason: str, now_ns: int) -> None:
        self._link.on_down(reason, now_ns)
        self._doubts.on_down()
        self._comparing.on_down()
        for call in self._entry.on_down():
            if not isinstance(call, Call) or self._quotes.on_lost(call):
                continue
            if call.kind not in ("sync", "query", "compare"):
                self._calls.on_lost(call, now_ns)
                self._answers.answered(call.kind, call.orders)
        self._placing.give_up(R.LINK_DOWN, "the link to the venue broke")
        self._quotes.give_up(R.LINK_DOWN, "the link to the venue broke")

    def _on_limits(self, event: LimitsRead) -> None:
        """New limits hold at once; a file that cannot be used changes nothing."""
        state, source = self._state, event.source
        if event.error:
            text = "the risk file cannot be used: the limits stay as they are"
            state.out.alert("ERROR", text, why=event.error)
            return
        where = f"{source}: accounts.{state.venue}.{state.account}"
        limits = Limits.of(event.limits, where, event.strict)
        if limits == state.limits:
            return
        state.limits = limits
        self._losses.judge()
        state.out.record(LimitsRecord(source, event.limits, event.strict))
        level = "WARNING" if state.is_ready else "INFO"
        state.out.alert(level, "the limits were changed", source=source)

    def _on_subscribed(self, topic: str, now_ns: int) -> None:
        of_quotes = self._quotes.snapshot(topic)
        found = [of_quotes] if of_quotes else self._queries.snapshots(topic, now_ns)
        for snapshot in found:
            self._state.out.add(c.PublishSnapshot(topic, snapshot))

    def _on_journal_failed(self, event: c.JournalFailed, now_ns: int) -> None:
        """No order leaves without a record; cancels still do."""
        state = self._state
        if not state.out.journal_failed:
            state.out.journal_failed = True
            text = "the journal failed: new orders are refused"
            state.out.alert("ERROR", text, why=event.error)
            state.out.add(c.SetState("degraded", f"journal: {event.error}"))
        if event.is_final:
            text = "the disk cannot be trusted: the engine cancels its orders and ends"
            state.out.alert("ERROR", text, why=event.error)
            self._kill.cancel_everything(now_ns)

    # --- the venue's frames -------------------------------------------------------------------

    def _on_frame(self, event: c.VenueFrame, now_ns: int) -> None:
        self._state.received_ns = event.received_ns
        try:
            told = self._entry.parse(event.payload, now_ns)
        except VenueProtocolError as error:
            self._state.out.add(c.Count("frames_bad"))
            self._state.out.alert("WARNING", str(error))
            # What it said is lost to us, so ask the venue how things stand.
            self._doubts.sync_soon(now_ns)
            self._link.on_bad_frame()
            return
        if any(isinstance(item, TELLS_OF_ORDERS) for item in told):
            self._state.out.told(event.payload)
        for item in told:
            self._on_told(item, now_ns)

    def _on_told(self, item: entry.EntryEvent, now_ns: int) -> None:
        match item:
            case entry.OrderSeen(order):
                self._reports.on_order(order, "stream", now_ns)
            case entry.FillSeen(fill):
                self._reports.on_fill(fill, "stream", now_ns)
            case entry.Unreadable():
                self._unreadables.on_stream(item, now_ns)
            case entry.CallDone():
                self._unreadables.take(item.unreadable, now_ns)
                self._on_answer(item, now_ns)
            case entry.LinkReady():
                self._state.logged_in = True
                self._kill.on_logged_in(now_ns)
                self._doubts.sync(now_ns)
                self._quotes.on_logged_in(now_ns)
            case entry.ClockMoved(by_ns):
                self._calls.on_clock_moved(by_ns)
                self._quotes.calls.on_clock_moved(by_ns)
                self._doubts.on_clock_moved(by_ns)
                self._state.market.on_clock_moved()
            case entry.VenueClosed(why):
                self._on_closed(why, now_ns)
            case entry.ProtectionActed():
                self._quotes.on_acted(item, now_ns)
            case _:
                self._link.on_told(item, now_ns)

    def _on_closed(self, why: str, now_ns: int) -> None:
        """What happened to the orders meanwhile is asked for when it is open again, before others
        are taken."""
        state = self._state
        if why == state.closed_text:
            return
        state.closed_text = why
        state.out.alert("WARNING", why or "the venue is open again")
        if why:
            state.out.add(c.SetState("degraded", why))
        elif state.logged_in:
            state.is_ready = False
            self._doubts.sync(now_ns)

    def _on_answer(self, done: entry.CallDone, now_ns: int) -> None:
        call = done.context
        if not isinstance(call, Call):
            return
        if call.kind == "sync":
            if self._doubts.on_sync(call, done, now_ns):
                self._link.ready()
                self._comparing.on_ready(now_ns)
                self._unexplained.on_read(now_ns)
        elif call.kind == "compare":
            self._comparing.on_answer(call, done, now_ns)
        elif call.kind == "query":
            self._doubts.on_query(call, done, now_ns)
        elif not self._quotes.on_answer(call, done, now_ns):
            self._calls.on_answer(call, done, now_ns)
            self._answers.note(self._state.changed)
            self._comparing.look_at([order for order, _ in self._state.changed], now_ns)
            self._state.changed = []
            if not (done.refused and done.refused.unknown):
                self._answers.answered(call.kind, call.orders)

    # --- the end of every event ---------------------------------------------------------------

    def _finish(self, now_ns: int) -> Sequence[c.CoreCommand]:
        state = self._state
        if state.trip:
            self._kill.trip(state.trip)
            state.trip = ""
        self._doubts.on_time(now_ns)
        while self._doubts.resend:
            self._calls.cancel(self._doubts.resend.pop(), now_ns)
        changed = [order for order, _ in state.changed]
        self._unexplained.look(now_ns)
        self._doubts.look_at(changed, now_ns)
        self._comparing.look_at(changed, now_ns)
        self._kill.look_at_changes(now_ns)
        self._answers.note(state.changed)
        state.changed = []
        self._answers.finish(now_ns)
        state.send_questions(now_ns)
        self._settle(now_ns)
        self._wake(now_ns)
        return state.out.flush(now_ns)

    def _settle(self, now_ns: int) -> None:
        """Asked to end: once all calls are answered, or it took too long, leave the venue."""
        if self._stop_by_ns is None:
            return
        waits = self._state.logged_in and self._calls.is_waiting
        if not waits or now_ns >= self._stop_by_ns:
            self._stop_by_ns = None
            self._link.stop()
            self._state.out.add(c.SetState("stopped"))

    def _wake(self, now_ns: int) -> None:
        """Ask to be woken for whatever is due first."""
        due = [
            self._link.next_ns(),
            self._calls.next_ns(now_ns),
            self._reports.next_ns(),
            self._doubts.next_ns(),
            self._comparing.next_ns(),
            self._placing.next_ns(now_ns),
            self._quotes.next_ns(now_ns),
            self._answers.next_ns(),
            self._kill.next_ns(),
            self._dead_men.next_ns(),
            self._stop_by_ns,
            self._state.next_question_ns(now_ns),
        ]
        first = min((ns for ns in due if ns is not None), default=None)
        if first is not None and (self._armed_ns is None or first < self._armed_ns):
            self._armed_ns = first
            self._state.out.add(c.WakeAt(first))
