"""Recorded frames of a venue -> the bus messages that market_data makes of them.

Frames come from our own recordings or from text files, one a line, of which two forms are known:
`<receive time in s>: <frame>` and `<receive time in ns> <frame>`. Answers of the venue's REST
interface, `<address> -> <time in s>: <body>`, may stand in such a file or in one beside it; those
that list instruments are used.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from common import messages as m
from common.core import BusMessage, CoreCommand, Publish
from common.errors import BookGap, ConfigError, VenueProtocolError
from common.replay import Record
from common.venues.contract import Venue
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    FeedEvent,
    IndexReceived,
    TickerReceived,
    TradeReceived,
)
from services.market_data.books import Books

SECONDS = re.compile(r"(\d{1,12}(?:\.\d{1,9})?): (?=[{\[])")
NANOSECONDS = re.compile(r"(\d{16,19}) (?=[{\[])")
ANSWER = re.compile(r"\S+ -> (\d{1,12}(?:\.\d{1,9})?): (?=[{\[])")
LINE_MAX = 16 * 1024 * 1024
START_NS = 1  # of the publisher that these messages never had


class Frame(NamedTuple):
    received_ns: int
    payload: bytes
    is_answer: bool = False  # of the REST interface


def read_frames(path: Path) -> Iterator[Frame]:
    """The frames of a text file, which may be compressed with gzip.

    Raises:
        ConfigError: it cannot be read, or holds no line of a known form.
    """
    found = False
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            while line := lines.readline(LINE_MAX):
                frame = _frame(line.rstrip("\n"))
                if frame is not None:
                    found = True
                    yield frame
    except FileNotFoundError:
        raise ConfigError(str(path), "", "there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read: {error}") from None
    if not found:
        raise ConfigError(str(path), "", "holds no frames with a receive time")


def _frame(line: str) -> Frame | None:
    for form, digits in ((SECONDS, 9), (NANOSECONDS, 0), (ANSWER, 9)):
        match = form.match(line)
        if match is not None:
            received_ns = int(Decimal(match[1]).scaleb(digits))
            return Frame(received_ns, line[match.end() :].encode(), form is ANSWER)
    return None


class FrameReader:
    """What market_data would have published of some frames, each frame by itself.

    Raises:
        ConfigError: the venue cannot read recorded frames.
    """

    def __init__(self, venue: Venue) -> None:
        if venue.recorded_feed is None:
            raise ConfigError("--venue", "", f"{venue.name} reads no recorded frames")
        self._venue = venue.name
        self._feed = venue.recorded_feed()
        self._reference = venue.reference("")
        self._books = Books()
        self._sequences: dict[str, int] = {}
        self.bad = 0

    def records(self, frames: Iterable[Frame]) -> Iterator[Record]:
        for frame in frames:
            now_ns = frame.received_ns
            for command in self._read(frame):
                if isinstance(command, Publish):
                    yield Record(now_ns, self._message(command, now_ns))

    def _read(self, frame: Frame) -> list[CoreCommand]:
        try:
            if frame.is_answer:
                return self._instruments(frame.payload)
            out: list[CoreCommand] = []
            for event in self._feed.parse(frame.payload, frame.received_ns):
                out += self._take(event, frame.received_ns)
            return out + self._books.publish(frame.received_ns)
        except VenueProtocolError:
            self.bad += 1
            return []

    def _take(self, event: FeedEvent, now_ns: int) -> list[CoreCommand]:
        match event:
            case BookReset(instrument):
                self._books.open(instrument, now_ns)
                self._books.reset(event, now_ns)
            case BookChange(instrument):
                try:
                    self._books.change(event, now_ns)
                except BookGap as gap:
                    return self._books.make_stale(instrument, str(gap), now_ns)
            case BookUnusable(instrument, reason):
                return self._books.make_stale(instrument, reason, now_ns)
            case TradeReceived(message, sequence, time_ns):
                return [Publish(f"trade.{message.instrument}", message, sequence, time_ns)]
            case TickerReceived(message=ticker, venue_time_ns=time_ns):
                return [Publish(f"ticker.{ticker.instrument}", ticker, 0, time_ns)]
            case IndexReceived(message=index, venue_time_ns=time_ns):
                return [Publish(f"index.{index.venue}.{index.index}", index, 0, time_ns)]
        return []

    def _instruments(self, body: bytes) -> list[CoreCommand]:
        definitions, _ = self._reference.parse_instruments(body)
        part = m.InstrumentList(self._venue, 0, 1, definitions)
        return [Publish(f"instruments.{self._venue}", part)] if definitions else []

    def _message(self, command: Publish, now_ns: int) -> BusMessage:
        topic = command.topic
        sequence = self._sequences[topic] = self._sequences.get(topic, 0) + 1
        return BusMessage(
            topic,
            command.message,
            sequence,
            START_NS,
            command.venue_sequence,
            command.venue_time_ns,
            now_ns,
            now_ns,
        )
