"""Smooth random paths that can be asked for any moment: value noise in octaves, no state.

A path is a sum of octaves. Octave k has random values on a lattice of period P_k = P_0 * 4^k,
joined by smoothsteps; its variance grows like P_k. So over any time between the shortest and the
longest period the path moves like Brownian motion, and over longer times it stays where it is.
The lattice values are hashes of (seed, octave, place), uniform in +-sqrt(3): the same path in every
process, at any time asked, in any order. The only memory is the last lattice cell of each octave.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
UNIT = 2.0**-53
ROOT_THREE = math.sqrt(3.0)
SHORTEST_NS = 250_000_000
OCTAVE_FACTOR = 4
OCTAVES = 11  # the longest period is three days
VARIANCE_SHARE = 0.416  # of an octave in (per second) * period; found by measuring the sum


def seed_of(*parts: object) -> int:
    """64 bits that depend on all parts, the same in every process."""
    text = "\0".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def mix(word: int) -> int:
    """The finaliser of splitmix64 (S. Vigna, public domain): a good hash of 64 bits."""
    word = ((word ^ (word >> 30)) * MIX_1) & MASK
    word = ((word ^ (word >> 27)) * MIX_2) & MASK
    return word ^ (word >> 31)


def uniform(seed: int, place: int) -> float:
    """In [0, 1), for any integer place."""
    return (mix((seed + place * GOLDEN) & MASK) >> 11) * UNIT


def mix_array(words: Words) -> Words:
    """`mix` of uint64[n]."""
    import numpy as np

    words = (words ^ (words >> np.uint64(30))) * np.uint64(MIX_1)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(MIX_2)
    return words ^ (words >> np.uint64(31))


def hash_uniform(seeds: Words, places: Ints) -> Floats:
    """`uniform` of arrays that broadcast."""
    import numpy as np

    words = seeds + places.astype(np.uint64) * np.uint64(GOLDEN)
    return (mix_array(words) >> np.uint64(11)).astype(np.float64) * UNIT


def uniform_array(seed: int, places: Ints) -> Floats:
    """`uniform` of int64[n]."""
    import numpy as np

    return hash_uniform(np.array([seed], dtype=np.uint64), places)


class Octave:
    """Smooth noise of one period: values in +-amplitude * sqrt(3)."""

    __slots__ = ("_from", "_place", "_to", "amplitude", "period_ns", "seed")

    def __init__(self, seed: int, period_ns: int, amplitude: float) -> None:
        self.seed, self.period_ns, self.amplitude = seed, period_ns, amplitude
        self._place: int | None = None
        self._from = self._to = 0.0

    def at(self, now_ns: int) -> float:
        place, rest = divmod(now_ns, self.period_ns)
        if place != self._place:
            self._place = place
            self._from, self._to = self._node(place), self._node(place + 1)
        part = rest / self.period_ns
        return self._from + (self._to - self._from) * part * part * (3.0 - 2.0 * part)

    def _node(self, place: int) -> float:
        return (2.0 * uniform(self.seed, place) - 1.0) * ROOT_THREE * self.amplitude


class Noise:
    """A sum of octaves, for one moment or for many at once.

    The two ways agree to the last few bits, so a caller sticks to one of them per figure.
    """

    __slots__ = ("_columns", "_octaves")

    def __init__(self, octaves: Sequence[Octave]) -> None:
        self._octaves = tuple(octaves)
        self._columns: tuple[Ints, Words, Floats] | None = None

    def at(self, now_ns: int) -> float:
        total = 0.0
        for octave in self._octaves:
            total += octave.at(now_ns)
        return total

    def at_array(self, times_ns: Ints) -> Floats:
        """`at` for int64[n]; all octaves in one sweep."""
        import numpy as np

        periods, seeds, amplitudes = self._columns or self._make_columns()
        places, rest = np.divmod(times_ns, periods)
        part = rest / periods
        nodes = hash_uniform(seeds, np.stack((places, places + 1)))
        start, end = (2.0 * nodes - 1.0) * amplitudes
        total: Floats = (start + (end - start) * part * part * (3.0 - 2.0 * part)).sum(axis=0)
        return total

    def _make_columns(self) -> tuple[Ints, Words, Floats]:
        """Periods, seeds and amplitudes as columns, to be broadcast against a row of times."""
        import numpy as np

        periods = np.array([[octave.period_ns] for octave in self._octaves], dtype=np.int64)
        seeds = np.array([[octave.seed] for octave in self._octaves], dtype=np.uint64)
        amplitudes = np.array([[octave.amplitude * ROOT_THREE] for octave in self._octaves])
        self._columns = (periods, seeds, amplitudes)
        return self._columns


def brownian(seed: int, volatility: float) -> Noise:
    """Octaves that add up to Brownian motion up to three days and stay bounded beyond.

    volatility: standard deviation per square root of a year.
    """
    per_second = volatility**2 / (365 * 86_400)
    octaves = []
    for number in range(OCTAVES):
        period_ns = SHORTEST_NS * OCTAVE_FACTOR**number
        amplitude = math.sqrt(VARIANCE_SHARE * per_second * period_ns / 1e9)
        octaves.append(Octave(mix((seed + number) & MASK), period_ns, amplitude))
    return Noise(octaves)


def wave(seed: int, *periods_and_sizes: tuple[float, float]) -> Noise:
    """Noise of given periods in seconds, each with its standard deviation (at the nodes)."""
    return Noise(
        [
            Octave(mix((seed + number) & MASK), round(period_s * 1e9), size)
            for number, (period_s, size) in enumerate(periods_and_sizes)
        ]
    )
