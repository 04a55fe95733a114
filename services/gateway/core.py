"""The gateway's decisions: requests of clients and messages of the bus in; frames for clients,
answers and commands for other processes out.

Pure, as every core. What a call means is in reading.py and trading.py; how market data reaches many
clients is in feeds.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from common import core as c, messages as m
from common.config import DeskConfig
from services.gateway import rpc
from services.gateway.account import AccountPage
from services.gateway.calls import (
    Ask,
    Asking,
    Call,
    Caller,
    Do,
    Handler,
    Result,
    Row,
    Wait,
    Waiting,
)
from services.gateway.challenges import Challenges
from services.gateway.clients import CALLS, MARKET, Clients, Commands
from services.gateway.events import (
    ClientBlocked,
    ClientClosed,
    ClientDrained,
    ClientOpened,
    ClientRequest,
    GatewayCommand,
    GatewayEvent,
    HttpAnswer,
    HttpCalled,
    KeysChanged,
    Send,
    StrategyFound,
)
from services.gateway.health import Processes, expected
from services.gateway.history import Remembered
from services.gateway.keys import KeyRing
from services.gateway.params import Params
from services.gateway.private import Private
from services.gateway.quoting import Quoting
from services.gateway.reading import HealthReading, Reading
from services.gateway.rpc import CallError
from services.gateway.sessions import Bucket, Session, forget_full
from services.gateway.stats import Stats
from services.gateway.strategies import TOPIC, Strategies, StrategyCalls
from services.gateway.trading import Trading

SECOND_NS = 1_000_000_000
HOLD_NS = 60 * SECOND_NS
MAX_ADDRESSES = 10_000
STARTING = c.SetState("starting", "waits for the venues' lists of instruments")
READY = c.SetState("ready")
GOING_AWAY = 1001
MARKET_MESSAGES = (
    *(m.BookSnapshot, m.BookDelta, m.BookStale),
    *(m.Depth, m.Quote, m.Trade, m.Ticker, m.IndexPrice),
)


class GatewayCore:
    """All clients of one gateway."""

    def __init__(self, config: DeskConfig, pid: int = 0, seed: bytes = b"") -> None:
        """seed: 32 random bytes of which the challenges are made; nobody else may know them."""
        self._config = config.gateway
        self._venues = list(config.venues)
        self._state = STARTING if self._venues else READY
        self.stats = Stats()
        self.reading = Reading(config)
        self.processes = Processes(expected(config), self._own_row, pid)
        self._trading = Trading(self.reading)
        self._strategies = Strategies()
        self._account = AccountPage(self.reading, self._strategies)
        self._private = Private(self.reading, self._strategies)
        self._keys = KeyRing(config.gateway.keys)
        challenges = Challenges(seed)
        self._clients = Clients(config.gateway, self._keys, self.reading, self._private, challenges)
        self._asking = Asking()
        self._waiting = Waiting()
        self._addresses: dict[str, Bucket] = {}
        self._wake_ns = 0
        self._methods = self._make_methods()
        self._handlers: dict[type, Callable[[Any, int], Commands]] = {
            c.Started: self._on_started,
            c.BusMessage: self._on_message,
            c.TopicLost: self._on_lost,
            c.Replied: self._on_replied,
            c.RequestFailed: self._on_failed,
            c.Stopping: self._on_stopping,
            ClientOpened: self._on_opened,
            ClientRequest: self._on_request,
            ClientBlocked: lambda event, now_ns: self._clients.block(event.client, now_ns),
            ClientDrained: lambda event, now_ns: self._clients.drain(event.client, now_ns),
            ClientClosed: lambda event, now_ns: self._clients.close(event.client, now_ns),
            HttpCalled: self._on_http,
            KeysChanged: self._on_keys,
            StrategyFound: lambda event, now_ns: [c.Subscribe(f"{TOPIC}{event.name}")],
        }

    def _make_methods(self) -> dict[str, tuple[str, Handler]]:
        """Every call: its scope and what answers it."""
        reading, trading, account = self.reading, self._trading, self._account
        strategies = StrategyCalls(self._strategies, reading.new_id)
        quoting = Quoting(reading, trading.permits)
        return {
            "instruments": (MARKET, reading.instruments),
            "book": (MARKET, reading.book),
            "books": (MARKET, reading.books),
            "quotes": (MARKET, reading.quotes),
            "tickers": (MARKET, reading.tickers),
            "trades": (MARKET, reading.trades),
            "health": (MARKET, HealthReading(self.processes).health),
            "order.get": ("read", reading.order_get),
            "order.list": ("read", reading.order_list),
            "fills": ("read", reading.fill_list),
            "positions": ("read", reading.positions),
            "balances": ("read", reading.balances),
            "exposure": ("read", reading.exposure),
            "account.history": ("read", account.history),
            "greeks": ("read", account.greeks),
            "strategies": ("read", strategies.rows),
            "strategy.set": ("admin", strategies.change),
            "order.place": ("trade", trading.place),
            "order.modify": ("trade", trading.modify),
            "order.cancel": ("cancel", trading.cancel),
            "order.cancel_all": ("cancel", trading.cancel_all),
            "order.mass_quote": ("trade", quoting.mass_quote),
            "order.cancel_quotes": ("cancel", quoting.cancel_quotes),
            "mmp.list": ("read", quoting.protections),
            "mmp.set": ("admin", quoting.set_protection),
            "mmp.reset": ("admin", quoting.reset_protection),
            "mode.set": ("admin", trading.set_mode),
            "kill": ("admin", trading.kill),
        }

    @property
    def sessions(self) -> dict[int, Session]:
        """The WebSocket clients by their numbers."""
        return self._clients.sessions

    def _own_row(self) -> tuple[str, str]:
        return self._state.state, self._state.text

    @property
    def asking(self) -> int:
        """How many requests to other processes are on their way."""
        return len(self._asking)

    def recall(self, remembered: Remembered) -> None:
        """Before the start: what an earlier run kept."""
        self._account.recall(remembered)

    def handle(self, event: GatewayEvent, now_ns: int) -> Sequence[GatewayCommand]:
        handler = self._handlers.get(type(event))
        return self._with_wake(handler(event, now_ns), now_ns) if handler else []

    def on_time(self, now_ns: int) -> Sequence[GatewayCommand]:
        commands = self.reading.market.say_due(now_ns)
        for call, wait in self._waiting.on_time(now_ns):
            commands += self._finish(call, wait.finish)
        if now_ns >= self._wake_ns:
            self._wake_ns = 0
        return self._with_wake(commands, now_ns)

    def on_second(self, now_ns: int) -> Sequence[GatewayCommand]:
        """Housekeeping; the shell calls it every second."""
        commands: Commands = self.reading.market.drop_unread(now_ns)
        commands += self._clients.close_overdue(now_ns)
        point, indices = self._account.sample(now_ns)
        commands += [*indices, *self._clients.deliver(self._private.say("account", point))]
        forget_full(self._addresses, now_ns)
        self._trading.permits.forget_idle(now_ns)
        return commands

    def _with_wake(self, commands: Commands, now_ns: int) -> Commands:
        """Ask for the clock, once for the nearest due time."""
        dues = (self.reading.market.next_due_ns(), self._waiting.next_due_ns())
        due_ns = min((due for due in dues if due is not None), default=0)
        if due_ns and (not self._wake_ns or due_ns < self._wake_ns):
            self._wake_ns = due_ns
            commands.append(c.WakeAt(due_ns))
        return commands

    # --- the bus

    def _on_started(self, event: c.Started, now_ns: int) -> Commands:
        self.reading.start_ns = now_ns
        topics = ["health."]
        for venue in self._venues:
            topics += [f"instruments.{venue}", f"instrument.{venue}."]
        for venue, account in self.reading.accounts:
            place = f"{venue}.{account}"
            topics += [f"order.{place}.", f"fill.{place}.", f"order.{place}", f"fill.{place}"]
            topics += [f"account.{place}", f"risk.{place}", f"protection.{place}"]
        return [*(c.Subscribe(topic) for topic in topics), self._state]

    def _on_stopping(self, event: c.Stopping, now_ns: int) -> Commands:
        return self._clients.close_all(GOING_AWAY, "the gateway is stopping")

    def _on_message(self, event: c.BusMessage, now_ns: int) -> Commands:
        message = event.message
        self.stats.bus_messages[type(message).__name__] += 1
        if isinstance(message, MARKET_MESSAGES):
            return self._on_market(event, now_ns)
        if isinstance(message, m.Health):
            changed = self.processes.on_beat(message, now_ns)
            data = self.processes.row(message.process, now_ns)
            return self._clients.deliver(self._private.say("health", data)) if changed else []
        if isinstance(message, m.InstrumentList):
            return self._on_list(message)
        if isinstance(message, m.InstrumentDefinition):
            self.reading.catalog.add(message)
            return []
        if isinstance(message, m.InstrumentState):
            self.reading.catalog.set_status(message.instrument, message.status)
            return []
        told = self._private.on_message(message, event.publisher_start_ns, event.sent_ns)
        return self._clients.deliver(told)

    def _on_list(self, message: m.InstrumentList) -> Commands:
        """Ready is who can name every instrument; once ready, the gateway stays so."""
        self.reading.catalog.add_list(message)
        if self._state == READY or not all(map(self.reading.catalog.has_all, self._venues)):
            return []
        self._state = READY
        return [READY]

    def _on_market(self, event: c.BusMessage, now_ns: int) -> Commands:
        commands = self.reading.market.on_message(event, now_ns)
        state = self.reading.market.state(event.topic)
        if state is not None and state.is_known:
            for call, wait in self._waiting.on_known(event.topic):
                commands += self._finish(call, wait.finish)
        return commands

    def _on_lost(self, event: c.TopicLost, now_ns: int) -> Commands:
        self.stats.gaps += 1
        kind, _, rest = event.topic.partition(".")
        place = tuple(rest.split(".")[:2])
        if kind == "account":
            self.reading.holdings.synced.discard(place)
        if kind in ("order", "fill"):
            mirror = self.reading.orders if kind == "order" else self.reading.fills
            mirror.synced.discard(place)
            return [c.Subscribe(f"{kind}.{'.'.join(place)}")]
        if kind == "strategy":
            return self._clients.deliver(self._private.on_strategy_lost(event.topic))
        return self.reading.market.on_lost(event, now_ns)

    def _on_replied(self, event: c.Replied, now_ns: int) -> Commands:
        return self._answered(event.target, event.request_id, event.reply, None, now_ns)

    def _on_failed(self, event: c.RequestFailed, now_ns: int) -> Commands:
        return self._answered(event.target, event.request_id, None, event, now_ns)

    def _answered(
        self,
        target: str,
        request_id: str,
        reply: m.CommandReply | None,
        failure: c.RequestFailed | None,
        now_ns: int,
    ) -> Commands:
        answer, done = self._asking.finish(target, request_id, reply, failure, now_ns)
        commands: Commands = self._clients.deliver(self._private.on_answer(answer))
        for batch in done:
            if answer and batch.call.method == "order.place":
                self.stats.order_round_trip.observe_ns(answer.round_trip_ns)
            commands += self._finish(batch.call, partial(batch.ask.finish, batch.answers))
        return commands

    # --- calls

    def _on_opened(self, event: ClientOpened, now_ns: int) -> Commands:
        self.stats.connections += 1
        return self._clients.open(event, now_ns)

    def _on_keys(self, event: KeysChanged, now_ns: int) -> Commands:
        self._keys = event.keys
        return self._clients.change_keys(event.keys, now_ns)

    def _on_request(self, event: ClientRequest, now_ns: int) -> Commands:
        session = self.sessions.get(event.client)
        if session is None:
            return []
        try:
            if event.text == session.binary:
                kind = "binary msgpack" if session.binary else "JSON text"
                raise CallError("PARSE_ERROR", f"this connection speaks {kind}")
            request = rpc.decode_request(event.payload, session.binary)
        except CallError as problem:
            known = rpc.id_of(event.payload, session.binary)
            call = Call(session.client, False, "", known, True, session.binary)
            return self._refuse(call, problem, now_ns)
        call = Call(
            session.client, False, request.method, request.id, request.has_id, session.binary
        )
        try:
            if not session.bucket.take(now_ns):
                raise CallError("RATE_LIMIT", "too many messages; slow down")
            caller = Caller(Params(request.params), session.key_at(now_ns), now_ns)
            return self._run(call, caller, session)
        except CallError as problem:
            return self._refuse(call, problem, now_ns)

    def _on_http(self, event: HttpCalled, now_ns: int) -> Commands:
        call = Call(event.call, True, event.method)
        try:
            self._limit(event.address, now_ns)
            key = self._keys.of_header(event.authorization, event.address, now_ns)
            return self._run(call, Caller(Params(event.params), key, now_ns), None)
        except CallError as problem:
            return self._refuse(call, problem, now_ns)

    def _limit(self, address: str, now_ns: int) -> None:
        bucket = self._addresses.get(address)
        if bucket is None:
            if len(self._addresses) >= MAX_ADDRESSES:
                raise CallError("RATE_LIMIT", "too many callers; try again in a second")
            rate, burst = self._config.messages_per_second, self._config.message_burst
            bucket = self._addresses[address] = Bucket(rate, burst, now_ns)
        if not bucket.take(now_ns):
            raise CallError("RATE_LIMIT", "too many requests from your address; slow down")

    def _run(self, call: Call, caller: Caller, session: Session | None) -> Commands:
        if session is not None and call.method in CALLS:
            result, commands = self._clients.run(call.method, caller, session)
            return self._answer(call, result) + commands
        if call.method not in self._methods:
            words = f"there is no method {call.method[:64]!r}"
            raise CallError("UNKNOWN_METHOD", words, "method", sorted([*self._methods, *CALLS]))
        scope, handler = self._methods[call.method]
        self._clients.check_scope(scope, caller.key)
        return self._start(call, handler(caller), caller.now_ns)

    def _start(self, call: Call, result: Result, now_ns: int) -> Commands:
        if isinstance(result, Do):
            return [result.command, *self._start(call, result.then, now_ns)]
        if isinstance(result, Ask) and not result.questions:
            return self._finish(call, partial(result.finish, []))  # nobody to wait for
        if isinstance(result, Ask):
            return [*self._asking.start(call, result, now_ns)]
        if isinstance(result, Wait):
            return self._wait(call, result, now_ns)
        return self._answer(call, result)

    def _wait(self, call: Call, wait: Wait, now_ns: int) -> Commands:
        commands: Commands = []
        for topic in wait.topics:
            commands += self.reading.market.hold(topic, now_ns + HOLD_NS)
        states = {topic: self.reading.market.state(topic) for topic in wait.topics}
        missing = {topic for topic, state in states.items() if not (state and state.is_known)}
        if missing:
            self._waiting.add(call, wait, missing, now_ns)
            return commands
        return commands + self._finish(call, wait.finish)

    def _finish(self, call: Call, make: Callable[[], Row]) -> Commands:
        try:
            return self._answer(call, make())
        except CallError as problem:
            return self._error(call, problem)

    def _answer(self, call: Call, result: Row) -> Commands:
        self.stats.calls[call.method, "ok"] += 1
        if call.over_http:
            return [HttpAnswer(call.number, 200, rpc.encode(result))]
        if not call.has_id:
            return []
        payload = rpc.result(call.id, result, call.binary)
        return self._clients.deliver([Send((call.number,), payload, call.binary)])

    def _refuse(self, call: Call, problem: CallError, now_ns: int) -> Commands:
        """An error the client made; too many of them end the connection."""
        counted = [] if call.over_http else self._clients.count_error(call.number, now_ns)
        return self._error(call, problem) + counted

    def _error(self, call: Call, problem: CallError) -> Commands:
        method = call.method if call.method in (*self._methods, *CALLS) else "other"
        self.stats.calls[method, problem.reason] += 1
        if call.over_http:
            body = rpc.encode({"error": problem.row()})
            return [HttpAnswer(call.number, problem.status, body)]
        payload = rpc.error(call.id, problem, call.binary)
        return self._clients.deliver([Send((call.number,), payload, call.binary)])
