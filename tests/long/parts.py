"""The parts of `make test-long`: what each runs, and what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import NamedTuple

from tests.examples import VARIABLE

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
SEEDS_PER_STEP = 500
EXAMPLES_PER_STEP = 1_000


class Settings(NamedTuple):
    """jobs: processes of parts S and H. folder: where results are kept."""

    seeds: int
    jobs: int
    examples: int
    folder: Path


class Step(NamedTuple):
    """One command that is run once per commit. is_pytest: its tests are counted one by one."""

    name: str
    argv: list[str]
    env: dict[str, str] = {}
    is_pytest: bool = False


class Part(NamedTuple):
    letter: str
    what: str
    tools: tuple[str, ...]  # without these some of it is not run
    steps: Callable[[Settings], list[Step]]


def _pytest(name: str, *arguments: str, env: dict[str, str] | None = None) -> Step:
    argv = [PYTHON, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return Step(name, argv, env or {}, is_pytest=True)


def _program(package: str, *arguments: str) -> list[Step]:
    """A package of tests that has a program of its own, or else its long tests."""
    folder = ROOT / "tests" / package
    if (folder / "__main__.py").exists():
        return [Step(package, [PYTHON, "-m", f"tests.{package}", *arguments])]
    return [_pytest(package, f"tests/{package}")] if folder.exists() else []


def _seeds(settings: Settings) -> list[Step]:
    results = str(settings.folder / "sim.jsonl")
    run = [PYTHON, "-m", "tests.sim", "--jobs", str(settings.jobs), "--results", results]
    steps = []
    for first in range(1, settings.seeds + 1, SEEDS_PER_STEP):
        block = f"{first}-{min(first + SEEDS_PER_STEP - 1, settings.seeds)}"
        steps.append(Step(f"seeds {block}", [*run, "--seeds", block]))
    report = [*run, "--report"]
    return [*steps, Step(f"report of 1-{settings.seeds}", report)]


def _examples(settings: Settings) -> list[Step]:
    """Rounds of other examples: hypothesis keeps all of a round in memory, gigabytes of 10,000."""
    steps = []
    for first in range(0, settings.examples, EXAMPLES_PER_STEP):
        count = min(EXAMPLES_PER_STEP, settings.examples - first)
        options = [f"--hypothesis-seed={first}", "-n", str(settings.jobs), "--timeout", "3600"]
        name = f"examples {first + 1}-{first + count}"
        env = {VARIABLE: str(count)}
        steps.append(_pytest(name, "-m", "hypothesis and not long", *options, "tests", env=env))
    return steps


def _processes(settings: Settings) -> list[Step]:
    """Whole desks, and long tests everywhere but in the folders that other parts run."""
    del settings
    others = [f"--ignore=tests/{name}" for name in ("sim", "faults", "fuzz", "longrun")]
    desks = [f"tests/e2e/test_{name}.py" for name in ("kill_and_watchdog", "secrets")]
    gateway = [f"tests/services/gateway/test_{name}.py" for name in ("rows", "keys")]
    return [
        _pytest("long tests", "-m", "long", "--timeout", "1800", "tests", *others),
        _pytest("kill switch, watchdog, secrets", "--timeout", "600", *desks),
        _pytest("who may trade", "-m", "not long", "--timeout", "600", *gateway),
    ]


# 200 kills, 100 drops of the links, 10 minutes of too many orders.
FAULTS = {"CROSSDESK_KILLS": "200", "CROSSDESK_DROPS": "100", "CROSSDESK_SECONDS": "600"}


def _wires(settings: Settings) -> list[Step]:
    del settings
    if not (ROOT / "tests" / "faults").exists():
        return []
    return [_pytest("faults", "--timeout", "1800", "tests/faults", env=FAULTS)]


def _long_run() -> list[Step]:
    """Its checker must find planted errors before what it says of the long run counts."""
    planted = _pytest("planted errors", "--timeout", "1800", "tests/longrun")
    return [planted, *_program("longrun")]


PARTS = (
    Part("S", "seeds of the whole-system simulation (tests/sim)", (), _seeds),
    Part("H", "hypothesis with many examples", (), _examples),
    Part(
        "K",
        "real processes killed, stopped, traced",
        ("strace", "chromium", "stress-ng", "faketime"),
        _processes,
    ),
    Part("W", "wire faults (tests/faults)", ("wstest", "strace"), _wires),
    Part("F", "fuzzing (tests/fuzz)", ("atheris",), lambda _: _program("fuzz")),
    Part("L", "long run and its checker (tests/longrun)", (), lambda _: _long_run()),
)


def missing(part: Part) -> list[str]:
    """The tools that this machine lacks."""
    return [tool for tool in part.tools if which(tool) is None and find_spec(tool) is None]
