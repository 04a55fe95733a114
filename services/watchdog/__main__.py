"""Watches the desk's processes as an event listener of supervisord; see core.py."""

from __future__ import annotations

import os
from typing import Any

from common import logs
from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from services.cli.processes import processes
from services.cli.supervisor import Supervisor
from services.watchdog.core import LEVELS, Watchdog
from services.watchdog.shell import Listener


def build(arguments: service.Arguments) -> Shell:
    config, source = arguments.config, str(arguments.config_path)
    if config.alerts.min_level not in LEVELS:
        raise ConfigError(source, "alerts.min_level", f"one of {', '.join(LEVELS)}")
    webhook = os.environ.get(config.alerts.webhook_env, "") if config.alerts.webhook_env else ""
    if config.alerts.webhook_env and not webhook:
        text = f"set the environment variable {config.alerts.webhook_env}"
        raise ConfigError(source, "alerts.webhook_env", text)
    logs.hide([webhook])
    watched = processes(config)
    core: Any = Watchdog([process.name for process in watched], config.alerts.min_level)
    shell = Shell(
        "watchdog",
        core,
        arguments.run_dir,
        publisher="health.watchdog",
        subscribe=[process.beat for process in watched],
    )
    Listener(shell, Supervisor(arguments.run_dir), webhook)
    return shell


if __name__ == "__main__":
    raise SystemExit(service.main("watchdog", build))
