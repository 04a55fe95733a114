"""Latest: the last tickers and index prices, and the snapshots that joiners of any topic get."""

from __future__ import annotations

from common import messages as m
from common.core import CoreCommand, Publish, PublishSnapshot
from common.venues.streams import IndexReceived, Stream, StreamKind, TickerReceived
from services.market_data.books import Books
from services.market_data.instruments import Instruments


class Latest:
    """Reads books and instruments; owns tickers and indices, which are dropped when not proven."""

    def __init__(self, venue: str, books: Books, instruments: Instruments) -> None:
        self._venue = venue
        self._books = books
        self._instruments = instruments
        self._tickers: dict[str, TickerReceived] = {}
        self._indices: dict[str, IndexReceived] = {}

    def take_ticker(self, event: TickerReceived, received_ns: int) -> Publish:
        name = event.message.instrument
        self._tickers[name] = event
        return Publish(f"ticker.{name}", event.message, 0, event.venue_time_ns, received_ns)

    def take_index(self, event: IndexReceived, received_ns: int) -> Publish:
        name = event.message.index
        self._indices[name] = event
        topic = f"index.{self._venue}.{name}"
        return Publish(topic, event.message, 0, event.venue_time_ns, received_ns)

    def drop(self, stream: Stream) -> None:
        if stream.kind is StreamKind.TICKER:
            self._tickers.pop(stream.name, None)
        elif stream.kind is StreamKind.INDEX:
            self._indices.pop(stream.name, None)

    def snapshots(self, topic: str) -> list[CoreCommand]:
        """What makes a joiner of this topic consistent; nothing if there is nothing to tell."""
        word, _, name = topic.partition(".")
        match word:
            case "book" | "depth" | "quote":
                return self._of_book(word, topic, name)
            case "ticker" if name in self._tickers:
                return [_of_event(topic, self._tickers[name])]
            case "index":
                index = self._indices.get(name.removeprefix(f"{self._venue}."))
                return [_of_event(topic, index)] if index else []
            case "instrument":
                definition = self._instruments.get(name)
                return [PublishSnapshot(topic, definition)] if definition else []
            case "instruments" if name == self._venue and self._instruments.loaded:
                return [PublishSnapshot(topic, part) for part in self._instruments.parts()]
        return []

    def _of_book(self, word: str, topic: str, instrument: str) -> list[CoreCommand]:
        live = self._books.get(instrument)
        if live is None:
            return []
        message: m.Event
        if word == "book":
            message = live.snapshot()
        else:
            message = live.new_depth() if word == "depth" else live.new_quote()
        times = live.book.sequence, live.venue_time_ns, live.received_ns
        return [PublishSnapshot(topic, message, *times)]


def _of_event(topic: str, event: TickerReceived | IndexReceived) -> PublishSnapshot:
    return PublishSnapshot(topic, event.message, 0, event.venue_time_ns)
