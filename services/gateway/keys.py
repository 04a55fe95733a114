"""Keys: who a client is and what it may do.

Only the SHA-256 of a secret is kept. Secrets are random and long, so that a plain hash is enough;
the comparison takes the same time whether the id is known or not. A key may have a public key
instead: then nobody but its holder has anything worth stealing (challenges.py).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase

import msgspec

from common.codec import NAME
from common.config import KeyConfig
from common.errors import ConfigError
from common.messages import Exact
from services.gateway.rpc import CallError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SCOPES = ("read", "trade", "cancel", "admin")
SIGNING = ("trade", "admin")  # off loopback: who may order, and who may kill and change limits
HASH = re.compile(r"[0-9a-f]{64}\Z")
NOBODY = hashlib.sha256(b"").hexdigest()
MAX_SECRET = 256
FOREVER_NS = 2**63 - 1


class Key(msgspec.Struct, frozen=True):
    """Somebody who proved a secret. proof: the secret's SHA-256, or the public key; hex."""

    key_id: str
    scopes: frozenset[str]
    owner: str
    proof: str
    signs: bool = False  # proof is a public key
    instruments: tuple[str, ...] = ()  # patterns; empty: all
    networks: tuple[str, ...] = ()  # empty: everywhere
    expires_ns: int = FOREVER_NS
    max_connections: int | None = None
    orders_per_second: float | None = None
    max_quantity: Decimal | None = None

    def may(self, scope: str) -> bool:
        """Whether one of the key's scopes covers this one: trade covers cancel."""
        return scope in self.scopes or (scope == "cancel" and "trade" in self.scopes)

    def may_trade(self, instrument: str) -> bool:
        patterns = self.instruments
        return not patterns or any(fnmatchcase(instrument, pattern) for pattern in patterns)

    def is_usable(self, address: str, now_ns: int) -> bool:
        """Not expired, and from where it may be used."""
        if now_ns >= self.expires_ns:
            return False
        return not self.networks or _is_in(address, self.networks)

    @property
    def sees_all(self) -> bool:
        return "admin" in self.scopes


class KeyRing:
    """All keys of a gateway.

    Args:
        must_sign: a key with the scope trade or admin needs a public key.

    Raises:
        ConfigError: a key is listed twice, has no usable secret, or an unknown scope.
    """

    def __init__(
        self, keys: Iterable[KeyConfig], source: str = "config", must_sign: bool = False
    ) -> None:
        self._keys: dict[str, Key] = {}
        for config in keys:
            where = f"gateway.keys.{config.key_id}"
            if config.key_id in self._keys:
                raise ConfigError(source, where, "this key_id is listed twice")
            key = self._keys[config.key_id] = _key_of(config, source, where)
            scope = next((scope for scope in SIGNING if scope in key.scopes), None)
            if must_sign and scope and not key.signs:
                text = f"off loopback, a key with the scope {scope!r} needs a public_key"
                raise ConfigError(source, where, text)

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    def find(self, key_id: str, secret: str, address: str, now_ns: int) -> Key:
        """The key, if the secret is its own and it may be used from this address.

        Raises:
            CallError: UNAUTHENTICATED; why is only told to who knows the secret.
        """
        key = self._keys.get(key_id)
        digest = NOBODY if key is None or key.signs else key.proof
        same = hmac.compare_digest(digest, sha256(secret[:MAX_SECRET]))
        if key is None or not same or key.signs:
            raise CallError("UNAUTHENTICATED", "no key has this id and secret", "secret")
        return self.usable(key, address, now_ns)

    def usable(self, key: Key, address: str, now_ns: int) -> Key:
        """
        Raises:
            CallError: the key has expired, or is used from elsewhere.
        """
        if not key.is_usable(address, now_ns):
            why = "has expired" if now_ns >= key.expires_ns else "may not be used from here"
            raise CallError("UNAUTHENTICATED", f"key {key.key_id!r} {why}", "key_id")
        return key

    def of_header(self, authorization: str, address: str, now_ns: int) -> Key | None:
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
        try:
            return self.find(key_id, secret, address, now_ns)
        except CallError as problem:
            raise CallError(problem.reason, problem.text, "authorization") from None


def sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _is_in(address: str, networks: Iterable[str]) -> bool:
    try:
        place = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(place, "ipv4_mapped", None)  # an IPv4 client of an IPv6 socket
    return any((mapped or place) in ipaddress.ip_network(network) for network in networks)


def _key_of(config: KeyConfig, source: str, where: str) -> Key:
    _check(config, source, where)
    digest = config.secret_sha256.lower() or sha256(config.secret)
    return Key(
        config.key_id,
        frozenset(config.scopes),
        config.owner or config.key_id,
        config.public_key.lower() or digest,
        bool(config.public_key),
        tuple(config.instruments),
        tuple(_networks(config, source, where)),
        _expiry_ns(config, source, where),
        config.max_connections,
        config.orders_per_second,
        _quantity(config, source, where),
    )


def _check(config: KeyConfig, source: str, where: str) -> None:
    if not NAME.match(config.key_id) or "." in config.key_id:
        text = "key_id has 1 to 64 characters of A-Z a-z 0-9 _ : / -"
        raise ConfigError(source, where, text)
    if [config.secret, config.secret_sha256, config.public_key].count("") != 2:
        raise ConfigError(source, where, "give one of secret_sha256, public_key and secret")
    for name in ("secret_sha256", "public_key"):
        value = getattr(config, name)
        if value and not HASH.match(value.lower()):
            raise ConfigError(source, where, f"{name} is 64 hexadecimal digits")
    if config.owner and not NAME.match(config.owner):
        text = "owner has 1 to 64 characters of A-Z a-z 0-9 . _ : / -"
        raise ConfigError(source, where, text)
    unknown = [scope for scope in config.scopes if scope not in SCOPES]
    if unknown:
        text = f"scope {unknown[0]!r} is not one of {', '.join(SCOPES)}"
        raise ConfigError(source, where, text)


def _networks(config: KeyConfig, source: str, where: str) -> Iterable[str]:
    for address in config.addresses:
        try:
            yield str(ipaddress.ip_network(address))
        except ValueError:
            text = f"{address!r} is neither an address nor a network"
            raise ConfigError(source, f"{where}.addresses", text) from None


def _expiry_ns(config: KeyConfig, source: str, where: str) -> int:
    if not config.expires:
        return FOREVER_NS
    try:
        expires = datetime.fromisoformat(config.expires)
    except ValueError:
        expires = None
    if expires is None or expires.tzinfo is None:
        text = "is a time with its zone, as 2027-01-31T00:00:00Z"
        raise ConfigError(source, f"{where}.expires", text)
    return int(expires.timestamp()) * 1_000_000_000


def _quantity(config: KeyConfig, source: str, where: str) -> Decimal | None:
    if config.max_quantity is None:
        return None
    try:
        quantity = Exact(config.max_quantity)
    except (ArithmeticError, ValueError):
        quantity = Exact("0")
    if quantity <= 0:
        raise ConfigError(source, f"{where}.max_quantity", "is a number above 0, as text")
    return quantity


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
