"""Who looks after the desk, and who is told."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from common.config.base import Config, Port


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
