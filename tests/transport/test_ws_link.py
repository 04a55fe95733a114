"""The venue link against a small real WebSocket server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from common import core as c
from common.transport import ws_link
from common.transport.ws_link import WsLink
from tests.ports import free_port

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]
DEADLINE_S = 60


async def collect(handler: Handler, until: Callable[[list[c.Event]], bool]) -> list[c.Event]:
    """The events of a link to a server that runs handler, until a condition holds."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await handler(socket)
        return socket

    application = web.Application()
    application.router.add_get("/ws", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    events: list[c.Event] = []
    changed = asyncio.Event()

    def on_event(event: c.Event) -> None:
        events.append(event)
        changed.set()
        if isinstance(event, c.LinkUp):
            link.send(b"hello")

    link = WsLink("public", f"ws://127.0.0.1:{port}/ws", on_event)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await link.connect()
            while not until(events):
                changed.clear()
                await changed.wait()
        link.close("the test is over")
    finally:
        await runner.cleanup()
    return events


def frames(events: list[c.Event]) -> list[bytes]:
    return [event.payload for event in events if isinstance(event, c.VenueFrame)]


def test_frames_come_in_order_and_idle_follows_what_one_read_brought() -> None:
    async def handler(socket: web.WebSocketResponse) -> None:
        message = await socket.receive()
        assert message.type is WSMsgType.TEXT and message.data == "hello"
        for number in range(50):
            await socket.send_str(str(number))
        await socket.receive()

    events = asyncio.run(collect(handler, lambda seen: len(frames(seen)) == 50))
    assert isinstance(events[0], c.LinkUp)
    assert frames(events) == [str(number).encode() for number in range(50)]
    asyncio.run(collect(handler, lambda seen: isinstance(seen[-1], c.Idle)))


def test_row_56_a_fragmented_message_is_put_together() -> None:
    async def handler(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport  # type: ignore[union-attr]
        transport.write(b"\x01\x03one" + b"\x00\x03two" + b"\x80\x05three" + b"\x81\x04next")
        await socket.receive()
        await socket.receive()

    events = asyncio.run(collect(handler, lambda seen: len(frames(seen)) == 2))
    assert frames(events) == [b"onetwothree", b"next"]


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\xff\x00",  # reserved bits and an unknown opcode
        b"\x83\x00",  # an unknown data opcode
        b"\x89\x7e\x01\x00" + b"x" * 256,  # a ping that is too long
        b"\x81\x7f\x00\x00\x01\x00\x00\x00\x00\x00",  # a frame of 2^40 bytes
    ],
)
def test_row_57_a_venue_that_breaks_the_websocket_protocol_loses_the_link(
    bytes_sent: bytes,
) -> None:
    async def handler(socket: web.WebSocketResponse) -> None:
        socket._req.transport.write(bytes_sent)  # type: ignore[union-attr]
        await socket.receive()
        await socket.receive()

    events = asyncio.run(collect(handler, lambda seen: isinstance(seen[-1], c.LinkDown)))
    assert not frames(events)


def test_a_venue_that_closes_is_a_link_down_told_once() -> None:
    async def handler(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1012)

    events = asyncio.run(collect(handler, lambda seen: isinstance(seen[-1], c.LinkDown)))
    assert len([event for event in events if isinstance(event, c.LinkDown)]) == 1
    assert "1012" in events[-1].reason


def test_row_28_a_refused_connection_is_a_link_down_with_the_reason() -> None:
    async def connect() -> list[c.Event]:
        events: list[c.Event] = []
        await WsLink("public", f"ws://127.0.0.1:{free_port()}/ws", events.append).connect()
        return events

    (down,) = asyncio.run(connect())
    assert isinstance(down, c.LinkDown) and "cannot connect" in down.reason


@pytest.mark.parametrize("reads", [False, True])
def test_row_28_a_connection_that_ends_in_its_handshake_is_a_link_down(reads: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reads:
            await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def connect() -> list[c.Event]:
        events: list[c.Event] = []
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await WsLink("public", f"ws://127.0.0.1:{port}/ws", events.append).connect()
        server.close()
        return events

    (down,) = asyncio.run(connect())
    assert isinstance(down, c.LinkDown) and "cannot connect" in down.reason


def test_row_28_a_name_that_cannot_be_resolved_is_a_link_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect() -> list[c.Event]:
        async def fail(*_: object, **__: object) -> list[object]:
            raise OSError(-3, "Temporary failure in name resolution")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
        events: list[c.Event] = []
        await WsLink("public", "ws://venue.invalid/ws", events.append).connect()
        return events

    (down,) = asyncio.run(connect())
    assert isinstance(down, c.LinkDown) and "name resolution" in down.reason


def test_row_27_a_dead_venue_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_link, "CLOSE_S", 0.01)

    async def close() -> list[c.Event]:
        events: list[c.Event] = []
        down = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(accepted(await reader.readuntil(b"\r\n\r\n")))
            writer.transport.pause_reading()
            await down.wait()
            writer.close()

        def on_event(event: c.Event) -> None:
            events.append(event)
            if isinstance(event, c.LinkDown):
                down.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = WsLink("public", f"ws://127.0.0.1:{port}/ws", on_event)
        async with asyncio.timeout(DEADLINE_S):
            await link.connect()
            link.send(b"x" * 16_000_000)  # more than the buffers on the way take
            link.close("silent")
            await down.wait()
        server.close()
        return events

    assert asyncio.run(close())[-1] == c.LinkDown("public", "silent")


def test_an_error_of_ours_goes_to_the_loop_and_not_to_the_link() -> None:
    told: list[BaseException] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

        def broken(event: c.Event) -> None:
            raise LookupError(type(event).__name__)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(accepted(await reader.readuntil(b"\r\n\r\n")) + b"\x81\x02hi")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = WsLink("public", f"ws://127.0.0.1:{port}/ws", broken)
        async with asyncio.timeout(DEADLINE_S):
            await link.connect()
            while len(told) < 3:
                await asyncio.sleep(0)
        link.close("the test is over")
        server.close()

    asyncio.run(run())
    assert [str(error) for error in told[:3]] == ["LinkUp", "VenueFrame", "Idle"]


def accepted(request: bytes) -> bytes:
    """The answer that makes a request a WebSocket (RFC 6455, 4.2.2)."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
