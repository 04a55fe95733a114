"""Printing: JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 1000
NOTE = "note"  # the column that may be folded
GOOD, BAD, DIM = "green", "red", "dim"
NUMERIC = frozenset({"pid", "cpu %", "rss MB", "uptime"})


def console() -> Console:
    """Wide enough when nobody looks, so that lines in files and pipes are not cut."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def print_json(value: Any) -> None:
    """One line, so that streams are JSON lines."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[str] = ()) -> None:
    """Columns named in `right` hold numbers."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    numbers = NUMERIC | set(right)
    for column in columns:
        shown.add_column(
            column, justify="right" if column in numbers else "left", no_wrap=column != NOTE
        )
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    printer = console()
    with printer.capture() as printed:
        printer.print(shown)
    for line in printed.get().splitlines():  # not filled up with spaces to the longest
        print(line.rstrip())


def plain(value: Any) -> str:
    """A cell; numbers in their shortest exact form, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def number(value: float, digits: int = 12) -> str:
    return f"{value:.{digits}g}" if abs(value) < 1e15 else repr(value)


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def decimals(price: float) -> int:
    """Digits behind the point, so that prices can be set in line."""
    return len(number(price, 10).partition(".")[2])


def money(value: Any) -> str:
    """A decimal text cut for reading; JSON output carries all of it."""
    if value is None:
        return ""
    text = f"{float(value):,.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def price(value: Any) -> str:
    """An average price cut to ten digits; JSON output carries all of it."""
    return "" if value is None else number(float(value), 10)


def side(value: str) -> Text:
    return Text(value, style=GOOD if value.upper() == "BUY" else BAD)


def duration(seconds: float) -> str:
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
