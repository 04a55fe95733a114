"""A gateway that is started again shows what the one before it knew."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from services.gateway.memory import NAME
from tests.services.gateway.conftest import Gateway, running

DEADLINE_S = 60.0
DEMO = {"Authorization": "Bearer demo.demo-secret"}


def history(gateway: Gateway) -> Any:
    answer = requests.get(f"{gateway.url}/api/v1/account/history", headers=DEMO, timeout=DEADLINE_S)
    return answer.json()


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return found


def test_curves_are_there_again_after_a_restart_and_go_on(tmp_path: Path) -> None:
    with running(tmp_path, options=8) as first:
        before = wait_for(lambda: history(first)["time_ns"][:2])
    with running(tmp_path, options=8) as second:
        assert history(second)["time_ns"][: len(before)] == before
        count = len(history(second)["time_ns"])
        wait_for(lambda: len(history(second)["time_ns"]) > count)


def test_a_damaged_file_is_set_aside_and_the_gateway_runs(tmp_path: Path) -> None:
    state = tmp_path / "run" / "state"
    state.mkdir(parents=True)
    (state / NAME).write_bytes(b"no database" * 100)
    with running(tmp_path, options=8) as gateway:
        wait_for(lambda: history(gateway)["time_ns"])
    assert (state / f"{NAME}.damaged").exists() and (state / NAME).exists()
