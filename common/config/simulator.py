"""Simulated venues."""

from __future__ import annotations

from common.config.base import Config, Count, NotNegative, Port, Positive, ZeroOrMore


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
