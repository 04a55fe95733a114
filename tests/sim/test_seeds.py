"""Seeds that broke a promise once, or were said to."""

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
JUDGED_WRONGLY = {  # with all kinds of orders
    6234: "a halt was asked for again after its release; only then was it answered",
    6272: "a quote was replaced when orders of an outsider had used up the limit",
    6295: "the same as 6234, with a quote sent after it",
}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_that_failed_holds_now(seed: int) -> None:
    outcome = Simulation(seed, plain=True).run()
    assert not outcome.violation, f"{SEEDS[seed]}: {outcome.violation}"


@pytest.mark.parametrize("seed", JUDGED_WRONGLY)
def test_what_breaks_no_promise_is_not_called_a_violation(seed: int) -> None:
    outcome = Simulation(seed).run()
    assert not outcome.violation, f"{JUDGED_WRONGLY[seed]}: {outcome.violation}"
