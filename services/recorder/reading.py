"""Recordings as they are named on a command line -> their messages, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from common import messages as m
from common.core import BusMessage, TopicLost
from common.errors import BadMessage, ConfigError
from common.replay import Moment, Record, in_order
from common.venues import load
from services.recorder import parquet
from services.recorder.families import LOST, Family
from services.recorder.frames import Frame, FrameReader, read_frames
from services.recorder.naming import FINISHED

MARKET = ("instruments", "books", "depth", "quotes", "trades", "tickers", "indexes")
FRAMES = "frames"
Rows = Iterable[Mapping[str, Any]]


def read(paths: Sequence[Path], venue: str = "") -> Iterator[Moment]:
    """The market data of some recordings, in the order in which they are replayed.

    Args:
        paths: Parquet files of a recorder, directories of them, text files of frames.
        venue: only of this one; text files of frames need it.

    Recorded frames are read only where no books were recorded, which were made of the same frames.

    Raises:
        ConfigError: at once or later; names the file.
    """
    tables, texts = _sort_out(paths)
    sources: list[Iterable[Record]] = []
    has_books = any(family.name == "books" for family, _ in tables)
    for family, rows in tables:
        if family.name in MARKET:
            sources.append(_of_venue(records(family, rows), venue))
    if not has_books:
        frames = [rows for family, rows in tables if family.name == FRAMES]
        if frames:  # one after the other: books go on from file to file
            sources.append(_records_of_frames(chain.from_iterable(frames), venue))
    if texts:
        if not venue:
            raise ConfigError(str(texts[0]), "", "name the --venue whose frames these are")
        sources.append(_records_of_texts(texts, venue))
    if not sources:
        raise ConfigError(str(paths[0]), "", "no market data is recorded there")
    return in_order(sources)


def definitions(paths: Sequence[Path], venue: str) -> list[m.InstrumentDefinition]:
    """The instruments of a venue whose market some recordings hold; of each its last definition.

    Raises:
        ConfigError: see read.
    """
    listed: dict[str, m.InstrumentDefinition] = {}
    traded: set[str] = set()
    for moment in read(paths, venue):
        message = getattr(moment.event, "message", None)
        if isinstance(message, m.InstrumentList):
            listed |= {each.instrument: each for each in message.instruments}
        elif isinstance(message, m.InstrumentDefinition):
            listed[message.instrument] = message
        elif isinstance(message, m.BookSnapshot | m.Trade | m.Ticker):
            traded.add(message.instrument)
    return [definition for name, definition in listed.items() if name in traded]


def _sort_out(paths: Sequence[Path]) -> tuple[list[tuple[Family, Rows]], list[Path]]:
    """Tables and texts; instruments come first of what has the same time."""
    tables: list[tuple[Family, Rows]] = []
    texts: list[Path] = []
    for path in _files(paths):
        if path.suffix == FINISHED:
            tables.append(parquet.read_rows(path))
        elif path.exists():
            texts.append(path)
        else:
            raise ConfigError(str(path), "", "there is no such file")
    tables.sort(key=lambda table: table[0].name != "instruments")
    return tables, texts


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        names = sorted(f.name for f in parquet.own_files(path) if f.name.endswith(FINISHED))
        if not names:
            raise ConfigError(str(path), "", "holds no finished recordings")
        yield from (path / name for name in names)


def records(family: Family, rows: Rows) -> Iterator[Record]:
    """The messages of one table. The rows of an InstrumentList become one message again.

    Raises:
        ConfigError: a row is no message.
    """
    gathered: list[m.InstrumentDefinition] = []
    of: Mapping[str, Any] = {}
    for row in rows:
        if gathered and _group(row) != _group(of):
            yield _list_record(of, gathered)
            gathered = []
        if row["kind"] == "InstrumentList":
            of = row
            gathered.append(_message(family, row, "InstrumentDefinition"))
        elif row["kind"] == LOST:
            yield Record(row["recorded_ns"], TopicLost(row["topic"], row["reason"]))
        else:
            yield _record(row, _message(family, row, row["kind"]))
    if gathered:
        yield _list_record(of, gathered)


def _group(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["kind"], row["topic"], row["recorded_ns"], row["sequence"], row.get("part")


def _list_record(row: Mapping[str, Any], definitions: list[m.InstrumentDefinition]) -> Record:
    venue = row["topic"].partition(".")[2]
    return _record(row, m.InstrumentList(venue, row["part"], row["parts"], definitions))


def _message(family: Family, row: Mapping[str, Any], kind: str) -> Any:
    try:
        return family.message(kind, row)
    except BadMessage as error:
        raise ConfigError("recording", "", str(error)) from None


def _record(row: Mapping[str, Any], message: Any) -> Record:
    event = BusMessage(
        row["topic"],
        message,
        row["sequence"],
        row["publisher_start_ns"],
        row["venue_sequence"],
        row["venue_time_ns"],
        row["received_ns"],
        row["sent_ns"],
    )
    return Record(row["recorded_ns"], event)


def venue_of(topic: str) -> str:
    """`deribit` of `book.deribit.BTC-PERPETUAL`."""
    return topic.split(".", 2)[1] if "." in topic else ""


def _of_venue(found: Iterator[Record], venue: str) -> Iterator[Record]:
    if not venue:
        return found
    return (record for record in found if venue_of(record.event.topic) == venue)


def _records_of_frames(rows: Rows, venue: str) -> Iterator[Record]:
    """Of our own recording, in which the topic of a frame names its venue."""
    readers: dict[str, FrameReader] = {}
    for row in rows:
        name = venue_of(row["topic"])
        if row["kind"] == LOST or (venue and name != venue):
            continue
        if name not in readers:
            readers[name] = FrameReader(load(name))
        yield from readers[name].records([Frame(row["received_ns"], row["payload"])])


def _records_of_texts(paths: Sequence[Path], venue: str) -> Iterator[Record]:
    frames = sorted(
        (frame for path in paths for frame in read_frames(path)),
        key=lambda frame: frame.received_ns,
    )
    return FrameReader(load(venue)).records(frames)
