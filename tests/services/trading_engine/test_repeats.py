"""A repeated request and the disk: no answer leaves before the first one is on disk."""

from __future__ import annotations

from common import core as c
from tests.services.trading_engine.kit import Bench, place


def test_a_repeated_answer_waits_for_the_journal_as_the_first_one_did() -> None:
    bench = Bench().start()
    command = place()
    bench.ask(command, request_id="same")
    before = len(bench.commands)
    bench.ask(command, request_id="same")
    kinds = [type(each) for each in bench.commands[before:]]
    assert kinds.index(c.Journal) < kinds.index(c.Reply)


def test_an_answer_that_was_repeated_is_the_same_after_a_restart() -> None:
    bench = Bench().start()
    command = place()
    for _ in range(2):
        bench.ask(command, request_id="same")
    (first, second) = bench.replies("same")
    again = bench.restart().start()
    again.ask(command, request_id="same")
    assert again.replies("same") == [first] == [second]
    assert len(again.twin.orders) == 1
