"""Which topics there are on the bus of a desk, so that a mistyped one is told instead of silent."""

from __future__ import annotations

from collections.abc import Iterable

from common.config import DeskConfig
from services.recorder.families import WORDS

OF_A_PROCESS = frozenset({"alert", "health", "strategy"})  # the others name a venue next
OF_AN_ACCOUNT = frozenset({"account", "fill", "order", "profit", "protection", "risk"})
OF_A_VENUE = frozenset({"instruments", "raw"})


def problem_of(topics: Iterable[str], config: DeskConfig) -> str:
    """What is wrong with the first topic that nobody would ever publish; "" when there is none."""
    return next(filter(None, (_problem(topic, config) for topic in topics)), "")


def _problem(topic: str, config: DeskConfig) -> str:
    word, *rest = topic.split(".")
    if word not in WORDS:
        return f"no topic begins with {word!r}; there are {', '.join(sorted(WORDS))}"
    if not rest:
        return f"{topic!r} is no topic; {word + '.'!r} are all that begin so"
    if word in OF_A_PROCESS or rest == [""]:
        return ""
    return _problem_of_venue(topic, word, rest, config)


def _problem_of_venue(topic: str, word: str, rest: list[str], config: DeskConfig) -> str:
    name = rest[0]
    venue = config.venues.get(name)
    if venue is None:
        return f"{topic!r}: this desk has no venue {name!r}; it has {_listed(config.venues)}"
    if word in OF_A_VENUE or rest[1:] == [""]:
        return ""
    if len(rest) == 1:
        what = "account" if word in OF_AN_ACCOUNT else "instrument"
        return f"{topic!r} names no {what}; {topic + '.'!r} are all of that venue"
    accounts = [account.name for account in venue.accounts]
    if word in OF_AN_ACCOUNT and rest[1] not in accounts:
        return f"{topic!r}: {name} has no account {rest[1]!r}; it has {_listed(accounts)}"
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
