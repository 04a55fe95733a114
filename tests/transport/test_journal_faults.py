"""Rows 77 to 80: a disk that is full, sick, slow or read-only, under the journal's thread."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from common import core as c
from common.errors import ConfigError
from common.rundir import RunDir
from common.transport import journal, segments
from common.transport.journal import Journal, SegmentedLog
from common.transport.loop import EXIT_DISK, Shell

DEADLINE_S = 60


class Bench:
    """A journal, and what it told."""

    def __init__(self, directory: Path, sync_after_s: float | None = None) -> None:
        self.directory = directory
        self.loop = asyncio.new_event_loop()
        self.done: list[str] = []
        self.failed: list[tuple[str, bool]] = []
        self.slow: list[float] = []
        self.log = SegmentedLog(directory, segments.load(directory))
        self.journal = Journal(
            self.loop,
            self.log,
            sync_after_s=sync_after_s,
            on_failed=lambda error, final: self.failed.append((error, final)),
            on_slow=self.slow.append,
        )

    def append(self, *payloads: bytes) -> list[str]:
        """Append one after the other, each once the last one was reported."""
        for payload in payloads:
            wanted = len(self.done) + 1
            self.journal.append(payload, self.done.append)
            self.until(lambda wanted=wanted: len(self.done) == wanted)
        return self.done

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())

    def close(self) -> list[bytes]:
        """What a later start reads."""
        self.journal.close()
        self.loop.close()
        loaded = segments.load(self.directory, whole=True)
        assert loaded.damage is None
        return loaded.tail


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "journal")
    yield made
    if not made.loop.is_closed():
        made.close()


def failing(error: int, calls: list[int]) -> Callable[..., int]:
    def fail(*arguments: object) -> int:
        calls.append(1)
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EFBIG])
def test_row_77_a_failed_write_is_cut_back_and_tells_the_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    bench.append(b"good")
    write = os.write
    size = bench.log.path.stat().st_size

    def short_then_full(handle: int, data: bytes) -> int:
        if threading.current_thread().name != "journal":
            return write(handle, data)
        if len(data) > 10:
            return write(handle, bytes(data)[:10])
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short_then_full)
        bench.append(b"lost" * 2)
    assert bench.log.path.stat().st_size == size
    ((text, is_final),) = bench.failed
    assert str(bench.log.path) in text and os.strerror(error) in text
    assert not is_final
    assert bench.append(b"too late") == ["", text, text]  # what failed once is not tried again
    assert bench.close() == [b"good"]


def test_row_78_a_failed_sync_is_final_and_never_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.append(b"good")
    calls: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.EIO, calls))
        bench.append(b"who knows", b"never")
        bench.close()
    assert calls == [1]
    ((text, is_final),) = bench.failed
    assert is_final and str(bench.directory) in text


def test_row_79_a_slow_sync_delays_only_what_waits_for_it_and_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow(handle: int) -> None:
        begun.set()
        release.wait(DEADLINE_S)
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", slow)
        bench.journal.append(b"slow", bench.done.append)
        bench.until(begun.is_set)
        began = time.monotonic()
        bench.until(lambda: time.monotonic() - began > 0.15)
        assert bench.done == []  # and the loop ran meanwhile
        release.set()
        bench.until(lambda: bool(bench.done and bench.slow))
    assert bench.done == [""] and bench.slow[0] > 0.1


def test_row_80_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="journal"):
        directory = tmp_path / "file" / "journal"
        SegmentedLog(directory, segments.load(directory))


def test_group_reports_what_is_written_and_syncs_within_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, synced = [1000.0], list[float]()
    sync = os.fdatasync
    bench = Bench(tmp_path / "journal", sync_after_s=0.05)

    def note(handle: int) -> None:
        sync(handle)
        synced.append(now[0])

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", note)
        patch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: now[0]))
        bench.append(b"a")
        assert segments.scan(bench.log.path.read_bytes()).payloads[-1] == b"a"
        now[0] += 0.04
        bench.append(b"b", b"c")
        assert synced == []
        now[0] += 0.02
        bench.until(lambda: bool(synced))
        assert len(synced) == 1
    assert bench.close() == [b"a", b"b", b"c"]


def test_what_nobody_waits_for_keeps_its_place_and_is_written_soon(bench: Bench) -> None:
    bench.journal.append_later(b"sent")
    bench.append(b"next")
    bench.journal.append_later(b"last")
    bench.until(lambda: b"last" in bench.log.path.read_bytes())
    assert bench.close() == [b"sent", b"next", b"last"]


class Scripted:
    def __init__(self) -> None:
        self.failures: list[c.JournalFailed] = []

    def handle(self, event: c.Event, now_ns: int) -> list[c.CoreCommand]:
        if isinstance(event, c.Started):
            return [c.Journal(c.Count("intent")), c.LinkSend("l", b"order", refers="1")]
        if isinstance(event, c.JournalFailed):
            self.failures.append(event)
            return [c.LinkSend("l", b"cancel")]
        if isinstance(event, c.SendWithheld):
            return [c.Count(f"withheld {event.refers}")]
        return []

    def on_time(self, now_ns: int) -> list[c.CoreCommand]:
        return []


@pytest.fixture
def own_signals() -> Iterator[None]:
    """A shell that ran in this process leaves its handlers behind, which hear nothing any more."""
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_row_78_the_process_cancels_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, sent, counted = Scripted(), list[bytes](), list[str]()
    directory = tmp_path / "state.journal"
    log = SegmentedLog(directory, segments.load(directory))
    shell = Shell("a", core, RunDir(tmp_path / "run"), publisher="md.a", journal=log)
    shell.extend(c.LinkSend, lambda command: sent.append(command.payload))
    shell.extend(c.Count, lambda command: counted.append(command.name))
    monkeypatch.setattr("common.transport.loop.LAST_CANCELS_S", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(errno.EIO, []))
        assert shell.run() == EXIT_DISK
    assert sent == [b"cancel"]
    assert counted == ["withheld 1"]
    assert [failure.is_final for failure in core.failures] == [True]
