"""The core of one strategy's host: bus events in; the strategy's handlers; commands out.

The strategy starts once definitions, own orders and own fills are known and the engine is ready.
What it raises ends it: its orders are cancelled, and the place in its file is told in the log, in
the beat and in its StrategyState. The host goes on, to see the cancels through and to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from common import core as c, messages as m
from common.config import AccountConfig, StrategyConfig
from common.messages import RejectReason as R
from common.strategy import ParameterError, Parameters, Strategy
from services.strategy_host import guard, report
from services.strategy_host.intake import Intake
from services.strategy_host.memory import Memory
from services.strategy_host.tuning import Tuning
from services.strategy_host.workbench import Workbench

NS_PER_S = 1_000_000_000
TICK_NS = NS_PER_S
SLOW_ALERT_NS = 10 * NS_PER_S
SETTLED = ("stopped", "error")


class StrategyHost:
    """One strategy at one account.

    Args:
        strategy: None when it could not be loaded; problem says why.
        memory: of earlier runs, started for this one.
        stopwatch: a monotonic clock in ns, to notice slow handlers; a constant in simulated time.
        path: the strategy's file as Python knows it, to name lines in it.
    """

    def __init__(
        self,
        config: StrategyConfig,
        account: AccountConfig,
        strategy: Strategy[Any] | None,
        memory: Memory,
        stopwatch: Callable[[], int],
        *,
        path: str = "",
        parameters: Parameters | None = None,
        problem: str = "",
    ) -> None:
        self._config = config
        self._tuning = Tuning(parameters, memory)
        self._bench = Workbench(config, account, self._tuning.parameters, memory)
        self._strategy = strategy
        self._stopwatch = stopwatch
        self._path = path
        self._state = "starting"
        self._error = problem or self._tuning.problem
        self._slow_calls = 0
        self._slow_told: dict[str, int] = {}
        self._started_ns = 0
        self._tick_ns = 0
        self._armed_ns: int | None = None
        self._told: m.StrategyState | None = None
        self._told_state: c.SetState | None = None
        self._own_topic = f"strategy.{config.name}"
        self._on_event: dict[type, Callable[[Any], None]] = {
            c.BusMessage: lambda event: self._on_bus(event.message),
            c.TopicLost: lambda event: self._intake.lose(event.topic),
            c.Replied: self._on_replied,
            c.RequestFailed: self._on_request_failed,
            c.CommandReceived: self._on_command,
            c.Subscribed: self._on_subscribed,
            c.Started: lambda event: self._on_started(self._bench.now_ns),
            c.Stopping: lambda event: self._stop(),
            c.JournalFailed: self._on_journal_failed,
        }
        self._intake = Intake(self._bench, self._call)

    # --- the contract with the shell ----------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """After Stopping: nothing is left to wait for."""
        return not (self._config.cancel_on_stop and self._bench.oms.working)

    def handle(self, event: c.Event, now_ns: int) -> Sequence[c.CoreCommand]:
        self._bench.at(now_ns)
        handler = self._on_event.get(type(event))
        if handler is not None:
            handler(event)
        return self._finish(now_ns)

    def on_time(self, now_ns: int) -> Sequence[c.CoreCommand]:
        self._bench.at(now_ns)
        if self._armed_ns is not None and now_ns >= self._armed_ns:
            self._armed_ns = None
        for name in self._bench.due_timers() if self._state == "running" else ():
            self._call("on_timer", name)
        if now_ns >= self._tick_ns:
            self._tick_ns = now_ns + TICK_NS
            self._bench.oms.on_time(now_ns)
            self._publish()
        return self._finish(now_ns)

    def _finish(self, now_ns: int) -> Sequence[c.CoreCommand]:
        self._look_after_lost_orders()
        self._start_when_ready()
        if self._state == "stopping" and self.is_quiet:
            self._state = "stopped"
            self._publish()
        self._tell_state()
        self._wake()
        commands = list(self._bench.out)
        self._bench.out.clear()
        return commands

    def _wake(self) -> None:
        running = self._state == "running"
        timers = self._bench.timers.values() if running else ()
        first = min([self._tick_ns, *(timer.due_ns for timer in timers)])
        if self._armed_ns is None or first < self._armed_ns:
            self._armed_ns = first
            self._bench.out.append(c.WakeAt(first))

    def _on_bus(self, message: m.Event) -> None:
        self._intake.take(message)
        if isinstance(message, m.OrderSnapshot) and self._state == "error":
            self._cancel_what_works()

    def _on_replied(self, event: c.Replied) -> None:
        self._intake.tell_orders(self._bench.oms.on_reply(event.reply, self._bench.now_ns))

    def _on_request_failed(self, event: c.RequestFailed) -> None:
        self._bench.engine_ready = False  # until it beats again
        self._intake.tell_orders(self._bench.oms.on_failed(event, self._bench.now_ns))

    def _on_subscribed(self, event: c.Subscribed) -> None:
        if event.topic == self._own_topic:
            self._bench.out.append(c.PublishSnapshot(event.topic, self.report()))

    def _on_journal_failed(self, event: c.JournalFailed) -> None:
        self._bench.out.append(c.Alert("ERROR", f"fills are not kept on disk: {event.error}"))

    # --- life ---------------------------------------------------------------------------------

    def _on_started(self, now_ns: int) -> None:
        self._started_ns, self._tick_ns = now_ns, now_ns + TICK_NS
        self._intake.start()
        if self._error or self._strategy is None:
            self._fail(self._error or "there is no strategy")

    def _start_when_ready(self) -> None:
        bench, strategy = self._bench, self._strategy
        if self._state != "starting" or strategy is None or self._waits_for():
            return
        self._state, bench.running = "running", True
        strategy.attach(bench)
        for name in bench.memory.positions:
            bench.follow(f"ticker.{name}")
        self._call("on_start")
        self._publish()

    def _waits_for(self) -> str:
        bench = self._bench
        missing = {
            "instrument definitions": not bench.market.has_definitions,
            "its orders and fills": not (bench.orders_known and bench.fills_known),
            "the trading engine": not bench.engine_ready,
        }
        return next((name for name, is_missing in missing.items() if is_missing), "")

    def _stop(self) -> None:
        if self._state == "running":
            self._call("on_stop")
        if self._state != "error":
            self._state = "stopping"
        self._bench.running = False
        if self._config.cancel_on_stop:
            self._cancel_what_works()
        self._publish()

    def _cancel_what_works(self) -> None:
        if self._bench.oms.working:
            self._bench.cancel_all(None)

    def _fail(self, problem: str) -> None:
        """Stop the strategy for good, and take its orders out of the market."""
        self._state, self._error = "error", problem
        self._bench.running = False
        self._bench.timers.clear()
        self._bench.cancel_all(None)
        self._bench.out.append(c.Alert("ERROR", f"the strategy was stopped: {problem}"))
        self._publish()

    def _call(self, name: str, *arguments: object) -> None:
        """Run a handler. What it asked for before it failed is not done."""
        if self._state != "running":
            return
        handler, done = getattr(self._strategy, name), len(self._bench.out)
        outcome = guard.run(lambda: handler(*arguments), self._stopwatch, self._path)
        if outcome.fault is not None:
            dropped = self._bench.out[done:]
            del self._bench.out[done:]
            self._bench.oms.unsend(dropped)
            self._fail(str(outcome.fault))
        elif outcome.took_ns > self._config.slow_call_ms * guard.NS_PER_MS:
            self._note_slow(name, outcome.took_ns)

    def _note_slow(self, name: str, took_ns: int) -> None:
        self._slow_calls += 1
        out, now_ns = self._bench.out, self._bench.now_ns
        out.append(c.Count("slow_calls"))
        if now_ns >= self._slow_told.get(name, 0):
            self._slow_told[name] = now_ns + SLOW_ALERT_NS
            text = f"{name} took {took_ns // guard.NS_PER_MS} ms; everything waits meanwhile"
            out.append(c.Alert("WARNING", text))

    def _look_after_lost_orders(self) -> None:
        lost, self._bench.oms.lost = self._bench.oms.lost, []
        if lost and self._state not in SETTLED:
            names = ", ".join(order.client_order_id for order in lost)
            self._fail(f"the trading engine no longer knows the open order {names}")

    # --- commands -----------------------------------------------------------------------------

    def _on_command(self, event: c.CommandReceived) -> None:
        command, name = event.command, event.request_id
        if isinstance(command, m.SetParameters):
            reply = self._set_parameters(name, command)
        else:
            text = "a strategy's host takes SetParameters only"
            reply = m.CommandReply(name, False, R.UNSUPPORTED, text)
        self._bench.out.append(c.Reply(event.peer, reply))

    def _set_parameters(self, request_id: str, command: m.SetParameters) -> m.CommandReply:
        """One that does not run may only be freed of what was set, for its next start."""
        is_settled = self._strategy is None or self._state in SETTLED
        if is_settled and (command.values or not command.reset):
            text = f"the strategy does not run: {self._error or self._state}"
            return m.CommandReply(request_id, False, R.NOT_READY, text)
        try:
            record = self._tuning.change(command)
        except ParameterError as error:
            return m.CommandReply(request_id, False, R.BAD_REQUEST, str(error), error.name)
        self._bench.set_parameters(self._tuning.parameters)
        fields = command.values | ({"reset": ", ".join(command.reset)} if command.reset else {})
        self._bench.out += [c.Journal(record), c.Alert("INFO", "parameters changed", fields)]
        self._call("on_parameters")
        self._publish()
        return m.CommandReply(request_id, True)

    # --- telling ------------------------------------------------------------------------------

    def report(self) -> m.StrategyState:
        return report.state_of(
            self._bench,
            state=self._state,
            error=self._error,
            slow_calls=self._slow_calls,
            started_ns=self._started_ns,
        )

    def _publish(self) -> None:
        """Tell how the strategy does, if that changed."""
        now = self.report()
        told = self._told
        if told is None or msgspec.structs.replace(now, updated_ns=told.updated_ns) != told:
            self._told = now
            self._bench.out.append(c.Publish(self._own_topic, now))

    def _tell_state(self) -> None:
        match self._state:
            case "running":
                problem = "" if self._bench.can_trade else f"waits for {self._waits_for()}"
                state = c.SetState("degraded" if problem else "ready", problem)
            case "error":
                state = c.SetState("degraded", self._error)
            case "starting":
                state = c.SetState("starting", f"waits for {self._waits_for()}")
            case _:
                state = c.SetState("stopping")
        if state != self._told_state:
            self._told_state = state
            self._bench.out.append(state)
