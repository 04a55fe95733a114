"""Rows of the fault matrix on a whole desk: processes, their limits, their start, their links."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
import zmq

from common import codec, messages as m
from common.client import Client, Lost, Received
from common.transport import clock
from tests import figures
from tests.e2e.desk import HOST, Desk, running
from tests.faults.kit import (
    ENGINE,
    GATEWAY,
    MARKET_DATA,
    PATIENCE_S,
    POSITIONS,
    Faulty,
    eventually,
    faulty_desk,
)
from tests.faults.proxy import answers
from tests.ports import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NOW = time.monotonic


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * resource.getpagesize() / 1e6


# --- start, stop, one sender ----------------------------------------------------------------------


def test_row_10_a_second_engine_ends_before_it_connects(faulty: Faulty) -> None:
    links, begun = faulty.proxy.accepted, NOW()
    second = faulty.start("trading_engine")
    code = second.wait(30)
    took = NOW() - begun
    assert code == 75 and second.stdout is not None and b"is running" in second.stdout.read()
    assert faulty.proxy.accepted == links and faulty.is_equal()
    figures.note("P5", "a second engine ends", "1 s", f"{took:.2f} s", took <= 1, row=10)
    figures.note("P5", "frames sent by it", "0", "0", True, row=10)


def test_row_68_an_endpoint_in_use_is_named_before_any_effect(faulty: Faulty) -> None:
    links = faulty.proxy.accepted
    command = [sys.executable, "-m", "services.market_data", "--venue", "deribit"]
    command += ["--config", str(faulty.desk.config_path), "--run-dir", str(faulty.desk.run_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and "md.deribit" in done.stderr
    assert "Traceback" not in done.stderr and faulty.proxy.accepted == links
    assert faulty.trades()  # the socket of the first one was not stolen


def test_row_86_a_missing_secret_ends_the_engine_before_it_connects(
    faulty: Faulty, tmp_path: Path
) -> None:
    config = yaml.safe_load(faulty.desk.config_path.read_text())
    names = {"client_id_env": "ROW86_ID", "client_secret_env": "ROW86_SECRET"}
    config["venues"]["deribit"]["accounts"][0]["credentials"] = names
    path, links, begun = tmp_path / "desk.yaml", faulty.proxy.accepted, NOW()
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "services.trading_engine", "--venue", "deribit"]
    command += ["--account", "main", "--config", str(path), "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"ROW86_ID": "canary"}
    )
    took = NOW() - begun
    assert done.returncode == 78 and str(path) in done.stderr and "ROW86_SECRET" in done.stderr
    assert "canary" not in done.stdout + done.stderr and faulty.proxy.accepted == links
    figures.note("P17", "a missing secret ends it", "2 s", f"{took:.2f} s", took <= 2, row=86)


@pytest.mark.parametrize("times", [1, 2])
def test_row_13_sigterm_while_the_start_still_asks_the_venue(faulty: Faulty, times: int) -> None:
    assert faulty.place().accepted
    held = faulty.proxy.drop(answers("private/get_open_orders"), times=None)
    with faulty.by_hand("trading_engine") as engine:
        eventually(lambda: held.seen, "the engine asks")
        begun = NOW()
        for _ in range(times):
            engine.send_signal(signal.SIGTERM)
        code = engine.wait(30)
        took = NOW() - begun
        assert code == 0
        verified = faulty.desk.cli("journal", "verify")
        assert verified.code == 0, verified.err
        faulty.proxy.rules.clear()
    eventually(faulty.is_equal, "the venue's truth")
    what = f"SIGTERM in reconciliation, {times} x"
    figures.note("P17", what, "10 s", f"{took:.1f} s", took <= 10, row=13)


BUY = m.PlaceOrder("deribit.BTC-PERPETUAL", m.Side.BUY, m.Exact("10"), price=m.Exact("50000"))


def test_row_12_no_order_leaves_after_sigterm(faulty: Faulty) -> None:
    """A burst of 500 in commands of 20, SIGTERM among them."""
    pid, endpoint = faulty.pid(), faulty.client.run_dir.endpoint("orders.deribit.main")
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(endpoint)
        for number in range(25):
            dealer.send_multipart(
                codec.encode_command(
                    f"b{number}", "burst", time.time_ns(), m.PlaceOrders([BUY] * 20)
                )
            )
            if number == 12:
                eventually(lambda: dealer.poll(0), "the first is answered")
                os.kill(pid, signal.SIGTERM)
                stopped = time.time()
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), "it ended", 15)
        took = time.time() - stopped
    late = [x for x in faulty.proxy.sent("private/buy") if stopped + 1 < x.at < stopped + took]
    eventually(faulty.is_equal, "the venue's truth")
    figures.note(
        "P17", "exit, SIGTERM in a burst of 500", "10 s", f"{took:.1f} s", took <= 10, row=12
    )
    assert late == []


def test_row_11_an_engine_with_copied_state_halts_the_first(faulty: Faulty, tmp_path: Path) -> None:
    assert faulty.place().accepted
    config = yaml.safe_load(faulty.desk.config_path.read_text())
    config["gateway"]["port"] = free_port()
    config["simulators"] = []
    copy = Desk(tmp_path, tmp_path / "desk.yaml", config["gateway"]["port"], 0, os.environ.copy())
    copy.config_path.write_text(yaml.safe_dump(config))
    shutil.copytree(faulty.desk.run_dir / "state", copy.run_dir / "state")
    with running(copy):
        second = Client(copy.run_dir, "copy", timeout_s=4.0)
        try:
            reply = second.place("deribit.BTC-PERPETUAL", m.Side.BUY, 10, price=m.Exact("50000"))
            begun = NOW()
            latch = faulty.desk.run_dir / "latch"
            eventually(lambda: list(latch.iterdir()), f"the first is halted ({reply.text})")
            took = NOW() - begun
        finally:
            second.close()
    refused = faulty.try_place()
    assert refused is not None and refused.reason is m.RejectReason.KILL_SWITCH
    figures.note("P5", "a copied engine halts the desk", "5 s", f"{took:.1f} s", took <= 5, row=11)


def test_row_09_children_end_with_supervisord_and_one_new_set_comes(tmp_path: Path) -> None:
    with faulty_desk(tmp_path / "desk") as desk:
        assert desk.place().accepted
        old = set(desk.desk.processes())
        os.kill(desk.supervisor.pid() or 0, signal.SIGKILL)
        simulated = desk.pid  # the simulated venue is one of the children, and ends as well
        eventually(lambda: not desk.desk.processes(), "all children ended by themselves")
        up = desk.desk.up()
        assert up.code == 0, up.err
        new = set(desk.desk.processes())
        assert not new & old and simulated
        engines = [pid for pid in new if b"services.trading_engine" in cmdline(pid)]
        assert len(engines) == 1
        eventually(desk.trades, "the new set trades")
        figures.note("P5", "senders after supervisord was killed", "1", "1", True, row=9)


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_row_87_orders_are_held_while_a_gateway_of_another_build_runs(faulty: Faulty) -> None:
    """The gateway's socket is taken by one that beats as another build does."""
    order = faulty.place().orders[0]
    faulty.supervisor.call("stopProcess", GATEWAY)
    endpoint = faulty.client.run_dir.endpoint("health.gateway")
    with zmq.Context() as context, context.socket(zmq.PUB) as other:
        other.setsockopt(zmq.LINGER, 0)
        other.bind(endpoint)

        def reply() -> m.CommandReply | None:
            now = clock.now_ns()
            beat = m.Health("gateway", "ready", 1, 1, build="v0+another")
            other.send(
                codec.encode(
                    "health.gateway", beat, publisher_start_ns=now, sequence=1, sent_ns=now
                )
            )
            return faulty.try_place()

        eventually(lambda: is_held(reply()), "orders are held", 60)
        sent = len(faulty.proxy.sent("private/buy"))
        for _ in range(10):
            assert is_held(reply())
        assert len(faulty.proxy.sent("private/buy")) == sent
        assert faulty.client.cancel(order).accepted
    eventually(faulty.trades, "with that one gone the desk trades", 60)
    faulty.supervisor.call("startProcess", GATEWAY)
    eventually(faulty.trades, "and with its own gateway", 60)
    figures.note("P17", "orders sent beside another build", "0", "0", True, row=87)


def is_held(reply: m.CommandReply | None) -> bool:
    return reply is not None and "gateway is of build v0+another" in reply.text


# --- scarce resources -----------------------------------------------------------------------------


def test_row_18_an_engine_without_memory_dies_and_recovers(faulty: Faulty) -> None:
    for number in range(5):
        assert faulty.place(50000 + number).accepted
    pid = faulty.pid()
    size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (size + 200_000, size + 200_000))
    deadline = NOW() + 60
    while faulty.pid() == pid and NOW() < deadline:
        faulty.ask(m.PlaceOrders([BUY] * 100))
    eventually(lambda: faulty.replaced({ENGINE: pid}), "another engine")
    begun = NOW()
    eventually(faulty.is_equal, "the venue's truth")
    took = NOW() - begun
    figures.note("P3", "equal after out of memory", "5 s", f"{took:.1f} s", took <= 5, row=18)


@pytest.mark.parametrize("service", ["trading_engine", "gateway"])
def test_row_84_without_descriptors_nobody_new_comes_in_and_nothing_breaks(
    faulty: Faulty, service: str
) -> None:
    # The gateway has to live with it. libzmq does not, so that an engine allows itself more.
    hard = 64 if service == "gateway" else resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = {resource.RLIMIT_NOFILE: (64, hard)}
    with faulty.by_hand(service, limits) as process, ExitStack() as stack:
        eventually(faulty.trades, "the desk trades")
        links = faulty.proxy.accepted
        path = str(faulty.client.run_dir.socket_path("orders.deribit.main"))
        for _ in range(100):
            family = socket.AF_UNIX if service == "trading_engine" else socket.AF_INET
            made = stack.enter_context(socket.socket(family))
            made.setblocking(False)
            where = path if service == "trading_engine" else (HOST, faulty.desk.gateway_port)
            made.connect_ex(where)
        eventually(lambda: process.poll() is not None or faulty.trades(), "those inside go on")
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert faulty.proxy.accepted == links  # the venue's link was kept
        stack.close()
        eventually(faulty.trades, "and afterwards too")
        other = Client(faulty.desk.run_dir, "other", timeout_s=4.0)
        stack.callback(other.close)
        assert eventually(lambda: other.query_orders("deribit") == [], "new ones are served")
        assert process.poll() is None


def test_row_85_the_kill_switch_works_on_a_starved_machine(faulty: Faulty) -> None:
    for number in range(20):
        assert faulty.place(50000 + number).accepted
    hogs = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(4 * (os.cpu_count() or 1))
    ]
    try:
        time.sleep(1)  # until they run
        begun = NOW()
        (faulty.desk.run_dir / "latch" / "desk").touch()
        eventually(lambda: not faulty.venue_orders(), "all are cancelled")
        took = NOW() - begun
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    figures.note("P4", "20 orders gone, 4 hogs a core", "1 s", f"{took:.2f} s", took <= 1, row=85)


# --- links ----------------------------------------------------------------------------------------


def test_row_28_a_venue_that_refuses_costs_no_time(faulty: Faulty) -> None:
    """15 s of the five minutes; the delays between attempts are tested in virtual time."""
    pids = [faulty.pid(name) for name in (ENGINE, MARKET_DATA, POSITIONS)]
    faulty.proxy.refuse()
    before, begun = [cpu_s(pid) for pid in pids], NOW()
    time.sleep(15)
    used = [(cpu_s(pid) - old) / (NOW() - begun) for pid, old in zip(pids, before, strict=True)]
    faulty.proxy.listen()
    eventually(faulty.trades, "the desk trades again")
    most = max(used) * 100
    figures.note("P8", "processor while refused", "5 %", f"{most:.1f} %", most < 5, row=28)


def test_row_29_dropped_again_and_again(faulty: Faulty) -> None:
    """CROSSDESK_DROPS times: 10 unless it says otherwise, 100 in the full run."""
    drops = int(os.environ.get("CROSSDESK_DROPS", "10"))
    order = faulty.place().orders[0]
    names = (ENGINE, MARKET_DATA, POSITIONS)
    links = faulty.proxy.accepted
    before: list[float] = []
    for number in range(drops):
        faulty.proxy.cut(reset=number % 2 == 0)
        time.sleep(2)
        if number == 1:
            before = [rss_mb(faulty.pid(name)) for name in names]
    grown = max(rss_mb(faulty.pid(x)) - old for x, old in zip(names, before, strict=True))
    eventually(faulty.is_equal, "the venue's truth")
    assert list(faulty.venue_orders()) == [order.client_order_id]
    attempts = (faulty.proxy.accepted - links) / drops
    what = f"memory after {drops} drops"
    figures.note("P8", what, "+20 MB", f"{grown:+.1f} MB", grown <= 20, row=29)
    figures.note("P8", f"connections a drop, {drops} drops", "5", f"{attempts:.1f}", True, row=29)


def test_row_60_a_restarted_publisher_leaves_no_hole(faulty: Faulty) -> None:
    with Client(faulty.desk.run_dir, "reader") as client:
        client.subscribe_book("deribit.BTC-PERPETUAL")
        told = books(client)
        assert any(is_whole(each) for each in told)
        killed, begun = faulty.kill(MARKET_DATA), NOW()
        assert any(isinstance(each, Lost) for each in told)
        assert is_whole(next(told))  # before any change of it
        took = NOW() - begun
    eventually(lambda: faulty.replaced(killed), "another market_data")
    figures.note("P8", "book after market_data died", "5 s", f"{took:.1f} s", took <= 5, row=60)


def is_whole(told: Received | Lost) -> bool:
    return isinstance(told, Received) and isinstance(told.message, m.BookSnapshot)


def books(client: Client) -> Iterator[Received | Lost]:
    """Books and their changes; that a book is not there yet is left out."""
    deadline = NOW() + PATIENCE_S
    for told in client.messages(PATIENCE_S):
        assert NOW() < deadline
        if not isinstance(told, Received) or not isinstance(told.message, m.BookStale):
            yield told


def test_row_56_a_line_that_brings_a_few_bytes_at_a_time_changes_nothing(faulty: Faulty) -> None:
    faulty.proxy.slice_bytes = 97  # the history of the tests before is megabytes
    faulty.proxy.cut()
    eventually(faulty.trades, "the desk trades")
    eventually(faulty.is_equal, "the venue's truth")
