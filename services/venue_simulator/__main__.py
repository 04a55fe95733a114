"""A simulated venue: `python -m services.venue_simulator --config FILE --venue NAME`."""

from __future__ import annotations

from common.errors import ConfigError
from common.transport import service
from common.transport.clock import now_ns
from common.transport.loop import Shell
from common.venues import load
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.recordings import recorded_market
from services.venue_simulator.shell import Server
from services.venue_simulator.truth import TruthFile, WriteTruth


def build(arguments: service.Arguments) -> Shell:
    found = [item for item in arguments.config.simulators if item.venue == arguments.venue]
    if not found:
        source = str(arguments.config_path)
        raise ConfigError(source, "simulators", f"none of a venue named {arguments.venue!r}")
    recording = recorded_market(found[0], str(arguments.config_path))
    core = VenueSimulator(load(arguments.venue), found[0], now_ns(), recording)
    process = arguments.process("venue_simulator")
    shell = Shell(process, core, arguments.run_dir, publisher=f"health.{process}")
    Server(shell, core, found[0], arguments.run_dir.state)
    if found[0].truth_log:
        file = TruthFile(arguments.run_dir.path / found[0].truth_log)
        shell.extend(WriteTruth, file.write)
    return shell


if __name__ == "__main__":
    raise SystemExit(service.main("venue_simulator", build))
