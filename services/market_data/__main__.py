"""Market data of one venue: `python -m services.market_data --config FILE --venue NAME`."""

from __future__ import annotations

import os
import random

from common import config
from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from common.venues import load
from services.market_data.core import MarketData

ABOVE_ZERO = ("channels_per_link", "data_timeout_s", "check_every_s")


def build(arguments: service.Arguments) -> Shell:
    name = arguments.venue
    settings = arguments.config.venue(name)
    where = str(arguments.config_path)
    for field in ABOVE_ZERO:
        if not getattr(settings.market_data, field) > 0:
            raise ConfigError(where, f"venues.{name}.market_data.{field}", "must be above 0")
    venue = load(name)
    key = settings.market_data.read_only_credentials
    credentials = config.credentials(key, where=where) if key is not None else None
    core = MarketData(
        name,
        settings.websocket_url,
        settings.market_data,
        lambda: venue.feed(credentials),
        venue.reference(settings.http_url),
        random.Random(os.urandom(8)).random,
    )
    return Shell(arguments.process("market_data"), core, arguments.run_dir, publisher=f"md.{name}")


if __name__ == "__main__":
    raise SystemExit(service.main("market_data", build))
