"""Commands about the desk, without one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.cli.desk import _print_from


def test_down_and_status_of_a_desk_that_is_down(run: Any) -> None:
    assert run("down", "--json").json["stopped"] is False
    assert "no desk runs" in run("down").out
    result = run("status", "--json")
    assert result.code == 1
    rows = result.json["processes"]
    assert [row["name"] for row in rows][-1] == "gateway"
    assert not any(row["healthy"] for row in rows)
    assert "not running" in run("status").out


def test_the_configuration_is_shown_without_secrets(run: Any) -> None:
    shown = run("config", "--json")
    assert shown.code == 0
    assert shown.json["gateway"]["keys"][0]["secret"] == "***"
    assert "demo-secret" not in shown.out
    assert "desk: tested" in run("config").out


def test_row_86_a_missing_configuration_is_code_78(run: Any, tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").unlink()
    result = run("up", "--json")
    assert result.code == 78
    assert "there is no such file" in result.err
    assert "error" in result.json


def test_row_86_a_broken_configuration_is_code_78_for_every_command(
    run: Any, tmp_path: Path
) -> None:
    (tmp_path / "desk.yaml").write_text("desk: x\nbogus: 1\nvenues: {}\n")
    for command in ("up", "status", "orders", "config", "logs", "tap health."):
        result = run(*command.split())
        assert result.code == 78, command
        assert "bogus" in result.err


def test_logs_are_the_last_lines(run: Any, tmp_path: Path) -> None:
    assert "was this desk ever started" in run("logs").err
    logs = tmp_path / "run" / "logs"
    logs.mkdir(parents=True)
    (logs / "gateway.log").write_text("one\ntwo\nthree\n")
    (logs / "gateway.jsonl").write_text(json.dumps({"level": "INFO"}) + "\n")
    assert run("logs", "gateway", "-n", "2").out == "two\nthree\n"
    assert run("logs", "gateway", "-n", "0").out == ""
    assert run("logs", "--json").json == {"level": "INFO"}


def test_following_goes_on_after_a_rotation(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\n")
    position = _print_from(path, 0)
    path.write_text("2\n")
    assert _print_from(path, position) == 2
    assert _print_from(tmp_path / "gone", 5) == 0
    assert capsys.readouterr().out == "one\n2\n"
