"""What a test of `make test-long` measured, for its table: one JSON line a figure.

Tests and measuring programs call note(); nothing is written unless the environment names a file,
so a plain `pytest` leaves nothing behind.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

FILE = "CROSSDESK_FIGURES"  # the environment variable that names the file


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the table.

    Attributes:
        promise: "P1" to "P20" of docs/reliability.md. what: of that promise, what was measured.
        bar, figure: as a reader shall see them, with units.
        row: of the fault matrix. seeds: which were used.
    """

    promise: str
    what: str
    bar: str
    figure: str
    held: bool
    row: int | None = None
    seeds: str = ""


def note(
    promise: str,
    what: str,
    bar: str,
    figure: str,
    held: bool,
    *,
    row: int | None = None,
    seeds: str = "",
) -> None:
    """Keep a figure for the table of `make test-long`; held says how it went, nothing is raised."""
    name = os.environ.get(FILE)
    if not name:
        return
    line = msgspec.json.encode(Figure(promise, what, bar, figure, held, row, seeds)) + b"\n"
    with Path(name).open("ab") as file:  # one write: several processes may share the file
        file.write(line)


def read(path: Path) -> list[Figure]:
    """All that were kept in a file; of the same measurement the last."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    figures = [msgspec.json.decode(line, type=Figure) for line in lines]
    return list({(each.promise, each.what, each.row): each for each in figures}.values())
