"""The shells of a recorder and of a replay, put together for services and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from common.config import DeskConfig, RecorderConfig
from common.errors import ConfigError
from common.replay import Moment
from common.rundir import RunDir
from common.transport.loop import Shell
from services.cli.processes import everywhere
from services.recorder.core import MB, GaveUp, Recorder
from services.recorder.player import Finished, Player
from services.recorder.shell import Files
from services.recorder.topics import problem_of

ABOVE_ZERO = (
    "rotate_mb",
    "rotate_minutes",
    "max_total_mb",
    "flush_rows",
    "flush_seconds",
    "max_waiting_rows",
)
LAST_S = 1.0  # for readers to take the last messages of a replay


def check(config: RecorderConfig, desk: DeskConfig, source: str) -> None:
    """Raises ConfigError."""
    for field in ABOVE_ZERO:
        if not getattr(config, field) > 0:
            raise ConfigError(source, f"recorder.{field}", "must be above 0")
    if not config.topics and not config.raw_frames:
        raise ConfigError(source, "recorder.topics", "name at least one topic")
    if "" in config.topics:
        raise ConfigError(source, "recorder.topics", "a topic is empty")
    if problem := problem_of(config.topics, desk):
        raise ConfigError(source, "recorder.topics", problem)


def _stay(_: GaveUp) -> None:
    """The beat goes on telling why, until somebody restarts the process."""


def recorder(
    config: DeskConfig,
    settings: RecorderConfig,
    run_dir: RunDir,
    name: str,
    on_failure: Callable[[GaveUp], None] = _stay,
) -> Shell:
    """A recorder of a desk, of what is on its other hosts too; its beat is on `health.<name>`.
    on_failure: once the disk failed."""
    publishers = [
        socket
        for process in everywhere(config)
        for socket, kind in process.sockets.items()
        if kind == "XPUB" and process.service != "recorder"
    ]
    core = Recorder(settings, list(config.venues))
    shell = Shell(name, core, run_dir, publisher=f"health.{name}", subscribe=publishers)
    shell.extend(GaveUp, on_failure)
    directory = settings.directory or str(run_dir.path / "recordings")
    Files(shell, Path(directory), int(settings.max_total_mb * MB))
    return shell


def replayer(
    moments: Iterator[Moment], venue: str, run_dir: RunDir, speed: float, waits: bool
) -> tuple[Shell, list[Finished]]:
    """A replay on `md.<venue>`, and where it leaves what it did when it ends by itself."""
    core = Player(moments, speed, waits)
    shell = Shell(f"replay.{venue}", core, run_dir, publisher=f"md.{venue}")
    done: list[Finished] = []

    def finish(finished: Finished) -> None:
        done.append(finished)
        shell.loop.call_later(LAST_S, shell.stop)

    shell.extend(Finished, finish)
    return shell, done
