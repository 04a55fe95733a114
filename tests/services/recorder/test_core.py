"""When the recorder flushes, rotates, asks for a whole book, and gives up."""

from __future__ import annotations

from typing import Any

from common import messages as m
from common.config import RecorderConfig
from common.core import (
    Alert,
    BusMessage,
    Count,
    SetState,
    Started,
    Stopping,
    Subscribe,
    TopicLost,
    Unsubscribe,
    WakeAt,
)
from services.recorder.core import (
    MB,
    GaveUp,
    Recorder,
    Rotate,
    Rotated,
    WriteFailed,
    WriteRows,
    Written,
)
from services.recorder.naming import OwnFile, family_of, stem, surplus

S = 1_000_000_000
BOOK = "book.v.X"
DELTA = m.BookDelta("v.X", [1.0, 2.0], [])
WHOLE = m.BookSnapshot("v.X", [1.0, 2.0], [])


def told(sequence: int, message: m.Event = DELTA, topic: str = BOOK, start: int = 1) -> BusMessage:
    return BusMessage(topic, message, sequence, start, 0, 0, 0, 0)


def started(*topics: str, **settings: Any) -> tuple[Recorder, list[Any]]:
    core = Recorder(RecorderConfig(list(topics or (BOOK,)), **settings), ["v"])
    return core, core.handle(Started(), 0)


def written(commands: list[Any]) -> list[tuple[int, str]]:
    """Sequence and kind of the rows of all families."""
    rows = [row for c in commands if isinstance(c, WriteRows) for f in c.rows.values() for row in f]
    return [(row[3], row[8]) for row in rows]


def test_it_follows_what_is_configured_and_what_that_is_about() -> None:
    _, commands = started(BOOK, "health.")
    assert followed(commands) == [BOOK, "health.", "instruments.v", "instrument.v."]
    assert SetState("ready") in commands


def followed(commands: list[Any]) -> list[str]:
    return [c.topic for c in commands if isinstance(c, Subscribe)]


def test_raw_frames_are_followed_before_what_brings_them_about() -> None:
    core, commands = started(BOOK, raw_frames=True)
    assert followed(commands) == ["raw.v", "raw.v."]
    assert WakeAt(S // 2) in commands
    assert followed(core.on_time(S // 2 - 1)) == []
    assert followed(core.on_time(S // 2)) == [BOOK, "instruments.v", "instrument.v."]
    assert followed(core.on_time(S)) == []


def test_rows_are_flushed_by_number_and_by_time() -> None:
    core, _ = started(flush_rows=2)
    assert core.handle(told(1), 1) == []
    assert written(core.handle(told(2), 2)) == [(1, "BookDelta"), (2, "BookDelta")]
    core.handle(told(3), 3)
    assert written(core.on_time(S // 2)) == []
    assert written(core.on_time(S + 2)) == [(3, "BookDelta")]


def test_files_are_rotated_by_size_once_and_by_time() -> None:
    core, _ = started(rotate_mb=1, rotate_minutes=1)
    core.handle(told(1), 1)
    core.on_time(S)
    assert Rotate() in core.handle(Written(1, MB), S)
    assert Rotate() not in core.handle(Written(0, MB), S)
    assert core.handle(Rotated(1, 2), S) == [Count("files_written", 1), Count("files_deleted", 2)]
    core.handle(told(2), 2 * S)
    core.on_time(3 * S)
    assert Rotate() not in core.on_time(62 * S)
    assert Rotate() in core.on_time(63 * S)


def test_a_hole_is_a_row() -> None:
    core, _ = started()
    for event in (told(1), told(4), TopicLost(BOOK, "silent"), told(9), told(1, start=2)):
        core.handle(event, 1)
    rows = written(core.on_time(S))
    kinds = [(1, "BookDelta"), (1, "lost"), (4, "BookDelta"), (4, "lost"), (9, "BookDelta")]
    assert rows == [*kinds, (1, "BookDelta")]


def test_a_book_seen_through_a_prefix_is_asked_for_whole_once() -> None:
    core, _ = started("book.v.")
    assert core.handle(told(5), 1) == [Subscribe(BOOK)]
    assert core.handle(told(6), 1) == []
    assert core.handle(told(7, WHOLE), 1) == [Unsubscribe(BOOK)]
    assert core.handle(told(8), 1) == []
    core.handle(TopicLost(BOOK, "silent"), 1)
    assert core.handle(told(12), 1) == [Subscribe(BOOK)]


def test_a_slow_disk_loses_rows_and_that_shows() -> None:
    core, _ = started(max_waiting_rows=2, flush_rows=1)
    core.handle(told(1), 1)
    core.handle(told(2), 1)
    dropped = core.handle(told(3), 1)
    assert Count("rows_dropped") in dropped and isinstance(dropped[1], Alert)
    assert core.handle(told(4), 1) == [Count("rows_dropped")]
    core.handle(Written(2, 10), 1)
    assert written(core.handle(told(5), 1)) == [(2, "lost"), (5, "BookDelta")]


def test_disk_trouble_ends_the_recording_and_says_so_once() -> None:
    core, _ = started()
    core.handle(told(1), 1)
    commands = core.handle(WriteFailed("/x: No space left on device"), 2)
    text = "recording has stopped: /x: No space left on device"
    assert commands[:2] == [Alert("ERROR", text), SetState("degraded", text)]
    assert commands[-1] == GaveUp(text)
    assert Unsubscribe(BOOK) in commands
    assert core.handle(WriteFailed("again"), 3) == []
    assert core.handle(told(2), 4) == [] == core.on_time(5 * S)


def test_a_stop_writes_what_is_there() -> None:
    core, _ = started()
    core.handle(told(1), 1)
    commands = core.handle(Stopping(), 2)
    assert written(commands) == [(1, "BookDelta")] and commands[-1] == Rotate()


def test_only_own_finished_files_are_surplus_oldest_first() -> None:
    names = [stem(family, ns) for family, ns in (("books", 3 * S), ("trades", S), ("books", 2 * S))]
    files = [OwnFile(f"{name}.parquet", 10) for name in names]
    files.append(OwnFile(f"{stem('books', 0)}.open.tmp", 10))
    assert surplus(files, 40) == []
    assert surplus(files, 25) == [files[1].name, files[2].name]
    assert all(family_of(file.name) for file in files)
    assert family_of("books.parquet") is None and family_of("notes-20260101T000000.parquet") is None
