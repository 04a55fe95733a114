"""A port that something else has is told before anything of a desk starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import config as configuration
from common.errors import ConfigError
from services.cli import ports
from services.cli.ports import check_ports
from tests.ports import free_port

CONFIG = """
desk: second
gateway: {{port: {gateway}, keys: []}}
simulators: [{{venue: deribit, port: {simulator}}}]
venues:
  deribit: {{websocket_url: "ws://127.0.0.1:{simulator}/ws", http_url: "http://127.0.0.1:1"}}
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "WAIT_S", 0.2)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def write(tmp_path: Path, gateway: int, simulator: int) -> Path:
    path = tmp_path / "desk.yaml"  # which `run` reads
    path.write_text(CONFIG.format(gateway=gateway, simulator=simulator))
    return path


def test_row_68_a_second_desk_with_the_port_of_the_first_ones_venue_starts_nothing(
    run: Any, tmp_path: Path, taken: int
) -> None:
    write(tmp_path, free_port(), taken)
    result, run_dir = run("up"), tmp_path / "run"
    assert result.code == 78
    assert f"simulators.deribit.port: 127.0.0.1:{taken} is in use" in result.err
    assert not list(run_dir.glob("logs/*")) and not (run_dir / "supervisord.pid").exists()


def test_the_gateways_port_is_looked_at_too_and_free_ones_are_taken(
    tmp_path: Path, taken: int
) -> None:
    with pytest.raises(ConfigError, match=f"gateway.port: 127.0.0.1:{taken} is in use"):
        path = write(tmp_path, taken, free_port())
        check_ports(configuration.load(path), path)
    path = write(tmp_path, free_port(), free_port())
    check_ports(configuration.load(path), path)


def test_an_address_of_nobody_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, free_port(), free_port())
    path.write_text(path.read_text().replace("gateway: {", "gateway: {host: 192.0.2.1, "))
    config = configuration.load(path)
    with pytest.raises(ConfigError, match="gateway.port: 192.0.2.1"):
        check_ports(config, path)


def test_the_ports_of_what_runs_on_another_host_are_not_looked_at(
    tmp_path: Path, taken: int
) -> None:
    path = write(tmp_path, taken, taken - 1)
    elsewhere = configuration.ElsewhereConfig("tcp://10.0.0.5:8801", "k" * 40)
    names = ("health.gateway", "health.venue_simulator.deribit")
    bus = configuration.BusConfig("bus.key", connect=dict.fromkeys(names, elsewhere))
    check_ports(msgspec.structs.replace(configuration.load(path), bus=bus), path)
