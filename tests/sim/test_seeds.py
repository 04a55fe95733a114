"""Seeds that broke a promise once."""

from __future__ import annotations

import pytest

from tests.sim.simulation import Simulation

SEEDS = {
    2655: "a fill that the venue told after its list had replaced ours was counted twice",
    2930: "a fill that the venue told before its order, and a list meanwhile, was counted twice",
    2835: "a fill was missed: the engine was told a newer one, and died before it had asked",
    3689: "the same, without any fill before",
    4065: "a fill of an outsider whose report was lost was not found while nothing was open here",
    4641: "nor was an order",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_failed_holds_now(seed: int) -> None:
    outcome = Simulation(seed, plain=True).run()
    assert not outcome.violation, f"{SEEDS[seed]}: {outcome.violation}"
