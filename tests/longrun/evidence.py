"""What a long run leaves behind, read from its files: nothing of a running desk is asked.

truth.jsonl       the simulated venue's own log
journals/<account>/   the engine's journal, as it lies in the run directory
clients/<owner>.jsonl     what each client asked and was told
final.json        how desk and venue stood at the end
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from common.transport import segments
from services.trading_engine import records as r
from services.trading_engine.ids import engine_of

Line = dict[str, Any]


class Final(msgspec.Struct):
    """Open orders and positions, by the desk and by the venue."""

    desk_orders: list[str]
    venue_orders: list[str]
    desk_positions: dict[str, str]
    venue_positions: dict[str, str]


class Evidence(msgspec.Struct):
    """Everything the checker looks at.

    truth: of the desk's own account at the venue. histories: by owner. payloads: of the journal,
    oldest first. damage: why the journal could not be read to its end.
    """

    truth: list[Line]
    payloads: list[bytes]
    histories: dict[str, list[Line]]
    final: Final
    damage: str = ""

    def entries(self) -> Iterator[r.Entry]:
        return r.each(self.payloads)


def load(directory: Path, client_id: str = "demo") -> Evidence:
    """The files of one run; client_id: the venue's name of the desk's account."""
    truth = [line for line in _lines(directory / "truth.jsonl") if line["account"] == client_id]
    (journal,) = (directory / "journals").iterdir()
    loaded = segments.load(journal, whole=True)
    histories = {
        path.stem: list(_lines(path)) for path in sorted((directory / "clients").glob("*.jsonl"))
    }
    final = msgspec.json.decode((directory / "final.json").read_bytes(), type=Final)
    return Evidence(truth, loaded.tail, histories, final, str(loaded.damage or ""))


def _lines(path: Path) -> Iterator[Line]:
    for line in path.read_bytes().splitlines():
        yield json.loads(line)


def is_ours(label: str) -> bool:
    """An id that an engine of a desk made."""
    return engine_of(label) is not None
