"""One seed, for processes that begin with nothing but a name to import."""

from __future__ import annotations

from tests.sim.simulation import Outcome, Simulation


def run(seed: int) -> Outcome:
    return Simulation(seed).run()
