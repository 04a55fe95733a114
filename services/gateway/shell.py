"""The gateway's shell: HTTP and WebSocket on one port, on the loop that also reads the bus.

It checks what the protocol below the core's level asks for (origins, sizes, number of clients,
time-outs), turns frames and requests into events, and hands back what the core answers.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from common.config import GatewayConfig
from common.core import Alert
from common.errors import ConfigError
from common.transport.clock import now_ns
from common.transport.loop import Shell
from services.gateway import openapi, rpc, site
from services.gateway.admission import MAX_HEADERS, check_headers, origins, tls
from services.gateway.api import PREFIX, ROUTES, Route
from services.gateway.connections import HANDSHAKE_S, Connections
from services.gateway.core import GatewayCore
from services.gateway.events import (
    ClientClosed,
    ClientOpened,
    ClientRequest,
    CloseClient,
    GatewayEvent,
    Hold,
    HttpAnswer,
    HttpCalled,
    KeysChanged,
    Send,
)
from services.gateway.key_file import KeyFile
from services.gateway.metrics import Exporter
from services.gateway.outboxes import Outboxes
from services.gateway.rpc import CallError

MSGPACK = "crossdesk.msgpack"
BURST = 50  # messages of one client until others have their turn
CLOSE_S = 2.0
PING_S = 20.0
MAX_ADDRESS = 65_536  # of a request line: hundreds of instruments fit
KEEP_S = 30.0  # a connection between two requests
FAILED = 1011
BROKEN = "the gateway failed and starts anew; ask again"
JSON = "application/json"


class GatewayServer:
    """The sockets of one gateway."""

    def __init__(
        self,
        shell: Shell,
        core: GatewayCore,
        config: GatewayConfig,
        source: str,
        keys: KeyFile,
    ) -> None:
        self._shell = shell
        self._core = core
        self._config = config
        self._source = source
        self._keys = keys
        self._is_broken = False
        self._loop = shell.loop
        self._exporter = Exporter(core, now_ns)
        self._outboxes = Outboxes(shell.loop, core.stats, now_ns, shell.feed)
        self._sockets: dict[int, tuple[web.WebSocketResponse, asyncio.WriteTransport]] = {}
        self._calls: dict[int, asyncio.Future[HttpAnswer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: set[int] = set()  # clients that are to go
        self._number = 0
        self._files = site.files()
        self._description = rpc.encode(openapi.document())
        self._origins = origins(config)
        self._server: asyncio.AbstractServer | None = None
        self._connections: Connections | None = None
        self._runner: web.AppRunner | None = None
        shell.extend(Send, self._outboxes.send)
        shell.extend(Hold, lambda command: self._outboxes.hold(command.client))
        shell.extend(HttpAnswer, self._answer)
        shell.extend(CloseClient, self._close)
        shell.on_start(self.start)
        shell.on_stop(self.stop)

    # --- life

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the port is taken, the certificate cannot be read, or a key not used.
        """
        self._shell.feed(KeysChanged(self._keys.load()))
        context = tls(self._config, self._source)
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            max_line_size=MAX_ADDRESS,
            max_field_size=MAX_HEADERS,
            keepalive_timeout=KEEP_S,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        self._connections = Connections(self._loop, self._runner.server)
        try:
            self._server = await self._loop.create_server(
                self._connections.accept,
                self._config.host,
                self._config.port,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S if context else None,
                reuse_address=True,
            )
        except OSError as error:
            where = f"{self._config.host}:{self._config.port}"
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
            raise ConfigError(self._source, "gateway.port", f"{where} {why}") from None
        self._every_second()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        if self._runner is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._runner.cleanup(), CLOSE_S)

    def _every_second(self) -> None:
        self._look_at_keys()
        if self._connections is not None:
            self._connections.look(transport for _, transport in self._sockets.values())
        self._shell.execute(self._core.on_second(now_ns()))
        self._loop.call_later(1.0, self._every_second)

    def _look_at_keys(self) -> None:
        try:
            changed = self._keys.look()
        except ConfigError as error:
            text = "the key file cannot be used: the keys stay as they were"
            self._shell.execute([Alert("ERROR", text, {"why": str(error)})])
            return
        if changed is not None:
            self._shell.feed(KeysChanged(changed))

    def _feed(self, event: GatewayEvent) -> None:
        """Give a client's event to the core.

        Raises:
            CallError: the core broke, now or before. The process ends: whatever the way in, nobody
                trades on a state that may be wrong.
        """
        if not self._is_broken:
            try:
                self._shell.feed(event)
                return
            except Exception as error:
                self._is_broken = True
                context = {"message": "the core failed on a client's event", "exception": error}
                self._loop.call_exception_handler(context)
                for future in self._calls.values():
                    if not future.done():
                        future.set_exception(CallError("INTERNAL", BROKEN))
        raise CallError("INTERNAL", BROKEN)

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._guard], client_max_size=self._config.max_message_bytes
        )
        router = application.router
        router.add_get("/ws", self._websocket)
        for route in ROUTES:
            router.add_route(route.verb, PREFIX + route.path, self._handler(route))
        router.add_get(f"{PREFIX}/openapi.json", self._openapi)
        router.add_get("/metrics", self._metrics)
        router.add_get("/healthz", self._healthz)
        for path in self._files:
            router.add_get(path, self._file)
        return application

    # --- HTTP

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Checks the origin, turns refusals into our errors, adds the headers."""
        assert self._connections is not None
        self._connections.heard(request.protocol)
        try:
            check_headers(request)
            self._check_origin(request)
            response: web.StreamResponse = await handler(request)
        except CallError as problem:
            response = _refusal(problem)
        except web.HTTPException as problem:
            response = _refusal(_http_problem(problem, request), problem.status)
            if "Allow" in problem.headers:
                response.headers["Allow"] = problem.headers["Allow"]
        if not response.prepared:
            response.headers.update(site.HEADERS)
        return response

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in self._origins:
            text = "pages of this origin may not call the gateway; see gateway.allowed_origins"
            raise CallError("FORBIDDEN", text, "Origin")

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            params = await _params(request, route)
            self._number += 1
            number = self._number
            future = self._calls[number] = self._loop.create_future()
            call = HttpCalled(
                number,
                route.call,
                params,
                request.remote or "",
                request.headers.get("Authorization", ""),
            )
            try:
                self._feed(call)
                answer = await future
            finally:
                self._calls.pop(number, None)
            return web.Response(body=answer.body, status=answer.status, content_type=JSON)

        return handle

    def _answer(self, answer: HttpAnswer) -> None:
        future = self._calls.get(answer.call)
        if future is not None and not future.done():
            future.set_result(answer)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self._description, content_type=JSON)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        body = self._exporter.text()
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=body, headers={"Content-Type": kind})

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"status":"ok"}', content_type=JSON)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self._files[request.path]
        headers = {"Cache-Control": "no-cache", "ETag": f'"{file.etag}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(
            body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
        )

    # --- WebSocket

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= self._config.max_clients:
            raise CallError("UNAVAILABLE", f"{self._config.max_clients} clients are connected")
        socket = web.WebSocketResponse(
            protocols=(MSGPACK,),
            compress=False,
            max_msg_size=self._config.max_message_bytes + 1,  # the first that is too large
            heartbeat=PING_S,
            autoping=False,
            timeout=CLOSE_S,
        )
        await socket.prepare(request)
        transport: Any = request.transport
        self._number += 1
        client = self._number
        self._sockets[client] = socket, transport
        self._outboxes.open(client, transport)
        try:
            try:
                await self._serve(client, socket, request)
            finally:
                self._feed(ClientClosed(client))
        except CallError as problem:
            await _say_goodbye(socket, transport, CloseClient(client, FAILED, problem.text))
        finally:
            self._outboxes.close(client)
            del self._sockets[client]
            self._told.discard(client)
        return socket

    async def _serve(
        self, client: int, socket: web.WebSocketResponse, request: web.Request
    ) -> None:
        authorization = request.headers.get("Authorization", "")
        is_binary = socket.ws_protocol == MSGPACK
        host = request.headers.get("Host", "")
        opened = ClientOpened(client, is_binary, request.remote or "", authorization, host)
        self._feed(opened)
        taken = 0
        async for message in socket:
            taken += 1
            if taken % BURST == 0:
                await asyncio.sleep(0)  # what has been received is taken without a pause
            if client in self._told:
                continue
            if message.type is WSMsgType.TEXT:
                self._feed(ClientRequest(client, message.data.encode(), True))
            elif message.type is WSMsgType.BINARY:
                self._feed(ClientRequest(client, message.data, False))
            elif message.type is WSMsgType.PING:
                with suppress(ConnectionError):
                    await socket.pong(message.data)

    def _close(self, command: CloseClient) -> None:
        socket, transport = self._sockets.get(command.client, (None, None))
        if socket is None or transport is None or socket.closed or command.client in self._told:
            return
        self._told.add(command.client)
        self._core.stats.closed[command.code] += 1
        self._outboxes.flush()
        task = self._loop.create_task(_say_goodbye(socket, transport, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _say_goodbye(
    socket: web.WebSocketResponse, transport: asyncio.WriteTransport, command: CloseClient
) -> None:
    """Close with a code; a client that does not even read that is cut."""
    with suppress(TimeoutError, ConnectionError):
        message = command.reason.encode()[:120]
        await asyncio.wait_for(socket.close(code=command.code, message=message), CLOSE_S)
    transport.abort()


async def _params(request: web.Request, route: Route) -> dict[str, Any]:
    """What the path, the query and the body say.

    Raises:
        CallError: a parameter is given twice, or the body is not a JSON object.
    """
    params: dict[str, Any] = {}
    for name, value in request.query.items():
        if not _is_text(name + value):
            raise CallError("BAD_PARAMETER", "the query is text in UTF-8")
        if name in params:
            raise CallError("BAD_PARAMETER", f"{name[:64]} is given twice", name[:64])
        params[name] = value
    if route.has_body:
        params.update(await _body(request))
    for name, value in request.match_info.items():
        if name in params:
            raise CallError("BAD_PARAMETER", f"{name} is in the path already", name)
        params[name] = value
    return params


def _is_text(value: str) -> bool:
    """Not so: bytes that are no UTF-8 and came in as halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await asyncio.wait_for(request.read(), HANDSHAKE_S)
    except TimeoutError:
        raise CallError("PARSE_ERROR", "the body did not come in time") from None
    value = rpc.decode_json(body) if body else {}
    if not isinstance(value, dict):
        raise CallError("INVALID_REQUEST", "the body is a JSON object of named parameters")
    return value


def _refusal(problem: CallError, status: int = 0) -> web.Response:
    body = rpc.encode({"error": problem.row()})
    return web.Response(body=body, status=status or problem.status, content_type=JSON)


def _http_problem(problem: web.HTTPException, request: web.Request) -> CallError:
    if problem.status == 404:
        text = f"there is nothing at {request.path[:100]}; see {PREFIX}/docs"
        return CallError("NOT_FOUND", text)
    if problem.status == 413:
        return CallError("INVALID_REQUEST", "the body is too large")
    if problem.status == 405:
        return CallError("UNKNOWN_METHOD", f"{request.method[:16]} is not possible here")
    return CallError("INVALID_REQUEST", problem.reason)
