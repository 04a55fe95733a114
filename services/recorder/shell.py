"""The files of the recorder: one thread that writes, so that a slow disk holds nobody up."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

from loguru import logger

from common.transport.clock import now_ns
from common.transport.loop import Shell
from common.transport.sockets import lock_file
from services.recorder import parquet
from services.recorder.core import Rotate, Rotated, WriteFailed, WriteRows, Written
from services.recorder.naming import stem, surplus


class Directory:
    """The files of one directory. Every method may raise OSError.

    Raises:
        ConfigError: another recorder writes there.
    """

    def __init__(self, path: Path, max_total: int) -> None:
        self.path = path
        self._max_total = max_total
        self._open: dict[str, parquet.OpenTable] = {}
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = lock_file(path / "recorder.lock")

    def recover(self) -> int:
        """Finish what a killed recorder left open."""
        periods, halves = parquet.leftovers(self.path)
        for half in halves:
            half.unlink()
        return sum(parquet.finish(period) is not None for period in periods)

    def append(self, command: WriteRows) -> Written:
        for family, rows in command.rows.items():
            table = self._open.get(family)
            if table is None:
                name = stem(family, now_ns())
                table = self._open[family] = parquet.OpenTable(self.path, family, name)
            table.append(rows)
        size = sum(table.size for table in self._open.values())
        return Written(sum(map(len, command.rows.values())), size)

    def rotate(self) -> Rotated:
        closed, self._open = self._open, {}
        for table in closed.values():
            table.close()
        made = sum(parquet.finish(table.path) is not None for table in closed.values())
        names = surplus(parquet.own_files(self.path), self._max_total)
        for name in names:
            (self.path / name).unlink()
        return Rotated(made, len(names))

    def close(self) -> None:
        for table in self._open.values():
            table.close()
        self._lock.close()


class Files:
    """Executes the recorder's commands on a thread, and hands the core what became of them."""

    def __init__(self, shell: Shell, path: Path, max_total: int) -> None:
        self._shell = shell
        self._path = path
        self._max_total = max_total
        self._jobs: queue.SimpleQueue[WriteRows | Rotate | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="files", daemon=True)
        self._directory: Directory | None = None
        shell.extend(WriteRows, self._jobs.put)
        shell.extend(Rotate, self._jobs.put)
        shell.on_start(self.start)
        shell.on_stop(self.stop)

    async def start(self) -> None:
        try:
            self._directory = Directory(self._path, self._max_total)
        except OSError as error:
            # Too early for the core, which has not started: tell it as its first bad news.
            self._shell.loop.call_soon(self._shell.feed, WriteFailed(_sentence(error, self._path)))
        self._thread.start()

    async def stop(self) -> None:
        """Returns once what was asked before is on disk."""
        self._jobs.put(None)
        await self._shell.loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        directory = self._directory
        if directory is None:
            return
        try:
            recovered = directory.recover()
            if recovered:
                logger.info("finished {} files of a recorder that did not end well", recovered)
            while (job := self._jobs.get()) is not None:
                done = directory.rotate() if isinstance(job, Rotate) else directory.append(job)
                self._report(done)
        except (OSError, ValueError, TypeError) as error:  # the latter two: rows Arrow refuses
            self._report(WriteFailed(_sentence(error, self._path)))
        finally:
            _close_quietly(directory)

    def _report(self, event: Any) -> None:
        self._shell.loop.call_soon_threadsafe(self._shell.feed, event)


def _sentence(error: Exception, path: Path) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return f"{path}: {text or str(error)[:200]}"


def _close_quietly(directory: Directory) -> None:
    """A disk that took no rows may take no end of a stream either; what is whole stays readable."""
    try:
        directory.close()
    except OSError as error:
        logger.debug("closing: {}", error)
