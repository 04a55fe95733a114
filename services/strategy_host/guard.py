"""Running other people's code: what it raises, where, and how long it took."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable
from pathlib import Path

from common.core import Data

NS_PER_MS = 1_000_000
MAX_TEXT = 300


class Fault(Data):
    """An exception in user code. place: file:line, as short as the user named the file."""

    place: str
    text: str
    line: str  # the source line

    def __str__(self) -> str:
        shown = f" `{self.line}`" if self.line else ""
        return f"{self.place}: {self.text}{shown}"


class Outcome(Data):
    fault: Fault | None
    took_ns: int


def run(call: Callable[[], object], stopwatch: Callable[[], int], path: str) -> Outcome:
    """Call user code. The one place where any exception is caught: theirs must not be ours.

    Args:
        stopwatch: a monotonic clock in ns; a constant in simulated time.
        path: the strategy's file; an error's place is the last line of it that was reached.
    """
    started = stopwatch()
    try:
        call()
    except (Exception, SystemExit) as error:
        return Outcome(fault_of(error, path), stopwatch() - started)
    return Outcome(None, stopwatch() - started)


def fault_of(error: BaseException, path: str) -> Fault:
    name = Path(path).name
    text = f"{type(error).__name__}: {error}".strip()[:MAX_TEXT]
    if isinstance(error, SyntaxError) and error.filename:
        line = (error.text or "").strip()
        return Fault(f"{Path(error.filename).name}:{error.lineno}", text, line)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if frame.filename == path] or frames
    if not mine:
        return Fault(name, text, "")
    last = mine[-1]
    source = linecache.getline(last.filename, last.lineno or 0).strip()
    return Fault(f"{Path(last.filename).name}:{last.lineno}", text, source)
