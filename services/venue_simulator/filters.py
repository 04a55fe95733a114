"""Filters: which orders, fills and trades a query means."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from common.venues.simulation import (
    HistoryFilter,
    OrderFilter,
    ProtectionTag,
    PublicTrade,
    SimulatedFill,
    SimulatedOrder,
    TradeFilter,
)
from services.venue_simulator.listing import Listing
from services.venue_simulator.orders import ClientOrder


def matches_order(order: ClientOrder, listing: Listing, which: OrderFilter) -> bool:
    definition, request = listing.definition, order.request
    return (
        (which.symbol is None or which.symbol == order.symbol)
        and (which.kinds is None or definition.kind in which.kinds)
        and (which.currency is None or which.currency == definition.settlement)
        and (which.index is None or which.index == definition.price_index)
        and (which.order_types is None or order.order_type in which.order_types)
        and (which.label is None or which.label == request.label)
        and (which.session is None or which.session == request.session)
        and _matches_tag(request.protection, which)
    )


def _matches_tag(tag: ProtectionTag | None, which: OrderFilter) -> bool:
    if which.is_quote is None and which.protection_group is None and which.quote_set is None:
        return True
    if tag is None:
        return which.is_quote is False and which.protection_group is which.quote_set is None
    return (
        (which.is_quote is None or which.is_quote is (tag.quote_id is not None))
        and (which.protection_group is None or which.protection_group == tag.group)
        and (which.quote_set is None or which.quote_set == tag.quote_set)
    )


def matches_listing(listing: Listing, which: TradeFilter | HistoryFilter) -> bool:
    definition = listing.definition
    return (
        (which.symbol is None or which.symbol == definition.symbol)
        and (which.kinds is None or definition.kind in which.kinds)
        and (which.currency is None or which.currency == definition.settlement)
    )


def matches_history(order: SimulatedOrder, which: HistoryFilter) -> bool:
    return (
        (which.include_unfilled or order.cum_quantity > 0)
        and _within(order.updated_ns, which.from_ns, which.to_ns)
        and (not which.only_triggers or _has_waited(order))
    )


def _has_waited(order: SimulatedOrder) -> bool:
    """The stop itself, not the order that it became."""
    return order.trigger is not None and order.trigger_order is None


def matches_trade(number: int, sequence: int, time_ns: int, which: TradeFilter) -> bool:
    return (
        _within(number, which.from_number, which.to_number)
        and _within(sequence, which.from_sequence, which.to_sequence)
        and _within(time_ns, which.from_ns, which.to_ns)
    )


def page_fills(
    fills: Iterable[SimulatedFill], listing: Callable[[str], Listing], which: TradeFilter
) -> tuple[list[SimulatedFill], bool]:
    """(page, has_more) of fills that come oldest first."""
    found = [
        fill
        for fill in fills
        if matches_trade(fill.trade_number, fill.trade_sequence, fill.filled_ns, which)
        and (which.order_number is None or fill.order_number == which.order_number)
        and matches_listing(listing(fill.symbol), which)
    ]
    if not which.ascending:
        found.reverse()
    return found[: which.count], len(found) > which.count


def page_trades(
    trades: Iterable[PublicTrade], which: TradeFilter
) -> tuple[list[PublicTrade], bool]:
    """(page, has_more) of public trades in any order."""
    found = [
        trade
        for trade in trades
        if matches_trade(trade.trade_number, trade.trade_sequence, trade.traded_ns, which)
    ]
    found.sort(key=_number, reverse=not which.ascending)
    return found[: which.count], len(found) > which.count


def _number(trade: PublicTrade) -> int:
    return trade.trade_number


def _within(value: int, low: int | None, high: int | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
