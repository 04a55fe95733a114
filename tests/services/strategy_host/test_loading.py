"""From a file to a strategy, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.config import DeskConfig, StrategyConfig, VenueConfig
from common.errors import ConfigError
from common.rundir import RunDir
from services.strategy_host import entries, loading

HEAD = "from common.strategy import Parameters, Strategy\n"
GOOD = HEAD + "class P(Parameters):\n    size: int\nclass A(Strategy[P]):\n    pass\n"
# what the file says, parameters, and what the problem names
BAD = [
    ("def x(:\n", {}, "bad.py:1: SyntaxError"),
    ("import no_such_module\n", {}, "bad.py:1: ModuleNotFoundError"),
    ("\n\n1 / 0\n", {}, "bad.py:3: ZeroDivisionError: division by zero `1 / 0`"),
    ("raise SystemExit(1)\n", {}, "bad.py:1: SystemExit"),
    (HEAD, {}, "has no class that is a Strategy"),
    (GOOD + "class B(A):\n    pass\n", {}, "several strategies (A, B)"),
    (GOOD, {}, "strategies.s.parameters.size: is missing"),
    (GOOD, {"size": 1, "sise": 2}, "strategies.s.parameters.sise: no such parameter"),
    (GOOD, {"size": "big"}, "strategies.s.parameters.size"),
    (GOOD.replace("pass", "def __init__(self):\n        self.x"), {"size": 1}, "bad.py:6"),
]


@pytest.mark.parametrize(("text", "parameters", "named"), BAD, ids=[row[2] for row in BAD])
def test_what_cannot_be_used_is_named(tmp_path: Path, text, parameters, named) -> None:
    (tmp_path / "bad.py").write_text(text)
    config = StrategyConfig("s", "bad.py", "deribit", parameters=parameters)
    loaded = loading.load(config, tmp_path)
    assert loaded.strategy is None
    assert named in loaded.problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    loaded = loading.load(StrategyConfig("s", "none.py", "deribit"), tmp_path)
    assert f"{tmp_path / 'none.py'}: there is no such file" in loaded.problem


def test_a_class_is_chosen_by_name(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(GOOD + "class B(A):\n    pass\n")
    for name, problem in (("B", ""), ("C", "has no strategy 'C' (it has: A, B)")):
        config = StrategyConfig("s", "two.py", "deribit", class_name=name, parameters={"size": "5"})
        loaded = loading.load(config, tmp_path)
        assert problem in loaded.problem
        if not problem:
            assert type(loaded.strategy).__name__ == "B" and loaded.parameters.size == 5


def test_entries_of_the_yaml_go_before_those_run_by_hand(tmp_path: Path) -> None:
    run_dir, path = RunDir(tmp_path / "run"), tmp_path / "desk.yaml"
    listed = StrategyConfig("one", "listed.py", "deribit")
    config = DeskConfig("d", {"deribit": VenueConfig("ws://x", "http://x")}, strategies=[listed])
    for name in ("one", "two"):
        entry = entries.Entry(StrategyConfig(name, "by_hand.py", "deribit"), "/", by_hand=True)
        entries.write(run_dir, entry)
    assert entries.find("one", config, path, run_dir).strategy.file == "listed.py"
    assert entries.find("one", config, path, run_dir).directory == str(tmp_path)
    assert entries.find("two", config, path, run_dir).strategy.file == "by_hand.py"
    with pytest.raises(ConfigError, match="'three' \\(known: one\\)"):
        entries.find("three", config, path, run_dir)
