"""The rendered supervisord configuration, and a supervisord that is not there."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from common import config as configuration
from common.rundir import RunDir
from services.cli.processes import gateway_url, processes, websocket_url
from services.cli.settings import DEFAULT_CONFIG
from services.cli.supervisor import Supervisor

DEMO = configuration.load(DEFAULT_CONFIG)


def rendered(run_dir: Path) -> configparser.RawConfigParser:
    text = Supervisor(RunDir(run_dir)).render(processes(DEMO), DEFAULT_CONFIG, "DEBUG")
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


def test_every_process_of_the_desk_is_a_program_in_its_order(tmp_path: Path) -> None:
    names = [process.name for process in processes(DEMO)]
    assert names == [
        "venue_simulator.deribit",
        "position_server.deribit.main",
        "trading_engine.deribit.main",
        "market_data.deribit",
        "gateway",
    ]
    parser = rendered(tmp_path)
    programs = [section for section in parser.sections() if section.startswith("program:")]
    assert programs == [f"program:{name}" for name in names]
    priorities = [parser.getint(section, "priority") for section in programs]
    assert priorities == sorted(set(priorities))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("autorestart", "true"),
        ("startsecs", "1"),
        ("startretries", "100"),
        ("stopwaitsecs", "15"),
        ("stopasgroup", "true"),
        ("killasgroup", "true"),
    ],
)
def test_programs_restart_and_stop_as_promised(tmp_path: Path, option: str, value: str) -> None:
    assert rendered(tmp_path)["program:gateway"][option] == value


def test_commands_name_what_they_serve(tmp_path: Path) -> None:
    command = rendered(tmp_path)["program:trading_engine.deribit.main"]["command"]
    assert "-m services.trading_engine" in command
    assert command.endswith("--venue deribit --account main --log-level DEBUG")
    assert "secret" not in command


def test_odd_run_directories_are_quoted(tmp_path: Path) -> None:
    parser = rendered(tmp_path / "50% of a run")
    assert "'" in parser["program:gateway"]["command"]
    assert "50%% of a run" in parser["program:gateway"]["stdout_logfile"]


def test_endpoints_of_a_process_are_listed(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path)
    by_name = {process.name: process.endpoints(run_dir) for process in processes(DEMO)}
    assert by_name["market_data.deribit"] == {"md.deribit": run_dir.endpoint("md.deribit")}
    assert set(by_name["position_server.deribit.main"]) == {
        "positions.deribit.main",
        "position_queries.deribit.main",
        "inventory.deribit.main",
    }
    assert by_name["gateway"]["http"] == gateway_url(DEMO) == "http://127.0.0.1:8700"
    assert by_name["gateway"]["websocket"] == websocket_url(DEMO) == "ws://127.0.0.1:8700/ws"


def test_without_a_supervisord_nothing_runs_and_nothing_breaks(tmp_path: Path) -> None:
    supervisor = Supervisor(RunDir(tmp_path))
    assert supervisor.pid() is None
    assert supervisor.states() == []
    assert supervisor.stop() is False
