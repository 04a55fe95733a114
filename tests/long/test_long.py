"""The runner of the long tests: what it counts, forgets, resumes and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import figures
from tests.long import __main__ as runner
from tests.long.parts import PARTS, Part, Settings, Step
from tests.long.state import Result, State, counted
from tests.long.table import PROMISES, summary, table


def part(*steps: Step, tools: tuple[str, ...] = ()) -> Part:
    return Part("S", "for a test", tools, lambda _: list(steps))


def python(name: str, code: str) -> Step:
    return Step(name, [sys.executable, "-c", code])


def settings(folder: Path) -> Settings:
    return Settings(seeds=1_200, jobs=1, examples=5, folder=folder)


def test_every_part_has_its_letter_and_steps_of_one_name_each(tmp_path: Path) -> None:
    assert [each.letter for each in PARTS] == ["S", "H", "K", "W", "F", "L"]
    for each in PARTS:
        names = [step.name for step in each.steps(settings(tmp_path))]
        assert len(names) == len(set(names))


def test_seeds_come_in_blocks(tmp_path: Path) -> None:
    names = [step.name for step in PARTS[0].steps(settings(tmp_path))]
    assert names == ["seeds 1-500", "seeds 501-1000", "seeds 1001-1200", "report of 1-1200"]


def test_a_step_that_held_is_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = State(tmp_path)
    mark = tmp_path / "mark"
    good = python("good", f"open({str(mark)!r}, 'a').write('x')")
    bad = python("bad", f"open({str(mark)!r}, 'a').write('y'); raise SystemExit(3)")
    for _ in range(2):
        runner._run_part(part(good, bad), settings(tmp_path), state)
    assert mark.read_text() == "xyy"
    assert [result.exit_code for result in state.results()] == [0, 3]
    assert capsys.readouterr().out.count("bad: FAILED") == 2
    state.forget(["S"])
    assert not state.results()


def test_figures_of_a_step_reach_the_table(tmp_path: Path) -> None:
    state = State(tmp_path)
    code = "from tests.figures import note; note('P2', 'settled', '7 s', '{} s', {})"
    steps = [python("one", code.format(9, False)), python("two", code.format(6, True))]
    runner._run_part(part(*steps), settings(tmp_path), state)
    (figure,) = state.figures()  # the last of the same measurement
    assert figure.held and figure.figure == "6 s"
    lines = table([figure]).splitlines()
    assert any(line.startswith("P2") and "6 s" in line and "held" in line for line in lines)
    assert sum("NOT RUN" in line for line in lines) == len(PROMISES) - 1


def test_nothing_is_noted_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(figures.FILE, raising=False)
    figures.note("P1", "x", "0", "0", True)
    monkeypatch.setenv(figures.FILE, str(tmp_path / "f"))
    figures.note("P1", "x", "0", "1", False, row=3, seeds="1-2")
    assert figures.read(tmp_path / "f") == [figures.Figure("P1", "x", "0", "1", False, 3, "1-2")]


def test_what_is_missing_is_said_loudly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runner._run_part(part(tools=("no-such-tool",)), settings(tmp_path), State(tmp_path))
    told = capsys.readouterr().out
    assert "!!! no-such-tool is not installed" in told and "part S is NOT RUN" in told


def test_skipped_tests_are_counted_as_not_run(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="a" name="good"/>'
        '<testcase classname="a" name="bad"><failure message="x"/></testcase>'
        '<testcase classname="a" name="away"><skipped message="no strace"/></testcase>'
        "</testsuite></testsuites>"
    )
    passed, failed, not_run = counted(report)
    assert (passed, failed, not_run) == (1, ["a::bad"], ["a::away: no strace"])
    text = summary([Result("K", "all", 1, 2.0, passed, failed, not_run)], {"F": "no atheris"})
    assert "FAILED  a::bad" in text and "NOT RUN a::away: no strace" in text
    assert "part F: NOT RUN: no atheris" in text
