"""The whole file of a desk."""

from __future__ import annotations

from typing import Literal

from common.config.alerts import AlertsConfig, WatchdogConfig
from common.config.base import Config, Count, NotNegative, Positive
from common.config.bus import BusConfig
from common.config.gateway import GatewayConfig
from common.config.simulator import SimulatorConfig
from common.config.venue import AccountConfig, VenueConfig
from common.errors import ConfigError


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
    cancel_if_silent_s: NotNegative = 10.0  # its host, for longer than this; 0: never


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
