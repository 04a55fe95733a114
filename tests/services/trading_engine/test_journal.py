"""What a journal gives back: rows 1 to 8 and 82, snapshots, and the story of an order."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from common import core as c, messages as m
from common.config import AccountConfig
from common.errors import AlreadyRunning, ConfigError
from common.messages import OrderStatus as S
from common.rundir import RunDir
from common.transport import segments
from common.transport.journal import SegmentedLog
from services.trading_engine import records, snapshot, storage
from services.trading_engine.fold import Fold
from services.trading_engine.story import explain
from tests.services.trading_engine.kit import LINK, SECOND, Bench, D, place
from tests.services.trading_engine.test_chaos import Chaos
from tests.services.trading_engine.twin import VenueTwin


def folded(payloads: list[bytes]) -> list[bytes]:
    fold = Fold().take_all(records.each(payloads))
    return [records.encode(entry) for entry in fold.entries()]


def truth(bench: Bench) -> list[object]:
    """Everything an engine tells after its start."""
    fills = bench.asked(m.QueryFills(), request_id="fills").fills
    return [bench.open_orders(closed=True), fills, bench.engine._state.mode]


# --- snapshots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_snapshot_and_the_rest_give_what_the_whole_journal_gives(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.run(50)
    journal, twin = chaos.bench.journal, chaos.bench.twin
    whole = folded(journal)
    assert folded(journal) == whole
    assert folded(whole) == whole
    dice = random.Random(seed)
    for cut in (0, len(journal), *(dice.randrange(len(journal)) for _ in range(5))):
        short = [*folded(journal[:cut]), *journal[cut:]]
        assert folded(short) == whole
        one = Bench(twin, list(journal), 99, chaos.bench.now)
        two = Bench(twin, short, 99, chaos.bench.now)
        assert truth(one) == truth(two)


def test_answers_modes_and_requests_under_way_outlive_a_snapshot() -> None:
    bench = Bench().start()
    bench.ask(place(owner="a"), request_id="first")
    bench.held = []
    bench.ask(place("48000", owner="a"), request_id="second")
    bench.asked(m.SetMode(m.TradingMode.REDUCING, "test"))
    later = Bench(bench.twin, folded(bench.journal), 2, bench.now)
    later.start()
    assert later.engine._state.mode is m.TradingMode.REDUCING
    (answer,) = later.replies(later.ask(place(owner="a"), request_id="first"))
    assert answer == bench.replies("first")[0]
    later.ask(place("48000", owner="a"), request_id="second")
    later.advance(10)
    assert len(later.replies("second")) == 1
    assert len(bench.twin.open_ids) == 2


def test_row_08_storage_snapshots_at_a_turn_and_starts_from_it(tmp_path: Path) -> None:
    chaos = Chaos(3)
    chaos.run(60)
    payloads = chaos.bench.journal
    run_dir = RunDir(tmp_path / "run")
    run_dir.create()
    directory = storage.journal_directory(run_dir, "deribit", "main")
    lock = storage.take_lock(run_dir, "deribit", "main")
    segments_made: list[int] = []
    log = SegmentedLog(
        directory, segments.load(directory), on_turn=segments_made.append, segment_records=8
    )
    for payload in payloads:
        log.write([payload])
    log.close()
    assert len(segments_made) >= 2
    for first in segments_made[-2:]:
        snapshot.write(directory, first, keep=2)
    stored = storage.Storage(directory, AccountConfig(), lock)
    assert stored.loaded.snapshot and len(stored.loaded.tail) < 9
    short = [*stored.loaded.snapshot, *stored.loaded.tail]
    assert folded(short) == folded(payloads)
    stored.open().close()


def test_a_snapshot_is_written_by_a_process_of_its_own(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    run_dir.create()
    directory = storage.journal_directory(run_dir, "deribit", "main")
    log = SegmentedLog(directory, segments.load(directory), segment_records=20)
    bench = Bench().start()
    while len(bench.journal) < 40:
        bench.placed()
    log.write(bench.journal)
    log.close()
    stored = storage.Storage(
        directory, AccountConfig(), storage.take_lock(run_dir, "deribit", "main")
    )
    stored.open().close()
    assert stored._writing is not None and stored._writing.wait(30) == 0
    assert segments.load(directory).snapshot


# --- restarts ----------------------------------------------------------------------------------


def test_row_01_killed_before_the_intent_is_written(bench: Bench) -> None:
    written = len(bench.journal)
    bench.losing = True
    bench.ask(place(), request_id="once")
    del bench.journal[written:]
    bench.losing = False
    later = bench.restart().start()
    later.advance(10)
    assert later.twin.open_ids == []
    (reply,) = later.replies(later.ask(place(), request_id="once"))
    assert reply.accepted and len(later.twin.open_ids) == 1


def test_row_02_killed_with_an_intent_that_was_never_sent(bench: Bench) -> None:
    bench.losing = True
    bench.ask(place(), request_id="once")
    bench.losing = False
    later = bench.restart().start()
    (waiting,) = later.open_orders()
    assert waiting.status is S.PENDING_NEW and waiting.in_doubt_since_ns is not None
    later.advance(10)
    assert later.open_orders() == [] and later.twin.orders == {}
    rejected = later.order(waiting.client_order_id)
    assert rejected.status is S.REJECTED
    assert later.asked(place(), request_id="once").orders[0] == rejected
    assert later.twin.orders == {}


def test_row_03_killed_after_the_venue_accepted(bench: Bench) -> None:
    bench.held = []
    bench.ask(place(), request_id="once")
    later = bench.restart().start()
    later.advance(5)
    (order,) = later.open_orders()
    assert order.status is S.NEW and order.venue_order_id == "V1"
    assert "private/buy" not in later.sent() and len(later.twin.orders) == 1


def test_row_04_killed_with_unread_fills(bench: Bench) -> None:
    bench.placed()
    bench.twin.fill("V1", 40)
    bench.twin.fill("V1", 60)
    later = bench.restart().start()
    later.advance(5)
    assert [fill.last_quantity for fill in later.fills()] == [40, 60]
    again = later.restart().start()
    again.advance(5)
    assert again.fills() == []
    assert len(again.asked(m.QueryFills()).fills) == 2


def test_row_06_killed_with_a_cancel_in_flight(bench: Bench) -> None:
    order = bench.placed()
    bench.losing = True
    bench.ask(m.CancelOrder(order.client_order_id), request_id="cancel")
    bench.losing = False
    later = bench.restart().start()
    later.advance(10)
    assert later.twin.open_ids == [] and later.open_orders() == []


def test_row_78_a_disk_that_cannot_be_trusted_cancels_everything(bench: Bench) -> None:
    for price in ("49000", "48000"):
        bench.placed(price=price)
    bench.feed(c.JournalFailed("/x/0.segment: Input/output error", is_final=True))
    assert bench.twin.open_ids == []
    assert not bench.asked(place()).accepted
    alerts = [x.fields.get("why", "") for x in bench.commands if isinstance(x, c.Alert)]
    assert any("/x/0.segment" in why for why in alerts)


def test_row_82_a_lost_journal_brings_no_id_back(bench: Bench) -> None:
    old = {bench.placed(price=str(49000 - n)).client_order_id for n in range(3)}
    bench.cut()
    fresh = Bench(bench.twin, [], 1, bench.now + SECOND).start()
    new = fresh.placed(price="47000").client_order_id
    assert {o.client_order_id for o in fresh.open_orders()} == old | {new}
    assert new not in old
    assert any("newer ids" in x.text for x in fresh.commands if isinstance(x, c.Alert))
    later = fresh.restart()  # whose counter on disk is behind
    later.start()
    reply = later.asked(place("46000"), request_id="another")
    assert reply.orders[0].client_order_id not in old | {new}


# --- what is written ---------------------------------------------------------------------------


def test_a_sync_of_many_orders_is_several_records() -> None:
    twin = VenueTwin(Bench().now // 1_000_000)
    for number in range(1100):
        twin.place(
            direction="sell", instrument_name="BTC-PERPETUAL", amount=10, price=60000.0 + number
        )
    bench = Bench(twin).start()
    entries = list(records.each(bench.journal))
    assert max(len(entry.records) for entry in entries) <= 1000
    assert len(bench.open_orders()) == 1100


def test_no_token_is_ever_journaled(bench: Bench) -> None:
    bench.placed()
    written = b"".join(bench.journal)
    assert b"access_token" not in written and b"refresh_token" not in written


def test_promise_20_an_order_is_explained_from_the_journal_alone(bench: Bench) -> None:
    order = bench.placed(owner="alpha")
    name = order.client_order_id
    bench.asked(m.ModifyOrder(name, price=D("49500"), owner="alpha"))
    bench.deliver(bench.twin.fill("V1", 40))
    bench.asked(m.CancelOrder(name, owner="alpha"))
    bench.placed(owner="beta", price="48000")
    story = explain(bench.journal, name)
    commands = [asked["command"] for asked in story.asked]
    assert commands == ["PlaceOrder", "ModifyOrder", "CancelOrder"]
    assert {(a["owner"], a["sender"]) for a in story.asked} == {("alpha", "gateway")}
    assert {"mode", "max_quantity", "notional", "collar", "open_orders"} <= set(story.checks)
    statuses = [step.status for step in story.steps if step.what == "report"]
    assert statuses[0] == "PENDING_NEW" and statuses[-1] == "CANCELED"
    assert "PARTIALLY_FILLED" in statuses
    assert all(step.at_ns and step.source for step in story.steps)
    assert [s.text for s in story.steps if s.what == "reply"] == ["accepted"] * 3
    told = [step for step in story.steps if step.source in ("answer", "stream")]
    assert told and all("BTC-PERPETUAL" in step.raw for step in told)
    assert story.builds[0]["start_counter"] == 1
    assert story.order == bench.order(name)


# --- one sender --------------------------------------------------------------------------------


def test_row_10_a_second_engine_is_told_who_holds_the_account(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    run_dir.create()
    with storage.take_lock(run_dir, "deribit", "main"):
        with pytest.raises(AlreadyRunning, match=r"deribit\.main\.lock"):
            storage.take_lock(run_dir, "deribit", "main")
        config = Path(__file__).parents[3] / "config" / "demo.yaml"
        command = [sys.executable, "-m", "services.trading_engine", "--config", str(config)]
        command += ["--run-dir", str(run_dir.path), "--venue", "deribit", "--account", "main"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 75
    assert "another engine of deribit.main is running" in done.stderr
    assert not (run_dir.state / "deribit.main.start").exists()  # nothing was touched
    storage.take_lock(run_dir, "deribit", "main").close()


def test_row_81_an_engine_does_not_start_on_a_damaged_journal(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    run_dir.create()
    directory = storage.journal_directory(run_dir, "deribit", "main")
    log = SegmentedLog(directory, segments.load(directory))
    log.write([b"one", b"two", b"three"])
    log.close()
    path = log.path
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="crossdesk journal verify"):
        storage.Storage(directory, AccountConfig(), storage.take_lock(run_dir, "deribit", "main"))


@pytest.fixture
def bench() -> Bench:
    made = Bench().start()
    assert made.engine._state.link == LINK
    return made
