"""What every service does at its start: arguments, configuration, logs, and how it ends."""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from loguru import logger

from common import config as configuration, logs
from common.build import build_id
from common.config import DeskConfig
from common.errors import AlreadyRunning, ConfigError
from common.rundir import RunDir
from common.transport import bus, clock
from common.transport.loop import Shell

EXIT_CONFIG = 78
EXIT_BUG = 70
EXIT_RUNNING = 75
PR_SET_PDEATHSIG = 1


class Arguments(msgspec.Struct, frozen=True):
    """What a service was started with; venue, account and name are "" where it has none."""

    config: DeskConfig
    config_path: Path
    run_dir: RunDir
    venue: str
    account: str
    log_level: str
    name: str = ""

    def process(self, service: str) -> str:
        return ".".join(part for part in (service, self.venue, self.account, self.name) if part)


def main(service: str, build: Callable[[Arguments], Shell]) -> int:
    """Run a service until it is told to stop.

    Returns:
        0 after a clean stop; 78 when the configuration cannot be used, with one sentence that
        names file and key; 75 when another process does the same; 70 after an internal error;
        74 when the disk of its journal cannot be trusted any more.
    """
    try:
        arguments = _read(service)
        _prepare(arguments, service)
        shell = build(arguments)
        shell.build = shell.build or build_id()
        return shell.run()
    except ConfigError as error:
        print(f"{service}: {logs.redact(str(error))}", file=sys.stderr)
        logger.error("cannot start: {}", error)
        return EXIT_CONFIG
    except AlreadyRunning as error:
        print(f"{service}: {error}", file=sys.stderr)
        logger.error("cannot start: {}", error)
        return EXIT_RUNNING
    except KeyboardInterrupt:
        return 0
    except Exception:
        logger.exception("stopped by an internal error")
        return EXIT_BUG


def _read(service: str) -> Arguments:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}")
    parser.add_argument("--config", required=True, type=Path, help="the desk's YAML file")
    parser.add_argument("--run-dir", default="run", help="where state, logs and sockets are")
    parser.add_argument("--venue", default="", help="name of a venue in the YAML")
    parser.add_argument("--account", default="", help="name of an account of that venue")
    parser.add_argument("--name", default="", help="name of a strategy")
    parser.add_argument("--log-level", default=os.environ.get("LOG_LEVEL", ""))
    given = parser.parse_args()
    config = configuration.load(given.config)
    return Arguments(
        config=config,
        config_path=given.config,
        run_dir=RunDir(given.run_dir, bus.load(config.bus, given.config)),
        venue=given.venue,
        account=given.account,
        log_level=given.log_level or config.log_level,
        name=given.name,
    )


def _prepare(arguments: Arguments, service: str) -> None:
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _allow_descriptors()
    _end_with_parent()
    arguments.run_dir.create()
    clock.follow(arguments.run_dir.clock)
    logs.hide(_known_secrets(arguments.config))
    try:
        logs.set_up(arguments.process(service), arguments.log_level, arguments.run_dir.logs)
    except ValueError as error:
        raise ConfigError("--log-level", "", str(error)) from None


def _known_secrets(config: DeskConfig) -> list[str]:
    """Every secret value the configuration names or holds, for the log filter."""
    holders = [
        account.credentials for venue in config.venues.values() for account in venue.accounts
    ]
    holders += [
        venue.market_data.read_only_credentials
        for venue in config.venues.values()
        if venue.market_data.read_only_credentials is not None
    ]
    values = [
        holder.client_secret or os.environ.get(holder.client_secret_env, "") for holder in holders
    ]
    values += [key.secret for key in config.gateway.keys]
    return [value for value in values if value]


def _allow_descriptors() -> None:
    """As many as the system lets us have: libzmq ends the process when it runs out of them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when supervisord dies, so that nobody trades unsupervised."""
    parent = os.getppid()
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
