"""What really happened at the venue, written down where it happens, apart from all protocol."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

from common.messages import OrderUpdated, Side
from common.venues.order_entry import quote_key
from common.venues.simulation import (
    ZERO,
    BookChange,
    FillCondition,
    OrderFilter,
    OrderRequest,
    Placed,
    ProtectionTag,
    SimulatedFill,
    SimulatedOrder,
)
from services.venue_simulator.core import VenueSimulator

Levels = tuple[dict[float, float], dict[float, float]]
FULL_DEPTH = 10_000
EVERYTHING = OrderFilter()


class Resting(NamedTuple):
    """An open order, as both sides can state it."""

    label: str
    symbol: str
    side: str
    price: Decimal | None
    quantity: Decimal
    cum_quantity: Decimal
    display_quantity: Decimal | None = None


def name_of(label: str, symbol: str, side: Side, tag: ProtectionTag | None) -> str:
    """What tells an order of ours from others: its label, or what a quote has in place of one."""
    if tag is not None and tag.quote_id is not None:
        return quote_key(tag.quote_id, symbol, side)
    return label


def is_ours(name: str) -> bool:
    """Made by the engine: outsiders label theirs with words."""
    return name.partition("/")[0].isdigit()


def shown(order: SimulatedOrder | OrderUpdated) -> Decimal | None:
    """What the book shows at a time, if that is not all."""
    part = order.display_quantity
    return part if part is not None and part < order.quantity else None


class Truth:
    """The account's orders and fills, and every state of the books that are watched.

    Attributes:
        placed: how many orders carry each name; refused: names of requests it said no to.
        fills: by trade number. books: (bids, asks) by symbol and change id.
    """

    def __init__(self, venue: VenueSimulator, account: str) -> None:
        self._exchange: Any = venue._world.exchange  # where orders meet, behind the protocol
        self._account = account
        self.placed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.fills: dict[int, SimulatedFill] = {}
        self.cum: Counter[str] = Counter()  # quantity filled, by name
        self.net: Counter[str] = Counter()  # by symbol, of our orders
        self.books: dict[tuple[str, int], Levels] = {}
        self._place, self._drain = self._exchange.place, self._exchange.drain
        self._exchange.place, self._exchange.drain = self._on_place, self._on_drain

    # --- what is written down -----------------------------------------------------------------

    def _on_place(self, account: str, request: OrderRequest, now_ns: int) -> Any:
        outcome = self._place(account, request, now_ns)
        if account == self._account:
            count = self.placed if isinstance(outcome, Placed) else self.refused
            for each in (request, *(request.link.orders if request.link else ())):
                count[name_of(each.label, each.symbol, each.side, each.protection)] += 1
        return outcome

    def _on_drain(self) -> list[Any]:
        events = self._drain()
        changed = set()
        for event in events:
            if isinstance(event, BookChange):
                self._change(event)
                changed.add(event.symbol)
        for symbol in changed:
            self._look(symbol)
        return events  # type: ignore[no-any-return]

    def _change(self, change: BookChange) -> None:
        before = self.books.get((change.symbol, change.prev_change_id))
        if before is None:
            return
        levels = (dict(before[0]), dict(before[1]))
        for side, changes in zip(levels, (change.bids, change.asks), strict=True):
            for level in changes:
                if level.quantity:
                    side[level.price] = level.quantity
                else:
                    side.pop(level.price, None)
        self.books[change.symbol, change.change_id] = levels

    def _look(self, symbol: str) -> None:
        """The book itself must be what its changes make."""
        view = self._exchange._state.listings[symbol].view(FULL_DEPTH)
        levels: Levels = (dict(view.bids), dict(view.asks))
        known = self.books.get((symbol, view.change_id))
        assert known is None or known == levels, f"the venue's own book of {symbol} differs"
        self.books[symbol, view.change_id] = levels

    def look(self, symbols: tuple[str, ...]) -> None:
        """After any event: books may have been made, orders filled."""
        for symbol in symbols:
            listing = self._exchange._state.listings.get(symbol)
            if listing is not None and (symbol, listing.change_id) not in self.books:
                self._look(symbol)
        fills = self._exchange._state.accounts[self._account].fills
        for fill in reversed(fills):
            if fill.trade_number in self.fills:
                break
            self.fills[fill.trade_number] = fill
            name = name_of(fill.label, fill.symbol, fill.side, fill.protection)
            self.cum[name] += fill.quantity
            if is_ours(name):
                self.net[fill.symbol] += fill.side.sign * fill.quantity  # type: ignore[assignment]

    # --- how things stand ---------------------------------------------------------------------

    def open_orders(self) -> list[SimulatedOrder]:
        return self._exchange.open_orders(self._account, EVERYTHING)  # type: ignore[no-any-return]

    def resting(self) -> Counter[Resting]:
        return Counter(
            Resting(
                _name(o),
                o.symbol,
                o.side.value,
                o.price,
                o.quantity,
                o.cum_quantity,
                shown(o),
            )
            for o in self.open_orders()
        )

    def could_fill(self) -> Counter[tuple[str, Side]]:
        """The most that our orders could still trade, whatever the market does.

        Of two that cancel each other only one can, unless both are in the book, where one order of
        somebody else hits both; what waits for the whole execution of an order
        on the other side only takes back what that one did.
        """
        orders = [o for o in self.open_orders() if is_ours(_name(o))]
        sums: Counter[tuple[str, Side]] = Counter()
        pairs: dict[tuple[int, str, Side], SimulatedOrder] = {}
        for order in orders:
            if order.link is None or not _is_excluded(order, orders):
                sums[order.symbol, order.side] += order.leaves_quantity  # type: ignore[assignment]
            else:
                assert order.link.pair is not None
                pair = order.link.pair, order.symbol, order.side
                pairs[pair] = max(pairs.get(pair, order), order, key=_leaves)
        for (_, symbol, side), order in pairs.items():
            sums[symbol, side] += order.leaves_quantity  # type: ignore[assignment]
        for first in orders:
            waiting = [o for o in orders if _waits_for(o, first) and _counts(o, pairs)]
            taken_back = min(first.leaves_quantity, sum(map(_leaves, waiting), ZERO))
            sums[first.symbol, first.side.opposite] -= taken_back  # type: ignore[assignment]
        return sums

    def positions(self) -> dict[str, Decimal]:
        held = self._exchange.positions(self._account)
        return {p.symbol: p.quantity for p in held if p.quantity}

    # --- what others do there -----------------------------------------------------------------

    def place(self, account: str, request: OrderRequest, now_ns: int) -> None:
        self._exchange.place(account, request, now_ns)

    def cancel(self, number: int, now_ns: int) -> None:
        self._exchange.cancel(self._account, number, now_ns)

    def best(self, symbol: str) -> tuple[float, float]:
        """Bid and ask; 0.0 where there is none."""
        view = self._exchange._state.listings[symbol].view(1)
        return (view.bids[0][0] if view.bids else 0.0, view.asks[0][0] if view.asks else 0.0)

    def vanish(self, number: int) -> None:
        """An order is gone without a word (for the checker's own test)."""
        state = self._exchange._state
        self._exchange.cancel(self._account, number, state.now_ns)
        state.events = [event for event in state.events if isinstance(event, BookChange)]


def _name(order: SimulatedOrder) -> str:
    return name_of(order.label, order.symbol, order.side, order.protection)


def _leaves(order: SimulatedOrder) -> Decimal:
    return order.leaves_quantity


def _is_excluded(order: SimulatedOrder, orders: list[SimulatedOrder]) -> bool:
    """Either it or the other one of its pair can fill: one of them waits for a price."""
    pair = order.link.pair if order.link is not None else None
    legs = [o for o in orders if o.link is not None and o.link.pair == pair is not None]
    return any(leg.trigger is not None or leg.trigger_order is not None for leg in legs)


def _counts(order: SimulatedOrder, pairs: dict[tuple[int, str, Side], SimulatedOrder]) -> bool:
    """It is the larger one of its pair, or alone."""
    pair = order.link.pair if order.link is not None else None
    largest = pairs.get((pair, order.symbol, order.side)) if pair is not None else None
    return largest in (None, order)


def _waits_for(order: SimulatedOrder, first: SimulatedOrder) -> bool:
    """It goes live when the first, on the other side, has filled whole."""
    link = order.link
    if link is None or not link.is_dormant or link.primary != first.number:
        return False
    return link.condition is FillCondition.COMPLETE_FILL and order.side is not first.side
