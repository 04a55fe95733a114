"""The gateway and its keys."""

from __future__ import annotations

import msgspec

from common.config.base import Config, Count, Port, Positive


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
