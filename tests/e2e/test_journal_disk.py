"""Rows 1, 2, 77 and 78 on a running desk: strace kills the engine, or its disk, at exact steps."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import figures
from tests.e2e.desk import Desk, Result, prepare, running

PERPETUAL = "deribit.BTC-PERPETUAL"
ENGINE = "trading_engine.deribit.main"
PATIENCE_S = 60.0
pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]


def eventually(question: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = question()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S} s: {what}")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with running(prepare(tmp_path / "desk")) as made:
        yield made


def place(desk: Desk, price: int, request_id: str) -> Result:
    words = ("place", PERPETUAL, "buy", "100", "--price", str(price), "--request-id", request_id)
    return desk.cli(*words, "--json")


def orders(desk: Desk) -> list[str]:
    """Prices of open orders as the engine has them."""
    result = desk.cli("orders", "--json")
    if result.code:
        return ["not told"]
    lines = [json.loads(line) for line in result.out.splitlines()]
    found = lines[0].get("orders", lines) if lines else []
    return sorted(order["price"] for order in found)


def engine(desk: Desk) -> dict[str, Any]:
    processes = desk.cli("status", "--json").json["processes"]
    return dict(next(process for process in processes if process["name"] == ENGINE))


def journal(desk: Desk) -> Path:
    return desk.run_dir / "state" / "deribit.main.journal"


@contextmanager
def faulty(desk: Desk, call: str, fault: str, pid: int) -> Iterator[None]:
    """The engine's calls on its journal go wrong."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("NOT RUN: needs strace")
    (segment,) = journal(desk).glob("*.segment")
    told = desk.directory / "strace.txt"
    command = [strace, "-f", "-o", str(told), "-e", f"trace={call}", "-P", str(segment)]
    process = subprocess.Popen(
        [*command, "-e", f"inject={call}:{fault}", "-p", str(pid)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"NOT RUN: strace may not attach: {line.strip()}")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.parametrize(("row", "call"), [("01", "write"), ("02", "fdatasync")])
def test_rows_01_02_killed_as_the_intent_is_written(desk: Desk, row: str, call: str) -> None:
    assert place(desk, 50000, "before").code == 0
    pid = engine(desk)["pid"]
    with faulty(desk, call, "signal=KILL", pid):
        assert place(desk, 50001, "once").code != 0
    eventually(lambda: engine(desk)["pid"] not in (pid, None), "a new engine")
    eventually(lambda: orders(desk) == ["50000"], "the venue's truth, and no second order")
    assert desk.cli("journal", "verify").code == 0


def test_row_77_a_full_disk_stops_new_orders_and_no_cancels(desk: Desk) -> None:
    first = place(desk, 50000, "before").json["client_order_id"]
    pid = engine(desk)["pid"]
    with faulty(desk, "write", "error=ENOSPC", pid):
        assert place(desk, 50001, "lost").code != 0
        refused = place(desk, 50002, "refused")
        assert refused.code == 1 and "JOURNAL_FAILED" in refused.out + refused.err
        assert desk.cli("cancel", first).code == 0
    eventually(lambda: orders(desk) == [], "none is open")
    eventually(lambda: "No space left" in engine(desk)["text"], "it says why")
    assert desk.cli("journal", "verify").code == 0
    figures.note("P15", "orders without a record on a full disk", "0", "0", True, row=77)


def test_row_26_the_kill_switch_works_with_a_full_disk(desk: Desk) -> None:
    assert place(desk, 50000, "before").code == 0
    with faulty(desk, "write", "error=ENOSPC", engine(desk)["pid"]):
        assert place(desk, 50001, "lost").code != 0
        killed = desk.cli("kill", "on", "--reason", "test", "--json")
        assert killed.code == 0 and killed.json["latched"], killed.err
        eventually(lambda: orders(desk) == [], "all are cancelled")
    assert desk.cli("kill", "off", "--reason", "over").code == 0


def test_row_78_a_failed_sync_cancels_and_ends_the_engine(desk: Desk) -> None:
    assert place(desk, 50000, "before").code == 0
    pid = engine(desk)["pid"]
    with faulty(desk, "fdatasync", "error=EIO", pid):
        assert place(desk, 50001, "lost").code != 0
        eventually(lambda: engine(desk)["pid"] not in (pid, None), "a new engine")
    told = (desk.directory / "strace.txt").read_text()
    assert told.count("INJECTED") == 1
    figures.note("P15", "calls of fdatasync after one failed", "0", "0", True, row=78)
    eventually(lambda: engine(desk)["health"] == "ready", "ready")
    eventually(lambda: orders(desk) == [], "none is open")
    assert "exit status 74" in (desk.run_dir / "logs" / "supervisord.log").read_text()
