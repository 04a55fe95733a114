"""What the exchange tells by itself."""

from __future__ import annotations

from decimal import Decimal

from common.core import Data
from common.messages import InstrumentStatus
from common.venues.simulation.market_data import BookChange, Settlement
from common.venues.simulation.orders import PublicTrade, SimulatedFill, SimulatedOrder


class OrderChanged(Data):
    """An order of a client account is new, filled, edited, triggered or closed."""

    order: SimulatedOrder


class PositionChanged(Data):
    """Ask position(account, symbol) for the figures."""

    account: str
    symbol: str
    quantity: Decimal


class BalanceChanged(Data):
    """Ask account_summary(account, currency) for the figures."""

    account: str
    currency: str


class ProtectionActed(Data):
    """A protection has canceled its orders; frozen_until_ns 0: until it is reset."""

    account: str
    index: str
    group: str
    frozen_until_ns: int


class InstrumentStateChanged(Data):
    symbol: str
    status: InstrumentStatus
    changed_ns: int


class InstrumentListed(Data):
    symbol: str
    listed_ns: int


class IndexChanged(Data):
    index: str
    price: float
    changed_ns: int


SimulatedEvent = (
    BookChange
    | PublicTrade
    | OrderChanged
    | SimulatedFill
    | PositionChanged
    | BalanceChanged
    | ProtectionActed
    | InstrumentStateChanged
    | InstrumentListed
    | IndexChanged
    | Settlement
)
