"""A gateway in its own process on a free port, beside the fake desk."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.ports import free_port
from tests.services.gateway.fake_desk import FakeDesk

ROOT = Path(__file__).parents[3]
START_S = 60.0


def write_config(path: Path, port: int, **gateway: object) -> Path:
    raw = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    raw["gateway"] |= {"port": port} | gateway
    raw["gateway"]["keys"].append(
        {"key_id": "reader", "secret": "reader-secret", "scopes": ["read"]}
    )
    path.write_text(yaml.safe_dump(raw))
    return path


def gateway_command(config: Path, run_dir: Path, program: str = "") -> list[str]:
    """program: the text of one to run in the gateway's place."""
    arguments = ["--config", str(config), "--run-dir", str(run_dir)]
    what = ["-c", program] if program else ["-m", "services.gateway"]
    return [sys.executable, *what, *arguments]


class Gateway:
    """A running gateway and the fake desk behind it."""

    def __init__(self, desk: FakeDesk, port: int, pid: int) -> None:
        self.desk, self.port, self.pid = desk, port, pid
        self.url = f"http://127.0.0.1:{port}"
        self.websocket_url = f"ws://127.0.0.1:{port}/ws"
        self.context: ssl.SSLContext | None = None


@contextmanager
def running(
    directory: Path, options: int = 200, program: str = "", **gateway: object
) -> Iterator[Gateway]:
    port = free_port()
    config = write_config(directory / "desk.yaml", port, **gateway)
    desk = FakeDesk(directory / "run", options).start()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        gateway_command(config, directory / "run", program), cwd=ROOT, env=environment
    )
    try:
        made = Gateway(desk, port, process.pid)
        if "certificate" in gateway:
            made.url = f"https://127.0.0.1:{port}"
            made.websocket_url = f"wss://127.0.0.1:{port}/ws"
            made.context = ssl.create_default_context(cafile=str(gateway["certificate"]))
        _wait_until_ready(made, process)
        yield made
        assert process.poll() is None, "the gateway died during the tests"
        process.terminate()
        assert process.wait(START_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        desk.stop()


def _wait_until_ready(gateway: Gateway, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the gateway ended with {process.returncode}"
        try:
            address = f"{gateway.url}/api/v1/health"
            with urllib.request.urlopen(address, timeout=5, context=gateway.context) as answer:
                if b'"healthy":true' in answer.read()[:20]:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("the gateway did not become ready")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("gateway"), messages_per_second=1000.0) as made:
        yield made
