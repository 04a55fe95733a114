"""The risk file: read at the start, looked at twice a second, read again when it changed."""

from __future__ import annotations

import os
from pathlib import Path

from common.config import DeskConfig, LimitsConfig, load_risk
from common.domain.risk import Limits
from common.errors import ConfigError
from common.transport.loop import Shell
from services.trading_engine.events import LimitsRead

LOOK_S = 0.5


def risk_path(config: DeskConfig, config_path: Path) -> Path | None:
    return config_path.parent / config.risk_file if config.risk_file else None


def read_limits(path: Path, account: str) -> tuple[LimitsConfig, bool]:
    """The limits of `<venue>.<account>` and whether they are strict.

    Raises:
        ConfigError: names file and key.
    """
    config = load_risk(path)
    if account not in config.accounts:
        raise ConfigError(str(path), f"accounts.{account}", "there are no limits for this account")
    limits, strict = config.accounts[account], config.risk == "strict"
    Limits.of(limits, f"{path}: accounts.{account}", strict)
    return limits, strict


class RiskFile:
    """Follows the file for a shell's core."""

    def __init__(self, shell: Shell, path: Path, account: str, limits: LimitsConfig) -> None:
        self._shell = shell
        self._path = path
        self._account = account
        self._limits = limits
        self._stamp = self._look()
        shell.on_start(self._start)

    async def _start(self) -> None:
        self._shell.loop.call_soon(self._read)
        self._shell.loop.call_later(LOOK_S, self._tick)

    def _look(self) -> tuple[int, int, int]:
        try:
            stat = os.stat(self._path)
        except OSError:
            return 0, 0, 0
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def _tick(self) -> None:
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self._read()
        self._shell.loop.call_later(LOOK_S, self._tick)

    def _read(self) -> None:
        try:
            limits, strict = read_limits(self._path, self._account)
        except ConfigError as error:
            self._shell.feed(LimitsRead(str(self._path), self._limits, True, str(error)))
        else:
            self._limits = limits
            self._shell.feed(LimitsRead(str(self._path), limits, strict))
