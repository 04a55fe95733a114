"""Positions, balances, profit and exposure of one venue account."""

from __future__ import annotations

import os
import random

from common import config
from common.domain.backoff import Backoff
from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from common.venues import load
from services.position_server import shell
from services.position_server.core import PositionServer
from services.position_server.day import Day


def build(arguments: service.Arguments) -> Shell:
    venue, account = arguments.venue, arguments.account
    venue_config = arguments.config.venue(venue)
    account_config = arguments.config.account(venue, account)
    where = str(arguments.config_path)
    credentials = config.credentials(account_config.credentials, where=where)
    if credentials is None:
        key = f"venues.{venue}.accounts.{account}.credentials"
        raise ConfigError(where, key, "positions need a key of the account")
    path = arguments.run_dir.state / f"{venue}.{account}.day"
    arguments.run_dir.create()
    day = Day(account_config.day_starts_at, shell.read_day(path))
    core = PositionServer(
        venue,
        account,
        load(venue).account(credentials, account=account),
        venue_config.websocket_url,
        account_config.exposure_limits,
        Backoff(random.Random(os.urandom(8)).random),
        day,
    )
    made = Shell(
        arguments.process("position_server"),
        core,
        arguments.run_dir,
        publisher=f"positions.{venue}.{account}",
        subscribe=[f"md.{venue}", f"order_events.{venue}.{account}"],
        router=f"position_queries.{venue}.{account}",
        pull=f"inventory.{venue}.{account}",
    )
    shell.DayFile(made, path)
    return made


if __name__ == "__main__":
    raise SystemExit(service.main("position_server", build))
