"""What tests may do to the simulated venue that no client can: bans, maintenance, new names."""

from __future__ import annotations

from typing import Any

from common.errors import PeerError
from common.messages import InstrumentDefinition
from common.venues.deribit import universe
from common.venues.deribit.simulator.access import Access, Grant
from common.venues.deribit.simulator.calls import Handler
from common.venues.deribit.simulator.catalog import Catalog
from common.venues.deribit.simulator.connection import Connection
from common.venues.deribit.simulator.envelope import BANNED, Refused
from common.venues.deribit.simulator.hub import Hub
from common.venues.serving import Output

EVERYBODY = ""
# During maintenance a client can still connect, log in, listen and look at the clock.
ALWAYS_OPEN = frozenset(
    {
        "public/auth",
        "public/exchange_token",
        "public/fork_token",
        "public/test",
        "public/hello",
        "public/status",
        "public/get_time",
        "public/set_heartbeat",
        "public/disable_heartbeat",
        "public/subscribe",
        "public/unsubscribe",
        "public/unsubscribe_all",
        "private/logout",
        "private/subscribe",
        "private/unsubscribe",
        "private/unsubscribe_all",
    }
)


class Controls:
    """Implements VenueControls (common/venues/serving.py), which documents the calls."""

    def __init__(
        self, access: Access, hub: Hub, catalog: Catalog, connections: dict[int, Connection]
    ) -> None:
        self._access, self._hub, self._catalog = access, hub, catalog
        self._connections = connections
        self._banned_until: dict[str, int] = {}
        self._maintenance = False
        self.handlers: dict[str, Handler] = {
            "public/status": lambda call: {"locked": "true" if self._maintenance else "false"}
        }

    # --- what the server asks ----------------------------------------------------------------

    def admits(self, now_ns: int) -> bool:
        return now_ns >= self._banned_until.get(EVERYBODY, 0)

    def check(self, method: str, grant: Grant | None, now_ns: int) -> None:
        """Raises Refused for a request that is not to be served now."""
        client = EVERYBODY if grant is None else grant.client_id
        if any(now_ns < self._banned_until.get(who, 0) for who in (EVERYBODY, client)):
            raise Refused(10028, "too_many_requests", reason=BANNED)
        if self._maintenance and method not in ALWAYS_OPEN:
            raise Refused(11051, "system_maintenance")

    # --- what tests ask ----------------------------------------------------------------------

    def client_of(self, connection: int) -> str:
        link = self._connections.get(connection)
        return "" if link is None or link.grant is None else link.grant.client_id

    def connections(self) -> list[int]:
        return list(self._connections)

    def expire_tokens(self, client_id: str, now_ns: int) -> int:
        return self._access.expire(client_id, now_ns)

    def ban(self, client_id: str, until_ns: int) -> None:
        self._banned_until[client_id] = until_ns

    def set_maintenance(self, is_on: bool) -> list[Output]:
        self._maintenance = is_on
        data: dict[str, Any] = {"maintenance": is_on}
        return self._hub.announce("platform_state", data)

    def redefine(self, definition: InstrumentDefinition) -> None:
        self._catalog.redefine(definition)

    def add_instrument(self, symbol: str, like: str, now_ns: int) -> None:
        if self._catalog.find(symbol) is not None:
            raise PeerError(f"there is an instrument {symbol!r} already")
        model = self._catalog.find(like)
        if model is None:
            raise PeerError(f"no instrument {like!r}")
        listing = universe.named_like(model, symbol, now_ns)
        self._catalog.add(listing, now_ns)
