"""Messages by what they are on the bus: snapshots, deltas, events, commands."""

from __future__ import annotations

from common.messages.commands import (
    CancelAll,
    CancelOrder,
    CancelOrders,
    CancelQuotes,
    MassQuote,
    ModifyOrder,
    PlaceOrder,
    PlaceOrders,
    QueryFills,
    QueryOrders,
    QueryPositions,
    QueryProtections,
    ResetProtection,
    SetMode,
    SetParameters,
    SetProtection,
)
from common.messages.health import Alert, Health
from common.messages.market import (
    BookDelta,
    BookSnapshot,
    BookStale,
    Depth,
    IndexPrice,
    Quote,
    Ticker,
    Trade,
)
from common.messages.orders import (
    Fill,
    FillSnapshot,
    OrderSnapshot,
    OrderUpdated,
    ProtectionSnapshot,
    ProtectionUpdated,
)
from common.messages.positions import (
    AccountSnapshot,
    BalanceUpdated,
    Exposure,
    InventoryDelta,
    PositionDifference,
    PositionUpdated,
    ProfitOfDay,
    RiskAlert,
)
from common.messages.reference import InstrumentDefinition, InstrumentList, InstrumentState
from common.messages.strategies import RawFrame, StrategyState

Snapshot = (
    InstrumentList
    | InstrumentDefinition
    | BookSnapshot
    | Depth
    | Quote
    | Ticker
    | IndexPrice
    | OrderSnapshot
    | FillSnapshot
    | ProtectionSnapshot
    | AccountSnapshot
    | ProfitOfDay
    | Health
    | StrategyState
)
"""Messages that are complete by themselves: after one a joiner is consistent."""

Delta = (
    BookDelta
    | OrderUpdated
    | Fill
    | ProtectionUpdated
    | PositionUpdated
    | BalanceUpdated
    | Exposure
)
"""Messages that only make sense after a snapshot of their topic."""

Event = (
    InstrumentList
    | InstrumentDefinition
    | InstrumentState
    | BookSnapshot
    | BookDelta
    | BookStale
    | Depth
    | Quote
    | Trade
    | Ticker
    | IndexPrice
    | OrderUpdated
    | OrderSnapshot
    | Fill
    | FillSnapshot
    | ProtectionUpdated
    | ProtectionSnapshot
    | PositionUpdated
    | BalanceUpdated
    | AccountSnapshot
    | Exposure
    | PositionDifference
    | RiskAlert
    | ProfitOfDay
    | InventoryDelta
    | Health
    | StrategyState
    | RawFrame
    | Alert
)
"""What is published."""

Command = (
    PlaceOrder
    | PlaceOrders
    | ModifyOrder
    | CancelOrder
    | CancelOrders
    | CancelAll
    | MassQuote
    | CancelQuotes
    | SetProtection
    | ResetProtection
    | QueryProtections
    | QueryOrders
    | QueryFills
    | SetMode
    | QueryPositions
    | SetParameters
)
"""What is asked over ROUTER/DEALER; answered with exactly one CommandReply."""
