"""Seeds that broke a promise once."""

from __future__ import annotations

import pytest

from tests.sim.simulation import Simulation

SEEDS = {
    2655: "a fill that the venue told after its list had replaced ours was counted twice",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_failed_holds_now(seed: int) -> None:
    outcome = Simulation(seed).run()
    assert not outcome.violation, f"{SEEDS[seed]}: {outcome.violation}"
