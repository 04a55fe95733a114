"""Fuzzing: `python -m tests.fuzz [TARGET...] --seconds 60`.

Each target gets the inputs of our own mutator for half of the time and, if atheris is installed
(`pip install -e .[fuzz]`), is led by it to new code for the other half; else the mutator has all.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import time

from tests import figures
from tests.fuzz.campaign import GROWTH_MB, STALL_MS, Finding, Outcome, fuzz
from tests.fuzz.targets import ROOT, TARGETS

FOUND = ROOT / "run" / "fuzz"
BAR = f"only declared errors, <= {STALL_MS:g} ms, <= {GROWTH_MB:g} MB more"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of each target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    FOUND.mkdir(parents=True, exist_ok=True)
    is_guided = importlib.util.find_spec("atheris") is not None
    if not is_guided:
        print("!!! atheris is not installed: our own mutator does it all", flush=True)
    held = [_run(name, given.seconds, given.seed, is_guided) for name in given.targets or TARGETS]
    return 0 if all(held) else 1


def _run(name: str, seconds: float, seed: int, is_guided: bool) -> bool:
    own = seconds / 2 if is_guided else seconds
    outcome = fuzz(TARGETS[name], seed, seconds=own)
    for finding in outcome.findings:
        _keep(finding)
    guided = _guide(name, int(seconds - own)) if is_guided else 0
    held = outcome.held and guided is not None
    print(f"{name}: {_figure(outcome, guided)}: {'held' if held else 'NOT HELD'}", flush=True)
    what = f"fuzzing of {name}"
    figures.note("P14", what, BAR, _figure(outcome, guided), held, seeds=str(seed))
    return held


def _figure(outcome: Outcome, guided: int | None) -> str:
    told = f"{outcome.inputs} inputs, {outcome.refused} refused, slowest"
    told += f" {outcome.slowest_ms:.0f} ms, {outcome.growth_mb:.0f} MB more"
    if guided is None:
        return f"{told}; atheris found an error"
    return f"{told}; {guided} by atheris" if guided else told


def _guide(name: str, seconds: int) -> int | None:
    """How many inputs atheris tried; None: it found something, which is printed."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds), str(FOUND)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    count = re.search(r"number_of_executed_units: (\d+)", done.stdout + done.stderr)
    if done.returncode or count is None:
        print((done.stdout + done.stderr)[-4000:], flush=True)
        return None
    return int(count[1])


def _keep(finding: Finding) -> None:
    """For the corpus, once its cause is mended."""
    path = FOUND / f"{finding.target}-{abs(hash(finding.data)) % 10**8:08d}"
    path.write_bytes(finding.data)
    print(f"{path}: {finding.what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
