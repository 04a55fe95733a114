"""What every command needs to know: which desk, how to print, which key.

The common options may stand anywhere on the command line: hoist() moves them to the front, where
the parser wants them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from common import config as configuration, logs
from common.errors import ConfigError
from common.rundir import RunDir

CHECKOUT = Path(__file__).resolve().parents[2]
DEFAULT_CONFIG = CHECKOUT / "config" / "demo.yaml"
DEFAULT_RUN_DIR = CHECKOUT / "run"
FLAGS = frozenset({"--json"})
VALUED = frozenset({"--config", "--run-dir", "--log-level", "--key"})


class CliError(Exception):
    """One sentence for the user, and the exit code."""

    def __init__(self, text: str, exit_code: int = 1, **fields: object) -> None:
        self.text, self.exit_code, self.fields = text, exit_code, fields
        super().__init__(text)


class UsageError(CliError):
    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text, 2, **({"field": field} if field else {}))


class DeskRecord(msgspec.Struct):
    """What `up` leaves in the run directory for the commands that follow."""

    desk: str
    config: str
    log_level: str


@dataclass(frozen=True)
class Settings:
    """config_path is None when neither --config nor the environment named one."""

    run_dir: RunDir
    config_path: Path | None
    log_level: str | None
    key: str | None
    as_json: bool

    def effective_config_path(self) -> Path:
        """The named file, else the one the desk of this run directory was started with."""
        if self.config_path is not None:
            return self.config_path
        record = read_record(self.run_dir)
        return Path(record.config) if record else DEFAULT_CONFIG

    def load_config(self) -> configuration.DeskConfig:
        return configuration.load(self.effective_config_path())


def hoist(arguments: list[str]) -> list[str]:
    """The same command line with the common options first; what follows `--` stays."""
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return front + rest + [word, *queue]
        if word in FLAGS or word.partition("=")[0] in VALUED and "=" in word:
            front.append(word)
        elif word in VALUED:
            front += [word, *queue[:1]]
            queue = queue[1:]
        else:
            rest.append(word)
    return front + rest


def resolve(
    config: Path | None,
    run_dir: Path | None,
    log_level: str | None,
    key: str | None,
    as_json: bool,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Options win over the environment, the environment over defaults."""
    config = config or _path(environment.get("CROSSDESK_CONFIG"))
    run_dir = run_dir or _path(environment.get("CROSSDESK_RUN_DIR")) or DEFAULT_RUN_DIR
    level = log_level or environment.get("LOG_LEVEL") or None
    if level is not None and level.upper() not in logs.LEVELS:
        raise UsageError(
            f"--log-level: one of {', '.join(logs.LEVELS)}, not {level!r}", "log_level"
        )
    return Settings(
        run_dir=RunDir(run_dir),
        config_path=config.absolute() if config else None,
        log_level=level.upper() if level else None,
        key=key or environment.get("CROSSDESK_KEY") or None,
        as_json=as_json,
    )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def record_path(run_dir: RunDir) -> Path:
    return run_dir.path / "desk.json"


def write_record(run_dir: RunDir, record: DeskRecord) -> None:
    record_path(run_dir).write_bytes(msgspec.json.encode(record) + b"\n")


def read_record(run_dir: RunDir) -> DeskRecord | None:
    """None before the first `up`.

    Raises:
        ConfigError: the file was damaged.
    """
    path = record_path(run_dir)
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeskRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read ({error}); delete it") from None
