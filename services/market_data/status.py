"""Status: what this process says of itself: its state when that changes, counters, warnings."""

from __future__ import annotations

from collections import Counter

from common.core import Alert, CoreCommand, Count, SetState

NS_PER_S = 1_000_000_000
SAME_PER_SECOND = 3  # warnings of one text; a lost link may bring hundreds


class Status:
    """Starting until everything was well once; degraded whenever something is not, after that."""

    def __init__(self) -> None:
        self._told: SetState | None = None
        self._was_ready = False
        self._counts: dict[str, int] = {}
        self._second = 0
        self._warned: Counter[str] = Counter()  # how often each text was given in it

    def update(self, problem: str, note: str = "") -> list[CoreCommand]:
        """The state to tell, if it is news. note: said of a process that is ready."""
        if not problem:
            self._was_ready = True
            state = SetState("ready", note)
        else:
            state = SetState("degraded" if self._was_ready else "starting", problem)
        if state == self._told:
            return []
        self._told = state
        return [state]

    def count(self, name: str, by: int = 1) -> None:
        """Cheap enough for every frame; told with the next flush."""
        self._counts[name] = self._counts.get(name, 0) + by

    def flush(self) -> list[CoreCommand]:
        counts: list[CoreCommand] = [Count(name, by) for name, by in self._counts.items()]
        self._counts.clear()
        return counts

    def warn(self, now_ns: int, text: str, fields: dict[str, str]) -> list[CoreCommand]:
        """The warning, unless the same text was given too often this second; then it is counted."""
        second = now_ns // NS_PER_S
        if second != self._second:
            self._second = second
            self._warned.clear()
        self._warned[text] += 1
        if self._warned[text] > SAME_PER_SECOND:
            self.count("warnings_held_back")
            return []
        return [Alert("WARNING", text, fields)]
