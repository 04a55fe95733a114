"""Cancels of many orders while the disk hangs: what the venue knows goes at once."""

from __future__ import annotations

import json

from common import core as c, messages as m
from common.messages import OrderStatus as S
from tests.services.trading_engine import test_quotes as quotes
from tests.services.trading_engine.kit import Bench, place
from tests.services.trading_engine.quote_twin import QuoteTwin

WAITS = (c.LinkSend, c.Reply)


class HungBench(quotes.QuoteBench):
    """With a disk that may hang: what stands behind a record waits, as in the shell."""

    hangs = False
    waiting: list[c.CoreCommand]

    def _execute(self, commands: list[c.CoreCommand]) -> None:
        first = next((i for i, x in enumerate(commands) if isinstance(x, c.Journal)), None)
        if not self.hangs or first is None:
            super()._execute(commands)
            return
        behind = [x for x in commands[first:] if isinstance(x, WAITS)]
        self.waiting += behind
        super()._execute([x for x in commands if not any(x is each for each in behind)])

    def hang(self) -> HungBench:
        self.hangs, self.waiting = True, []
        return self

    def recover(self) -> None:
        self.hangs = False
        waiting, self.waiting = self.waiting, []
        super()._execute(waiting)

    def methods_waiting(self) -> list[str]:
        frames = [x.payload for x in self.waiting if isinstance(x, c.LinkSend)]
        return [json.loads(frame)["method"] for frame in frames]


def placed_and_hung() -> HungBench:
    bench = HungBench()
    bench.start()
    for _ in range(3):
        bench.placed()
    return bench.hang()


def test_row_79_a_cancel_of_all_known_orders_does_not_wait_for_a_hung_disk() -> None:
    bench = placed_and_hung()
    bench.ask(m.CancelAll(), "all")
    assert bench.twin.open_ids == [] and bench.methods_waiting() == []
    bench.recover()
    (reply,) = bench.replies("all")
    assert reply.accepted and len(reply.results) == 3


def test_row_79_an_order_that_waits_for_the_disk_does_not_hold_back_the_cancel_of_others() -> None:
    bench = placed_and_hung()
    bench.ask(place("48000"), "new")
    assert bench.methods_waiting() == ["private/buy"]
    bench.ask(m.CancelAll(), "all")
    assert bench.twin.open_ids == []
    assert bench.methods_waiting() == ["private/buy", "private/cancel_all"]
    bench.recover()
    assert bench.twin.open_ids == [] and len(bench.twin.orders) == 4
    (reply,) = bench.replies("all")
    assert reply.accepted and {result.orders[0].status for result in reply.results} == {S.CANCELED}


def test_without_budget_for_a_second_call_each_is_cancelled_behind_the_disk() -> None:
    bench = placed_and_hung()
    bench.ask(place("48000"), "new")
    pacer = bench.engine._state.pacer
    while pacer.ready_ns(bench.now, is_cancel=True, ahead=1) <= bench.now:
        pacer.spent(bench.now)
    bench.ask(m.CancelAll(), "all")
    assert bench.twin.open_ids == []
    assert bench.methods_waiting() == ["private/buy"]
    bench.advance(0.1)
    assert bench.methods_waiting() == ["private/buy", "private/cancel_by_label"]
    bench.recover()
    assert bench.twin.open_ids == [] and bench.replies("all")[0].accepted


def test_orders_of_which_none_is_known_get_one_call_behind_the_disk() -> None:
    bench = HungBench()
    bench.start()
    bench.hang()
    for price in ("49000", "48000"):
        bench.ask(place(price))
    bench.ask(m.CancelAll(), "all")
    assert bench.methods_waiting() == ["private/buy", "private/buy", "private/cancel_all"]
    bench.recover()
    assert bench.twin.open_ids == [] and bench.replies("all")[0].accepted


def test_row_79_quotes_that_the_venue_knows_are_cancelled_at_once() -> None:
    bench = HungBench(QuoteTwin(quotes.T0 // quotes.MS), on_disconnect="cancel")
    bench.start()
    assert bench.asked(quotes.SETTINGS).accepted
    quotes.quoted(bench)
    bench.hang()
    bench.ask(quotes.quote(quotes.entry("48000", "52000"), mmp_group="mm2"), "more")
    bench.ask(m.CancelQuotes(), "all")
    assert bench.twin.open_ids == []
    bench.recover()
    assert bench.twin.open_ids == [] and bench.replies("all")[0].results


def test_row_77_a_failed_disk_is_no_reason_to_wait() -> None:
    bench = placed_and_hung()
    bench.feed(c.JournalFailed("no space left"))
    bench.ask(m.CancelAll(), "all")
    assert bench.twin.open_ids == [] and bench.replies("all")[0].accepted


def test_row_78_a_disk_that_cannot_be_trusted_cancels_whatever_the_budget_is() -> None:
    bench = placed_and_hung()
    pacer = bench.engine._state.pacer
    while pacer.take(bench.now, is_cancel=True):
        pass
    bench.feed(c.JournalFailed("I/O error", is_final=True))
    assert bench.twin.open_ids == []


def test_a_cancel_of_all_that_knows_no_order_is_sent_all_the_same() -> None:
    bench = Bench().start()
    assert bench.asked(m.CancelAll()).accepted
    assert "private/cancel_all" in bench.sent()
