"""Fills that were missed: from where they are asked for, and that every page of them is read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from common import core as c, messages as m
from services.trading_engine import records
from services.trading_engine.fold import Fold
from services.trading_engine.records import SyncRecord
from tests.services.trading_engine.kit import LINK, MS, T0, Bench, D
from tests.services.trading_engine.quote_twin import QuoteTwin

TRADES = "private/get_user_trades_by_currency"


def missed(bench: Bench, quantity: float, after_s: float = 0.0) -> None:
    """The first order fills; nobody hears of it."""
    bench.advance(after_s)
    bench.twin.now_ms = bench.now // MS
    bench.twin.fill("V1", quantity)


def quantities(bench: Bench) -> list[Decimal]:
    return sorted(fill.last_quantity for fill in bench.fills())


def syncs(bench: Bench) -> list[SyncRecord]:
    entries = records.decode(bench.journal)
    return [x for entry in entries for x in entry.records if isinstance(x, SyncRecord)]


def snapshot(journal: list[bytes]) -> list[bytes]:
    fold = Fold().take_all(records.each(journal))
    return [records.encode(entry) for entry in fold.entries()]


def killed_amid_the_sync(*, before: bool = True) -> Bench:
    """An outage with a fill in it; the engine is told a newer one, and dies before it has read the
    account. before: it knew a fill before the outage."""
    bench = Bench().start()
    bench.placed(quantity="100")
    if before:
        bench.deliver(bench.twin.fill("V1", 10.0))
    bench.up = False
    missed(bench, 20.0, after_s=10)
    bench.advance(300)
    second = bench.restart()
    second.held = []
    second.start()
    second.twin.now_ms = second.now // MS
    trade, _ = second.twin.fill("V1", 30.0)
    second.feed(c.VenueFrame(LINK, trade, second.now))
    assert quantities(second) == [D(30)]
    return second


@pytest.mark.parametrize("before", [True, False])
def test_row_04_a_newer_fill_does_not_hide_older_ones_from_the_next_start(before: bool):
    third = killed_amid_the_sync(before=before).restart().start()
    assert quantities(third) == [D(20)]


def test_row_04_nor_does_it_after_a_snapshot():
    second = killed_amid_the_sync()
    third = Bench(second.twin, snapshot(second.journal), 3, second.now).start()
    assert quantities(third) == [D(20)]


def test_row_04_nor_does_one_that_comes_before_the_login_is_answered():
    bench = Bench().start()
    bench.placed(quantity="100")
    bench.up = False
    missed(bench, 20.0, after_s=10)
    bench.advance(300)
    second = bench.restart()
    second.losing = True
    second.start()
    second.twin.now_ms = second.now // MS
    trade, _ = second.twin.fill("V1", 30.0)
    second.feed(c.VenueFrame(LINK, trade, second.now))
    assert quantities(second) == [D(30)]
    assert quantities(second.restart().start()) == [D(20)]


def test_the_journal_tells_up_to_when_fills_lack_none():
    bench = Bench().start()
    bench.placed(quantity="100")
    bench.deliver(bench.twin.fill("V1", 10.0))
    (filled,) = bench.fills()
    bench.cut()
    assert syncs(bench)[-1] == SyncRecord(False, filled.filled_ns)
    bench.connect()
    assert syncs(bench)[-1] == SyncRecord(True, filled.filled_ns)
    assert [sync.is_whole for sync in syncs(bench)] == [False, True, False, True]


def test_after_a_whole_life_only_what_came_after_its_last_fill_is_asked_for():
    bench = Bench().start()
    bench.placed(quantity="100")
    bench.advance(3600)
    bench.twin.now_ms = bench.now // MS
    bench.deliver(bench.twin.fill("V1", 10.0))
    last_ms = bench.fills()[-1].filled_ns // MS
    bench.twin.received.clear()
    bench.restart().start()
    asked = {params["start_timestamp"] for params in bench.twin.calls(TRADES)}
    assert asked == {last_ms - 60_000}


@pytest.mark.parametrize("at_once", [(), (2, 5)], ids=["apart", "pairs in one millisecond"])
def test_every_page_of_missed_fills_is_read_before_the_engine_is_ready(at_once: tuple[int, ...]):
    bench = Bench().start()
    bench.placed(quantity="100")
    bench.cut()
    bench.twin.page = 3
    for number in range(1, 8):
        missed(bench, float(number), after_s=0.0 if number in at_once else 1.0)
    bench.connect()
    assert quantities(bench) == [D(number) for number in range(1, 8)]
    assert bench.engine._state.is_ready
    assert syncs(bench)[-1].is_whole


def test_a_page_that_never_comes_leaves_the_account_unread():
    bench = Bench().start()
    bench.placed(quantity="100")
    bench.cut()
    bench.twin.page = 1
    missed(bench, 1.0, after_s=1)
    missed(bench, 2.0, after_s=1)
    bench.held = []
    bench.connect()
    answers, bench.held = bench.held, None
    bench.losing = True  # the second page is asked for and gets lost
    bench.deliver(answers)
    assert not bench.engine._state.is_ready and not syncs(bench)[-1].is_whole
    bench.losing = False
    bench.advance(5.1)
    assert bench.engine._state.is_ready and quantities(bench) == [D(1), D(2)]


def test_other_questions_do_not_stretch_the_reading_of_the_account() -> None:
    twin = QuoteTwin(T0 // MS)
    bench, answer = Bench(twin), twin.receive

    def lost_once(frame: bytes) -> list[bytes]:
        told = answer(frame)
        is_first = len(twin.calls("private/get_positions")) == 1
        return [] if is_first and b"positions" in frame else told

    twin.receive = lost_once  # type: ignore[method-assign]
    bench.start()
    bench.advance(2.5)
    bench.ask(m.QueryProtections())
    assert not bench.engine._state.is_ready
    bench.advance(1)
    assert len(twin.calls("private/get_positions")) == 2 and bench.engine._state.is_ready
