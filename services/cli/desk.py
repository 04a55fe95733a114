"""Commands about the desk itself: up, down, restart, status, logs, config."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from common import config as configuration
from services.cli import kill, lifecycle, output, status
from services.cli.processes import gateway_url, processes, strategy_host
from services.cli.settings import CliError, Settings, UsageError
from services.cli.supervisor import WATCHDOG
from services.strategy_host import entries

FOLLOW_POLL_S = 0.2
STATUS_COLUMNS = ("process", "state", "healthy", "pid", "cpu %", "rss MB", "uptime", "note")


def register(app: typer.Typer) -> None:
    for command in (up, down, restart, status_command, logs, config):
        name = command.__name__.removesuffix("_command")
        app.command(name)(command)


def up(context: typer.Context) -> None:
    """Start the desk and wait until every process is healthy."""
    settings: Settings = context.obj
    say = (lambda text: None) if settings.as_json else print
    config, started = lifecycle.up(settings, say)
    if settings.as_json:
        answer = {"desk": config.desk, "healthy": True, "started": started}
        answer |= {"latched": kill.latched(settings.run_dir)}
        output.print_json(answer | {"gateway": gateway_url(config)} | _run_dir(settings))
    else:
        word = "is up" if started else "was up already"
        print(f"desk {config.desk} {word}: {gateway_url(config)}")
        _print_latches(settings)


def down(context: typer.Context) -> None:
    """Stop the desk; nothing is deleted but sockets."""
    settings: Settings = context.obj
    stopped = lifecycle.down(settings)
    if settings.as_json:
        output.print_json({"stopped": stopped} | _run_dir(settings))
    else:
        print("desk stopped" if stopped else f"no desk runs in {settings.run_dir.path}")


def restart(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="PROCESS...", help="As in `status`.")],
) -> None:
    """Stop and start processes, also given up ones, and wait until they are healthy."""
    settings: Settings = context.obj
    lifecycle.restart(settings, names, (lambda text: None) if settings.as_json else print)
    if settings.as_json:
        latched = kill.latched(settings.run_dir)
        output.print_json({"restarted": names, "latched": latched} | _run_dir(settings))
    else:
        _print_latches(settings)


def _print_latches(settings: Settings) -> None:
    for sentence in kill.advice(settings.run_dir):
        print(sentence)


def _run_dir(settings: Settings) -> dict[str, str]:
    return {"run_dir": str(settings.run_dir.path)}


def status_command(context: typer.Context) -> None:
    """Show the processes; exit 1 unless all that are supervised are healthy."""
    settings: Settings = context.obj
    config = settings.load_config()
    wanted = [WATCHDOG, *processes(config)]
    names = {process.name for process in wanted}
    hosts = [strategy_host(each.strategy.name) for each in entries.by_hand(settings.run_dir)]
    by_hand = [host for host in hosts if host.name not in names]
    rows = status.collect(wanted, settings.run_dir, by_hand)
    if settings.as_json:
        shown = {"processes": rows, "latched": kill.latched(settings.run_dir)}
        output.print_json({"desk": config.desk, **_run_dir(settings)} | shown)
    else:
        output.table(STATUS_COLUMNS, (_status_row(row) for row in rows))
        _print_latches(settings)
    if not all(row["healthy"] for row in rows if row["supervised"]):
        raise typer.Exit(1)


def _status_row(row: dict[str, Any]) -> tuple[Any, ...]:
    healthy = Text("yes", output.GOOD) if row["healthy"] else Text("no", output.BAD)
    note = row["text"] or ("" if row["healthy"] else row["health"])
    note = f"{note}; next: {row['next']}" if row["next"] else note
    uptime = output.duration(row["uptime_s"]) if row["pid"] else ""
    usage = (row["cpu_percent"], row["rss_mb"]) if row["pid"] else ("", "")
    return (row["name"], row["state"], healthy, row["pid"], *usage, uptime, note)


def config(context: typer.Context) -> None:
    """Check the configuration and print it, defaults included, secrets left out."""
    settings: Settings = context.obj
    path = settings.effective_config_path()
    loaded = configuration.load(path)
    lifecycle.check_secrets(loaded, path)
    lifecycle.check_limits(loaded, path)
    lifecycle.check_keys(loaded, path)
    shown = _without_secrets(msgspec.to_builtins(loaded))
    if settings.as_json:
        output.print_json(shown)
    else:
        import yaml

        print(f"# {path}")
        print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "***" if key in ("secret", "client_secret") and item else _without_secrets(item)
        for key, item in value.items()
    }


def logs(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PROCESS]...", help="Default: all.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of each.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print the last log lines of processes; with --json the JSON lines."""
    settings: Settings = context.obj
    known = [process.name for process in (*processes(settings.load_config()), WATCHDOG)]
    known.append("supervisord")
    for name in names or []:
        if name not in known:
            raise UsageError(f"no process {name!r}; one of {', '.join(known)}", "process")
    suffix = "jsonl" if settings.as_json else "log"
    paths = [settings.run_dir.logs / f"{name}.{suffix}" for name in names or known]
    paths = [path for path in paths if path.exists()]
    if not paths:
        raise CliError(f"no logs in {settings.run_dir.logs}; was this desk ever started?")
    for path in paths:
        for line in path.read_text(errors="replace").splitlines()[-lines:] if lines else []:
            print(line)
    if follow:
        _follow(paths)


def _follow(paths: list[Path]) -> None:
    """Print what is appended, from file to file, also after they were rotated."""
    positions = {path: path.stat().st_size for path in paths}
    while True:
        for path in paths:
            positions[path] = _print_from(path, positions[path])
        sys.stdout.flush()
        time.sleep(FOLLOW_POLL_S)


def _print_from(path: Path, position: int) -> int:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                position = 0
            file.seek(position)
            sys.stdout.write(file.read().decode(errors="replace"))
            return file.tell()
    except FileNotFoundError:
        return 0
