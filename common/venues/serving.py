"""The contract between a venue's protocol server and the process that gives it sockets.

The server side of a venue (common/venues/<venue>/simulator) is pure: what a connection sent comes
in as bytes, what to send goes out as the outputs below. services/venue_simulator owns the sockets
and the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from common.core import Data
from common.messages import InstrumentDefinition


class World(Protocol):
    """What a protocol server needs besides the exchange: which instruments it lists depends on
    prices, and new ones concern the market as well as the exchange."""

    def index_price(self, name: str, at_ns: int) -> float: ...

    def list_instruments(
        self, definitions: Sequence[InstrumentDefinition], now_ns: int
    ) -> None: ...


class SendFrame(Data):
    """One text frame to each of these connections; encoded once for all of them."""

    connections: tuple[int, ...]
    payload: bytes


class CloseConnection(Data):
    """Close with this WebSocket code and reason once what was queued before is sent."""

    connection: int
    code: int
    reason: str


Output = SendFrame | CloseConnection


class HttpRequest(Data):
    """One HTTP request. uri: path and query exactly as sent."""

    method: str
    uri: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    address: str


class HttpAnswer(Data):
    status: int
    body: bytes
    content_type: str = "application/json"


class ProtocolServer(Protocol):
    """One venue's wire protocol over a SimulatedExchange."""

    websocket_paths: tuple[str, ...]
    http_prefixes: tuple[str, ...]

    def open(self, connection: int, address: str, now_ns: int) -> bool:
        """A WebSocket asks to connect; False: refused, its address has too many."""
        ...

    def receive(self, connection: int, payload: bytes, now_ns: int) -> list[Output]: ...

    def closed(self, connection: int, now_ns: int) -> list[Output]:
        """The connection is gone, whoever ended it."""
        ...

    def http(self, request: HttpRequest, now_ns: int) -> tuple[HttpAnswer, list[Output]]: ...

    def on_time(self, now_ns: int) -> list[Output]:
        """Called every few milliseconds, after the exchange has advanced."""
        ...
