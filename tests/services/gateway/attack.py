"""Clients of a gateway that behave badly, in a process of their own.

    python -m tests.services.gateway.attack half PORT COUNT SECONDS
    python -m tests.services.gateway.attack flood PORT RATE SECONDS
    python -m tests.services.gateway.attack churn PORT PER_MINUTE SECONDS
    python -m tests.services.gateway.attack crowd PORT CLIENTS SECONDS

The first line, "ready", says that all of them are there; the last is what they saw.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

WAIT_S = 60.0
STEP_S = 0.01
ALIVE_S = 3.0
CHANNELS = 1000
KINDS = ("book", "quote", "trade", "ticker", "depth")
HEAD = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x01\x02\x03\x04"
Seen = dict[str, Any]


def masked(payload: bytes) -> bytes:
    """A text frame of a client."""
    size = len(payload)
    length = bytes([size | 0x80]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    body = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
    return b"\x81" + length + MASK + body


def call(method: str, **params: Any) -> bytes:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return masked(json.dumps(request).encode())


def connect(port: int) -> socket.socket:
    """After the handshake."""
    made = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    made.sendall(HEAD.format(port=port).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = made.recv(1)
        if not chunk:
            raise ConnectionError(answer.decode())
        answer += chunk
    return made


def ready() -> None:
    print("ready", flush=True)


def half(port: int, count: int, seconds: float) -> Seen:
    """Connections that never make a whole request; every other one adds a byte a second."""
    chosen = selectors.DefaultSelector()
    opened: dict[socket.socket, float] = {}
    for number in range(count):
        made = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        made.sendall(b"GET /ws HTTP/1.1\r\nX-Slow: " + b"a" * (number % 50))
        made.setblocking(False)
        opened[made] = time.monotonic()
        chosen.register(made, selectors.EVENT_READ)
    ready()
    lived: list[float] = []
    until, drip = time.monotonic() + seconds, time.monotonic() + 1
    while opened and time.monotonic() < until:
        for key, _ in chosen.select(0.05):
            made = key.fileobj
            assert isinstance(made, socket.socket)
            chosen.unregister(made)
            lived.append(time.monotonic() - opened.pop(made))
            made.close()
        if time.monotonic() > drip:
            drip += 1
            for made in [*opened][::2]:
                with suppress(OSError):
                    made.send(b"a")
    return {"opened": count, "closed": len(lived), "slowest_s": max(lived, default=0.0)}


def flood(port: int, rate: float, seconds: float) -> Seen:
    """Calls at a rate, from one client; it comes back whenever it is closed. However busy the
    machine is, it goes on until it was closed once."""
    frame, codes, sent = call("health"), Counter[int](), 0
    made, heard = connect(port), bytearray()
    ready()
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < (seconds if codes else WAIT_S):
        due = int(passed * rate) - sent
        sent += due
        try:
            made.settimeout(WAIT_S)
            made.sendall(frame * due)
            made.settimeout(STEP_S)
            with suppress(TimeoutError):
                while chunk := made.recv(65536):
                    heard += chunk
                raise ConnectionError
        except ConnectionError:
            codes[close_code(heard)] += 1
            made.close()
            made, heard = connect(port), bytearray()
    return {"sent": sent, "closed": sum(codes.values()), "codes": dict(codes)}


def close_code(heard: bytes | bytearray) -> int:
    """Of the close frame at the end; 0 where there is none."""
    at = heard.rfind(b"\x88")
    is_whole = 0 <= at <= len(heard) - 4 and heard[at + 1] == len(heard) - at - 2
    return int(struct.unpack("!H", heard[at + 2 : at + 4])[0]) if is_whole else 0


def churn(port: int, per_minute: float, seconds: float) -> Seen:
    """Clients that come and go, with a word, without one, or in the middle of a subscription."""
    ready()
    begun, count = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        if passed * per_minute / 60 < count:
            time.sleep(STEP_S)
            continue
        made = connect(port)
        if count % 3 == 1:
            made.sendall(call("subscribe", channels=["BTC-PERPETUAL", "trade.BTC-PERPETUAL"]))
        if count % 3 == 2:
            made.sendall(b"\x88\x80" + MASK)
        made.close()
        count += 1
    return {"connects": count}


def crowd(port: int, clients: int, seconds: float) -> Seen:
    """Clients with a thousand channels each, which read all they get."""
    address = f"http://127.0.0.1:{port}/api/v1/instruments"
    with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
        names = [row["instrument"] for row in json.load(answer)["instruments"]]
    channels = [f"{kind}.{name}" for kind in KINDS for name in names][:CHANNELS]
    chosen, taken = selectors.DefaultSelector(), 0
    everybody = [connect(port) for _ in range(clients)]
    for made in everybody:
        made.sendall(call("subscribe", channels=channels))
        chosen.register(made, selectors.EVENT_READ)
    ready()
    begun, closed = time.monotonic(), 0
    alive = begun
    while time.monotonic() - begun < (seconds if taken else WAIT_S):
        if time.monotonic() > alive:  # in place of an answer to each ping
            alive += ALIVE_S
            for made in everybody:
                with suppress(OSError):
                    made.sendall(b"\x8a\x80" + MASK)
        for key, _ in chosen.select(0.05):
            made = key.fileobj
            assert isinstance(made, socket.socket)
            if chunk := made.recv(1 << 18):
                taken += len(chunk)
            else:
                chosen.unregister(made)
                closed += 1
    for made in everybody:
        made.close()
    return {"clients": clients, "channels": len(channels), "closed": closed, "bytes": taken}


WAYS: dict[str, Callable[[int, Any, float], Seen]] = {
    "half": half,
    "flood": flood,
    "churn": churn,
    "crowd": crowd,
}


def main() -> None:
    way, port, size, seconds = sys.argv[1:]
    print(json.dumps(WAYS[way](int(port), int(size), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
