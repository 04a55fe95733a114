"""Which code the other processes of the desk run: with another one the engine does not trade."""

from __future__ import annotations

from common import messages as m
from common.build import code_of

GONE_NS = 5_000_000_000  # without a beat for so long a process is no part of the desk any more


class Builds:
    """own: of the engine; "" holds nothing up."""

    def __init__(self) -> None:
        self.own = ""
        self._others: dict[str, tuple[str, int]] = {}  # those that differ: build, when heard

    def note(self, beat: m.Health, now_ns: int) -> None:
        """A process that does not tell its build is judged by nothing."""
        code = code_of(beat.build)
        if code and code_of(self.own) and code != code_of(self.own):
            self._others[beat.process] = beat.build, now_ns
        else:
            self._others.pop(beat.process, None)
        for process, (_, heard_ns) in list(self._others.items()):
            if now_ns - heard_ns > GONE_NS:
                del self._others[process]

    @property
    def differing(self) -> str:
        """A sentence about one of them, "" if all are alike."""
        for process, (build, _) in self._others.items():
            return f"{process} is of build {build}, this engine of {self.own}"
        return ""
