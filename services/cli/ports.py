"""The ports that a desk listens on are free before anything of it starts: of two desks that share
the port of a simulated venue, the second would trade at the first one's."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from common.config import DeskConfig
from common.errors import ConfigError
from services.cli.processes import processes

WAIT_S = 5.0  # for what a killed desk left behind to end itself
LOOK_S = 0.1


def check_ports(config: DeskConfig, source: Path) -> None:
    """Every port can be bound.

    Raises:
        ConfigError: names the key and the port.
    """
    until = time.monotonic() + WAIT_S
    for key, host, port in _ports(config):
        while problem := _problem(host, port):
            if time.monotonic() > until:
                raise ConfigError(str(source), key, problem)
            time.sleep(LOOK_S)


def _ports(config: DeskConfig) -> Iterator[tuple[str, str, int]]:
    here = {process.name for process in processes(config)}
    if "gateway" in here:
        yield "gateway.port", config.gateway.host, config.gateway.port
    for simulator in config.simulators:
        if f"venue_simulator.{simulator.venue}" in here:
            yield f"simulators.{simulator.venue}.port", simulator.host, simulator.port


def _problem(host: str, port: int) -> str:
    """Why this address cannot be bound; "" when it can."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{host}:{port} is in use, perhaps by another desk; choose a free port"
        return f"{host}:{port}: {error.strerror or error}"
    return ""
