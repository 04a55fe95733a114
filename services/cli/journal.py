"""`crossdesk journal` and `crossdesk explain`: what an engine wrote down; the desk may be down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from common.errors import AlreadyRunning, ConfigError, LocalError
from common.transport import segments, sockets
from services.cli import output
from services.cli.settings import CliError, Settings
from services.trading_engine import records
from services.trading_engine.ids import engine_of
from services.trading_engine.story import Story, explain

NS_PER_S = 1_000_000_000
journal = typer.Typer(
    no_args_is_help=True,
    help="Check, print or set aside the journals of the trading engines; the desk may be down.",
    rich_markup_mode=None,
)
Which = Annotated[
    str | None,
    typer.Argument(metavar="[JOURNAL]", help="<venue>.<account>, or a directory. Default: all."),
]


def register(app: typer.Typer) -> None:
    app.add_typer(journal, name="journal")
    app.command("explain")(explain_order)


@journal.command()
def verify(context: typer.Context, which: Which = None) -> None:
    """Read every byte: sequences, checksums, the chain of hashes, snapshots, each record.

    Exit code 1 if anything is wrong, with the file and the byte.
    """
    settings: Settings = context.obj
    is_good = True
    for directory in _directories(settings, which):
        report = _verified(directory)
        is_good = is_good and not report["damage"]
        if settings.as_json:
            output.print_json(report)
        else:
            _tell(report)
    if not is_good:
        raise typer.Exit(1)


def _verified(directory: Path) -> dict[str, Any]:
    loaded = _load(directory)
    found = loaded.damage or _load(directory, whole=False).damage
    damage = [str(found)] if found else []
    notes = list(loaded.notes)
    for sequence, path in segments.listed(directory, "snapshot"):
        taken = segments.read_snapshot(path, sequence)
        if isinstance(taken, segments.Damage):
            notes.append(f"{taken}; it is passed over")
    try:
        entries = sum(1 for _ in records.each(loaded.tail))
    except LocalError as error:
        damage.append(f"{directory}: {error}")
        entries = 0
    return {
        "journal": str(directory),
        "good": not damage,
        "records": loaded.sequence,
        "entries": entries,
        "segments": len(segments.listed(directory, "segment")),
        "snapshots": len(segments.listed(directory, "snapshot")),
        "hash": loaded.chain.digest.hex(),
        "damage": damage,
        "notes": notes,
    }


def _tell(report: dict[str, Any]) -> None:
    word = "good" if report["good"] else "DAMAGED"
    print(f"{report['journal']}: {word}")
    print(
        f"  {output.count(report['records'], 'record')} in"
        f" {output.count(report['segments'], 'segment')},"
        f" {output.count(report['snapshots'], 'snapshot')}, hash {report['hash']}"
    )
    for text in (*report["damage"], *report["notes"]):
        print(f"  {text}")


@journal.command()
def dump(context: typer.Context, which: Which = None) -> None:
    """Print every record, oldest first; with --json one object a line."""
    settings: Settings = context.obj
    for directory in _directories(settings, which):
        loaded = _load(directory)
        for entry in _entries(loaded):
            for record in entry.records:
                _print_record(entry.at_ns, record, settings.as_json)
        if loaded.damage is not None:
            raise CliError(f"{loaded.damage}; what stands behind it was not printed")


def _entries(loaded: segments.Loaded) -> Iterator[records.Entry]:
    try:
        yield from records.each(loaded.tail)
    except LocalError as error:
        raise CliError(str(error)) from None


def _print_record(at_ns: int, record: records.Record, as_json: bool) -> None:
    values = {name: _plain(getattr(record, name)) for name in type(record).__struct_fields__}
    kind = type(record).__name__.removesuffix("Record")
    if as_json:
        output.print_json({"at_ns": at_ns, "record": kind, **values})
        return
    shown = " ".join(f"{name}={value}" for name, value in values.items() if value not in ("", []))
    print(f"{_clock(at_ns)} {kind:8} {shown}")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in type(value).__struct_fields__}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return msgspec.to_builtins(value, enc_hook=str)


@journal.command("set-aside")
def set_aside(context: typer.Context, which: Which = None) -> None:
    """Move a damaged journal away, so that its engine may start; a good one stays."""
    settings: Settings = context.obj
    for directory in _directories(settings, which):
        if not _verified(directory)["damage"]:
            print(f"{directory} is good: it stays")
            continue
        lock = directory.with_suffix(".lock")
        try:
            with sockets.lock_file(lock):
                moved = _away(directory)
        except (ConfigError, AlreadyRunning):
            raise CliError(f"{directory} is in use by an engine: stop it first") from None
        print(f"moved to {moved}; the engine takes its state from the venue at its next start")


def _away(directory: Path) -> Path:
    number = 1
    while (target := directory.with_suffix(f".damaged-{number}")).exists():
        number += 1
    return directory.rename(target)


def explain_order(
    context: typer.Context,
    client_order_id: Annotated[str, typer.Argument(metavar="CLIENT_ORDER_ID")],
) -> None:
    """Tell all that is known of one order: who asked, which checks, every state and its source."""
    settings: Settings = context.obj
    if engine_of(client_order_id) is None:
        raise CliError(f"{client_order_id}: not an id that an engine of this desk makes", 2)
    for directory in _directories(settings, None):
        loaded = _load(directory)
        try:
            story = explain(loaded.tail, client_order_id)
        except LocalError as error:
            raise CliError(f"{directory}: {error}") from None
        if story.steps:
            _print_story(story, settings)
            return
    raise CliError(f"no journal in {settings.run_dir.state} knows an order {client_order_id}")


def _print_story(story: Story, settings: Settings) -> None:
    keys = _owners(settings)
    for asked in story.asked:
        asked["asked_by"] = keys.get(asked["owner"], "")
    if settings.as_json:
        output.print_json(_plain(story))
        return
    if story.order is not None:
        order = story.order
        price = "" if order.price is None else f" at {order.price}"
        print(
            f"{order.side.value} {order.quantity} {order.instrument}{price}: {order.status.value}"
        )
    for asked in story.asked:
        who = asked["asked_by"] or asked["owner"] or "nobody's order"
        print(f"asked by {who} through {asked['sender'] or '-'}: {asked['command']}")
    print(f"checks passed: {', '.join(story.checks) or 'none, it was not placed here'}")
    for build in story.builds:
        print(f"engine start {build['start_counter']}: {build['build']}, {build['config_hash']}")
    rows = [(_clock(s.at_ns), s.what, s.status, s.source, s.text) for s in story.steps]
    output.table(["time", "what", "status", "source", "note"], rows)


def _owners(settings: Settings) -> dict[str, str]:
    """Who an owner is, as the configuration says now."""
    found: dict[str, str] = {}
    with suppress(ConfigError):
        config = settings.load_config()
        found |= {s.name: f"strategy {s.name}" for s in config.strategies}
        found |= {k.owner: f"key {k.key_id}" for k in config.gateway.keys if k.owner}
    return found


def _directories(settings: Settings, which: str | None) -> list[Path]:
    state = settings.run_dir.state
    if which is None:
        found = sorted(path for path in state.glob("*.journal") if path.is_dir())
        if not found:
            raise CliError(f"there is no engine's journal in {state}")
        return found
    for path in (state / f"{which}.journal", Path(which)):
        if path.is_dir():
            return [path]
    raise CliError(f"there is no journal {which!r} in {state}", 2)


def _load(directory: Path, *, whole: bool = True) -> segments.Loaded:
    try:
        return segments.load(directory, whole=whole)
    except OSError as error:
        raise CliError(f"{directory}: {error.strerror or error}") from None


def _clock(at_ns: int) -> str:
    moment = datetime.fromtimestamp(at_ns // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{at_ns % NS_PER_S // 1000:06d}"
