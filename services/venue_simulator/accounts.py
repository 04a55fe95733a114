"""Accounts: balances, positions and open orders of one client, and what a fill does to them.

Premiums of options and both legs of a spot trade move balances at once. The profit of futures waits
in the position until the daily settlement moves it to the balance, so a position keeps two books:
`entry` since it was opened, and `session` since the last settlement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal

from common.domain.instrument import exact
from common.domain.position import Position
from common.messages import InstrumentKind, Liquidity
from common.venues.simulation import (
    ZERO,
    SelfTrading,
    Settlement,
    SimulatedFill,
    SimulatedOrder,
)
from services.venue_simulator.ledger import Ledger
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import ClientOrder
from services.venue_simulator.rules import ExchangeRules

CENTS = Decimal("1e-10")  # money is kept to this


def money(value: Decimal) -> Decimal:
    return value.quantize(CENTS)


class Holding:
    """A position with its session part; money in the settlement currency."""

    __slots__ = ("entry", "funding", "listing", "session", "touched")

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.entry = Position(listing.instrument)
        self.session = Position(listing.instrument)
        self.funding = ZERO  # received this session
        self.touched = False  # traded or settled in this session

    @property
    def quantity(self) -> Decimal:
        return self.entry.quantity

    def trade(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Add a signed quantity; the profit it realised in this session, before fees."""
        before = self.session.realized_pnl
        self.entry.trade(quantity, price)
        self.session.trade(quantity, price)
        self.touched = True
        return self.session.realized_pnl - before

    def realized(self) -> Decimal:
        """This session's, funding included."""
        return self.session.realized_pnl + self.funding

    def restart_session(self, price: Decimal) -> None:
        """The next profit is counted from this price."""
        self.session.realized_pnl = ZERO
        self.session.open_at(self.quantity, price)
        self.funding = ZERO
        self.touched = False


class Working:
    """What rests in the book for one account and instrument; reduce-only orders are left out."""

    __slots__ = ("buy", "buy_value", "sell", "sell_value")

    def __init__(self) -> None:
        self.buy = self.sell = ZERO
        self.buy_value = self.sell_value = ZERO  # sums of price * quantity

    def add(self, is_buy: bool, quantity: Decimal, price: Decimal) -> None:
        """A negative quantity takes away."""
        if is_buy:
            self.buy += quantity
            self.buy_value += quantity * price
        else:
            self.sell += quantity
            self.sell_value += quantity * price

    def with_order(self, is_buy: bool, quantity: Decimal, value: Decimal) -> Working:
        """As it would be with one order more; value is price * quantity."""
        other = Working()
        other.buy, other.buy_value = self.buy, self.buy_value
        other.sell, other.sell_value = self.sell, self.sell_value
        if is_buy:
            other.buy += quantity
            other.buy_value += value
        else:
            other.sell += quantity
            other.sell_value += value
        return other


class Account:
    """One client. Open orders are kept oldest first; history is bounded. mark: as of now."""

    def __init__(
        self,
        name: str,
        balances: dict[str, Decimal],
        history: int,
        mark: Callable[[Listing], float] = lambda listing: 0.0,
    ) -> None:
        self.name = name
        self._mark = mark
        self.balances = balances
        self.holdings: dict[str, Holding] = {}
        self.orders: dict[int, ClientOrder] = {}
        self.by_symbol: dict[str, dict[int, ClientOrder]] = {}
        self.working: dict[str, Working] = {}
        self.closed: deque[SimulatedOrder] = deque(maxlen=history)
        self.fills: deque[SimulatedFill] = deque(maxlen=history)
        self.settlements: deque[Settlement] = deque(maxlen=history)
        self.ledger = Ledger(balances, history, self.equity)
        self.self_trading = SelfTrading.REJECT_TAKER

    def holding(self, listing: Listing) -> Holding:
        holding = self.holdings.get(listing.symbol)
        if holding is None:
            holding = self.holdings[listing.symbol] = Holding(listing)
        return holding

    def quantity(self, symbol: str) -> Decimal:
        holding = self.holdings.get(symbol)
        return holding.quantity if holding is not None else ZERO

    def equity(self, currency: str) -> Decimal:
        """Balance, the session's profit of futures, and what the options are worth."""
        futures = options = ZERO
        for holding in self.holdings.values():
            if holding.listing.definition.settlement != currency:
                continue
            mark = exact(self._mark(holding.listing)) if holding.quantity else ZERO
            if holding.listing.is_option:
                options += holding.quantity * mark
            else:
                futures += holding.session.unrealized_pnl(mark) + holding.realized()
        return self.balances.get(currency, ZERO) + money(futures) + money(options)

    def add_balance(self, currency: str, amount: Decimal) -> None:
        self.balances[currency] = self.balances.get(currency, ZERO) + money(amount)

    def trade(self, listing: Listing, quantity: Decimal, price: Decimal, fee: Decimal) -> Decimal:
        """Book one fill of a signed quantity; the profit it realised, before the fee."""
        definition = listing.definition
        self.add_balance(definition.settlement, -fee)
        if listing.is_spot:
            self.add_balance(definition.base, quantity)
            self.add_balance(definition.quote, -quantity * price)
            return ZERO
        if listing.is_option:
            self.add_balance(definition.settlement, -quantity * price)
        return money(self.holding(listing).trade(quantity, price))

    def add_order(self, order: ClientOrder) -> None:
        self.orders[order.number] = order
        self.by_symbol.setdefault(order.symbol, {})[order.number] = order

    def remove_order(self, order: ClientOrder) -> None:
        del self.orders[order.number]
        mine = self.by_symbol[order.symbol]
        del mine[order.number]
        if not mine:
            del self.by_symbol[order.symbol]
            self.working.pop(order.symbol, None)

    def work(self, order: ClientOrder, quantity: Decimal) -> None:
        """Count a quantity of a resting order in, or out if negative."""
        if order.reduce_only or order.price is None or not quantity:
            return
        working = self.working.setdefault(order.symbol, Working())
        working.add(order.is_buy, quantity, order.price)

    def open_orders(self, symbol: str) -> Iterable[ClientOrder]:
        return self.by_symbol.get(symbol, {}).values()


def fee_of(
    listing: Listing,
    rules: ExchangeRules,
    price: Decimal,
    quantity: Decimal,
    liquidity: Liquidity,
    index_price: Decimal,
) -> Decimal:
    """In the settlement currency; negative = a rebate.

    Futures and spot pay a rate of their notional, options a rate of the underlying up to a part of
    their own value.
    """
    definition = listing.definition
    rate = definition.maker_fee if liquidity is Liquidity.MAKER else definition.taker_fee
    if definition.kind is InstrumentKind.OPTION:
        underlying = Decimal(1) if definition.quote == definition.base else index_price
        fee = min(rate * underlying, rules.option_fee_cap * price) * quantity
    elif listing.inverse:
        fee = rate * quantity / price
    else:
        fee = rate * quantity * price
    return money(fee)
