"""The contract between a simulated exchange and what stands around it.

Above it a venue's protocol server (common/venues/<venue>/simulator) turns wire requests into the
calls of `SimulatedExchange` and its events into notifications. Below it a `SimulatedMarket` says
what things are worth and what the invisible other traders do. In the middle
services/venue_simulator/exchange.py matches orders and keeps accounts. All three are pure: time is
an argument, in nanoseconds since 1970 UTC.

Words are those of common/messages. Orders, fills and money are Decimal; what is public market data
is float64. Order and trade numbers are integers that the protocol turns into its venue's text. A
business "no" is a `Refused`, never an exception.
"""

from common.venues.simulation.accounts import (
    AccountSummary as AccountSummary,
    MarginsView as MarginsView,
    PositionView as PositionView,
    Protection as Protection,
    ProtectionStatus as ProtectionStatus,
)
from common.venues.simulation.events import (
    BalanceChanged as BalanceChanged,
    IndexChanged as IndexChanged,
    InstrumentListed as InstrumentListed,
    InstrumentStateChanged as InstrumentStateChanged,
    OrderChanged as OrderChanged,
    PositionChanged as PositionChanged,
    ProtectionActed as ProtectionActed,
    SimulatedEvent as SimulatedEvent,
)
from common.venues.simulation.exchange import (
    SimulatedExchange as SimulatedExchange,
)
from common.venues.simulation.market import (
    FlowAction as FlowAction,
    FlowOrder as FlowOrder,
    SimulatedMarket as SimulatedMarket,
)
from common.venues.simulation.market_data import (
    BookChange as BookChange,
    BookLevelChange as BookLevelChange,
    BookView as BookView,
    Candle as Candle,
    DeliveryPrice as DeliveryPrice,
    FundingPoint as FundingPoint,
    LedgerEntry as LedgerEntry,
    LedgerKind as LedgerKind,
    OptionFigures as OptionFigures,
    Settlement as Settlement,
    SettlementKind as SettlementKind,
    TickerView as TickerView,
)
from common.venues.simulation.orders import (
    FillPage as FillPage,
    LinkView as LinkView,
    Placed as Placed,
    PublicTrade as PublicTrade,
    Refused as Refused,
    SimulatedFill as SimulatedFill,
    SimulatedOrder as SimulatedOrder,
    TradePage as TradePage,
)
from common.venues.simulation.requests import (
    ComboLeg as ComboLeg,
    HistoryFilter as HistoryFilter,
    LinkRequest as LinkRequest,
    OrderChanges as OrderChanges,
    OrderFilter as OrderFilter,
    OrderRequest as OrderRequest,
    ProtectionTag as ProtectionTag,
    TradedVolume as TradedVolume,
    TradeFilter as TradeFilter,
)
from common.venues.simulation.words import (
    ZERO as ZERO,
    CancelReason as CancelReason,
    FillCondition as FillCondition,
    LevelAction as LevelAction,
    LinkKind as LinkKind,
    OrderState as OrderState,
    SelfTrading as SelfTrading,
    SimulatedRefusal as SimulatedRefusal,
    TickDirection as TickDirection,
)
