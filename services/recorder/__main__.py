"""Records the bus to Parquet files: `python -m services.recorder --config FILE`."""

from __future__ import annotations

from pathlib import Path

from common.config import RecorderConfig
from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from services.cli.processes import processes
from services.recorder.core import MB, Recorder
from services.recorder.shell import Files

ABOVE_ZERO = (
    "rotate_mb",
    "rotate_minutes",
    "max_total_mb",
    "flush_rows",
    "flush_seconds",
    "max_waiting_rows",
)


def check(config: RecorderConfig, source: str) -> None:
    """Raises ConfigError."""
    for field in ABOVE_ZERO:
        if not getattr(config, field) > 0:
            raise ConfigError(source, f"recorder.{field}", "must be above 0")
    if not config.topics and not config.raw_frames:
        raise ConfigError(source, "recorder.topics", "name at least one topic")
    if "" in config.topics:
        raise ConfigError(source, "recorder.topics", "a topic is empty")


def build(arguments: service.Arguments) -> Shell:
    source, config = str(arguments.config_path), arguments.config
    if config.recorder is None:
        raise ConfigError(source, "recorder", "is not configured")
    check(config.recorder, source)
    publishers = [
        name
        for process in processes(config)
        for name, kind in process.sockets.items()
        if kind == "XPUB" and process.service != "recorder"
    ]
    core = Recorder(config.recorder, list(config.venues))
    name = "recorder"
    shell = Shell(name, core, arguments.run_dir, publisher=f"health.{name}", subscribe=publishers)
    directory = config.recorder.directory or str(arguments.run_dir.path / "recordings")
    Files(shell, Path(directory), int(config.recorder.max_total_mb * MB))
    return shell


if __name__ == "__main__":
    raise SystemExit(service.main("recorder", build))
