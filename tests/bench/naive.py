"""The stack one would write first: websocket-client, json, dict and sorted, msgpack, aiohttp.

    python -m tests.bench.naive market_data WS_URL ZMQ_ENDPOINT
    python -m tests.bench.naive gateway PORT ZMQ_ENDPOINT

The same work as ours on the same frames: keep the books, publish the best 20 levels of each change,
send them to every WebSocket client. websocket-client at its best setting (no UTF-8 validation).
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import msgpack
import websocket
import zmq
import zmq.asyncio
from aiohttp import WSMsgType, web

from tests.bench import frames

DEPTH = 20


class Book:
    def __init__(self) -> None:
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        self.change_id = 0

    def apply(self, data: dict[str, Any]) -> None:
        if data["type"] == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        elif data["prev_change_id"] != self.change_id:
            raise RuntimeError("a message is missing")
        self.change_id = data["change_id"]
        for name, side in self.sides.items():
            for action, price, quantity in data[name]:
                if action == "delete":
                    side.pop(price, None)
                else:
                    side[price] = quantity

    def best(self) -> dict[str, list[tuple[float, float]]]:
        bids = sorted(self.sides["bids"].items(), reverse=True)[:DEPTH]
        asks = sorted(self.sides["asks"].items())[:DEPTH]
        return {"bids": bids, "asks": asks}


def market_data(url: str, endpoint: str) -> None:
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.setsockopt(zmq.SNDHWM, 0)
    publisher.bind(endpoint)
    link = websocket.create_connection(url, skip_utf8_validation=True)
    channels = [frames.channel(symbol) for symbol in [*frames.INSTRUMENTS, frames.MARKER]]
    call = {"jsonrpc": "2.0", "id": 1, "method": "public/subscribe"}
    link.send(json.dumps(call | {"params": {"channels": channels}}))
    books: dict[str, Book] = {}
    while True:
        message = json.loads(link.recv())
        if message.get("method") != "subscription":
            continue
        data = message["params"]["data"]
        name = data["instrument_name"]
        book = books.setdefault(name, Book())
        book.apply(data)
        body = {"instrument": name, "change_id": book.change_id, **book.best()}
        publisher.send_multipart([name.encode(), msgpack.packb(body)])


def gateway(port: str, endpoint: str) -> None:
    clients: set[web.WebSocketResponse] = set()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        clients.add(socket)
        async for message in socket:
            if message.type is WSMsgType.CLOSE:
                break
        clients.discard(socket)
        return socket

    async def forward(application: web.Application) -> None:
        subscriber = zmq.asyncio.Context().socket(zmq.SUB)
        subscriber.setsockopt(zmq.RCVHWM, 0)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"")
        subscriber.connect(endpoint)
        while True:
            _, body = await subscriber.recv_multipart()
            text = json.dumps(msgpack.unpackb(body))
            for client in list(clients):
                await client.send_str(text)

    async def start(application: web.Application) -> None:
        application["forward"] = asyncio.create_task(forward(application))

    application = web.Application()
    application.router.add_get("/ws", serve)
    application.on_startup.append(start)
    web.run_app(application, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    {"market_data": market_data, "gateway": gateway}[sys.argv[1]](*sys.argv[2:])
