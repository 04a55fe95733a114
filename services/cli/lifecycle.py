"""`up` and `down`: start a desk and wait until it is healthy; stop it and leave nothing running."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from common import config as configuration
from common.config import DeskConfig
from common.domain.risk import Limits
from common.errors import ConfigError
from common.rundir import RunDir
from common.transport.receivers import receivers
from services.cli.health import DEGRADED, READY, Beats
from services.cli.ports import check_ports
from services.cli.processes import Process, processes
from services.cli.settings import (
    CliError,
    DeskRecord,
    Settings,
    UsageError,
    read_record,
    write_record,
)
from services.cli.supervisor import WATCHDOG, Supervisor
from services.gateway.key_file import KeyFile
from services.gateway.memory import NAME as HISTORY, Memory, Unreadable
from services.trading_engine.shell import read_limits, risk_path

UP_TIMEOUT_S = 60.0
STRATEGIES_TIMEOUT_S = 5.0
AT_REST = frozenset({"STOPPED", "FATAL"})  # EXITED lasts until supervisord looks again
PATIENCE_S = 5.0  # with a process that supervisord keeps restarting


def check_secrets(config: DeskConfig, source: Path) -> None:
    """Every secret the configuration names is there.

    Raises:
        ConfigError: names the environment variable that is missing.
    """
    for name, venue in config.venues.items():
        read_only = venue.market_data.read_only_credentials
        if read_only is not None:
            where = f"{source}: venues.{name}.market_data.read_only_credentials"
            configuration.credentials(read_only, where=where)
        for account in venue.accounts:
            where = f"{source}: venues.{name}.accounts.{account.name}"
            if configuration.credentials(account.credentials, where=where) is None:
                raise ConfigError(where, "credentials", "an account needs credentials")
    receivers(config.alerts, str(source))


def check_limits(config: DeskConfig, source: Path) -> None:
    """The limits of every account can be used.

    Raises:
        ConfigError: names the limit.
    """
    for name, venue in config.venues.items():
        for account in venue.accounts:
            Limits.of(account.limits, f"{source}: venues.{name}.accounts.{account.name}.limits")
            path = risk_path(config, source)
            if path is not None:
                read_limits(path, f"{name}.{account.name}")


def check_keys(config: DeskConfig, source: Path) -> None:
    """The gateway's keys can be used, those of the key file too.

    Raises:
        ConfigError: names the key.
    """
    strategies = {strategy.name for strategy in config.strategies}
    KeyFile(config.gateway, str(source), strategies).load()


def check_recorder(config: DeskConfig, source: Path) -> None:
    """What is to be recorded is published.

    Raises:
        ConfigError: names the topic.
    """
    if config.recorder is not None:
        from services.recorder.recording import check  # with all that a recorder needs

        check(config.recorder, config, str(source))


def up(settings: Settings, say: Callable[[str], None]) -> tuple[DeskConfig, bool]:
    """Start what the configuration lists and wait until all of it is ready.

    Returns:
        The configuration, and whether this call started the desk (False: it ran already).

    Raises:
        ConfigError: before anything is started.
        CliError: a process did not become ready; it is named, with the reason. All keeps running.
    """
    path = settings.effective_config_path()
    config = configuration.load(path)
    check_secrets(config, path)
    check_limits(config, path)
    check_keys(config, path)
    check_recorder(config, path)
    supervisor = Supervisor(settings.run_dir)
    running = supervisor.pid() is not None
    if not running:
        settings.run_dir.clear_sockets()  # of a desk that was killed
    settings.run_dir.create()
    wanted = processes(config)
    if running:
        _refuse_other_desk(settings, path)
        _start_what_stopped([p for p in [WATCHDOG, *wanted] if not p.strategy], supervisor, say)
    else:
        check_ports(config, path)
        level = settings.log_level or config.log_level
        record = DeskRecord(desk=config.desk, config=str(path), log_level=level)
        _begin_simulated_venues_anew(config, settings.run_dir)
        supervisor.start(supervisor.render(wanted, path, level))
        write_record(settings.run_dir, record)
    wait_until_ready([p for p in wanted if not p.strategy], supervisor, say)
    wait_until_ready([WATCHDOG], supervisor, say, well=frozenset({READY, DEGRADED}))
    _tell_strategies([p for p in wanted if p.strategy], supervisor, say)
    return config, not running


def _start_what_stopped(
    wanted: list[Process], supervisor: Supervisor, say: Callable[[str], None]
) -> None:
    """What was given up or stopped; a strategy that stopped stays so until somebody asks."""
    states = {row["name"]: row["statename"] for row in supervisor.states()}
    for process in wanted:
        if states.get(process.name) in AT_REST:
            supervisor.start_process(process.name)
            say(f"{process.name} was stopped: it is started again")


def restart(settings: Settings, names: list[str], say: Callable[[str], None]) -> None:
    """Stop and start processes of a running desk, given up or not, and wait until they are ready.

    Raises:
        ConfigError: before anything is stopped.
        CliError: there is none of that name, or one does not become ready.
    """
    path = settings.effective_config_path()
    config = configuration.load(path)
    check_limits(config, path)
    known = [WATCHDOG, *processes(config)]
    chosen = [process for process in known if process.name in names]
    if missing := set(names) - {process.name for process in chosen}:
        listed = ", ".join(process.name for process in known)
        raise UsageError(f"no process {min(missing)!r}; one of {listed}", "process")
    supervisor = Supervisor(settings.run_dir)
    if supervisor.pid() is None:
        raise CliError(f"no desk runs in {settings.run_dir.path}; start one with `crossdesk up`")
    for process in reversed(chosen):
        supervisor.stop_process(process.name)
    for process in chosen:
        supervisor.start_process(process.name)
    wait_until_ready([p for p in chosen if p is not WATCHDOG], supervisor, say)
    wait_until_ready([WATCHDOG], supervisor, say, well=frozenset({READY, DEGRADED}))


def _begin_simulated_venues_anew(config: DeskConfig, run_dir: RunDir) -> None:
    """A simulated venue forgets its accounts when it ends, so what the desk wrote down of them
    would tell of orders and fills of a world that is gone. The last journal is kept beside."""
    simulated = {simulator.venue for simulator in config.simulators}
    for name in simulated & config.venues.keys():
        for account in config.venues[name].accounts:
            (run_dir.state / f"{name}.{account.name}.day").unlink(missing_ok=True)
            journal = run_dir.state / f"{name}.{account.name}.journal"
            if journal.exists():
                previous = journal.with_suffix(".journal.previous")
                shutil.rmtree(previous, ignore_errors=True)
                previous.unlink(missing_ok=True)
                journal.replace(previous)
    _forget_history(run_dir.state / HISTORY, simulated)


def _forget_history(path: Path, venues: set[str]) -> None:
    """Of a file that cannot be read the gateway will tell; it is none of ours."""
    if path.exists():
        with suppress(Unreadable, sqlite3.Error, OSError):
            memory = Memory(path)
            memory.forget(venues)
            memory.close()


def _tell_strategies(
    wanted: list[Process], supervisor: Supervisor, say: Callable[[str], None]
) -> None:
    """A strategy that does not start is told and holds nothing up: the desk is well without it."""
    if wanted:
        try:
            wait_until_ready(wanted, supervisor, say, STRATEGIES_TIMEOUT_S)
        except CliError as error:
            say(error.text)


def _refuse_other_desk(settings: Settings, path: Path) -> None:
    record = read_record(settings.run_dir)
    if record is not None and Path(record.config) != path:
        raise CliError(
            f"a desk with {record.config} runs in {settings.run_dir.path}; stop it with"
            " `crossdesk down`, or give this one its own --run-dir and ports"
        )


def wait_until_ready(
    wanted: list[Process],
    supervisor: Supervisor,
    say: Callable[[str], None],
    timeout_s: float = UP_TIMEOUT_S,
    well: frozenset[str] = frozenset({READY}),
) -> None:
    """Return once every process beats with a state that is well enough.

    Raises:
        CliError: names the processes that do not, and why.
    """
    started = time.monotonic()
    told: set[str] = set()
    with Beats(wanted, supervisor.run_dir) as beats:
        while waiting := [p.name for p in wanted if beats.state(p.name) not in well]:
            beats.wait(0.1)
            for process in wanted:
                if process.name not in told and beats.state(process.name) in well:
                    told.add(process.name)
                    say(f"{process.name} is ready after {time.monotonic() - started:.1f} s")
            elapsed = time.monotonic() - started
            failing = _failing(waiting, supervisor) if elapsed > PATIENCE_S else []
            if failing or elapsed > timeout_s:
                raise CliError(_complaint(failing or waiting, beats, supervisor))


def _failing(names: list[str], supervisor: Supervisor) -> list[str]:
    """Those that end as soon as they are started."""
    states = {row["name"]: row["statename"] for row in supervisor.states()}
    return [name for name in names if states.get(name, "STOPPED") not in ("RUNNING", "STARTING")]


def _complaint(names: list[str], beats: Beats, supervisor: Supervisor) -> str:
    states = {row["name"]: row for row in supervisor.states()}
    parts = []
    for name in names:
        beat = beats.last.get(name)
        log = supervisor.run_dir.logs / f"{name}.log"
        if beat is not None:
            reason = f"is {beat.state}" + (f" ({beat.text})" if beat.text else "")
        else:
            state = states.get(name, {}).get("statename", "not running")
            reason = f"is {state} and silent; last words: {last_line(log)}"
        parts.append(f"{name} {reason}\n    log: {log}")
    return "not healthy: " + "\n  and ".join(parts) + "\n  `crossdesk down` stops what runs"


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "none"
    return lines[-1][:200] if lines else "none"


def down(settings: Settings) -> bool:
    """Stop the desk of this run directory. False: it was not running."""
    return Supervisor(settings.run_dir).stop()
