"""`crossdesk keys`: a pair is made once, and only its public key is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.errors import ConfigError
from common.transport.bus import read_key
from services.cli.app import app
from services.cli.processes import processes
from tests.test_config_files import DIRECTORY


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_pair_is_made_once_and_its_public_key_shown(tmp_path: Path) -> None:
    path = tmp_path / "bus.key"
    public = call("keys", str(path)).strip()
    assert call("keys", str(path)).strip() == public
    told = json.loads(call("--json", "keys", str(path)))
    assert told == {"file": str(path), "public_key": public, "is_new": False}
    pair = read_key(path)
    assert pair.public.decode() == public and pair.secret.reveal() != public


def test_a_file_that_is_no_key_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.touch(0o600)
    path.write_text("notes")
    with pytest.raises(ConfigError, match="is no key file"):
        call("keys", str(path))
    assert path.read_text() == "notes"


def test_what_runs_elsewhere_is_not_started_here() -> None:
    import msgspec

    from common import config as configuration

    config = configuration.load(DIRECTORY / "demo.yaml")
    elsewhere = configuration.ElsewhereConfig("tcp://10.0.0.5:8801", "k" * 40)
    bus = configuration.BusConfig("bus.key", connect={"md.deribit": elsewhere})
    names = {process.name for process in processes(config)}
    here = {process.name for process in processes(msgspec.structs.replace(config, bus=bus))}
    assert names - here == {"market_data.deribit"}
