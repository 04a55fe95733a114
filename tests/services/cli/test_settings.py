"""Common options: anywhere on the line, over the environment, over defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ConfigError
from services.cli.settings import (
    DEFAULT_CONFIG,
    DEFAULT_RUN_DIR,
    CliError,
    DeskRecord,
    hoist,
    read_record,
    resolve,
    write_record,
)


@pytest.mark.parametrize(
    ("line", "hoisted"),
    [
        ("up --config a.yaml", "--config a.yaml up"),
        ("book x --json --levels 3", "--json book x --levels 3"),
        ("book x --run-dir=/r --once", "--run-dir=/r book x --once"),
        ("--json status", "--json status"),
        ("place x buy -- --json", "place x buy -- --json"),
        ("status --log-level", "--log-level status"),
    ],
)
def test_common_options_may_stand_anywhere(line: str, hoisted: str) -> None:
    assert hoist(line.split()) == hoisted.split()


def test_options_win_over_the_environment() -> None:
    environment = {"CROSSDESK_CONFIG": "/e.yaml", "CROSSDESK_RUN_DIR": "/e", "LOG_LEVEL": "debug"}
    given = resolve(Path("/o.yaml"), Path("/o"), "error", None, False, environment)
    assert (given.config_path, given.run_dir.path) == (Path("/o.yaml"), Path("/o"))
    assert given.log_level == "ERROR"
    from_environment = resolve(None, None, None, None, False, environment)
    assert from_environment.config_path == Path("/e.yaml")
    assert from_environment.log_level == "DEBUG"
    default = resolve(None, None, None, None, False, {})
    assert (default.config_path, default.run_dir.path) == (None, DEFAULT_RUN_DIR)


def test_a_bad_level_is_refused() -> None:
    with pytest.raises(CliError, match="log-level"):
        resolve(None, None, "loud", None, False, {})


def test_the_config_of_the_running_desk_is_remembered(tmp_path: Path) -> None:
    settings = resolve(None, tmp_path, None, None, False, {})
    assert settings.effective_config_path() == DEFAULT_CONFIG
    write_record(settings.run_dir, DeskRecord("d", "/some.yaml", "INFO"))
    assert settings.effective_config_path() == Path("/some.yaml")


def test_a_damaged_record_is_a_sentence(tmp_path: Path) -> None:
    settings = resolve(None, tmp_path, None, None, False, {})
    (tmp_path / "desk.json").write_text("{")
    with pytest.raises(ConfigError, match="delete it"):
        read_record(settings.run_dir)
