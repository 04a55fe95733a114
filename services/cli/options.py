"""Options that several commands have."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from common import messages as m

Insensitive = typer.Option(case_sensitive=False)


def number(text: str | None) -> str | None:
    """The text itself, once it is known to be a finite number; it travels as it was written."""
    if text is None:
        return None
    try:
        m.Exact(text)
    except (ValueError, ArithmeticError):
        raise typer.BadParameter(f"{text!r} is not a number") from None
    return text


def new_request_id() -> str:
    return f"cli-{secrets.token_hex(8)}"


Number = Annotated[str | None, typer.Option(callback=number, metavar="NUMBER")]
Price = Annotated[str | None, typer.Option("--price", "-p", callback=number, metavar="NUMBER")]
TriggerOffset = Annotated[
    str | None, typer.Option(callback=number, metavar="NUMBER", help="Of a trailing_stop.")
]
Display = Annotated[
    str | None,
    typer.Option(callback=number, metavar="NUMBER", help="Show only so much in the book."),
]
RequestId = Annotated[
    str | None, typer.Option(help="Idempotency key; the same one again gets the first answer.")
]
Tag = Annotated[str | None, typer.Option(help="Comes back in every event.")]
Venue = Annotated[str | None, typer.Option()]
Account = Annotated[str | None, typer.Option(help="Where a venue has several.")]
Instrument = Annotated[str | None, typer.Option()]
Kind = Annotated[m.InstrumentKind | None, Insensitive]
Currency = Annotated[str | None, typer.Option(help="Settlement currency.")]
