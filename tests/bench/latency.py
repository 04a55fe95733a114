"""From the venue's send to a gateway client's receive, at a given pace of book changes."""

from __future__ import annotations

import json
import threading
import time

import msgspec
import websocket

from tests.bench import frames
from tests.bench.report import Row, percentile, show
from tests.bench.stacks import post
from tests.bench.world import World

RATES = (1_000, 5_000)
ROUNDS = 4
ROUND_S = 2.0
QUIET_S = 0.3


class Client:
    """One WebSocket client that only notes what comes and when; it reads after the round."""

    def __init__(self, url: str, subscribe: bool) -> None:
        self._socket = websocket.create_connection(url, skip_utf8_validation=True)
        self._socket.settimeout(None)
        if subscribe:
            channels = [f"book.deribit.{symbol}" for symbol in frames.INSTRUMENTS]
            call = {"jsonrpc": "2.0", "id": 1, "method": "subscribe"}
            self._socket.send(json.dumps(call | {"params": {"channels": channels}}))
        self._received: list[tuple[int, str | bytes]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def count(self) -> int:
        return len(self._received)

    def take(self) -> list[tuple[int, str | bytes]]:
        taken, self._received = self._received, []
        return taken

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> None:
        try:
            while True:
                text = self._socket.recv()
                if not text:
                    return
                self._received.append((time.monotonic_ns(), text))
        except (OSError, websocket.WebSocketException):
            return


def ages_us(who: str, received: list[tuple[int, str | bytes]], zero_ns: int) -> list[float]:
    """The age of each change at its arrival. Ours sends changed levels, naive whole tops."""
    ages = []
    for at_ns, text in received:
        message = msgspec.json.decode(text)
        data = message.get("params", {}).get("data", {}) if who == "ours" else message
        levels = [*data.get("bids", ()), *data.get("asks", ())]
        stamps = [quantity for _, quantity in levels if quantity >= frames.STAMP_BASE]
        if who == "naive":
            stamps = [max(stamps)] if stamps else []
        now_us = (at_ns - zero_ns) / 1000
        ages += [now_us - (stamp - frames.STAMP_BASE) for stamp in stamps]
    return ages


def measure(world: World) -> None:
    clients = {
        "ours": Client(f"{world.gateway}/ws", subscribe=True),
        "naive": Client(f"{world.naive_gateway}/ws", subscribe=False),
    }
    time.sleep(1)
    rows = []
    for rate in RATES:
        p50: dict[str, list[float]] = {who: [] for who in clients}
        p99: dict[str, list[float]] = {who: [] for who in clients}
        for number in range(-1, ROUNDS):
            for who, client in clients.items():
                ages = _round(world, who, client, rate)
                if number >= 0:
                    p50[who].append(percentile(ages, 50))
                    p99[who].append(percentile(ages, 99))
        rows.append(Row(f"{rate:,} updates/s, p50", "ms", p50["ours"], p50["naive"], 1e-3))
        rows.append(Row(f"{rate:,} updates/s, p99", "ms", p99["ours"], p99["naive"], 1e-3))
    for client in clients.values():
        client.close()
    show("From the venue to a client of the gateway", ("crossdesk", "naive"), rows)


def _round(world: World, who: str, client: Client, rate: int) -> list[float]:
    client.take()
    turn = len(frames.INSTRUMENTS) * frames.TURN
    count = max(turn, round(rate * ROUND_S / turn) * turn)
    sent = post(f"{world.feeder}/pace?who={who}&rate={rate}&count={count}")
    seen = -1
    while client.count() != seen:  # until nothing comes any more
        seen = client.count()
        time.sleep(QUIET_S)
    ages = ages_us(who, client.take(), sent["zero_ns"])
    if len(ages) < count * 0.9:
        raise SystemExit(f"bench: {who} delivered {len(ages)} of {count} changes")
    return ages
