"""Which code the processes run that this engine depends on: with another one it does not trade."""

from __future__ import annotations

from common import messages as m
from common.build import code_of


class Builds:
    """own: of the engine; "" holds nothing up."""

    def __init__(self) -> None:
        self.own = ""
        self._others: dict[str, str] = {}  # those that differ, by process

    def note(self, beat: m.Health) -> None:
        """A process that does not tell its build is judged by nothing."""
        code = code_of(beat.build)
        if code and code_of(self.own) and code != code_of(self.own):
            self._others[beat.process] = beat.build
        else:
            self._others.pop(beat.process, None)

    @property
    def differing(self) -> str:
        """A sentence about one of them, "" if all are alike."""
        for process, build in self._others.items():
            return f"{process} is of build {build}, this engine of {self.own}"
        return ""
