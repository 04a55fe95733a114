"""A simulated venue: `python -m services.venue_simulator --config FILE --venue NAME`."""

from __future__ import annotations

from pathlib import Path

from common.config import SimulatorConfig
from common.errors import ConfigError
from common.transport import service
from common.transport.clock import now_ns
from common.transport.loop import Shell
from common.venues import load
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.replay import Recording
from services.venue_simulator.shell import Server


def build(arguments: service.Arguments) -> Shell:
    found = [item for item in arguments.config.simulators if item.venue == arguments.venue]
    if not found:
        source = str(arguments.config_path)
        raise ConfigError(source, "simulators", f"none of a venue named {arguments.venue!r}")
    recording = _recording(found[0], str(arguments.config_path))
    core = VenueSimulator(load(arguments.venue), found[0], now_ns(), recording)
    process = arguments.process("venue_simulator")
    shell = Shell(process, core, arguments.run_dir, publisher=f"health.{process}")
    Server(shell, core, found[0])
    return shell


def _recording(config: SimulatorConfig, source: str) -> Recording | None:
    """The recording that is the market, if the configuration names one."""
    if not config.replay:
        return None
    if not config.replay_speed > 0:
        raise ConfigError(source, "simulators.replay_speed", "must be above 0")
    from services.recorder.reading import definitions, read

    paths = [Path(name) for name in config.replay]
    listed = definitions(paths, config.venue)
    if not listed:
        raise ConfigError(source, "simulators.replay", "the recordings list no instruments")
    return Recording(read(paths, config.venue), listed, config.replay_speed)


if __name__ == "__main__":
    raise SystemExit(service.main("venue_simulator", build))
