"""Streams of an account's own orders, trades and money: the `user.*` channels."""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator.accounts import AccountMethods
from common.venues.deribit.simulator.catalog import Catalog, Identity
from common.venues.deribit.simulator.objects import position as position_object
from common.venues.deribit.simulator.orders import OrderMethods
from common.venues.deribit.simulator.streams import INTERVALS_NS, SECOND_NS, Stream
from common.venues.simulation import (
    OrderChanged,
    PositionChanged,
    SimulatedEvent,
    SimulatedExchange,
    SimulatedFill,
)


class Selection:
    """Which instruments a user channel means: one, or a kind and a settlement currency."""

    def __init__(
        self, catalog: Catalog, *, symbol: str = "", kind: str = "any", currency: str | None = None
    ) -> None:
        self._catalog, self._symbol, self._kind, self._currency = catalog, symbol, kind, currency

    def has(self, symbol: str) -> bool:
        if self._symbol:
            return symbol == self._symbol
        listing = self._catalog.find(symbol)
        if listing is None or self._kind not in ("any", listing.details.kind):
            return False
        return self._currency in (None, listing.definition.settlement)


class UserStream(Stream):
    """Base of the three below: one account's events of some instruments."""

    def __init__(
        self,
        channel: str,
        owner: Identity,
        selection: Selection,
        interval: str,
        objects: OrderMethods,
    ) -> None:
        super().__init__(channel)
        self._owner, self._selection, self._objects = owner, selection, objects
        self.keys = (("account", owner.client_id),)
        self._is_raw = interval == "raw"
        self.interval_ns = INTERVALS_NS[interval]
        self._ready: list[Any] = []


class UserOrdersStream(UserStream):
    """user.orders: raw sends one order a message, the others arrays."""

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, OrderChanged) and self._selection.has(event.order.symbol):
            self._ready.append(self._objects.order_object(event.order, self._owner))

    def collect(self, now_ns: int) -> list[Any]:
        ready, self._ready = self._ready, []
        if self._is_raw or not ready:
            return ready
        latest = {order["order_id"]: order for order in ready}
        return [list(latest.values())]


class UserTradesStream(UserStream):
    """user.trades: always arrays."""

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, SimulatedFill) and self._selection.has(event.symbol):
            self._ready.append(self._objects.trade_object(event, self._owner))

    def collect(self, now_ns: int) -> list[Any]:
        ready, self._ready = self._ready, []
        return [ready] if ready else []


class UserChangesStream(UserStream):
    """user.changes: orders, trades and the position of one instrument together."""

    def __init__(
        self,
        channel: str,
        owner: Identity,
        selection: Selection,
        interval: str,
        objects: OrderMethods,
        exchange: SimulatedExchange,
        catalog: Catalog,
    ) -> None:
        super().__init__(channel, owner, selection, interval, objects)
        self._exchange, self._catalog = exchange, catalog
        self._by_symbol: dict[str, dict[str, list[Any]]] = {}
        self._moved: set[str] = set()

    def take(self, event: SimulatedEvent) -> None:
        if isinstance(event, OrderChanged) and self._selection.has(event.order.symbol):
            order = self._objects.order_object(event.order, self._owner)
            self._of(event.order.symbol)["orders"].append(order)
        elif isinstance(event, SimulatedFill) and self._selection.has(event.symbol):
            trade = self._objects.trade_object(event, self._owner)
            self._of(event.symbol)["trades"].append(trade)
        elif isinstance(event, PositionChanged) and self._selection.has(event.symbol):
            self._of(event.symbol)
            self._moved.add(event.symbol)

    def _of(self, symbol: str) -> dict[str, list[Any]]:
        return self._by_symbol.setdefault(symbol, {"trades": [], "positions": [], "orders": []})

    def collect(self, now_ns: int) -> list[Any]:
        changes, moved = self._by_symbol, self._moved
        self._by_symbol, self._moved = {}, set()
        for symbol in moved:
            view = self._exchange.position(self._owner.client_id, symbol)
            if view is not None:
                listing = self._catalog.listing(symbol)
                changes[symbol]["positions"] = [position_object(view, listing)]
        return [{"instrument_name": symbol} | lists for symbol, lists in changes.items()]


class PortfolioStream(Stream):
    """user.portfolio.{currency}: a summary at once and after changes, at most once a second."""

    interval_ns = SECOND_NS
    is_periodic = True

    def __init__(
        self, channel: str, owner: Identity, currency: str | None, accounts: AccountMethods
    ) -> None:
        """currency None: one message per currency of the account."""
        super().__init__(channel)
        self._owner, self._currency, self._accounts = owner, currency, accounts
        self.keys = (("account", owner.client_id),)
        self._sent: dict[str, dict[str, Any]] = {}

    def _summaries(self) -> dict[str, dict[str, Any]]:
        names = [self._currency] if self._currency else self._accounts.currencies(self._owner)
        found = {name: self._accounts.summary_object(self._owner, name) for name in names}
        return {name: data for name, data in found.items() if data is not None}

    def first(self, now_ns: int) -> list[Any]:
        return list(self._summaries().values())

    def collect(self, now_ns: int) -> list[Any]:
        summaries = self._summaries()
        changed = [data for name, data in summaries.items() if self._sent.get(name) != data]
        self._sent = summaries
        return changed
