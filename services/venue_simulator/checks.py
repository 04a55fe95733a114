"""What a new order must pass before anything is looked up or changed for it."""

from __future__ import annotations

from decimal import Decimal

from common.messages import OrderType
from common.venues.simulation import OrderRequest, Refused, SimulatedRefusal
from services.venue_simulator.links import check_links
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import check_request
from services.venue_simulator.state import State


def check_place(
    state: State, account: str, request: OrderRequest, listing: Listing
) -> Refused | None:
    """The first reason not to take an order of a known account."""
    if not listing.is_open:
        return Refused(SimulatedRefusal.INSTRUMENT_CLOSED, "symbol")
    most = state.rules.max_open_orders
    if len(state.accounts[account].orders) >= most:
        return Refused(SimulatedRefusal.MAX_OPEN_ORDERS, limit=Decimal(most))
    if listing.legs and not _suits_combo(request):
        return Refused(SimulatedRefusal.UNSUITABLE_FOR_COMBO, "order_type")
    refused = _check_one(state, request, listing)
    if refused is not None or request.link is None:
        return refused
    refused = check_links(request)
    for other in request.link.orders:
        refused = refused or _check_one(state, other, listing)
    return refused


def _check_one(state: State, request: OrderRequest, listing: Listing) -> Refused | None:
    rules = state.rules
    if len(request.label) > rules.label_length:
        return Refused(SimulatedRefusal.LABEL_TOO_LONG, "label")
    return check_request(listing.instrument, request, rules, state.now_ns)


def _suits_combo(request: OrderRequest) -> bool:
    """Combos take plain orders alone: nothing that waits, is linked, protected or reduces."""
    return (
        request.order_type in (OrderType.LIMIT, OrderType.MARKET)
        and request.link is None
        and request.protection is None
        and not request.reduce_only
    )
