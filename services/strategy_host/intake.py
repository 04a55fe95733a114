"""What the bus tells, put where it belongs and handed to the strategy's handlers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from common import core as c, messages as m, parts
from common.codec import owner_topic
from common.own_orders import OwnOrder
from services.strategy_host.memory import FillRecord
from services.strategy_host.workbench import Workbench


class Intake:
    """Messages of the bus, in; handlers called through `call`, which guards them."""

    def __init__(self, bench: Workbench, call: Callable[..., None]) -> None:
        self._bench = bench
        self._call = call
        self._parts = parts.Gathering()
        self._early: list[m.Event] = []  # fills that came before the definitions
        place = (bench.config.venue, bench.config.account)
        self._orders_topic = owner_topic("order", *place, bench.config.name)
        self._fills_topic = owner_topic("fill", *place, bench.config.name)
        self._engine_topic = f"health.trading_engine.{bench.config.venue}.{bench.config.account}"
        self._on_message: dict[type, Callable[[Any], None]] = {
            m.InstrumentList: self._on_instruments,
            m.InstrumentDefinition: self._bench.market.define,
            m.InstrumentState: self._bench.market.on_status,
            m.BookSnapshot: self._on_book,
            m.BookDelta: self._on_book,
            m.BookStale: lambda message: self._lose_book(message.instrument),
            m.Quote: self._on_quote,
            m.Trade: lambda trade: self._call("on_trade", trade),
            m.Ticker: self._on_ticker,
            m.OrderUpdated: self._on_order,
            m.OrderSnapshot: self._on_orders,
            m.Fill: self._on_fill,
            m.FillSnapshot: self._on_fill_snapshot,
            m.ProtectionSnapshot: self._on_protections,
            m.ProtectionUpdated: self._on_protection,
            m.AccountSnapshot: self._on_account,
            m.PositionUpdated: self._on_position,
            m.Exposure: self._on_exposure,
            m.Health: self._on_engine_beat,
        }

    def start(self) -> None:
        """Follow what every strategy needs."""
        follow, venue = self._bench.follow, self._bench.config.venue
        follow(f"instruments.{venue}")
        follow(f"instrument.{venue}.")
        follow(self._orders_topic)
        follow(self._fills_topic)
        follow(self._engine_topic)

    def take(self, message: m.Event) -> None:
        handler = self._on_message.get(type(message))
        if handler is not None:
            handler(message)

    # --- the market ---------------------------------------------------------------------------

    def _is_wanted(self, kind: str, instrument: str) -> bool:
        return f"{kind}.{instrument}" in self._bench.asked_for

    def _on_instruments(self, part: m.InstrumentList) -> None:
        self._bench.market.on_list(part)
        if self._bench.market.has_definitions:
            early, self._early = self._early, []
            for message in early:
                self._on_message[type(message)](message)

    def _on_book(self, message: m.BookSnapshot | m.BookDelta) -> None:
        book = self._bench.market.on_book(message)
        if book is not None:
            self._call("on_book", book)

    def _lose_book(self, name: str) -> None:
        book = self._bench.market.lose_book(name)
        if book is not None:
            self._call("on_book", book)

    def _on_quote(self, quote: m.Quote) -> None:
        self._bench.market.quotes[quote.instrument] = quote
        self._call("on_quote", quote)

    def _on_ticker(self, ticker: m.Ticker) -> None:
        self._bench.market.tickers[ticker.instrument] = ticker
        if self._is_wanted("ticker", ticker.instrument):
            self._call("on_ticker", ticker)

    def lose(self, topic: str) -> None:
        """What the topic told is stale until it speaks again."""
        bench = self._bench
        kind, _, rest = topic.partition(".")
        if topic == self._orders_topic:
            bench.orders_known = False
        elif topic == self._fills_topic:
            bench.fills_known = False
        elif topic == self._engine_topic:
            bench.engine_ready = False
        elif kind == "account":
            bench.market.lose_account()
        elif kind == "protection":
            bench.protection_of.clear()
        elif kind == "ticker":
            bench.market.tickers.pop(rest, None)
        elif kind == "book":
            self._lose_book(rest)
        elif kind == "quote":
            stale = bench.market.lose_quote(rest)
            if stale is not None:
                self._call("on_quote", stale)

    # --- orders and fills ---------------------------------------------------------------------

    def _on_engine_beat(self, beat: m.Health) -> None:
        self._bench.engine_ready = beat.state == "ready"

    def _on_order(self, update: m.OrderUpdated) -> None:
        order = self._bench.oms.on_update(update, self._bench.now_ns)
        self.tell_orders([] if order is None else [order])

    def _on_orders(self, part: m.OrderSnapshot) -> None:
        snapshot = self._parts.take(part)
        if snapshot is None:
            return
        self._bench.orders_known = True
        changed = self._bench.oms.on_snapshot(snapshot, self._bench.now_ns)
        self.tell_orders(changed)

    def tell_orders(self, orders: Iterable[OwnOrder]) -> None:
        for order in orders:
            self._call("on_order", order)

    def _on_fill_snapshot(self, snapshot: m.FillSnapshot) -> None:
        if not self._bench.market.has_definitions:
            self._early.append(snapshot)
            return
        self._bench.fills_known = True
        self._on_fills(snapshot.fills)

    def _on_fill(self, fill: m.Fill) -> None:
        if self._bench.market.has_definitions:
            self._on_fills([fill])
        else:
            self._early.append(fill)

    def _on_fills(self, fills: list[m.Fill]) -> None:
        bench = self._bench
        for fill in fills:
            instrument = bench.market.instrument(fill.instrument)
            known = bench.memory.positions.get(fill.instrument)
            instrument = instrument or (known.instrument if known is not None else None)
            if instrument is None:
                if not bench.memory.knows(fill.exec_id):
                    text = f"a fill in {fill.instrument} is not counted: it has no definition"
                    bench.out.append(c.Alert("WARNING", text, {"exec_id": fill.exec_id}))
                continue
            if bench.memory.add(fill, instrument):
                bench.out.append(c.Journal(FillRecord(fill, instrument.definition)))
                bench.follow(f"ticker.{fill.instrument}")
                self._call("on_fill", fill)

    def _on_protections(self, snapshot: m.ProtectionSnapshot) -> None:
        self._bench.protection_of.clear()
        for protection in snapshot.protections:
            self._on_protection(protection)

    def _on_protection(self, protection: m.ProtectionUpdated) -> None:
        key = protection.index, protection.mmp_group
        if protection.event is m.ProtectionEvent.REMOVED:
            self._bench.protection_of.pop(key, None)
        else:
            self._bench.protection_of[key] = protection
        self._call("on_protection", protection)

    # --- the account --------------------------------------------------------------------------

    def _on_account(self, snapshot: m.AccountSnapshot) -> None:
        self._bench.market.on_account(snapshot)
        for position in snapshot.positions:
            self._call("on_position", position)
        for exposure in snapshot.exposures:
            self._call("on_exposure", exposure)

    def _on_position(self, position: m.PositionUpdated) -> None:
        self._bench.market.positions[position.instrument] = position
        self._call("on_position", position)

    def _on_exposure(self, exposure: m.Exposure) -> None:
        self._bench.market.exposures[exposure.underlying] = exposure
        self._call("on_exposure", exposure)
