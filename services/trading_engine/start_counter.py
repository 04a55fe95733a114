"""The start counter on disk: raised at every start, before any link opens."""

from __future__ import annotations

import os
from pathlib import Path

from common.errors import ConfigError
from services.trading_engine.ids import MAX_START


class StartCounter:
    """One small file; its number only grows, so that no client_order_id ever comes back."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def next(self) -> int:
        """The counter of this start, safely on disk.

        Raises:
            ConfigError: the file cannot be read or written, or the counter has run out.
        """
        value = self._read() + 1
        if value > MAX_START:
            raise ConfigError(str(self._path), "", "all start counters of this engine are used")
        try:
            self._write(value)
        except OSError as error:
            raise ConfigError(str(self._path), "", error.strerror or str(error)) from None
        return value

    def _read(self) -> int:
        try:
            text = self._path.read_text().strip()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise ConfigError(str(self._path), "", error.strerror or str(error)) from None
        if not text.isascii() or not text.isdigit():
            raise ConfigError(str(self._path), "", "is damaged: it holds no number")
        return int(text)

    def _write(self, value: int) -> None:
        fresh = self._path.with_suffix(".new")
        with open(fresh, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
