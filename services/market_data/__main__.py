"""Market data of one venue: `python -m services.market_data --config FILE --venue NAME`."""

from __future__ import annotations

import os
import random

from common import config
from common.transport import service
from common.transport.loop import Shell
from common.venues import load
from services.market_data.core import MarketData


def build(arguments: service.Arguments) -> Shell:
    name = arguments.venue
    settings = arguments.config.venue(name)
    where = str(arguments.config_path)
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
