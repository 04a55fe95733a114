"""What a file has to be beyond the types of its values."""

from __future__ import annotations

import re

from common.config.bus import BusConfig
from common.config.desk import DeskConfig, StrategyConfig
from common.config.venue import VenueConfig
from common.errors import ConfigError

STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}\Z")
ACCOUNT_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")  # a part of topics, sockets and files
SOCKET_NAME = re.compile(
    r"((md|orders|order_events|positions|position_queries|inventory)\.([a-z0-9_]+)(\.[A-Za-z0-9_-]+)?"
    r"|health\.[a-z0-9_.-]+|strategies\.[a-z0-9_-]+)\Z"
)
LEAST_SILENCE_S = 2.0  # four beats; less is no silence
SCHEMES = {"websocket_url": ("ws://", "wss://"), "http_url": ("http://", "https://")}


def check(config: DeskConfig, source: str) -> None:
    """Raises: ConfigError: names the key."""
    _check_accounts(config, source)
    ports = [config.gateway.port, *(simulator.port for simulator in config.simulators)]
    if len(set(ports)) != len(ports):
        raise ConfigError(source, "port", "two processes would use one port")
    _check_strategies(config, source)
    _check_bus(config, source)


def _check_accounts(config: DeskConfig, source: str) -> None:
    engines: set[int] = set()
    for name, venue in config.venues.items():
        _check_addresses(name, venue, source)
        names: set[str] = set()
        for account in venue.accounts:
            key = f"venues.{name}.accounts"
            if not ACCOUNT_NAME.match(account.name):
                problem = f"{account.name!r}: 1 to 32 characters of A-Z a-z 0-9 _ -"
                raise ConfigError(source, f"{key}.name", problem)
            if account.name in names:
                raise ConfigError(source, key, f"account {account.name!r} is listed twice")
            if account.engine_number in engines:
                raise ConfigError(source, key, "engine_number must be unique on a desk")
            names.add(account.name)
            engines.add(account.engine_number)


def _check_bus(config: DeskConfig, source: str) -> None:
    bus = config.bus
    for key, names in (("listen", list(bus.listen)), ("connect", list(bus.connect))):
        for name in names:
            found = SOCKET_NAME.match(name)
            if not found or found[3] is not None and found[3] not in config.venues:
                problem = "is no socket of this desk; `crossdesk status --json` lists them"
                raise ConfigError(source, f"bus.{key}.{name}", problem)
    _check_bus_addresses(bus, source)
    both = bus.listen.keys() & bus.connect.keys()
    if both:
        problem = f"{min(both)} is either here or elsewhere"
        raise ConfigError(source, "bus.connect", problem)
    if (bus.listen or bus.connect) and not bus.key_file:
        raise ConfigError(source, "bus.key_file", "is needed: `crossdesk keys FILE` makes one")
    if bus.listen and not bus.allowed:
        raise ConfigError(source, "bus.allowed", "is empty: nobody could connect")


def _check_bus_addresses(bus: BusConfig, source: str) -> None:
    elsewhere = {f"connect.{name}.address": each.address for name, each in bus.connect.items()}
    listen = {f"listen.{name}": address for name, address in bus.listen.items()}
    for key, address in (listen | elsewhere).items():
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        if not 1 <= int(port) <= 65535:
            raise ConfigError(source, f"bus.{key}", "a port is 1 to 65535")
        if host == "*" and key in elsewhere:
            raise ConfigError(source, f"bus.{key}", "names no host")


def _check_addresses(name: str, venue: VenueConfig, source: str) -> None:
    for key, schemes in SCHEMES.items():
        if not getattr(venue, key).startswith(schemes):
            problem = f"begins with {' or '.join(schemes)}"
            raise ConfigError(source, f"venues.{name}.{key}", problem)


def _check_strategies(config: DeskConfig, source: str) -> None:
    owners = {key.owner or key.key_id for key in config.gateway.keys}
    for strategy in config.strategies:
        check_strategy(strategy, config, source)
        if strategy.name in owners:
            problem = f"{strategy.name!r} is the owner of another strategy's or a key's orders"
            raise ConfigError(source, "strategies", problem)
        owners.add(strategy.name)


def check_strategy(strategy: StrategyConfig, config: DeskConfig, source: str) -> None:
    """Raises ConfigError; that the file and its parameters are good shows when it is loaded."""
    key = f"strategies.{strategy.name}"
    if not STRATEGY_NAME.match(strategy.name):
        problem = f"{strategy.name!r}: 1 to 20 characters of a-z 0-9 _ -, a letter first"
        raise ConfigError(source, "strategies.name", problem)
    if strategy.venue not in config.venues:
        known = ", ".join(sorted(config.venues))
        raise ConfigError(source, f"{key}.venue", f"no such venue (known: {known})")
    if strategy.account not in {a.name for a in config.venues[strategy.venue].accounts}:
        raise ConfigError(source, f"{key}.account", f"no account named {strategy.account!r}")
    if 0 < strategy.cancel_if_silent_s < LEAST_SILENCE_S:
        problem = f"is 0 (never) or at least {LEAST_SILENCE_S:g} s"
        raise ConfigError(source, f"{key}.cancel_if_silent_s", problem)
