"""`crossdesk record` and `crossdesk replay`: the bus to files, and files to the bus."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from common import logs
from common.config import RecorderConfig
from common.replay import Moment
from services.cli import output
from services.cli.settings import CliError, Settings, UsageError
from services.cli.supervisor import Supervisor
from services.recorder.topics import problem_of

MAX_SPEED = "max"
QUIET = "WARNING"


def register(app: typer.Typer) -> None:
    app.command()(record)
    app.command()(replay)


def record(
    context: typer.Context,
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC]...",
            help='Exact, e.g. book.deribit.BTC-PERPETUAL, or a prefix that ends in "."',
        ),
    ] = None,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Where the files go.")
    ] = Path("recording"),
    raw: Annotated[bool, typer.Option("--raw", help="The venues' public frames too.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after so long; else at Ctrl-C.")
    ] = None,
) -> None:
    """Record what passes on the bus of the running desk to Parquet files."""
    settings: Settings = context.obj
    config = settings.load_config()
    wanted = RecorderConfig(topics or [], raw, str(directory.absolute()))
    if (not wanted.topics and not raw) or "" in wanted.topics:
        raise UsageError("name the topics to record, or --raw", "topics")
    if problem := problem_of(wanted.topics, config):
        raise UsageError(problem, "topics")
    if Supervisor(settings.run_dir).pid() is None:
        raise CliError(f"no desk runs in {settings.run_dir.path}; start one with `crossdesk up`")
    from services.recorder.core import GaveUp
    from services.recorder.recording import recorder

    _log(settings, "record")
    failures: list[GaveUp] = []

    def give_up(failure: GaveUp) -> None:
        failures.append(failure)
        shell.stop()

    shell = recorder(config, wanted, settings.run_dir, f"record.{os.getpid()}", give_up)
    if seconds is not None:
        shell.loop.call_later(seconds, shell.stop)
    code = shell.run()
    if failures:
        raise CliError(failures[0].text)
    if settings.as_json:
        output.print_json({"directory": wanted.directory})
    else:
        print(f"recorded to {wanted.directory}")
    if code:
        raise typer.Exit(code)


def replay(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Recorded Parquet files, directories of them, or text files of venue frames.",
        ),
    ],
    speed: Annotated[
        str, typer.Option(help="1 as recorded, 10 ten times as fast, 0 or max without pauses.")
    ] = "1",
    venue: Annotated[str, typer.Option(help="Only this venue; text files of frames need it.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Begin when somebody reads.")] = False,
) -> None:
    """Publish recorded market data where the market_data process of a run directory would."""
    settings: Settings = context.obj
    rate = _speed(speed)
    from services.recorder.reading import read
    from services.recorder.recording import replayer

    venue, moments = _of_one_venue(read(files, venue), venue)
    _log(settings, "replay")
    shell, done = replayer(moments, venue, settings.run_dir, rate, wait)
    code = shell.run()
    messages = done[0].messages if done else 0
    if settings.as_json:
        output.print_json({"venue": venue, "messages": messages, "finished": bool(done)})
    elif done:
        print(f"replayed {messages} messages of {venue}")
    if code:
        raise typer.Exit(code)


def _speed(text: str) -> float:
    """0 means without pauses."""
    if text == MAX_SPEED:
        return 0.0
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1_000_000:
        raise UsageError(f"--speed: a number from 0 up, or max, not {text!r}", "speed")
    return rate


def _of_one_venue(moments: Iterator[Moment], venue: str) -> tuple[str, Iterator[Moment]]:
    """The venue, if need be that of the first message, and its messages only.

    Raises:
        CliError: there are none.
    """
    from services.recorder.reading import venue_of

    first = next(moments, None)
    if first is None:
        raise CliError("nothing of the market is recorded there")
    chosen = venue or venue_of(first.event.topic)
    all_of_them = chain([first], moments)
    return chosen, (one for one in all_of_them if venue_of(one.event.topic) == chosen)


def _log(settings: Settings, process: str) -> None:
    logs.set_up(process, settings.log_level or QUIET)
