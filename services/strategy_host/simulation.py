"""A strategy in simulated time: the whole desk against the simulated venue, on a virtual clock.

The strategy is the same class and sits in the same host as live; market data, engine, position
server and venue are the real cores and speak the venue's real protocol. The same strategy, seed and
start give the same orders, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from common import config as configuration, messages as m
from common.config import DeskConfig, SimulatorConfig, StrategyConfig
from common.core import Stopping
from common.domain.backoff import Backoff
from common.errors import ConfigError
from common.strategy import Parameters, Strategy
from common.venues import load
from services.market_data.core import MarketData
from services.position_server.core import PositionServer
from services.strategy_host import loading, memory
from services.strategy_host.core import StrategyHost
from services.strategy_host.virtual import MS, NS_PER_S, Recorder, VirtualDesk
from services.trading_engine import records
from services.trading_engine.core import TradingEngine
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.recordings import recorded_market

START_NS = 1_790_000_000_000_000_000
WARM_UP_S = 60.0
SMALL = {"option_expiries": 2, "strikes_per_expiry": 6}


class Summary(msgspec.Struct, frozen=True):
    """What a run came to. pnl: less fees, at the last marks, by currency."""

    seconds: float
    placed: int
    order_events: int
    fills: int
    maker_fills: int
    volume: dict[str, Decimal]  # by instrument, in its unit
    positions: dict[str, Decimal]
    pnl: dict[str, Decimal]
    rejects: dict[str, int]
    restarts: int
    state: str
    last_error: str


class Simulation:
    """One strategy on a virtual desk.

    Args:
        config: gives the venue, its simulator and the account; the seed is replaced.
        loaded: the strategy and its parameters.
        venue_step_ns: how finely the market moves.
        simulator: fields of the simulator's configuration to replace, e.g. replay=[FILE]: the
            recording is the market then.
    """

    def __init__(
        self,
        config: DeskConfig,
        strategy: StrategyConfig,
        loaded: loading.Loaded,
        *,
        seed: int = 7,
        start_ns: int = START_NS,
        venue_step_ns: int = 10 * MS,
        **simulator: Any,
    ) -> None:
        self._config, self._strategy = config, strategy
        self._place = f"{strategy.venue}.{strategy.account}"
        self._name = f"strategy_host.{strategy.name}"
        self._engine = f"trading_engine.{self._place}"
        self._engine_starts = 0
        self._restarts = 0
        self._start_ns = start_ns
        self.desk = VirtualDesk(start_ns, venue_step_ns)
        self.record = Recorder((m.OrderUpdated, m.Fill))
        self.desk.tap = self.record
        changes: dict[str, Any] = {**SMALL, "seed": seed, "starts_at": "", **simulator}
        settings = msgspec.structs.replace(self._simulator(), **changes)
        venue = load(strategy.venue)
        recording = recorded_market(settings)
        self.desk.set_venue(VenueSimulator(venue, settings, start_ns, recording))
        self._add_servers()
        self._memory = memory.Memory()
        publisher = f"health.{self._name}"
        router = f"strategies.{strategy.name}"
        self.desk.add(self._name, self._host(loaded), publisher=publisher, router=router)

    # --- building -----------------------------------------------------------------------------

    def _simulator(self) -> SimulatorConfig:
        for simulator in self._config.simulators:
            if simulator.venue == self._strategy.venue:
                return simulator
        problem = f"no simulator of {self._strategy.venue}: a simulation needs one"
        raise ConfigError("config", "simulators", problem)

    def _add_servers(self) -> None:
        venue_name, place = self._strategy.venue, self._place
        venue, settings = load(venue_name), self._config.venue(venue_name)
        account = self._config.account(venue_name, self._strategy.account)
        key = settings.market_data.read_only_credentials
        read_only = configuration.credentials(key) if key is not None else None
        market_data = MarketData(
            venue_name,
            settings.websocket_url,
            settings.market_data,
            lambda: venue.feed(read_only),
            venue.reference(settings.http_url),
            _half,
        )
        own = configuration.credentials(account.credentials)
        positions = PositionServer(
            venue_name,
            account.name,
            venue.account(own, account=account.name),
            settings.websocket_url,
            account.exposure_limits,
            Backoff(_half),
        )
        add = self.desk.add
        add(f"market_data.{venue_name}", market_data, publisher=f"md.{venue_name}")
        add(
            f"trading_engine.{place}",
            self._trading_engine([]),
            publisher=f"order_events.{place}",
            router=f"orders.{place}",
        )
        add(f"position_server.{place}", positions, publisher=f"positions.{place}")

    def _trading_engine(self, journal: list[Any]) -> TradingEngine:
        venue_name = self._strategy.venue
        account = self._config.account(venue_name, self._strategy.account)
        cancel = account.on_disconnect == "cancel"
        entry = load(venue_name).orders(
            configuration.credentials(account.credentials), cancel_on_disconnect=cancel
        )
        self._engine_starts += 1
        return TradingEngine(
            venue_name,
            account,
            self._config.venue(venue_name).websocket_url,
            entry,
            Backoff(_half),
            start_counter=self._engine_starts,
            journal=records.decode(records.encode(entry) for entry in journal),
            capabilities=load(venue_name).capabilities,
        )

    def _host(self, loaded: loading.Loaded) -> StrategyHost:
        self._memory.start(self.desk.now_ns)
        self._core = StrategyHost(
            self._strategy,
            self._config.account(self._strategy.venue, self._strategy.account),
            loaded.strategy,
            self._memory,
            lambda: 0,
            path=loaded.path,
            parameters=loaded.parameters,
            problem=loaded.problem,
        )
        return self._core

    # --- running ------------------------------------------------------------------------------

    @property
    def core(self) -> StrategyHost:
        return self._core

    def run(self, seconds: float) -> None:
        self.desk.run_for(seconds)

    def start(self, limit_s: float = WARM_UP_S) -> None:
        """Run until the strategy does.

        Raises:
            LocalError: it does not start.
        """
        self.desk.run_till(lambda: self.state().state in ("running", "error"), limit_s)

    def stop(self) -> None:
        """A clean stop, with the cancels seen through."""
        node = self.desk.nodes[self._name]
        self.desk.feed(node, Stopping())
        self.desk.run_till(lambda: self.state().state in ("stopped", "error"), 10.0)

    def restart_engine(self, down_s: float = 0.5) -> None:
        """Kill the trading engine; another starts on its journal."""
        node = self.desk.nodes[self._engine]
        self.desk.kill(self._engine)
        self.desk.run_for(down_s)
        self.desk.revive(self._engine, self._trading_engine(node.journal))
        self._restarts += 1

    def restart_host(self, make: Callable[[], loading.Loaded], down_s: float = 0.5) -> None:
        """Kill the strategy's host; another starts on what it kept on disk."""
        kept = [memory.encode(record) for record in self.desk.nodes[self._name].journal]
        self._memory = memory.Memory().replay(memory.decode(kept))
        self._memory.run = self._memory.run or self._start_ns // MS
        self.desk.kill(self._name)
        self.desk.run_for(down_s)
        self.desk.revive(self._name, self._host(make()))
        self._restarts += 1

    # --- looking ------------------------------------------------------------------------------

    def state(self) -> m.StrategyState:
        return self._core.report()

    def orders_as_bytes(self) -> bytes:
        """Every order event and fill of the run, for comparing two runs."""
        return msgspec.msgpack.encode(list(self.record.messages), enc_hook=str)

    def summary(self) -> Summary:
        state = self.state()
        fills = [each for each in self.record.messages if isinstance(each, m.Fill)]
        volume: dict[str, Decimal] = {}
        for fill in fills:
            volume[fill.instrument] = volume.get(fill.instrument, Decimal(0)) + fill.last_quantity
        return Summary(
            seconds=(self.desk.now_ns - self._start_ns) / NS_PER_S,
            placed=state.placed,
            order_events=len(self.record.messages) - len(fills),
            fills=len(fills),
            maker_fills=sum(fill.liquidity is m.Liquidity.MAKER for fill in fills),
            volume=volume,
            positions={p.instrument: p.quantity for p in state.positions},
            pnl=state.pnl,
            rejects=state.rejects,
            restarts=self._restarts,
            state=state.state,
            last_error=state.last_error,
        )


def _half() -> float:
    """In place of chance, which only spreads reconnects of many clients."""
    return 0.5


def of_class(kind: type[Strategy[Any]], parameters: Parameters | None = None) -> loading.Loaded:
    """A strategy that is a class at hand, not a file."""
    return loading.Loaded("", kind(), parameters or kind.parameters_type())


def of_file(config: StrategyConfig, directory: Path) -> loading.Loaded:
    """Raises ConfigError: the file or its parameters cannot be used."""
    loaded = loading.load(config, directory)
    if loaded.strategy is None:
        raise ConfigError("strategy", "", loaded.problem)
    return loaded
