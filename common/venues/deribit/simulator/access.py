"""Who may do what: keys, tokens, scopes and the three HTTP schemes.

https://docs.deribit.com/articles/authentication (read mid-2026). Tokens are derived from a seed
and a counter, so that the same session gets the same tokens again; they guard a simulated account.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from common.config import SimulatorAccountConfig
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.family import Family

CLOCK_TOLERANCE_MS = 60_000
REFRESH_LIFE_FACTOR = 2  # a refresh token outlives its access token
LEVELS = {"none": 0, "read": 1, "read_write": 2}
MAX_GRANTS = 10_000


class Grant(msgspec.Struct):
    """What one login may do. connection: the only one it holds on, None: any, and HTTP too."""

    client_id: str
    permissions: dict[str, str]  # "trade" -> "read_write"
    scope: str
    session: str | None
    connection: int | None
    expires_ms: int

    def allows(self, scope: str) -> bool:
        """Whether a method's scope ("trade:read", "" for none) is covered."""
        area, _, level = scope.partition(":")
        return not area or LEVELS[self.permissions.get(area, "none")] >= LEVELS[level]


class _Refresh(msgspec.Struct):
    grant: Grant
    access_token: str
    expires_ms: int


def unauthorized(reason: str = "") -> Refused:
    return Refused(13009, "unauthorized", **({"reason": reason} if reason else {}))


def _bad_credentials() -> Refused:
    return Refused(13004, "invalid_credentials")


class Access:
    """All keys and all tokens of the simulated venue."""

    def __init__(
        self, accounts: Sequence[SimulatorAccountConfig], token_life_s: int, seed: int
    ) -> None:
        self._accounts = {account.client_id: account for account in accounts}
        self._life_ms = token_life_s * 1000
        self._key = f"simulator {seed}".encode()
        self._count = 0
        self._grants: dict[str, Grant] = {}
        self._refresh: dict[str, _Refresh] = {}

    def is_limited(self, client_id: str) -> bool:
        return self._accounts[client_id].limited

    # --- logging in --------------------------------------------------------------------------

    def authenticate(
        self, params: dict[str, Any], connection: int | None, now_ns: int
    ) -> tuple[Grant, dict[str, Any]]:
        """`public/auth`: the grant and the answer's result."""
        now_ms = now_ns // 1_000_000
        grant_type = params["grant_type"]
        if grant_type == "refresh_token":
            return self._by_refresh_token(params, connection, now_ms)
        account = self._account(params)
        if grant_type == "client_credentials":
            secret = _required(params, "client_secret")
            if not hmac.compare_digest(secret.encode(), account.client_secret.encode()):
                raise _bad_credentials()
        else:
            self._check_signature(account, params, now_ms)
        grant = self._grant(account, params.get("scope", ""), connection, now_ms)
        return grant, self._tokens(grant, params, now_ms)

    def _account(self, params: dict[str, Any]) -> SimulatorAccountConfig:
        account = self._accounts.get(_required(params, "client_id"))
        if account is None:
            raise _bad_credentials()
        return account

    def _check_signature(
        self, account: SimulatorAccountConfig, params: dict[str, Any], now_ms: int
    ) -> None:
        timestamp = _required(params, "timestamp")
        signature = _required(params, "signature")
        if abs(now_ms - timestamp) > CLOCK_TOLERANCE_MS:
            raise invalid_params("timestamp", "outside of 60 s of the server time")
        text = f"{timestamp}\n{params.get('nonce', '')}\n{params.get('data', '')}"
        if not _is_signature(account.client_secret, text, signature):
            raise _bad_credentials()

    def _by_refresh_token(
        self, params: dict[str, Any], connection: int | None, now_ms: int
    ) -> tuple[Grant, dict[str, Any]]:
        held = self._held(_required(params, "refresh_token"), now_ms)
        if held.grant.session is None and held.grant.connection not in (None, connection):
            raise unauthorized("refresh token of another connection")
        grant = msgspec.structs.replace(held.grant, expires_ms=now_ms + self._life_ms)
        return grant, self._tokens(grant, params, now_ms)

    def _held(self, token: str, now_ms: int) -> _Refresh:
        held = self._refresh.get(token)
        if held is None or held.expires_ms <= now_ms:
            raise _bad_credentials()
        return held

    # --- tokens ------------------------------------------------------------------------------

    def fork(self, params: dict[str, Any], now_ns: int) -> tuple[Grant, dict[str, Any]]:
        """`public/fork_token`: another session of the same login."""
        now_ms = now_ns // 1_000_000
        held = self._held(params["refresh_token"], now_ms)
        if held.grant.session is None:
            raise invalid_params("refresh_token", "not of a session")
        name = params["session_name"]
        words = [word for word in held.grant.scope.split() if not word.startswith("session:")]
        scope = " ".join(sorted([*words, f"session:{name}"]))
        grant = msgspec.structs.replace(
            held.grant, session=name, scope=scope, expires_ms=now_ms + self._life_ms
        )
        return grant, self._tokens(grant, params, now_ms)

    def exchange(
        self, params: dict[str, Any], family: Family, now_ns: int
    ) -> tuple[Grant, dict[str, Any]]:
        """`public/exchange_token`: the same login for a subaccount of its owner."""
        now_ms = now_ns // 1_000_000
        held = self._held(params["refresh_token"], now_ms)
        subject = family.by_id(held.grant.client_id, params["subject_id"])
        if subject is None:
            raise invalid_params("subject_id", "not a subaccount of this account")
        grant = msgspec.structs.replace(
            held.grant, client_id=subject.client_id, expires_ms=now_ms + self._life_ms
        )
        return grant, self._tokens(grant, params, now_ms)

    def by_token(self, token: str, connection: int | None, now_ns: int) -> Grant:
        """The grant of an access token, in `params` or in a Bearer header."""
        grant = self._grants.get(token)
        if grant is None or grant.expires_ms <= now_ns // 1_000_000:
            raise unauthorized("invalid_token")
        if grant.session is None and grant.connection not in (None, connection):
            raise unauthorized("invalid_token")
        return grant

    def expire(self, client_id: str, now_ns: int) -> int:
        """All access tokens of a client, of all if "", are over; refresh tokens stay."""
        now_ms = now_ns // 1_000_000
        ended = {id(held): held for held in self._grants.values() if held.expires_ms > now_ms}
        mine = [grant for grant in ended.values() if client_id in ("", grant.client_id)]
        for grant in mine:
            grant.expires_ms = now_ms
        return len(mine)

    def forget(self, grant: Grant) -> None:
        """Invalidate all tokens of a login: `private/logout`."""
        self._grants = {t: g for t, g in self._grants.items() if g is not grant}
        self._refresh = {t: r for t, r in self._refresh.items() if r.grant is not grant}

    def forget_connection(self, connection: int) -> None:
        """Tokens of connection scope die with their connection."""
        gone = [
            token
            for token, grant in self._grants.items()
            if grant.session is None and grant.connection == connection
        ]
        for token in gone:
            del self._grants[token]
        for token in [t for t, held in self._refresh.items() if held.access_token in gone]:
            del self._refresh[token]

    def _grant(
        self, account: SimulatorAccountConfig, scope: str, connection: int | None, now_ms: int
    ) -> Grant:
        words = scope.split()
        session = next((w.partition(":")[2] for w in words if w.startswith("session:")), None)
        life_ms = self._life_ms
        for word in words:
            if word.startswith("expires:") and word[8:].isdigit():
                life_ms = min(life_ms, int(word[8:]) * 1000)
        permissions = _narrowed(account.scopes.split(), words)
        named = [f"{area}:{level}" for area, level in permissions.items()]
        kind = f"session:{session}" if session else "connection"
        return Grant(
            account.client_id,
            permissions,
            " ".join(sorted([*named, kind, "mainaccount"])),
            session,
            None if session else connection,
            now_ms + life_ms,
        )

    def _tokens(self, grant: Grant, params: dict[str, Any], now_ms: int) -> dict[str, Any]:
        self._drop_expired(now_ms)
        access_token, refresh_token = (
            self._token(grant.expires_ms),
            self._token(grant.expires_ms + self._life_ms),
        )
        self._grants[access_token] = grant
        life_ms = (grant.expires_ms - now_ms) * REFRESH_LIFE_FACTOR
        self._refresh[refresh_token] = _Refresh(grant, access_token, now_ms + life_ms)
        result: dict[str, Any] = {
            "access_token": access_token,
            "refresh_token": refresh_token,
            "token_type": "bearer",
            "expires_in": (grant.expires_ms - now_ms) // 1000,
            "scope": grant.scope,
            "enabled_features": [],
            "mandatory_tfa_status": "disabled",
            "google_login": False,
        }
        if grant.session:
            result["sid"] = hashlib.sha256(
                f"{grant.client_id} {grant.session}".encode()
            ).hexdigest()
        if "state" in params:
            result["state"] = params["state"]
        return result

    def _token(self, expires_ms: int) -> str:
        self._count += 1
        digest = hmac.digest(self._key, str(self._count).encode(), "sha512")
        return f"{expires_ms}.1{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    def _drop_expired(self, now_ms: int) -> None:
        """Memory stays bounded: the expired go first, then the oldest."""
        if len(self._grants) < MAX_GRANTS:
            return
        self._grants = {t: g for t, g in self._grants.items() if g.expires_ms > now_ms}
        self._refresh = {t: r for t, r in self._refresh.items() if r.expires_ms > now_ms}
        for tokens in (self._grants, self._refresh):
            while len(tokens) >= MAX_GRANTS:
                del tokens[next(iter(tokens))]

    # --- HTTP headers ------------------------------------------------------------------------

    def by_header(
        self, header: str, method: str, uri: str, body: bytes, now_ns: int
    ) -> Grant | None:
        """The grant of an Authorization header; None without one.

        Args:
            uri: path and query exactly as sent: they are part of what was signed.
        """
        scheme, _, rest = header.strip().partition(" ")
        match scheme.lower():
            case "":
                return None
            case "bearer":
                return self.by_token(rest.strip(), None, now_ns)
            case "basic":
                return self._by_basic(rest.strip(), now_ns)
            case "deri-hmac-sha256":
                return self._by_hmac(rest, method, uri, body, now_ns)
        raise unauthorized("unsupported authorization scheme")

    def _by_basic(self, text: str, now_ns: int) -> Grant:
        try:
            client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise unauthorized("bad basic authorization") from None
        account = self._accounts.get(client_id)
        if account is None or not hmac.compare_digest(
            secret.encode(), account.client_secret.encode()
        ):
            raise _bad_credentials()
        return self._grant(account, "", None, now_ns // 1_000_000)

    def _by_hmac(self, text: str, method: str, uri: str, body: bytes, now_ns: int) -> Grant:
        fields = dict(
            (part.strip().partition("=")[0], part.strip().partition("=")[2])
            for part in text.split(",")
        )
        timestamp, account = fields.get("ts", ""), self._accounts.get(fields.get("id", ""))
        if account is None:
            raise _bad_credentials()
        if not _is_recent(timestamp, now_ns // 1_000_000):
            raise unauthorized("timestamp outside of 60 s of the server time")
        signed = f"{timestamp}\n{fields.get('nonce', '')}\n{method.upper()}\n{uri}\n".encode()
        if not _is_signature(account.client_secret, signed + body + b"\n", fields.get("sig", "")):
            raise unauthorized("bad signature")
        return self._grant(account, "", None, now_ns // 1_000_000)


def _required(params: dict[str, Any], name: str) -> Any:
    if name not in params:
        raise invalid_params(name, "required")
    return params[name]


def _is_recent(timestamp: str, now_ms: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 20):
        return False
    return abs(now_ms - int(timestamp)) <= CLOCK_TOLERANCE_MS


def _is_signature(secret: str, signed: str | bytes, signature: str) -> bool:
    data = signed.encode() if isinstance(signed, str) else signed
    expected = hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.lower().encode())


def _narrowed(maximum: Sequence[str], requested: Sequence[str]) -> dict[str, str]:
    """The key's permissions, lowered to those asked for; asking for none gives all."""
    most = dict(word.split(":", 1) for word in maximum if ":" in word)
    asked = {}
    for word in requested:
        area, _, level = word.partition(":")
        if level in LEVELS and area not in ("session", "expires", "ip"):
            asked[area] = level
    if not asked:
        return most
    return {
        area: min(most[area], level, key=LEVELS.__getitem__)
        for area, level in asked.items()
        if area in most
    }
