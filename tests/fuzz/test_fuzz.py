"""The quick part of fuzzing: the same inputs each time; `python -m tests.fuzz` makes new ones."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.campaign import attempt, fuzz
from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import TARGETS, Target

INPUTS = 1500
FEW = {"config": 30}  # YAML is slow, and read once


@pytest.mark.parametrize("name", TARGETS)
def test_row_52_a_parser_raises_its_declared_error_only(name: str) -> None:
    outcome = fuzz(TARGETS[name], 1, FEW.get(name, INPUTS))
    assert outcome.findings == [], outcome.findings[0].what
    assert outcome.inputs >= FEW.get(name, INPUTS)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_seeds_that_its_parser_takes(name: str) -> None:
    """Inputs that are all refused at the door would find nothing."""
    target = TARGETS[name]
    assert not all(attempt(target, seed)[0] for seed in target.seeds())


def test_the_same_seed_makes_the_same_inputs() -> None:
    seeds = TARGETS["feed"].seeds() + TARGETS["bus"].seeds()
    one, two = (Mutator(random.Random(5), seeds) for _ in range(2))
    made = [one.make() for _ in range(300)]
    assert made == [two.make() for _ in range(300)]
    assert len(set(made)) > 250


def test_what_must_not_be_is_found() -> None:
    def fragile(data: bytes) -> None:
        if b"\xff" in data:
            raise KeyError("planted")
        raise ValueError

    planted = Target("planted", (ValueError,), fragile, lambda: [b"{}", b"\xff"])
    outcome = fuzz(planted, 1, 10)
    assert outcome.findings[0].data == b"\xff" and "planted" in outcome.findings[0].what
    assert not outcome.held and outcome.refused > 0
