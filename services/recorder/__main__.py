"""Records the bus to Parquet files: `python -m services.recorder --config FILE`."""

from __future__ import annotations

from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from services.recorder.recording import check, recorder


def build(arguments: service.Arguments) -> Shell:
    source, settings = str(arguments.config_path), arguments.config.recorder
    if settings is None:
        raise ConfigError(source, "recorder", "is not configured")
    check(settings, arguments.config, source)
    return recorder(arguments.config, settings, arguments.run_dir, "recorder")


if __name__ == "__main__":
    raise SystemExit(service.main("recorder", build))
