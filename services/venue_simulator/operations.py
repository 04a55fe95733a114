"""Operations: what a venue's staff does to instruments: halt, resume, calm, expire, other ticks."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common.domain.instrument import Instrument
from common.errors import PeerError
from common.messages import Exact, InstrumentDefinition, InstrumentStatus
from common.venues.simulation import CancelReason, InstrumentStateChanged
from services.venue_simulator.execution import Execution
from services.venue_simulator.listing import Listing
from services.venue_simulator.order_entry import OrderEntry
from services.venue_simulator.scale import Scale
from services.venue_simulator.settlement import Settler
from services.venue_simulator.state import State


class Operations:
    """Acts on the state of an exchange at its present time. All raise PeerError for a symbol that
    is unknown or has expired."""

    def __init__(
        self, state: State, entry: OrderEntry, execution: Execution, settler: Settler
    ) -> None:
        self._state, self._entry = state, entry
        self._execution, self._settler = execution, settler

    def halt(self, symbol: str) -> None:
        """The book stands still; orders stay in it, may be cancelled, and none comes in."""
        self._set_status(self._open(symbol), InstrumentStatus.HALTED)

    def resume(self, symbol: str) -> None:
        """What the market did meanwhile happens now."""
        self._set_status(self._open(symbol), InstrumentStatus.ACTIVE)

    def calm(self, symbol: str, on: bool) -> None:
        """While on, only clients trade; what the market would have done meanwhile never happens."""
        listing = self._open(symbol)
        self._entry.play(listing)
        listing.is_calm = on

    def expire(self, symbol: str) -> None:
        """Deliver at the average index of the last minutes, whatever the instrument's date."""
        self._settler.expire(self._open(symbol), self._state.now_ns)
        self._entry.follow_links()

    def change_ticks(
        self, symbol: str, tick: Decimal, steps: list[tuple[Decimal, Decimal]]
    ) -> InstrumentDefinition:
        """The definition from now on. Clients' orders are cancelled; the book is made anew.

        Args:
            steps: (from this price on, tick).
        """
        listing = self._open(symbol)
        exact_steps = [(Exact(price), Exact(step)) for price, step in steps]
        definition = msgspec.structs.replace(
            listing.definition, tick_size=Exact(tick), tick_steps=exact_steps
        )
        for account in self._state.accounts.values():
            for order in list(account.open_orders(symbol)):
                self._execution.withdraw(order, CancelReason.SETTLEMENT)
        self._entry.follow_links()
        self._empty(listing)
        listing.definition, listing.instrument = definition, Instrument(definition)
        listing.scale = Scale(definition)
        self._state.market.redefine(definition)
        if listing.awake:
            listing.remake(self._state.market.seed_book(symbol, self._state.now_ns))
            self._execution.report_book(listing)
        return definition

    def _empty(self, listing: Listing) -> None:
        """Take all out of the book, and tell so while its old prices still hold."""
        for number in list(listing.engine.orders):
            listing.engine.cancel(number)
        self._execution.report_book(listing)

    def _open(self, symbol: str) -> Listing:
        listing = self._state.listings.get(symbol)
        if listing is None:
            raise PeerError(f"no instrument {symbol!r}")
        if listing.is_expired:
            raise PeerError(f"{symbol} has expired")
        return listing

    def _set_status(self, listing: Listing, status: InstrumentStatus) -> None:
        if listing.status is not status:
            self._entry.play(listing)
            listing.status = status
            state = self._state
            state.events.append(InstrumentStateChanged(listing.symbol, status, state.now_ns))
