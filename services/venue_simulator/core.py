"""The core of a simulated venue: market, exchange and protocol server on one clock.

Generic: the protocol server is the `simulator` of a venue folder, the rest is shared. Connections
and HTTP requests come in as events of this module, what to send goes out as its commands and those
of common/venues/serving.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from common import core as c
from common.config import SimulatorConfig
from common.core import Data
from common.errors import ConfigError
from common.messages import InstrumentDefinition
from common.venues.contract import Venue
from common.venues.serving import HttpAnswer, HttpRequest, ProtocolServer
from services.venue_simulator.exchange import Exchange
from services.venue_simulator.market import Market

# Orders and trades are numbered from the milliseconds since 2020, so that a restart repeats none.
NUMBERS_SINCE_NS = 1_577_836_800_000_000_000
STEP_NS = 10_000_000  # the market moves in steps of this, so that its work comes in batches


class FrameReceived(Data):
    connection: int
    payload: bytes


class ConnectionClosed(Data):
    connection: int


class HttpAsked(Data):
    """number: of this request, for its answer."""

    number: int
    request: HttpRequest


class AnswerHttp(Data):
    number: int
    answer: HttpAnswer


class SimulatedWorld:
    """Market and exchange of one venue: what a protocol server lists goes to both."""

    def __init__(self, config: SimulatorConfig, now_ns: int) -> None:
        self.market = Market(config)
        first_number = (now_ns - NUMBERS_SINCE_NS) // 1_000_000
        self.exchange = Exchange((), self.market, config.accounts, first_number=first_number)

    def index_price(self, name: str, at_ns: int) -> float:
        return self.market.index_price(name, at_ns)

    def list_instruments(self, definitions: Sequence[InstrumentDefinition], now_ns: int) -> None:
        self.market.forget_expired(now_ns)
        self.market.add(definitions)
        for definition in definitions:
            self.exchange.list_instrument(definition, now_ns)


class VenueSimulator:
    """One simulated venue."""

    def __init__(self, venue: Venue, config: SimulatorConfig, now_ns: int) -> None:
        self._offset_ns = _start_ns(config, now_ns) - now_ns
        venue_ns = now_ns + self._offset_ns
        self._world = SimulatedWorld(config, venue_ns)
        self.server: ProtocolServer = venue.simulator(
            config, self._world.exchange, self._world, venue_ns
        )

    def accept(self, connection: int, address: str, now_ns: int) -> bool:
        """Whether a new WebSocket connection is welcome."""
        return self.server.open(connection, address, now_ns + self._offset_ns)

    def handle(self, event: Any, now_ns: int) -> Sequence[Any]:
        """Returns the commands named in the module's docstring, and those of common/core.py."""
        venue_ns = now_ns + self._offset_ns
        match event:
            case FrameReceived(connection, payload):
                return self.server.receive(connection, payload, venue_ns)
            case HttpAsked(number, request):
                answer, outputs = self.server.http(request, venue_ns)
                return [AnswerHttp(number, answer), *outputs]
            case ConnectionClosed(connection):
                return self.server.closed(connection, venue_ns)
            case c.Started():
                return [c.SetState("ready"), *self.on_time(now_ns)]
        return []

    def on_time(self, now_ns: int) -> Sequence[Any]:
        venue_ns = now_ns + self._offset_ns
        self._world.exchange.advance(venue_ns)
        return [*self.server.on_time(venue_ns), c.WakeAt(now_ns + STEP_NS)]


def _start_ns(config: SimulatorConfig, now_ns: int) -> int:
    """The venue's time at its start."""
    if not config.starts_at:
        return now_ns
    try:
        start = datetime.fromisoformat(config.starts_at)
    except ValueError:
        raise ConfigError("config", "simulators.starts_at", "is not an ISO 8601 time") from None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return int(start.timestamp()) * 1_000_000_000
