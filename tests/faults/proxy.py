"""A proxy between the desk and a simulated venue that breaks the wire on demand.

It forwards HTTP as it is and WebSocket message by message. What it does wrong is asked for from
the test's thread: whole connections are paused, cut, reset, left half open, sliced or slowed;
single messages, chosen by a predicate, are dropped, doubled, swapped, changed, late or cut in their
middle, or call the test back while they wait.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from tests.ports import HOST, free_port

WAIT_S = 60.0
DATA = (1, 2)  # opcodes of text and binary
T = TypeVar("T")


@dataclass
class Message:
    """One WebSocket message. number: how many of its direction came before it on this link."""

    is_request: bool
    link: int
    number: int
    payload: bytes
    at: float

    @cached_property
    def json(self) -> Any:
        try:
            return json.loads(self.payload)
        except ValueError:
            return {}

    @property
    def method(self) -> str:
        return str(self.json.get("method", ""))

    @property
    def channel(self) -> str:
        return str((self.json.get("params") or {}).get("channel", ""))


Match = Callable[[Message], bool]


@dataclass
class Rule:
    """What happens to the next `times` messages that match; None: to all.

    act: DROP, DUPLICATE, SWAP, CUT or "". change, delay_s, call: what is done before that.
    seen: the messages that were struck, in order.
    """

    match: Match
    act: str = ""
    times: int | None = 1
    change: Callable[[bytes], bytes] | None = None
    delay_s: float = 0.0
    call: Callable[[Message], object] | None = None
    keep: int = 0  # bytes of the frame before the reset
    seen: list[Message] = field(default_factory=list)

    def takes(self, message: Message) -> bool:
        wanted = self.times is None or len(self.seen) < self.times
        return wanted and self.match(message)


class _Link:
    """The two sockets of one connection."""

    def __init__(self, number: int, writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self.number = number
        self.writers = writers  # to the desk, to the venue
        self.counts = [0, 0]
        self.held: dict[bool, list[bytes]] = {True: [], False: []}
        self.is_swallowed = False
        self.methods: dict[object, str] = {}

    def end(self, *, reset: bool = False) -> None:
        for writer in self.writers:
            raw = writer.get_extra_info("socket")
            if reset and raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort() if reset else writer.close()


class Proxy:
    """Use it as a context manager; `port` stands in for the venue's.

    requests: every message of the desk, in order. slice_bytes: writes are that small. rate: bytes a
    second, either way. accepted: connections there ever were.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self.target_port = target_port
        self.port = port or free_port()  # nobody else's while it is refused
        self.requests: list[Message] = []
        self.rules: list[Rule] = []
        self.slice_bytes = 0
        self.rate = 0.0
        self.accepted = 0
        self.accept_times: list[float] = []
        self._links: dict[int, _Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()

    # --- whole connections --------------------------------------------------------------------

    def pause(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._now(self._flow.clear)

    def resume(self) -> None:
        self._now(self._flow.set)

    def cut(self, *, reset: bool = False) -> int:
        """End all connections, with FIN or RST; how many there were."""
        return self._now(lambda: self._end_all(reset))

    def half_open(self) -> None:
        """The venue's side ends; the desk's stays open and whatever it sends is swallowed."""
        self._now(self._swallow)

    def refuse(self) -> None:
        """Nobody listens any more, and all connections end."""
        self._do(self._refuse())

    def listen(self) -> None:
        self._do(self._listen())

    # --- single messages ----------------------------------------------------------------------

    def rule(self, match: Match, act: str = "", **more: Any) -> Rule:
        made = Rule(match, act, **more)
        self.rules.append(made)
        return made

    def drop(self, match: Match, times: int | None = 1) -> Rule:
        return self.rule(match, "DROP", times=times)

    def duplicate(self, match: Match, times: int | None = 1) -> Rule:
        return self.rule(match, "DUPLICATE", times=times)

    def swap(self, match: Match, times: int | None = 1) -> Rule:
        """Each comes after the one that follows it."""
        return self.rule(match, "SWAP", times=times)

    def corrupt(self, match: Match, change: Callable[[bytes], bytes], times: int = 1) -> Rule:
        return self.rule(match, change=change, times=times)

    def delay(self, match: Match, seconds: float, times: int | None = 1) -> Rule:
        """Late, and so is all that follows on its link."""
        return self.rule(match, delay_s=seconds, times=times)

    def call(self, match: Match, callback: Callable[[Message], object], act: str = "") -> Rule:
        """callback runs in the proxy's thread before the message passes, or is dropped."""
        return self.rule(match, act, call=callback)

    def cut_within(self, match: Match, keep: int) -> Rule:
        """The first bytes of the frame pass, then the connection is reset."""
        return self.rule(match, "CUT", keep=keep)

    def sent(self, *methods: str) -> list[Message]:
        return [message for message in list(self.requests) if message.method in methods]

    # --- the thread ---------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def _now(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return self._do(run())

    async def _start(self) -> None:
        self._flow = asyncio.Event()
        self._flow.set()
        await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
        self._end_all(reset=False)

    async def _stop(self) -> None:
        await self._refuse()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _end_all(self, reset: bool) -> int:
        for link in self._links.values():
            link.end(reset=reset)
        return len(self._links)

    def _swallow(self) -> None:
        for link in self._links.values():
            link.is_swallowed = True
            link.writers[1].transport.abort()

    # --- one connection -----------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.accept_times.append(time.monotonic())
        number = self.accepted
        try:
            await self._flow.wait()
            there, to_venue = await asyncio.open_connection(HOST, self.target_port, limit=1 << 26)
        except OSError:
            writer.close()
            return
        link = self._links[number] = _Link(number, (writer, to_venue))
        up = asyncio.ensure_future(self._pump(link, reader, to_venue, True))
        down = asyncio.ensure_future(self._pump(link, there, writer, False))
        try:
            await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
            up.cancel()
            down.cancel()
            await asyncio.wait([up, down])
            while link.is_swallowed and await reader.read(65536):
                pass
        except OSError:
            pass
        finally:
            link.end()
            del self._links[number]

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_request: bool,
    ) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await self._write(writer, head)
            if b"upgrade: websocket" in head.lower():
                while True:
                    await self._frame(link, reader, writer, is_request)
            while data := await reader.read(65536):
                await self._write(writer, data)
        except (OSError, EOFError):
            return

    async def _frame(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_request: bool,
    ) -> None:
        opcode, payload, raw = await read_frame(reader)
        if opcode not in DATA:
            await self._write(writer, raw)
            return
        message = Message(is_request, link.number, link.counts[is_request], payload, time.time())
        link.counts[is_request] += 1
        if is_request:
            self.requests.append(message)
            link.methods[message.json.get("id")] = message.method
        elif message.json.get("id") in link.methods:  # an answer is named after its request
            message.json["method"] = "answer:" + link.methods.pop(message.json["id"])
        rule = next((rule for rule in self.rules if rule.takes(message)), None)
        if rule is not None:
            raw = await self._strike(rule, message, raw, writer)
        if rule is not None and rule.act == "SWAP":
            link.held[is_request].append(raw)
        else:
            held, link.held[is_request] = link.held[is_request], []
            await self._write(writer, b"".join([raw, *held]))

    async def _strike(
        self, rule: Rule, message: Message, raw: bytes, writer: asyncio.StreamWriter
    ) -> bytes:
        """What passes instead of the frame."""
        rule.seen.append(message)
        if rule.call is not None:
            await asyncio.to_thread(rule.call, message)
        if rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        if rule.change is not None:
            raw = make_frame(rule.change(message.payload), message.is_request)
        if rule.act == "CUT":
            await self._write(writer, raw[: rule.keep])
            self._links[message.link].end(reset=True)
        return {"DROP": b"", "DUPLICATE": raw * 2, "CUT": b""}.get(rule.act, raw)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        await self._flow.wait()
        step = self.slice_bytes or len(data) or 1
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if self.slice_bytes:
                await asyncio.sleep(0)
        if self.rate:
            await asyncio.sleep(len(data) / self.rate)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Opcode, payload without mask, and the frame's bytes (RFC 6455, section 5.2)."""
    head = await reader.readexactly(2)
    size, is_masked = head[1] & 0x7F, head[1] & 0x80
    if size >= 126:
        more = await reader.readexactly(2 if size == 126 else 8)
        head, size = head + more, int.from_bytes(more, "big")
    mask = await reader.readexactly(4) if is_masked else b""
    body = await reader.readexactly(size)
    return head[0] & 0x0F, unmasked(body, mask), head + mask + body


def unmasked(body: bytes, mask: bytes) -> bytes:
    if not mask or not body:
        return body
    whole = (mask * (len(body) // 4 + 1))[: len(body)]
    return (int.from_bytes(body, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(body), "big")


def make_frame(payload: bytes, is_masked: bool) -> bytes:
    """A text frame; its mask is zero, so that what is sent can be read."""
    bit, size = 0x80 if is_masked else 0, len(payload)
    if size < 126:
        head = bytes((0x81, bit | size))
    elif size < 65536:
        head = bytes((0x81, bit | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x81, bit | 127)) + size.to_bytes(8, "big")
    return head + (bytes(4) if is_masked else b"") + payload


def calls(*methods: str) -> Match:
    """Requests of these methods."""
    return lambda message: message.is_request and message.method in methods


def answers(*methods: str) -> Match:
    """Answers to requests of these methods."""
    return lambda message: (
        not message.is_request and message.method in [f"answer:{method}" for method in methods]
    )


def notifications(start: str) -> Match:
    """Notifications of channels that begin so."""
    return lambda message: not message.is_request and message.channel.startswith(start)
