"""`crossdesk quote`, `cancel-quotes` and `mmp`: many quotes at once, and their protection."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import output
from services.cli.gateway import Gateway, exit_code
from services.cli.options import (
    Account,
    Currency,
    Instrument,
    Kind,
    Number,
    RequestId,
    Tag,
    Venue,
    new_request_id,
    number,
)
from services.cli.orders import print_reason, report_canceled
from services.cli.settings import Settings, UsageError

SIDE_COLUMNS = ("instrument", "side", "client_order_id", "status", "note")
MMP_COLUMNS = (
    "account",
    "index",
    "group",
    "interval",
    "frozen for",
    "max quote",
    "quantity",
    "delta",
    "vega",
    "trades",
    "state",
)
NUMBERS = ("interval", "frozen for", "max quote", "quantity", "delta", "vega", "trades")

mmp = typer.Typer(
    help="Market maker protection of quotes: show it, set it, reset it after it acted.",
    invoke_without_command=True,
)


def register(app: typer.Typer) -> None:
    app.command()(quote)
    app.command("cancel-quotes")(cancel_quotes)
    app.add_typer(mmp, name="mmp")


# --- quotes ---


def quote(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE.json|-", help="A list of quotes, or the whole call.")
    ],
    mmp_group: Annotated[
        str | None, typer.Option(help="The group whose protection they are under.")
    ] = None,
    quote_set: Annotated[str | None, typer.Option(help="Names them for cancel-quotes.")] = None,
    post_only: Annotated[bool, typer.Option("--post-only")] = False,
    account: Account = None,
    tag: Tag = None,
    request_id: RequestId = None,
) -> None:
    """Quote many instruments at once; returns when the venue has answered.

    The file holds [{"instrument", "bid_price", "bid_quantity", "ask_price", "ask_quantity"}, ...],
    or {"quotes": [...], "mmp_group": ...} with any parameter of order.mass_quote.
    """
    body = _read(file)
    options = {
        "mmp_group": mmp_group,
        "quote_set": quote_set,
        "post_only": post_only or None,
        "account": account,
        "tag": tag,
        "request_id": request_id,
    }
    body |= {name: value for name, value in options.items() if value is not None}
    if not body.get("mmp_group"):
        raise UsageError("give a --mmp-group, or mmp_group in the file", "mmp_group")
    body.setdefault("request_id", new_request_id())
    settings: Settings = context.obj
    answer = Gateway(settings).call("POST", "mass_quotes", body=body)
    if settings.as_json:
        output.print_json(answer)
    else:
        output.table(SIDE_COLUMNS, (_side_row(item) for item in answer.get("results", [])))
        if not answer.get("results"):
            print_reason(answer)
    raise typer.Exit(exit_code(answer))


def _read(file: str) -> dict[str, Any]:
    """Raises UsageError: it cannot be read, or is no list of quotes."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = json.loads(text, parse_float=str, parse_int=str)  # exact numbers travel as text
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}", "file") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not JSON: {error}", "file") from None
    body = {"quotes": found} if isinstance(found, list) else found
    if not isinstance(body, dict) or not isinstance(body.get("quotes"), list):
        raise UsageError(f"{file}: holds no list of quotes", "file")
    return body


def _side_row(result: dict[str, Any]) -> tuple[Any, ...]:
    note = "in doubt" if result.get("in_doubt") else result.get("text", "")
    if not result.get("accepted") and result.get("reason"):
        note = f"{result['reason']}: {note}"
    return (
        result["instrument"],
        output.side(result["side"]),
        result.get("client_order_id"),
        result.get("status") or ("accepted" if result.get("accepted") else "refused"),
        note,
    )


def cancel_quotes(
    context: typer.Context,
    venue: Venue = None,
    account: Account = None,
    instrument: Instrument = None,
    kind: Kind = None,
    currency: Currency = None,
    quote_set: Annotated[str | None, typer.Option(help="Sent under this name.")] = None,
    mmp_group: Annotated[str | None, typer.Option(help="Of this group.")] = None,
    min_delta: Number = None,
    max_delta: Number = None,
) -> None:
    """Cancel every quote that matches the given filters; without any, all of them."""
    query = {
        "venue": venue,
        "account": account,
        "instrument": instrument,
        "kind": kind.value if kind else None,
        "currency": currency,
        "quote_set": quote_set,
        "mmp_group": mmp_group,
        "min_delta": min_delta,
        "max_delta": max_delta,
    }
    report_canceled(context.obj, "mass_quotes", query, "quote")


# --- protection ---


@mmp.callback()
def show(context: typer.Context, venue: Venue = None) -> None:
    """Show what protects quotes, as the venue tells it now."""
    if context.invoked_subcommand is not None:
        return
    settings: Settings = context.obj
    _print(settings, Gateway(settings).call("GET", "mmp", query={"venue": venue}))


@mmp.command("set")
def set_protection(
    context: typer.Context,
    index: Annotated[str, typer.Argument(help="The venue's price index, e.g. btc_usd")],
    interval: Annotated[int, typer.Option(min=0, max=3600, help="Seconds; 0 removes it.")],
    group: Annotated[str | None, typer.Option(help="Of quotes; else of plain orders.")] = None,
    frozen: Annotated[
        int, typer.Option(min=0, max=3600, help="Seconds without quotes; 0: until a reset.")
    ] = 0,
    max_quote: Annotated[
        str | None,
        typer.Option(
            callback=number, metavar="NUMBER", help="Of one quote; needed, unless 0 seconds."
        ),
    ] = None,
    quantity: Number = None,
    delta: Number = None,
    vega: Number = None,
    trades: Annotated[int | None, typer.Option(min=1, max=1000)] = None,
    venue: Venue = None,
    account: Account = None,
) -> None:
    """Set the protection of a group: the limits of what may trade within the interval."""
    terms = {
        "interval_s": interval,
        "frozen_s": frozen,
        "max_quote_quantity": max_quote,
        "quantity_limit": quantity,
        "delta_limit": delta,
        "vega_limit": vega,
        "trade_count_limit": trades,
    }
    _change(context.obj, "PUT", "mmp", _group(venue, account, index, group) | terms)


@mmp.command()
def reset(
    context: typer.Context,
    index: Annotated[str, typer.Argument(help="The venue's price index, e.g. btc_usd")],
    group: Annotated[str | None, typer.Option()] = None,
    venue: Venue = None,
    account: Account = None,
) -> None:
    """Take quotes again after protection acted."""
    _change(context.obj, "POST", "mmp/reset", _group(venue, account, index, group))


def _group(venue: str | None, account: str | None, index: str, group: str | None) -> dict[str, Any]:
    """Whose protection it is about."""
    return {
        "venue": venue,
        "account": account,
        "index": index,
        "mmp_group": group,
        "request_id": new_request_id(),
    }


def _change(settings: Settings, method: str, path: str, body: dict[str, Any]) -> None:
    answer = Gateway(settings).call(method, path, body=body)
    _print(settings, answer)
    if not settings.as_json:
        print_reason(answer)
    raise typer.Exit(exit_code(answer))


def _print(settings: Settings, answer: dict[str, Any]) -> None:
    if settings.as_json:
        output.print_json(answer)
    elif answer.get("accepted", True):
        output.table(MMP_COLUMNS, map(_mmp_row, answer["protections"]), list(NUMBERS))


def _mmp_row(protection: dict[str, Any]) -> tuple[Any, ...]:
    until_ns = protection["frozen_until_ns"]
    state = "takes quotes"
    if until_ns is not None:
        state = f"frozen until {_time(until_ns)}" if until_ns else "frozen until a reset"
    return (
        f"{protection['venue']}.{protection['account']}",
        protection["index"],
        protection["mmp_group"],
        f"{protection['interval_s']} s",
        f"{protection['frozen_s']} s" if protection["frozen_s"] else "a reset",
        protection["max_quote_quantity"],
        protection["quantity_limit"],
        protection["delta_limit"],
        protection["vega_limit"],
        protection["trade_count_limit"],
        state,
    )


def _time(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, UTC):%H:%M:%S} UTC"
