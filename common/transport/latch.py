"""The kill switch as files: `<run dir>/latch/<scope>`; while one is there, its scope is halted.

A scope is `desk`, the name of a venue, or `strategy.<name>`. The file counts, not its content: an
empty one made by hand halts as well. What is inside tells people who did it and why. Names with a
leading dot are notes: `.released.<scope>` holds the reason of the last release.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from common.domain.modes import DESK

LOOK_S = 0.01
FRESH_S = 0.05  # file systems stamp a directory in steps of some ms
MAX_REASON_BYTES = 500
BY_HAND = "no reason was given"
NOTE = ".released."
MAKING = ".making."


def latch(directory: Path, scope: str, reason: str) -> str:
    """Set a latch; one that is set keeps its first reason.

    Returns:
        "" or why the reason could not be written; the latch is set in both cases.

    Raises:
        OSError: the latch is not set.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = directory / f"{MAKING}{os.getpid()}.{scope}"
    try:
        problem = _write(made, reason)
        os.link(made, directory / scope)  # with its reason: nobody reads it without
        return problem
    except FileExistsError:
        return ""
    except OSError:  # a file system that knows no links
        return _write(directory / scope, reason)
    finally:
        made.unlink(missing_ok=True)


def _write(path: Path, reason: str) -> str:
    """A new file; why nothing could be written to it. Raises: OSError: it could not be made."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return ""
    try:
        os.write(file, reason.encode()[:MAX_REASON_BYTES])
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(file)
    return ""


def release(directory: Path, scope: str, reason: str) -> bool:
    """Take a latch away; False when it was not set. Raises: OSError."""
    path = directory / scope
    if not path.exists():
        return False
    (directory / f"{NOTE}{scope}").write_bytes(reason.encode()[:MAX_REASON_BYTES])
    path.unlink(missing_ok=True)
    return True


def read(directory: Path) -> dict[str, str]:
    """Scope -> reason of all latches. A directory that is not there or not readable halts all."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        return {DESK: f"the latch directory cannot be read: {error.strerror}"}
    return {name: _text(directory / name) for name in names if not name.startswith(".")}


def released_of(directory: Path) -> dict[str, str]:
    """Scope -> reason of the last release of each."""
    try:
        names = os.listdir(directory)
    except OSError:
        return {}
    return {n.removeprefix(NOTE): _text(directory / n) for n in names if n.startswith(NOTE)}


def _text(path: Path) -> str:
    try:
        text = path.read_bytes()[:MAX_REASON_BYTES].decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    return "".join(c if c.isprintable() else "?" for c in text) or BY_HAND


class LatchWatch:
    """Tells of every change of the latches: by a look every 10 ms, and whenever it is asked to.

    Args:
        on_change: gets all latches, and of every scope the reason of its last release.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directory: Path,
        on_change: Callable[[Mapping[str, str], Mapping[str, str]], None],
    ) -> None:
        self._loop = loop
        self._directory = directory
        self._on_change = on_change
        self._stamp: tuple[int, int] | None = None
        self._fresh_until = 0.0
        self._is_settled = False  # read after a change of the same stamp could still come
        self._timer: asyncio.TimerHandle | None = None
        self.latches: dict[str, str] = {}

    def start(self) -> None:
        """Tells the latches as they are, also if there are none."""
        self._stamp = None
        self.latches = read(self._directory)
        self._on_change(self.latches, released_of(self._directory))
        self._tick()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Compare with the directory; costs one stat unless that changed a moment ago."""
        try:
            stat = os.stat(self._directory)
            stamp = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            stamp = (0, 0)
        now = self._loop.time()
        if stamp != self._stamp:
            self._stamp, self._fresh_until = stamp, now + FRESH_S
        elif self._is_settled:
            return
        self._is_settled = now > self._fresh_until
        found = read(self._directory)
        if found.keys() == self.latches.keys():
            return
        self.latches = found
        self._on_change(found, released_of(self._directory))

    def _tick(self) -> None:
        self.look()
        self._timer = self._loop.call_later(LOOK_S, self._tick)
