"""Starts only the simulated venue, as its own process on a free port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.orphans import at_our_death
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60


class SimulatedVenue(msgspec.Struct):
    port: int
    process: subprocess.Popen[bytes]

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/api/v2"


@contextmanager
def simulated_venue(directory: Path, **settings: Any) -> Iterator[SimulatedVenue]:
    """The demo's simulator with some settings changed; killed at the end if it does not stop."""
    demo = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    port = free_port()
    simulator = demo["simulators"][0] | {"port": port} | settings
    path = directory / "simulator.yaml"
    path.write_text(yaml.safe_dump({"desk": "test", "simulators": [simulator], "venues": {}}))
    command = [sys.executable, "-m", "services.venue_simulator", "--config", str(path)]
    command += ["--run-dir", str(directory / "run"), "--venue", simulator["venue"]]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        with at_our_death(f"kill -9 {process.pid}", ROOT):
            _wait_for(port, process)
            yield SimulatedVenue(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the simulator ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the simulator did not start")
