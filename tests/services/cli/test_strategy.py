"""What `crossdesk strategy` runs: the file, its YAML, the desk's YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from common import config as configuration
from common.errors import ConfigError
from common.rundir import RunDir
from services.cli.processes import processes
from services.cli.settings import DEFAULT_CONFIG, Settings
from services.cli.strategy import _strategy_of
from services.cli.supervisor import Supervisor

PERP = "deribit.BTC-PERPETUAL"


def settings(tmp_path: Path, config: Path | None) -> Settings:
    return Settings(RunDir(tmp_path / "run"), config, None, None, False)


def write(path: Path, value: object) -> Path:
    path.write_text(yaml.safe_dump(value))
    return path


def desk(tmp_path: Path, *strategies: dict[str, object]) -> Path:
    config = yaml.safe_load(DEFAULT_CONFIG.read_text()) | {"strategies": list(strategies)}
    return write(tmp_path / "desk.yaml", config)


def test_the_config_may_be_the_strategys_own(tmp_path: Path) -> None:
    own = write(tmp_path / "s.yaml", {"name": "mine", "parameters": {"instrument": PERP}})
    path, _, strategy = _strategy_of(settings(tmp_path, own), Path("x/y.py"), None)
    assert path == DEFAULT_CONFIG and strategy.name == "mine" and strategy.venue == "deribit"
    assert strategy.file == str(Path("x/y.py").absolute())
    assert strategy.parameters == {"instrument": PERP}


def test_the_config_may_be_a_desks_that_lists_the_file(tmp_path: Path) -> None:
    listed = {"name": "l", "file": "y.py", "venue": "deribit", "parameters": {"a": 1}}
    path = desk(tmp_path, listed)
    found, _, strategy = _strategy_of(settings(tmp_path, path), tmp_path / "y.py", "other")
    assert found == path and strategy.name == "other" and strategy.parameters == {"a": 1}


def test_without_a_config_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    _, _, strategy = _strategy_of(settings(tmp_path, None), Path("My Quoter.py"), None)
    assert strategy.name == "my_quoter"


def test_listed_strategies_are_processes_of_the_desk(tmp_path: Path) -> None:
    path = desk(tmp_path, {"name": "l", "file": "y.py", "venue": "deribit"})
    found = processes(configuration.load(path))
    assert found[-1].name == "strategy_host.l", "starts last, stops first"
    assert set(found[-1].sockets) == {"health.strategy_host.l", "strategies.l"}
    text = Supervisor(RunDir(tmp_path / "run")).render(found, path, "INFO")
    assert "services.strategy_host" in text and "--name l " in text


# what is listed, what the error names
BAD = [
    ([{"name": "UP", "file": "x", "venue": "deribit"}], "strategies.name"),
    ([{"name": "a" * 21, "file": "x", "venue": "deribit"}], "strategies.name"),
    ([{"name": "a", "file": "x", "venue": "y"}], "strategies.a.venue"),
    ([{"name": "a", "file": "x", "venue": "deribit", "account": "b"}], "strategies.a.account"),
    ([{"name": "a", "file": "x", "venue": "deribit", "slow_call_ms": 0}], "slow_call_ms"),
    ([{"name": "a", "file": "x", "venue": "deribit", "cancel_if_silent_s": 1}], "at least 2 s"),
    ([{"name": "a", "file": "x", "venue": "deribit"}] * 2, "owner"),
    ([{"name": "demo", "file": "x", "venue": "deribit"}], "owner"),
    ([{"name": "a", "venue": "deribit"}], "file"),
    ([{"name": "a", "file": "x", "venue": "deribit", "param": {}}], "param"),
]


@pytest.mark.parametrize(("strategies", "named"), BAD)
def test_a_bad_entry_is_named(tmp_path: Path, strategies, named) -> None:
    with pytest.raises(ConfigError) as raised:
        configuration.load(desk(tmp_path, *strategies))
    assert named in str(raised.value)
