"""Starts the processes of stream.py, reads their reports, ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.transport.stream import Report, Settings

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
PAGE = os.sysconf("SC_PAGE_SIZE")


def eventually(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {patience_s:g} s: {what}"
        time.sleep(0.05)


class Running:
    """One process and its report."""

    def __init__(self, program: str, settings: Settings) -> None:
        self._path = Path(settings.report)
        command = [sys.executable, "-m", "tests.transport.stream", program]
        text = msgspec.json.encode(settings).decode()
        with self._path.with_suffix(".log").open("wb") as log:
            self._process = subprocess.Popen([*command, text], cwd=ROOT, stdout=log, stderr=log)
        self.pid = self._process.pid

    @property
    def report(self) -> Report:
        if not self._path.exists():
            return Report()
        return msgspec.json.decode(self._path.read_bytes(), type=Report)

    @property
    def is_there(self) -> bool:
        """Whether it has begun to keep its report."""
        return self._path.exists()

    @property
    def lost_topics(self) -> set[str]:
        return {loss.topic for loss in self.report.losses}

    @property
    def rss(self) -> int:
        """Bytes of memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def times(self) -> list[tuple[int, int]]:
        """Of a reader that ended: when each message was sent, and when it was there."""
        from array import array

        values = array("q")
        values.frombytes(self._path.with_suffix(".times").read_bytes())
        return list(zip(values[::2], values[1::2], strict=True))

    def stop(self) -> Report:
        if self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise
        return self.report


class Streams:
    """All processes of a test share one run directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Running] = []

    def start(self, program: str, name: str, **settings: Any) -> Running:
        report = self._folder / f"{name}.json"
        made = Settings(str(self._folder / "run"), str(report), name, **settings)
        self._running.append(Running(program, made))
        return self._running[-1]

    def stop(self) -> None:
        for running in reversed(self._running):
            running.stop()


@contextmanager
def streams(folder: Path) -> Iterator[Streams]:
    made = Streams(folder)
    try:
        yield made
    finally:
        made.stop()
