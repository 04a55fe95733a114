"""The venue link against a small real WebSocket server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from common import core as c
from common.transport.ws_link import WsLink

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]
DEADLINE_S = 10


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


def test_a_fragmented_message_is_put_together() -> None:
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
def test_a_venue_that_breaks_the_websocket_protocol_loses_the_link(bytes_sent: bytes) -> None:
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


def test_a_refused_connection_is_a_link_down_with_the_reason() -> None:
    async def connect() -> list[c.Event]:
        events: list[c.Event] = []
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        await WsLink("public", f"ws://127.0.0.1:{port}/ws", events.append).connect()
        return events

    (down,) = asyncio.run(connect())
    assert isinstance(down, c.LinkDown) and "cannot connect" in down.reason
