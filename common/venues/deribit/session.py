"""One WebSocket link to Deribit: JSON-RPC ids, login, heartbeats, token refresh.

Pure: the owner opens the link, sends the frames that a Session returns, and hands it what arrives.
The venue asks for proof of life with `test_request` and cuts whoever does not answer; a Session
answers each. It also asks for proof itself when nothing came for QUIET_NS.
https://docs.deribit.com/articles/json-rpc-overview, read in August 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from common.config import Credentials
from common.errors import VenueProtocolError
from common.venues.deribit import auth
from common.venues.deribit.venue_clock import VenueClock
from common.venues.deribit.whole_numbers import Microseconds, Seconds

VENUE_NAME = "deribit"
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
REFRESH_PERCENT = 80  # of a token's life
UNAUTHORIZED = 13009
CREDENTIALS_WRONG = frozenset({13004, UNAUTHORIZED})  # no login will do with them
LOGIN_AGAIN_NS = 5 * NS_PER_S
QUIET_NS = 5 * NS_PER_S  # without a frame: probe; without an answer to that: the link is dead

EMPTY = msgspec.Raw()


class RpcError(msgspec.Struct, frozen=True):
    """The error of a JSON-RPC answer; `text` is fit to be shown."""

    code: int
    message: str
    data: Any = None

    @property
    def field(self) -> str:
        """The parameter at fault, "" if the venue named none."""
        return str(self.data.get("param", "")) if isinstance(self.data, dict) else ""

    @property
    def text(self) -> str:
        reason = self.data.get("reason") if isinstance(self.data, dict) else None
        detail = ", ".join(str(part) for part in (reason, self.field) if part)
        return f"{self.message} ({detail})" if detail else self.message


class LoggedIn(msgspec.Struct, frozen=True):
    """First login of this link; private calls and raw channels work from now on."""

    expires_ns: int
    scope: str = ""


class TokenRefreshed(msgspec.Struct, frozen=True):
    """A new token before the old one ended; nothing need be subscribed again."""

    expires_ns: int


class LoginFailed(msgspec.Struct, frozen=True):
    code: int
    message: str


class SetupFailed(msgspec.Struct, frozen=True):
    """The venue refused the heartbeat or the cancel-on-disconnect setting."""

    method: str
    error: RpcError


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request; exactly one of result and error is set. Times in us, 0 unknown."""

    context: object
    result: msgspec.Raw | None
    error: RpcError | None
    us_in: int
    us_out: int


class Notification(msgspec.Struct, frozen=True):
    """One message of a channel; data is only valid while the frame is handled."""

    channel: str
    data: msgspec.Raw


class Send(msgspec.Struct, frozen=True):
    """Send this frame at once."""

    frame: bytes


class ClockMoved(msgspec.Struct, frozen=True):
    """The venue's clock against ours: it is not where it was. is_first: where it was is not known,
    nothing was measured before."""

    by_ns: int
    is_first: bool


SessionEvent = (
    LoggedIn
    | TokenRefreshed
    | LoginFailed
    | SetupFailed
    | Answer
    | Notification
    | Send
    | ClockMoved
)


class _Params(msgspec.Struct, gc=False):
    channel: str = ""
    data: msgspec.Raw = EMPTY
    type: str = ""


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    id: int | str | None = None
    method: str = ""
    params: _Params | None = None
    result: msgspec.Raw = EMPTY
    error: RpcError | None = None
    us_in: Microseconds = 0
    us_out: Microseconds = 0


class _Tokens(msgspec.Struct, gc=False):
    access_token: str
    refresh_token: str
    expires_in: Seconds
    scope: str = ""


class _Login(msgspec.Struct, frozen=True):
    """Context of a public/auth request."""

    refresh: bool


class _Setup(msgspec.Struct, frozen=True):
    method: str
    sent_ns: int


class _TimeAsked(msgspec.Struct, frozen=True):
    sent_ns: int


_envelopes = msgspec.json.Decoder(_Envelope)
_tokens = msgspec.json.Decoder(_Tokens)
_encoder = msgspec.json.Encoder(enc_hook=Decimal, decimal_format="number")


class Session:
    """The JSON-RPC side of one link.

    Args:
        credentials: None for a link without login.
        scope: asked for at login; "" takes what the key has.
        heartbeat_s: at least 10, by the venue's rule.
        cancel_on_disconnect: switch it on or off for this connection; None leaves it.
        first_id: of the requests; ids go on over reconnects, so a late answer never matches.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        scope: str = "",
        heartbeat_s: int = 10,
        cancel_on_disconnect: bool | None = None,
        first_id: int = 1,
    ) -> None:
        self._credentials = credentials
        self._scope = scope
        self._heartbeat_s = heartbeat_s
        self._cancel_on_disconnect = cancel_on_disconnect
        self._next_id = first_id
        self._waiting: dict[int, object] = {}
        self._refresh_token = ""
        self._refresh_at_ns: int | None = None
        self._probed_ns: int | None = None  # when a probe went out after which nothing came
        self._is_up = False
        self._login_again_ns = 0
        self.logged_in = False
        self.last_received_ns = 0
        self.clock = VenueClock()

    @property
    def next_wake_ns(self) -> int | None:
        """When on_time has something to do; a frame that arrives meanwhile moves it on."""
        if not self._is_up:
            return None
        since_ns = self.last_received_ns if self._probed_ns is None else self._probed_ns
        due = (since_ns + QUIET_NS, self._refresh_at_ns, self.clock.due_ns)
        return min(ns for ns in due if ns is not None)

    def on_up(self, now_ns: int) -> list[bytes]:
        """The link is up: the frames that set it up, in this order."""
        self._is_up = True
        self.hear(now_ns)
        self.clock.begin(now_ns)
        frames = [self._setup("public/set_heartbeat", {"interval": self._heartbeat_s}, now_ns)]
        if self._credentials is not None:
            frames.append(self._login(self._credentials, now_ns))
            if self._cancel_on_disconnect is not None:
                verb = "enable" if self._cancel_on_disconnect else "disable"
                method = f"private/{verb}_cancel_on_disconnect"
                frames.append(self._setup(method, {"scope": "connection"}, now_ns))
        return frames

    def request(self, method: str, params: dict[str, Any], context: object = None) -> bytes:
        """A frame that calls `method`; the context comes back in its Answer."""
        number = self._next_id
        self._next_id += 1
        self._waiting[number] = context
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return _encoder.encode(call)

    def logout(self) -> bytes:
        """A frame that ends the session; the venue closes the link and cancels nothing."""
        return self.request("private/logout", {"invalidate_token": True})

    def parse(self, payload: bytes, now_ns: int) -> list[SessionEvent]:
        """What one frame means.

        Raises:
            VenueProtocolError: it is not a JSON-RPC message of this venue.
        """
        self.hear(now_ns)
        try:
            envelope = _envelopes.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VenueProtocolError(VENUE_NAME, str(error), bytes(payload)) from None
        if envelope.method:
            return self._on_call(envelope, payload)
        return self._on_answer(envelope, now_ns, payload)

    def on_time(self, now_ns: int) -> list[bytes]:
        """Frames that are due: a new token at 80 % of its life, a probe of a silent link."""
        if not self._is_up:
            return []
        frames = []
        if self._refresh_at_ns is not None and now_ns >= self._refresh_at_ns:
            self._refresh_at_ns = None
            params = auth.refresh_params(self._refresh_token)
            frames.append(self.request("public/auth", params, _Login(refresh=True)))
        if self.clock.due_ns is not None and now_ns >= self.clock.due_ns:
            self.clock.asked(now_ns)
            frames.append(self.request("public/test", {}, _TimeAsked(now_ns)))
        if self._probed_ns is None and now_ns - self.last_received_ns >= QUIET_NS:
            self._probed_ns = now_ns
            frames.append(self.request("public/test", {}))
        return frames

    def is_silent(self, now_ns: int) -> bool:
        """A probe of the quiet link went out and nothing came since: it is to be closed.

        Never said without a probe: after a pause of our own the frames still wait to be read.
        """
        return self._is_up and self._probed_ns is not None and now_ns - self._probed_ns >= QUIET_NS

    def on_down(self) -> list[object]:
        """The link is gone: the contexts of the requests that were never answered."""
        lost = [
            context
            for context in self._waiting.values()
            if context is not None and not isinstance(context, _Login | _Setup | _TimeAsked)
        ]
        self._waiting.clear()
        self._is_up = self.logged_in = False
        self._refresh_at_ns = None
        return lost

    def hear(self, now_ns: int) -> None:
        """Any frame is proof of life."""
        self.last_received_ns, self._probed_ns = now_ns, None

    def _setup(self, method: str, params: dict[str, Any], now_ns: int) -> bytes:
        return self.request(method, params, _Setup(method, now_ns))

    def _login(self, credentials: Credentials, now_ns: int) -> bytes:
        now_ms = (now_ns + self.clock.skew_ns) // NS_PER_MS  # by the venue's clock, once known
        params = auth.login_params(credentials, now_ms, str(now_ms), self._scope)
        return self.request("public/auth", params, _Login(refresh=False))

    def _on_call(self, envelope: _Envelope, payload: bytes) -> list[SessionEvent]:
        params = envelope.params or _Params()
        if envelope.method == "subscription" and params.channel:
            return [Notification(params.channel, params.data)]
        if envelope.method == "heartbeat":
            if params.type == "test_request":
                return [Send(self.request("public/test", {}))]
            return []
        raise VenueProtocolError(VENUE_NAME, "unknown method", bytes(payload))

    def _on_answer(self, envelope: _Envelope, now_ns: int, payload: bytes) -> list[SessionEvent]:
        result = bytes(envelope.result)
        if (envelope.error is None) == (not result):
            raise VenueProtocolError(VENUE_NAME, "no result and no error", bytes(payload))
        if envelope.error is not None and envelope.id is None:
            return [Answer(None, None, envelope.error, envelope.us_in, envelope.us_out)]
        if not isinstance(envelope.id, int) or envelope.id not in self._waiting:
            return []  # of an earlier link
        context = self._waiting.pop(envelope.id)
        if isinstance(context, _Login):
            return self._on_login(context, envelope, now_ns)
        if isinstance(context, _Setup | _TimeAsked):
            return self._on_measured(context, envelope, now_ns)
        self.clock.glance(now_ns, envelope.us_out)
        raw = None if envelope.error else envelope.result
        answer = Answer(context, raw, envelope.error, envelope.us_in, envelope.us_out)
        if envelope.error is not None and envelope.error.code == UNAUTHORIZED:
            return [answer, *self._login_again(now_ns)]
        return [answer]

    def _on_measured(
        self, context: _Setup | _TimeAsked, envelope: _Envelope, now_ns: int
    ) -> list[SessionEvent]:
        is_first = not self.clock.measured_ns
        moved = self.clock.measure(context.sent_ns, now_ns, envelope.us_in, envelope.us_out)
        told: list[SessionEvent] = [ClockMoved(moved, is_first)] if moved else []
        if isinstance(context, _Setup) and envelope.error is not None:
            told.append(SetupFailed(context.method, envelope.error))
        return told

    def _login_again(self, now_ns: int) -> list[SessionEvent]:
        """The login ended before its time; a fresh one lacks a permission, which is told alike."""
        if self._credentials is None or not self.logged_in or now_ns < self._login_again_ns:
            return []
        self._login_again_ns = now_ns + LOGIN_AGAIN_NS
        return [Send(self._login(self._credentials, now_ns))]

    def _on_login(self, login: _Login, envelope: _Envelope, now_ns: int) -> list[SessionEvent]:
        if envelope.error is not None:
            if login.refresh and self._credentials is not None:
                return [Send(self._login(self._credentials, now_ns))]
            self.logged_in = False
            return [LoginFailed(envelope.error.code, envelope.error.text)]
        try:
            tokens = _tokens.decode(envelope.result)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # The answer holds tokens, so its text goes into no message.
            raise VenueProtocolError(VENUE_NAME, f"answer to public/auth: {error}") from None
        life_ns = max(tokens.expires_in, 1) * NS_PER_S
        self._refresh_token = tokens.refresh_token
        self._refresh_at_ns = now_ns + life_ns * REFRESH_PERCENT // 100
        self._login_again_ns = now_ns + LOGIN_AGAIN_NS
        first = not self.logged_in
        self.logged_in = True
        if first:
            return [LoggedIn(now_ns + life_ns, tokens.scope)]
        return [TokenRefreshed(now_ns + life_ns)]
