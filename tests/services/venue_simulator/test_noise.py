"""Noise: the same everywhere, continuous, and Brownian up to its longest period."""

import numpy as np
from hypothesis import given, strategies as st

from services.venue_simulator import noise

START_NS = 1_795_000_000_000_000_000
YEAR_S = 365 * 86_400


def test_splitmix_finaliser_gives_its_published_first_output():
    assert noise.mix(noise.GOLDEN) == 0xE220A8397B1DCDAF  # splitmix64 of seed 0


def test_seeds_depend_on_every_part():
    seeds = {noise.seed_of(7, "a"), noise.seed_of(7, "b"), noise.seed_of(8, "a"), noise.seed_of(7)}
    assert len(seeds) == 4


def test_uniform_numbers_are_uniform():
    values = noise.uniform_array(3, np.arange(100_000))
    assert values.min() >= 0.0 and values.max() < 1.0
    counts, _ = np.histogram(values, bins=20, range=(0, 1))
    assert np.abs(counts - 5_000).max() < 400
    assert values[17] == noise.uniform(3, 17)


@given(st.integers(0, 10**18))
def test_one_moment_and_many_agree(offset_ns):
    path = noise.brownian(noise.seed_of("x"), 0.5)
    now_ns = START_NS + offset_ns
    assert abs(path.at(now_ns) - path.at_array(np.array([now_ns]))[0]) < 1e-12


def test_answers_do_not_depend_on_what_was_asked_before():
    first, second = (noise.brownian(noise.seed_of("x"), 0.5) for _ in range(2))
    times = [START_NS + step * 777_777_777 for step in range(200)]
    forwards = [first.at(now_ns) for now_ns in times]
    backwards = [second.at(now_ns) for now_ns in reversed(times)]
    assert forwards == backwards[::-1]


def test_moves_grow_like_those_of_brownian_motion():
    for seconds in (1, 60, 3600, 86_400):
        moves = []
        for seed in range(30):
            path = noise.brownian(noise.seed_of("move", seed), 0.5)
            times = START_NS + np.arange(300) * int(3.7e9 * seconds)
            moves.append(path.at_array(times + seconds * 10**9) - path.at_array(times))
        measured = np.concatenate(moves).std()
        assert 0.85 < measured / (0.5 * np.sqrt(seconds / YEAR_S)) < 1.15


def test_paths_are_continuous():
    path = noise.brownian(noise.seed_of("x"), 0.5)
    values = path.at_array(START_NS + np.arange(20_000) * 1_000_000)
    assert np.abs(np.diff(values)).max() < 2e-6
