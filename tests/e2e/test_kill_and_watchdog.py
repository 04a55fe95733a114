"""A desk of its own that is killed, stopped, latched and watched."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import yaml

from common.rundir import RunDir
from services.cli.health import READY, Beats
from services.cli.supervisor import WATCHDOG, Supervisor
from tests import figures
from tests.e2e.desk import CHECKOUT, Desk, prepare, running

pytestmark = pytest.mark.xdist_group("watched")  # one desk for all of them

ENGINE = "trading_engine.deribit.main"
PERPETUAL = "deribit.BTC-PERPETUAL"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = prepare(tmp_path_factory.mktemp("watched"))
    config = yaml.safe_load(made.config_path.read_text())
    del config["watchdog"]  # its time is measured here
    made.config_path.write_text(yaml.safe_dump(config | {"risk_file": "risk.yaml"}))
    write_limits(made)
    with running(made):
        yield made


def write_limits(desk: Desk, **changes: Any) -> None:
    """The example's limits, wide enough for bursts of the same order."""
    risk = yaml.safe_load((CHECKOUT / "config" / "risk.yaml").read_text())
    bursts = {"max_same_orders": 100_000, "max_external_orders": 1000}
    wide = {
        "price_collar_percent": 50,
        "max_age_ms": 5000,
        "max_strategy_orders_per_second": 50,
        "max_profit_age_s": 60,
    }
    risk["accounts"]["deribit.main"] |= bursts | wide | changes
    path = desk.config_path.parent / "risk.yaml"
    path.with_suffix(".new").write_text(yaml.safe_dump(risk))
    path.with_suffix(".new").replace(path)


@pytest.fixture
def released(watched: Desk) -> Iterator[Desk]:
    """The desk, with its engine well; no latch is left over."""
    yield watched
    for path in (watched.run_dir / "latch").iterdir():
        path.unlink(missing_ok=True)
    eventually(lambda: place(watched)["accepted"], "trades again")
    call(watched, "DELETE", "/orders")


def eventually(question: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {patience_s:g} s: {what}")


def call(desk: Desk, verb: str, path: str, **body: Any) -> dict[str, Any]:
    headers = {"Authorization": "Bearer demo.demo-secret"}
    url = f"{desk.gateway_url}/api/v1{path}"
    try:
        answer = requests.request(verb, url, json=body or None, headers=headers, timeout=10)
        result: dict[str, Any] = answer.json()
    except requests.RequestException:
        return {"accepted": False}
    return {"accepted": False} | result


def place(desk: Desk, price: str = "50000") -> dict[str, Any]:
    return call(
        desk, "POST", "/orders", instrument=PERPETUAL, side="BUY", quantity="10", price=price
    )


@contextmanager
def burst(desk: Desk, count: int) -> Iterator[list[dict[str, Any]]]:
    """Orders from so many threads as fast as they are answered, until the block ends. The block
    begins when five were accepted."""
    stop, sent = threading.Event(), []

    def send() -> None:
        while not stop.is_set():
            sent.append(place(desk))

    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len([x for x in sent if x["accepted"]]) >= 5, "orders are placed")
        yield sent
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def is_watched(desk: Desk) -> bool:
    """The watchdog has heard every process that runs, so that it would miss each of them."""
    with Beats([WATCHDOG], RunDir(desk.run_dir)) as beats:
        beats.wait_for_all([WATCHDOG.name], 2)
        return beats.state(WATCHDOG.name) == READY


def pid_of(desk: Desk, name: str) -> int:
    rows = Supervisor(RunDir(desk.run_dir)).states()
    return next((int(row["pid"]) for row in rows if row["name"] == name), 0)


def open_at_venue(desk: Desk) -> int:
    """The exchange's own count."""
    url = f"{desk.venue_url}/api/v2/private/get_open_orders"
    answer = requests.get(url, auth=("demo", "demo-secret"), timeout=PATIENCE_S).json()
    return len(answer["result"])


def replaced(desk: Desk, name: str, pid: int) -> Callable[[], bool]:
    return lambda: pid_of(desk, name) not in (0, pid)


def test_row_26_kill_in_a_burst_leaves_nothing_open_and_holds_over_kill_9(
    released: Desk,
) -> None:
    with burst(released, 3) as sent:
        killed = released.cli("kill", "on", "--reason", "test", "--json")
        refused = eventually(
            lambda: [x for x in sent if x.get("reason") == "KILL_SWITCH"], "refused"
        )
    assert killed.code == 0 and killed.json["latched"], killed.err
    assert "test" in refused[0]["text"]
    eventually(lambda: open_at_venue(released) == 0, "nothing is open")
    pid = pid_of(released, ENGINE)
    os.kill(pid, signal.SIGKILL)
    eventually(replaced(released, ENGINE, pid), "another engine")
    eventually(lambda: place(released).get("reason") == "KILL_SWITCH", "still latched")
    assert open_at_venue(released) == 0
    off = released.cli("kill", "off", "--reason", "all clear", "--json")
    assert off.json == {"scope": "desk", "released": True, "still_latched": []}
    eventually(lambda: place(released)["accepted"], "trades again")


def test_row_26_kill_works_with_engine_and_gateway_dead(released: Desk) -> None:
    eventually(lambda: place(released)["accepted"], "an order")
    supervisor = Supervisor(RunDir(released.run_dir))
    for name in (ENGINE, "gateway", "position_server.deribit.main"):
        supervisor.call("stopProcess", name)
    eventually(lambda: open_at_venue(released) >= 1, "it is at the venue")
    killed = released.cli("kill", "on", "--venue", "deribit", "--reason", "test", "--json")
    (account,) = killed.json["accounts"]
    assert (killed.code, account["left"], account["canceled"] >= 1) == (0, 0, True)
    assert open_at_venue(released) == 0
    assert released.cli("kill", "status").code == 1
    for name in ("position_server.deribit.main", ENGINE, "gateway"):
        supervisor.call("startProcess", name)


def test_row_26_a_latch_made_by_hand_and_the_gateways_call(released: Desk) -> None:
    eventually(lambda: place(released)["accepted"], "an order")
    (released.run_dir / "latch" / "desk").touch()
    refuses_from_now_on(released)
    eventually(lambda: open_at_venue(released) == 0, "nothing is open")
    assert call(released, "POST", "/kill", reason="x", release=True)["latched"] is False
    eventually(lambda: place(released)["accepted"], "trades again")
    assert call(released, "POST", "/kill", reason="x", strategy="demo")["accepted"]
    refuses_from_now_on(released)
    eventually(lambda: open_at_venue(released) == 0, "nothing is open")


def refuses_from_now_on(desk: Desk) -> None:
    assert not place(desk)["accepted"]
    eventually(lambda: place(desk).get("reason") == "KILL_SWITCH", "it says why")


@pytest.mark.parametrize("name", [ENGINE, "market_data.deribit", "gateway"])
def test_row_15_a_stopped_process_is_noticed_and_replaced(released: Desk, name: str) -> None:
    eventually(lambda: place(released)["accepted"] and is_watched(released), "all is well")
    pid = pid_of(released, name)
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    eventually(replaced(released, name, pid), f"another {name}")
    took = time.monotonic() - began
    figures.note("P18", f"a stopped {name} is replaced", "3 s", f"{took:.1f} s", took <= 3, row=15)
    eventually(lambda: f"{name} is stuck: killed" in logged(released), "it is told")


def logged(desk: Desk) -> list[str]:
    """What the watchdog told; its last line may be half written."""
    lines = (desk.run_dir / "logs" / "watchdog.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line)["message"] for line in lines if line.endswith("\n")]


def test_the_watchdog_itself_is_replaced_and_goes_on_watching(released: Desk) -> None:
    pid = pid_of(released, "watchdog")
    os.kill(pid, signal.SIGKILL)
    eventually(replaced(released, "watchdog", pid), "another watchdog")
    eventually(lambda: place(released)["accepted"] and is_watched(released), "all is well")
    pid = pid_of(released, "market_data.deribit")
    os.kill(pid, signal.SIGSTOP)
    eventually(replaced(released, "market_data.deribit", pid), "another market_data")


def test_row_12_sigterm_in_a_burst_loses_no_order(released: Desk) -> None:
    pid = pid_of(released, ENGINE)
    with burst(released, 1) as sent:
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the engine ended")
    eventually(lambda: place(released)["accepted"], "trades again")
    accepted = {x["client_order_id"] for x in sent if x["accepted"]}
    eventually(lambda: accepted <= open_at_the_desk(released), "it knows them all")
    eventually(
        lambda: len(open_at_the_desk(released)) == open_at_venue(released), "and so does the venue"
    )


def open_at_the_desk(desk: Desk) -> set[str]:
    orders = call(desk, "GET", "/orders").get("orders", [])
    return {order["client_order_id"] for order in orders}


def test_limits_change_without_a_restart_and_a_broken_file_changes_nothing(released: Desk) -> None:
    pid = pid_of(released, ENGINE)
    write_limits(released, max_quantity={"perpetual": "5"})
    eventually(lambda: place(released).get("reason") == "MAX_QUANTITY", "the new limit holds")
    (released.config_path.parent / "risk.yaml").write_text("risk: [")
    log = released.run_dir / "logs" / f"{ENGINE}.jsonl"
    eventually(lambda: "the risk file cannot be used" in log.read_text(), "it is told")
    eventually(lambda: place(released).get("reason") == "MAX_QUANTITY", "it still holds")
    write_limits(released, max_notional=None)
    eventually(lambda: place(released).get("reason") == "NO_LIMIT", "a missing limit refuses")
    write_limits(released)
    eventually(lambda: place(released)["accepted"], "trades again")
    assert pid_of(released, ENGINE) == pid
