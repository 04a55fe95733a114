"""The fault proxy itself, between a client and a server that echoes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import pytest
import requests
import websocket
from aiohttp import web

from tests.faults.proxy import HOST, WAIT_S, Proxy, answers, calls, notifications


async def echo(request: web.Request) -> web.StreamResponse:
    """WebSocket: each message back, with a result; anything else: its path."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return web.Response(text=request.path)
    made = web.WebSocketResponse()
    await made.prepare(request)
    async for message in made:
        await made.send_str(json.dumps({"result": "x" * 300} | json.loads(message.data)))
    return made


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", echo)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, found = asyncio.run_coroutine_threadsafe(start(), loop).result(WAIT_S)
    yield found
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(WAIT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(WAIT_S)
    loop.close()


@pytest.fixture
def proxy(port: int) -> Iterator[Proxy]:
    with Proxy(port) as made:
        yield made
    assert not made._thread.is_alive()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[websocket.WebSocket]:
    made = websocket.create_connection(f"ws://{HOST}:{proxy.port}/", timeout=WAIT_S)
    yield made
    made.shutdown()


def say(client: websocket.WebSocket, number: int, method: str = "buy") -> None:
    client.send(json.dumps({"id": number, "method": method}))


def heard(client: websocket.WebSocket, count: int) -> list[int]:
    return [json.loads(client.recv())["id"] for _ in range(count)]


def is_silent(client: websocket.WebSocket) -> bool:
    client.settimeout(0.2)
    try:
        client.recv()
    except websocket.WebSocketTimeoutException:
        return True
    finally:
        client.settimeout(WAIT_S)
    return False


def test_http_and_messages_pass_unchanged(proxy: Proxy, client: websocket.WebSocket) -> None:
    assert (
        requests.get(f"http://{HOST}:{proxy.port}/some/path", timeout=WAIT_S).text == "/some/path"
    )
    for number in range(50):
        say(client, number)
    assert heard(client, 50) == list(range(50))
    assert [message.json["id"] for message in proxy.sent("buy")] == list(range(50))
    client.send(json.dumps({"id": 50, "method": "buy", "blob": "y" * 200_000}))
    assert len(json.loads(client.recv())["blob"]) == 200_000


def test_single_messages_are_dropped_doubled_swapped_and_changed(
    proxy: Proxy, client: websocket.WebSocket
) -> None:
    proxy.drop(lambda x: x.is_request and x.json.get("id") == 1)
    proxy.duplicate(lambda x: not x.is_request and x.json.get("id") == 2)
    proxy.swap(lambda x: x.is_request and x.json.get("id") == 3)
    proxy.corrupt(
        lambda x: x.is_request and x.json.get("id") == 5, lambda x: x.replace(b"5", b"55")
    )
    for number in range(7):
        say(client, number)
    assert heard(client, 7) == [0, 2, 2, 4, 3, 55, 6]


def test_answers_are_known_by_the_method_they_answer(
    proxy: Proxy, client: websocket.WebSocket
) -> None:
    rule = proxy.drop(answers("buy"))
    say(client, 1, "sell")
    say(client, 2, "buy")
    say(client, 3, "buy")
    assert heard(client, 2) == [1, 3]
    assert [message.json["id"] for message in rule.seen] == [2]
    assert not proxy.rule(notifications("book."), "DROP").seen


def test_a_callback_runs_before_the_message_passes(
    proxy: Proxy, client: websocket.WebSocket
) -> None:
    seen: list[int] = []
    proxy.call(calls("buy"), lambda message: seen.append(message.json["id"]), "DROP")
    say(client, 1)
    say(client, 2)
    assert heard(client, 1) == [2] and seen == [1]


def test_a_message_is_late(proxy: Proxy, client: websocket.WebSocket) -> None:
    proxy.delay(calls("buy"), 0.3)
    begun = time.monotonic()
    say(client, 1)
    say(client, 2)
    assert heard(client, 2) == [1, 2] and time.monotonic() - begun >= 0.3


def test_a_frame_is_cut_in_its_middle(proxy: Proxy, client: websocket.WebSocket) -> None:
    proxy.cut_within(answers("buy"), 100)
    say(client, 1)
    with pytest.raises((ConnectionResetError, websocket.WebSocketConnectionClosedException)):
        client.recv()


@pytest.mark.parametrize("reset", [False, True])
def test_connections_are_cut_or_reset(
    proxy: Proxy, client: websocket.WebSocket, reset: bool
) -> None:
    say(client, 1)
    assert heard(client, 1) == [1]
    assert proxy.cut(reset=reset) == 1
    with pytest.raises((OSError, websocket.WebSocketConnectionClosedException)):
        client.recv()


def test_a_pause_holds_everything_and_loses_nothing(
    proxy: Proxy, client: websocket.WebSocket
) -> None:
    proxy.pause()
    say(client, 1)
    assert is_silent(client)
    proxy.resume()
    assert heard(client, 1) == [1]


def test_a_half_open_connection_swallows(proxy: Proxy, client: websocket.WebSocket) -> None:
    say(client, 1)
    assert heard(client, 1) == [1]
    proxy.half_open()
    say(client, 2)
    assert is_silent(client)


def test_slices_of_one_byte_and_a_slow_line_change_nothing(
    proxy: Proxy, client: websocket.WebSocket
) -> None:
    proxy.slice_bytes = 1
    for number in range(20):
        say(client, number)
    assert heard(client, 20) == list(range(20))
    proxy.slice_bytes, proxy.rate = 0, 20_000.0
    begun = time.monotonic()
    for number in range(10):
        say(client, number)
    assert heard(client, 10) == list(range(10)) and time.monotonic() - begun > 0.1


def test_nobody_listens_for_a_while(proxy: Proxy) -> None:
    url = f"http://{HOST}:{proxy.port}/x"
    proxy.refuse()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=WAIT_S)
    proxy.listen()
    assert requests.get(url, timeout=WAIT_S).text == "/x"
