"""`crossdesk strategy`: run, simulate, list, start, stop and tune strategies."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from common import messages as m
from common.client import Client, NoAnswer, NotRunning, Received
from common.config import DeskConfig, StrategyConfig, check_strategy, load as load_config
from common.errors import ConfigError
from services.cli import output
from services.cli.health import Beats
from services.cli.processes import strategy_host
from services.cli.settings import (
    CHECKOUT,
    DEFAULT_CONFIG,
    CliError,
    Settings,
    UsageError,
    read_record,
)
from services.cli.supervisor import Supervisor
from services.strategy_host import entries, loading
from services.strategy_host.tuning import ALL

SENDER = "crossdesk"
LOOK_S = 1.5
BAD_CONFIG = 78
STOP_S = 15.0
COLUMNS = ("strategy", "state", "position", "orders", "fills", "pnl", "rejects", "note")

app = typer.Typer(no_args_is_help=True, help="Run, simulate, list, stop and tune strategies.")

File = Annotated[Path, typer.Argument(help="A Python file with a class that is a Strategy.")]
Name = Annotated[str, typer.Argument(help="The strategy's name; `list` shows them.")]
ItsName = Annotated[
    str | None, typer.Option("--name", help="Default: that of the YAML, else of the file.")
]


def register(parent: typer.Typer) -> None:
    parent.add_typer(app, name="strategy")


@app.command()
def run(context: typer.Context, file: File, name: ItsName = None) -> None:
    """Run a strategy on the running desk until Ctrl-C, then cancel its orders.

    --config names its YAML (name, venue, account, parameters) or a desk's YAML that lists it.
    """
    settings: Settings = context.obj
    config_path, config, strategy = _strategy_of(settings, file, name)
    if any(listed.name == strategy.name for listed in config.strategies):
        problem = f"the desk lists {strategy.name!r}: use `start`, or give another --name"
        raise UsageError(problem, "name")
    _check_file(strategy)
    if Supervisor(settings.run_dir).pid() is None:
        raise CliError(f"no desk runs in {settings.run_dir.path}; start one with `crossdesk up`")
    entries.write(settings.run_dir, entries.Entry(strategy, "/", by_hand=True))
    command = [sys.executable, "-m", "services.strategy_host", "--name", strategy.name]
    command += ["--config", str(config_path), "--run-dir", str(settings.run_dir.path)]
    if settings.log_level:
        command += ["--log-level", settings.log_level]
    sys.stdout.flush()
    os.chdir(CHECKOUT)
    os.execv(sys.executable, command)


@app.command()
def simulate(
    context: typer.Context,
    file: File,
    name: ItsName = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Of simulated time.")] = 3600.0,
    seed: Annotated[int, typer.Option(help="Of the market; the same again, the same orders.")] = 7,
    replay: Annotated[
        list[str] | None, typer.Option(help="A recording (file or directory) that is the market.")
    ] = None,
) -> None:
    """Run a strategy in simulated time against the simulated venue, and sum up."""
    from services.strategy_host.simulation import Simulation, of_file

    settings: Settings = context.obj
    _, config, strategy = _strategy_of(settings, file, name)
    loaded = of_file(strategy, Path("/"))
    simulation = Simulation(config, strategy, loaded, seed=seed, replay=replay or [])
    simulation.start()
    simulation.run(seconds)
    simulation.stop()
    summary = simulation.summary()
    shown = msgspec.to_builtins(summary, enc_hook=str)
    if settings.as_json:
        output.print_json(shown)
    else:
        for key, value in shown.items():
            is_table = isinstance(value, dict)
            text = ", ".join(f"{v} {k}" for k, v in value.items()) if is_table else value
            print(f"{key:<14} {text}")
    if summary.last_error:
        raise typer.Exit(1)


@app.command("list")
def list_strategies(context: typer.Context) -> None:
    """Show the strategies that the desk lists and those run by hand."""
    settings: Settings = context.obj
    config = settings.load_config()
    known = _entries(settings, config)
    states = _states(settings, [entry.strategy.name for entry in known])
    rows = []
    for entry in known:
        state = states.get(entry.strategy.name)
        row: dict[str, Any] = {"name": entry.strategy.name, "by_hand": entry.by_hand}
        shown = {} if state is None else msgspec.to_builtins(_named(state), enc_hook=str)
        if state is not None:
            row["parameter_origins"] = _origins(state, entry)
        rows.append(row | {"state": "not running", "file": entry.strategy.file} | shown)
    if settings.as_json:
        for row in rows:
            output.print_json(row)
    else:
        output.table(COLUMNS, (_row(row) for row in rows))


@app.command()
def start(context: typer.Context, name: Name) -> None:
    """Start a strategy that the desk lists; one that failed or runs is started anew."""
    settings: Settings = context.obj
    supervisor, process = _supervised(settings, name)
    supervisor.stop_process(process)
    supervisor.start_process(process, wait=True)
    _say(settings, name, "started")


@app.command()
def stop(context: typer.Context, name: Name) -> None:
    """Stop a strategy; its orders are cancelled, unless it is configured to leave them."""
    settings: Settings = context.obj
    config = settings.load_config()
    if any(strategy.name == name for strategy in config.strategies):
        supervisor, process = _supervised(settings, name)
        stopped = supervisor.stop_process(process)
    else:
        entries.find(name, config, settings.effective_config_path(), settings.run_dir)
        stopped = _stop_by_hand(settings, name)
    if not stopped:
        raise CliError(f"the strategy {name} does not run")
    _say(settings, name, "stopped")


@app.command("set")
def set_parameters(
    context: typer.Context,
    name: Name,
    values: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...")],
) -> None:
    """Change parameters of a running strategy, all or none; they hold until `reset`."""
    settings: Settings = context.obj
    changes = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{text!r}: give parameters as KEY=VALUE", "values")
        changes[key] = value
    _tell(settings, name, m.SetParameters(changes))
    _say(settings, name, "parameters changed")


@app.command("reset")
def reset_parameters(
    context: typer.Context,
    name: Name,
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...")] = None,
) -> None:
    """Drop parameters set at run time (default: all); those of the configuration hold again."""
    settings: Settings = context.obj
    _tell(settings, name, m.SetParameters({}, keys or [ALL]))
    _say(settings, name, "parameters reset")


def _tell(settings: Settings, name: str, command: m.SetParameters) -> None:
    try:
        with Client(settings.run_dir, SENDER) as client:
            reply = client.command(f"strategies.{name}", command)
    except NotRunning:
        raise CliError(f"the strategy {name} does not run") from None
    except NoAnswer as error:
        raise CliError(str(error), 3) from None
    if not reply.accepted:
        raise CliError(reply.text, 1, field=reply.field)


# --- what to run ----------------------------------------------------------------------------------


def _strategy_of(
    settings: Settings, file: Path, name: str | None
) -> tuple[Path, DeskConfig, StrategyConfig]:
    """The desk's YAML, what is in it, and the strategy, its file as an absolute path."""
    given = settings.config_path
    raw = _read_yaml(given) if given is not None else {}
    if given is not None and "desk" in raw:
        config_path, config = given, load_config(given)
        fields = _listed(config, given, file)
    else:
        record = read_record(settings.run_dir)
        config_path = Path(record.config) if record else DEFAULT_CONFIG
        config = load_config(config_path)
        fields = raw
    fields = {"name": _name_of(file), "venue": next(iter(config.venues), "")} | fields
    fields["file"] = str(file.absolute())
    if name is not None:
        fields["name"] = name
    source = str(given or file)
    try:
        strategy = msgspec.convert(fields, StrategyConfig)
    except msgspec.ValidationError as error:
        problem, _, key = str(error).partition(" - at `$")
        raise ConfigError(source, key.strip("`.") or "top level", problem) from None
    check_strategy(strategy, config, source)
    return config_path, config, strategy


def _listed(config: DeskConfig, path: Path, file: Path) -> dict[str, Any]:
    """The desk's own entry for this file, if it lists it; under another name it runs beside it."""
    for strategy in config.strategies:
        if (path.parent / strategy.file).resolve() == file.resolve():
            return dict(msgspec.structs.asdict(strategy))
    return {}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(str(path), "", "there is no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(str(path), "", f"cannot be read: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(str(path), "top level", "is not a mapping")
    return raw


def _name_of(file: Path) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", file.stem.lower())[:20]


def _check_file(strategy: StrategyConfig) -> None:
    """Refuse before anything is started, with the line at fault."""
    loaded = loading.load(strategy, Path("/"))
    if loaded.problem:
        raise CliError(loaded.problem, BAD_CONFIG)


# --- what runs ------------------------------------------------------------------------------------


def _entries(settings: Settings, config: DeskConfig) -> list[entries.Entry]:
    known = entries.listed(config, settings.effective_config_path())
    names = {entry.strategy.name for entry in known}
    return known + [e for e in entries.by_hand(settings.run_dir) if e.strategy.name not in names]


def _states(settings: Settings, names: list[str]) -> dict[str, m.StrategyState]:
    """What the hosts that run say of their strategies."""
    found: dict[str, m.StrategyState] = {}
    deadline = time.monotonic() + LOOK_S
    with Client(settings.run_dir, SENDER) as client:
        for name in names:
            client.subscribe(f"strategy.{name}")
        while found.keys() != set(names) and time.monotonic() < deadline:
            for received in client.messages(timeout_s=0.1):
                if isinstance(received, Received) and isinstance(received.message, m.StrategyState):
                    found[received.message.name] = received.message
    return found


def _supervised(settings: Settings, name: str) -> tuple[Supervisor, str]:
    config = settings.load_config()
    names = [strategy.name for strategy in config.strategies]
    if name not in names:
        known = ", ".join(names) or "none"
        raise UsageError(f"the desk lists no strategy {name!r} (it lists: {known})", "name")
    supervisor = Supervisor(settings.run_dir)
    if supervisor.pid() is None:
        raise CliError(f"no desk runs in {settings.run_dir.path}; start one with `crossdesk up`")
    return supervisor, strategy_host(name).name


def _stop_by_hand(settings: Settings, name: str) -> bool:
    """SIGTERM to the host that beats under this name; waits until it is gone."""
    process = strategy_host(name)
    with Beats([process], settings.run_dir) as beats:
        beats.wait_for_all([process.name], LOOK_S)
        beat = beats.last.get(process.name)
    if beat is None or not _is_host(beat.pid, name):
        return False
    os.kill(beat.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _is_host(beat.pid, name):
        if time.monotonic() > deadline:
            raise CliError(f"the strategy {name} (pid {beat.pid}) did not stop")
        time.sleep(0.05)
    return True


def _is_host(pid: int, name: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"services.strategy_host" in words and name.encode() in words


# --- showing --------------------------------------------------------------------------------------


def _say(settings: Settings, name: str, what: str) -> None:
    if settings.as_json:
        output.print_json({"strategy": name, "done": what})
    else:
        print(f"{name}: {what}")


def _named(state: m.StrategyState) -> dict[str, Any]:
    named = dict(msgspec.structs.asdict(state))
    named["positions"] = [msgspec.structs.asdict(position) for position in state.positions]
    return named


def _origins(state: m.StrategyState, entry: entries.Entry) -> dict[str, str]:
    """Where each parameter's value comes from."""
    known = dict.fromkeys(entry.strategy.parameters, "file")
    known |= dict.fromkeys(state.set_at_run_time, "run time")
    return {name: known.get(name, "default") for name in state.parameters}


def _row(row: dict[str, Any]) -> tuple[Any, ...]:
    positions = [p for p in row.get("positions", ()) if float(p["quantity"])]
    held = [f"{p['quantity']} {p['instrument']}" for p in positions]
    pnl = [f"{output.money(value)} {currency}" for currency, value in row.get("pnl", {}).items()]
    return (
        row["name"],
        row["state"],
        ", ".join(held),
        row.get("open_orders"),
        row.get("fills"),
        ", ".join(pnl),
        sum(row.get("rejects", {}).values()) if "rejects" in row else None,
        row.get("last_error", ""),
    )
