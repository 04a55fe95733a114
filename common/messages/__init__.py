"""Every message that crosses a process border, and its enums.

Grouped as data, events and commands. On the wire a message is a msgpack array that begins with its
class name; new fields are appended with a default, a name is never reused and a field never changes
its meaning. Market data is float64; what is committed (orders, fills, positions, money) is exact
and travels as text. Times are integer nanoseconds since 1970 UTC unless a name says otherwise.
"""

from common.messages.base import (
    NUMBER as NUMBER,
)
from common.messages.base import (
    Exact as Exact,
)
from common.messages.base import (
    Message as Message,
)
from common.messages.commands import (
    CancelAll as CancelAll,
)
from common.messages.commands import (
    CancelOrder as CancelOrder,
)
from common.messages.commands import (
    CancelOrders as CancelOrders,
)
from common.messages.commands import (
    CancelQuotes as CancelQuotes,
)
from common.messages.commands import (
    CommandReply as CommandReply,
)
from common.messages.commands import (
    LinkedOrder as LinkedOrder,
)
from common.messages.commands import (
    MassQuote as MassQuote,
)
from common.messages.commands import (
    ModifyOrder as ModifyOrder,
)
from common.messages.commands import (
    PlaceOrder as PlaceOrder,
)
from common.messages.commands import (
    PlaceOrders as PlaceOrders,
)
from common.messages.commands import (
    QueryFills as QueryFills,
)
from common.messages.commands import (
    QueryOrders as QueryOrders,
)
from common.messages.commands import (
    QueryPositions as QueryPositions,
)
from common.messages.commands import (
    QueryProtections as QueryProtections,
)
from common.messages.commands import (
    QuoteEntry as QuoteEntry,
)
from common.messages.commands import (
    ResetProtection as ResetProtection,
)
from common.messages.commands import (
    SetMode as SetMode,
)
from common.messages.commands import (
    SetParameters as SetParameters,
)
from common.messages.commands import (
    SetProtection as SetProtection,
)
from common.messages.health import (
    Alert as Alert,
)
from common.messages.health import (
    Health as Health,
)
from common.messages.kinds import (
    Command as Command,
)
from common.messages.kinds import (
    Delta as Delta,
)
from common.messages.kinds import (
    Event as Event,
)
from common.messages.kinds import (
    Snapshot as Snapshot,
)
from common.messages.market import (
    BookDelta as BookDelta,
)
from common.messages.market import (
    BookSnapshot as BookSnapshot,
)
from common.messages.market import (
    BookStale as BookStale,
)
from common.messages.market import (
    Depth as Depth,
)
from common.messages.market import (
    IndexPrice as IndexPrice,
)
from common.messages.market import (
    Quote as Quote,
)
from common.messages.market import (
    Ticker as Ticker,
)
from common.messages.market import (
    Trade as Trade,
)
from common.messages.orders import (
    Fill as Fill,
)
from common.messages.orders import (
    FillSnapshot as FillSnapshot,
)
from common.messages.orders import (
    OrderSnapshot as OrderSnapshot,
)
from common.messages.orders import (
    OrderUpdated as OrderUpdated,
)
from common.messages.orders import (
    ProtectionEvent as ProtectionEvent,
)
from common.messages.orders import (
    ProtectionSnapshot as ProtectionSnapshot,
)
from common.messages.orders import (
    ProtectionUpdated as ProtectionUpdated,
)
from common.messages.positions import (
    AccountSnapshot as AccountSnapshot,
)
from common.messages.positions import (
    BalanceUpdated as BalanceUpdated,
)
from common.messages.positions import (
    Exposure as Exposure,
)
from common.messages.positions import (
    InventoryDelta as InventoryDelta,
)
from common.messages.positions import (
    PositionDifference as PositionDifference,
)
from common.messages.positions import (
    PositionUpdated as PositionUpdated,
)
from common.messages.positions import (
    ProfitOfDay as ProfitOfDay,
)
from common.messages.positions import (
    RiskAlert as RiskAlert,
)
from common.messages.reference import (
    InstrumentDefinition as InstrumentDefinition,
)
from common.messages.reference import (
    InstrumentList as InstrumentList,
)
from common.messages.reference import (
    InstrumentState as InstrumentState,
)
from common.messages.strategies import (
    RawFrame as RawFrame,
)
from common.messages.strategies import (
    StrategyPosition as StrategyPosition,
)
from common.messages.strategies import (
    StrategyState as StrategyState,
)
from common.messages.words import (
    FINAL_STATUSES as FINAL_STATUSES,
)
from common.messages.words import (
    ContingencyType as ContingencyType,
)
from common.messages.words import (
    ContractType as ContractType,
)
from common.messages.words import (
    FillCondition as FillCondition,
)
from common.messages.words import (
    InstrumentKind as InstrumentKind,
)
from common.messages.words import (
    InstrumentStatus as InstrumentStatus,
)
from common.messages.words import (
    Liquidity as Liquidity,
)
from common.messages.words import (
    OptionType as OptionType,
)
from common.messages.words import (
    OrderStatus as OrderStatus,
)
from common.messages.words import (
    OrderTrigger as OrderTrigger,
)
from common.messages.words import (
    OrderType as OrderType,
)
from common.messages.words import (
    PriceType as PriceType,
)
from common.messages.words import (
    RejectReason as RejectReason,
)
from common.messages.words import (
    Side as Side,
)
from common.messages.words import (
    TimeInForce as TimeInForce,
)
from common.messages.words import (
    TradingMode as TradingMode,
)
from common.messages.words import (
    TriggerPrice as TriggerPrice,
)
