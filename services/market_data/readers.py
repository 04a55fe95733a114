"""Readers: who reads what, of which instruments, and therefore what runs.

An exact subscription of one of our topics starts what it needs, if the venue lists the instrument;
if not, it waits until the venue does. What nobody reads any more is stopped after a while, what has
expired at once. The configured always-on books have a reader of their own.
"""

from __future__ import annotations

from common import messages as m
from common.config import MarketDataConfig
from common.core import Alert, CoreCommand, Count, Publish
from common.venues.streams import Stream, StreamKind
from services.market_data.books import Books
from services.market_data.demand import Demand
from services.market_data.instruments import Instruments
from services.market_data.latest import Latest
from services.market_data.links import Links

NS_PER_S = 1_000_000_000
ALWAYS_ON = "always on"
NAME_MAX = 100  # of a topic in an alert
OF_INSTRUMENT = (StreamKind.BOOK, StreamKind.TRADE, StreamKind.TICKER)


class Readers:
    """Starts and stops streams in `links`, and opens and closes their `books`."""

    def __init__(
        self,
        venue: str,
        config: MarketDataConfig,
        links: Links,
        books: Books,
        instruments: Instruments,
        latest: Latest,
    ) -> None:
        self._venue = venue
        self._links = links
        self._books = books
        self._instruments = instruments
        self._latest = latest
        self._demand = Demand(venue, int(config.linger_s * NS_PER_S))
        self._only = frozenset(self._full_name(name) for name in config.instruments)
        self._always_on = [self._full_name(name) for name in config.always_on]
        self._unknown: dict[str, Stream] = {}  # topics of instruments the venue does not list

    def join(self, topic: str, now_ns: int) -> list[CoreCommand]:
        stream = self._demand.stream_of(topic)
        return [] if stream is None else self._read(stream, topic, now_ns)

    def leave(self, topic: str, now_ns: int) -> None:
        self._unknown.pop(topic, None)
        stream = self._demand.stream_of(topic)
        if stream is not None:
            self._demand.leave(stream, topic, now_ns)

    def end_due(self, now_ns: int) -> list[CoreCommand]:
        """Stop what nobody has read for the linger time."""
        commands: list[CoreCommand] = []
        for stream in self._demand.ended(now_ns):
            commands += self._stop(stream, "nobody reads it")
        return commands

    def waiting(self) -> list[str]:
        """Always-on instruments whose book is not live though the venue has them."""
        return [
            name
            for name in self._always_on
            if (live := self._books.get(name)) is not None
            and not live.is_live
            and not self._links.is_refused(Stream(StreamKind.BOOK, name))
        ]

    def take_list(
        self, definitions: list[m.InstrumentDefinition], now_ns: int
    ) -> list[CoreCommand]:
        """A new list of the venue: tell what changed, start what became known."""
        first = not self._instruments.loaded
        changed, gone = self._instruments.replace(definitions)
        commands: list[CoreCommand] = []
        for name in gone:
            commands += self._tell_status(name, m.InstrumentStatus.EXPIRED, 0, 0)
        if not first:
            commands += [Publish(f"instrument.{d.instrument}", d) for d in changed]
        if changed or gone:
            topic = f"instruments.{self._venue}"
            commands += [Publish(topic, part) for part in self._instruments.parts()]
            self._links.forgive()
        if first:
            for name in self._always_on:
                stream = Stream(StreamKind.BOOK, name)
                commands += self._read(stream, f"{ALWAYS_ON} {name}", now_ns)
        return commands + self._start_known(now_ns)

    def take_legs(self, legs: dict[str, list[tuple[str, m.Exact]]]) -> list[CoreCommand]:
        """The legs of combos: tell the definitions that have them now."""
        changed = self._instruments.take_legs(legs)
        commands: list[CoreCommand] = [Publish(f"instrument.{d.instrument}", d) for d in changed]
        if changed:
            topic = f"instruments.{self._venue}"
            commands += [Publish(topic, part) for part in self._instruments.parts()]
        return commands

    def take_status(
        self, instrument: str, status: m.InstrumentStatus, venue_time_ns: int, received_ns: int
    ) -> list[CoreCommand]:
        if not self._instruments.set_status(instrument, status):
            return []
        return self._tell_status(instrument, status, venue_time_ns, received_ns)

    def _full_name(self, name: str) -> str:
        prefix = f"{self._venue}."
        return name if name.startswith(prefix) else prefix + name

    def _read(self, stream: Stream, topic: str, now_ns: int) -> list[CoreCommand]:
        if stream.kind is not StreamKind.INDEX:
            if self._only and stream.name not in self._only:
                return []  # another process has it
            if stream.name not in self._instruments:
                return self._remember_unknown(stream, topic)
        self._demand.join(stream, topic)
        self._start(stream, now_ns)
        return []

    def _remember_unknown(self, stream: Stream, topic: str) -> list[CoreCommand]:
        """It starts if the venue lists it one day; before the first list nothing is unknown."""
        known = topic in self._unknown
        self._unknown[topic] = stream
        if known or not self._instruments.loaded:
            return []
        text = "a reader asks for an instrument the venue does not list"
        return [
            Count("instruments_unknown"),
            Alert("WARNING", text, {"topic": topic[:NAME_MAX]}),
        ]

    def _start_known(self, now_ns: int) -> list[CoreCommand]:
        """What readers want and has just become known, or has come back."""
        commands: list[CoreCommand] = []
        for topic, stream in list(self._unknown.items()):
            if stream.name in self._instruments:
                del self._unknown[topic]
                commands += self._read(stream, topic, now_ns)
                commands += self._latest.snapshots(topic)
        for stream in self._demand.wanted():
            if stream.name in self._instruments:
                self._start(stream, now_ns)
        return commands

    def _start(self, stream: Stream, now_ns: int) -> None:
        definition = self._instruments.get(stream.name)
        if definition is not None and definition.status is m.InstrumentStatus.EXPIRED:
            return
        self._links.want(stream)
        if stream.kind is StreamKind.BOOK and self._books.open(stream.name, now_ns):
            self._links.renew(stream)  # should it still run from before, its start is lost

    def _stop(self, stream: Stream, reason: str) -> list[CoreCommand]:
        self._links.unwant(stream)
        if stream.kind is StreamKind.BOOK:
            return self._books.close(stream.name, reason)
        self._latest.drop(stream)
        return []

    def _tell_status(
        self, instrument: str, status: m.InstrumentStatus, venue_time_ns: int, received_ns: int
    ) -> list[CoreCommand]:
        message = m.InstrumentState(instrument, status)
        topic = f"instrument.{instrument}"
        commands: list[CoreCommand] = [Publish(topic, message, 0, venue_time_ns, received_ns)]
        if status is m.InstrumentStatus.EXPIRED:
            for kind in OF_INSTRUMENT:
                commands += self._stop(Stream(kind, instrument), "expired")
        return commands
