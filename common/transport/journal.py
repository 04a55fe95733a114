"""The append-only journal of a process: what it decided, on disk before it acts.

One thread gathers what is waiting, writes once, syncs once and reports back. segments.py tells how
the files look. A write that fails is cut back at once and ends the journal, the process may go on
without it; a sync that fails leaves nobody knowing what is on disk: it is never tried again.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from common.errors import ConfigError
from common.transport import segments
from common.transport.segments import Damage, Loaded, pack, read, scan

__all__ = ["Journal", "Log", "PlainLog", "SegmentedLog", "SyncFailed", "pack", "read", "scan"]

SLOW_SYNC_S = 0.1
LATER_S = 0.05  # what nobody waits for is written with what comes next, or after this


class SyncFailed(OSError):
    """It is not known what is on disk."""


class Log(Protocol):
    """Where records go. A failed write() has left nothing behind; SyncFailed is final."""

    def write(self, payloads: Sequence[bytes]) -> None: ...
    def sync(self) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...
    @property
    def path(self) -> Path: ...


class _Tail:
    """The end of one file, where bytes are appended."""

    def __init__(self, path: Path, end: int) -> None:
        self.path = path
        self.end = end
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.fchmod(self._file, 0o600)
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self._cut_back(error)
            raise
        self.end += len(data)

    def _cut_back(self, error: OSError) -> None:
        try:
            os.ftruncate(self._file, self.end)
            os.lseek(self._file, self.end, os.SEEK_SET)
        except OSError:
            raise SyncFailed(error.errno, error.strerror) from error

    def sync(self) -> None:
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error

    def close(self) -> None:
        os.close(self._file)


class PlainLog:
    """One file, for what is small or written anew at each start.

    Raises:
        ConfigError: it cannot be opened, or has good records behind a bad one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = path.read_bytes() if path.exists() else b""
            found = scan(data)
            self._sequence = len(found.payloads)
            if segments.has_record_after(data, found.end, self._sequence):
                raise segments.refuse_damage(Damage(path, found.end, "good records follow"))
            self._tail = _Tail(path, found.end)
        except OSError as error:
            raise ConfigError(str(path), "", error.strerror or str(error)) from None

    def write(self, payloads: Sequence[bytes]) -> None:
        data = b"".join(pack(self._sequence + n, payload) for n, payload in enumerate(payloads))
        self._tail.write(data)
        self._sequence += len(payloads)

    def sync(self) -> None:
        self._tail.sync()

    def finish(self) -> None:
        self.sync()

    def close(self) -> None:
        self._tail.close()


class SegmentedLog:
    """A directory of segments; goes on where `loaded` ends.

    Args:
        on_turn: gets the sequence a new segment begins with, on the journal's thread.

    Raises:
        ConfigError: the journal is damaged or cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        loaded: Loaded,
        *,
        on_turn: Callable[[int], None] | None = None,
        segment_bytes: int = segments.SEGMENT_BYTES,
        segment_records: int = segments.SEGMENT_RECORDS,
    ) -> None:
        if loaded.damage is not None:
            raise segments.refuse_damage(loaded.damage)
        self._directory = directory
        self._sequence, self._chain = loaded.sequence, loaded.chain
        self._records = loaded.records
        self._on_turn = on_turn
        self._most_bytes, self._most_records = segment_bytes, segment_records
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            path = loaded.path or segments.segment_path(directory, loaded.sequence)
            self._tail = _Tail(path, loaded.end)
            segments.sync_directory(directory)
            if not loaded.records:
                self._tail.write(self._link())
            self._tail.sync()
        except OSError as error:
            raise ConfigError(str(directory), "", error.strerror or str(error)) from None

    @property
    def path(self) -> Path:
        return self._tail.path

    @property
    def sequence(self) -> int:
        return self._sequence

    def write(self, payloads: Sequence[bytes]) -> None:
        packed: list[bytes] = []
        size = self._tail.end
        for payload in payloads:
            full = self._records >= self._most_records or size + len(payload) > self._most_bytes
            if full and self._records > 1:
                self._tail.write(b"".join(packed))
                packed = []
                self._turn()
                size = self._tail.end
            if self._chain.since >= segments.CHAIN_EVERY:
                packed.append(self._link())
                size += len(packed[-1])
            packed.append(self._pack(payload))
            self._chain.add(packed[-1])
            size += len(packed[-1])
        self._tail.write(b"".join(packed))

    def _pack(self, payload: bytes) -> bytes:
        record = pack(self._sequence, payload)
        self._sequence += 1
        self._records += 1
        return record

    def _link(self) -> bytes:
        return self._pack(self._chain.link())

    def _turn(self) -> None:
        """Begin a new segment; the old one is whole on disk before."""
        old, first = self._tail, self._sequence
        old.sync()
        self._tail = _Tail(segments.segment_path(self._directory, first), 0)
        old.close()
        self._records = 0
        self._tail.write(self._link())
        self._tail.sync()
        try:
            segments.sync_directory(self._directory)
        except OSError as error:
            raise SyncFailed(error.errno, error.strerror) from error
        if self._on_turn is not None:
            self._on_turn(first)

    def sync(self) -> None:
        self._tail.sync()

    def finish(self) -> None:
        """A clean end: the hash covers the last record too."""
        if self._chain.since:
            self._tail.write(self._link())
        self._tail.sync()

    def close(self) -> None:
        self._tail.close()


_Item = tuple[list[bytes], Callable[[str], None] | None]


class Journal:
    """Appends records and calls back, on the loop's thread, when they are on disk.

    Args:
        where: a path stands for a PlainLog.
        sync_after_s: None syncs before it reports (durability "always"); a number reports what is
            written and syncs so much later (durability "group"): a killed process loses nothing,
            a host that loses power up to that.
        on_failed: gets, once, what went wrong and whether the process must end.
        on_slow: gets the seconds that a slow sync took.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        where: Path | Log,
        *,
        sync_after_s: float | None = None,
        on_failed: Callable[[str, bool], None] | None = None,
        on_slow: Callable[[float], None] | None = None,
    ) -> None:
        self._loop = loop
        self._log: Log = PlainLog(where) if isinstance(where, Path) else where
        self._sync_after_s = sync_after_s
        self._on_failed, self._on_slow = on_failed, on_slow
        self._waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._later: list[bytes] = []
        self._later_timer: asyncio.TimerHandle | None = None
        self._sync_at: float | None = None
        self._failed = ""
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, on_done: Callable[[str], None]) -> None:
        """on_done gets "" once the record is on disk, else what went wrong."""
        self._waiting.put(([*self._later, payload], on_done))
        self._later = []

    def append_later(self, payload: bytes) -> None:
        """For a record that nothing waits for; it is written soon."""
        self._later.append(payload)
        if self._later_timer is None:
            self._later_timer = self._loop.call_later(LATER_S, self._put_later)

    def _put_later(self) -> None:
        self._later_timer = None
        if self._later:
            self._waiting.put((self._later, None))
            self._later = []

    def close(self) -> None:
        """Write and sync what waits, then close the file."""
        if self._later_timer is not None:
            self._later_timer.cancel()
        self._put_later()
        self._waiting.put(None)
        self._thread.join()
        self._log.close()

    # --- on the journal's thread --------------------------------------------------------------

    def _work(self) -> None:
        is_open = True
        while is_open:
            batch = self._gather()
            items = [item for item in batch if item is not None]
            is_open = len(items) == len(batch)
            payloads = [payload for item in items for payload in item[0]]
            if payloads:
                self._attempt(partial(self._log.write, payloads))
                self._plan_sync()
            if self._sync_at is not None and self._sync_at <= time.monotonic():
                self._attempt(self._sync)
            for _, on_done in items:
                if on_done is not None:
                    self._call(partial(on_done, self._failed))
        self._attempt(self._log.finish)

    def _gather(self) -> list[_Item | None]:
        wait = None if self._sync_at is None else max(0.0, self._sync_at - time.monotonic())
        try:
            batch = [self._waiting.get(timeout=wait)]
        except queue.Empty:
            return []
        while not self._waiting.empty():
            batch.append(self._waiting.get())
        return batch

    def _plan_sync(self) -> None:
        if self._sync_at is None:
            self._sync_at = time.monotonic() + (self._sync_after_s or 0.0)

    def _sync(self) -> None:
        self._sync_at = None
        began = time.monotonic()
        self._log.sync()
        took = time.monotonic() - began
        if took > SLOW_SYNC_S and self._on_slow is not None:
            self._call(partial(self._on_slow, took))

    def _attempt(self, action: Callable[[], None]) -> None:
        """Nothing is tried again after a failure: the disk's state is unknown from then on."""
        if self._failed:
            self._sync_at = None
            return
        try:
            action()
        except OSError as error:
            self._failed = f"{self._log.path}: {error.strerror or error}"
            if self._on_failed is not None:
                self._call(partial(self._on_failed, self._failed, isinstance(error, SyncFailed)))

    def _call(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(function)
