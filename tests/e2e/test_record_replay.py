"""A desk is recorded, its recorder killed, and what was recorded comes back on the bus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
import zmq

from common import codec, config as configuration, messages as m
from common.config import StrategyConfig
from common.domain.book import OrderBook
from common.rundir import RunDir
from services.recorder.reading import read
from services.strategy_host.simulation import Simulation, of_file
from tests.e2e.desk import CHECKOUT, Desk, prepare, running

pytestmark = pytest.mark.xdist_group("recorded")  # one of it for all of them
PERPETUAL = "deribit.BTC-PERPETUAL"
BOOK = f"book.{PERPETUAL}"
TOPICS = [BOOK, f"trade.{PERPETUAL}", f"ticker.{PERPETUAL}", "quote.deribit.", "health."]


def wait(condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("did not come to be in time")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that was recorded, killed in the middle, recorded again and stopped."""
    made = prepare(tmp_path_factory.mktemp("recorded"))
    config = yaml.safe_load(made.config_path.read_text())
    config["recorder"] = {"topics": TOPICS, "raw_frames": True, "flush_seconds": 0.2}
    made.config_path.write_text(yaml.safe_dump(config))
    with running(made) as desk:
        kill_once_it_wrote(desk)
        files = recordings(desk)
        first = wait(lambda: list(files.glob("books-*.parquet")))
        wait(lambda: has_written(desk))
        assert first[0].exists()
        (desk.directory / "first").write_text(first[0].name)
    yield made


def recordings(desk: Desk) -> Path:
    return desk.run_dir / "recordings"


def kill_once_it_wrote(desk: Desk) -> None:
    wait(lambda: has_written(desk))
    rows = desk.cli("status", "--json").json["processes"]
    (pid,) = (row["pid"] for row in rows if row["name"] == "recorder")
    os.kill(pid, signal.SIGKILL)


def has_written(desk: Desk) -> bool:
    """Some of the books is on disk, in a file that is still written."""
    for path in recordings(desk).glob("books-*.open.tmp"):
        with suppress(FileNotFoundError):  # it has just got its name
            if path.stat().st_size > 20_000:
                return True
    return False


def test_what_was_flushed_before_the_kill_is_read_by_duckdb(recorded: Desk) -> None:
    files = recordings(recorded)
    first = files / (recorded.directory / "first").read_text()
    sql = f"select count(*), min(sequence), max(sequence) from '{first}' where topic = '{BOOK}'"
    count, low, high = duckdb.sql(sql).fetchall()[0]
    assert count > 20 and high - low == count - 1
    sql = f"select distinct kind from '{files}/frames-*.parquet'"
    assert ("RawFrame",) in duckdb.sql(sql).fetchall()
    assert not list(files.glob("*.tmp"))


def books_of_files(path: Path) -> dict[int, tuple[list[float], list[float]]]:
    """The book at each of the venue's sequences."""
    return follow(
        (moment.event.message, moment.event.venue_sequence)
        for moment in read([path])
        if moment.event.topic == BOOK and hasattr(moment.event, "message")
    )


def follow(told: Iterator[tuple[m.Event, int]]) -> dict[int, tuple[list[float], list[float]]]:
    book, states = OrderBook(PERPETUAL), {}
    for message, sequence in told:
        if isinstance(message, m.BookSnapshot):
            book.apply_snapshot(message.bids, message.asks, sequence)
        elif isinstance(message, m.BookDelta):
            book.apply_delta(message.bids, message.asks, book.sequence, sequence)
        else:
            continue
        book.check()
        states[sequence] = book.all_bids(), book.all_asks()
    return states


def replayed(path: Path, run_dir: Path, speed: str) -> dict[int, tuple[list[float], list[float]]]:
    """The book at each sequence, as a reader of the bus sees it."""
    run = RunDir(run_dir)
    run.create()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.connect(run.endpoint("md.deribit"))
    socket.subscribe(codec.subscription(BOOK))
    command = [sys.executable, "-m", "services.cli", "replay", str(path), "--speed", speed]
    command += ["--wait", "--run-dir", str(run_dir)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    frames = []
    try:
        while process.poll() is None or socket.poll(1000):
            if socket.poll(100):
                frames.append(socket.recv())
        assert process.returncode == 0
        assert "messages of deribit" in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        socket.close()
        context.term()
    told = [codec.decode(frame)[1] for frame in frames]
    assert [e.sequence for e in told] == list(range(1, len(told) + 1))
    return follow((e.message, e.venue_sequence) for e in told)


def test_a_replay_reproduces_the_books_at_each_sequence(recorded: Desk, tmp_path: Path) -> None:
    expected = books_of_files(recordings(recorded))
    assert len(expected) > 50
    assert replayed(recordings(recorded), tmp_path / "fast", "max") == expected
    assert replayed(recordings(recorded), tmp_path / "timed", "20") == expected


def test_the_raw_frames_come_to_the_same_books(recorded: Desk) -> None:
    expected = books_of_files(recordings(recorded))
    of_frames = follow(
        (moment.event.message, moment.event.venue_sequence)
        for moment in read(sorted(recordings(recorded).glob("frames-*.parquet")))
        if moment.event.topic == BOOK and hasattr(moment.event, "message")
    )
    shared = expected.keys() & of_frames.keys()
    assert len(shared) > 20
    assert all(expected[sequence] == of_frames[sequence] for sequence in shared)


def test_bad_arguments_are_one_sentence(recorded: Desk, tmp_path: Path) -> None:
    here = str(recordings(recorded))
    for arguments, code, word in (
        (["replay", "/no/such/file"], 78, "no such file"),
        (["replay", here, "--speed", "fast"], 2, "--speed"),
        (["replay", here, "--venue", "nowhere"], 1, "nothing of the market"),
        (["record"], 2, "topics"),
        (["record", BOOK], 1, "no desk runs"),
    ):
        result = recorded.cli(*arguments)
        assert result.code == code, result
        assert word in result.err and len(result.err.strip().splitlines()) == 1


def test_a_strategy_sends_the_same_orders_twice_on_a_recording(recorded: Desk) -> None:
    config = configuration.load(recorded.config_path)
    strategy = StrategyConfig(
        "quoter",
        "quoter.py",
        "deribit",
        parameters={"instrument": PERPETUAL, "half_spread_bps": 0.3},
    )
    runs = []
    for _ in range(2):
        loaded = of_file(strategy, CHECKOUT / "strategies")
        made = Simulation(config, strategy, loaded, replay=[str(recordings(recorded))])
        made.start()
        made.run(2)
        made.stop()
        runs.append(made)
    assert runs[0].summary().placed >= 2
    assert runs[0].orders_as_bytes() == runs[1].orders_as_bytes()
