"""Which strategies there are: those the desk's YAML lists, and those run by hand.

`crossdesk strategy run` leaves the entry of what it runs in the run directory, so that its host,
`list` and `stop` find it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from common.config import DeskConfig, StrategyConfig
from common.errors import ConfigError
from common.rundir import RunDir


class Entry(msgspec.Struct):
    """A strategy and the directory that its file is relative to."""

    strategy: StrategyConfig
    directory: str
    by_hand: bool = False


def listed(config: DeskConfig, config_path: Path) -> list[Entry]:
    directory = str(config_path.absolute().parent)
    return [Entry(strategy, directory) for strategy in config.strategies]


def _path(run_dir: RunDir, name: str) -> Path:
    return run_dir.state / f"strategy.{name}.json"


def journal_path(run_dir: RunDir, name: str) -> Path:
    return run_dir.state / f"strategy.{name}.journal"


def write(run_dir: RunDir, entry: Entry) -> None:
    run_dir.create()
    _path(run_dir, entry.strategy.name).write_bytes(msgspec.json.encode(entry) + b"\n")


def by_hand(run_dir: RunDir) -> list[Entry]:
    found = []
    for path in sorted(run_dir.state.glob("strategy.*.json")):
        found.append(_read(path))
    return found


def _read(path: Path) -> Entry:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read ({error}); delete it") from None


def find(name: str, config: DeskConfig, config_path: Path, run_dir: RunDir) -> Entry:
    """The entry of that name; one in the YAML goes before one run by hand.

    Raises:
        ConfigError: there is none.
    """
    entries = listed(config, config_path)
    for entry in entries:
        if entry.strategy.name == name:
            return entry
    path = _path(run_dir, name)
    if path.exists():
        return _read(path)
    known = ", ".join(entry.strategy.name for entry in entries) or "none"
    raise ConfigError(str(config_path), "strategies", f"none is named {name!r} (known: {known})")
