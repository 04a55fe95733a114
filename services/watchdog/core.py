"""Who is dead or stuck, and what is done about it.

A process whose beats stop while supervisord calls it RUNNING is stuck: it is killed, and
supervisord starts another. One that ends three times without ever having become ready is given up;
if it is an engine, the desk is latched. Beats come from the loops themselves, so a loop that spins
is noticed as well as a process that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from common import core as c
from common import messages as m
from common.domain.modes import DESK
from services.watchdog.events import GiveUp, Kill, ProcessChanged, Tell

NS_PER_S = 1_000_000_000
LOOK_NS = 100_000_000
SILENT_NS = 1_750_000_000  # three beats are missed, and were given a moment to come late
START_NS = 30 * NS_PER_S  # for the first beat of a process
OLD_S = 25
LATE_NS = 400_000_000  # our own lateness, after which silence proves nothing
TELL_AGAIN_NS = 300 * NS_PER_S
STARTS = 3
ENGINE = "trading_engine."
ALIVE = frozenset({"STARTING", "RUNNING"})
ENDED = frozenset({"EXITED", "BACKOFF", "FATAL"})
WELL = frozenset({"ready", "degraded"})
LEVELS = {"INFO": 0, "WARNING": 1, "ERROR": 2}
Event = c.Event | ProcessChanged
Command = c.CoreCommand | Kill | GiveUp | Tell


class Watched(msgspec.Struct):
    """One process. since_ns: start or last beat, whichever is later; failed_starts: in a row."""

    state: str = "STOPPED"
    pid: int = 0
    since_ns: int = 0
    has_beaten: bool = False
    was_ready: bool = False
    failed_starts: int = 0
    killed: int = 0
    given_up: bool = False


class Told(msgspec.Struct):
    at_ns: int = 0
    count: int = 0


class Watchdog:
    """Args: names: processes that beat. min_level: of the alerts that go to the webhook."""

    def __init__(self, names: Sequence[str], min_level: str = "WARNING") -> None:
        self._processes = {name: Watched() for name in names}
        self._min_level = LEVELS[min_level]
        self._told: dict[tuple[str, str], Told] = {}
        self._looked_ns = 0
        self._out: list[Command] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Command]:
        match event:
            case c.Started():
                self._out += [c.Subscribe("health."), c.Subscribe("alert."), c.SetState("ready")]
                self._look_again(now_ns)
            case ProcessChanged() if event.name in self._processes:
                self._on_changed(self._processes[event.name], event, now_ns)
            case c.BusMessage(message=m.Health() as beat):
                self._on_beat(beat, now_ns)
            case c.BusMessage(message=m.Alert() as alert):
                self._tell(alert.level, alert.process, alert.text, alert.fields, now_ns)
        return self._flush()

    def on_time(self, now_ns: int) -> Sequence[Command]:
        if now_ns - self._looked_ns > LOOK_NS + LATE_NS:
            self._forgive(now_ns)
        self._look_again(now_ns)
        for name, process in self._processes.items():
            if process.state in ALIVE and process.pid:
                self._look_at(name, process, now_ns)
        return self._flush()

    def _flush(self) -> list[Command]:
        commands, self._out = self._out, []
        return commands

    def _look_again(self, now_ns: int) -> None:
        self._looked_ns = now_ns
        self._out.append(c.WakeAt(now_ns + LOOK_NS))

    def _forgive(self, now_ns: int) -> None:
        """We were late ourselves: the machine was, so nobody's silence means anything yet."""
        for process in self._processes.values():
            process.since_ns = max(process.since_ns, now_ns - SILENT_NS // 2)

    # --- looking ------------------------------------------------------------------------------

    def _look_at(self, name: str, process: Watched, now_ns: int) -> None:
        silent_ns = now_ns - process.since_ns
        if silent_ns <= (SILENT_NS if process.has_beaten else START_NS):
            return
        process.killed += 1
        process.since_ns = now_ns
        seconds = f"{silent_ns / NS_PER_S:.1f}"
        self._alert("ERROR", f"{name} is stuck: killed", now_ns, silent_s=seconds)
        self._out += [c.Count("processes_killed"), Kill(name, process.pid)]

    def _on_beat(self, beat: m.Health, now_ns: int) -> None:
        process = self._processes.get(beat.process)
        if process is None or process.pid not in (0, beat.pid):
            return
        process.has_beaten, process.since_ns = True, now_ns
        if beat.state in WELL:
            process.was_ready, process.failed_starts = True, 0

    def _on_changed(self, process: Watched, event: ProcessChanged, now_ns: int) -> None:
        before, process.state = process.state, event.state
        if event.state == "STARTING" or (event.pid and event.pid != process.pid):
            process.has_beaten = process.was_ready = False
            # One that beat for somebody before us has to beat for us within our first seconds.
            process.since_ns = now_ns - min(event.age_s, OLD_S) * NS_PER_S
            process.given_up = process.given_up and event.state != "STARTING"
        if event.state in ALIVE:
            process.pid = event.pid
            return
        process.pid = 0
        if event.state in ENDED and before not in ENDED:
            self._on_ended(event.name, process, now_ns)

    def _on_ended(self, name: str, process: Watched, now_ns: int) -> None:
        if process.was_ready:
            self._alert("WARNING", f"{name} ended and is started again", now_ns)
            return
        process.failed_starts += 1
        if process.failed_starts >= STARTS and not process.given_up:
            self._give_up(name, process, now_ns)

    def _give_up(self, name: str, process: Watched, now_ns: int) -> None:
        process.given_up = True
        text = f"FATAL: {name} ended {process.failed_starts} times without becoming ready"
        self._alert("ERROR", text, now_ns)
        self._out += [GiveUp(name), c.SetState("degraded", text)]
        process.failed_starts = 0
        if name.startswith(ENGINE):
            self._out.append(c.SetLatch(DESK, text))

    # --- telling ------------------------------------------------------------------------------

    def _alert(self, level: str, text: str, now_ns: int, **fields: str) -> None:
        """A log line and a message on the bus; what we say comes back to us from neither."""
        self._out.append(c.Alert(level, text, fields))
        self._tell(level, "watchdog", text, fields, now_ns)

    def _tell(
        self, level: str, process: str, text: str, fields: dict[str, str], now_ns: int
    ) -> None:
        """To the webhook, once per cause; what comes up meanwhile is counted."""
        if LEVELS.get(level, 0) < self._min_level:
            return
        told = self._told.setdefault((process, text), Told())
        told.count += 1
        if told.at_ns and now_ns - told.at_ns < TELL_AGAIN_NS:
            return
        times = f" ({told.count} times)" if told.count > 1 else ""
        more = "".join(f"; {key}: {value}" for key, value in fields.items())
        self._out.append(Tell(f"{level} {process}: {text}{times}{more}"[:1000]))
        told.at_ns, told.count = now_ns, 0
