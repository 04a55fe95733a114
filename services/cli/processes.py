"""The processes of a desk, as its configuration implies them."""

from __future__ import annotations

from dataclasses import dataclass, field

from common.config import DeskConfig
from common.rundir import RunDir

# Lower starts first and stops last: strategies are the first to go when the desk stops.
PRIORITIES = {
    "recorder": 50,  # from the first message to the last
    "venue_simulator": 100,
    "position_server": 200,
    "trading_engine": 300,
    "market_data": 400,
    "gateway": 500,
    "strategy_host": 600,
}


@dataclass(frozen=True)
class Process:
    """One process. beat is the endpoint its health comes from; sockets maps endpoint to kind."""

    name: str
    service: str
    beat: str
    venue: str = ""
    account: str = ""
    sockets: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    strategy: str = ""

    @property
    def priority(self) -> int:
        return PRIORITIES[self.service]

    def endpoints(self, run_dir: RunDir) -> dict[str, str]:
        """Name -> address of everything a stranger can connect to."""
        return {name: run_dir.endpoint(name) for name in self.sockets} | self.addresses


def processes(config: DeskConfig) -> list[Process]:
    """All processes of the desk on this host, in the order in which they start."""
    here = [each for each in everywhere(config) if each.beat not in config.bus.connect]
    return sorted(here, key=lambda process: process.priority)


def everywhere(config: DeskConfig) -> list[Process]:
    """All processes of the desk, those of other hosts too."""
    found = [*_simulators(config), *_venues(config), _gateway(config)]
    return [*found, *_recorder(config), *_strategies(config)]


def _simulators(config: DeskConfig) -> list[Process]:
    return [
        Process(
            name=f"venue_simulator.{simulator.venue}",
            service="venue_simulator",
            beat=f"health.venue_simulator.{simulator.venue}",
            venue=simulator.venue,
            sockets={f"health.venue_simulator.{simulator.venue}": "XPUB"},
            addresses={"venue": f"http://{simulator.host}:{simulator.port}"},
        )
        for simulator in config.simulators
    ]


def _venues(config: DeskConfig) -> list[Process]:
    found = []
    for venue, settings in config.venues.items():
        md = f"md.{venue}"
        found.append(Process(f"market_data.{venue}", "market_data", md, venue, "", {md: "XPUB"}))
        for account in settings.accounts:
            found += [_engine(venue, account.name), _position_server(venue, account.name)]
    return found


def _engine(venue: str, account: str) -> Process:
    place = f"{venue}.{account}"
    events = f"order_events.{place}"
    sockets = {f"orders.{place}": "ROUTER", events: "XPUB"}
    return Process(f"trading_engine.{place}", "trading_engine", events, venue, account, sockets)


def _position_server(venue: str, account: str) -> Process:
    place = f"{venue}.{account}"
    beat = f"positions.{place}"
    sockets = {beat: "XPUB", f"position_queries.{place}": "ROUTER", f"inventory.{place}": "PULL"}
    return Process(f"position_server.{place}", "position_server", beat, venue, account, sockets)


def _gateway(config: DeskConfig) -> Process:
    return Process(
        "gateway",
        "gateway",
        "health.gateway",
        sockets={"health.gateway": "XPUB"},
        addresses={"http": gateway_url(config), "websocket": websocket_url(config)},
    )


def _recorder(config: DeskConfig) -> list[Process]:
    beat = "health.recorder"
    made = Process("recorder", "recorder", beat, sockets={beat: "XPUB"})
    return [] if config.recorder is None else [made]


def _strategies(config: DeskConfig) -> list[Process]:
    return [strategy_host(strategy.name) for strategy in config.strategies]


def strategy_host(name: str) -> Process:
    beat = f"health.strategy_host.{name}"
    sockets = {beat: "XPUB", f"strategies.{name}": "ROUTER"}
    process = f"strategy_host.{name}"
    return Process(process, "strategy_host", beat, strategy=name, sockets=sockets)


def gateway_url(config: DeskConfig) -> str:
    scheme = "https" if config.gateway.certificate else "http"
    return f"{scheme}://{_reachable(config.gateway.host)}:{config.gateway.port}"


def websocket_url(config: DeskConfig) -> str:
    scheme = "wss" if config.gateway.certificate else "ws"
    return f"{scheme}://{_reachable(config.gateway.host)}:{config.gateway.port}/ws"


def _reachable(host: str) -> str:
    """The address to connect to; a gateway that listens everywhere is also on loopback."""
    if host in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
