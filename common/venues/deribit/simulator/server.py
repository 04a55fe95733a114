"""The simulated venue: bytes and requests in, bytes out; no socket, no clock."""

from __future__ import annotations

from typing import Any

import msgspec

from common.config import SimulatorConfig
from common.venues.deribit.simulator import envelope
from common.venues.deribit.simulator.access import Access, Grant, unauthorized
from common.venues.deribit.simulator.accounts import AccountMethods
from common.venues.deribit.simulator.calls import Call, Handler
from common.venues.deribit.simulator.catalog import Catalog
from common.venues.deribit.simulator.channels import Channels
from common.venues.deribit.simulator.combos import ComboMethods
from common.venues.deribit.simulator.connection import Connection
from common.venues.deribit.simulator.controls import Controls
from common.venues.deribit.simulator.envelope import Refused, Request
from common.venues.deribit.simulator.family import Family
from common.venues.deribit.simulator.figures import FigureMethods
from common.venues.deribit.simulator.hub import Hub
from common.venues.deribit.simulator.limits import Limits
from common.venues.deribit.simulator.mass_quotes import QuoteMethods
from common.venues.deribit.simulator.methods import METHODS, WEBSOCKET_ONLY, Method
from common.venues.deribit.simulator.orders import OrderMethods
from common.venues.deribit.simulator.parameters import check
from common.venues.deribit.simulator.protections import ProtectionMethods
from common.venues.deribit.simulator.public import PublicMethods
from common.venues.deribit.simulator.sessions import SessionCall, SessionMethods
from common.venues.deribit.simulator.streams import Stream
from common.venues.deribit.simulator.wallet import WalletMethods
from common.venues.serving import (
    CloseConnection,
    HttpAnswer,
    HttpRequest,
    Output,
    SendFrame,
    World,
)
from common.venues.simulation import SimulatedExchange

SESSIONS_PER_KEY = 16
NORMAL, POLICY = 1000, 1008
UNAUTHENTICATED = "address "  # prefix of the rate-limit subject of who is not logged in


class _Asked(msgspec.Struct):
    """A request and who asks; link is None over HTTP. joined: streams that owe a first message."""

    request: Request
    grant: Grant | None
    address: str
    link: Connection | None = None
    joined: list[Stream] = []


class _Outcome(msgspec.Struct):
    """What a request came to: an answer (None after logout), and how the session ends, if so."""

    payload: bytes | None
    status: int = 200
    end: str = ""
    joined: list[Stream] = []
    method: str = ""


class Simulator:
    """Deribit API v2 over one simulated exchange."""

    websocket_paths = ("/ws/api/v2", "/den/ws")
    http_prefixes = ("/api/v2",)

    def __init__(
        self, config: SimulatorConfig, exchange: SimulatedExchange, world: World, now_ns: int
    ) -> None:
        self._config, self._exchange = config, exchange
        self._access = Access(config.accounts, config.token_life_s, config.seed)
        self._limits = Limits()
        self._connections: dict[int, Connection] = {}
        self._catalog = Catalog(config, exchange, world, now_ns)
        family = self._family = Family(config.accounts)
        self._accounts = family.accounts
        limited = {account.client_id: account.limited for account in config.accounts}
        orders = OrderMethods(exchange, self._catalog)
        accounts = AccountMethods(exchange, self._catalog, limited, family)
        wallet = WalletMethods(exchange, self._catalog, family, orders, config.accounts, now_ns)
        figures = FigureMethods(exchange, self._catalog, world)
        channels = Channels(exchange, self._catalog, orders, accounts, figures, world)
        self._hub = Hub(exchange, channels)
        self.controls = Controls(self._access, self._hub, self._catalog, self._connections)
        self._sessions = SessionMethods(self._access, self._hub, family)
        self._handlers: dict[str, Handler] = (
            PublicMethods(exchange, self._catalog).handlers
            | self.controls.handlers
            | figures.handlers
            | wallet.handlers
            | orders.handlers
            | accounts.handlers
        )
        admitted = frozenset(a.client_id for a in config.accounts if a.mass_quotes)
        quotes = QuoteMethods(exchange, self._catalog, orders, admitted)
        orders.freeze_quotes = quotes.freeze
        combos = ComboMethods(exchange, self._catalog)
        orders.combos_of = combos.of_leg
        self._handlers |= combos.handlers
        self._handlers |= quotes.handlers | ProtectionMethods(exchange).handlers

    # --- connections -------------------------------------------------------------------------

    def open(self, connection: int, address: str, now_ns: int) -> bool:
        held = sum(1 for other in self._connections.values() if other.address == address)
        if held >= self._config.connections_per_address or not self.controls.admits(now_ns):
            return False
        self._connections[connection] = Connection(connection, address, now_ns)
        return True

    def receive(self, connection: int, payload: bytes, now_ns: int) -> list[Output]:
        """One text frame; the answer comes before what it caused, unless configured otherwise."""
        link = self._connections.get(connection)
        if link is None or link.logged_out:
            return []
        link.hear(now_ns)
        before = self._pump(now_ns)
        outcome = self._serve_frame(link, payload, now_ns)
        answer: list[Output] = []
        if outcome.payload is not None:
            answer.append(SendFrame((connection,), outcome.payload, method=outcome.method))
        caused = self._pump(now_ns)
        if self._config.notifications_first:
            outputs = before + caused + answer
        else:
            outputs = before + answer + caused
        for stream in outcome.joined:
            outputs.extend(self._hub.welcome(connection, stream, now_ns))
        if outcome.end:
            outputs.append(CloseConnection(connection, NORMAL, outcome.end))
        outputs.extend(self._drop_oldest_sessions(link))
        return outputs

    def closed(self, connection: int, now_ns: int) -> list[Output]:
        link = self._connections.pop(connection, None)
        if link is None:
            return []
        self._hub.drop(connection)
        self._access.forget_connection(connection)
        if link.cancel_on_disconnect and link.grant is not None and not link.logged_out:
            self._exchange.disconnect(link.grant.client_id, link.session, now_ns)
        return self._pump(now_ns)

    def on_time(self, now_ns: int) -> list[Output]:
        self._catalog.update(now_ns)
        outputs = self._pump(now_ns)
        grace_ns = int(self._config.heartbeat_grace_s * 1e9)
        for link in self._connections.values():
            frames, reason = link.beat(grace_ns, now_ns)
            outputs.extend(SendFrame((link.number,), frame) for frame in frames)
            if reason:
                outputs.append(CloseConnection(link.number, POLICY, reason))
        return outputs

    def _pump(self, now_ns: int) -> list[Output]:
        self._hub.route(self._exchange.drain())
        return self._hub.flush(now_ns)

    def _drop_oldest_sessions(self, link: Connection) -> list[Output]:
        """One session too many of a limited key ends the oldest, as at the venue."""
        if link.grant is None or not self._access.is_limited(link.grant.client_id):
            return []
        client_id = link.grant.client_id
        held = [
            other
            for other in self._connections.values()
            if other.grant is not None and other.grant.client_id == client_id
        ]
        held.sort(key=lambda other: (other.logged_in_ns, other.number))
        return [
            CloseConnection(other.number, POLICY, "too_many_sessions")
            for other in held[: max(0, len(held) - SESSIONS_PER_KEY)]
        ]

    # --- requests ----------------------------------------------------------------------------

    def _serve_frame(self, link: Connection, payload: bytes, now_ns: int) -> _Outcome:
        request: Request | None = None
        try:
            request = envelope.parse(payload)
            asked = _Asked(request, self._grant_of(link, request, now_ns), link.address, link)
            result = self._run(asked, now_ns)
        except Refused as refused:
            ident = envelope.request_id(payload) if request is None else request.id
            return _failed(ident, refused, now_ns, "" if request is None else request.method)
        if link.logged_out:
            return _Outcome(None, end="logout")
        payload = envelope.answer(request.id, result, now_ns, now_ns)
        return _Outcome(payload, joined=asked.joined, method=request.method)

    def http(self, request: HttpRequest, now_ns: int) -> tuple[HttpAnswer, list[Output]]:
        before = self._pump(now_ns)
        outcome = self._serve_http(request, now_ns)
        outputs = before + self._pump(now_ns)
        answer = HttpAnswer(outcome.status, outcome.payload or b"", method=outcome.method)
        return answer, outputs

    def _serve_http(self, http: HttpRequest, now_ns: int) -> _Outcome:
        ident: int | str | msgspec.UnsetType = msgspec.UNSET
        method = ""
        try:
            if http.method == "POST":
                ident = envelope.request_id(http.body)
            request = self._parse_http(http)
            ident, method = request.id, request.method
            header = http.headers.get("authorization", "")
            grant = self._access.by_header(header, http.method, http.uri, http.body, now_ns)
            if grant is None and "access_token" in request.params:
                grant = self._by_token(request, None, now_ns)
            result = self._run(_Asked(request, grant, http.address), now_ns)
        except Refused as refused:
            return _failed(ident, refused, now_ns, method)
        return _Outcome(envelope.answer(ident, result, now_ns, now_ns), method=method)

    def _parse_http(self, http: HttpRequest) -> Request:
        path, _, query = http.uri.partition("?")
        prefix = next((p for p in self.http_prefixes if path.startswith(p)), "")
        method = path[len(prefix) :].strip("/")
        if http.method == "GET":
            return envelope.parse_query(method, query, http.body)
        kind = http.headers.get("content-type", "application/json").partition(";")[0].strip()
        if kind != "application/json":
            raise Refused(13018, "invalid_content_type")
        request = envelope.parse(http.body)
        if method and request.method != method:
            raise envelope.invalid_params("method", "does not agree with the path")
        return request

    def _by_token(self, request: Request, connection: int | None, now_ns: int) -> Grant:
        token = request.params["access_token"]
        if not isinstance(token, str):
            raise envelope.invalid_params("access_token", "must be a string")
        return self._access.by_token(token, connection, now_ns)

    def _grant_of(self, link: Connection, request: Request, now_ns: int) -> Grant | None:
        """A token in the request wins over the connection's login; an expired login is none."""
        if "access_token" in request.params:
            return self._by_token(request, link.number, now_ns)
        if link.grant is not None and link.grant.expires_ms <= now_ns // 1_000_000:
            if request.method.startswith("private/"):
                raise unauthorized("token_expired")
            return None
        return link.grant

    def _run(self, asked: _Asked, now_ns: int) -> Any:
        """One request, from its price in credits to its result."""
        request, link, grant = asked.request, asked.link, asked.grant
        self.controls.check(request.method, grant, now_ns)
        self._pay(request.method, grant, asked.address, now_ns)
        method = METHODS.get(request.method)
        if method is None:
            raise Refused(envelope.UNKNOWN_METHOD, "Method not found")
        if link is None and request.method in WEBSOCKET_ONLY:
            raise Refused(10030, "must_be_websocket_request")
        _check_scope(method, grant)
        params = check(method.parameters, request)
        session_handler = self._sessions.handlers.get(method.name)
        if session_handler is not None:
            call = SessionCall(method.name, params, link, grant, now_ns)
            result = session_handler(call)
            asked.joined = call.joined
            return result
        identity = None if grant is None else self._accounts[grant.client_id]
        asking = Call(method.name, params, now_ns, identity)
        if link is not None:
            asking.session, asking.cancels_on_disconnect = link.session, link.cancel_on_disconnect
        if grant is not None:
            asking = self._family.speaking_for(asking)
        return self._handlers[method.name](asking)

    def _pay(self, method: str, grant: Grant | None, address: str, now_ns: int) -> None:
        if grant is not None:
            if not self._access.is_limited(grant.client_id):
                return
            subject = grant.client_id
        elif self._config.limit_addresses:
            subject = UNAUTHENTICATED + address
        else:
            return
        if not self._limits.take(subject, method, now_ns):
            raise Refused(10028, "too_many_requests")


def _check_scope(method: Method, grant: Grant | None) -> None:
    if not method.is_private:
        return
    if grant is None:
        raise unauthorized()
    if not grant.allows(method.scope):
        raise Refused(13403, "scope_exceeded", reason=f"needs {method.scope}")


def _failed(
    ident: int | str | msgspec.UnsetType, refused: Refused, now_ns: int, method: str
) -> _Outcome:
    payload = envelope.failure(ident, refused, now_ns, now_ns)
    end = "too_many_requests" if refused.code == 10028 else ""
    return _Outcome(payload, envelope.http_status(refused), end, method=method)
