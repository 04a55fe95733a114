"""Files on disk: whole, readable by others, and what is left of them when something goes wrong."""

from __future__ import annotations

import errno
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from common import messages as m
from common.core import BusMessage, TopicLost
from common.errors import ConfigError
from common.replay import Moment, Record, in_order
from services.recorder import parquet
from services.recorder.core import WriteRows
from services.recorder.families import rows_of
from services.recorder.reading import definitions, read
from services.recorder.shell import Directory
from tests import samples

FRAMES = Path(__file__).parents[2] / "venues" / "deribit" / "frames"
BTC = "deribit.BTC-PERPETUAL"


def event(n: int, message: m.Event | None = None, topic: str = f"book.{BTC}") -> BusMessage:
    told = message or m.BookDelta(BTC, [50_000.0 + n, 1.5], [])
    return BusMessage(topic, told, n, 1, n, n, 1000 + n, 0)


def rows(*events: BusMessage) -> WriteRows:
    found: dict[str, list] = {}
    for one in events:
        for family, row in rows_of(one, one.received_ns + 5):
            found.setdefault(family, []).append(row)
    return WriteRows(found)


def book(*numbers: int) -> WriteRows:
    return rows(*(event(n) for n in numbers))


def names(path: Path) -> list[str]:
    return sorted(file.name for file in parquet.own_files(path))


def test_duckdb_and_pyarrow_read_the_files_as_they_are(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 10**9)
    directory.append(book(1, 2))
    directory.append(rows(event(3), event(1, samples.FILL, "fill.deribit.main.-")))
    assert directory.rotate().files == 2
    sql = f"select sequence, kind, bids[1], topic from '{tmp_path}/books-*.parquet' order by 1"
    found = duckdb.sql(sql).fetchall()
    assert found == [(n, "BookDelta", 50_000.0 + n, f"book.{BTC}") for n in (1, 2, 3)]
    sql = f"select cast(last_price as decimal(38, 8)) * 2 from '{tmp_path}/fills-*.parquet'"
    assert str(duckdb.sql(sql).fetchall()[0][0]) == "100001.00000000"
    table = pq.read_table(next(tmp_path.glob("books-*.parquet")))
    assert table.column("bids").to_pylist() == [[50_000.0 + n, 1.5] for n in (1, 2, 3)]


def test_every_family_can_be_written_and_read(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 10**9)
    directory.append(rows(*(event(n, each) for n, each in enumerate(samples.EVENTS, 1))))
    directory.rotate()
    assert all(list(parquet.read_rows(path)[1]) for path in tmp_path.glob("*.parquet"))


def test_what_a_killed_recorder_flushed_is_finished_at_the_next_start(tmp_path: Path) -> None:
    killed = Directory(tmp_path, 10**9)
    killed.append(book(1, 2))
    killed.append(book(3))
    (period,) = tmp_path.glob("*.open.tmp")
    whole = period.read_bytes()
    killed._lock.close()
    period.write_bytes(whole[:-40])  # the last flush is torn
    (tmp_path / f"{period.name.removesuffix('.open.tmp')}.parquet.tmp").write_bytes(b"PAR1 half")
    assert Directory(tmp_path, 10**9).recover() == 1
    assert [moment.event.sequence for moment in read([tmp_path])] == [1, 2]
    assert not list(tmp_path.glob("*.tmp"))


def test_one_directory_has_one_recorder(tmp_path: Path) -> None:
    first = Directory(tmp_path, 10**9)
    with pytest.raises(ConfigError, match="in use"):
        Directory(tmp_path, 10**9)
    first.close()


def test_the_oldest_of_our_files_go_when_the_limit_is_reached(tmp_path: Path) -> None:
    (tmp_path / "precious.parquet").write_bytes(b"x" * 100_000)
    directory = Directory(tmp_path, 10**9)
    for n in (1, 2, 3):
        directory.append(book(n))
        directory.rotate()
    old = names(tmp_path)
    directory._max_total = sum(file.size for file in parquet.own_files(tmp_path))
    directory.append(book(4))
    assert directory.rotate().deleted == 1
    assert names(tmp_path)[:2] == old[1:] and (tmp_path / "precious.parquet").exists()


def test_a_full_disk_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    directory = Directory(tmp_path, 10**9)
    monkeypatch.setattr(parquet.OpenTable, "append", full)
    with pytest.raises(OSError, match="No space"):
        directory.append(book(1))


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "books-20260101T000000.000000Z.parquet"
    broken.write_bytes(b"PAR1 nothing PAR1")
    foreign = tmp_path / "foreign.parquet"
    duckdb.sql(f"copy (select 1 as x) to '{foreign}' (format parquet)")
    text = tmp_path / "notes.txt"
    text.write_text("hello\n")
    for paths, problem in (
        ([tmp_path / "none.parquet"], "no such file"),
        ([broken], "not a Parquet file that can be read"),
        ([foreign], "not one of a recorder"),
        ([text], "no frames"),
    ):
        with pytest.raises(ConfigError, match=problem) as caught:
            list(read(paths, "deribit"))
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="--venue"):
        read([text])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no finished recordings"):
        read([tmp_path / "empty"])


def test_a_recording_without_a_market_is_refused(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 10**9)
    directory.append(rows(event(1, samples.FILL)))
    directory.rotate()
    with pytest.raises(ConfigError, match="no market data"):
        read([tmp_path])


def test_instrument_lists_are_whole_again(tmp_path: Path) -> None:
    parts = [m.InstrumentList("deribit", n, 2, [samples.INSTRUMENT] * 2) for n in (0, 1)]
    directory = Directory(tmp_path, 10**9)
    directory.append(rows(*(event(1, part, "instruments.deribit") for part in parts)))
    directory.rotate()
    assert [moment.event.message for moment in read([tmp_path])] == parts


def test_recorded_frames_of_a_venue_are_read() -> None:
    paths = [FRAMES / "options_20210417.ws.gz", FRAMES / "instruments_20210417.http.gz"]
    moments = list(read(paths, "deribit"))
    kinds = [type(moment.event.message) for moment in moments]
    assert kinds.count(m.BookSnapshot) == 10 and kinds.count(m.BookDelta) == 46
    assert kinds.count(m.Ticker) == 92 and kinds[0] is m.InstrumentList
    assert len(definitions(paths, "deribit")) == 10
    assert [m1.time_ns for m1 in moments] == sorted(m1.time_ns for m1 in moments)


def record(recorded: int, received: int, topic: str, message: m.Event | None = None) -> Record:
    told = message or m.BookDelta("x", [], [])
    return Record(recorded, BusMessage(topic, told, recorded, 1, 0, 0, received, 0))


def test_messages_are_replayed_by_time_received_and_topics_stay_in_order() -> None:
    a = [record(10, 9, "a"), record(20, 3, "a"), record(30, 25, "a")]
    b = [record(12, 4, "b"), record(31, 24, "b")]
    order = [(moment.event.topic, moment.time_ns) for moment in in_order([a, b])]
    assert order == [("b", 4), ("a", 9), ("a", 9), ("b", 24), ("a", 25)]


def test_what_the_desk_says_itself_has_the_time_it_was_recorded_at() -> None:
    stale = record(5_000_000_000, 1, "a", m.BookStale("x", "link down"))
    old = record(6_000_000_000, 2, "b", m.BookSnapshot("x", [], []))
    lost = Record(7_000_000_000, TopicLost("a", "gap"))
    found = list(in_order([[stale, old, lost]]))
    assert [moment.time_ns for moment in found] == [5_000_000_000, 6_000_000_000, 7_000_000_000]
    assert isinstance(found[0], Moment)
