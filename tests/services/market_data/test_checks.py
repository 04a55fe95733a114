"""Checks of quiet books against REST and tickers."""

from __future__ import annotations

from common.core import (
    HttpCall,
    HttpFailed,
    HttpReply,
)
from common.venues.streams import (
    BookReset,
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


def test_row_46_a_frozen_channel_is_stale_within_the_period():
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


def test_many_quiet_books_are_checked_at_a_pace_the_venue_bears():
    names = [f"x.I{number:02}" for number in range(60)]
    rig = Rig(*names, check_every_s=10.0)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    rig.answer_calls(rig.later(5 * MS))
    rig.frame(*(BookReset(name, [9.0, 1.0], [10.0, 2.0], 100, T0) for name in names))
    rig.idle()
    asked: list[str] = []
    for _ in range(4 * 18):
        rig.frame()
        for call in [c for c in rig.later(250 * MS) if isinstance(c, HttpCall)]:
            asked.append(call.call_id)
            rig.reference.books[b"book"] = RestBook("x", [9.0, 1.0], [10.0, 2.0], 100, T0)
            rig.feed(HttpReply(call.call_id, 200, b"book", rig.now))
    assert 55 <= len(asked) <= 62  # from 8 s to 18 s
    assert len(set(asked)) >= 55  # the oldest proof first, so nobody is left out


def test_replies_for_books_that_nobody_wants_any_more_do_not_block_the_others():
    names = [f"x.I{number:02}" for number in range(20)]
    rig = Rig(*names, check_every_s=10.0, linger_s=0.0)
    rig.start()
    for name in names[:-1]:
        rig.run_book(name)
    calls = [c for c in quiet(rig, 10) if isinstance(c, HttpCall)]
    assert 6 <= len(calls) <= 19
    for name in names[:-1]:
        rig.leave(f"book.{name}")
    quiet(rig, 1)
    for number, call in enumerate(calls):
        body = b"book" if number % 2 else b"nonsense"
        rig.reference.books[b"book"] = RestBook("x", [], [], 100, T0)
        rig.feed(HttpReply(call.call_id, 200, body, rig.now))
    rig.run_book(names[-1])
    assert any(isinstance(c, HttpCall) for c in quiet(rig, 10))
