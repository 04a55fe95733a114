"""Secrets and what names them."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from common.config.base import Config
from common.errors import ConfigError


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
