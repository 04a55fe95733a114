"""Who is dead or stuck, and what is done about it.

A process whose beats stop while supervisord calls it RUNNING is stuck: it is killed, and
supervisord starts another. One that ends three times without ever having become ready is given up;
if it is an engine, the desk is latched. Beats come from the loops themselves, so a loop that spins
is noticed as well as a process that was stopped.

A process beats before supervisord calls it RUNNING, which tells the pid and comes a second after
the start. Its beats tell the pid as well, so the silence of one that stops within that second
counts from its last beat and not from the allowance of a process that has never beaten.

Silence is counted in our own looks. One that comes late counts little, since beats that we have not
read are no silence; but it counts, so that a busy machine makes us slower and never blind.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from common import core as c, messages as m
from common.domain.modes import DESK
from services.watchdog.events import GiveUp, Kill, ProcessChanged, ProcessesListed, Tell

NS_PER_S = 1_000_000_000
LOOK_NS = 100_000_000
SILENT_S = 1.75  # three beats are missed, and were given a moment to come late
START_NS = 30 * NS_PER_S  # for the first beat of a process
OLD_S = 25
LOOK_NS_MAX = 2 * LOOK_NS  # of silence in one look, however late it was
TELL_AGAIN_NS = 300 * NS_PER_S
MAX_CAUSES = 500  # that are remembered
STARTS = 3
ENGINE = "trading_engine."
ALIVE = frozenset({"STARTING", "RUNNING"})
ENDED = frozenset({"EXITED", "BACKOFF", "FATAL"})
AT_REST = frozenset({"STOPPED", "FATAL"})  # until somebody asks supervisord to start it
WELL = frozenset({"ready", "degraded"})
LEVELS = {"INFO": 0, "WARNING": 1, "ERROR": 2}
Event = c.Event | ProcessChanged | ProcessesListed
Command = c.CoreCommand | Kill | GiveUp | Tell


class Watched(msgspec.Struct):
    """One process.

    pid: 0 until supervisord told it. beat_pid: whose beat came last, 0 where none came since the
    start. ended_pid: the process before, whose late beats count for nobody. silent_ns: since the
    start or the last beat, whichever is later. failed_starts: in a row.
    """

    state: str = "STOPPED"
    pid: int = 0
    beat_pid: int = 0
    ended_pid: int = 0
    silent_ns: int = 0
    was_ready: bool = False
    failed_starts: int = 0
    killed: int = 0
    given_up: bool = False


class Told(msgspec.Struct):
    """count: how often a cause came up since it was told. text: how it was told the last time."""

    at_ns: int
    text: str
    more: str
    count: int = 0


class Watchdog:
    """Args: names: processes that beat. min_level: of the alerts that people are sent. silent_s:
    how long one that has beaten may not."""

    def __init__(
        self, names: Sequence[str], min_level: str = "WARNING", silent_s: float = SILENT_S
    ) -> None:
        self._silent_ns = int(silent_s * NS_PER_S)
        self._processes = {name: Watched() for name in names}
        self._min_level = LEVELS[min_level]
        self._told: dict[tuple[str, str], Told] = {}
        self._looked_ns = 0
        self._is_listed = False
        self._said = c.SetState("starting", "waits for supervisord")
        self._out: list[Command] = []

    def handle(self, event: Event, now_ns: int) -> Sequence[Command]:
        match event:
            case c.Started():
                self._out += [c.Subscribe("health."), c.Subscribe("alert."), self._said]
                self._look_again(now_ns)
            case ProcessesListed():
                self._is_listed = True
                for change in event.processes:
                    self._on_changed(change, now_ns)
            case ProcessChanged():
                self._on_changed(event, now_ns)
            case c.BusMessage(message=m.Health() as beat):
                self._on_beat(beat, now_ns)
            case c.BusMessage(message=m.Alert() as alert):
                self._on_alert(alert, now_ns)
        return self._flush()

    def on_time(self, now_ns: int) -> Sequence[Command]:
        passed_ns = min(now_ns - self._looked_ns, LOOK_NS_MAX)
        self._look_again(now_ns)
        for name, process in self._processes.items():
            if process.state in ALIVE:
                process.silent_ns += passed_ns
                self._look_at(name, process, now_ns)
        self._tell_counts(now_ns)
        return self._flush()

    def _flush(self) -> list[Command]:
        state = self._state()
        if state != self._said:
            self._said = state
            self._out.append(state)
        commands, self._out = self._out, []
        return commands

    def _look_again(self, now_ns: int) -> None:
        self._looked_ns = now_ns
        self._out.append(c.WakeAt(now_ns + LOOK_NS))

    def _state(self) -> c.SetState:
        """Ready is who would notice, within two seconds, that a process of the desk is stuck."""
        if not self._is_listed:
            return self._said
        given_up = [name for name, process in self._processes.items() if process.given_up]
        if given_up:
            return c.SetState("degraded", f"given up: {', '.join(given_up)}")
        for name, process in self._processes.items():
            if process.state in ALIVE and not process.beat_pid:
                return c.SetState("starting", f"waits for the first beat of {name}")
        return c.SetState("ready")

    # --- looking ------------------------------------------------------------------------------

    def _look_at(self, name: str, process: Watched, now_ns: int) -> None:
        allowed_ns = self._silent_ns if process.beat_pid else START_NS
        if process.silent_ns <= allowed_ns or not process.pid:
            return
        process.killed += 1
        seconds = f"{process.silent_ns / NS_PER_S:.1f}"
        process.silent_ns = 0
        self._alert("ERROR", f"{name} is stuck: killed", now_ns, silent_s=seconds)
        self._out += [c.Count("processes_killed"), Kill(name, process.pid)]

    def _on_beat(self, beat: m.Health, now_ns: int) -> None:
        process = self._processes.get(beat.process)
        if process is None or process.pid not in (0, beat.pid) or beat.pid == process.ended_pid:
            return
        process.beat_pid = beat.pid
        process.silent_ns = -min(now_ns - self._looked_ns, LOOK_NS_MAX)  # not silent before
        if beat.state in WELL:
            process.was_ready, process.failed_starts = True, 0

    def _on_changed(self, event: ProcessChanged, now_ns: int) -> None:
        process = self._processes.get(event.name)
        if process is None:
            return
        if event.state in ALIVE:
            self._on_alive(process, event)
            return
        before, process.state = process.state, event.state
        process.ended_pid = process.pid or process.beat_pid or process.ended_pid
        process.pid = process.beat_pid = 0
        if event.state in ENDED and before not in ENDED:
            self._on_ended(event.name, process, now_ns)

    def _on_alive(self, process: Watched, event: ProcessChanged) -> None:
        if event.pid and event.pid == process.ended_pid:
            return  # the list was made before it ended, and is read after
        is_new = event.state == "STARTING" and process.state not in ALIVE
        if is_new or (event.pid and event.pid not in (process.pid, process.beat_pid)):
            process.pid = process.beat_pid = 0
            process.was_ready = False
            # One that beat for somebody before us has to beat for us within our first seconds.
            process.silent_ns = min(event.age_s, OLD_S) * NS_PER_S
            # supervisord may start it once more before it hears that we gave it up.
            process.given_up = process.given_up and process.state not in AT_REST
        process.state, process.pid = event.state, event.pid or process.pid

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
        latches = name.startswith(ENGINE)
        then = ", then crossdesk kill off --reason TEXT" if latches else ""
        self._alert("ERROR", text, now_ns, next=f"mend the cause, crossdesk restart {name}{then}")
        self._out.append(GiveUp(name))
        process.failed_starts = 0
        if latches:
            self._out.append(c.SetLatch(DESK, text))

    # --- telling ------------------------------------------------------------------------------

    def _alert(self, level: str, text: str, now_ns: int, **fields: str) -> None:
        """A log line and a message on the bus; what we say comes back to us from neither."""
        self._out.append(c.Alert(level, text, fields))
        self._on_alert(m.Alert("watchdog", level, text, fields, 1, now_ns), now_ns)

    def _on_alert(self, alert: m.Alert, now_ns: int) -> None:
        """To people, once per cause; what comes up meanwhile is counted."""
        if LEVELS.get(alert.level, 0) < self._min_level:
            return
        cause = alert.process, alert.text
        told = self._told.get(cause)
        if told is not None and now_ns - told.at_ns < TELL_AGAIN_NS:
            told.count += alert.count
            return
        count = alert.count + (told.count if told is not None else 0)
        more = "".join(f"; {key}: {value}" for key, value in alert.fields.items())
        self._tell(cause, Told(now_ns, f"{alert.level} {alert.process}: {alert.text}", more, count))

    def _tell_counts(self, now_ns: int) -> None:
        """Causes are in the order in which they were told; one that is over is forgotten."""
        while self._told:
            cause, told = next(iter(self._told.items()))
            if now_ns - told.at_ns < TELL_AGAIN_NS:
                return
            if told.count:
                self._tell(cause, msgspec.structs.replace(told, at_ns=now_ns))
            else:
                del self._told[cause]

    def _tell(self, cause: tuple[str, str], told: Told) -> None:
        times = f" ({told.count} times)" if told.count > 1 else ""
        self._out.append(Tell(f"{told.text}{times}{told.more}"[:1000]))
        told.count = 0
        self._told.pop(cause, None)
        self._told[cause] = told
        if len(self._told) > MAX_CAUSES:
            del self._told[next(iter(self._told))]
