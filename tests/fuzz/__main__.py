"""Fuzzing: `python -m tests.fuzz [TARGET...] --seconds 60`.

If atheris is installed (`pip install -e .[fuzz]`), each target is led by it to new code for half
of the time; then our own mutator goes on until time and inputs are both reached. Every target has
a process of its own, so that its memory is its own too.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.runner import FOUND, run
from tests.fuzz.targets import TARGETS

INPUTS = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each target, at least")
    parser.add_argument("--inputs", type=int, default=INPUTS, help=f"at least; {INPUTS:,}")
    parser.add_argument("--jobs", type=int, default=2, help="targets at the same time, 2")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    FOUND.mkdir(parents=True, exist_ok=True)
    is_guided = importlib.util.find_spec("atheris") is not None
    if not is_guided:
        print("!!! atheris is not installed: our own mutator does it all", flush=True)
    wanted = given.targets or list(TARGETS)
    # A new process for each: what one target holds must not count as the growth of the next.
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        work = [
            pool.submit(run, name, given.seconds, given.inputs, given.seed, is_guided)
            for name in wanted
        ]
        return 0 if all([each.result() for each in work]) else 1


if __name__ == "__main__":
    sys.exit(main())
