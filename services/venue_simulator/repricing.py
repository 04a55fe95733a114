"""Option orders whose price is in USD or volatility: where they are now, and their moves.

USD counts by the index, volatility by Black-76 on the future of the expiry, as marks do. Prices are
rounded to the tick away from the market. With every step of the marks an order that belongs on
another tick is moved there, which costs it its place in the queue and may make it trade.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from common.domain.instrument import exact
from common.domain.pricing import option_quote, years_between
from common.messages import ContractType, OptionType, PriceType, Side
from common.venues.simulation import OrderChanges, OrderRequest, Refused, SimulatedRefusal
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import ClientOrder
from services.venue_simulator.state import State

LARGEST_VOLATILITY = Decimal(1000)  # percent
Move = Callable[[ClientOrder, Listing, Decimal], object]


class Repricing:
    """Args:
    move: puts a resting order to another price.
    """

    def __init__(self, state: State, move: Move) -> None:
        self._state, self._move = state, move
        self._orders: dict[int, ClientOrder] = {}

    def priced(self, request: OrderRequest, listing: Listing) -> OrderRequest | Refused:
        """The request with the price that it has now."""
        if request.price_type is None:
            return request
        price = self._price(listing, request.price_type, request.stated_price, request.side)
        if price is None:
            return Refused(SimulatedRefusal.PRICE_NOT_ALLOWED, "price")
        return msgspec.structs.replace(request, price=price)

    def changed(
        self, order: ClientOrder, changes: OrderChanges, listing: Listing
    ) -> OrderChanges | Refused:
        kind = order.request.price_type
        if kind is None or changes.stated_price is None:
            return changes
        price = self._price(listing, kind, changes.stated_price, order.side)
        if price is None:
            return Refused(SimulatedRefusal.PRICE_NOT_ALLOWED, "price")
        return msgspec.structs.replace(changes, price=price)

    def follow(self, order: ClientOrder) -> None:
        """Keep an order that was taken at its price from now on."""
        if order.request.price_type is not None and order.number in self._state.orders:
            self._orders[order.number] = order

    def run(self) -> None:
        """The marks moved: so do the orders."""
        for number, order in list(self._orders.items()):
            if number not in self._state.orders:
                del self._orders[number]
                continue
            listing = self._state.listings[order.symbol]
            kind = order.request.price_type
            price = self._price(listing, kind, order.stated_price, order.side) if kind else None
            if price is not None and price != order.price and listing.is_open:
                self._move(order, listing, price)

    def _price(
        self, listing: Listing, kind: PriceType, stated: Decimal | None, side: Side
    ) -> Decimal | None:
        """None where nothing comes of it."""
        if stated is None or not stated.is_finite() or stated <= 0:
            return None
        if kind is PriceType.USD:
            index = self._state.index(listing.definition.price_index)
            value = float(stated) / index if index and stated.adjusted() <= 15 else None
        else:
            value = self._of_volatility(listing, stated)
        if value is None:
            return None
        price = listing.instrument.round_price(exact(value), side)
        return max(price, listing.definition.tick_size)

    def _of_volatility(self, listing: Listing, percent: Decimal) -> float | None:
        rules, now_ns = listing.definition, self._state.now_ns
        figures = self._state.market.option_figures(listing.symbol, now_ns)
        if figures is None or percent > LARGEST_VOLATILITY:
            return None
        if rules.strike is None or rules.expiration_ns is None:
            return None
        return option_quote(
            rules.option_type is OptionType.CALL,
            figures.underlying_price,
            float(rules.strike),
            years_between(now_ns, rules.expiration_ns),
            float(percent) / 100,
            inverse=rules.contract_type is ContractType.INVERSE,
        ).mark_price
