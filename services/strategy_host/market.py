"""What the strategy sees of the market: definitions, books, quotes, tickers, the account."""

from __future__ import annotations

import msgspec

from common import messages as m
from common.domain.book import OrderBook
from common.domain.instrument import Instrument


class MarketView:
    """The last of everything that is followed."""

    def __init__(self) -> None:
        self._definitions: dict[str, m.InstrumentDefinition] = {}
        self._instruments: dict[str, Instrument] = {}
        self._parts: set[int] = set()
        self.has_definitions = False  # all parts of the venue's list came
        self.quotes: dict[str, m.Quote] = {}
        self.tickers: dict[str, m.Ticker] = {}
        self.books: dict[str, OrderBook] = {}
        self.positions: dict[str, m.PositionUpdated] = {}
        self.exposures: dict[str, m.Exposure] = {}

    # --- definitions --------------------------------------------------------------------------

    def instrument(self, name: str) -> Instrument | None:
        known = self._instruments.get(name)
        if known is None and name in self._definitions:
            known = self._instruments[name] = Instrument(self._definitions[name])
        return known

    def define(self, definition: m.InstrumentDefinition) -> None:
        self._definitions[definition.instrument] = definition
        self._instruments.pop(definition.instrument, None)

    def on_list(self, part: m.InstrumentList) -> None:
        if part.part == 0:
            self._parts.clear()
        for definition in part.instruments:
            self.define(definition)
        self._parts.add(part.part)
        self.has_definitions = self.has_definitions or len(self._parts) >= part.parts

    def on_status(self, state: m.InstrumentState) -> None:
        known = self._definitions.get(state.instrument)
        if known is not None:
            self.define(msgspec.structs.replace(known, status=state.status))

    # --- prices -------------------------------------------------------------------------------

    def on_book(self, message: m.BookSnapshot | m.BookDelta) -> OrderBook | None:
        """The book after the message; None if it has no beginning."""
        if isinstance(message, m.BookSnapshot):
            book = self.books.setdefault(message.instrument, OrderBook(message.instrument))
            book.apply_snapshot(message.bids, message.asks, 1)
            return book
        known = self.books.get(message.instrument)
        if known is None or not known.sequence:
            return None
        # The shell lets no gap pass, so each delta follows what the book holds.
        known.apply_delta(message.bids, message.asks, known.sequence, known.sequence + 1)
        return known

    def lose_book(self, name: str) -> OrderBook | None:
        """Empty a book that cannot be trusted; None if there was nothing in it."""
        book = self.books.get(name)
        if book is None or not book.sequence:
            return None
        book.clear()
        return book

    def lose_quote(self, name: str) -> m.Quote | None:
        """The last quote, now marked stale."""
        quote = self.quotes.get(name)
        if quote is None or quote.stale:
            return None
        self.quotes[name] = msgspec.structs.replace(quote, stale=True)
        return self.quotes[name]

    def mark(self, name: str) -> float | None:
        ticker = self.tickers.get(name)
        return ticker.mark_price if ticker is not None else None

    # --- the account --------------------------------------------------------------------------

    def on_account(self, snapshot: m.AccountSnapshot) -> None:
        self.positions = {position.instrument: position for position in snapshot.positions}
        self.exposures = {exposure.underlying: exposure for exposure in snapshot.exposures}

    def lose_account(self) -> None:
        self.positions, self.exposures = {}, {}
