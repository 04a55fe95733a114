"""The files of an engine: its lock, the journal it reads and goes on writing, snapshots."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from common.config import AccountConfig
from common.errors import AlreadyRunning, ConfigError
from common.rundir import RunDir
from common.transport import segments, sockets
from common.transport.journal import SegmentedLog


def take_lock(run_dir: RunDir, venue: str, account: str) -> IO[str]:
    """One engine per account: held for the life of the process, and taken before all else.

    Raises:
        AlreadyRunning: another engine holds it.
    """
    path = run_dir.state / f"{venue}.{account}.lock"
    try:
        return sockets.lock_file(path)
    except OSError as error:
        raise ConfigError(str(path), "", error.strerror or str(error)) from None
    except ConfigError:
        text = f"{path}: another engine of {venue}.{account} is running"
        raise AlreadyRunning(text) from None


def journal_directory(run_dir: RunDir, venue: str, account: str) -> Path:
    return run_dir.state / f"{venue}.{account}.journal"


class Storage:
    """The journal of one account; keeps the lock as long as it is in use.

    Raises:
        ConfigError: it cannot be read, or is damaged and a person has to look at it.
    """

    def __init__(self, directory: Path, config: AccountConfig, lock: IO[str]) -> None:
        self._lock = lock
        self._directory = directory
        self._keep = config.journal_keep_segments
        self._writing: subprocess.Popen[bytes] | None = None
        try:
            self.loaded = segments.load(directory)
        except OSError as error:
            raise ConfigError(str(directory), "", error.strerror or str(error)) from None
        if self.loaded.damage is not None:
            raise segments.refuse_damage(self.loaded.damage)

    def open(self) -> SegmentedLog:
        """For appending; what was read can be forgotten after that."""
        log = SegmentedLog(self._directory, self.loaded, on_turn=self._write_snapshot)
        first = int(log.path.stem)
        if first > self.loaded.snapshot_sequence:
            self._write_snapshot(first)  # an earlier one was not finished
        self.loaded.snapshot, self.loaded.tail = [], []
        return log

    def _write_snapshot(self, sequence: int) -> None:
        """In a process of its own; one that fails is made up for at the next turn or start."""
        if self._writing is not None and self._writing.poll() is None:
            return
        command = [sys.executable, "-m", "services.trading_engine.snapshot"]
        command += [str(self._directory), str(sequence), str(self._keep)]
        root = Path(__file__).resolve().parents[2]
        self._writing = subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL)
