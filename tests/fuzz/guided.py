"""One target under atheris, which looks for inputs that reach new code: run by __main__.py.

python -m tests.fuzz.guided TARGET SECONDS [DIRECTORY for what it finds]
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["common", "services"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.campaign import STALL_MS, attempt
from tests.fuzz.mutate import Mutator

RSS_MB = 1024


def main(name: str, seconds: int, found: str = ".") -> None:
    target = TARGETS[name]
    corpus = target.corpus()

    def test(data: bytes) -> None:
        _, finding = attempt(target, bytes(data))
        if finding is not None:
            raise RuntimeError(finding.what)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.5:
            return bytes(atheris.Mutate(data, max_size))
        return Mutator(dice, corpus).mutate(bytes(data))[:max_size]

    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(corpus):
            (Path(directory) / str(number)).write_bytes(seed)
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={target.max_size}",
            "-print_final_stats=1",
        ]
        options += [f"-rss_limit_mb={RSS_MB}", "-timeout=5", f"-artifact_prefix={found}/{name}-"]
        options += [f"-report_slow_units={max(1, int(STALL_MS / 1000))}", directory]
        atheris.Setup([sys.argv[0], *options], test, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:4])
