"""The calls of the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from common.messages import InstrumentDefinition, InstrumentKind
from common.venues.simulation.accounts import (
    AccountSummary,
    MarginsView,
    PositionView,
    Protection,
    ProtectionStatus,
)
from common.venues.simulation.events import SimulatedEvent
from common.venues.simulation.market_data import (
    BookView,
    Candle,
    DeliveryPrice,
    FundingPoint,
    LedgerEntry,
    Settlement,
    TickerView,
)
from common.venues.simulation.orders import FillPage, Placed, Refused, SimulatedOrder, TradePage
from common.venues.simulation.requests import (
    ComboLeg,
    HistoryFilter,
    OrderChanges,
    OrderFilter,
    OrderRequest,
    TradedVolume,
    TradeFilter,
)
from common.venues.simulation.words import SelfTrading


class SimulatedExchange(Protocol):
    """Matching, accounts and market data of one venue.

    Queries answer as of the greatest now_ns that any call has carried. Every call that changes
    something queues events; drain() hands them over in order. The owner calls
    advance() often (every 5 to 20 ms) and drain() after each call that changes something.
    """

    # reference data
    def instruments(self) -> Sequence[InstrumentDefinition]: ...

    def instrument(self, symbol: str) -> InstrumentDefinition | None:
        """Expired ones too, with their present status."""
        ...

    def list_instrument(self, definition: InstrumentDefinition, now_ns: int) -> None: ...

    def list_combo(
        self, definition: InstrumentDefinition, legs: Sequence[ComboLeg], now_ns: int
    ) -> None:
        """A combo of listed instruments; its price is the signed sum of theirs."""
        ...

    def index_names(self) -> Sequence[str]: ...

    def index_price(self, name: str) -> float | None: ...

    # orders
    def place(self, account: str, request: OrderRequest, now_ns: int) -> Placed | Refused: ...

    def edit(
        self, account: str, number: int, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused: ...

    def edit_by_label(
        self, account: str, symbol: str, label: str, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused: ...

    def cancel(self, account: str, number: int, now_ns: int) -> SimulatedOrder | Refused: ...

    def cancel_matching(
        self, account: str, which: OrderFilter, now_ns: int
    ) -> list[SimulatedOrder]: ...

    def close_position(
        self, account: str, symbol: str, price: Decimal | None, session: str, now_ns: int
    ) -> Placed | Refused:
        """A reduce-only order of the whole position: LIMIT at price, MARKET for None."""
        ...

    def order(self, account: str, number: int) -> SimulatedOrder | Refused: ...

    def open_orders(self, account: str, which: OrderFilter) -> list[SimulatedOrder]:
        """Waiting stops included, oldest first."""
        ...

    def order_history(self, account: str, which: HistoryFilter) -> list[SimulatedOrder]: ...

    def fills(self, account: str, which: TradeFilter) -> FillPage: ...

    def traded(self, from_ns: int) -> list[TradedVolume]:
        """What was traded since then, to the hour, at most 30 days ago; the past before the start
        of the venue has none."""
        ...

    def disconnect(self, account: str, session: str, now_ns: int) -> list[SimulatedOrder]:
        """Cancel what this session placed (only called when the session asked for that)."""
        ...

    # accounts
    def accounts(self) -> Sequence[str]: ...

    def currencies(self, account: str) -> Sequence[str]: ...

    def positions(
        self, account: str, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[PositionView]:
        """Open positions, and flat ones that had profit in this session."""
        ...

    def position(self, account: str, symbol: str) -> PositionView | None:
        """A flat one with zeros; None for an unknown or a spot instrument."""
        ...

    def account_summary(self, account: str, currency: str) -> AccountSummary | None: ...

    def margins(self, account: str, symbol: str, quantity: Decimal, price: Decimal) -> MarginsView:
        """Raises KeyError for an unknown instrument: ask instrument() first."""
        ...

    def order_margin(self, account: str, number: int) -> Decimal | None: ...

    def set_self_trading(self, account: str, mode: SelfTrading) -> None: ...

    def self_trading(self, account: str) -> SelfTrading: ...

    def protect(self, account: str, wanted: Protection, now_ns: int) -> None:
        """Set a protection; an interval of 0 removes it and cancels its orders."""
        ...

    def protections(self, account: str) -> list[Protection]: ...

    def protection_status(self, account: str) -> list[ProtectionStatus]: ...

    def reset_protection(self, account: str, index: str, group: str, now_ns: int) -> bool:
        """Let a frozen protection take orders again; False if there is none."""
        ...

    def ledger(self, account: str, currency: str | None) -> list[LedgerEntry]:
        """Oldest first; currency None for all."""
        ...

    def move_cash(
        self, account: str, currency: str, amount: Decimal, target: str, now_ns: int
    ) -> LedgerEntry | Refused:
        """To another account, or out of the venue if `target` is none of its accounts."""
        ...

    def settlements(
        self, account: str | None, symbol: str | None, currency: str | None, count: int
    ) -> list[Settlement]:
        """Newest first; account None for the public record."""
        ...

    # market data
    def book(self, symbol: str, depth: int) -> BookView | None: ...

    def ticker(self, symbol: str) -> TickerView | None: ...

    def tickers(
        self, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[TickerView]:
        """Of all trading instruments; currency is the settlement currency."""
        ...

    def public_trades(self, which: TradeFilter) -> TradePage: ...

    def candles(self, symbol: str, from_ns: int, to_ns: int, bar_ns: int) -> list[Candle]: ...

    def funding_history(self, symbol: str, from_ns: int, to_ns: int) -> list[FundingPoint]: ...

    def funding_value(self, symbol: str, from_ns: int, to_ns: int) -> float: ...

    def delivery_prices(self, index: str) -> list[DeliveryPrice]:
        """Newest first."""
        ...

    def watch(self, symbol: str, now_ns: int) -> BookView | None:
        """Keep this book alive and queue its BookChange and PublicTrade events; counts.

        Returns the book the following changes apply to; None for an unknown instrument.
        """
        ...

    def unwatch(self, symbol: str) -> None: ...

    # time
    def advance(self, now_ns: int) -> None:
        """Synthetic orders, triggers, funding, settlement and expiry up to now."""
        ...

    def drain(self) -> list[SimulatedEvent]: ...
