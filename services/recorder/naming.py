"""Names of our files, so that nothing else in a directory is ever read, counted or deleted.

`<family>-<UTC of the first flush>.parquet` is a finished file, `….open.tmp` the rows of the period
that is being recorded, `….parquet.tmp` a file that is being made of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from services.recorder.families import FAMILIES

FINISHED, OPEN, MAKING = ".parquet", ".open.tmp", ".parquet.tmp"
NAME = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})-(?P<start>\d{{8}}T\d{{6}}\.\d{{6}}Z)"
    r"(?P<suffix>\.parquet|\.open\.tmp|\.parquet\.tmp)\Z"
)


class OwnFile(NamedTuple):
    name: str
    size: int


def stem(family: str, start_ns: int) -> str:
    start = datetime.fromtimestamp(start_ns // 1_000_000_000, UTC)
    return f"{family}-{start:%Y%m%dT%H%M%S}.{start_ns // 1000 % 1_000_000:06d}Z"


def family_of(name: str) -> str | None:
    """The family of a file of ours; None for anybody else's."""
    match = NAME.match(name)
    return match["family"] if match else None


def surplus(files: Iterable[OwnFile], max_total: int) -> list[str]:
    """The finished files to delete, oldest first, so that all together stay within the limit."""
    files = list(files)
    total = sum(file.size for file in files)
    finished = [file for file in files if file.name.endswith(FINISHED)]
    chosen = []
    for file in sorted(finished, key=lambda file: file.name.partition("-")[2]):
        if total <= max_total:
            break
        total -= file.size
        chosen.append(file.name)
    return chosen
