"""Books, tickers, histories and settlements."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from common.core import Data
from common.messages import InstrumentStatus
from common.venues.simulation.orders import SimulatedFill
from common.venues.simulation.words import ZERO, LevelAction


class BookLevelChange(Data, array_like=True):
    """One level after a change; quantity is the new total, 0.0 for DELETE."""

    action: LevelAction
    price: float
    quantity: float


class BookChange(Data):
    """What one request did to a book. prev_change_id is the change_id of the change before.

    Ids grow per instrument and are not consecutive.
    """

    symbol: str
    change_id: int
    prev_change_id: int
    changed_ns: int
    bids: list[BookLevelChange]
    asks: list[BookLevelChange]


class BookView(Data):
    """A book, best price first, as (price, quantity)."""

    symbol: str
    change_id: int
    changed_ns: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class OptionFigures(Data):
    """What the market thinks of an option. IVs in percent.

    delta per unit of underlying, gamma per unit of price, vega for one volatility point, theta for
    one day, rho for one percentage point; the last four in the counter currency (USD).
    """

    mark_iv: float
    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float
    underlying_price: float
    underlying: str  # symbol of the future behind it, "" for the index itself
    interest_rate: float = 0.0


class TickerView(Data):
    """Everything a ticker may say; None where the instrument has no such figure or nobody traded.

    settlement_price, open_interest: None for spot. current_funding and funding_8h as fractions per
    8 h; interest_value is the venue's internal accumulator.
    """

    symbol: str
    status: InstrumentStatus
    time_ns: int
    mark_price: float
    index_price: float
    best_bid_price: float | None
    best_bid_quantity: float
    best_ask_price: float | None
    best_ask_quantity: float
    last_price: float | None
    min_price: float
    max_price: float
    high: float | None
    low: float | None
    price_change: float | None  # percent in 24 h
    volume: float  # 24 h, base currency
    volume_usd: float
    volume_notional: float
    open_interest: float | None = None
    settlement_price: float | None = None
    delivery_price: float | None = None  # once expired
    current_funding: float | None = None
    funding_8h: float | None = None
    interest_value: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    option: OptionFigures | None = None


class Candle(Data):
    """One bar; volume in base currency, cost in the quote currency."""

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    cost: float


class FundingPoint(Data):
    """Funding of the hour that ended at time_ns; fractions of the position."""

    time_ns: int
    index_price: float
    prev_index_price: float
    interest_1h: float
    interest_8h: float


class SettlementKind(StrEnum):
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"


class Settlement(Data):
    """One instrument at a daily settlement or at its delivery.

    account is "" for the public record; position, profit and funding are those of an account.
    """

    number: int
    kind: SettlementKind
    symbol: str
    settled_ns: int
    mark_price: float
    index_price: float
    account: str = ""
    position: Decimal = ZERO
    session_pnl: Decimal = ZERO
    funding: Decimal = ZERO


class DeliveryPrice(Data):
    index: str
    delivered_ns: int
    price: float


class LedgerKind(StrEnum):
    TRADE = "trade"
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    TRANSFER = "transfer"
    WITHDRAWAL = "withdrawal"


class LedgerEntry(Data):
    """One change of one balance; fill or settlement: what caused it.

    number: of the account's entries. other: the other account of a transfer, the address of a
    withdrawal. equity: afterwards, at the marks of that time.
    """

    number: int
    kind: LedgerKind
    currency: str
    change: Decimal
    balance: Decimal  # afterwards
    at_ns: int
    fill: SimulatedFill | None = None
    settlement: Settlement | None = None
    other: str = ""
    equity: Decimal = ZERO
