"""A simulated Deribit in this process, without sockets and with a clock set by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from common.config import SimulatorAccountConfig, SimulatorConfig
from common.core import Started
from common.venues import load
from common.venues.serving import CloseConnection, HttpRequest, SendFrame
from services.venue_simulator.core import (
    ConnectionClosed,
    FrameReceived,
    HttpAsked,
    VenueSimulator,
)
from services.venue_simulator.faults import AnswerHttp

START_NS = 1_790_000_000_000_000_000  # 21 Sep 2026, 14:13:20 UTC
MS_NS = 1_000_000
PERPETUAL = "BTC-PERPETUAL"
BALANCES = {"BTC": "100", "ETH": "1000", "USDC": "5000000", "USDT": "100000"}
ACCOUNTS = [
    SimulatorAccountConfig("AMANDA", "AMANDASECRECT", BALANCES, limited=False),
    SimulatorAccountConfig("BOB", "bob-secret", BALANCES, limited=False),
    SimulatorAccountConfig("LIMITED", "limited-secret", BALANCES),
    SimulatorAccountConfig("READER", "reader-secret", BALANCES, scopes="trade:read account:read"),
]


class Venue:
    """The whole simulated venue; time passes only by `pass_ms`."""

    def __init__(self, **settings: Any) -> None:
        config = SimulatorConfig(
            venue="deribit",
            port=1,
            accounts=ACCOUNTS,
            option_expiries=2,
            strikes_per_expiry=4,
            **settings,
        )
        self.now_ns = START_NS
        self.core = VenueSimulator(load("deribit"), config, self.now_ns)
        self._clients: dict[int, Client] = {}
        self._deliver(self.core.handle(Started(), self.now_ns))

    @property
    def now_ms(self) -> int:
        return self.now_ns // MS_NS

    def connect(self, address: str = "127.0.0.1") -> Client:
        number = len(self._clients) + 1
        assert self.core.accept(number, address, self.now_ns)
        self._clients[number] = Client(self, number)
        return self._clients[number]

    def pass_ms(self, ms: int) -> None:
        end_ns = self.now_ns + ms * MS_NS
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + 10 * MS_NS, end_ns)
            self._deliver(self.core.on_time(self.now_ns))

    def receive(self, number: int, payload: bytes) -> None:
        self._deliver(self.core.handle(FrameReceived(number, payload), self.now_ns))

    def disconnect(self, number: int) -> None:
        self._deliver(self.core.handle(ConnectionClosed(number), self.now_ns))

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        return self.http("GET", f"/api/v2/{path}", b"", headers)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.http("POST", path, payload, headers)

    def http(
        self, method: str, uri: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        asked = HttpAsked(1, HttpRequest(method, uri, headers, body, "127.0.0.1"))
        commands = self.core.handle(asked, self.now_ns)
        answers = [command for command in commands if isinstance(command, AnswerHttp)]
        self._deliver(commands)
        assert len(answers) == 1
        answer = answers[0].answer
        return answer.status, msgspec.json.decode(answer.body)

    def _deliver(self, commands: Any) -> None:
        for command in commands:
            if isinstance(command, SendFrame):
                for number in command.connections:
                    self._clients[number].frames.append(msgspec.json.decode(command.payload))
            elif isinstance(command, CloseConnection):
                self._clients[command.connection].closed_with = command.reason


class Client:
    """One WebSocket connection; frames: all that arrived and was not taken yet."""

    def __init__(self, venue: Venue, number: int) -> None:
        self.venue, self.number = venue, number
        self.frames: list[dict[str, Any]] = []
        self.closed_with = ""
        self._id = 0

    def send(self, payload: bytes) -> dict[str, Any]:
        """The answer to one raw frame."""
        before = len(self.frames)
        self.venue.receive(self.number, payload)
        found = [f for f in self.frames[before:] if "result" in f or "error" in f]
        assert len(found) == 1, found
        self.frames.remove(found[0])
        return found[0]

    def call(self, method: str, params: Any = None, **named: Any) -> dict[str, Any]:
        self._id += 1
        body = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params or named}
        answer = self.send(msgspec.json.encode(body))
        assert answer["id"] == self._id
        return answer

    def ask(self, method: str, **named: Any) -> Any:
        """The result of a call that must succeed."""
        answer = self.call(method, **named)
        assert "result" in answer, answer
        return answer["result"]

    def refused(self, method: str, **named: Any) -> tuple[int, str, str]:
        """Code, message and parameter of a call that must fail."""
        answer = self.call(method, **named)
        assert "error" in answer, answer
        error = answer["error"]
        return error["code"], error["message"], error.get("data", {}).get("param", "")

    def login(self, client_id: str = "AMANDA", scope: str = "") -> Client:
        secret = next(a.client_secret for a in ACCOUNTS if a.client_id == client_id)
        params = {"client_id": client_id, "client_secret": secret}
        params |= {"scope": scope} if scope else {}
        self.ask("public/auth", grant_type="client_credentials", **params)
        return self

    def take(self, channel: str) -> list[Any]:
        """The data of this channel's notifications since the last time."""
        mine = [f for f in self.frames if f.get("params", {}).get("channel") == channel]
        self.frames = [f for f in self.frames if f not in mine]
        return [f["params"]["data"] for f in mine]

    def leave(self) -> None:
        self.venue.disconnect(self.number)
