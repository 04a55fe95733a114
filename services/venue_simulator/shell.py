"""The server of a simulated venue: HTTP and WebSocket on one port.

aiohttp accepts and parses; frames are written straight to the transports, all of one pass of the
loop together, so that a notification is encoded once however many read it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web
from loguru import logger

from common.config import SimulatorConfig
from common.errors import ConfigError
from common.transport.clock import now_ns
from common.transport.loop import Shell
from common.venues.serving import CloseConnection, HttpAnswer, HttpRequest, SendFrame
from services.venue_simulator import certificates
from services.venue_simulator.core import (
    ConnectionClosed,
    ControlAsked,
    FrameReceived,
    HttpAsked,
    VenueSimulator,
)
from services.venue_simulator.faults import AnswerHttp

MAX_MESSAGE_BYTES = 1_048_576  # the protocol's own limit is lower and gets an answer
CLOSE_TIMEOUT_S = 2.0
CONTROL_PREFIX = "/control/v1/"
TOO_SLOW = "connection_too_slow"
# What the core breaks on ends its own connection, not those of the others.
BROKEN = "a request broke the simulator"


class Connection:
    """One WebSocket with what waits to be written."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.socket, self.transport = socket, transport
        self.waiting: list[bytes] = []
        self.is_closing = False


class Server:
    """Serves a core's venue; extends its Shell with the commands that need sockets."""

    def __init__(
        self, shell: Shell, core: VenueSimulator, config: SimulatorConfig, state: Path
    ) -> None:
        """state: the directory of what outlives the process."""
        self._shell, self._core, self._config = shell, core, config
        self._certificates = state / f"tls.{config.venue}"
        self._connections: dict[int, Connection] = {}
        self._answers: dict[int, asyncio.Future[HttpAnswer]] = {}
        self._numbers = itertools.count(1)
        self._unwritten: dict[int, None] = {}
        self._write_is_due = False
        self._tasks: set[asyncio.Task[object]] = set()
        self._runner: web.AppRunner | None = None
        shell.extend(SendFrame, self._later(self._send))
        shell.extend(CloseConnection, self._later(self._close))
        shell.extend(AnswerHttp, self._later(self._answer))
        shell.on_start(self.start)
        shell.on_stop(self.stop)

    async def start(self) -> None:
        application = web.Application(client_max_size=MAX_MESSAGE_BYTES)
        application.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=CLOSE_TIMEOUT_S,
        )
        await self._runner.setup()
        host, port = self._config.host, self._config.port
        try:
            context = _tls(self._config, self._certificates)
            site = web.TCPSite(self._runner, host, port, ssl_context=context)
            await site.start()
        except OSError as error:
            key = f"simulators.{self._config.venue}.port"
            reason = error.strerror or "cannot be used"
            raise ConfigError("config", key, f"{host}:{port}: {reason}") from None
        logger.info("listening", host=host, port=port)

    async def stop(self) -> None:
        self._write()
        for number in list(self._connections):
            self._close_now(number, 1001, "going_away")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
        if self._runner is not None:
            await self._runner.cleanup()

    # --- in ----------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        server = self._core.server
        if request.path in server.websocket_paths:
            return await self._serve_websocket(request)
        if request.path.startswith(server.http_prefixes):
            return await self._serve_http(request)
        if self._config.control and request.path.startswith(CONTROL_PREFIX):
            return await self._serve_control(request)
        return web.Response(status=404, text="not found")

    async def _serve_http(self, request: web.Request) -> web.Response:
        if request.method not in ("GET", "POST"):
            return web.Response(status=405, text="method not allowed")
        asked = HttpRequest(
            method=request.method,
            uri=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
            address=request.remote or "",
        )
        number = next(self._numbers)
        return await self._ask(number, HttpAsked(number, asked))

    async def _serve_control(self, request: web.Request) -> web.Response:
        """Only for this machine, whatever address the venue itself listens on."""
        if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:
            return web.Response(status=403, text="only from this machine")
        if request.method != "POST":
            return web.Response(status=405, text="method not allowed: POST the action")
        number, action = next(self._numbers), request.path.removeprefix(CONTROL_PREFIX)
        return await self._ask(number, ControlAsked(number, action, await request.read()))

    async def _ask(self, number: int, event: object) -> web.Response:
        self._answers[number] = self._shell.loop.create_future()
        try:
            self._shell.feed(event)
            answer = await self._answers[number]
        except Exception:
            logger.exception(BROKEN)
            return web.Response(status=500, text="internal error")
        finally:
            del self._answers[number]
        return web.Response(
            status=answer.status, body=answer.body, content_type=answer.content_type
        )

    async def _serve_websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S, compress=False, max_msg_size=MAX_MESSAGE_BYTES
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="a WebSocket is expected here")
        number = next(self._numbers)
        if not self._core.accept(number, request.remote or "", now_ns()):
            return web.Response(status=429, text="too many connections")
        try:
            await socket.prepare(request)
            transport = request.transport
            if transport is not None:
                connection = Connection(socket, transport)
                self._connections[number] = connection
                await self._read(number, connection)
        except ConnectionError:
            logger.debug("connection lost", connection=number)
        except Exception:
            logger.exception(BROKEN)
            await socket.close(code=1011, message=b"internal_error")
        finally:
            self._connections.pop(number, None)
            self._shell.feed(ConnectionClosed(number))
        return socket

    async def _read(self, number: int, connection: Connection) -> None:
        async for message in connection.socket:
            if connection.is_closing:
                return
            if message.type is WSMsgType.TEXT:
                self._shell.feed(FrameReceived(number, message.data.encode()))
            elif message.type is WSMsgType.BINARY:
                self._shell.feed(FrameReceived(number, message.data))
            # Buffered frames come without a pause: others, and the writes, get their turn here.
            await asyncio.sleep(0)

    # --- out ---------------------------------------------------------------------------------

    def _later(self, act: Callable[[Any], None]) -> Callable[[Any], None]:
        """The simulated latency, the same for everything, so that the order stays."""
        delay_s = self._config.latency_ms / 1000
        if delay_s <= 0:
            return act

        def act_later(command: object) -> None:
            self._shell.loop.call_later(delay_s, act, command)

        return act_later

    def _send(self, command: SendFrame) -> None:
        frame = _frame(command.payload)
        for number in command.connections:
            connection = self._connections.get(number)
            if connection is not None:
                connection.waiting.append(frame)
                self._unwritten[number] = None
        if self._unwritten and not self._write_is_due:
            self._write_is_due = True
            self._shell.loop.call_soon(self._write)

    def _write(self) -> None:
        """Everything that this pass of the loop produced, one write a connection."""
        self._write_is_due = False
        unwritten, self._unwritten = self._unwritten, {}
        for number in unwritten:
            connection = self._connections.get(number)
            if connection is None:
                continue
            waiting, connection.waiting = connection.waiting, []
            if connection.is_closing or connection.transport.is_closing():
                continue
            connection.transport.write(b"".join(waiting))
            if connection.transport.get_write_buffer_size() > self._config.max_outbox_bytes:
                logger.warning("reader is cut", connection=number, reason=TOO_SLOW)
                connection.is_closing = True
                connection.transport.abort()

    def _close(self, command: CloseConnection) -> None:
        connection = self._connections.get(command.connection)
        if command.is_abrupt and connection is not None:
            connection.is_closing = True
            connection.transport.abort()
            return
        self._close_now(command.connection, command.code, command.reason)

    def _close_now(self, number: int, code: int, reason: str) -> None:
        self._write()
        connection = self._connections.get(number)
        if connection is None or connection.is_closing:
            return
        connection.is_closing = True
        self._spawn(connection.socket.close(code=code, message=reason.encode()))

    def _answer(self, command: AnswerHttp) -> None:
        future = self._answers.get(command.number)
        if future is not None and not future.done():
            future.set_result(command.answer)

    def _spawn(self, work: Awaitable[object]) -> None:
        task: asyncio.Task[object] = self._shell.loop.create_task(_awaited(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _awaited(work: Awaitable[object]) -> object:
    return await work


def _frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def _tls(config: SimulatorConfig, made: Path) -> ssl.SSLContext | None:
    """made: the directory of the certificates that are made here."""
    certificate, key = config.certificate, config.private_key
    if not certificate and not config.tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if not certificate:
            certificate, key = map(str, certificates.provide(made, config.host, now_ns()))
            logger.info("made or found certificates", authority=str(made / certificates.AUTHORITY))
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError):
        key = f"simulators.{config.venue}.certificate"
        raise ConfigError("config", key, "certificate or key cannot be read") from None
    return context
