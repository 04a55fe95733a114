"""Keys: who a client is and what it may do.

Only the SHA-256 of a secret is kept. Secrets are random and long, so that a plain hash is enough;
the comparison takes the same time whether the id is known or not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

import msgspec

from common.codec import NAME
from common.config import KeyConfig
from common.errors import ConfigError
from services.gateway.rpc import CallError

SCOPES = ("read", "trade", "cancel", "admin")
HASH = re.compile(r"[0-9a-f]{64}\Z")
NOBODY = hashlib.sha256(b"").hexdigest()
MAX_SECRET = 256


class Key(msgspec.Struct, frozen=True):
    """Somebody who proved a secret."""

    key_id: str
    scopes: frozenset[str]
    owner: str

    def may(self, scope: str) -> bool:
        """Whether one of the key's scopes covers this one: trade covers cancel."""
        return scope in self.scopes or (scope == "cancel" and "trade" in self.scopes)

    @property
    def sees_all(self) -> bool:
        return "admin" in self.scopes


class KeyRing:
    """All keys of a gateway.

    Raises:
        ConfigError: a key is listed twice, has no usable secret, or an unknown scope.
    """

    def __init__(self, keys: Iterable[KeyConfig], source: str = "config") -> None:
        self._keys: dict[str, tuple[str, Key]] = {}
        for config in keys:
            where = f"gateway.keys.{config.key_id}"
            _check(config, source, where)
            if config.key_id in self._keys:
                raise ConfigError(source, where, "this key_id is listed twice")
            digest = config.secret_sha256.lower() or sha256(config.secret)
            owner = config.owner or config.key_id
            self._keys[config.key_id] = digest, Key(config.key_id, frozenset(config.scopes), owner)

    def find(self, key_id: str, secret: str) -> Key | None:
        """The key, if the secret is its own."""
        digest, key = self._keys.get(key_id, (NOBODY, None))
        same = hmac.compare_digest(digest, sha256(secret[:MAX_SECRET]))
        return key if same else None

    def of_header(self, authorization: str) -> Key | None:
        """The key of an Authorization header, None where there is no header.

        Raises:
            CallError: there is one, and it opens nothing.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        key_id, _, secret = token.strip().partition(".")
        if scheme.lower() != "bearer" or not secret:
            text = "the Authorization header reads: Bearer <key_id>.<secret>"
            raise CallError("UNAUTHENTICATED", text, "authorization")
        key = self.find(key_id, secret)
        if key is None:
            text = "no key has this id and secret"
            raise CallError("UNAUTHENTICATED", text, "authorization")
        return key


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check(config: KeyConfig, source: str, where: str) -> None:
    if not NAME.match(config.key_id) or "." in config.key_id:
        text = "key_id has 1 to 64 characters of A-Z a-z 0-9 _ : / -"
        raise ConfigError(source, where, text)
    if bool(config.secret) == bool(config.secret_sha256):
        raise ConfigError(source, where, "give either secret_sha256 or secret")
    if config.secret_sha256 and not HASH.match(config.secret_sha256.lower()):
        raise ConfigError(source, where, "secret_sha256 is 64 hexadecimal digits")
    if config.owner and not NAME.match(config.owner):
        text = "owner has 1 to 64 characters of A-Z a-z 0-9 . _ : / -"
        raise ConfigError(source, where, text)
    unknown = [scope for scope in config.scopes if scope not in SCOPES]
    if unknown:
        text = f"scope {unknown[0]!r} is not one of {', '.join(SCOPES)}"
        raise ConfigError(source, where, text)


def require(key: Key | None, scope: str) -> Key:
    """The key, if it has the scope.

    Raises:
        CallError: UNAUTHENTICATED without a key, FORBIDDEN without the scope.
    """
    if key is None:
        text = f"this needs a key with the scope {scope!r}: log in first"
        raise CallError("UNAUTHENTICATED", text)
    if not key.may(scope):
        raise CallError("FORBIDDEN", f"key {key.key_id!r} does not have the scope {scope!r}")
    return key
