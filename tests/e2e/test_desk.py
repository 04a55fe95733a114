"""The whole desk through its command line: from `up` to a filled order, a crash, and `down`."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from common.rundir import RunDir
from tests.e2e.desk import CHECKOUT, Desk, Result, prepare, running

PERPETUAL = "deribit.BTC-PERPETUAL"
PLACE = ("place", PERPETUAL, "buy", "100", "--price", "50000.5", "--tif", "gtc", "--post-only")
PATIENCE_S = 60.0


def eventually(question: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {patience_s:g} s: {what}")


def healthy(desk: Desk) -> list[dict[str, Any]]:
    """The rows of `status`, when all is well."""
    well = eventually(lambda: (r := desk.cli("status", "--json")).code == 0 and r, "all is well")
    return list(well.json["processes"])


def ok(result: Result) -> Any:
    """The JSON of a command that worked."""
    assert result.code == 0, result.out + result.err
    return result.json


@pytest.fixture
def clean(desk: Desk) -> Iterator[Desk]:
    """The desk; whatever the test placed is canceled afterwards."""
    yield desk
    desk.cli("cancel-all", "--venue", "deribit", "--json")
    eventually(lambda: not ok(desk.cli("orders", "--json"))["orders"], "no order is open")


def order_of(desk: Desk, client_order_id: str) -> dict[str, Any]:
    orders = ok(desk.cli("orders", "--all", "--json"))["orders"]
    return next(row for row in orders if row["client_order_id"] == client_order_id)


def position_of(desk: Desk, instrument: str) -> Decimal:
    rows = ok(desk.cli("positions", "--json"))["positions"]
    found = [Decimal(row["quantity"]) for row in rows if row["instrument"] == instrument]
    return found[0] if found else Decimal(0)


def settled_position_of(desk: Desk, instrument: str) -> Decimal:
    """The same, once nothing that was traded before is on its way to the desk."""
    url = f"{desk.venue_url}/api/v2/private/get_position"
    query = {"instrument_name": instrument.partition(".")[2]}

    def settled() -> list[Decimal]:
        answer = requests.get(url, query, auth=("demo", "demo-secret"), timeout=PATIENCE_S).json()
        theirs, ours = Decimal(str(answer["result"]["size"])), position_of(desk, instrument)
        return [ours] if ours == theirs else []

    return Decimal(eventually(settled, "the desk holds the venue's position")[0])


# --- the desk itself -------------------------------------------------------------------------


def test_every_process_is_listed_and_healthy(desk: Desk) -> None:
    rows = healthy(desk)
    assert {row["name"] for row in rows} == {
        "watchdog",
        "venue_simulator.deribit",
        "market_data.deribit",
        "trading_engine.deribit.main",
        "position_server.deribit.main",
        "gateway",
    }
    for row in rows:
        assert row["healthy"] and row["state"] == "RUNNING", row
        assert row["pid"] > 1 and row["rss_mb"] > 1 and row["cpu_percent"] >= 0
        assert row["endpoints"]


def test_up_twice_is_fine(desk: Desk) -> None:
    before = {row["pid"] for row in healthy(desk)}
    again = ok(desk.cli("up", "--config", str(desk.config_path), "--json"))
    assert again["healthy"] and not again["started"]
    assert {row["pid"] for row in healthy(desk)} == before


def test_another_configuration_does_not_take_over_a_running_desk(desk: Desk) -> None:
    result = desk.cli("up", "--config", "config/demo.yaml")
    assert result.code == 1
    assert "--run-dir" in result.err


def test_a_process_that_dies_comes_back(desk: Desk) -> None:
    def row() -> dict[str, Any]:
        rows = desk.cli("status", "--json").json["processes"]
        return next(row for row in rows if row["name"] == "market_data.deribit")

    before = row()["pid"]
    os.kill(before, signal.SIGKILL)
    after = eventually(lambda: (r := row())["healthy"] and r["pid"] != before and r, "it is back")
    assert after["pid"] != before
    fresh_book(desk)
    healthy(desk)


def test_logs_and_config_are_shown(desk: Desk) -> None:
    assert "trading_engine" in desk.cli("logs", "trading_engine.deribit.main", "-n", "50").out
    lines = desk.cli("logs", "gateway", "--json").out
    assert '"level"' in lines
    shown = ok(desk.cli("config", "--json"))
    assert shown["desk"] == "demo"
    assert "demo-secret" not in desk.cli("config").out


# --- the market ------------------------------------------------------------------------------


def fresh_book(desk: Desk, *options: str) -> Any:
    command = ("book", PERPETUAL, *options, "--once", "--json")

    def fresh() -> Any:
        result = desk.cli(*command)
        return result.code == 0 and result.json["stale"] is False and result.json

    return eventually(fresh, "the book is there")


def test_a_book_is_printed_once(desk: Desk) -> None:
    book = fresh_book(desk, "--levels", "10")
    assert book["instrument"] == PERPETUAL and book["stale"] is False and book["sequence"] > 0
    assert len(book["bids"]) == len(book["asks"]) == 10
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"] == sorted(book["bids"], reverse=True)


def test_options_are_listed(desk: Desk) -> None:
    command = ("instruments", "--venue", "deribit", "--kind", "option", "--json")
    options = ok(desk.cli(*command))["instruments"]
    assert len(options) >= 2 * 8 * 20 * 2
    assert {row["kind"] for row in options} == {"option"}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("quotes", PERPETUAL, "deribit.ETH-PERPETUAL"), "ETH-PERPETUAL"),
        (("trades", PERPETUAL, "--once"), ""),
        (("watch", PERPETUAL, "--duration", "3"), "bid"),
        (("tap", "health.gateway", "-n", "1"), "Health"),
        (("tap", f"quote.{PERPETUAL}", "-n", "2", "--json"), '"Quote"'),
    ],
)
def test_the_market_is_shown_to_people(desk: Desk, command: tuple[str, ...], expected: str) -> None:
    """What was not known after two seconds is not shown, and may be asked for again."""

    def is_shown() -> bool:
        result = desk.cli(*command)
        return result.code == 0 and expected in result.out

    eventually(is_shown, f"{command} shows {expected}")


def test_the_book_streams_until_it_is_interrupted(desk: Desk) -> None:
    command = [sys.executable, "-m", "services.cli", "book", PERPETUAL, "--json"]
    command += ["--run-dir", str(desk.run_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=CHECKOUT, env=desk.environment
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    assert all(b'"bids"' in line for line in lines)


# --- orders ----------------------------------------------------------------------------------


def test_an_order_is_placed_modified_and_canceled(clean: Desk) -> None:
    placed = ok(clean.cli(*PLACE, "--json"))
    identity = placed["client_order_id"]
    assert (placed["status"], placed["price"]) == ("NEW", "50000.5")
    listed = ok(clean.cli("orders", "--json"))["orders"]
    mine = next(row for row in listed if row["client_order_id"] == identity)
    assert mine["venue_order_id"] and mine["instrument"] == PERPETUAL
    assert (mine["side"], mine["quantity"], mine["cum_quantity"]) == ("BUY", "100", "0")
    changed = ok(clean.cli("modify", identity, "--price", "50001", "--quantity", "60", "--json"))
    assert changed["client_order_id"] == identity
    assert (Decimal(changed["price"]), Decimal(changed["quantity"])) == (50001, 60)
    canceled = ok(clean.cli("cancel", identity, "--json"))
    assert canceled["status"] == "CANCELED"
    assert order_of(clean, identity)["status"] == "CANCELED"


def test_a_market_order_fills_and_becomes_a_position(clean: Desk) -> None:
    before = settled_position_of(clean, PERPETUAL)
    sold = ok(clean.cli("place", PERPETUAL, "sell", "70", "--type", "market", "--json"))
    assert sold["status"] in ("NEW", "FILLED")
    eventually(
        lambda: order_of(clean, sold["client_order_id"])["status"] == "FILLED", "the order fills"
    )
    eventually(lambda: position_of(clean, PERPETUAL) == before - 70, "the position follows")
    eventually(
        lambda: (
            sold["client_order_id"]
            in [row["client_order_id"] for row in ok(clean.cli("fills", "--json"))["fills"]]
        ),
        "the fill is told",
    )
    [row] = [
        row
        for row in ok(clean.cli("positions", "--json"))["positions"]
        if row["instrument"] == PERPETUAL
    ]
    assert {"average_price", "unrealized_pnl", "quantity"} <= row.keys()


def test_cancel_all_leaves_no_open_order(clean: Desk) -> None:
    for _ in range(3):
        ok(clean.cli(*PLACE, "--json"))
    answer = ok(clean.cli("cancel-all", "--venue", "deribit", "--json"))
    assert answer["accepted"]
    eventually(lambda: not ok(clean.cli("orders", "--json"))["orders"], "no order is open")


def test_the_same_request_gets_the_first_answer_again(clean: Desk) -> None:
    first = ok(clean.cli(*PLACE, "--request-id", "e2e-once", "--json"))
    second = ok(clean.cli(*PLACE, "--request-id", "e2e-once", "--json"))
    assert first["client_order_id"] == second["client_order_id"]
    listed = ok(clean.cli("orders", "--json"))["orders"]
    assert [row["client_order_id"] for row in listed] == [first["client_order_id"]]


def test_balances_are_listed(desk: Desk) -> None:
    rows = {row["currency"]: row for row in ok(desk.cli("balances", "--json"))["balances"]}
    assert {"BTC", "ETH", "USDC"} <= rows.keys()
    assert Decimal(rows["USDC"]["equity"]) > 0 and rows["BTC"]["available"]


def test_people_get_tables(clean: Desk) -> None:
    assert "NEW" in clean.cli(*PLACE).out
    for command in ("orders", "positions", "balances", "status", "fills"):
        result = clean.cli(command)
        assert result.code == 0 and "{" not in result.out, result.out


# what is typed, the exit code, what the answer names
REFUSED = [
    ("place deribit.NOPE buy 1 --price 1", "NOPE"),
    ("place deribit.BTC-PERPETUAL buy 100 --price 50000.3", "PRICE_OFF_TICK"),
    ("place deribit.BTC-PERPETUAL buy 15 --price 50000", "QUANTITY"),
    ("place deribit.BTC-PERPETUAL buy 0 --price 50000", "quantity"),
    ("place deribit.BTC-PERPETUAL buy 100 --price 0", "PRICE"),
    ("place deribit.BTC-PERPETUAL buy 100 --price 1", "PRICE_COLLAR"),
    ("place deribit.BTC-PERPETUAL buy 2000000 --price 50000", "MAX_QUANTITY"),
    ("place deribit.BTC-PERPETUAL buy 100 --price 50000 --tag a#b", "tag"),
    ("modify 9223372036854775999 --price 50000", "9223372036854775999"),
    ("modify nonsense --price 50000", "nonsense"),
    ("cancel 9223372036854775999", "9223372036854775999"),
    ("cancel-all --venue nowhere", "venue"),
    ("book deribit.NOPE --once", "NOPE"),
    ("watch deribit.NOPE --duration 5", "NOPE"),
    ("orders --key demo.wrong", "key"),
]


@pytest.mark.parametrize(("line", "named"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_says_why(clean: Desk, line: str, named: str) -> None:
    result = clean.cli(*line.split(), "--json")
    assert result.code == 1, result.out + result.err
    assert named in result.out + result.err
    assert "Traceback" not in result.err


# --- strategies ------------------------------------------------------------------------------


def strategy(desk: Desk, *words: str, timeout_s: float = 90) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=CHECKOUT,
        env=desk.environment,
    )


def test_one_order_prints_the_life_of_an_order(clean: Desk) -> None:
    words = ("strategies/one_order.py", PERPETUAL, "100", "--run-dir", str(clean.run_dir))
    done = strategy(clean, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    for event in ("ACCEPTED", "REPLACED", "CANCELED"):
        assert event in done.stdout


def test_the_quote_printer_needs_nothing_of_ours(desk: Desk) -> None:
    source = CHECKOUT / "strategies" / "quote_printer.py"
    assert "common" not in source.read_text()
    rows = healthy(desk)
    endpoint = next(row["endpoints"]["md.deribit"] for row in rows if "market_data" in row["name"])
    command = [sys.executable, str(source), endpoint, PERPETUAL]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=desk.environment
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    assert line.startswith(PERPETUAL) and " | " in line


# --- other desks -----------------------------------------------------------------------------


def test_two_desks_run_side_by_side(clean: Desk, tmp_path: Path) -> None:
    """The second has a run directory too long for socket paths, and state of its own."""
    other = prepare(tmp_path / ("long" * 15))
    with running(other):
        placed = ok(other.cli(*PLACE, "--json"))
        ids = [row["client_order_id"] for row in ok(clean.cli("orders", "--json"))["orders"]]
        assert placed["client_order_id"] not in ids
        assert not set(other.processes()) & set(clean.processes())
    assert healthy(clean)


def test_the_test_venue_configuration_trades(tmp_path: Path) -> None:
    """config/deribit-test.yaml with only its addresses replaced: by a desk's simulator."""
    desk = prepare(tmp_path / "desk")
    config = yaml.safe_load((CHECKOUT / "config" / "deribit-test.yaml").read_text())
    simulated = yaml.safe_load(desk.config_path.read_text())
    config["simulators"] = simulated["simulators"]
    config["gateway"]["port"] = desk.gateway_port
    shutil.copy(CHECKOUT / "config" / config["risk_file"], desk.config_path.parent)
    for name in ("websocket_url", "http_url"):
        config["venues"]["deribit"][name] = simulated["venues"]["deribit"][name]
    desk.config_path.write_text(yaml.safe_dump(config))
    refused = desk.up()
    assert refused.code == 78
    assert "DERIBIT_CLIENT_ID" in refused.err and "Traceback" not in refused.err
    desk.environment |= {"DERIBIT_CLIENT_ID": "demo", "DERIBIT_CLIENT_SECRET": "demo-secret"}
    with running(desk):
        book = fresh_book(desk)
        price = str(int(book["bids"][0][0] * 0.95))  # the shipped limits have a collar of 10 %
        placed = desk.place(PERPETUAL, "buy", "100", "--price", price)
        assert placed["status"] == "NEW"
        assert ok(desk.cli("cancel", placed["client_order_id"], "--json"))["status"] == "CANCELED"


def test_up_starts_nothing_when_the_port_of_the_gateway_is_taken(tmp_path: Path) -> None:
    desk = prepare(tmp_path / "desk")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", desk.gateway_port))
        taken.listen()
        result = desk.up()
    assert result.code == 78
    assert f"gateway.port: 127.0.0.1:{desk.gateway_port} is in use" in result.err
    assert desk.processes() == []


def test_up_names_the_process_that_is_not_healthy(tmp_path: Path) -> None:
    """Somebody holds the endpoint of market_data."""
    desk = prepare(tmp_path / "desk")
    run_dir = RunDir(desk.run_dir)
    run_dir.create()
    with open(run_dir.socket_path("md.deribit.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            result = desk.up()
        finally:
            desk.cli("down")
    assert result.code == 1
    assert "market_data.deribit" in result.err
    assert desk.processes() == []


def test_a_desk_that_starts_again_knows_nothing_of_a_simulated_world_that_is_gone(
    tmp_path: Path,
) -> None:
    desk = prepare(tmp_path / "desk")
    identities = []
    for _ in range(2):
        with running(desk):
            assert ok(desk.cli("fills", "--json"))["fills"] == []
            assert ok(desk.cli("positions", "--json"))["positions"] == []
            sold = desk.place(PERPETUAL, "sell", "50", "--type", "market")
            identities.append(sold["client_order_id"])
    assert identities[0] != identities[1]
    assert (desk.run_dir / "state" / "deribit.main.journal.previous").exists()


def test_run_stops_everything_at_ctrl_c(tmp_path: Path) -> None:
    desk = prepare(tmp_path / "desk")
    command = [sys.executable, "-m", "services.cli", "run", "--config", str(desk.config_path)]
    command += ["--run-dir", str(desk.run_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env=desk.environment
    ) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "bid" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(PATIENCE_S) == 0
    text = "".join(seen)
    assert f"{desk.gateway_url}/" in text and "demo.demo-secret" in text
    assert "stopped" in rest
    assert desk.processes() == []


def test_down_without_a_desk_is_fine(tmp_path: Path) -> None:
    desk = prepare(tmp_path / "desk")
    assert ok(desk.cli("down", "--json"))["stopped"] is False
