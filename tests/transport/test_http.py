from __future__ import annotations

import asyncio

from aiohttp import web

from common import core as c
from common.transport.http import HttpClient


async def call_all(*paths: str) -> dict[str, c.Event]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "a header"
        return web.Response(status=400, text=request.path_qs + (await request.text()))

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/api", answer)
    application.router.add_get("/cut", hang_up)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    events: dict[str, c.Event] = {}
    changed = asyncio.Event()

    def on_event(event: c.Event) -> None:
        assert isinstance(event, (c.HttpReply, c.HttpFailed))
        events[event.call_id] = event
        changed.set()

    client = HttpClient(asyncio.get_running_loop(), on_event)
    for path in paths:
        client.call(
            c.HttpCall(
                path,
                "POST" if "?" in path else "GET",
                base + path,
                {"Authorization": "a header"},
                b"body" if "?" in path else b"",
            )
        )
    async with asyncio.timeout(10):
        while len(events) < len(paths):
            changed.clear()
            await changed.wait()
    client.close()
    await runner.cleanup()
    return events


def test_answers_come_back_with_status_and_body_whatever_the_status() -> None:
    events = asyncio.run(call_all("/api?x=1", "/cut"))
    reply = events["/api?x=1"]
    assert isinstance(reply, c.HttpReply)
    assert (reply.status, reply.body) == (400, b"/api?x=1body")
    assert isinstance(events["/cut"], c.HttpFailed)
