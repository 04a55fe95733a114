"""The core of a simulated venue: market, exchange and protocol server on one clock.

Generic: the protocol server is the `simulator` of a venue folder, the rest is shared. Connections
and HTTP requests come in as events of this module, what to send goes out as its commands and those
of common/venues/serving.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from common import core as c
from common.config import SimulatorConfig
from common.core import Data
from common.errors import ConfigError, PeerError
from common.messages import InstrumentDefinition
from common.venues.contract import Venue
from common.venues.serving import HttpAnswer, HttpRequest, ProtocolServer
from services.venue_simulator.control import Clock, Control, parse, refusal
from services.venue_simulator.exchange import Exchange
from services.venue_simulator.faults import AnswerHttp, Faults
from services.venue_simulator.market import Market
from services.venue_simulator.replay import Recording, ReplayMarket
from services.venue_simulator.truth import Witness, WriteTruth

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


class ControlAsked(Data):
    """An action of the control interface (control.py), answered as HttpAsked is."""

    number: int
    action: str
    body: bytes


class SimulatedWorld:
    """Market and exchange of one venue: what a protocol server lists goes to both."""

    def __init__(
        self, config: SimulatorConfig, now_ns: int, recording: Recording | None = None
    ) -> None:
        self._recorded: Sequence[InstrumentDefinition] | None = None
        if recording is None:
            self.market = Market(config)
        else:
            self.market = market = ReplayMarket(config, recording, now_ns)
            self._recorded = market.definitions
        first_number = (now_ns - NUMBERS_SINCE_NS) // 1_000_000
        self.exchange = Exchange((), self.market, config.accounts, first_number=first_number)

    def recorded(self) -> Sequence[InstrumentDefinition] | None:
        return self._recorded

    def index_price(self, name: str, at_ns: int) -> float:
        return self.market.index_price(name, at_ns)

    def volatility(self, base: str, at_ns: int) -> float:
        return self.market.volatility(base, at_ns)

    def list_instruments(self, definitions: Sequence[InstrumentDefinition], now_ns: int) -> None:
        self.market.forget_expired(now_ns)
        self.market.add(definitions)
        for definition in definitions:
            self.exchange.list_instrument(definition, now_ns)


class VenueSimulator:
    """One simulated venue.

    Attributes:
        control: what tests do to it beyond what clients can.
    """

    def __init__(
        self,
        venue: Venue,
        config: SimulatorConfig,
        now_ns: int,
        recording: Recording | None = None,
    ) -> None:
        """recording: what the market is, in place of a made-up one."""
        self._clock = Clock(_start_ns(config, now_ns) - now_ns)
        venue_ns = self._clock.at(now_ns)
        self._world = SimulatedWorld(config, venue_ns, recording)
        exchange = self._world.exchange
        self.server: ProtocolServer = venue.simulator(config, exchange, self._world, venue_ns)
        self._witness = Witness(exchange) if config.truth_log else None
        self._faults = Faults(self.server.controls.client_of)
        self.control = Control(
            self.server.controls, exchange, self._world.market, self._faults, self._clock
        )

    def accept(self, connection: int, address: str, now_ns: int) -> bool:
        """Whether a new WebSocket connection is welcome."""
        return self.server.open(connection, address, self._clock.at(now_ns))

    def handle(self, event: Any, now_ns: int) -> Sequence[Any]:
        """Returns the commands named in the module's docstring, and those of common/core.py."""
        outputs = self._faults.pass_on(self._handle(event, now_ns), now_ns)
        return [*outputs, *self._noted()]

    def _noted(self) -> Sequence[WriteTruth]:
        return self._witness.take() if self._witness is not None else ()

    def _handle(self, event: Any, now_ns: int) -> Sequence[Any]:
        venue_ns = self._clock.at(now_ns)
        match event:
            case FrameReceived(connection, payload):
                return self.server.receive(connection, payload, venue_ns)
            case HttpAsked(number, request):
                answer, outputs = self.server.http(request, venue_ns)
                return [AnswerHttp(number, answer), *outputs]
            case ConnectionClosed(connection):
                return self.server.closed(connection, venue_ns)
            case ControlAsked():
                return self._controlled(event, now_ns)
            case c.Started():
                return [c.SetState("ready"), *self.on_time(now_ns)]
        return []

    def _controlled(self, asked: ControlAsked, now_ns: int) -> list[Any]:
        try:
            result, outputs = self.control.run(parse(asked.action, asked.body), now_ns)
        except PeerError as error:
            answer = HttpAnswer(400, msgspec.json.encode(refusal(error)))
            return [AnswerHttp(asked.number, answer)]
        return [AnswerHttp(asked.number, HttpAnswer(200, msgspec.json.encode(result))), *outputs]

    def on_time(self, now_ns: int) -> Sequence[Any]:
        venue_ns = self._clock.at(now_ns)
        self._world.exchange.advance(venue_ns)
        outputs = self._faults.pass_on(self.server.on_time(venue_ns), now_ns)
        late = self._faults.on_time(now_ns)
        return [*late, *outputs, *self._noted(), c.WakeAt(now_ns + STEP_NS)]


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
