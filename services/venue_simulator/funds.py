"""Funds: what an account has, what its positions and orders tie up, and whether more fits."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from common.messages import Liquidity
from common.venues.simulation import ZERO
from services.venue_simulator.accounts import Account, Working, fee_of, money
from services.venue_simulator.combos import combo_margin
from services.venue_simulator.listing import Listing
from services.venue_simulator.margin import NO_ORDERS, Margin, margin_of
from services.venue_simulator.orders import ClientOrder
from services.venue_simulator.state import State


class Need(NamedTuple):
    """An order as the margin check sees it; value is price * quantity at its worst price."""

    quantity: Decimal
    value: Decimal
    is_buy: bool


class Totals:
    """One currency of an account, summed over its instruments."""

    __slots__ = ("initial", "maintenance", "orders", "realized", "reserve", "unrealized")

    def __init__(self) -> None:
        self.initial = self.maintenance = self.orders = ZERO
        self.unrealized = self.realized = ZERO  # of futures, this session
        self.reserve = ZERO  # of spot orders


class Funds:
    """Reads the state of an exchange; changes nothing."""

    def __init__(self, state: State) -> None:
        self._state = state

    def totals(self, account: Account, currency: str) -> Totals:
        totals = Totals()
        for symbol in account.holdings.keys() | account.working.keys():
            listing = self._state.listings[symbol]
            if listing.is_spot:
                totals.reserve += self._reserved(account, listing, currency)
            elif listing.definition.settlement == currency:
                self._add(totals, account, listing)
        return totals

    def available(self, account: Account, currency: str) -> Decimal:
        totals = self.totals(account, currency)
        balance = account.balances.get(currency, ZERO) + totals.unrealized + totals.realized
        return balance - totals.initial - totals.orders - totals.reserve

    def margin(self, account: Account, listing: Listing) -> Margin:
        return self.margin_with(account, listing, account.working.get(listing.symbol, NO_ORDERS))

    def margin_with(self, account: Account, listing: Listing, working: Working) -> Margin:
        if listing.legs:
            return combo_margin(self._state, listing, working, self._state.rules)
        quantity = account.quantity(listing.symbol)
        prices = self._state.prices(listing)
        return margin_of(listing, quantity, working, prices, self._state.rules)

    def suffice(self, account: Account, listing: Listing, need: Need) -> bool:
        """Whether an account may add this order to those that work already."""
        if listing.is_spot:
            return self._spot_suffices(account, listing, need)
        working = account.working.get(listing.symbol, NO_ORDERS)
        before = self.margin_with(account, listing, working)
        more = working.with_order(need.is_buy, need.quantity, need.value)
        after = self.margin_with(account, listing, more)
        increase = after.initial + after.orders - before.initial - before.orders
        if increase <= 0:
            return True
        if not listing.legs:
            increase += self._fee(listing, need)
        return self.available(account, listing.definition.settlement) >= increase

    def order_margin(self, account: Account, order: ClientOrder) -> Decimal:
        """What one resting order ties up by itself."""
        listing = self._state.listings[order.symbol]
        price = order.price or ZERO
        working = Working()
        working.add(order.is_buy, order.leaves_quantity, price)
        if listing.is_spot:
            return money(working.buy_value or working.sell)
        return money(self.margin_with(account, listing, working).orders)

    def _add(self, totals: Totals, account: Account, listing: Listing) -> None:
        margin = self.margin(account, listing)
        totals.initial += margin.initial
        totals.maintenance += margin.maintenance
        totals.orders += margin.orders
        holding = account.holdings.get(listing.symbol)
        if holding is not None and listing.is_future:
            totals.realized += holding.realized()
            if holding.quantity:
                totals.unrealized += holding.session.unrealized_pnl(
                    self._state.prices(listing).mark
                )

    def _reserved(self, account: Account, listing: Listing, currency: str) -> Decimal:
        working = account.working.get(listing.symbol, NO_ORDERS)
        definition = listing.definition
        reserved = working.buy_value if currency == definition.quote else ZERO
        return reserved + (working.sell if currency == definition.base else ZERO)

    def _spot_suffices(self, account: Account, listing: Listing, need: Need) -> bool:
        definition = listing.definition
        if need.is_buy:
            cost = need.value * (1 + max(ZERO, definition.taker_fee))
            return self.available(account, definition.quote) >= cost
        return self.available(account, definition.base) >= need.quantity

    def _fee(self, listing: Listing, need: Need) -> Decimal:
        prices = self._state.prices(listing)
        price = need.value / need.quantity if need.quantity else prices.mark
        rules = self._state.rules
        fee = fee_of(
            listing, rules, price or prices.mark, need.quantity, Liquidity.TAKER, prices.underlying
        )
        return max(ZERO, fee)
