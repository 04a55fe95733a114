"""The simulated exchange: one object that a venue's protocol server talks to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import chain, dropwhile, islice

import msgspec

from common.config import SimulatorAccountConfig
from common.errors import ConfigError
from common.messages import InstrumentDefinition, InstrumentKind, TriggerPrice
from common.venues.simulation import (
    AccountSummary,
    BookView,
    CancelReason,
    Candle,
    ComboLeg,
    DeliveryPrice,
    FillPage,
    FundingPoint,
    HistoryFilter,
    IndexChanged,
    LedgerEntry,
    MarginsView,
    OrderChanges,
    OrderFilter,
    OrderRequest,
    Placed,
    PositionView,
    Protection,
    ProtectionStatus,
    Refused,
    SelfTrading,
    Settlement,
    SimulatedEvent,
    SimulatedMarket,
    SimulatedOrder,
    SimulatedRefusal,
    TickerView,
    TradedVolume,
    TradeFilter,
    TradePage,
)
from services.venue_simulator.account_views import AccountViews
from services.venue_simulator.cash import Cash
from services.venue_simulator.execution import Execution
from services.venue_simulator.filters import (
    matches_history,
    matches_listing,
    matches_order,
    page_fills,
    page_trades,
)
from services.venue_simulator.funds import Funds
from services.venue_simulator.listing import Listing
from services.venue_simulator.market_views import MarketViews
from services.venue_simulator.operations import Operations
from services.venue_simulator.order_entry import OrderEntry, closing_request
from services.venue_simulator.rules import SECOND_NS, ExchangeRules
from services.venue_simulator.settlement import Settler
from services.venue_simulator.state import State

MARK_TRIGGERS = (TriggerPrice.MARK, TriggerPrice.INDEX)


class Exchange:
    """Implements SimulatedExchange (common/venues/simulation/), which documents the calls.

    Args:
        accounts: client ids and opening balances.
        first_number: orders and trades are numbered from here; a greater one after each restart
            keeps ids unique.
    """

    def __init__(
        self,
        definitions: Iterable[InstrumentDefinition],
        market: SimulatedMarket,
        accounts: Iterable[SimulatorAccountConfig],
        rules: ExchangeRules | None = None,
        first_number: int = 1,
    ) -> None:
        balances = {account.client_id: opening_balances(account) for account in accounts}
        self._state = State(definitions, market, balances, rules or ExchangeRules(), first_number)
        self._funds = Funds(self._state)
        self._execution = Execution(self._state)
        self._entry = OrderEntry(self._state, self._funds, self._execution)
        self._settler = Settler(self._state, self._execution)
        self.operations = Operations(self._state, self._entry, self._execution, self._settler)
        self._cash = Cash(self._state, self._funds)
        self._account_views = AccountViews(self._state, self._funds)
        self._market_views = MarketViews(self._state)
        self._second = 0
        self._marked_ns = 0

    # reference data

    def instruments(self) -> Sequence[InstrumentDefinition]:
        return [self._definition(listing) for listing in self._state.listings.values()]

    def instrument(self, symbol: str) -> InstrumentDefinition | None:
        listing = self._state.listings.get(symbol)
        return self._definition(listing) if listing is not None else None

    def list_instrument(self, definition: InstrumentDefinition, now_ns: int) -> None:
        self._move_to(now_ns)
        if definition.symbol not in self._state.listings:
            self._state.list_instrument(definition)
            self._settler.note(self._state.listings[definition.symbol])

    def list_combo(
        self, definition: InstrumentDefinition, legs: Sequence[ComboLeg], now_ns: int
    ) -> None:
        self._move_to(now_ns)
        if definition.symbol not in self._state.listings:
            self._state.list_combo(definition, legs)
            self._settler.note(self._state.listings[definition.symbol])

    def index_names(self) -> Sequence[str]:
        return self._state.market.index_names()

    def index_price(self, name: str) -> float | None:
        return self._state.index(name) if name in self.index_names() else None

    # orders

    def place(self, account: str, request: OrderRequest, now_ns: int) -> Placed | Refused:
        self._move_to(now_ns)
        return self._entry.place(account, request)

    def edit(
        self, account: str, number: int, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused:
        self._move_to(now_ns)
        return self._entry.edit(account, number, changes)

    def edit_by_label(
        self, account: str, symbol: str, label: str, changes: OrderChanges, now_ns: int
    ) -> Placed | Refused:
        self._move_to(now_ns)
        return self._entry.edit_by_label(account, symbol, label, changes)

    def cancel(self, account: str, number: int, now_ns: int) -> SimulatedOrder | Refused:
        self._move_to(now_ns)
        return self._entry.cancel(account, number)

    def cancel_matching(
        self, account: str, which: OrderFilter, now_ns: int
    ) -> list[SimulatedOrder]:
        self._move_to(now_ns)
        return self._entry.cancel_matching(account, which, CancelReason.USER_REQUEST)

    def close_position(
        self, account: str, symbol: str, price: Decimal | None, session: str, now_ns: int
    ) -> Placed | Refused:
        self._move_to(now_ns)
        known = self._state.accounts.get(account)
        held = known.quantity(symbol) if known is not None else Decimal(0)
        if not held:
            return Refused(SimulatedRefusal.NO_POSITION, "symbol")
        return self._entry.place(account, closing_request(symbol, held, price, session))

    def order(self, account: str, number: int) -> SimulatedOrder | Refused:
        closed = self._state.closed.get(number)
        if closed is not None and closed.account == account:
            return closed
        order = self._entry.find(account, number)
        return order if isinstance(order, Refused) else self._state.record(order)

    def open_orders(self, account: str, which: OrderFilter) -> list[SimulatedOrder]:
        listings = self._state.listings
        return [
            self._state.record(order)
            for order in self._state.account_orders(account)
            if matches_order(order, listings[order.symbol], which)
        ]

    def order_history(self, account: str, which: HistoryFilter) -> list[SimulatedOrder]:
        known = self._state.accounts.get(account)
        if known is None:
            return []
        found = (
            order
            for order in _closed_before(known.closed, which.closed_before)
            if matches_history(order, which)
            and matches_listing(self._state.listings[order.symbol], which)
        )
        return list(islice(found, which.offset, which.offset + which.count))

    def fills(self, account: str, which: TradeFilter) -> FillPage:
        known = self._state.accounts.get(account)
        fills = known.fills if known is not None else ()
        return FillPage(*page_fills(fills, self._state.listings.__getitem__, which))

    def traded(self, from_ns: int) -> list[TradedVolume]:
        return [TradedVolume(*key, x) for key, x in self._state.volumes.since(from_ns).items()]

    def disconnect(self, account: str, session: str, now_ns: int) -> list[SimulatedOrder]:
        self._move_to(now_ns)
        which = OrderFilter(session=session)
        return self._entry.cancel_matching(account, which, CancelReason.DISCONNECT)

    # accounts

    def accounts(self) -> Sequence[str]:
        return list(self._state.accounts)

    def currencies(self, account: str) -> Sequence[str]:
        known = self._state.accounts.get(account)
        return list(known.balances) if known is not None else []

    def positions(
        self, account: str, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[PositionView]:
        known = self._state.accounts.get(account)
        return self._account_views.positions(known, currency, kind) if known is not None else []

    def position(self, account: str, symbol: str) -> PositionView | None:
        known, listing = self._state.accounts.get(account), self._state.listings.get(symbol)
        if known is None or listing is None:
            return None
        return self._account_views.position(known, listing)

    def account_summary(self, account: str, currency: str) -> AccountSummary | None:
        known = self._state.accounts.get(account)
        return self._account_views.summary(known, currency) if known is not None else None

    def margins(self, account: str, symbol: str, quantity: Decimal, price: Decimal) -> MarginsView:
        known, listing = self._state.accounts[account], self._state.listings[symbol]
        return self._account_views.margins(known, listing, quantity, price)

    def order_margin(self, account: str, number: int) -> Decimal | None:
        order = self._entry.find(account, number)
        if isinstance(order, Refused):
            return None
        return self._funds.order_margin(self._state.accounts[account], order)

    def set_self_trading(self, account: str, mode: SelfTrading) -> None:
        self._state.accounts[account].self_trading = mode

    def self_trading(self, account: str) -> SelfTrading:
        return self._state.accounts[account].self_trading

    def protect(self, account: str, wanted: Protection, now_ns: int) -> None:
        self._move_to(now_ns)
        self._entry.protections.set(account, wanted)
        self._entry.follow_links()

    def protections(self, account: str) -> list[Protection]:
        return self._entry.protections.all(account)

    def protection_status(self, account: str) -> list[ProtectionStatus]:
        return self._entry.protections.status(account)

    def reset_protection(self, account: str, index: str, group: str, now_ns: int) -> bool:
        self._move_to(now_ns)
        return self._entry.protections.reset(account, index, group)

    def ledger(self, account: str, currency: str | None) -> list[LedgerEntry]:
        known = self._state.accounts.get(account)
        entries = known.ledger.entries if known is not None else ()
        return [entry for entry in entries if currency in (None, entry.currency)]

    def move_cash(
        self, account: str, currency: str, amount: Decimal, target: str, now_ns: int
    ) -> LedgerEntry | Refused:
        self._move_to(now_ns)
        return self._cash.move(account, currency, amount, target)

    def settlements(
        self, account: str | None, symbol: str | None, currency: str | None, count: int
    ) -> list[Settlement]:
        records: Iterable[Settlement] = reversed(self._state.settlements)
        if account is not None:
            known = self._state.accounts.get(account)
            records = reversed(known.settlements) if known is not None else ()
        which = TradeFilter(symbol=symbol, currency=currency)
        found = (r for r in records if matches_listing(self._state.listings[r.symbol], which))
        return list(islice(found, count))

    # market data

    def book(self, symbol: str, depth: int) -> BookView | None:
        listing = self._fresh(symbol)
        return listing.view(depth) if listing is not None else None

    def ticker(self, symbol: str) -> TickerView | None:
        listing = self._state.listings.get(symbol)
        return self._market_views.ticker(listing, with_iv=True) if listing is not None else None

    def tickers(
        self, currency: str | None = None, kind: InstrumentKind | None = None
    ) -> list[TickerView]:
        return [
            self._market_views.ticker(listing, with_iv=False)
            for listing in self._state.listings.values()
            if listing.is_open
            and (kind is None or listing.kind is kind)
            and (currency is None or listing.definition.settlement == currency)
        ]

    def public_trades(self, which: TradeFilter) -> TradePage:
        listings = self._state.listings
        if which.symbol is not None:
            self._fresh(which.symbol)
            chosen = [listings[which.symbol]] if which.symbol in listings else []
        else:
            chosen = [listing for listing in listings.values() if matches_listing(listing, which)]
        trades = chain.from_iterable(listing.trades for listing in chosen)
        return TradePage(*page_trades(trades, which))

    def candles(self, symbol: str, from_ns: int, to_ns: int, bar_ns: int) -> list[Candle]:
        listing = self._state.listings.get(symbol)
        if listing is None:
            return []
        return self._market_views.candles(listing, from_ns, to_ns, bar_ns)

    def funding_history(self, symbol: str, from_ns: int, to_ns: int) -> list[FundingPoint]:
        listing = self._state.listings.get(symbol)
        if listing is None:
            return []
        return self._market_views.funding_history(listing, from_ns, to_ns)

    def funding_value(self, symbol: str, from_ns: int, to_ns: int) -> float:
        listing = self._state.listings.get(symbol)
        if listing is None:
            return 0.0
        return self._market_views.funding_value(listing, from_ns, to_ns)

    def delivery_prices(self, index: str) -> list[DeliveryPrice]:
        return self._state.delivery_prices.get(index, [])[::-1]

    def watch(self, symbol: str, now_ns: int) -> BookView | None:
        self._move_to(now_ns)
        listing = self._fresh(symbol)
        if listing is None:
            return None
        listing.watchers += 1
        return listing.view(len(listing.engine.orders))

    def unwatch(self, symbol: str) -> None:
        listing = self._state.listings.get(symbol)
        if listing is not None and listing.watchers:
            listing.watchers -= 1

    # time

    def advance(self, now_ns: int) -> None:
        self._move_to(now_ns)
        for listing in self._state.take_due():
            self._entry.step(listing)
        if self._state.now_ns - self._marked_ns >= self._state.rules.mark_every_ns:
            self._marked_ns = self._state.now_ns
            self._run_mark_triggers()
            self._entry.run_repricing()
        second = self._state.now_ns // SECOND_NS
        if second != self._second:
            self._second = second
            self._settler.fund(self._state.now_ns)
            self._publish_indexes()

    def drain(self) -> list[SimulatedEvent]:
        events, self._state.events = self._state.events, []
        return events

    def _move_to(self, now_ns: int) -> None:
        """Set the clock; settlements and expiries on the way happen at their own time."""
        if not self._state.now_ns:
            self._settler.start(now_ns)
        while self._settler.next_ns() <= now_ns:
            at_ns = self._settler.next_ns()
            self._state.move_to(at_ns)
            self._settler.run(at_ns)
            self._entry.follow_links()
        self._state.move_to(now_ns)

    def _fresh(self, symbol: str) -> Listing | None:
        """A listing with its book awake and played up to now."""
        listing = self._state.listings.get(symbol)
        if listing is not None:
            self._entry.play(listing)
        return listing

    def _run_mark_triggers(self) -> None:
        with_stops = self._state.with_stops
        for listing in list(with_stops.values()):
            for source in MARK_TRIGGERS:
                self._entry.run_triggers(listing, source)
            self._entry.finish(listing)
            if not listing.triggers:
                del with_stops[listing.symbol]

    def _publish_indexes(self) -> None:
        state = self._state
        for name in state.market.index_names():
            state.events.append(IndexChanged(name, state.index(name), state.now_ns))

    def _definition(self, listing: Listing) -> InstrumentDefinition:
        if listing.status is listing.definition.status:
            return listing.definition
        return msgspec.structs.replace(listing.definition, status=listing.status)


def _closed_before(
    closed: Sequence[SimulatedOrder], number: int | None
) -> Iterable[SimulatedOrder]:
    """Newest first; of an order that is forgotten, nothing that closed before it is known."""
    newest_first = reversed(closed)
    if number is None:
        return newest_first
    return islice(dropwhile(lambda order: order.number != number, newest_first), 1, None)


def opening_balances(account: SimulatorAccountConfig) -> dict[str, Decimal]:
    """The balances a configuration names.

    Raises:
        ConfigError: one is not a finite number.
    """
    balances = {}
    for currency, text in account.balances.items():
        try:
            balances[currency] = Decimal(text)
        except InvalidOperation:
            balances[currency] = Decimal("NaN")
        if not balances[currency].is_finite():
            key = f"simulators.accounts.{account.client_id}.balances.{currency}"
            raise ConfigError("config", key, f"{text!r} is not a number")
    return balances
