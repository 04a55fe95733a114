"""The table at the end: promise by promise, bar, figure, verdict, seeds; and what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.figures import Figure
from tests.long.state import Result

PROMISES = {
    "P1": "no order twice, none forgotten",
    "P2": "doubt is settled by evidence",
    "P3": "the venue's truth after any kill",
    "P4": "the kill switch works",
    "P5": "one sender per account",
    "P6": "risk checks fail closed",
    "P7": "venue limits kept, cancels first",
    "P8": "a book is right or stale",
    "P9": "a stream tells what it lost",
    "P10": "who joins late gets it whole",
    "P11": "a slow consumer delays nobody",
    "P12": "duplicates change nothing",
    "P13": "nobody trades who may not",
    "P14": "hostile bytes never stall",
    "P15": "a sick disk stops new orders only",
    "P16": "clocks may lie",
    "P17": "start, stop, configuration are safe",
    "P18": "the dead and stuck are replaced",
    "P19": "secrets stay secret",
    "P20": "every order can be explained",
}


def table(figures: Sequence[Figure]) -> str:
    """One line a figure, and one for each promise that has none."""
    lines = [f"{'':4} {'what':52} {'bar':26} {'figure':40} {'verdict':8} seeds"]
    for promise, text in PROMISES.items():
        mine = [figure for figure in figures if figure.promise == promise]
        lines += [_line(figure) for figure in mine]
        if not mine:
            lines.append(f"{promise:4} {text:52} {'':26} {'no figure in this run':40} NOT RUN")
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    what = figure.what if figure.row is None else f"{figure.what} (row {figure.row})"
    verdict = "held" if figure.held else "NOT HELD"
    text = f"{figure.promise:4} {what:52} {figure.bar:26} {figure.figure:40} {verdict:8}"
    return f"{text} {figure.seeds}".rstrip()


def summary(results: Iterable[Result], without: dict[str, str]) -> str:
    """Part by part: how many steps and tests, what failed, what was not run and why."""
    lines = []
    results = list(results)
    for letter in dict.fromkeys([*(result.part for result in results), *without]):
        lines += _part(letter, [r for r in results if r.part == letter], without.get(letter, ""))
    return "\n".join(lines)


def _part(letter: str, results: list[Result], reason: str) -> list[str]:
    lines = [f"part {letter}: NOT RUN: {reason}"] if reason else []
    if results:
        bad = [result for result in results if not result.held]
        tests = sum(result.passed for result in results)
        lines.append(
            f"part {letter}: {len(results) - len(bad)} of {len(results)} steps held"
            f"{f', {tests} tests passed' if tests else ''},"
            f" {sum(result.seconds for result in results):.0f} s"
        )
    for result in results:
        lines += [f"  FAILED  {name}" for name in result.failed]
        if not result.held and not result.failed:
            lines.append(f"  FAILED  {result.step} (exit {result.exit_code})")
        lines += [f"  NOT RUN {name}" for name in result.not_run]
    return lines
