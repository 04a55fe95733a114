"""Snapshots that have not come: a publisher whose queue was full drops them like anything else.

What moves shows by itself, in beats and in deltas that lack their beginning. A topic at rest says
nothing, so it is asked for again, ever more seldom; after TRIES it is taken for one that has
nothing to tell, until a publisher is heard that was not there before. One that came in part has
something to tell, and is asked for until it is whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

FIRST_S = 2.0
TRIES = 6  # some two minutes
WITH_SNAPSHOT = frozenset(
    {
        "account",
        "book",
        "depth",
        "fill",
        "index",
        "instrument",
        "instruments",
        "order",
        "profit",
        "protection",
        "quote",
        "strategy",
        "ticker",
    }
)


def has_snapshot(topic: str) -> bool:
    """Whether a publisher answers a subscription to it with all there is."""
    return topic.partition(".")[0] in WITH_SNAPSHOT


class _Asked(msgspec.Struct):
    due: float
    tries: int = 0
    is_answered: bool = False


class Awaited:
    """The exact topics whose snapshot is awaited.

    Args:
        chance: between 0 and 1, so that many readers do not ask at once.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._asked: dict[str, _Asked] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._asked

    def ask(self, topic: str, now: float) -> None:
        """It is asked for now, for the first time or again."""
        if not has_snapshot(topic):
            return
        asked = self._asked.setdefault(topic, _Asked(now))
        asked.due = now + self._delay(asked.tries)

    def go_on(self, topic: str, now: float) -> None:
        """A part of it came; the next is awaited. There is something to tell: never given up."""
        self.ask(topic, now)
        if topic in self._asked:
            self._asked[topic].is_answered = True

    def end(self, topic: str) -> None:
        """It came, or nobody wants it any more."""
        self._asked.pop(topic, None)

    def due(self, now: float) -> list[str]:
        """Those to ask for again; who calls this does so."""
        found = [
            topic
            for topic, asked in self._asked.items()
            if asked.due <= now and (asked.tries < TRIES or asked.is_answered)
        ]
        for topic in found:
            self._asked[topic].tries = min(self._asked[topic].tries + 1, TRIES)
        return found

    def begin_again(self, now: float) -> None:
        """A publisher is heard for the first time, and may have what nobody had."""
        for asked in self._asked.values():
            asked.tries = 0
            asked.due = now + self._delay(0)

    def _delay(self, tries: int) -> float:
        return float(FIRST_S * 2.0**tries * (0.5 + self._chance()))
