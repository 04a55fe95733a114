"""Admission: what an order must pass before it enters the book, and how it is cut to fit."""

from __future__ import annotations

from common.messages import TimeInForce
from common.venues.simulation import ZERO, Refused, SimulatedRefusal
from services.venue_simulator.funds import Funds, Need
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import MARKET_TYPES, ClientOrder
from services.venue_simulator.state import State

IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class Admission:
    """Each check may adjust the order, or refuse it and say why."""

    def __init__(self, state: State, funds: Funds) -> None:
        self._state = state
        self._funds = funds

    def limit_price(self, order: ClientOrder, listing: Listing) -> Refused | None:
        """Give market orders their protection price; hold limits within the band."""
        low, high = self._state.band(listing)
        bound = high if order.is_buy else low
        if order.request.order_type in MARKET_TYPES:
            order.price = bound
            return None
        if order.price is None:  # MARKET_TO_LIMIT: from now on a limit at the best price
            best = listing.engine.side(not order.is_buy).best_tick
            if best is None:
                return Refused(SimulatedRefusal.NO_LIQUIDITY)
            order.price = listing.scale.price(best)
        beyond = order.price > high if order.is_buy else order.price < low
        if beyond and listing.is_option:
            reason = SimulatedRefusal.PRICE_TOO_LOW
            if order.is_buy:
                reason = SimulatedRefusal.PRICE_TOO_HIGH
            return Refused(reason, "price", bound)
        if beyond:
            order.price = bound
        return None

    def reduce(self, order: ClientOrder, listing: Listing) -> Refused | None:
        """Cut a reduce-only order to what is left to reduce."""
        if not order.reduce_only:
            return None
        account = self._state.accounts[order.account]
        held = account.quantity(listing.symbol)
        room = -held if order.is_buy else held
        if time_in_force(order) not in IMMEDIATE:
            room -= sum(
                (
                    other.leaves_quantity
                    for other in account.open_orders(listing.symbol)
                    if other.reduce_only and other is not order and not other.is_waiting
                ),
                ZERO,
            )
        if room <= 0 or listing.is_spot:
            return Refused(SimulatedRefusal.REDUCE_ONLY, "reduce_only")
        order.quantity = min(order.quantity, order.cum_quantity + room)
        return None

    def afford(self, order: ClientOrder, listing: Listing) -> Refused | None:
        if order.reduce_only:
            return None
        account = self._state.accounts[order.account]
        price = order.price or ZERO
        scale = listing.scale
        tick, lots = scale.ticks(price), scale.lots(order.leaves_quantity)
        filled, cost = listing.engine.sweep(order.is_buy, tick, lots)
        value = scale.price(cost) * scale.lot
        rest = scale.quantity(lots - filled)
        if time_in_force(order) not in IMMEDIATE:
            value += rest * price
        need = Need(order.leaves_quantity, value, order.is_buy)
        if not self._funds.suffice(account, listing, need):
            return Refused(SimulatedRefusal.NOT_ENOUGH_FUNDS)
        return None


def time_in_force(order: ClientOrder) -> TimeInForce:
    """A market order never rests."""
    asked = order.request.time_in_force
    if order.request.order_type in MARKET_TYPES:
        return asked if asked in IMMEDIATE else TimeInForce.IOC
    return asked
