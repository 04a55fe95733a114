"""Orders of one venue account: checks, journal, the venue's order entry, order events."""

from __future__ import annotations

import gc
import os
import random

from common import config
from common.build import build_id, config_hash
from common.domain.backoff import Backoff
from common.errors import ConfigError
from common.transport import service
from common.transport.loop import Shell
from common.venues import load
from services.cli.processes import processes, strategy_host
from services.trading_engine import records, shell, storage
from services.trading_engine.core import TradingEngine
from services.trading_engine.start_counter import StartCounter


def build(arguments: service.Arguments) -> Shell:
    venue, account = arguments.venue, arguments.account
    lock = storage.take_lock(arguments.run_dir, venue, account)
    venue_config = arguments.config.venue(venue)
    account_config = arguments.config.account(venue, account)
    where = str(arguments.config_path)
    credentials = config.credentials(account_config.credentials, where=where)
    if credentials is None:
        key = f"venues.{venue}.accounts.{account}.credentials"
        raise ConfigError(where, key, "orders need a key of the account")
    state = arguments.run_dir.state
    directory = storage.journal_directory(arguments.run_dir, venue, account)
    stored = storage.Storage(directory, account_config, lock)
    gc.disable()  # there is nothing to collect while the journal is read
    cancel = account_config.on_disconnect == "cancel"
    core = TradingEngine(
        venue,
        account_config,
        venue_config.websocket_url,
        load(venue).orders(credentials, cancel_on_disconnect=cancel),
        Backoff(random.Random(os.urandom(8)).random),
        start_counter=StartCounter(state / f"{venue}.{account}.start").next(),
        journal=records.each([*stored.loaded.snapshot, *stored.loaded.tail]),
        build=build_id(),
        config_hash=config_hash(arguments.config_path),
        capabilities=load(venue).capabilities,
        strategies=arguments.config.strategies,
    )
    gc.enable()
    gc.freeze()
    risk = shell.risk_path(arguments.config, arguments.config_path)
    limits = shell.read_limits(risk, f"{venue}.{account}")[0] if risk else account_config.limits
    is_grouped = account_config.journal_durability == "group"
    made = Shell(
        arguments.process("trading_engine"),
        core,
        arguments.run_dir,
        publisher=f"order_events.{venue}.{account}",
        subscribe=[f"md.{venue}", f"positions.{venue}.{account}", *_beats(arguments)],
        router=f"orders.{venue}.{account}",
        journal=stored.open(),
        journal_sync_after_s=account_config.journal_sync_ms / 1000 if is_grouped else None,
        build=build_id(),
        latched=True,
        settle_s=5.0,
    )
    if risk is not None:
        shell.RiskFile(made, risk, f"{venue}.{account}", limits)
    return made


def _beats(arguments: service.Arguments) -> list[str]:
    """Of the services that are of no venue: the engine trades only with those of its own build. Of
    the strategies of its account also on other hosts: their orders end when they are silent."""
    desk, place = arguments.config, (arguments.venue, arguments.account)
    here = [each.beat for each in processes(desk) if not each.venue]
    mine = [each.name for each in desk.strategies if (each.venue, each.account) == place]
    return list(dict.fromkeys(["health.watchdog", *here, *(strategy_host(x).beat for x in mine)]))


if __name__ == "__main__":
    raise SystemExit(service.main("trading_engine", build))
