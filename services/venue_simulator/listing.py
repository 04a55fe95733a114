"""Listing: one instrument at the exchange, with its book, its stops and its last trades.

A book that nobody watches and nobody has orders in sleeps: it is empty, and made anew from the
synthetic market when somebody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from common.domain.instrument import Instrument
from common.messages import (
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    TimeInForce,
)
from common.venues.simulation import (
    BookChange,
    BookLevelChange,
    BookView,
    FlowAction,
    FlowOrder,
    LevelAction,
    PublicTrade,
    TickDirection,
)
from services.venue_simulator.matching import BookSide, MatchingEngine, Order, Outcome, OwnOrders
from services.venue_simulator.scale import Scale
from services.venue_simulator.statistics import Statistics
from services.venue_simulator.triggers import TriggerBook

SYNTHETIC = ""  # the owner of the orders that the market makes up; no client is named so


class Leg(NamedTuple):
    listing: Listing
    quantity: Decimal  # for one unit of the combo, signed


class Listing:
    """The state of one instrument."""

    __slots__ = (
        "_change_ids",
        "alive_until_ns",
        "awake",
        "change_id",
        "changed_ns",
        "client_orders",
        "definition",
        "delivery_price",
        "engine",
        "inverse",
        "instrument",
        "is_calm",
        "kind",
        "last_price",
        "legs",
        "scale",
        "sequence",
        "settlement_price",
        "statistics",
        "status",
        "stepped_ns",
        "symbol",
        "tick_direction",
        "trades",
        "triggers",
        "watchers",
    )

    def __init__(
        self, definition: InstrumentDefinition, change_ids: Iterator[int], trade_history: int
    ) -> None:
        self.definition = definition
        self.symbol = definition.symbol
        self.kind = definition.kind
        self.status = definition.status
        self.instrument = Instrument(definition)
        self.inverse = self.instrument.is_inverse_future
        self.scale = Scale(definition)
        self.engine = MatchingEngine(self.scale.step_at)
        self.triggers = TriggerBook()
        self.trades: deque[PublicTrade] = deque(maxlen=trade_history)
        self.statistics = Statistics()
        self.last_price: Decimal | None = None
        self.legs: tuple[Leg, ...] = ()  # of a combo
        self.tick_direction = TickDirection.PLUS
        self.settlement_price: float | None = None
        self.delivery_price: float | None = None
        self.sequence = 0
        self._change_ids = change_ids
        self.change_id = 0
        self.changed_ns = 0
        self.watchers = 0
        self.client_orders = 0
        self.awake = False
        self.is_calm = False  # the synthetic traders stay away; what they left in the book stays
        self.alive_until_ns = 0
        self.stepped_ns = 0

    @property
    def is_open(self) -> bool:
        return self.status is InstrumentStatus.ACTIVE

    @property
    def is_expired(self) -> bool:
        return self.status is InstrumentStatus.EXPIRED

    @property
    def is_option(self) -> bool:
        return self.kind is InstrumentKind.OPTION

    @property
    def is_spot(self) -> bool:
        return self.kind is InstrumentKind.SPOT

    @property
    def is_future(self) -> bool:
        """Perpetuals too: what has a daily settled profit."""
        return self.kind in (InstrumentKind.FUTURE, InstrumentKind.PERPETUAL)

    def is_needed(self, now_ns: int) -> bool:
        return self.watchers > 0 or self.client_orders > 0 or now_ns < self.alive_until_ns

    def wake(self, seed: Iterable[FlowOrder], now_ns: int) -> None:
        """Make the book from these orders."""
        self.engine = MatchingEngine(self.scale.step_at)
        for act in seed:
            self.apply(act)
        self.engine.bids.take_changes()
        self.engine.asks.take_changes()
        self.change_id = next(self._change_ids)
        self.changed_ns = self.stepped_ns = now_ns
        self.awake = True

    def remake(self, seed: Iterable[FlowOrder]) -> None:
        """Fill the empty book of other ticks; take_change tells what is in it."""
        self.engine = MatchingEngine(self.scale.step_at)
        for act in seed:
            self.apply(act)

    def sleep(self) -> None:
        """Forget the book; no client has orders in it."""
        self.engine = MatchingEngine(self.scale.step_at)
        self.awake = False

    def apply(self, act: FlowOrder) -> Outcome | None:
        """One synthetic act; None if it did nothing that could have traded."""
        number = ~act.key
        if act.action is FlowAction.CANCEL:
            self.engine.cancel(number)
            return None
        scale = self.scale
        is_buy = act.side.sign > 0
        down = is_buy if act.action is FlowAction.PLACE else not is_buy
        tick = scale.floor(act.price) if down else scale.ceil(act.price)
        if tick <= 0 and not self.legs:
            self.engine.cancel(number)
            return None
        lots = scale.whole_lots(act.quantity)
        if act.action is FlowAction.TAKE:
            order = Order(number, SYNTHETIC, is_buy, tick, lots)
            return self.engine.place(order, TimeInForce.IOC)
        resting = self.engine.orders.get(number)
        if resting is not None and resting.is_buy is is_buy:
            return self.engine.amend(number, tick, lots, OwnOrders.CANCEL_MAKER)
        if resting is not None:
            self.engine.cancel(number)
        order = Order(number, SYNTHETIC, is_buy, tick, lots)
        return self.engine.place(order, own=OwnOrders.CANCEL_MAKER)

    def take_change(self, now_ns: int) -> BookChange | None:
        """What changed in the book since the last call; None if nothing, or nobody watches."""
        bids, asks = self.engine.bids.take_changes(), self.engine.asks.take_changes()
        if not bids and not asks:
            return None
        previous, self.change_id = self.change_id, next(self._change_ids)
        self.changed_ns = now_ns
        if not self.watchers:
            return None
        return BookChange(
            self.symbol, self.change_id, previous, now_ns, self._changes(bids), self._changes(asks)
        )

    def view(self, depth: int) -> BookView:
        return BookView(
            self.symbol,
            self.change_id,
            self.changed_ns,
            self._levels(self.engine.bids, depth),
            self._levels(self.engine.asks, depth),
        )

    def best(self, is_buy: bool) -> tuple[float | None, float]:
        """Price and quantity of the best level of a side; (None, 0.0) if it is empty."""
        levels = self._levels(self.engine.side(is_buy), 1)
        return levels[0] if levels else (None, 0.0)

    def note_trade(self, price: Decimal) -> None:
        """Keep the direction of the last trade price."""
        last, self.last_price = self.last_price, price
        self.sequence += 1
        if last is None or price > last:
            self.tick_direction = TickDirection.PLUS
        elif price < last:
            self.tick_direction = TickDirection.MINUS
        elif self.tick_direction is TickDirection.PLUS:
            self.tick_direction = TickDirection.ZERO_PLUS
        elif self.tick_direction is TickDirection.MINUS:
            self.tick_direction = TickDirection.ZERO_MINUS

    def _levels(self, side: BookSide, depth: int) -> list[tuple[float, float]]:
        scale = self.scale
        return [
            (scale.price_float(tick), scale.quantity_float(lots))
            for tick, lots in side.depth(depth)
        ]

    def _changes(self, changes: list[tuple[int, int, int]]) -> list[BookLevelChange]:
        scale = self.scale
        return [
            BookLevelChange(
                LevelAction.DELETE
                if not now
                else LevelAction.CHANGE
                if before
                else LevelAction.NEW,
                scale.price_float(tick),
                scale.quantity_float(now),
            )
            for tick, before, now in changes
        ]
