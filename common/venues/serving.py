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

    def volatility(self, base: str, at_ns: int) -> float:
        """Implied volatility of a coin's options for 30 days, percent a year."""
        ...

    def recorded(self) -> Sequence[InstrumentDefinition] | None:
        """The instruments of the recording that is the market; None if it is made up."""
        ...

    def list_instruments(
        self, definitions: Sequence[InstrumentDefinition], now_ns: int
    ) -> None: ...


class SendFrame(Data):
    """One text frame to each of these connections; encoded once for all of them.

    method: of the request that it answers; channel: whose notification it is; "" for neither.
    """

    connections: tuple[int, ...]
    payload: bytes
    method: str = ""
    channel: str = ""


class CloseConnection(Data):
    """Close with this WebSocket code and reason once what was queued before is sent.

    is_abrupt: as if the cable were cut: nothing more is sent.
    """

    connection: int
    code: int
    reason: str
    is_abrupt: bool = False


Output = SendFrame | CloseConnection


class HttpRequest(Data):
    """One HTTP request. uri: path and query exactly as sent."""

    method: str
    uri: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    address: str


class HttpAnswer(Data):
    """method: of the request that it answers, as in SendFrame."""

    status: int
    body: bytes
    content_type: str = "application/json"
    method: str = ""


class VenueControls(Protocol):
    """What tests may do to a protocol server that its clients cannot; "" as a client is all."""

    def client_of(self, connection: int) -> str:
        """Client id of who is logged in on a connection, "" for nobody."""
        ...

    def connections(self) -> list[int]: ...

    def expire_tokens(self, client_id: str, now_ns: int) -> int:
        """All logins of a client end now; their number."""
        ...

    def ban(self, client_id: str, until_ns: int) -> None:
        """Refuse a client's requests, and any connection if all are meant, until then."""
        ...

    def set_maintenance(self, is_on: bool) -> list[Output]:
        """Refuse all that trades or asks for private data, and tell who wants to know."""
        ...

    def redefine(self, definition: InstrumentDefinition) -> None:
        """An instrument has other figures from now on."""
        ...

    def add_instrument(self, symbol: str, like: str, now_ns: int) -> None:
        """List one more that differs from another by what its name says.

        Raises:
            PeerError: no instrument can have this name.
        """
        ...


class ProtocolServer(Protocol):
    """One venue's wire protocol over a SimulatedExchange."""

    websocket_paths: tuple[str, ...]
    http_prefixes: tuple[str, ...]

    @property
    def controls(self) -> VenueControls: ...

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
