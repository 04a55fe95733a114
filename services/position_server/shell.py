"""The file that the day's profit survives a restart in."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from common.errors import ConfigError
from common.transport.loop import Shell
from services.position_server.day import KeptDay, load
from services.position_server.events import DaySaved, SaveDay


def read_day(path: Path) -> KeptDay | None:
    """What was saved; None on the first start.

    Raises:
        ConfigError: it cannot be read. To begin anew, remove it.
    """
    try:
        return load(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, ValueError, ArithmeticError):
        problem = "is damaged; without it the day's profit is counted from now on"
        raise ConfigError(str(path), "", problem) from None


def write_day(path: Path, payload: bytes) -> None:
    """Raises OSError."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


class DayFile:
    """Writes what the core asks for, one after the other, in a worker thread."""

    def __init__(self, shell: Shell, path: Path) -> None:
        self._shell = shell
        self._path = path
        self._next: bytes | None = None
        self._is_writing = False
        shell.extend(SaveDay, self._save)

    def _save(self, command: SaveDay) -> None:
        self._next = command.payload
        if not self._is_writing:
            self._is_writing = True
            self._shell.loop.create_task(self._write())

    async def _write(self) -> None:
        while self._next is not None:
            payload, self._next = self._next, None
            error = ""
            try:
                await self._shell.loop.run_in_executor(None, write_day, self._path, payload)
            except OSError as problem:
                error = problem.strerror or str(problem)
            self._shell.feed(DaySaved(error))
        self._is_writing = False
