from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web

from common import core as c
from common.transport import http
from common.transport.http import HttpClient


async def drip_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        writer.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)
    return response


async def call_all(*paths: str, timeout_s: float = 60.0, extra: str = "") -> dict[str, c.Event]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "a header"
        return web.Response(status=400, text=request.path_qs + (await request.text()))

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 1000)
        return response

    slow = await asyncio.start_server(drip_headers, "127.0.0.1", 0)
    slow_base = f"http://127.0.0.1:{slow.sockets[0].getsockname()[1]}"
    application = web.Application()
    application.router.add_route("*", "/api", answer)
    application.router.add_get("/flood", flood)
    application.router.add_get("/drip", drip)
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
                (slow_base if path == "/headers" else base) + path,
                {"Authorization": "a header", "X-Extra": extra},
                b"body" if "?" in path else b"",
                timeout_s,
            )
        )
    async with asyncio.timeout(90):
        while len(events) < len(paths):
            changed.clear()
            await changed.wait()
    client.close()
    slow.close()
    await runner.cleanup()
    return events


def test_answers_come_back_with_status_and_body_whatever_the_status() -> None:
    events = asyncio.run(call_all("/api?x=1", "/cut"))
    reply = events["/api?x=1"]
    assert isinstance(reply, c.HttpReply)
    assert (reply.status, reply.body) == (400, b"/api?x=1body")
    assert isinstance(events["/cut"], c.HttpFailed)


def test_an_answer_that_is_too_big_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 100_000)
    failed = asyncio.run(call_all("/flood"))["/flood"]
    assert isinstance(failed, c.HttpFailed) and "64 MiB" in failed.error


@pytest.mark.parametrize("path", ["/flood", "/drip", "/headers"])
def test_an_answer_that_does_not_end_is_given_up_in_time(path: str) -> None:
    """Also one that comes drop by drop, each quick enough for the time-out of a read."""
    for timeout_s in (0.3, 3.0, 30.0):  # a machine that stands still as long runs into that first
        failed = asyncio.run(call_all(path, timeout_s=timeout_s))[path]
        assert isinstance(failed, c.HttpFailed)
        if "Timeout" not in failed.error:
            break
    assert "does not end" in failed.error


def test_a_call_that_cannot_even_be_made_is_a_failure_too() -> None:
    failed = asyncio.run(call_all("/api", extra="\u20ac"))["/api"]  # not in any header's charset
    assert isinstance(failed, c.HttpFailed) and "UnicodeEncodeError" in failed.error
