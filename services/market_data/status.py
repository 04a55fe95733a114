"""Status: what the beat says of this process, told only when it changes, and its counters."""

from __future__ import annotations

from common.core import CoreCommand, Count, SetState


class Status:
    """Starting until everything was well once; degraded whenever something is not, after that."""

    def __init__(self) -> None:
        self._told: SetState | None = None
        self._was_ready = False
        self._counts: dict[str, int] = {}

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
