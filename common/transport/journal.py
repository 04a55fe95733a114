"""The append-only journal file of a process: what it decided, on disk before it acts.

A record is `u32 length | u64 sequence | u32 crc32 | payload`, little endian; the checksum covers
sequence and payload. One thread gathers what is waiting, writes once, syncs once and reports back.
"""

from __future__ import annotations

import asyncio
import os
import queue
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

from common.errors import ConfigError

HEADER = struct.Struct("<IQI")
MAX_RECORD_BYTES = 1 << 20


def _checksum(sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(sequence.to_bytes(8, "little")))


def pack(sequence: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), sequence, _checksum(sequence, payload)) + payload


def scan(data: bytes) -> tuple[list[bytes], int]:
    """The payloads of the whole records at the start of data, and where they end."""
    payloads: list[bytes] = []
    offset = 0
    while offset + HEADER.size <= len(data):
        length, sequence, checksum = HEADER.unpack_from(data, offset)
        end = offset + HEADER.size + length
        payload = data[offset + HEADER.size : end]
        whole = length <= MAX_RECORD_BYTES and end <= len(data)
        if not whole or sequence != len(payloads) or checksum != _checksum(sequence, payload):
            break
        payloads.append(payload)
        offset = end
    return payloads, offset


def read(path: Path) -> list[bytes]:
    """All whole records; a torn last record is left out. [] when there is no file."""
    return scan(path.read_bytes())[0] if path.exists() else []


class Journal:
    """Appends records and calls back, on the loop's thread, when they are on disk.

    Raises:
        ConfigError: the file cannot be opened, or has good records behind a bad one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self._loop = loop
        self._path = path
        self._file, self._sequence = self._open(path)
        self._waiting: queue.SimpleQueue[tuple[bytes, Callable[[str], None]] | None] = (
            queue.SimpleQueue()
        )
        self._failed = ""
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @staticmethod
    def _open(path: Path) -> tuple[int, int]:
        try:
            data = path.read_bytes() if path.exists() else b""
            payloads, end = scan(data)
            if _has_record_after(data, end):
                raise ConfigError(
                    str(path), "", "is damaged in the middle: move it away after a look at it"
                )
            file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
        except OSError as error:
            raise ConfigError(str(path), "", error.strerror or str(error)) from None
        return file, len(payloads)

    def append(self, payload: bytes, on_done: Callable[[str], None]) -> None:
        """on_done gets "" once the record is synced, else what went wrong."""
        self._waiting.put((pack(self._sequence, payload), on_done))
        self._sequence += 1

    def close(self) -> None:
        """Write and sync what waits, then close the file."""
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _work(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            records = [item for item in batch if item is not None]
            if records:
                self._write(b"".join(record for record, _ in records))
                for _, on_done in records:
                    self._report(on_done)
            if len(records) < len(batch):
                return

    def _write(self, data: bytes) -> None:
        """A failed write or sync is final: the disk's state is unknown from then on."""
        if self._failed:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
        except OSError as error:
            self._failed = f"{self._path}: {error.strerror}"

    def _report(self, on_done: Callable[[str], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(on_done, self._failed)


def _has_record_after(data: bytes, offset: int) -> bool:
    """Whether a whole record with a right checksum stands behind the first bad byte."""
    tail = data[offset:]
    for start in range(1, max(0, len(tail) - HEADER.size) + 1):
        length, sequence, checksum = HEADER.unpack_from(tail, start)
        payload = tail[start + HEADER.size : start + HEADER.size + length]
        if 0 < length == len(payload) and checksum == _checksum(sequence, payload):
            return True
    return False
