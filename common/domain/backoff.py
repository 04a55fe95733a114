"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable

NS_PER_S = 1_000_000_000


class Backoff:
    """Delays that double from `least_s` to `most_s`, each shortened at random by up to half, so
    that many clients of one server do not come back at the same moment.

    Args:
        chance: gives numbers from 0 to 1, e.g. `random.Random(seed).random`.
    """

    def __init__(
        self, chance: Callable[[], float], least_s: float = 0.1, most_s: float = 30.0
    ) -> None:
        self._chance = chance
        self._least_s = least_s
        self._most_s = most_s
        self._delay_s = least_s

    def next_ns(self) -> int:
        delay_s = self._delay_s * (1 - self._chance() / 2)
        self._delay_s = min(self._delay_s * 2, self._most_s)
        return int(delay_s * NS_PER_S)

    def longest_ns(self) -> int:
        """For a refusal that will not go away by itself."""
        self._delay_s = self._most_s
        return self.next_ns()

    def reset(self) -> None:
        """The attempt worked out."""
        self._delay_s = self._least_s
