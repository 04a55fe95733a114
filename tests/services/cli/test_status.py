"""Status rows, and waiting for health, against a supervisord and beats that the test plays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from common import codec, messages as m
from common.rundir import RunDir
from services.cli import lifecycle, status
from services.cli.processes import Process
from services.cli.settings import CliError
from services.cli.supervisor import Supervisor

NAME = "market_data.deribit"
PROCESS = Process(NAME, "market_data", "md.deribit", "deribit", "", {"md.deribit": "XPUB"})


class Beater:
    """An XPUB that says one beat to whoever subscribes."""

    def __init__(self, run_dir: RunDir) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_NODROP, 1)
        self.socket.bind(run_dir.endpoint("md.deribit"))

    def say(self, state: str, text: str = "", pid: int | None = None) -> None:
        beat = m.Health(NAME, state, pid or os.getpid(), 1, {}, {"link": True}, {"n": 1.0}, text)
        frame = codec.encode(f"health.{NAME}", beat, publisher_start_ns=1, sequence=1, sent_ns=1)
        self.socket.send(frame)


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "run")
    found.create()
    return found


@pytest.fixture
def beater(run_dir: RunDir) -> Iterator[Beater]:
    made = Beater(run_dir)
    yield made
    made.context.destroy(linger=0)


def supervised(monkeypatch: pytest.MonkeyPatch, state: str, pid: int) -> None:
    """A supervisord that knows one process."""
    row = {"name": NAME, "statename": state, "pid": pid, "spawnerr": "", "now": 100, "start": 40}
    monkeypatch.setattr(Supervisor, "states", lambda self: [row])


def beat_while(monkeypatch: pytest.MonkeyPatch, beater: Beater, *said: Any) -> None:
    """Say the beat each time the reader is about to wait."""
    wait = status.Beats.wait

    def say_and_wait(self: status.Beats, timeout_s: float) -> None:
        beater.say(*said)
        wait(self, 0.05)

    monkeypatch.setattr(status.Beats, "wait", say_and_wait)
    monkeypatch.setattr(status, "BEAT_WAIT_S", 60.0)


def test_a_ready_process_is_healthy(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir, beater: Beater
) -> None:
    supervised(monkeypatch, "RUNNING", os.getpid())
    beat_while(monkeypatch, beater, "ready")
    [row] = status.collect([PROCESS], run_dir)
    assert row["healthy"] and row["health"] == "ready" and row["supervised"]
    assert (row["state"], row["pid"], row["uptime_s"]) == ("RUNNING", os.getpid(), 60)
    assert row["rss_mb"] > 1
    assert row["endpoints"] == {"md.deribit": run_dir.endpoint("md.deribit")}
    assert row["links"] == {"link": True} and row["counters"] == {"n": 1.0}


def test_a_beat_of_an_earlier_process_does_not_count(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir, beater: Beater
) -> None:
    supervised(monkeypatch, "RUNNING", os.getpid())
    beat_while(monkeypatch, beater, "ready", "", 1)
    monkeypatch.setattr(status, "BEAT_WAIT_S", 0.2)
    [row] = status.collect([PROCESS], run_dir)
    assert not row["healthy"] and row["health"] == "silent"


def test_a_desk_that_is_down_is_listed_as_stopped(run_dir: RunDir) -> None:
    [row] = status.collect([PROCESS], run_dir)
    assert (row["state"], row["pid"], row["healthy"]) == ("STOPPED", None, False)
    assert (row["cpu_percent"], row["rss_mb"], row["health"]) == (0.0, 0.0, "not running")


def test_a_process_run_by_hand_is_shown_while_it_beats(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir, beater: Beater
) -> None:
    other = Process("strategy_host.x", "strategy_host", "health.strategy_host.x")
    beat_while(monkeypatch, beater, "ready")
    [row] = status.collect([], run_dir, [PROCESS, other])
    assert (row["state"], row["pid"], row["supervised"]) == ("BY HAND", os.getpid(), False)
    assert row["healthy"] and row["rss_mb"] > 1 and row["uptime_s"] >= 0
    assert status.uptime_s(2**22 + 1) == 0


def test_usage_of_a_process_that_is_gone() -> None:
    assert status.usage(2**22 + 1) is None


def test_waiting_ends_when_all_are_ready(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir, beater: Beater
) -> None:
    beat_while(monkeypatch, beater, "ready")
    said: list[str] = []
    lifecycle.wait_until_ready([PROCESS], Supervisor(run_dir), said.append)
    assert [line.startswith(f"{NAME} is ready after") for line in said] == [True]


def test_a_process_that_is_not_ready_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir, beater: Beater
) -> None:
    supervised(monkeypatch, "RUNNING", os.getpid())
    beat_while(monkeypatch, beater, "starting", "loading instruments")
    now, state = [0.0], status.Beats.state

    def heard(self: status.Beats, name: str) -> str:
        """Time passes once it is."""
        found = state(self, name)
        now[0] += 1.0 if found else 0.0
        return found

    monkeypatch.setattr(status.Beats, "state", heard)
    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with pytest.raises(CliError, match=rf"{NAME} is starting \(loading instruments\)"):
        lifecycle.wait_until_ready([PROCESS], Supervisor(run_dir), print, timeout_s=0.3)


def test_a_process_that_keeps_dying_is_named_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, run_dir: RunDir
) -> None:
    supervised(monkeypatch, "BACKOFF", 0)
    monkeypatch.setattr(lifecycle, "PATIENCE_S", 0.2)
    (run_dir.logs / f"{NAME}.log").write_text("first\nport 8700 is taken\n\n")
    with pytest.raises(CliError, match="BACKOFF and silent; last words: port 8700 is taken"):
        lifecycle.wait_until_ready([PROCESS], Supervisor(run_dir), print)
