"""The long tests: parts that run alone, can be resumed, and end in a table of the promises.

python -m tests.long                    # everything, anew
python -m tests.long S K --seeds 2000   # some parts
python -m tests.long --resume           # what was not finished for this commit
python -m tests.long --list             # the parts
python -m tests.long --table            # the table of what was run so far
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests import figures
from tests.long.parts import PARTS, ROOT, Part, Settings, Step, missing
from tests.long.state import Result, State, commit, counted
from tests.long.table import summary, table

STATE = ROOT / "run" / "long"
SEEDS = 10_000
EXAMPLES = 10_000
LETTERS = [part.letter for part in PARTS]


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    chosen = [part for part in PARTS if part.letter in (arguments.parts or LETTERS)]
    if arguments.list:
        print("\n".join(_listed(part) for part in PARTS))
        return 0
    state = State(arguments.state or STATE / commit())
    if not arguments.table:
        if not arguments.resume:
            state.forget([part.letter for part in chosen])
        settings = Settings(arguments.seeds, arguments.jobs, arguments.examples, state.folder)
        for part in chosen:
            _run_part(part, settings, state)
    return _report(state, chosen, " ".join(argv or sys.argv[1:]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.long",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {' '.join(LETTERS)}")
    parser.add_argument("--list", action="store_true", help="show the parts")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table")
    parser.add_argument("--resume", action="store_true", help="leave out what was finished")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"of part S, {SEEDS}")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help=f"of part H, {EXAMPLES}")
    parser.add_argument("--jobs", type=int, default=2, help="processes of part S, 2")
    parser.add_argument("--state", type=Path, help="where results are kept; run/long/<commit>")
    return parser


def _listed(part: Part) -> str:
    lacking = missing(part)
    return f"{part.letter}  {part.what}" + (f"  (missing: {', '.join(lacking)})" if lacking else "")


def _run_part(part: Part, settings: Settings, state: State) -> None:
    print(f"=== part {part.letter}: {part.what}", flush=True)
    for tool in missing(part):
        print(f"!!! {tool} is not installed: what needs it is NOT RUN", flush=True)
    steps = part.steps(settings)
    done = {result.step: result for result in state.results() if result.part == part.letter}
    for step in steps:
        result = done.get(step.name)
        if result is None or not result.held:
            result = _run(part.letter, step, state)
            state.add(result)
        _tell(result)
    if not steps:
        print(f"!!! part {part.letter} is NOT RUN: it has no tests here", flush=True)


def _run(letter: str, step: Step, state: State) -> Result:
    log, report = state.log(letter, step.name), state.folder / f"{letter}.xml"
    report.unlink(missing_ok=True)
    argv = [*step.argv, f"--junitxml={report}"] if step.is_pytest else step.argv
    env = os.environ | step.env | {figures.FILE: str(state.figures_file)}
    began = time.monotonic()
    with log.open("wb") as file:
        done = subprocess.run(argv, cwd=ROOT, env=env, stdout=file, stderr=file, check=False)
    tests = counted(report) if report.exists() else (0, [], [])
    nothing = step.is_pytest and done.returncode == 5  # pytest: no test was selected
    code = 0 if nothing else done.returncode
    return Result(letter, step.name, code, time.monotonic() - began, *tests)


def _tell(result: Result) -> None:
    verdict = "held" if result.held else "FAILED"
    print(f"{result.part} {result.step}: {verdict}, {result.seconds:.0f} s", flush=True)
    for name in result.failed:
        print(f"  FAILED {name}", flush=True)
    for name in result.not_run:
        print(f"  NOT RUN {name}", flush=True)


def _report(state: State, chosen: list[Part], asked: str) -> int:
    results = state.results()
    run = {result.part for result in results}
    without = {}
    for part in PARTS:
        lacking = missing(part)
        if part.letter not in run:
            without[part.letter] = "nothing of it was run"
        elif lacking:
            without[part.letter] = f"what needs {', '.join(lacking)} (not installed)"
    print(f"\npython -m tests.long {asked}   ({state.folder.name})\n")
    print(table(state.figures()))
    print()
    print(summary(results, without))
    letters = {part.letter for part in chosen}
    bad = any(not result.held for result in results if result.part in letters)
    return 1 if bad or any(not figure.held for figure in state.figures()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
