"""The engine at the simulated venue, in virtual time: what is asked, told and journaled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from common import config as configuration, core as c, messages as m
from common.config import LimitsConfig
from common.domain.backoff import Backoff
from common.venues import load
from common.venues.contract import Capabilities
from services.market_data.core import MarketData
from services.strategy_host.virtual import VirtualDesk
from services.trading_engine import records
from services.trading_engine.core import TradingEngine
from services.venue_simulator import control
from services.venue_simulator.core import VenueSimulator

DEMO = Path(__file__).parents[3] / "config" / "demo.yaml"
START_NS = 1_790_000_000_000_000_000
PERP = "deribit.BTC-PERPETUAL"
ORDERS, ENGINE = "orders.deribit.main", "trading_engine.deribit.main"
SMALL = {"option_expiries": 2, "strikes_per_expiry": 4}


class Client:
    """Asks for things and keeps the answers."""

    def __init__(self) -> None:
        self.replies: list[m.CommandReply] = []

    def handle(self, event: Any, now_ns: int) -> list[Any]:
        if isinstance(event, c.Replied):
            self.replies.append(event.reply)
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        return []


class SimulatedDesk:
    """Market data, trading engine and venue. messages: orders, fills and instruments that were
    published, by topic."""

    def __init__(
        self, capabilities: Capabilities | None = None, limits: LimitsConfig | None = None
    ) -> None:
        self._config = config = configuration.load(DEMO)
        settings = config.venue("deribit")
        self._capabilities = capabilities or load("deribit").capabilities
        self._limits = limits or LimitsConfig()
        self._starts = 0
        self._asked = 0
        self.desk = VirtualDesk(START_NS)
        self.messages: list[tuple[str, m.Event]] = []
        self.desk.tap = self._keep
        simulator = msgspec.structs.replace(config.simulators[0], **SMALL)
        self.venue = VenueSimulator(load("deribit"), simulator, START_NS)
        self.desk.set_venue(self.venue)
        feed = MarketData(
            "deribit",
            settings.websocket_url,
            settings.market_data,
            lambda: load("deribit").feed(self._key),
            load("deribit").reference(settings.http_url),
            lambda: 0.5,
        )
        self.desk.add("market_data.deribit", feed, publisher="md.deribit")
        self.desk.add(ENGINE, self.make(), publisher="order_events.deribit.main", router=ORDERS)
        self.client = Client()
        self._node = self.desk.add("client", self.client, publisher="client")
        self.run_till(lambda: self.desk.nodes[ENGINE].state.state == "ready")
        self.run_till(lambda: any(isinstance(x, m.InstrumentList) for _, x in self.messages))
        self.desk.run_for(1)

    def _keep(self, topic: str, message: m.Event) -> None:
        if isinstance(message, m.OrderUpdated | m.Fill | m.InstrumentList):
            self.messages.append((topic, message))

    @property
    def _key(self) -> Any:
        return configuration.credentials(self._config.account("deribit", "main").credentials)

    def make(self, journal: list[Any] | None = None) -> TradingEngine:
        """An engine that starts on this journal."""
        account = self._config.account("deribit", "main")
        self._starts += 1
        return TradingEngine(
            "deribit",
            msgspec.structs.replace(account, limits=self._limits),
            self._config.venue("deribit").websocket_url,
            load("deribit").orders(self._key, cancel_on_disconnect=False),
            Backoff(lambda: 0.5),
            start_counter=self._starts,
            journal=records.decode(records.encode(entry) for entry in journal or []),
            capabilities=self._capabilities,
        )

    def restart_engine(self) -> None:
        """Kill the engine; another one starts on its journal."""
        journal = list(self.desk.nodes[ENGINE].journal)
        self.desk.kill(ENGINE)
        self.desk.run_for(1)
        self.desk.revive(ENGINE, self.make(journal))
        self.run_till(lambda: self.desk.nodes[ENGINE].state.state == "ready")

    def control(self, action: control.Action) -> dict[str, Any]:
        result, outputs = self.venue.control.run(action, self.desk.now_ns)
        self.desk._do_venue(outputs)
        return result

    def run_till(self, is_so: Callable[[], bool], limit_s: float = 60) -> None:
        self.desk.run_till(is_so, limit_s)

    def ask(self, command: m.Command, request_id: str = "") -> m.CommandReply:
        """Ask, and wait for the one answer."""
        self._asked += 1
        known = len(self.client.replies)
        request = c.Request(ORDERS, request_id or f"t{self._asked}", command)
        self.desk._do(self._node, [request])
        self.run_till(lambda: len(self.client.replies) > known)
        return self.client.replies[-1]

    def order(self, client_order_id: str) -> m.OrderUpdated:
        """As it was published last."""
        found = (x for _, x in reversed(self.messages) if isinstance(x, m.OrderUpdated))
        return next(x for x in found if x.client_order_id == client_order_id)

    def reach(self, client_order_id: str, status: m.OrderStatus) -> m.OrderUpdated:
        """Wait until the order is so."""
        self.run_till(lambda: self.order(client_order_id).status is status)
        return self.order(client_order_id)

    def open_orders(self) -> list[m.OrderUpdated]:
        return self.ask(m.QueryOrders()).orders

    def fills(self) -> list[m.Fill]:
        return [x for _, x in self.messages if isinstance(x, m.Fill)]

    def price(self, instrument: str = PERP, factor: float = 1.0, tick: str = "0.5") -> Decimal:
        """So many times the market, on the tick."""
        return Decimal(round(self._mark(instrument) * factor / float(tick))) * Decimal(tick)

    def ticker(self, instrument: str) -> m.Ticker:
        """As the engine knows it."""
        self._mark(instrument)
        ticker = self.desk.nodes[ENGINE].core._state.market.ticker(instrument)
        assert ticker is not None
        return ticker

    def _mark(self, instrument: str) -> float:
        market = self.desk.nodes[ENGINE].core._state.market
        prices = market.prices(instrument, self.desk.now_ns)
        if prices.mark is None:
            for command in market.watch(instrument, self.desk.now_ns):
                self.desk._do(self.desk.nodes[ENGINE], [command])
            self.run_till(lambda: market.prices(instrument, 0).mark is not None)
            prices = market.prices(instrument, self.desk.now_ns)
        return float(prices.mark or 0)
