"""Health of the desk's processes, from their beats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common import messages as m
from common.config import DeskConfig

SILENT_NS = 2_000_000_000
GOOD_STATES = ("ready",)
Row = dict[str, Any]
ABSENT: Row = {
    "name": "",
    "state": "absent",
    "healthy": False,
    "pid": None,
    "links": {},
    "text": "",
}


class Processes:
    """Every process the configuration names, and whoever else beats."""

    def __init__(
        self, expected: list[str], own: Callable[[], tuple[str, str]], own_pid: int
    ) -> None:
        self._expected = expected
        self._own = own  # the gateway's state and its text
        self._own_pid = own_pid
        self._beats: dict[str, m.Health] = {}
        self._seen_ns: dict[str, int] = {}
        self._links: dict[tuple[str, str], tuple[bool, int]] = {}  # up, since

    def on_beat(self, beat: m.Health, now_ns: int) -> bool:
        """Whether something but the counters changed."""
        before = self._beats.get(beat.process)
        was_heard = self._is_heard(beat.process, now_ns)
        self._beats[beat.process], self._seen_ns[beat.process] = beat, now_ns
        for gone in [key for key in self._links if key[0] == beat.process]:
            if gone[1] not in beat.links:
                del self._links[gone]
        for link, up in beat.links.items():
            known = self._links.get((beat.process, link))
            if known is None or known[0] != up:
                self._links[beat.process, link] = up, now_ns
        if before is None or not was_heard:
            return True
        return (before.state, before.links, before.pid) != (beat.state, beat.links, beat.pid)

    def _is_heard(self, process: str, now_ns: int) -> bool:
        return now_ns - self._seen_ns.get(process, -SILENT_NS) < SILENT_NS

    def row(self, process: str, now_ns: int) -> Row:
        beat = self._beats.get(process)
        heard = self._is_heard(process, now_ns)
        if beat is None:
            return ABSENT | {"name": process}
        return {
            "name": process,
            "state": beat.state if heard else "silent",
            "healthy": heard and beat.state in GOOD_STATES,
            "pid": beat.pid,
            "links": beat.links,
            "text": beat.text,
            "build": beat.build,
            "beat_age_ms": (now_ns - self._seen_ns[process]) // 1_000_000,
            "counters": beat.counters,
        }

    def _own_row(self) -> Row:
        state, text = self._own()
        return {
            "name": "gateway",
            "state": state,
            "healthy": state in GOOD_STATES,
            "pid": self._own_pid,
            "links": {},
            "text": text,
            "build": "",
            "beat_age_ms": 0,
            "counters": {},
        }

    def rows(self, now_ns: int) -> list[Row]:
        """Those expected, and of the others (strategies) those that beat."""
        others = sorted(set(self._beats) - set(self._expected))
        names = self._expected + [name for name in others if self._is_heard(name, now_ns)]
        return [*(self.row(name, now_ns) for name in names), self._own_row()]

    def links(self, now_ns: int) -> list[tuple[str, str, bool, float]]:
        """(process, link, up, seconds in this state) of every link."""
        return [
            (process, link, up, (now_ns - since_ns) / 1e9)
            for (process, link), (up, since_ns) in self._links.items()
        ]


def expected(config: DeskConfig) -> list[str]:
    """The processes of a configuration, by the names they beat with."""
    names = [f"venue_simulator.{simulator.venue}" for simulator in config.simulators]
    for venue, settings in config.venues.items():
        names.append(f"market_data.{venue}")
        for account in settings.accounts:
            names.append(f"trading_engine.{venue}.{account.name}")
            names.append(f"position_server.{venue}.{account.name}")
    return names
