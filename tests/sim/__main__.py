"""Run seeds of the whole-system simulation, resume, and report promise by promise.

python -m tests.sim --seeds 1-10000 --jobs 2     # goes on where it stopped
python -m tests.sim --seed 17                    # one seed, with its last events
python -m tests.sim --report                     # the table of all that was run
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from pathlib import Path

import msgspec

from tests.figures import note
from tests.sim.seeds import run
from tests.sim.simulation import P2_BAR_S, P3_BAR_S, P3_LOST_S, Outcome

RESULTS = Path("run") / "sim.jsonl"
SHOWN = 5  # failing seeds in a line of the table
ROWS = (
    ("P1", "sent once, never forgotten, one answer", "P1"),
    ("P2", "no wrong verdict", "P2"),
    ("P3", "equal to the venue after healing", ""),
    ("P4", "nothing sent with the kill switch on", "P4"),
    ("P6", "nothing sent that the checks refuse", "P6"),
    ("P8", "a book is right or stale", "P8"),
    ("P12", "fills counted once", "P12"),
    ("P18", "no process spins", "events"),
)
BARS = {  # promise, seconds, whether of the 99th percentile
    "P3": ("P3", P3_BAR_S, True),
    "lost": ("P3", P3_LOST_S, False),
    "P2": ("P2", P2_BAR_S, False),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", metavar="A-B", help="a range; seeds that were run are left out")
    parser.add_argument("--seed", type=int, help="one seed, told in full")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--report", action="store_true", help="print the table")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _tell(run(arguments.seed))
    done = {outcome.seed: outcome for outcome in read(arguments.results)}
    if arguments.seeds:
        first, _, last = arguments.seeds.partition("-")
        wanted = [s for s in range(int(first), int(last or first) + 1) if s not in done]
        done |= {o.seed: o for o in run_all(wanted, arguments.jobs, arguments.results)}
    if arguments.report or not arguments.seeds:
        print(table(done.values()))
    return 1 if any(outcome.violation for outcome in done.values()) else 0


def run_all(seeds: list[int], jobs: int, results: Path) -> Iterator[Outcome]:
    """Each outcome is on disk before the next is waited for."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("ab") as file:
        for outcome in _outcomes(seeds, jobs):
            file.write(msgspec.json.encode(outcome) + b"\n")
            file.flush()
            if outcome.violation:
                _tell(outcome)
            yield outcome


def _outcomes(seeds: list[int], jobs: int) -> Iterator[Outcome]:
    """Of one job in this process. Others begin anew: a fork of one that has threads may hang."""
    if jobs == 1:
        yield from map(run, seeds)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run, seeds)


def read(results: Path) -> list[Outcome]:
    if not results.exists():
        return []
    lines = results.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Outcome) for line in lines]


def table(outcomes: Iterable[Outcome]) -> str:
    """Promise by promise: bar, figure, held or not, seeds used."""
    outcomes = sorted(outcomes, key=lambda outcome: outcome.seed)
    if not outcomes:
        return "no seeds were run yet"
    seeds = f"{outcomes[0].seed}-{outcomes[-1].seed} ({len(outcomes)})"
    lines = [f"{'':4} {'promise':40} {'bar':18} {'figure':34} verdict"]
    for promise, text, count in ROWS:
        broken = [outcome.seed for outcome in outcomes if outcome.promise == promise]
        looks = sum(outcome.counts.get(count, 0) for outcome in outcomes)
        figure = f"{len(broken)} in {looks:,} looks" if count else f"{len(broken)} seeds"
        verdict = "held" if not broken else f"BROKEN by seeds {broken[:SHOWN]}"
        note(promise, text, "0 violations", figure, not broken, seeds=seeds)
        lines.append(f"{promise:4} {text:40} {'0 violations':18} {figure:34} {verdict}")
    lines += [
        *_times("P3", "state equal after the last link", seeds, [o.equal_s for o in outcomes]),
        *_times("lost", "the same with a report lost", seeds, [o.lost_s for o in outcomes]),
        *_times("P2", "settled after the horizon", seeds, [o.late_s for o in outcomes]),
        *_times("all", "all doubts and answers", seeds, [o.settled_s for o in outcomes]),
        f"seeds {outcomes[0].seed} to {outcomes[-1].seed}, {len(outcomes)} run; "
        f"{sum(o.counts.get('venue orders', 0) for o in outcomes):,} orders at the venue, "
        f"{sum(o.counts.get('events', 0) for o in outcomes):,} events",
    ]
    return "\n".join(lines)


def _times(what: str, text: str, seeds: str, seconds: Iterable[float | None]) -> Iterator[str]:
    """A line of the table, and a figure where there is a bar for it."""
    ordered = sorted(each for each in seconds if each is not None)
    if not ordered:
        return
    p50, p99, worst = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
    figure = f"p50 {p50:.1f}, p99 {p99:.1f}, max {worst:.1f} s virtual"
    bar, held = "", True
    if what in BARS:
        promise, limit, is_p99 = BARS[what]
        measured = p99 if is_p99 else worst
        bar, held = f"{'p99' if is_p99 else 'max'} <= {limit:g} s", measured <= limit
        note(promise, text, bar, figure, held, seeds=seeds)
    verdict = ("held" if held else "NOT HELD") if bar else ""
    yield f"{what:4} {text:40} {bar:18} {figure:34} {verdict}"


def _tell(outcome: Outcome) -> int:
    if not outcome.violation:
        print(f"seed {outcome.seed}: held; trace {outcome.trace}")
        return 0
    print(f"seed {outcome.seed} BROKE {outcome.violation}", file=sys.stderr)
    print(*outcome.tail, sep="\n", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
