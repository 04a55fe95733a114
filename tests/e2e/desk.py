"""Desks for tests: started as a user starts them, on free ports, in a directory of their own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from common.rundir import RunDir
from tests.orphans import at_our_death
from tests.ports import HOST, free_ports

CHECKOUT = Path(__file__).parents[2]
DEMO = CHECKOUT / "config" / "demo.yaml"
WAIT_S, UP_S = 60.0, 180.0
PATIENT_S = 10.0  # of the watchdog: a simulated venue that it replaces begins a new world
NOT_YET_KNOWN = ("NO_MARKET_DATA", "STALE_DATA")


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Desk:
    """A desk: where it is, and how to talk to it."""

    directory: Path
    config_path: Path
    gateway_port: int
    venue_port: int
    environment: dict[str, str]

    @property
    def run_dir(self) -> Path:
        return self.directory / "run"

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{HOST}:{self.gateway_port}/ws"

    @property
    def venue_url(self) -> str:
        """The simulated exchange."""
        return f"http://{HOST}:{self.venue_port}"

    def cli(self, *arguments: str, timeout_s: float = 90) -> Result:
        """Run `crossdesk` for this desk."""
        command = [sys.executable, "-m", "services.cli", *arguments]
        command += ["--run-dir", str(self.run_dir)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env=self.environment,
            cwd=CHECKOUT,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def control(self, action: str, **fields: Any) -> Any:
        """What the simulated exchange does for tests: docs/simulator.md."""
        url = f"{self.venue_url}/control/v1/{action}"
        answer = requests.post(url, json=fields, timeout=WAIT_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextmanager
    def calm(self, symbol: str) -> Iterator[None]:
        """Nobody but our own accounts trades this instrument until the block ends."""
        self.control("calm", symbol=symbol)
        try:
            yield
        finally:
            self.control("calm", symbol=symbol, on=False)

    def up(self) -> Result:
        return self.cli("up", "--config", str(self.config_path), timeout_s=UP_S)

    def place(self, *words: str) -> Any:
        """An order that is taken, as soon as the engine knows what its instrument is worth."""
        deadline = time.monotonic() + WAIT_S
        while True:
            result = self.cli("place", *words, "--json")
            if result.code == 0:
                return result.json
            is_unknown = result.code == 1 and result.json["reason"] in NOT_YET_KNOWN
            assert is_unknown and time.monotonic() < deadline, result

    def processes(self) -> list[int]:
        """The pids of everything that runs for this desk, supervisord too."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(os.fsencode(self.run_dir)) for word in words):
                found.append(int(path.parent.name))
        return found


def demo_on(gateway_port: int, venue_port: int) -> dict[str, Any]:
    """The demo configuration with its ports moved, and limits that do not slow tests down, nor
    mind a busy machine."""
    config = yaml.safe_load(DEMO.read_text())
    config["watchdog"] = {"silent_s": PATIENT_S}
    config["gateway"] |= {"port": gateway_port, "messages_per_second": 1000}
    config["simulators"][0] |= {"port": venue_port, "control": True}
    venue = config["venues"]["deribit"]
    venue["websocket_url"] = f"ws://{HOST}:{venue_port}/ws/api/v2"
    venue["http_url"] = f"http://{HOST}:{venue_port}/api/v2"
    return dict(config)


def prepare(directory: Path) -> Desk:
    """A desk that is configured and not started."""
    directory.mkdir(parents=True, exist_ok=True)
    gateway_port, venue_port = free_ports(2)
    config_path = directory / "desk.yaml"
    config_path.write_text(yaml.safe_dump(demo_on(gateway_port, venue_port)))
    unwanted = ("CROSSDESK_", "DERIBIT_", "LOG_LEVEL", "PYTEST_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return Desk(directory, config_path, gateway_port, venue_port, environment)


@contextmanager
def running(desk: Desk) -> Iterator[Desk]:
    """The desk between `up` and `down`; nothing of it may run afterwards."""
    down_at_our_death = f"{shlex.quote(sys.executable)} -m services.cli down --run-dir "
    down_at_our_death += shlex.quote(str(desk.run_dir))
    with at_our_death(down_at_our_death, CHECKOUT, desk.environment):
        try:
            up = desk.up()
            assert up.code == 0, up.err + desk.cli("logs", "-n", "5").out
            yield desk
        finally:
            down = desk.cli("down")
    assert down.code == 0, down.err
    assert desk.processes() == []
    assert list(RunDir(desk.run_dir).sockets.glob("*")) == []
