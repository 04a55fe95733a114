"""How many book changes one market_data keeps up with."""

from __future__ import annotations

import time
from typing import Any

import msgpack
import zmq

from common import codec
from common.messages import BookDelta
from tests.bench import frames
from tests.bench.report import Row, show
from tests.bench.stacks import post
from tests.bench.world import World

ROUND_S = 1.5
ROUNDS = 5
FIRST = {"ours": 20_000, "naive": 3_000}


class MarkerReader:
    """Waits for the change that follows a flood, as the stack publishes it."""

    def __init__(self, who: str, endpoint: str) -> None:
        self._who = who
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        topic = f"book.deribit.{frames.MARKER}\0" if who == "ours" else frames.MARKER
        self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self._socket.connect(endpoint)

    def wait(self, number: int, timeout_s: float = 60) -> int:
        """When the marker came, by the monotonic clock."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._socket.poll(100) and number in self._quantities(self._socket.recv_multipart()):
                return time.monotonic_ns()
        raise SystemExit(f"bench: {self._who} lost the marker of a flood")

    def close(self) -> None:
        self._socket.close(0)

    def _quantities(self, parts: list[bytes]) -> list[float]:
        if self._who == "ours":
            message = codec.decode(parts[0])[1].message
            return message.bids[1::2] if isinstance(message, BookDelta) else []
        return [quantity for _, quantity in msgpack.unpackb(parts[1])["bids"]]


def measure(world: World) -> None:
    """Rounds A B A B; a round's size is chosen so that it takes about ROUND_S."""
    readers = {who: MarkerReader(who, world.endpoint(who)) for who in FIRST}
    time.sleep(0.5)
    sizes = dict(FIRST)
    wall: dict[str, list[float]] = {who: [] for who in FIRST}
    cpu: dict[str, list[float]] = {who: [] for who in FIRST}
    for number in range(-2, ROUNDS):
        for who, reader in readers.items():
            rate, per_cpu_s = _flood(world, who, reader, sizes[who])
            sizes[who] = int(rate * ROUND_S)
            if number >= 0:
                wall[who].append(rate)
                cpu[who].append(per_cpu_s)
    for reader in readers.values():
        reader.close()
    rows = [
        Row("sustained", "updates/s", wall["ours"], wall["naive"]),
        Row("per CPU second", "updates", cpu["ours"], cpu["naive"]),
    ]
    show("One market_data, flooded with Deribit book changes", ("crossdesk", "naive"), rows)


def _flood(world: World, who: str, reader: MarkerReader, count: int) -> tuple[float, float]:
    process = world.market_data(who)
    cpu_before = world.running.cpu_s(process)
    sent: dict[str, Any] = post(f"{world.feeder}/flood?who={who}&count={count}")
    end_ns = reader.wait(sent["marker"])
    cpu_s = world.running.cpu_s(process) - cpu_before
    wall_s = (end_ns - sent["start_ns"]) / 1e9
    return sent["count"] / wall_s, sent["count"] / max(cpu_s, 0.01)
