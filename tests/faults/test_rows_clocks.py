"""Rows of the fault matrix on a whole desk: the clocks of this machine and of the venue."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from common import messages as m
from common.client import Client, Received
from common.messages import OrderStatus as S, RejectReason as R
from tests import figures
from tests.faults.kit import (
    ENGINE,
    GATEWAY,
    LIMITS,
    MARKET_DATA,
    PERPETUAL,
    POSITIONS,
    Faulty,
    eventually,
    faulty_desk,
)
from tests.faults.proxy import answers, calls

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
NOW = time.monotonic
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
HOUR_S = 3600
SERVICES = (ENGINE, MARKET_DATA, POSITIONS, GATEWAY, "watchdog")
TOLD = "the wall clock was set"

# Found by every Python process that starts with its directory in PYTHONPATH: the wall clock is off
# by as many seconds as the file says, and no other clock is.
SITECUSTOMIZE = """
import time
_time, _time_ns, _gettime, _gettime_ns = (
    time.time, time.time_ns, time.clock_gettime, time.clock_gettime_ns
)
def _off():
    with open({path!r}) as file:
        return int(file.read())
time.time = lambda: _time() + _off()
time.time_ns = lambda: _time_ns() + _off() * 10**9
time.clock_gettime = lambda which: _gettime(which) + (which == time.CLOCK_REALTIME) * _off()
time.clock_gettime_ns = lambda which: (
    _gettime_ns(which) + (which == time.CLOCK_REALTIME) * _off() * 10**9
)
"""


# --- row 83: the wall clock of this machine -------------------------------------------------------


def with_libfaketime(directory: Path) -> tuple[dict[str, str], Callable[[int], object]]:
    """The environment of the desk, and what sets its wall clock off by some seconds."""
    if not FAKETIME.exists():
        pytest.skip("NOT RUN: needs libfaketime (Debian package faketime)")
    shift = directory / "shift"
    fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(shift)}
    fake |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    fake["FAKETIME_FORCE_MONOTONIC_FIX"] = "0"  # threads take seconds to hand on the GIL with it
    return fake, lambda seconds: replace(shift, f"{seconds:+d}\n")


def with_python(directory: Path) -> tuple[dict[str, str], Callable[[int], object]]:
    """The same without a tool: Python's own functions are replaced in each process."""
    shift = directory / "shift"
    (directory / "sitecustomize.py").write_text(SITECUSTOMIZE.format(path=str(shift)))
    found = [str(directory), os.environ.get("PYTHONPATH", "")]
    fake = {"PYTHONPATH": os.pathsep.join(path for path in found if path)}
    return fake, lambda seconds: replace(shift, f"{seconds}\n")


def replace(path: Path, text: str) -> None:
    """Whole or not at all: it is read at any moment."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.parametrize("by", [with_libfaketime, with_python])
def test_row_83_the_wall_clock_of_all_processes_jumps_by_an_hour(
    tmp_path: Path, by: Callable[[Path], tuple[dict[str, str], Callable[[int], object]]]
) -> None:
    fake, set_clock = by(tmp_path)
    set_clock(0)
    with faulty_desk(tmp_path / "desk", environment=fake) as desk:
        later = dataclasses.replace(desk.desk, environment=desk.desk.environment | fake)
        desk.desk.environment |= {name: os.environ.get(name, "") for name in fake}  # of `down`
        assert desk.place(tag="before").accepted
        pids = {name: desk.pid(name) for name in SERVICES}
        for seconds in (HOUR_S, -HOUR_S, 0):
            before = {name: told(desk, name) for name in SERVICES}
            set_clock(seconds)
            for name in SERVICES:
                eventually(lambda: told(desk, name) > before[name], f"{name} tells it", 60)  # noqa: B023
            look_at(desk, f"lost{seconds}")
            assert later.cli("orders").code == 0  # a process that starts after the jump
            assert {name: desk.pid(name) for name in SERVICES} == pids  # nobody was called dead
        figures.note("P16", "wrong timeouts, whole desk, clock +-1 h", "0", "0", True, row=83)


def told(desk: Faulty, name: str) -> int:
    return (desk.desk.run_dir / "logs" / f"{name}.jsonl").read_text().count(TOLD)


def look_at(desk: Faulty, tag: str) -> None:
    """No wait ends early or is held up, nothing expires, nothing is sent twice, no book is lost."""
    kept = set(desk.venue_orders())
    with Client(str(desk.desk.run_dir), "reader") as reader:
        reader.subscribe_book(PERPETUAL)
        order = desk.place().orders[0]
        assert desk.client.cancel(order).accepted
        desk.proxy.drop(calls("private/buy"))
        begun, sent = NOW(), len(desk.proxy.sent("private/buy"))
        reply = desk.place(tag=tag)
        assert reply.in_doubt and NOW() - begun > 1.5  # the answer is awaited for 2 s
        eventually(lambda: is_rejected(desk, tag), "proved absent", 60)
        assert NOW() - begun > 3.9  # its last moment, and 2 s more
        assert len(desk.proxy.sent("private/buy")) == sent + 1
        read_changes(reader, 10)
    assert set(desk.venue_orders()) == kept
    eventually(desk.is_equal, "the venue's truth", 60)


def read_changes(reader: Client, count: int) -> None:
    """So many changes of a book that was never stale since its first snapshot."""
    changes, is_whole, deadline = 0, False, NOW() + 60
    for each in reader.messages(60):
        assert NOW() < deadline
        message = each.message if isinstance(each, Received) else None
        assert not is_whole or isinstance(message, m.BookDelta), each
        is_whole = is_whole or isinstance(message, m.BookSnapshot)
        changes += isinstance(message, m.BookDelta)
        if changes == count:
            return
    raise AssertionError(f"{changes} changes")


def is_rejected(desk: Faulty, tag: str) -> bool:
    order = desk.only(tag)
    return order is not None and order.status is S.REJECTED


# --- row 43: the clock of the venue ---------------------------------------------------------------


@pytest.mark.parametrize("seconds", [5, -5])
def test_row_43_orders_are_held_while_the_venues_clock_is_measured_again(
    tmp_path: Path, seconds: int
) -> None:
    limits = LIMITS | {"max_age_ms": 3000}
    with faulty_desk(tmp_path / "desk", account={"limits": limits}) as desk:
        kept = desk.place().orders[0]
        unanswered = desk.proxy.drop(answers("public/test"), times=None)
        desk.control("offset-clock", seconds=seconds)
        # What the venue tells next shows it: its prices, or its answer to an order.
        eventually(lambda: is_held(desk.try_place()), "new orders are held", 60)
        sent = len(desk.proxy.sent("private/buy"))
        for _ in range(5):
            assert is_held(desk.place())
        change = m.ModifyOrder(kept.client_order_id, price=m.Exact("49000"))
        assert is_held(desk.ask(change))
        eventually(lambda: unanswered.seen, "it is measured", 60)
        assert len(desk.proxy.sent("private/buy")) == sent
        assert not desk.proxy.sent("private/edit")
        assert desk.client.cancel(kept).accepted  # cancels go on
        desk.proxy.rules.clear()
        begun = NOW()
        # Ages too are right again: a quote that seemed 5 s old would be refused.
        eventually(desk.trades, "the desk trades", 60)
        took = NOW() - begun
        desk.ask(m.CancelAll())
        eventually(lambda: not desk.venue_orders(), "nothing is open", 60)
        eventually(desk.is_equal, "the venue's truth", 60)
        what = f"trades again once answers come, venue's clock {seconds:+d} s"
        figures.note("P16", what, "5 s", f"{took:.1f} s", took <= 5, row=43)


def is_held(reply: m.CommandReply | None) -> bool:
    if reply is None or reply.accepted or reply.reason is not R.NOT_READY:
        return False
    return "the venue's clock has to be measured again" in reply.text
