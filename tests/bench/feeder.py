"""A venue that only sends: books to whoever subscribes, on command as a flood or at a pace.

    python -m tests.bench.feeder PORT

`/ws/api/v2` is for market_data, `/naive` for the naive stack; POST /flood and /pace say which of
the two gets what. Prepared frames go straight to the transport.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop
from aiohttp import WSMsgType, web

from tests.bench import frames

BUFFER_BYTES = 512 * 1024
ANSWERS: dict[str, Any] = {
    "public/auth": {
        "access_token": "token",
        "refresh_token": "token",
        "expires_in": 86400,
        "scope": "session:bench",
        "token_type": "bearer",
    },
    "public/set_heartbeat": "ok",
    "public/test": {"version": "1.2.26"},
}


class Feeder:
    def __init__(self) -> None:
        self._transports: dict[str, asyncio.Transport] = {}
        messages = frames.ring()
        self._turn = b"".join(frames.websocket_frame(message) for message in messages)
        self._turn_size = len(messages)
        self._markers = {"ours": 0, "naive": 0}
        self.zero_ns = time.monotonic_ns()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/ws/api/v2", self._serve("ours"))
        application.router.add_get("/naive", self._serve("naive"))
        application.router.add_get("/api/v2/public/get_instruments", self._instruments)
        application.router.add_post("/flood", self._flood)
        application.router.add_post("/pace", self._pace)
        return application

    def _serve(self, who: str) -> Callable[[web.Request], Any]:
        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(compress=False)
            await socket.prepare(request)
            assert request.transport is not None
            self._transports[who] = request.transport
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._answer(request.transport, json.loads(message.data))
            return socket

        return serve

    def _answer(self, transport: asyncio.Transport, call: dict[str, Any]) -> None:
        method, result = call["method"], ANSWERS.get(call["method"], "ok")
        channels = call.get("params", {}).get("channels", [])
        if method == "public/subscribe":
            result = channels
        reply = {"jsonrpc": "2.0", "id": call["id"], "result": result, "usIn": 1, "usOut": 2}
        transport.write(frames.websocket_frame(json.dumps(reply).encode()))
        for channel in channels:
            kind, _, rest = channel.partition(".")
            if kind == "book":
                symbol = rest.rpartition(".")[0]
                transport.write(frames.websocket_frame(frames.snapshot(symbol)))

    async def _instruments(self, request: web.Request) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "result": frames.definitions()})

    async def _flood(self, request: web.Request) -> web.Response:
        """As fast as it is read: `count` changes, rounded up to whole turns, then a marker."""
        who, count = request.query["who"], int(request.query["count"])
        transport = self._transports[who]
        turns = -(-count // self._turn_size)
        start_ns = time.monotonic_ns()
        for _ in range(turns):
            while transport.get_write_buffer_size() > BUFFER_BYTES:
                await asyncio.sleep(0.0005)
            transport.write(self._turn)
        self._markers[who] += 1
        transport.write(frames.websocket_frame(frames.marker(self._markers[who])))
        sent = {"start_ns": start_ns, "count": turns * self._turn_size}
        return web.json_response(sent | {"marker": self._markers[who]})

    async def _pace(self, request: web.Request) -> web.Response:
        """`count` changes, evenly; each carries its time of sending."""
        transport = self._transports[request.query["who"]]
        rate, count = float(request.query["rate"]), int(request.query["count"])
        start_ns, sent = time.monotonic_ns(), 0
        while sent < count:
            due = min(count, int((time.monotonic_ns() - start_ns) * rate / 1e9) + 1)
            for number in range(sent, due):
                stamp_us = (time.monotonic_ns() - self.zero_ns) // 1000
                transport.write(frames.websocket_frame(frames.stamped(number, stamp_us)))
            sent = due
            await asyncio.sleep(0.0005)
        return web.json_response({"zero_ns": self.zero_ns, "count": count})


def main() -> None:
    uvloop.install()
    web.run_app(
        Feeder().application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None
    )


if __name__ == "__main__":
    main()
