"""One target for long: atheris and then our own mutator, and the figure of both."""

from __future__ import annotations

import re
import subprocess
import sys

from tests import figures
from tests.fuzz.campaign import GROWTH_MB, STALL_MS, Finding, Outcome, fuzz
from tests.fuzz.targets import ROOT, TARGETS

FOUND = ROOT / "run" / "fuzz"
BAR = f"only declared errors, <= {STALL_MS:g} ms, <= {GROWTH_MB:g} MB more"


def run(name: str, seconds: float, inputs: int, seed: int, is_guided: bool) -> bool:
    """Fuzz, print and note the figure.

    Returns:
        Whether it held.
    """
    own = seconds / 2 if is_guided else seconds
    guided = _guide(name, int(seconds - own)) if is_guided else 0
    target = TARGETS[name]
    # What is read once at a start has as long as it takes, and is not worth hours here.
    missing = max(0, inputs - (guided or 0)) if target.in_loop else 0
    outcome = fuzz(target, seed, inputs=missing, seconds=own)
    for finding in outcome.findings:
        _keep(finding)
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
