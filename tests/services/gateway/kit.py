"""A gateway core with clients, played without sockets or clocks."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from common import core as c, messages as m
from common.config import AccountConfig, DeskConfig, GatewayConfig, KeyConfig, VenueConfig
from services.gateway.core import GatewayCore
from services.gateway.events import (
    ClientOpened,
    ClientRequest,
    CloseClient,
    GatewayEvent,
    HttpAnswer,
    HttpCalled,
    Send,
)
from tests.services.gateway.fake_desk import definition, instruments

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
BTC = "deribit.BTC-PERPETUAL"
ETH = "deribit.ETH-PERPETUAL"
ENGINE = "orders.deribit.main"
KEYS = [
    KeyConfig("demo", secret="demo-secret", scopes=["read", "trade", "cancel", "admin"]),
    KeyConfig("reader", secret="reader-secret", scopes=["read"]),
    KeyConfig("trader", secret="trader-secret", scopes=["read", "trade"]),
    KeyConfig("stopper", secret="stopper-secret", scopes=["cancel"]),
]


def config(**changes: Any) -> DeskConfig:
    gateway = GatewayConfig(**({"keys": KEYS} | changes))
    venue = VenueConfig("ws://127.0.0.1:1", "http://127.0.0.1:1", accounts=[AccountConfig("main")])
    other = VenueConfig("ws://127.0.0.1:2", "http://127.0.0.1:2")
    return DeskConfig("test", {"deribit": venue, "other": other}, gateway=gateway)


def order(number: int = 1, **changes: Any) -> m.OrderUpdated:
    fields: dict[str, Any] = dict(
        client_order_id=str(2**63 + (1 << 55) + number),
        venue_order_id=f"V-{number}",
        instrument=BTC,
        venue="deribit",
        account="main",
        owner="trader",
        side=m.Side.BUY,
        order_type=m.OrderType.LIMIT,
        price=m.Exact("50000.5"),
        quantity=m.Exact("100"),
        time_in_force=m.TimeInForce.GTC,
        status=m.OrderStatus.NEW,
        cum_quantity=m.Exact("0"),
        leaves_quantity=m.Exact("100"),
        avg_price=None,
        event=m.OrderTrigger.ACCEPTED,
        revision=1,
        created_ns=T0,
        updated_ns=T0,
    )
    return m.OrderUpdated(**(fields | changes))


class Desk:
    """Feeds one core and sorts what it returns: frames by client, answers by call, the rest."""

    def __init__(self, settings: DeskConfig | None = None) -> None:
        self.core = GatewayCore(settings or config())
        self.now = T0
        self.frames: dict[int, list[Any]] = {}
        self.answers: dict[int, tuple[int, Any]] = {}
        self.closed: dict[int, int] = {}
        self.asked: list[c.Request] = []
        self.topics: list[str] = []
        self.left: list[str] = []
        self.latched: list[c.SetLatch] = []
        self.wakes: list[int] = []
        self._sequences: dict[str, int] = {}
        self._calls = 0
        self.feed(c.Started())
        listed = instruments(8)
        self.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, listed))
        twin = definition("BTC-PERPETUAL", m.InstrumentKind.PERPETUAL, "BTC")
        same = msgspec.structs.replace(twin, instrument="other.BTC-25DEC26", venue="other")
        same = msgspec.structs.replace(same, symbol="BTC-25DEC26")
        self.bus("instruments.other", m.InstrumentList("other", 0, 1, [same]))
        self.topics.clear()

    def feed(self, event: GatewayEvent) -> None:
        self.take(self.core.handle(event, self.now))

    def take(self, commands: Any) -> None:
        self.latched += [command for command in commands if isinstance(command, c.SetLatch)]
        for command in commands:
            match command:
                case Send():
                    decode = msgspec.msgpack.decode if command.binary else json.loads
                    for client in command.clients:
                        self.frames.setdefault(client, []).append(decode(command.payload))
                case HttpAnswer():
                    self.answers[command.call] = command.status, json.loads(command.body)
                case CloseClient():
                    self.closed[command.client] = command.code
                case c.Request():
                    self.asked.append(command)
                case c.Subscribe():
                    self.topics.append(command.topic)
                case c.Unsubscribe():
                    self.left.append(command.topic)
                case c.WakeAt():
                    self.wakes.append(command.ns)

    def later(self, seconds: float) -> None:
        """Let time pass; what is due happens."""
        self.now += round(seconds * SECOND)
        self.take(self.core.on_time(self.now))
        self.take(self.core.on_second(self.now))

    def bus(self, topic: str, message: m.Event, start_ns: int = 7) -> None:
        sequence = self._sequences[topic] = self._sequences.get(topic, 0) + 1
        event = c.BusMessage(topic, message, sequence, start_ns, 0, self.now, self.now, self.now)
        self.feed(event)

    def book(self, bids: list[float], asks: list[float], instrument: str = BTC) -> None:
        self.bus(f"book.{instrument}", m.BookSnapshot(instrument, bids, asks))

    def delta(self, bids: list[float], asks: list[float], instrument: str = BTC) -> None:
        self.bus(f"book.{instrument}", m.BookDelta(instrument, bids, asks))

    def client(self, number: int = 1, key: str = "", binary: bool = False) -> int:
        header = f"Bearer {key}.{key}-secret" if key else ""
        self.feed(ClientOpened(number, binary, "127.0.0.1", header))
        return number

    def send(self, client: int, payload: bytes | str, text: bool = True) -> Any:
        """One frame; what came back first."""
        before = len(self.frames.get(client, []))
        raw = payload.encode() if isinstance(payload, str) else payload
        self.feed(ClientRequest(client, raw, text))
        after = self.frames.get(client, [])
        return after[before] if len(after) > before else None

    def call(self, client: int, method: str, **params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.send(client, json.dumps(request))

    def subscribe(self, client: int, *channels: str) -> Any:
        return self.call(client, "subscribe", channels=list(channels))["result"]

    def data(self, client: int) -> list[Any]:
        """The data of the notifications so far, and forget them."""
        frames = self.frames.pop(client, [])
        return [frame["params"]["data"] for frame in frames if frame.get("method")]

    def http(self, method: str, key: str = "demo", **params: Any) -> int:
        """Begin a call over HTTP; its answer, once there, is in answers."""
        self._calls += 1
        header = f"Bearer {key}.{key}-secret" if key else ""
        self.feed(HttpCalled(self._calls, method, params, "127.0.0.1", header))
        return self._calls

    def ask(self, method: str, key: str = "demo", **params: Any) -> tuple[int, Any]:
        """A call over HTTP that is answered at once."""
        return self.answers[self.http(method, key, **params)]

    def reply(self, **fields: Any) -> None:
        """The engine's answer to the last request."""
        request = self.asked[-1]
        reply = m.CommandReply(request.request_id, **fields)
        self.feed(c.Replied(request.target, request.request_id, reply))
