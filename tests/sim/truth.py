"""What really happened at the venue, written down where it happens, apart from all protocol."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple

from common.venues.simulation import (
    BookChange,
    OrderFilter,
    OrderRequest,
    Placed,
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


class Truth:
    """The account's orders and fills, and every state of the books that are watched.

    Attributes:
        placed: how many orders carry each label; refused: labels of requests it said no to.
        fills: by trade number. books: (bids, asks) by symbol and change id.
    """

    def __init__(self, venue: VenueSimulator, account: str) -> None:
        self._exchange: Any = venue._world.exchange  # where orders meet, behind the protocol
        self._account = account
        self.placed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.fills: dict[int, SimulatedFill] = {}
        self.cum: Counter[str] = Counter()  # quantity filled, by label
        self.books: dict[tuple[str, int], Levels] = {}
        self._place, self._drain = self._exchange.place, self._exchange.drain
        self._exchange.place, self._exchange.drain = self._on_place, self._on_drain

    # --- what is written down -----------------------------------------------------------------

    def _on_place(self, account: str, request: OrderRequest, now_ns: int) -> Any:
        outcome = self._place(account, request, now_ns)
        if account == self._account:
            count = self.placed if isinstance(outcome, Placed) else self.refused
            count[request.label] += 1
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
            self.cum[fill.label] += fill.quantity

    # --- how things stand ---------------------------------------------------------------------

    def open_orders(self) -> list[SimulatedOrder]:
        return self._exchange.open_orders(self._account, EVERYTHING)  # type: ignore[no-any-return]

    def resting(self) -> Counter[Resting]:
        return Counter(
            Resting(o.label, o.symbol, o.side.value, o.price, o.quantity, o.cum_quantity)
            for o in self.open_orders()
        )

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
