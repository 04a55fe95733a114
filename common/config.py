"""One YAML file -> frozen structs. An unknown key, a wrong type or a bad value is a ConfigError.

Secrets are never written in the YAML: it names environment variables. The exception is the demo,
whose simulated account has a public secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import (
    Annotated,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
import yaml

from common.errors import ConfigError

T = TypeVar("T")
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]  # NaN and infinity are neither
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Count = Annotated[int, msgspec.Meta(ge=1)]
ZeroOrMore = Annotated[int, msgspec.Meta(ge=0)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
TcpAddress = Annotated[str, msgspec.Meta(pattern=r"^tcp://[^\s/]+:[0-9]{1,5}\Z")]
CurveKey = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")]
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
STRATEGY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}\Z")
ACCOUNT_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")  # a part of topics, sockets and files
SOCKET_NAME = re.compile(
    r"((md|orders|order_events|positions|position_queries|inventory)\.([a-z0-9_]+)(\.[A-Za-z0-9_-]+)?"
    r"|health\.[a-z0-9_.-]+|strategies\.[a-z0-9_-]+)\Z"
)
SCHEMES = {"websocket_url": ("ws://", "wss://"), "http_url": ("http://", "https://")}


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all configuration structs."""


class Secret:
    """A value that never shows itself; call reveal() where it is used."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a secret is not to be copied out of its process")


class CredentialsConfig(Config):
    """Names of environment variables, or literal values for a simulated venue."""

    client_id_env: str = ""
    client_secret_env: str = ""
    client_id: str = ""
    client_secret: str = ""


class Credentials(msgspec.Struct, frozen=True):
    client_id: str
    client_secret: Secret


class LossConfig(Config):
    """What one day may cost, in USD: after a loss above `reducing` only what lowers exposure is
    taken, one above `halted` sets the kill switch."""

    reducing: str
    halted: str


class LimitsConfig(Config):
    """Pre-trade limits of one account; what is not named has no limit, unless the file is strict.

    max_notional is in USD for inverse instruments and in the quote currency for the others.
    price_collar_percent: how far a price may be from each of mid, mark and last, either way.
    """

    max_quantity: dict[str, str] = {}  # by instrument or kind, in the instrument's unit
    max_notional: str | None = None
    price_collar_percent: Positive | None = 10.0
    option_collar_percent: Positive | None = 200.0
    max_open_orders: ZeroOrMore | None = 500
    max_orders_per_second: Positive | None = None
    max_external_orders: ZeroOrMore | None = (
        None  # orders from outside: REDUCING, one more halts the desk
    )
    max_position: dict[str, str] = {}  # as max_quantity: position, open and in doubt, worst side
    max_underlying_exposure: dict[str, str] = {}  # the same in money, by underlying
    max_account_exposure: str | None = None
    max_fills: Count | None = None  # of one strategy within fills_within_s: then it is halted
    fills_within_s: Positive = 1.0
    max_same_orders: Count | None = None  # same strategy, side, price, quantity in same_within_ms
    same_within_ms: Count = 1000
    max_age_ms: Count | None = None  # of the proof that quotes are right; stale ones refuse as well
    max_strategy_orders_per_second: Positive | None = None  # as the account's, of each
    allowed_instruments: dict[str, list[str]] = {}  # by strategy ("*": others): names or kinds
    max_daily_loss: LossConfig | None = None  # of the account
    max_strategy_daily_loss: dict[str, LossConfig] = {}  # by strategy, "*" for the others
    max_profit_age_s: Positive = 10.0  # of the figures for the two above; older ones are REDUCING


class RiskConfig(Config):
    """config/risk.yaml: limits by account, `<venue>.<account>`, in place of those of the desk's
    file; read again whenever it changes. risk: "strict" refuses orders where a limit is missing.
    """

    risk: Literal["strict", "lenient"] = "strict"
    accounts: dict[str, LimitsConfig] = {}


class ExposureLimitsConfig(Config):
    """Raised as RiskAlert by the position server; per underlying, absolute values."""

    max_delta: dict[str, float] = {}
    max_gamma: dict[str, float] = {}
    max_vega: dict[str, float] = {}
    min_available_fraction: float | None = None  # available / equity, per currency


class AccountConfig(Config):
    name: str = "main"
    credentials: CredentialsConfig = CredentialsConfig()
    on_disconnect: Literal["leave", "cancel"] = "leave"
    limits: LimitsConfig = LimitsConfig()
    exposure_limits: ExposureLimitsConfig = ExposureLimitsConfig()
    engine_number: Annotated[int, msgspec.Meta(ge=0, le=255)] = (
        1  # 0..255, unique per engine of a desk
    )
    order_valid_for_ms: Count = 2000
    rate_per_second: Positive = 5.0  # the venue's matching-engine budget of this account
    rate_burst: Positive = 20.0
    quote_rate_per_second: Positive = 5.0  # the venue's budget of this account for mass quotes
    quote_rate_burst: Positive = 20.0
    budget_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = (
        0.5  # the engine's share of the non-matching budget
    )
    query_rate_per_second: Positive = 20.0  # the venue's non-matching budget of this account
    query_burst: Positive = 100.0
    journal_durability: Literal["always", "group"] = (
        "always"  # group: synced a moment after the order left
    )
    journal_sync_ms: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 10.0  # that moment
    journal_keep_segments: Annotated[int, msgspec.Meta(ge=2)] = 50  # of 64 MB at most
    day_starts_at: TimeOfDay = "00:00"  # UTC, of the day that max_daily_loss means


class MarketDataConfig(Config):
    """always_on: instruments whose books run without a subscriber."""

    always_on: list[str] = []
    instruments: list[str] = []  # only these, if not empty (to split a venue over processes)
    read_only_credentials: CredentialsConfig | None = None
    channels_per_link: Count = 400
    data_timeout_s: Positive = 5.0
    linger_s: NotNegative = 30.0  # how long a venue subscription outlives its last reader
    check_every_s: Positive = 30.0  # comparison of quiet books with the venue's ticker


class VenueConfig(Config):
    """Addresses as the venue's README gives them, and what the desk does there."""

    websocket_url: str
    http_url: str
    market_data: MarketDataConfig = MarketDataConfig()
    accounts: list[AccountConfig] = []


class SimulatorAccountConfig(Config):
    client_id: str
    client_secret: str
    balances: dict[str, str]
    limited: bool = True  # has the venue's default rate tier
    mass_quotes: bool = True  # admitted to them, where the venue asks for that
    scopes: str = "trade:read_write account:read_write wallet:read_write block_trade:read"
    subaccount_of: str = ""  # client_id of its main account, whose login may act for it


class SimulatorConfig(Config):
    venue: str
    port: Port
    host: str = "127.0.0.1"
    seed: int = 7
    accounts: list[SimulatorAccountConfig] = []
    updates_per_second: Positive = 500.0  # in all, at most
    option_expiries: ZeroOrMore = 8
    strikes_per_expiry: ZeroOrMore = 20
    activity: NotNegative = 1.0  # scales takers and repricing
    latency_ms: NotNegative = 0.0  # added to each answer
    token_life_s: Count = 31536000
    heartbeat_grace_s: NotNegative = 0.0  # 0: one further interval
    limit_addresses: bool = False  # rate limits for calls without a login, per address
    connections_per_address: Count = 32
    notifications_first: bool = False  # what a request caused is sent before its answer
    max_outbox_bytes: Count = 8_000_000  # a reader that has more waiting is cut
    starts_at: str = ""  # time of the venue at its start, ISO 8601; "" is the wall clock
    certificate: str = ""  # PEM with chain; with private_key: wss and https
    private_key: str = ""
    tls: bool = False  # wss and https with a certificate that it makes itself
    replay: list[str] = []  # recordings that are the market instead of a made-up one
    replay_speed: Positive = 1.0
    control: bool = False  # serve /control/v1 to this machine: faults for tests
    truth_log: str = ""  # a file below the run directory: every order and fill, for tests


class KeyConfig(Config):
    """A gateway key: SHA-256 of its secret, hex, or an Ed25519 public key. secret is allowed for
    the demo only. What is left empty or null below owner does not limit the key.
    """

    key_id: str
    secret: str = ""
    secret_sha256: str = ""
    scopes: list[str] = msgspec.field(default_factory=lambda: ["read"])
    owner: str = ""
    public_key: str = ""  # 32 bytes, hex: logs in by signing a challenge, has no secret
    instruments: list[str] = []  # what it may trade: ids, * for any characters
    addresses: list[str] = []  # from where it may be used: addresses or networks
    expires: str = ""  # ISO 8601 with a time zone
    max_connections: Count | None = None
    orders_per_second: Positive | None = None  # places and modifies, not cancels
    max_quantity: str | None = None  # of one order, in the instrument's unit


class KeyFileConfig(Config):
    """The file that gateway.key_file names: keys beside those of the desk's file."""

    keys: list[KeyConfig] = []


class GatewayConfig(Config):
    host: str = "127.0.0.1"
    port: Port = 8700
    keys: list[KeyConfig] = []
    key_file: str = ""  # relative to this file; looked at every second
    certificate: str = ""  # PEM with chain; with private_key: wss and https
    private_key: str = ""
    market_data_open: bool = True
    max_clients: Count = 1000
    max_connections_per_key: Count = 20
    max_connections_per_address: Count = 200
    max_subscriptions: Count = 1000
    messages_per_second: Positive = 100.0
    message_burst: Count = 200
    max_message_bytes: Count = 65536
    allowed_origins: list[str] = []


class StrategyConfig(Config):
    """One strategy: a file with a class, and the account it trades. The name owns its orders.

    file: relative to the YAML that names it. class_name: needed if the file has several classes.
    """

    name: str
    file: str
    venue: str
    account: str = "main"
    class_name: str = ""
    parameters: dict[str, object] = {}
    cancel_on_stop: bool = True
    orders_per_second: Positive | None = None  # its part of the account's rate; None: 80 % of it
    slow_call_ms: Positive = 50.0  # a handler that takes longer is warned of


class RecorderConfig(Config):
    """What is recorded to Parquet files, and how much disk that may take.

    topics: exact, or a prefix that ends in "."; what describes their instruments is added. An open
    period is on disk after flush_seconds or flush_rows, and becomes files after rotate_*.
    """

    topics: list[str]
    raw_frames: bool = False  # the frames of all venues' public links too
    directory: str = ""  # "" is `recordings` in the run directory
    rotate_mb: Positive = 256.0
    rotate_minutes: Positive = 60.0
    max_total_mb: Positive = 10_240.0  # of our own files in the directory; the oldest go first
    flush_rows: Count = 5_000
    flush_seconds: Positive = 1.0
    max_waiting_rows: Count = 500_000  # for a disk that is slow; what comes on top is lost


class MailConfig(Config):
    """Alerts as mail. user_env, password_env: names of environment variables."""

    host: str
    sender: str
    to: list[str]
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user_env: str = ""
    password_env: str = ""


class AlertsConfig(Config):
    """Where alerts go besides logs and bus. webhook_env: names the environment variable that holds
    the address, which is a secret; it is sent {"text": ...}."""

    webhook_env: str = ""
    min_level: Literal["WARNING", "ERROR"] = "WARNING"
    mail: MailConfig | None = None


class WatchdogConfig(Config):
    silent_s: Annotated[float, msgspec.Meta(ge=1, le=60)] = 1.75  # three beats are missed, and late


class ElsewhereConfig(Config):
    """A socket of another host. public_key: of the host that binds it."""

    address: TcpAddress
    public_key: CurveKey


class BusConfig(Config):
    """Sockets for other hosts and of other hosts, by name; nothing of it on a desk of one host.

    key_file: the key pair of this host, relative to this file. allowed: public keys by any name.
    """

    key_file: str = ""
    listen: dict[str, TcpAddress] = {}
    allowed: dict[str, CurveKey] = {}
    connect: dict[str, ElsewhereConfig] = {}


class DeskConfig(Config):
    desk: str
    venues: dict[str, VenueConfig]
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    gateway: GatewayConfig = GatewayConfig()
    simulators: list[SimulatorConfig] = []
    strategies: list[StrategyConfig] = []
    recorder: RecorderConfig | None = None
    risk_file: str = ""  # relative to this file; its limits replace those of the accounts
    alerts: AlertsConfig = AlertsConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    bus: BusConfig = BusConfig()

    def venue(self, name: str) -> VenueConfig:
        if name not in self.venues:
            known = ", ".join(sorted(self.venues))
            raise ConfigError("config", f"venues.{name}", f"no such venue (known: {known})")
        return self.venues[name]

    def account(self, venue: str, name: str) -> AccountConfig:
        for account in self.venue(venue).accounts:
            if account.name == name:
                return account
        raise ConfigError("config", f"venues.{venue}.accounts", f"no account named {name!r}")


def load(path: str | Path) -> DeskConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file is missing or broken; names the file and the key, never a value.
    """
    path = Path(path)
    config = _read(path, DeskConfig)
    _check(config, str(path))
    return config


def _read(path: Path, kind: type[T]) -> T:
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(str(path), "", "there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read: {error}") from None
    except RecursionError:
        raise ConfigError(str(path), "", "is nested too deeply") from None
    except ValueError:
        raise ConfigError(str(path), "", "holds a number or a time that is none") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        raise ConfigError(str(path), where, "is not valid YAML") from None
    try:
        return msgspec.convert(raw, kind)
    except UnicodeEncodeError:
        raise ConfigError(str(path), "", "holds half a character (a lone surrogate)") from None
    except msgspec.ValidationError as error:
        problem, _, key = str(error).partition(" - at `$")
        key = key.strip("`.")
        problem = _of_unknown_key(problem) or problem + _choices(key)
        raise ConfigError(str(path), key or "top level", problem) from None


def _of_unknown_key(problem: str) -> str:
    """What to say when it is that there is no such key, with the one that may be meant."""
    _, is_unknown, name = problem.partition("unknown field `")
    if not is_unknown:
        return ""
    name = name.strip("`")
    known = {field for struct in Config.__subclasses__() for field in struct.__struct_fields__}
    meant = get_close_matches(name, sorted(known), 1)
    return f"there is no key `{name}`" + (f"; is `{meant[0]}` meant?" if meant else "")


def _choices(key: str) -> str:
    """What may stand at a key that takes some words only."""
    name = key.rpartition(".")[2]
    for struct in Config.__subclasses__():
        kind = get_type_hints(struct).get(name)
        if get_origin(kind) is Literal:
            return f": one of {', '.join(get_args(kind))}"
    return ""


def load_keys(path: Path) -> list[KeyConfig]:
    """Raises: ConfigError."""
    return _read(path, KeyFileConfig).keys


def load_risk(path: Path) -> RiskConfig:
    """Raises: ConfigError."""
    return _read(path, RiskConfig)


def _check(config: DeskConfig, source: str) -> None:
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
    ports = [config.gateway.port, *(simulator.port for simulator in config.simulators)]
    if len(set(ports)) != len(ports):
        raise ConfigError(source, "port", "two processes would use one port")
    _check_strategies(config, source)
    _check_bus(config, source)


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


def credentials(
    config: CredentialsConfig, environment: Mapping[str, str] | None = None, where: str = "config"
) -> Credentials | None:
    """The credentials a config names; None when it names none.

    Raises:
        ConfigError: a named environment variable is missing or empty.
    """
    environment = os.environ if environment is None else environment
    if config.client_id_env or config.client_secret_env:
        values = []
        for key in (config.client_id_env, config.client_secret_env):
            value = environment.get(key, "")
            if not value:
                raise ConfigError(
                    where, "credentials", f"set the environment variable {key or '(unnamed)'}"
                )
            values.append(value)
        return Credentials(values[0], Secret(values[1]))
    if config.client_id and config.client_secret:
        return Credentials(config.client_id, Secret(config.client_secret))
    return None
