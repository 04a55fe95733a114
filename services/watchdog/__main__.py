"""Watches the desk's processes as an event listener of supervisord; see core.py."""

from __future__ import annotations

from typing import Any

from common.transport import service
from common.transport.loop import Shell
from common.transport.receivers import Courier, receivers
from services.cli.processes import processes
from services.cli.supervisor import Supervisor
from services.watchdog.core import Watchdog
from services.watchdog.shell import Listener


def build(arguments: service.Arguments) -> Shell:
    config, source = arguments.config, str(arguments.config_path)
    couriers = [Courier(receiver) for receiver in receivers(config.alerts, source)]
    watched = processes(config)
    names = [process.name for process in watched]
    core: Any = Watchdog(names, config.alerts.min_level, config.watchdog.silent_s)
    shell = Shell(
        "watchdog",
        core,
        arguments.run_dir,
        publisher="health.watchdog",
        subscribe=[process.beat for process in watched],
    )
    Listener(shell, Supervisor(arguments.run_dir), config.desk, couriers)
    return shell


if __name__ == "__main__":
    raise SystemExit(service.main("watchdog", build))
