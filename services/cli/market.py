"""Commands that show the market: instruments, book, quotes, trades."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote as url_quote

import typer

from common import messages as m
from services.cli import output
from services.cli.gateway import Gateway
from services.cli.settings import Settings, UsageError

INSTRUMENT_COLUMNS = ("instrument", "kind", "contract", "tick", "lot", "settlement", "status")
QUOTE_COLUMNS = ("instrument", "bid quantity", "bid", "ask", "ask quantity", "stale")
BOOK_INTERVAL = "100ms"
STREAMED_LEVELS = 20


def register(app: typer.Typer) -> None:
    for command in (instruments, book, quotes, trades):
        app.command()(command)


def instruments(
    context: typer.Context,
    venue: Annotated[str | None, typer.Option()] = None,
    kind: Annotated[m.InstrumentKind | None, typer.Option(case_sensitive=False)] = None,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Part of the name.")] = None,
    limit: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """List instruments."""
    settings: Settings = context.obj
    query = {"venue": venue, "kind": kind.value if kind else None, "q": search, "limit": limit}
    answer = Gateway(settings).call("GET", "instruments", query=query)
    if settings.as_json:
        output.print_json(answer)
        return
    rows = (
        [i[name] for name in ("instrument", "kind", "contract_type", "tick_size", "lot_size")]
        + [i["settlement"], i["status"]]
        for i in answer["instruments"]
    )
    output.table(INSTRUMENT_COLUMNS, rows, ("tick", "lot"))


def book(
    context: typer.Context,
    instrument: str,
    levels: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    once: Annotated[bool, typer.Option("--once", help="Print one and end.")] = False,
) -> None:
    """Print the order book of an instrument, once or as it changes."""
    settings: Settings = context.obj
    gateway = Gateway(settings)
    if once:
        path = f"books/{url_quote(instrument, safe='')}"
        _show_book(gateway.call("GET", path, query={"levels": levels}), settings)
        return
    if levels > STREAMED_LEVELS:
        raise UsageError(f"--levels above {STREAMED_LEVELS} needs --once", "levels")
    channel = f"depth.{instrument}.{levels}.{BOOK_INTERVAL}"
    for notification in gateway.stream([channel]):
        _show_book(notification["data"], settings)


def _show_book(answer: dict[str, Any], settings: Settings) -> None:
    if settings.as_json:
        output.print_json(answer)
        return
    stale = "  STALE" if answer.get("stale") else ""
    print(f"{answer['instrument']}  #{answer['sequence']}{stale}")
    digits = max(
        (output.decimals(price) for price, _ in answer["bids"] + answer["asks"]), default=0
    )
    for price, quantity in reversed(answer["asks"]):
        print(f"{'':>16}  {price:>14.{digits}f}  {output.number(quantity):>16}")
    for price, quantity in answer["bids"]:
        print(f"{output.number(quantity):>16}  {price:>14.{digits}f}")
    sys.stdout.flush()


def quotes(context: typer.Context, instruments: list[str]) -> None:
    """Print best bid and ask of some instruments."""
    settings: Settings = context.obj
    query = {"instruments": ",".join(instruments)}
    answer = Gateway(settings).call("GET", "quotes", query=query)
    if settings.as_json:
        output.print_json(answer)
        return
    names = ("instrument", "bid_quantity", "bid_price", "ask_price", "ask_quantity", "stale")
    rows = ([quote.get(name) for name in names] for quote in answer["quotes"])
    output.table(QUOTE_COLUMNS, rows, QUOTE_COLUMNS[1:5])


def trades(
    context: typer.Context,
    instrument: str,
    once: Annotated[bool, typer.Option("--once", help="Print the last ones and end.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
) -> None:
    """Print public trades of an instrument, the last ones or as they happen."""
    settings: Settings = context.obj
    gateway = Gateway(settings)
    if once:
        query = {"instrument": instrument, "limit": limit}
        answer = gateway.call("GET", "trades", query=query)
        if settings.as_json:
            output.print_json(answer)
        else:
            _show_trades(answer["trades"])
        return
    for notification in gateway.stream([f"trade.{instrument}"]):
        data = notification["data"]
        if settings.as_json:
            output.print_json(data)
        else:
            _show_trades(reversed(data["trades"]) if data["type"] == "snapshot" else [data])


def _show_trades(trades: Iterable[dict[str, Any]]) -> None:
    for trade in trades:
        print(
            f"{trade['instrument']}  {trade['aggressor_side']:<4}"
            f"  {output.number(trade['quantity']):>14} at {output.number(trade['price'])}",
            flush=True,
        )
