"""`crossdesk watch` and `crossdesk run`: the live view, and the desk with the live view."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from rich.live import Live

from common.config import DeskConfig
from services.cli import lifecycle, output
from services.cli.gateway import Gateway, Refused
from services.cli.processes import gateway_url
from services.cli.settings import CliError, Settings
from services.cli.view import Screen, lines, render

FRAMES_PER_SECOND = 8
LINE_EVERY_S = 1.0
RETRY_S = 1.0
DEFAULT_INSTRUMENTS = 2


class Ended(Exception):
    """The user, or whoever started us, wants us to end."""


def register(app: typer.Typer) -> None:
    app.command()(watch)
    app.command()(run)


def watch(
    context: typer.Context,
    instruments: Annotated[
        list[str] | None, typer.Argument(help="Default: the first always-on ones.")
    ] = None,
    levels: Annotated[int, typer.Option(min=1, max=20)] = 10,
    duration: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="End by itself.")
    ] = None,
) -> None:
    """Show live books, trades and own orders until Ctrl-C; plain lines if not on a terminal."""
    settings: Settings = context.obj
    gateway = Gateway(settings)
    names = instruments or default_instruments(gateway.config)
    with _signals(), _quietly():
        show(gateway, names, settings.as_json, levels, duration)


def run(
    context: typer.Context,
    instruments: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Start the desk and show it live; Ctrl-C stops everything."""
    settings: Settings = context.obj
    with _signals():
        try:
            config, _ = lifecycle.up(settings, print)
            for line in welcome(config):
                print(line, flush=True)
            gateway = Gateway(settings)
            names = instruments or default_instruments(config)
            show(gateway, names, settings.as_json)
        except (Ended, KeyboardInterrupt):
            pass
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            print("stopping the desk ...", flush=True)
            lifecycle.down(settings)
            print("stopped", flush=True)


def welcome(config: DeskConfig) -> list[str]:
    """Where the page is and which key opens it; only a demo key is ever shown."""
    text = [f"desk {config.desk} is up; page: {gateway_url(config)}/"]
    for key in config.gateway.keys[:1]:
        shown = f"{key.key_id}.{key.secret}" if key.secret else f"{key.key_id} (secret not shown)"
        text.append(
            f"key: {shown}   API: {gateway_url(config)}/api/v1/docs   Ctrl-C stops the desk"
        )
    return text


def default_instruments(config: DeskConfig) -> list[str]:
    found = [
        f"{name}.{symbol}"
        for name, venue in config.venues.items()
        for symbol in venue.market_data.always_on
    ]
    if not found:
        raise CliError("name an instrument, e.g. deribit.BTC-PERPETUAL", 2, field="instrument")
    return found[:DEFAULT_INSTRUMENTS]


def show(
    gateway: Gateway,
    instruments: list[str],
    as_json: bool,
    levels: int = 10,
    duration_s: float | None = None,
) -> None:
    """Draw until interrupted; the connection is made again when it is lost.

    Raises:
        Refused: the gateway does not know an instrument.
    """
    title = f"[bold]crossdesk[/] {gateway.config.desk}   page {gateway.url}/   Ctrl-C ends"
    screen = Screen(title, instruments, levels)
    feed = Feed(gateway, screen)
    feed.start()
    ends = time.monotonic() + duration_s if duration_s is not None else float("inf")
    if sys.stdout.isatty() and not as_json:
        _draw(screen, feed, ends)
    else:
        _print_lines(screen, feed, ends, as_json)


class Feed(threading.Thread):
    """Reads the gateway's stream into a screen; the view only reads the screen."""

    def __init__(self, gateway: Gateway, screen: Screen) -> None:
        super().__init__(daemon=True, name="feed")
        self.gateway, self.screen = gateway, screen
        self.refused: Refused | None = None

    def channels(self) -> list[str]:
        found = []
        for name in self.screen.instruments:
            found += [f"depth.{name}.{self.screen.levels}.100ms", f"trade.{name}"]
        return found + (["orders", "positions"] if self.gateway.key else [])

    def run(self) -> None:
        while True:
            try:
                for params in self.gateway.stream(self.channels(), self.gateway.key is not None):
                    self.screen.note = ""
                    self.screen.apply(params["channel"], params["data"])
            except Refused as refused:
                self.refused = refused
                return
            except CliError as error:
                self.screen.note = f"{error.text}; trying again"
            time.sleep(RETRY_S)


def _draw(screen: Screen, feed: Feed, ends: float) -> None:
    terminal = output.console()
    with Live(
        get_renderable=lambda: render(screen, terminal.size.height),
        refresh_per_second=FRAMES_PER_SECOND,
        console=terminal,
    ):
        _wait(feed, ends)


def _print_lines(screen: Screen, feed: Feed, ends: float, as_json: bool) -> None:
    while time.monotonic() < ends:
        _wait(feed, min(ends, time.monotonic() + LINE_EVERY_S))
        if as_json:
            output.print_json({"books": list(screen.books.values()), "note": screen.note})
            continue
        for line in [*lines(screen), *([screen.note] if screen.note else [])]:
            print(line, flush=True)


def _wait(feed: Feed, until: float) -> None:
    while time.monotonic() < until:
        if feed.refused is not None:
            raise feed.refused
        time.sleep(min(0.1, max(0.0, until - time.monotonic())))


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except (Ended, KeyboardInterrupt):
        return


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP become Ended, also where the starter had them ignored."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = {
        number: signal.signal(number, end)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
