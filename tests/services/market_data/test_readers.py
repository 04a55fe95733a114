"""What readers make run, and what joiners get."""

from __future__ import annotations

import pytest

from common import messages as m
from common.core import (
    HttpCall,
    LinkUp,
    PublishSnapshot,
    Started,
)
from common.venues.streams import (
    FeedReady,
    StateReceived,
    StreamsStarted,
)
from tests.services.market_data.kit import (
    LINK,
    MS,
    STALE_QUOTE,
    T0,
    Rig,
    S,
    published,
    quiet,
    running,
    sent,
    stale,
)


@pytest.mark.parametrize("word", ["book", "depth", "quote"])
def test_one_reader_of_any_book_topic_starts_the_book(word):
    rig = Rig()
    rig.start()
    rig.read(f"{word}.x.A")
    assert sent(rig.later(5 * MS)) == ["sub book:x.A"]


def test_readers_that_join_together_share_a_call():
    rig = Rig()
    rig.start()
    for topic in ("book.x.A", "quote.x.A", "trade.x.B", "ticker.x.B", "index.x.a_b"):
        rig.read(topic)
    assert sent(rig.later(5 * MS)) == ["sub book:x.A trade:x.B ticker:x.B index:a_b"]


def test_topics_of_other_venues_and_other_words_start_nothing():
    rig = Rig()
    rig.start()
    for topic in ("book.y.A", "health.market_data.x", "order.x.main.-", "book", "index.x.a b"):
        assert rig.read(topic) == []
    assert rig.later(1 * S) == []


def test_an_unknown_instrument_starts_nothing_and_is_told():
    rig = Rig()
    rig.start()
    commands = rig.read("book.x.NOPE")
    assert [(c.level, c.fields) for c in commands] == [("WARNING", {"topic": "book.x.NOPE"})]
    assert rig.read("book.x.NOPE") == []  # told once
    assert sent(rig.later(1 * S)) == []


def test_an_unknown_instrument_starts_once_the_venue_lists_it():
    rig = Rig()
    rig.start()
    rig.read("book.x.NEW")
    rig.frame(StateReceived("x.NEW", None, T0))
    assert any(isinstance(c, HttpCall) for c in rig.later(3 * S))
    topics = [topic for topic, _ in published(rig.load("x.A", "x.NEW"))]
    assert topics == ["instrument.x.B", "instrument.x.NEW", "instruments.x", "book.x.NEW"]
    assert sent(rig.later(250 * MS)) == ["sub book:x.NEW"]


def test_readers_before_the_first_list_wait_for_it():
    rig = Rig()
    rig.feed(Started())
    assert rig.read("book.x.A") == []
    rig.load("x.A")
    rig.feed(LinkUp(LINK))
    assert sent(rig.frame(FeedReady(True))) == ["sub state: platform: book:x.A"]


def test_the_last_reader_leaves_and_after_a_while_the_stream_ends():
    rig = running(linger_s=3.0)
    rig.read("quote.x.A")
    rig.leave("book.x.A")
    assert published(quiet(rig, 4)) == []  # one still reads the quote
    rig.leave("quote.x.A")
    assert published(quiet(rig, 2)) == []
    commands = quiet(rig, 2)
    assert published(commands) == stale("nobody reads it")
    assert "unsub book:x.A" in sent(commands)


def test_a_reader_that_comes_back_finds_the_stream_running():
    rig = running(linger_s=5.0)
    rig.leave("book.x.A")
    rig.later(4 * S)
    snapshot = m.BookSnapshot("x.A", [9.0, 1.0], [10.0, 2.0])
    assert published(rig.read("book.x.A")) == [("book.x.A", snapshot)]
    rig.frame(StreamsStarted([], []))  # any frame: the link lives
    assert not any("unsub" in text for text in sent(rig.later(4 * S)))


def test_only_the_listed_instruments_are_ours():
    rig = Rig(instruments=["B"])
    rig.start()
    assert rig.read("book.x.A") == []
    rig.read("book.x.B")
    assert sent(rig.later(5 * MS)) == ["sub book:x.B"]


def test_joiners_get_snapshots_without_advancing_the_sequence():
    rig = running()
    for topic, message in (
        ("book.x.A", m.BookSnapshot("x.A", [9.0, 1.0], [10.0, 2.0])),
        ("depth.x.A", m.Depth("x.A", [9.0, 1.0], [10.0, 2.0])),
        ("quote.x.A", m.Quote("x.A", 9.0, 1.0, 10.0, 2.0)),
    ):
        assert rig.read(topic) == [PublishSnapshot(topic, message, 100, rig.now, rig.now)]


def test_a_joiner_in_mid_pass_gets_its_snapshot_after_the_delta():
    rig = running()
    rig.change("x.A", 100, 101, bids=[9.0, 4.0])
    commands = rig.read("book.x.A")
    assert published(commands)[0] == ("book.x.A", m.BookDelta("x.A", [9.0, 4.0], []))
    assert published(commands)[-1][1] == m.BookSnapshot("x.A", [9.0, 4.0], [10.0, 2.0])
    assert rig.idle() == []


def test_a_joiner_of_a_book_that_is_not_there_yet_is_told_so():
    rig = Rig()
    rig.start()
    assert published(rig.read("book.x.A")) == [
        ("book.x.A", m.BookStale("x.A", "waiting for the venue"))
    ]
    assert published(rig.read("quote.x.A")) == [("quote.x.A", STALE_QUOTE)]


def test_the_list_of_instruments_comes_in_parts_of_500():
    rig = Rig(*(f"x.I{number:04}" for number in range(1201)))
    rig.start()
    parts = [message for _, message in published(rig.read("instruments.x"))]
    assert [(p.part, p.parts, len(p.instruments)) for p in parts] == [
        (0, 3, 500),
        (1, 3, 500),
        (2, 3, 201),
    ]
    (topic, one), *_ = published(rig.read("instrument.x.I0007"))
    assert (topic, one.instrument) == ("instrument.x.I0007", "x.I0007")
