"""Random faults from a seed: what is done to a desk and its venue, one after the other."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tests.e2e.desk import Desk
from tests.longrun import world

PAUSE_S = (2.0, 6.0)
SPARED_S = 12.0  # a process is not killed again so soon: the watchdog would take it for hopeless
STOPPED_S = (0.1, 3.0)
VENUE_STOPPED_S = (0.1, 0.7)  # the watchdog would replace it: a venue does not begin anew
ANSWERS = (*("private/buy", "private/sell") * 2, "private/edit", "private/cancel", "*")
PRIVATE = "user.*"


class Faults(threading.Thread):
    """Does something to the desk every few seconds, until it is over; counts what it did."""

    def __init__(self, desk: Desk, seed: int) -> None:
        super().__init__(name="faults", daemon=True)
        self._desk = desk
        self._dice = random.Random(f"{seed}-faults")
        self._killed: dict[str, float] = {}
        self.done: Counter[str] = Counter()
        self.is_over = threading.Event()
        self._ways: list[tuple[int, Callable[[], None]]] = [
            (6, self._kill),
            (1, self._kill_all),
            (4, self._stop),
            (2, self._cut),
            (3, self._drop_answers),
            (3, self._delay_answers),
            (2, self._disturb_reports),
            (2, self._disturb_books),
            (1, self._expire_tokens),
            (1, self._kill_switch),
        ]

    def run(self) -> None:
        weights = [weight for weight, _ in self._ways]
        while not self.is_over.wait(self._dice.uniform(*PAUSE_S)):
            ((_, fault),) = self._dice.choices(self._ways, weights)
            self.done[fault.__name__.strip("_")] += 1
            fault()

    def heal(self) -> None:
        """Nothing is disturbed any more."""
        world.control(self._desk, "clear-faults")
        self._release()
        for pid in self._desk.processes():
            _send(pid, signal.SIGCONT)

    # --- processes ----------------------------------------------------------------------------

    def _victims(self) -> dict[str, int]:
        """What may be killed: everything of ours, and not the venue."""
        now = time.monotonic()
        return {
            name: pid
            for name, pid in world.pids(self._desk).items()
            if not name.startswith("venue_simulator")
            and now - self._killed.get(name, -SPARED_S) >= SPARED_S
        }

    def _kill(self) -> None:
        victims = self._victims()
        if victims:
            name = self._dice.choice(sorted(victims))
            self._killed[name] = time.monotonic()
            _send(victims[name], signal.SIGKILL)

    def _kill_all(self) -> None:
        for name, pid in self._victims().items():
            self._killed[name] = time.monotonic()
            _send(pid, signal.SIGKILL)

    def _stop(self) -> None:
        pids = world.pids(self._desk)
        name = self._dice.choice(sorted(pids))
        longest = VENUE_STOPPED_S if name.startswith("venue_simulator") else STOPPED_S
        _send(pids[name], signal.SIGSTOP)
        self.is_over.wait(self._dice.uniform(*longest))
        _send(pids[name], signal.SIGCONT)

    # --- the venue ----------------------------------------------------------------------------

    def _cut(self) -> None:
        is_clean = self._dice.random() < 0.5
        world.control(self._desk, "cut-connections", client_id="demo", is_clean=is_clean)

    def _drop_answers(self) -> None:
        method, count = self._dice.choice(ANSWERS), self._dice.randint(1, 3)
        world.control(self._desk, "drop-answers", method=method, next=count, client_id="demo")

    def _delay_answers(self) -> None:
        fields = {"ms": self._dice.randint(100, 4000), "next": self._dice.randint(1, 5)}
        method = self._dice.choice(ANSWERS)
        world.control(self._desk, "delay-answers", method=method, client_id="demo", **fields)

    def _disturb_reports(self) -> None:
        act = self._dice.choice(("duplicate", "reorder", "lose"))
        count = self._dice.randint(1, 5)
        fields = {"channel": PRIVATE, "next": count, "client_id": "demo"}
        world.control(self._desk, f"{act}-notifications", **fields)

    def _disturb_books(self) -> None:
        if self._dice.random() < 0.5:
            world.control(self._desk, "lose-notifications", channel="book.*", next=3)
            return
        world.control(self._desk, "freeze-channel", channel="book.BTC*")
        self.is_over.wait(self._dice.uniform(1, 8))
        world.control(self._desk, "thaw-channel", channel="book.BTC*")

    def _expire_tokens(self) -> None:
        world.control(self._desk, "expire-tokens", client_id="demo")

    # --- the kill switch ----------------------------------------------------------------------

    def _kill_switch(self) -> None:
        scope = self._dice.choice(("desk", world.VENUE, "quoter"))
        (self._desk.run_dir / "latch" / scope).write_text("long run")
        self.is_over.wait(self._dice.uniform(0.5, 4))
        self._release()

    def _release(self) -> None:
        for path in (self._desk.run_dir / "latch").iterdir():
            path.unlink(missing_ok=True)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
