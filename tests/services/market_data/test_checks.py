"""Checks of quiet books against REST and tickers."""

from __future__ import annotations

from common.core import (
    HttpCall,
    HttpFailed,
    HttpReply,
)
from common.venues.streams import (
    RestBook,
)
from tests.services.market_data.kit import (
    MS,
    T0,
    Rig,
    S,
    published,
    quiet,
    running,
    sent,
    stale,
    ticker,
)


def reply(rig: Rig, rest: RestBook) -> list[object]:
    rig.reference.books[b"book"] = rest
    return rig.feed(HttpReply("book:x.A", 200, b"book", rig.now))


def test_a_quiet_book_that_agrees_is_proven_for_another_period():
    rig = running(check_every_s=10.0)
    assert [c for c in quiet(rig, 7) if isinstance(c, HttpCall)] == []
    calls = [c for c in quiet(rig, 2) if isinstance(c, HttpCall)]
    assert calls == [HttpCall("book:x.A", "GET", "http://x/book/x.A")]
    assert reply(rig, RestBook("x.A", [9.0, 1.0], [10.0, 2.0], 100, T0)) == []
    assert [c for c in quiet(rig, 7) if isinstance(c, HttpCall)] == []


def test_a_quiet_book_that_differs_is_stale_at_once():
    rig = running(check_every_s=10.0)
    quiet(rig, 9)
    commands = reply(rig, RestBook("x.A", [9.0, 1.5], [10.0, 2.0], 100, T0))
    assert published(commands) == stale("differs from the venue's REST book")
    assert sent(rig.later(5 * MS)) == ["unsub book:x.A"]


def test_a_frozen_channel_is_stale_within_the_period():
    rig = running(check_every_s=30.0)
    start = rig.now
    while not any(isinstance(c, HttpCall) for c in quiet(rig, 1)):
        pass
    assert reply(rig, RestBook("x.A", [9.5, 1.0], [10.0, 2.0], 140, T0)) == []
    commands = quiet(rig, 2)
    assert published(commands) == stale("its channel has stopped")
    assert rig.now - start <= 30 * S


def test_a_book_that_was_only_late_is_not_stale():
    rig = running(check_every_s=10.0)
    quiet(rig, 9)
    reply(rig, RestBook("x.A", [9.5, 1.0], [10.0, 2.0], 140, T0))
    rig.change("x.A", 100, 140, bids=[9.5, 1.0])
    rig.idle()
    assert published(quiet(rig, 2)) == []


def test_a_reply_older_than_the_book_proves_nothing():
    rig = running(check_every_s=10.0)
    quiet(rig, 9)
    assert reply(rig, RestBook("x.A", [8.0, 1.0], [10.0, 2.0], 90, T0)) == []
    assert published(quiet(rig, 2)) == []


def test_a_failed_check_is_told_and_made_again():
    rig = running(check_every_s=10.0)
    quiet(rig, 9)
    assert [c.text for c in rig.feed(HttpFailed("book:x.A", "timeout"))] == ["a REST call failed"]
    assert any(isinstance(c, HttpCall) for c in quiet(rig, 9))


def test_a_ticker_that_agrees_proves_the_book():
    rig = running(check_every_s=10.0)
    for _ in range(20):
        commands = quiet(rig, 1)
        assert not any(isinstance(c, HttpCall) for c in commands)
        rig.frame(ticker("x.A", 9.0, 10.0))


def test_a_ticker_that_differs_is_followed_up_soon():
    rig = running(check_every_s=30.0)
    quiet(rig, 2)
    rig.frame(ticker("x.A", 9.5, 10.0))
    assert any(isinstance(c, HttpCall) for c in quiet(rig, 1))


def test_an_empty_book_agrees_with_an_empty_reply():
    rig = Rig(check_every_s=10.0)
    rig.start()
    rig.run_book(bids=(), asks=())
    quiet(rig, 9)
    assert reply(rig, RestBook("x.A", [], [], 100, T0)) == []
