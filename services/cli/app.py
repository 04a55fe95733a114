"""The commands and the options they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli import (
    desk,
    journal,
    keys,
    kill,
    market,
    orders,
    quotes,
    record,
    settings,
    strategy,
    tap,
    watch,
)

app = typer.Typer(
    name="crossdesk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Run a trading desk on this machine, look at its markets, and trade through it.",
    epilog="The options above may stand anywhere on the line. Exit codes: 0 done or accepted,"
    " 1 refused or failed, 2 wrong use, 3 the fate of an order is in doubt, 78 the configuration"
    " cannot be used.",
)


@app.callback()
def common(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="The desk's YAML file. Default: that of the running desk, else config/demo.yaml."
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Where the desk keeps everything. Default: run/ in the checkout."),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="TRACE, DEBUG, INFO, WARNING or ERROR; else LOG_LEVEL.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Gateway key, <id>.<secret>; else CROSSDESK_KEY, else the demo key."),
    ] = None,
) -> None:
    context.obj = settings.resolve(config, run_dir, log_level, key, as_json)


for module in (desk, kill, market, watch, orders, quotes, strategy, tap, record, journal, keys):
    module.register(app)
