"""The clock of a desk: the wall clock when the desk began, and the time that has passed since.

A person or a time daemon may set the wall clock at any moment. An hour forward would end every wait
of a process at once and make every request late, an hour back would hold both up. So the wall clock
is read once; what passes is counted by a clock that nobody sets and that runs while the machine
sleeps. All processes of a run directory share the first one's reading, or one that starts after
such a jump would not agree with the others.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime_ns, time_ns

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock:
    """Nanoseconds since 1970 UTC that never jump."""

    def __init__(self) -> None:
        self._start_ns = _wall_start_ns()

    def follow(self, path: Path) -> None:
        """Share the reading kept in this file; make the file if there is none of this boot."""
        boot = _boot_id()
        found = _read(path, boot)
        if found is None:
            _write(path, f"{self._start_ns} {boot}\n")
            found = _read(path, boot)
        if found is not None:
            self._start_ns = found

    def now_ns(self) -> int:
        return self._start_ns + clock_gettime_ns(CLOCK_BOOTTIME)

    def wall_ahead_ns(self) -> int:
        """By how much the wall clock was set forward since; negative if back."""
        return _wall_start_ns() - self._start_ns


def _wall_start_ns() -> int:
    """What the wall clock showed when the machine started."""
    return time_ns() - clock_gettime_ns(CLOCK_BOOTTIME)


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def _read(path: Path, boot: str) -> int | None:
    try:
        start, kept_boot = path.read_text().split()
        return int(start) if kept_boot == boot else None
    except (OSError, ValueError):
        return None


def _write(path: Path, text: str) -> None:
    """Whole or not at all. A directory that cannot be written is for others to tell: every process
    then has its own reading, which agrees as long as nobody sets the wall clock."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        new.write_text(text)
        new.replace(path)


_desk = Clock()
now_ns = _desk.now_ns
wall_ahead_ns = _desk.wall_ahead_ns
follow = _desk.follow
