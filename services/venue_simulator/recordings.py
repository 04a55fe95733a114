"""The recording that a simulated venue's configuration names."""

from __future__ import annotations

from pathlib import Path

from common.config import SimulatorConfig
from common.errors import ConfigError
from services.venue_simulator.replay import Recording


def recorded_market(config: SimulatorConfig, source: str = "config") -> Recording | None:
    """The recording that is the market; None where the market is made up.

    Raises:
        ConfigError: names source and the key, or the file that cannot be read.
    """
    if not config.replay:
        return None
    if not config.replay_speed > 0:
        raise ConfigError(source, "simulators.replay_speed", "must be above 0")
    from services.recorder.reading import definitions, read  # pyarrow, only where it is needed

    paths = [Path(name) for name in config.replay]
    listed = definitions(paths, config.venue)
    if not listed:
        raise ConfigError(source, "simulators.replay", "none of the recordings lists instruments")
    return Recording(read(paths, config.venue), listed, config.replay_speed)
