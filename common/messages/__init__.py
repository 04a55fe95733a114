"""Every message that crosses a process border, and its enums.

Grouped as data, events and commands. On the wire a message is a msgpack array that begins with its
class name; new fields are appended with a default, a name is never reused and a field never changes
its meaning. Market data is float64; what is committed (orders, fills, positions, money) is exact
and travels as text. Times are integer nanoseconds since 1970 UTC unless a name says otherwise.
"""

from common.messages.base import (
    NUMBER as NUMBER,
    Exact as Exact,
    Message as Message,
)
from common.messages.commands import (
    CancelAll as CancelAll,
    CancelOrder as CancelOrder,
    CancelOrders as CancelOrders,
    CancelQuotes as CancelQuotes,
    CommandReply as CommandReply,
    LinkedOrder as LinkedOrder,
    MassQuote as MassQuote,
    ModifyOrder as ModifyOrder,
    PlaceOrder as PlaceOrder,
    PlaceOrders as PlaceOrders,
    QueryFills as QueryFills,
    QueryOrders as QueryOrders,
    QueryPositions as QueryPositions,
    QueryProtections as QueryProtections,
    QuoteEntry as QuoteEntry,
    ResetProtection as ResetProtection,
    SetMode as SetMode,
    SetParameters as SetParameters,
    SetProtection as SetProtection,
)
from common.messages.health import (
    Alert as Alert,
    Health as Health,
)
from common.messages.kinds import (
    Command as Command,
    Delta as Delta,
    Event as Event,
    Snapshot as Snapshot,
)
from common.messages.market import (
    BookDelta as BookDelta,
    BookSnapshot as BookSnapshot,
    BookStale as BookStale,
    Depth as Depth,
    IndexPrice as IndexPrice,
    Quote as Quote,
    Ticker as Ticker,
    Trade as Trade,
)
from common.messages.orders import (
    Fill as Fill,
    FillSnapshot as FillSnapshot,
    OrderSnapshot as OrderSnapshot,
    OrderUpdated as OrderUpdated,
    ProtectionEvent as ProtectionEvent,
    ProtectionSnapshot as ProtectionSnapshot,
    ProtectionUpdated as ProtectionUpdated,
)
from common.messages.positions import (
    AccountSnapshot as AccountSnapshot,
    BalanceUpdated as BalanceUpdated,
    Exposure as Exposure,
    InventoryDelta as InventoryDelta,
    PositionDifference as PositionDifference,
    PositionUpdated as PositionUpdated,
    ProfitOfDay as ProfitOfDay,
    RiskAlert as RiskAlert,
)
from common.messages.reference import (
    InstrumentDefinition as InstrumentDefinition,
    InstrumentList as InstrumentList,
    InstrumentState as InstrumentState,
)
from common.messages.strategies import (
    RawFrame as RawFrame,
    StrategyPosition as StrategyPosition,
    StrategyState as StrategyState,
)
from common.messages.words import (
    FINAL_STATUSES as FINAL_STATUSES,
    ContingencyType as ContingencyType,
    ContractType as ContractType,
    FillCondition as FillCondition,
    InstrumentKind as InstrumentKind,
    InstrumentStatus as InstrumentStatus,
    Liquidity as Liquidity,
    OptionType as OptionType,
    OrderStatus as OrderStatus,
    OrderTrigger as OrderTrigger,
    OrderType as OrderType,
    PriceType as PriceType,
    RejectReason as RejectReason,
    Side as Side,
    TimeInForce as TimeInForce,
    TradingMode as TradingMode,
    TriggerPrice as TriggerPrice,
)
