"""Writes a snapshot of an engine's journal, in a process of its own: the engine never waits.

`python -m services.trading_engine.snapshot DIRECTORY SEQUENCE KEEP` folds everything before the
segment that begins with SEQUENCE, and removes segments beyond KEEP that are covered.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common.transport import segments
from services.trading_engine import records
from services.trading_engine.fold import Fold

NICE = 10


def fold_of(loaded: segments.Loaded) -> Fold:
    fold = Fold().take_all(records.each(loaded.snapshot))
    return fold.take_all(records.each(loaded.tail))


def write(directory: Path, sequence: int, keep: int) -> Path:
    """Raises: ConfigError if the journal is damaged before that, OSError if it cannot be done."""
    loaded = segments.load(directory, until=sequence)
    if loaded.damage is not None:
        raise segments.refuse_damage(loaded.damage)
    payloads = (records.encode(entry) for entry in fold_of(loaded).entries())
    path = segments.write_snapshot(directory, sequence, loaded.chain.digest, payloads)
    segments.prune(directory, keep)
    return path


if __name__ == "__main__":
    os.nice(NICE)
    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
