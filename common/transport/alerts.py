"""Alerts are told once per cause: the same text of a process again only after a minute, counted."""

from __future__ import annotations

from common import messages as m
from common.core import Alert

AGAIN_NS = 60_000_000_000
MAX_CAUSES = 500
LEVELS = ("WARNING", "ERROR")


class Alerts:
    """Decides which alerts of one process go to the bus."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._told: dict[tuple[str, str], tuple[int, int]] = {}  # cause -> told at, count since

    def note(self, alert: Alert, now_ns: int) -> m.Alert | None:
        """The message to publish, None for what was told a moment ago or is mere information."""
        if alert.level not in LEVELS:
            return None
        cause = alert.level, alert.text
        told_ns, count = self._told.pop(cause, (0, 0))
        count += 1
        is_due = not told_ns or now_ns - told_ns >= AGAIN_NS
        self._told[cause] = (now_ns, 0) if is_due else (told_ns, count)
        if len(self._told) > MAX_CAUSES:
            del self._told[next(iter(self._told))]
        if not is_due:
            return None
        return m.Alert(self._process, alert.level, alert.text, alert.fields, count, now_ns)
