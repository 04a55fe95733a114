"""What a check is given: the market, the account, and the order in question."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

import msgspec

from common.domain.exposure import Holding
from common.domain.instrument import Instrument, exact
from common.domain.risk.limits import ZERO, Limits
from common.messages import OrderType, PlaceOrder, RejectReason, Side, TradingMode

TRIGGERED_LIMIT = frozenset({OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
TRIGGERED_MARKET = frozenset({OrderType.STOP, OrderType.TAKE_PROFIT})
PRICED = TRIGGERED_LIMIT | {OrderType.LIMIT}
TRIGGERED = TRIGGERED_LIMIT | TRIGGERED_MARKET
TRAILING = frozenset({OrderType.TRAILING_STOP})
WAITING = TRIGGERED | TRAILING
RESTING = PRICED | {OrderType.MARKET_TO_LIMIT}


class Refusal(msgspec.Struct, frozen=True):
    reason: RejectReason
    field: str
    text: str


class Market(msgspec.Struct, frozen=True):
    """Prices known now; None where unknown or stale. age_ms: since it was last proved that quotes
    are right; None without a quote. is_signed: prices may be 0 and below, as those of combos."""

    bid: float | None = None
    ask: float | None = None
    mark: float | None = None
    last: float | None = None
    index: float | None = None
    age_ms: float | None = None
    min_price: float | None = None  # the venue's band
    max_price: float | None = None
    is_signed: bool = False
    low: float | None = None  # of the mid in the last second
    high: float | None = None

    def known(self, name: str) -> Decimal | None:
        value = getattr(self, name)
        if value is None or not isfinite(value) or (value <= 0 and not self.is_signed):
            return None
        return exact(value)

    @property
    def mid(self) -> Decimal | None:
        bid, ask = self.known("bid"), self.known("ask")
        return (bid + ask) / 2 if bid is not None and ask is not None else None

    def touch(self, side: Side) -> Decimal | None:
        """The price a market order would start to trade at."""
        return self.known("ask" if side is Side.BUY else "bid")


class Parent(msgspec.Struct, frozen=True):
    """A larger order of a strategy. used: filled and open of its parts, without this one."""

    instrument: str
    side: Side
    quantity: Decimal
    used: Decimal = ZERO


class State(msgspec.Struct, frozen=True):
    """What the checks need to know about the account; quantities in the instrument's unit."""

    instrument: Instrument | None
    market: Market = Market()
    mode: TradingMode = TradingMode.ACTIVE
    mode_text: str = ""  # what set the mode
    mode_code: RejectReason = RejectReason.MODE
    open_orders: int = 0
    orders_last_second: int = 0
    strategy_orders_last_second: int = 0
    same_orders: int = 0  # sent a moment ago
    filled: Decimal = ZERO  # of the order that is modified: its quantity holds that
    holding: Holding | None = None  # of this instrument, without this order
    legs: list[tuple[Holding, Decimal]] = []  # of a combo, and how many for one; < 0: sold
    others: list[Holding] = []  # of the other instruments, where limits are in money
    parent: Parent | None = None  # of the order, if parts of it are known
    profit_age_ns: int | None = None  # of the day's profit; None: it is not known
    profit_text: str = ""  # why it is not


class Change(msgspec.Struct, frozen=True):
    """What an order may do to one instrument."""

    holding: Holding
    side: Side
    quantity: Decimal

    @property
    def after(self) -> Holding:
        return self.holding.with_order(self.side, self.quantity)

    @property
    def only_lowers(self) -> bool:
        """However it and what is open fills, the position gets smaller and does not flip."""
        holding = self.holding
        working = holding.buying if self.side is Side.BUY else holding.selling
        closes = holding.position * self.side.sign < 0
        return closes and working + self.quantity <= abs(holding.position)


class Case(msgspec.Struct, frozen=True):
    """One order before its judges."""

    order: PlaceOrder
    limits: Limits
    state: State
    instrument: Instrument
    is_new: bool = True

    @property
    def changes(self) -> list[Change]:
        """By instrument; none of a combo whose legs are not known."""
        order, state = self.order, self.state
        quantity = order.quantity - state.filled
        if not self.instrument.is_combo:
            return [Change(state.holding or Holding(self.instrument), order.side, quantity)]
        return [
            Change(holding, order.side if each > 0 else order.side.opposite, quantity * abs(each))
            for holding, each in state.legs
        ]

    @property
    def only_lowers(self) -> bool:
        changes = self.changes
        return bool(changes) and all(change.only_lowers for change in changes)
