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
)
from common.venues.simulation.accounts import (
    MarginsView as MarginsView,
)
from common.venues.simulation.accounts import (
    PositionView as PositionView,
)
from common.venues.simulation.accounts import (
    Protection as Protection,
)
from common.venues.simulation.accounts import (
    ProtectionStatus as ProtectionStatus,
)
from common.venues.simulation.events import (
    BalanceChanged as BalanceChanged,
)
from common.venues.simulation.events import (
    IndexChanged as IndexChanged,
)
from common.venues.simulation.events import (
    InstrumentListed as InstrumentListed,
)
from common.venues.simulation.events import (
    InstrumentStateChanged as InstrumentStateChanged,
)
from common.venues.simulation.events import (
    OrderChanged as OrderChanged,
)
from common.venues.simulation.events import (
    PositionChanged as PositionChanged,
)
from common.venues.simulation.events import (
    ProtectionActed as ProtectionActed,
)
from common.venues.simulation.events import (
    SimulatedEvent as SimulatedEvent,
)
from common.venues.simulation.exchange import (
    SimulatedExchange as SimulatedExchange,
)
from common.venues.simulation.market import (
    FlowAction as FlowAction,
)
from common.venues.simulation.market import (
    FlowOrder as FlowOrder,
)
from common.venues.simulation.market import (
    SimulatedMarket as SimulatedMarket,
)
from common.venues.simulation.market_data import (
    BookChange as BookChange,
)
from common.venues.simulation.market_data import (
    BookLevelChange as BookLevelChange,
)
from common.venues.simulation.market_data import (
    BookView as BookView,
)
from common.venues.simulation.market_data import (
    Candle as Candle,
)
from common.venues.simulation.market_data import (
    DeliveryPrice as DeliveryPrice,
)
from common.venues.simulation.market_data import (
    FundingPoint as FundingPoint,
)
from common.venues.simulation.market_data import (
    LedgerEntry as LedgerEntry,
)
from common.venues.simulation.market_data import (
    LedgerKind as LedgerKind,
)
from common.venues.simulation.market_data import (
    OptionFigures as OptionFigures,
)
from common.venues.simulation.market_data import (
    Settlement as Settlement,
)
from common.venues.simulation.market_data import (
    SettlementKind as SettlementKind,
)
from common.venues.simulation.market_data import (
    TickerView as TickerView,
)
from common.venues.simulation.orders import (
    FillPage as FillPage,
)
from common.venues.simulation.orders import (
    LinkView as LinkView,
)
from common.venues.simulation.orders import (
    Placed as Placed,
)
from common.venues.simulation.orders import (
    PublicTrade as PublicTrade,
)
from common.venues.simulation.orders import (
    Refused as Refused,
)
from common.venues.simulation.orders import (
    SimulatedFill as SimulatedFill,
)
from common.venues.simulation.orders import (
    SimulatedOrder as SimulatedOrder,
)
from common.venues.simulation.orders import (
    TradePage as TradePage,
)
from common.venues.simulation.requests import (
    ComboLeg as ComboLeg,
)
from common.venues.simulation.requests import (
    HistoryFilter as HistoryFilter,
)
from common.venues.simulation.requests import (
    LinkRequest as LinkRequest,
)
from common.venues.simulation.requests import (
    OrderChanges as OrderChanges,
)
from common.venues.simulation.requests import (
    OrderFilter as OrderFilter,
)
from common.venues.simulation.requests import (
    OrderRequest as OrderRequest,
)
from common.venues.simulation.requests import (
    ProtectionTag as ProtectionTag,
)
from common.venues.simulation.requests import (
    TradedVolume as TradedVolume,
)
from common.venues.simulation.requests import (
    TradeFilter as TradeFilter,
)
from common.venues.simulation.words import (
    ZERO as ZERO,
)
from common.venues.simulation.words import (
    CancelReason as CancelReason,
)
from common.venues.simulation.words import (
    FillCondition as FillCondition,
)
from common.venues.simulation.words import (
    LevelAction as LevelAction,
)
from common.venues.simulation.words import (
    LinkKind as LinkKind,
)
from common.venues.simulation.words import (
    OrderState as OrderState,
)
from common.venues.simulation.words import (
    SelfTrading as SelfTrading,
)
from common.venues.simulation.words import (
    SimulatedRefusal as SimulatedRefusal,
)
from common.venues.simulation.words import (
    TickDirection as TickDirection,
)
