"""The shell: one event loop that feeds one core and executes what it returns.

The only place where commands become bytes. Sockets, links, worker threads, the journal and the
timer are its parts; each hands it events on the loop's thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop
import zmq
from loguru import logger

from common import core as c, logs, messages as m
from common.errors import LocalError
from common.rundir import RunDir
from common.transport.alerts import Alerts
from common.transport.clock import now_ns, wall_ahead_ns
from common.transport.doorkeeper import Doorkeeper
from common.transport.http import HttpClient
from common.transport.inventory import Inventory
from common.transport.journal import Journal, Log
from common.transport.latch import LatchWatch, latch, release
from common.transport.links import Links
from common.transport.publisher import Publisher
from common.transport.requests import Answerer, Asker
from common.transport.subscriber import Subscriber
from common.transport.wakes import Wakes

BEAT_S = 0.5
FLUSH_S = 0.05
DISK_S = 2.0  # for the journal, at the end
WALL_AHEAD_S = 0.5
LAST_CANCELS_S = 1.0  # between a disk that cannot be trusted and the end
EXIT_DISK = 74
SETTLE_LOOK_S = 0.01
WAITS_FOR_JOURNAL = (c.LinkSend, c.HttpCall, c.Reply)


class Shell:
    """Runs one core. Endpoint arguments are names below the run directory.

    publisher: the XPUB to bind; beats go out on it. subscribe: publishers to connect to. router,
    pull: sockets to bind. requests: routers that the core may ask with Request. journal: where
    records go, journal_sync_after_s: see Journal.
    latched: watch the kill switch and tell the core of it. settle_s: how long the core may take
    after Stopping until it says SetState("stopped").
    """

    def __init__(
        self,
        process: str,
        core: c.Core,
        run_dir: RunDir,
        *,
        publisher: str,
        subscribe: Sequence[str] = (),
        router: str | None = None,
        pull: str | None = None,
        requests: Sequence[str] = (),
        journal: Path | Log | None = None,
        journal_sync_after_s: float | None = None,
        build: str = "",
        latched: bool = False,
        settle_s: float = 0.0,
    ) -> None:
        run_dir.create()
        self.process = process
        self.core = core
        self.loop = uvloop.new_event_loop()
        self.build = build
        self._traces = logs.is_tracing()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._run_dir = run_dir
        self._doorkeeper = self._make_doorkeeper(run_dir)
        self._publisher = Publisher(
            self.loop,
            self._context,
            run_dir.endpoint(publisher),
            self.feed,
            self._refuse,
            run_dir.listens(publisher),
        )
        self._subscriber = Subscriber(
            self.loop, self._context, [run_dir.address(name) for name in subscribe], self.feed
        )
        self._answerer = self._make_answerer(router, run_dir)
        self._pull = self._make_pull(pull, run_dir)
        self._askers = {
            name: Asker(self.loop, self._context, run_dir.address(name), process, self.feed)
            for name in requests
        }
        self._http = HttpClient(self.loop, self.feed)
        self._journal = self._make_journal(journal, journal_sync_after_s)
        self._journal_encoder = msgspec.msgpack.Encoder(enc_hook=str)
        self._alerts = Alerts(process)
        self._unwritten = 0
        self._latch_directory = run_dir.latch
        self._latch = LatchWatch(self.loop, run_dir.latch, self._on_latch) if latched else None
        self._settle_s = settle_s
        self._is_stopping = False
        self._links = Links(self.loop, self.feed)
        self._wakes = Wakes(self.loop, self._wake)
        self._beat_number = 0
        self._wall_ahead_s = 0.0  # as it was last told
        self._state = c.SetState("starting")
        self._counters: defaultdict[str, float] = defaultdict(float)
        self._starters: list[Callable[[], Awaitable[None]]] = []
        self._stoppers: list[Callable[[], Awaitable[None]]] = []
        self._exit_code = 0
        self._execute: dict[type, Callable[[Any], None]] = {
            c.Publish: self._publisher.publish,
            c.PublishSnapshot: self._publisher.publish,
            c.Subscribe: lambda command: self._subscriber.subscribe(command.topic),
            c.Unsubscribe: lambda command: self._subscriber.unsubscribe(command.topic),
            c.Reply: self._reply,
            c.Request: self._request,
            c.LinkOpen: self._links.open,
            c.LinkSend: self._send_on_link,
            c.LinkClose: self._links.close,
            c.HttpCall: self._http.call,
            c.WakeAt: self._wakes.wake_at,
            c.Alert: self._alert,
            c.ApiCalled: self._log_call,
            c.SetLatch: self._set_latch,
            c.SetState: self._set_state,
            c.Count: self._count,
        }

    # --- for services with more than a core ---------------------------------------------------

    def extend(self, kind: type, execute: Callable[[Any], None]) -> None:
        """Execute a service's own kind of command."""
        self._execute[kind] = execute

    def on_start(self, starter: Callable[[], Awaitable[None]]) -> None:
        """Run before the core's Started event, e.g. to listen on a port."""
        self._starters.append(starter)

    def on_stop(self, stopper: Callable[[], Awaitable[None]]) -> None:
        self._stoppers.append(stopper)

    def connect(self, *, publisher: str, router: str) -> None:
        """Read one more publisher and be able to ask one more router, found while running."""
        self._subscriber.connect(self._run_dir.address(publisher))
        if router not in self._askers:
            endpoint = self._run_dir.address(router)
            asker = Asker(self.loop, self._context, endpoint, self.process, self.feed)
            self._askers[router] = asker

    def feed(self, event: c.Event | Any) -> None:
        """Give one event to the core and execute what it returns."""
        if isinstance(event, c.LinkUp):
            self._links.on_up(event)
        elif isinstance(event, c.LinkDown):
            if self._links.on_down(event, self._is_stopping):
                self._counters["links_lost"] += 1
        elif isinstance(event, c.VenueFrame):
            self._trace("<", event.link, event.payload)
        elif isinstance(event, c.CommandReceived) and self._latch is not None:
            self._latch.look()
        self.execute(self.core.handle(event, now_ns()))

    def execute(self, commands: Sequence[Any]) -> None:
        for index, command in enumerate(commands):
            if type(command) is c.Journal:
                self._write(commands[index:])
                return
            self._execute[type(command)](command)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT.

        Returns:
            The exit code of the process.
        """
        asyncio.set_event_loop(self.loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self.stop)
        self.loop.set_exception_handler(self._on_bug)
        stopped = self.loop.create_task(self._run())
        try:
            self.loop.run_until_complete(stopped)
        finally:
            self._close()
        return self._exit_code

    def stop(self, exit_code: int = 0) -> None:
        self._exit_code = self._exit_code or exit_code
        self._stop_asked.set()

    # --- running ------------------------------------------------------------------------------

    async def _run(self) -> None:
        self._stop_asked = asyncio.Event()
        for starter in self._starters:
            await starter()
        self._beat()
        logger.info("started")
        self.feed(c.Started())
        if self._latch is not None:
            self._latch.start()
        await self._stop_asked.wait()
        self._is_stopping = True
        self._state = c.SetState("stopping")
        self.feed(c.Stopping())
        await self._until(lambda: self._state.state == "stopped", self._settle_s)
        for stopper in self._stoppers:
            await stopper()
        await self._until(lambda: not self._unwritten, DISK_S)
        await asyncio.sleep(FLUSH_S)  # let what was sent leave the buffers
        logger.info("stopped")

    async def _until(self, done: Callable[[], bool], at_most_s: float) -> None:
        deadline = self.loop.time() + at_most_s
        while not done() and self.loop.time() < deadline:
            await asyncio.sleep(SETTLE_LOOK_S)

    def _close(self) -> None:
        if self._latch is not None:
            self._latch.close()
        if self._journal is not None:
            self._journal.close()
        self._links.close_all("stopping")
        self._end_tasks()
        self._http.close()
        for asker in self._askers.values():
            asker.close()
        if self._answerer is not None:
            self._answerer.close()
        if self._pull is not None:
            self._pull.close()
        self._subscriber.close()
        self._publisher.close()
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._context.destroy(linger=0)
        self.loop.close()

    def _end_tasks(self) -> None:
        """A task that outlives its loop, such as a link's pings, complains when it is freed."""
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _on_bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A core or shell that raised is broken: exit beats trading on corrupt state.

        A library's future that failed and that nobody asked for is told and no more; ours are
        awaited.
        """
        told = logger.opt(exception=context.get("exception"))
        if "handle" not in context and "future" in context:
            self._counters["errors_of_libraries"] += 1
            told.error("{}", context.get("message", ""))
            return
        told.error("stopping on an internal error: {}", context.get("message", ""))
        self.stop(exit_code=70)

    # --- sockets ------------------------------------------------------------------------------

    def _make_answerer(self, name: str | None, run_dir: RunDir) -> Answerer | None:
        if name is None:
            return None
        return Answerer(
            self.loop,
            self._context,
            run_dir.endpoint(name),
            self.process,
            self.feed,
            run_dir.listens(name),
        )

    def _make_pull(self, name: str | None, run_dir: RunDir) -> Inventory | None:
        if name is None:
            return None
        endpoint, also = run_dir.endpoint(name), run_dir.listens(name)
        return Inventory(self.loop, self._context, endpoint, self.feed, also)

    def _make_doorkeeper(self, run_dir: RunDir) -> Doorkeeper | None:
        if run_dir.bus is None or not run_dir.bus.listen:
            return None
        return Doorkeeper(self.loop, self._context, run_dir.bus.allowed, self._refuse_key)

    def _reply(self, command: c.Reply) -> None:
        if self._answerer is None:
            raise LocalError(f"{self.process} answers commands but has no router")
        if not self._answerer.reply(command.peer, command.reply):
            self._counters["replies_undelivered"] += 1

    def _request(self, command: c.Request) -> None:
        asker = self._askers.get(command.target)
        if asker is None:
            failed = c.RequestFailed(command.target, command.request_id, False, "is not configured")
            self.loop.call_soon(self.feed, failed)
        else:
            asker.ask(command)

    # --- links --------------------------------------------------------------------------------

    def _send_on_link(self, command: c.LinkSend) -> None:
        if command.unless and (why := self._withheld(command.unless)):
            self.loop.call_soon(self.feed, c.SendWithheld(command.refers, why))
            return
        link = self._links.get(command.link)
        if link is not None:
            self._trace(">", command.link, command.payload)
            link.send(command.payload)
            if command.sent_record is not None and self._journal is not None:
                record = msgspec.structs.replace(command.sent_record, at_ns=now_ns())
                self._journal.append_later(self._journal_encoder.encode(record))

    # --- the kill switch ----------------------------------------------------------------------

    def _withheld(self, unless: tuple[str, ...]) -> str:
        """Why a frame must not leave now; "" lets it go."""
        if self._is_stopping:
            return "the engine is stopping"
        if self._latch is None:
            return ""
        self._latch.look()
        set_now = [scope for scope in unless if scope in self._latch.latches]
        return f"the kill switch is on: {self._latch.latches[set_now[0]]}" if set_now else ""

    def _on_latch(self, latches: Mapping[str, str], released: Mapping[str, str]) -> None:
        # In a pass of its own: a look may come in the middle of a list of commands.
        self.loop.call_soon(self.feed, c.LatchChanged(dict(latches), dict(released)))

    def _set_latch(self, command: c.SetLatch) -> None:
        directory = self._latch_directory
        try:
            if command.is_on:
                latch(directory, command.scope, command.reason)
            else:
                release(directory, command.scope, command.reason)
        except OSError as error:
            self._alert(c.Alert("ERROR", "the kill switch cannot be written", {"why": str(error)}))
        if self._latch is not None:
            self._latch.look()

    # --- journal ------------------------------------------------------------------------------

    def _make_journal(self, where: Path | Log | None, sync_after_s: float | None) -> Journal | None:
        if where is None:
            return None
        return Journal(
            self.loop,
            where,
            sync_after_s=sync_after_s,
            on_failed=self._on_journal_failed,
            on_slow=self._on_slow_sync,
        )

    def _on_journal_failed(self, error: str, is_final: bool) -> None:
        logger.error("journal failed: {}", error)
        self.feed(c.JournalFailed(error, is_final))
        if is_final:
            self.loop.call_later(LAST_CANCELS_S, self.stop, EXIT_DISK)

    def _on_slow_sync(self, took_s: float) -> None:
        self._count(c.Count("journal_slow_syncs"))
        took = {"took_ms": str(round(took_s * 1000))}
        self._alert(c.Alert("WARNING", "the journal's disk is slow: orders wait for it", took))

    def _write(self, commands: Sequence[Any]) -> None:
        """Sends behind a journal record wait for the last one; everything else goes on."""
        if self._journal is None:
            raise LocalError(f"{self.process} journals but has no journal")
        waiting = [item for item in commands if isinstance(item, WAITS_FOR_JOURNAL)]
        records = [item for item in commands if type(item) is c.Journal]
        for number, item in enumerate(records, 1):
            sends = waiting if number == len(records) else []
            payload = self._journal_encoder.encode(item.record)
            self._unwritten += 1
            self._journal.append(payload, partial(self._written, sends))
        for item in commands:
            if not isinstance(item, (*WAITS_FOR_JOURNAL, c.Journal)):
                self._execute[type(item)](item)

    def _written(self, waiting: Sequence[Any], error: str) -> None:
        self._unwritten -= 1
        if not error:
            self.execute(waiting)
            return
        # Sends are dropped; who asked is still told, since a reply sends nothing to the venue.
        for item in waiting:
            if isinstance(item, c.LinkSend) and item.refers:
                self.feed(c.SendWithheld(item.refers, f"the journal failed: {error}"))
            elif isinstance(item, c.Reply):
                self._reply(item)

    # --- time ---------------------------------------------------------------------------------

    def _wake(self, now: int) -> None:
        self.execute(self.core.on_time(now))

    def _beat(self) -> None:
        self._beat_number += 1
        beat = m.Health(
            process=self.process,
            state=self._state.state,
            pid=os.getpid(),
            beat=self._beat_number,
            sequences=self._publisher.changed_sequences(),
            links=dict(self._links.up),
            counters=self._counted(),
            text=self._state.text,
            build=self.build,
        )
        self._publisher.publish(c.Publish(f"health.{self.process}", beat))
        self._look_at_wall_clock()
        self.loop.call_later(BEAT_S, self._beat)

    def _counted(self) -> dict[str, float]:
        """The core's and our own counters, and how many messages on the bus could not be read."""
        bad = self._subscriber.bad_frames
        bad += sum(asker.bad_frames for asker in self._askers.values())
        bad += self._answerer.bad_frames if self._answerer is not None else 0
        bad += self._pull.bad_frames if self._pull is not None else 0
        return dict(self._counters) | ({"bad_frames": bad} if bad else {})

    def _look_at_wall_clock(self) -> None:
        ahead_s = wall_ahead_ns() / 1e9
        if abs(ahead_s - self._wall_ahead_s) > WALL_AHEAD_S:
            self._wall_ahead_s = ahead_s
            text = "the wall clock was set: the desk counts on from its own, until it starts anew"
            self._alert(c.Alert("WARNING", text, {"ahead_s": f"{ahead_s:.1f}"}))

    # --- telling ------------------------------------------------------------------------------

    def _set_state(self, command: c.SetState) -> None:
        if command != self._state:
            logger.info("is {}{}", command.state, f": {command.text}" if command.text else "")
            self._state = command

    def _count(self, command: c.Count) -> None:
        self._counters[command.name] += command.by

    def _refuse(self, topic: str, size: int) -> None:
        self._counters["messages_too_large"] += 1
        fields = {"topic": topic, "bytes": str(size)}
        self._alert(c.Alert("ERROR", "a message too large for the bus was not sent", fields))

    def _refuse_key(self, address: str, key: str) -> None:
        fields = {"address": address, "public_key": key or "none"}
        self._alert(c.Alert("WARNING", "a key that is not allowed came to the bus", fields))

    def _alert(self, command: c.Alert) -> None:
        self._counters[f"alerts_{command.level.lower()}"] += 1
        logger.bind(**command.fields).log(command.level, "{}", command.text)
        told = self._alerts.note(command, now_ns())
        if told is not None:
            self._publisher.publish(c.Publish(f"alert.{self.process}", told))

    def _log_call(self, command: c.ApiCalled) -> None:
        fields = {"method": command.method, "outcome": command.outcome}
        if command.client_order_id:
            fields["client_order_id"] = command.client_order_id
        logger.bind(latency_ms=round(command.latency_ms, 2), **fields).info("api call")

    def _trace(self, direction: str, link: str, payload: bytes) -> None:
        if self._traces:
            text = payload.decode("utf-8", "backslashreplace")
            logger.bind(link=link).trace("{} {}", direction, text)
