"""Feeds a target with made-up inputs and finds what must not be: errors, stalls, growth."""

from __future__ import annotations

import random
import resource
import time
import traceback
from typing import NamedTuple

from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import Target

STALL_MS = 50.0
GROWTH_MB = 64.0
AGAIN = 3  # how often a slow input is tried: the machine may have been busy
MAX_FINDINGS = 5


class Finding(NamedTuple):
    """what: a traceback, or a sentence."""

    target: str
    data: bytes
    what: str


class Outcome(NamedTuple):
    """Of one target. slowest_ms: of the processor, for one input."""

    inputs: int
    refused: int
    slowest_ms: float
    growth_mb: float
    findings: list[Finding]

    @property
    def held(self) -> bool:
        return not self.findings and self.growth_mb <= GROWTH_MB


def attempt(target: Target, data: bytes) -> tuple[bool, Finding | None]:
    """Whether the input was refused in the declared way, and what else it did."""
    try:
        target.run(data)
    except target.declared:
        return True, None
    except Exception:  # noqa: BLE001 - this is what we look for
        return False, Finding(target.name, data, traceback.format_exc())
    return False, None


def fuzz(target: Target, seed: int, inputs: int = 0, seconds: float = 0.0) -> Outcome:
    """So many inputs, or for so long; at least the corpus itself."""
    corpus = target.corpus()
    mutator = Mutator(random.Random(f"{seed}-{target.name}"), corpus, target.max_size)
    deadline = time.monotonic() + seconds
    tried = refused = 0
    slowest, findings = 0.0, list[Finding]()
    growth = 0.0
    while tried < len(corpus) or tried < inputs or time.monotonic() < deadline:
        data = corpus[tried] if tried < len(corpus) else mutator.make()
        before, begun = _memory_mb(), time.process_time()
        was_refused, finding = attempt(target, data)
        took_ms = (time.process_time() - begun) * 1000
        growth += _memory_mb() - before  # not what the mutator took
        tried, refused = tried + 1, refused + was_refused
        if finding is None and seconds and target.in_loop and took_ms > STALL_MS:
            took_ms = _again(target, data)
            if took_ms > STALL_MS:
                finding = Finding(target.name, data, f"stalls for {took_ms:.0f} ms")
        slowest = max(slowest, took_ms)
        findings += [finding] if finding else []
        if len(findings) >= MAX_FINDINGS:
            break
    return Outcome(tried, refused, slowest, growth, findings)


def _again(target: Target, data: bytes) -> float:
    """The least time that the input takes, ms of the processor."""
    times = []
    for _ in range(AGAIN):
        begun = time.process_time()
        attempt(target, data)
        times.append((time.process_time() - begun) * 1000)
    return min(times)


def _memory_mb() -> float:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
