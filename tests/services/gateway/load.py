"""For one gateway under load: a publisher of books in market data's place, and clients that read.

    python -m tests.services.gateway.load feeder RUN_DIR RATE
    python -m tests.services.gateway.load clients WEBSOCKET_URL COUNT FILE CLOCK

The clients write to FILE, when they are told to stop, when each message was received by the desk
and when it was with its client: pairs of nanoseconds.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from array import array
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from common import core as c, messages as m
from common.rundir import RunDir
from common.transport import clock
from common.transport.loop import Shell
from tests.services.gateway.fake_desk import definition

BOOKS = 20
TICK_NS = 5_000_000
INSTRUMENTS = [
    definition(f"L{number}-PERPETUAL", m.InstrumentKind.PERPETUAL, f"L{number}")
    for number in range(BOOKS)
]
CHANNELS = [f"book.{each.instrument}" for each in INSTRUMENTS]
LEVELS = [value for level in range(10) for value in (100.0 - level, 1.0)]
RECEIVED = b'"received_ns":'


class Feeder:
    """A core that publishes changes of all books in turn."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._start_ns = 0
        self._sent = 0

    def handle(self, event: c.Event, now_ns: int) -> list[Any]:
        if isinstance(event, c.Started):
            self._start_ns = now_ns
            return [c.SetState("ready"), c.WakeAt(now_ns + TICK_NS)]
        if not isinstance(event, c.Subscribed):
            return []
        if event.topic.startswith("instruments."):
            return [c.PublishSnapshot(event.topic, m.InstrumentList("deribit", 0, 1, INSTRUMENTS))]
        if event.topic.startswith("book."):
            book = m.BookSnapshot(event.topic.removeprefix("book."), LEVELS, LEVELS)
            return [c.PublishSnapshot(event.topic, book, received_ns=now_ns)]
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        due = int((now_ns - self._start_ns) / 1e9 * self._rate)
        commands: list[Any] = [c.WakeAt(now_ns + TICK_NS)]
        while self._sent < due:
            self._sent += 1
            name = INSTRUMENTS[self._sent % BOOKS].instrument
            change = m.BookDelta(name, LEVELS, LEVELS)
            commands.append(c.Publish(f"book.{name}", change, received_ns=now_ns))
        return commands


class Listener(WSListener):
    """One client that reads all books."""

    def __init__(self, times: array[int]) -> None:
        super().__init__()
        self._times = times

    def on_ws_connected(self, transport: WSTransport) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"channels": CHANNELS}}
        transport.send(WSMsgType.TEXT, msgspec.json.encode(call))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        at = payload.rfind(RECEIVED) + len(RECEIVED)
        digits = payload[at : at + 19]
        if b'"delta"' in payload and digits.isdigit():
            self._times.append(int(digits))
            self._times.append(clock.now_ns())


async def listen(url: str, count: int, path: Path) -> None:
    times = array("q")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    transports = [(await ws_connect(lambda: Listener(times), url))[0] for _ in range(count)]
    path.touch()
    await stop.wait()
    for transport in transports:
        transport.disconnect()
    path.write_bytes(times.tobytes())


def main() -> None:
    program, *given = sys.argv[1:]
    if program == "feeder":
        run_dir = RunDir(given[0])
        run_dir.create()
        clock.follow(run_dir.clock)
        Shell("market_data.deribit", Feeder(float(given[1])), run_dir, publisher="md.deribit").run()
    else:
        clock.follow(Path(given[3]))
        uvloop.run(listen(given[0], int(given[1]), Path(given[2])))


if __name__ == "__main__":
    main()
