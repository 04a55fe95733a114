"""`python -m services.gateway`: outside clients over WebSocket and HTTP."""

from __future__ import annotations

import os
from typing import Any

from common.config import DeskConfig
from common.transport import service
from common.transport.loop import Shell
from common.transport.service import Arguments
from services.gateway.admission import check
from services.gateway.core import GatewayCore
from services.gateway.finder import StrategyFinder
from services.gateway.keeper import Keeper
from services.gateway.key_file import KeyFile
from services.gateway.shell import GatewayServer


def build(arguments: Arguments) -> Shell:
    config, source = arguments.config, str(arguments.config_path)
    check(config.gateway, source)
    keys = KeyFile(config.gateway, source, {each.name for each in config.strategies})
    core: Any = GatewayCore(config, os.getpid(), os.urandom(32))
    subscribe, requests = endpoints(config)
    shell = Shell(
        "gateway",
        core,
        arguments.run_dir,
        publisher="health.gateway",
        subscribe=subscribe,
        requests=requests,
    )
    GatewayServer(shell, core, config.gateway, source, keys)
    StrategyFinder(shell, arguments.run_dir)
    Keeper(shell, core, arguments.run_dir)
    return shell


def endpoints(config: DeskConfig) -> tuple[list[str], list[str]]:
    """The publishers to read, and the routers to ask."""
    subscribe = [f"health.venue_simulator.{simulator.venue}" for simulator in config.simulators]
    requests = []
    for venue, settings in config.venues.items():
        subscribe.append(f"md.{venue}")
        for account in settings.accounts:
            place = f"{venue}.{account.name}"
            subscribe += [f"order_events.{place}", f"positions.{place}"]
            requests += [f"orders.{place}", f"position_queries.{place}"]
    return subscribe, requests


if __name__ == "__main__":
    raise SystemExit(service.main("gateway", build))
