"""The long run: `python -m tests.longrun --minutes 30 --seed 7`.

A whole desk at a simulated venue under mixed load and random faults. At the end everything settles,
and the checker compares what the venue, the journal and the clients wrote down.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import figures
from tests.e2e.desk import Desk
from tests.longrun import world
from tests.longrun.checker import Checker, Violation
from tests.longrun.evidence import Final, load
from tests.longrun.faults import Faults
from tests.longrun.load import GatewayClient, Taker

HEALTHY_S = 90.0
SETTLED_S = 120.0
LOOK_S = 0.25
LONGEST_DOUBT_S = 60.0  # then an alert tells of it
PROMISES = ("P1", "P2", "P3", "P7", "P12", "P20")


class Run:
    """One run in a directory of its own.

    Attributes:
        did: the faults by kind.
    """

    def __init__(
        self,
        directory: Path,
        seed: int,
        *,
        rate: float,
        with_faults: bool = True,
        limited: bool = True,
    ) -> None:
        self._desk = world.make(directory, limited=limited)
        self._clients = [
            GatewayClient(self._desk, owner, seed, rate / len(world.OWNERS))
            for owner in world.OWNERS
        ]
        self._taker = Taker(self._desk, seed, 2.0)
        self._faults = Faults(self._desk, seed) if with_faults else None
        self.did: dict[str, int] = {}

    def go(self, seconds: float) -> Path:
        """Run, settle, stop.

        Returns:
            The directory of the evidence.
        """
        with _standing(self._desk):
            self._until(self._is_healthy, HEALTHY_S, "the desk does not come up")
            venue = self._venue_pid()
            self._load(seconds)
            final = self._settle()
            if self._venue_pid() != venue:
                raise RuntimeError("the simulated venue was replaced: this run shows nothing")
        return world.collect(self._desk, final)

    def _venue_pid(self) -> int:
        return world.pids(self._desk).get(f"venue_simulator.{world.VENUE}", 0)

    def _load(self, seconds: float) -> None:
        threads = [*self._clients, self._taker, *([self._faults] if self._faults else [])]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        for client in self._clients:
            client.is_loading = False
        self._taker.is_over.set()
        if self._faults is not None:
            self._faults.is_over.set()
            self._faults.join(world.TIMEOUT_S * 4)
            self.did = dict(self._faults.done)

    def _settle(self) -> Final:
        if self._faults is not None:
            self._faults.heal()
        for name in world.pids(self._desk):
            if name.startswith("strategy_host"):
                world.supervisor(self._desk).call("stopProcess", name)
        self._until(self._is_engine_ready, HEALTHY_S, "the engine does not come back")
        self._until(lambda: not self._unanswered(), SETTLED_S, "requests stay unanswered")
        self._until(self._is_equal, SETTLED_S, "desk and venue stay different")
        for client in self._clients:
            client.is_over.set()
            client.join(world.TIMEOUT_S * 4)
        final = world.standing(self._desk)
        return final or Final(["unknown"], [], {}, {})

    def _unanswered(self) -> int:
        return sum(client.waiting for client in self._clients)

    def _is_healthy(self) -> bool:
        health = world.get(self._desk, "/health")
        return bool(health and health["healthy"])

    def _is_engine_ready(self) -> bool:
        health = world.get(self._desk, "/health")
        rows = (health or {"processes": []})["processes"]
        name = f"trading_engine.{world.VENUE}.{world.ACCOUNT}"
        return any(row["name"] == name and row["state"] == "ready" for row in rows)

    def _is_equal(self) -> bool:
        world.cancel_all(self._desk)
        found = world.standing(self._desk)
        if found is None or found.desk_orders or found.venue_orders:
            return False
        return held(found.desk_positions) == held(found.venue_positions)

    def _until(self, is_so: Callable[[], Any], patience_s: float, what: str) -> bool:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if is_so():
                return True
            time.sleep(LOOK_S)
        print(f"not within {patience_s:g} s: {what}", file=sys.stderr)
        return False


def held(positions: dict[str, str]) -> dict[str, float]:
    return {name: float(quantity) for name, quantity in positions.items() if float(quantity)}


@contextmanager
def _standing(desk: Desk) -> Any:
    up = desk.up()
    try:
        if up.code:
            raise RuntimeError(f"the desk did not start: {up.err}")
        yield
    finally:
        desk.cli("down")


def note(found: list[Violation], checker: Checker, seed: int, minutes: float) -> None:
    """For the table of `make test-long`."""
    for promise in PROMISES:
        count = sum(violation.promise == promise for violation in found)
        figure = f"{count} in {checker.looked[promise]}"
        what = f"long run of {minutes:g} min: violations"
        figures.note(promise, what, "0", figure, not count, seeds=str(seed))
    longest = max(checker.doubts_s, default=0.0)
    what = f"long run of {minutes:g} min: longest doubt, faults included"
    figure = f"{longest:.1f} s of {len(checker.doubts_s)}"
    figures.note("P2", what, f"{LONGEST_DOUBT_S:g} s", figure, longest <= LONGEST_DOUBT_S)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.longrun", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=15.0, help="requests a second, 5 to 50")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--unlimited", action="store_true", help="no rate tier: more orders")
    parser.add_argument("--keep", type=Path, help="leave everything in this new directory")
    given = parser.parse_args()
    directory = given.keep or Path(tempfile.mkdtemp(prefix="longrun-"))
    options = {"with_faults": not given.no_faults, "limited": not given.unlimited}
    run = Run(directory, given.seed, rate=given.rate, **options)
    evidence = load(run.go(given.minutes * 60))
    checker = Checker(evidence)
    found = checker.run()
    for violation in found[:50]:
        print(violation)
    print("faults:", ", ".join(f"{name} {count}" for name, count in sorted(run.did.items())))
    looked = ", ".join(f"{promise} {count}" for promise, count in sorted(checker.looked.items()))
    print(f"seed {given.seed}: checked {looked}: {len(found)} violations")
    doubts = checker.doubts_s or [0.0]
    print(f"doubts {len(checker.doubts_s)}, half within {doubts[len(doubts) // 2]:.1f} s,", end=" ")
    print(f"longest {doubts[-1]:.1f} s")
    note(found, checker, given.seed, given.minutes)
    if given.keep is None and not found:
        shutil.rmtree(directory)
    else:
        print(f"kept in {directory}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
