"""The processes under test: started on free ports in a directory that goes away, ended by pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from common.rundir import RunDir

CHECKOUT = Path(__file__).parents[2]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


def wait_for(what: str, attempt: Callable[[], T | None], timeout_s: float = 30) -> T:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            result = attempt()
        except OSError:
            result = None
        if result is not None:
            return result
        time.sleep(0.05)
    raise SystemExit(f"bench: {what} did not come up in {timeout_s:g} s")


class Processes:
    """Python modules run as child processes; logs go to files in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        log = (self.directory / f"{name}.log").open("wb")
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
            env={**os.environ, "LOG_LEVEL": "WARNING"},
        )

    def cpu_s(self, name: str) -> float:
        """User and system time of a process so far."""
        fields = (
            Path(f"/proc/{self._running[name].pid}/stat").read_text().rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def processes() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory(prefix="crossdesk-bench-") as directory:
        running = Processes(Path(directory))
        try:
            yield running
        finally:
            running.stop()


def post(url: str, timeout_s: float = 60) -> Any:
    request = urllib.request.Request(url, method="POST")
    with urllib.request.urlopen(request, timeout=timeout_s) as reply:
        return json.load(reply)


def answers(url: str) -> Any:
    """What a GET answers, None while nothing listens."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return json.load(reply)
    except (urllib.error.URLError, ValueError):
        return None


class Service:
    """Our services on one run directory, with a configuration of their own."""

    def __init__(self, running: Processes, config: dict[str, Any]) -> None:
        self._running = running
        self._config_path = running.directory / "desk.yaml"
        self._config_path.write_text(yaml.safe_dump(config))
        self.run_dir = RunDir(running.directory / "run")
        self.run_dir.create()

    def start(self, service: str, *arguments: str) -> None:
        where = ("--config", str(self._config_path), "--run-dir", str(self.run_dir.path))
        self._running.start(service, f"services.{service}", *where, *arguments)
