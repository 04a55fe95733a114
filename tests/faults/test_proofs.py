"""Promises 1, 3, 4 and 7 measured on a whole desk: disk before wire, kills, the kill switch, rates.

CROSSDESK_KILLS (10) and CROSSDESK_SECONDS (20) make it the full run: 200 and 600.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from common import messages as m
from common.client import Client, NoAnswer, NotRunning
from common.config import LimitsConfig
from common.transport import segments
from common.transport.journal import SegmentedLog
from tests import figures
from tests.faults.kit import (
    ENGINE,
    GATEWAY,
    MARKET_DATA,
    ORDERS,
    OTHER,
    POSITIONS,
    D,
    Faulty,
    eventually,
    faulty_desk,
)
from tests.faults.proxy import Message, unmasked
from tests.services.trading_engine.kit import Bench

pytestmark = [pytest.mark.long, pytest.mark.timeout(5400)]
NOW = time.monotonic
BUY = m.PlaceOrder("deribit.BTC-PERPETUAL", m.Side.BUY, m.Exact("10"), price=m.Exact("50000"))
RECORDS, OPEN = 200_000, 1000
KILLS = int(os.environ.get("CROSSDESK_KILLS", "10"))
SECONDS = float(os.environ.get("CROSSDESK_SECONDS", "20"))
FAST = {"rate_per_second": 5000.0, "rate_burst": 5000.0}


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


# --- promise 1: on disk before on the wire --------------------------------------------------------


def test_promise_1_a_finished_sync_precedes_every_orders_send(faulty: Faulty) -> None:
    told = faulty.desk.directory / "strace.txt"
    with traced(faulty.pid(), told):
        senders = [threading.Thread(target=place_some, args=(faulty, n)) for n in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
    faulty.ask(m.CancelAll())
    sent, early = judge(told.read_text(errors="replace").splitlines())
    assert early == [] and len(sent) >= 40
    what = "orders whose send a finished fdatasync precedes"
    figures.note("P1", what, "all", f"{len(sent)} of {len(sent)}", True)


def place_some(faulty: Faulty, number: int) -> None:
    with Client(faulty.desk.run_dir, f"traced{number}", timeout_s=10.0) as client:
        for _ in range(10):
            reply = client.command(ORDERS, BUY)
            assert reply.accepted, reply


@contextmanager
def traced(pid: int, told: Path) -> Iterator[None]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("NOT RUN: needs strace")
    calls = "trace=fdatasync,write,writev,pwrite64,sendto,sendmsg"
    command = [strace, "-f", "-y", "-xx", "-s", "20000", "-e", calls, "-o", str(told)]
    process = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        if "attached" not in line:
            pytest.skip(f"NOT RUN: strace may not attach: {line.strip()}")
        yield
    finally:
        process.terminate()
        process.wait(10)


LINE = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\(\d+<(?P<where>[^>]*)>")
BYTES = re.compile(r"\\x([0-9a-f]{2})")


def judge(lines: list[str]) -> tuple[list[str], list[str]]:
    """Labels of the orders that were sent, and of those whose record was not synced before."""
    written: set[str] = set()  # since the last sync began
    syncing: dict[str, set[str]] = {}
    synced: set[str] = set()
    sent, early = [], []
    for line in lines:
        if found := LINE.match(line):
            is_journal = re.sub(r"\\x(..)", _character, found["where"]).endswith(".segment")
            data = bytes.fromhex("".join(BYTES.findall(line.partition(">")[2])))
            if found["call"] == "fdatasync":
                syncing[found["pid"]] = set(written)
            elif is_journal:
                written |= {label.decode() for label in re.findall(rb"9\d{18}", data)}
            else:
                for label in labels(data):
                    sent.append(label)
                    early += [label] if label not in synced else []
        if "fdatasync" in line and line.rstrip().endswith("= 0"):
            synced |= syncing.pop(line.split()[0], set())
    return sent, early


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16))


def labels(data: bytes) -> list[str]:
    """Of the new orders in the masked frames of one write."""
    found = []
    while len(data) > 8 and data[0] == 0x81 and data[1] & 0x80:
        size, head = data[1] & 0x7F, 2
        if size == 126:
            size, head = int.from_bytes(data[2:4], "big"), 4
        payload = unmasked(data[head + 4 : head + 4 + size], data[head : head + 4])
        if b'"private/buy"' in payload:
            found += re.findall(rb'"label":"(\d+)"', payload)
        data = data[head + 4 + size :]
    return [label.decode() for label in found]


# --- promise 3: kills -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """1,000 open orders, and a journal of 200,000 records."""
    with faulty_desk(tmp_path_factory.mktemp("large"), account=FAST) as made:
        made.supervisor.call("stopProcess", ENGINE)
        write_long_journal(made.desk.run_dir / "state" / "deribit.main.journal")
        made.supervisor.call("startProcess", ENGINE)
        eventually(made.trades, "the desk trades")
        made.client.timeout_s = 1.0  # who asks a dead engine shall not wait long for nothing
        fill_up(made)
        yield made


def write_long_journal(directory: Path) -> None:
    """Of an engine that placed and cancelled."""
    limits = LimitsConfig(max_open_orders=100_000)
    bench = Bench(limits=limits, rate_per_second=1e6, rate_burst=1e6).start()
    while len(bench.journal) < 5_000:
        bench.asked(m.CancelOrder(bench.placed().client_order_id))
        bench.commands.clear()
        bench.wakes = bench.wakes[-5:]
        bench.now += 10_000_000
    shutil.rmtree(directory)
    log = SegmentedLog(directory, segments.load(directory))
    payloads = bench.journal[: len(bench.journal) // 1000 * 1000]
    for start in range(0, RECORDS, 1000):
        first = start % len(payloads)
        log.write(payloads[first : first + 1000])
    log.finish()
    log.close()


def fill_up(desk: Faulty) -> None:
    while (missing := OPEN - len(desk.venue_orders())) > 0:
        reply = desk.ask(m.PlaceOrders([BUY] * min(missing, 100)))
        assert reply is None or reply.accepted or reply.in_doubt, reply


def is_confirmed_equal(desk: Faulty) -> bool:
    """What the engine is sure of is as at the venue; what it doubts it may still find there."""
    reply = desk.ask(m.QueryOrders())
    positions = desk.position()
    if reply is None or positions is None or positions[0] != positions[1]:
        return False
    doubted = {x.client_order_id for x in reply.orders if x.in_doubt_since_ns}
    ours = {
        x.client_order_id: (x.price or D(0), x.quantity, x.cum_quantity)
        for x in reply.orders
        if x.client_order_id not in doubted
    }
    theirs = desk.venue_orders()
    return bool(ours) and ours == {k: v for k, v in theirs.items() if k not in doubted}


def place_five(desk: Faulty) -> None:
    """From a thread of its own, so with a client of its own; the engine may die meanwhile."""
    client = Client(desk.desk.run_dir, "burst", timeout_s=1.0)
    with client, suppress(NoAnswer, NotRunning):
        client.command(ORDERS, m.PlaceOrders([BUY] * 5))


def test_promise_3_the_venues_truth_after_every_kill(large: Faulty) -> None:
    dice, took = random.Random(7), []
    for number in range(KILLS):
        fill_up(large)
        eventually(large.is_equal, "equal before the kill")
        time.sleep(2)  # three that die as soon as they are ready are a crash loop: row 17
        burst = threading.Thread(target=place_five, args=(large,))
        if number % 2:  # every other time with orders on their way
            burst.start()
            time.sleep(dice.random() * 0.03)
        begun, killed = NOW(), large.kill(ENGINE)
        eventually(lambda killed=killed: large.replaced(killed), "another engine")
        eventually(lambda: is_confirmed_equal(large), "equal")
        took.append(NOW() - begun)
        if number % 2:
            burst.join()
    eventually(large.is_equal, "no doubt is left")
    names = [x.json["params"]["label"] for x in large.proxy.sent("private/buy")]
    assert len(names) == len(set(names))  # none was sent twice
    p99 = percentile(took, 99)
    what = f"equal after kill -9, {OPEN} orders, {RECORDS} records"
    shown = f"{percentile(took, 50):.1f} s p50, {p99:.1f} s p99 of {KILLS}"
    figures.note("P3", what, "5 s p99", shown, p99 <= 5)
    figures.note("P1", f"orders sent twice in {KILLS} kills", "0", "0", True)


def test_promise_3_all_die_at_once_with_1000_orders(large: Faulty) -> None:
    fill_up(large)
    eventually(large.is_equal, "equal before")
    begun, killed = NOW(), large.kill(ENGINE, POSITIONS, MARKET_DATA, GATEWAY)
    eventually(lambda: large.replaced(killed), "all are replaced")
    eventually(large.is_equal, "equal")
    took = NOW() - begun
    what = f"equal after all died, {OPEN} orders"
    figures.note("P3", what, "10 s", f"{took:.1f} s", took <= 10, row=14)


# --- promise 4: the kill switch -------------------------------------------------------------------


def test_promise_4_latch_to_cancel_with_200_open_orders(faulty: Faulty) -> None:
    order = m.PlaceOrders([BUY] * 20)
    while len(faulty.venue_orders()) < 200:
        faulty.ask(order)
    stop = threading.Event()
    burst = threading.Thread(target=place_until, args=(faulty, stop))
    burst.start()
    sent = len(faulty.proxy.requests)
    eventually(lambda: len(faulty.proxy.requests) > sent + 20, "a burst is under way")
    (faulty.desk.run_dir / "latch" / "desk").touch()
    latched = time.time()
    eventually(lambda: not faulty.venue_orders(), "nothing is open at the venue")
    confirmed_ms = (time.time() - latched) * 1000
    stop.set()
    burst.join()
    after = [x for x in list(faulty.proxy.requests) if x.at > latched]
    cancels = [x.at for x in after if x.method.startswith("private/cancel")]
    orders = [x.at for x in after if x.method in ("private/buy", "private/sell")]
    late_ms = (max(orders, default=latched) - latched) * 1000
    last_ms = (max(cancels) - latched) * 1000
    figures.note(
        "P4", "last new order after the latch", "10 ms", f"{late_ms:.0f} ms", late_ms <= 10
    )
    first_ms = (min(cancels) - latched) * 1000
    shown = f"{first_ms:.0f} to {last_ms:.0f} ms"
    figures.note("P4", "latch to cancels sent, 200 orders", "100 ms", shown, last_ms <= 100)
    what = "latch to no open order at the venue"
    figures.note("P4", what, "1 s", f"{confirmed_ms:.0f} ms", confirmed_ms <= 1000)


def place_until(faulty: Faulty, stop: threading.Event) -> None:
    with Client(faulty.desk.run_dir, "burst", timeout_s=10.0) as client:
        while not stop.is_set():
            client.command(ORDERS, BUY)


# --- promise 7: rates -----------------------------------------------------------------------------


def test_promise_7_five_times_the_allowed_demand(tmp_path: Path) -> None:
    limits = {"rate_per_second": 5.0, "rate_burst": 20.0}
    with faulty_desk(tmp_path / "limited", key=OTHER, account=limits) as desk:
        errors = desk.proxy.rule(is_rate_error, times=None)
        waits, refused, accepted = demand(desk, SECONDS)
        what = f"rate errors in {SECONDS:g} s at 5x"
        figures.note("P7", what, "0", str(len(errors.seen)), not errors.seen, row=32)
        p99 = percentile(waits, 99) * 1000
        what = f"wait of cancels at 5x, {len(waits)} cancels"
        figures.note("P7", what, "50 ms p99", f"{p99:.0f} ms p99", p99 <= 50, row=32)
    assert errors.seen == [] and refused > accepted > 0


def is_rate_error(message: Message) -> bool:
    return not message.is_request and b'"code":10028' in message.payload


def demand(desk: Faulty, seconds: float) -> tuple[list[float], int, int]:
    """25 orders a second of one client; whatever is accepted is cancelled by another."""
    waits, refused, accepted = [], 0, 0
    begun, asked = NOW(), 0
    with Client(desk.desk.run_dir, "tester", timeout_s=10.0) as canceller:
        while (passed := NOW() - begun) < seconds:
            if asked >= passed * 25:
                time.sleep(0.005)
                continue
            asked += 1
            reply = desk.place()
            if not reply.accepted:
                assert reply.reason is m.RejectReason.RATE_LIMIT, reply
                refused += 1
                continue
            accepted += 1
            known, at = len(desk.proxy.requests), time.time()
            assert canceller.cancel(reply.orders[0]).accepted
            sent = [x.at for x in desk.proxy.requests[known:] if x.method == "private/cancel"]
            waits.append(sent[0] - at)
    return waits, refused, accepted
