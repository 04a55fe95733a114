from __future__ import annotations

import pytest

from services.cli import output


def test_lines_of_a_table_are_not_filled_up_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["name", "note"], [("a", ""), ("b", "long " * 20)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "name  note" and lines[1] == "a"
    assert all(line == line.rstrip() for line in lines)


def test_one_is_singular() -> None:
    assert [output.count(n, "record") for n in (0, 1, 2)] == ["0 records", "1 record", "2 records"]
