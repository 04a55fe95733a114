"""Scripts of events and the exact commands that market_data answers with."""

from __future__ import annotations

import random

import pytest

from common import messages as m
from common.core import (
    Alert,
    HttpCall,
    HttpFailed,
    HttpReply,
    LinkClose,
    LinkDown,
    LinkOpen,
    LinkSend,
    LinkUp,
    Publish,
    PublishSnapshot,
    SetState,
    Started,
    Stopping,
    VenueFrame,
)
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    CallFailed,
    FeedReady,
    FrameToSend,
    IndexReceived,
    RestBook,
    StateReceived,
    StreamsStarted,
    StreamsStopped,
    TickerReceived,
    TradeReceived,
    VenueState,
)
from tests.services.market_data_kit import (
    LINK,
    MS,
    PLATFORM,
    STATE,
    T0,
    URL,
    Rig,
    S,
    book,
    published,
    sent,
    states,
)

STALE_DEPTH = m.Depth("x.A", [], [], True)
STALE_QUOTE = m.Quote("x.A", None, 0.0, None, 0.0, True)


def stale(reason: str) -> list[tuple[str, m.Event]]:
    """What is published of x.A, in this order, when it becomes stale."""
    return [
        ("book.x.A", m.BookStale("x.A", reason)),
        ("depth.x.A", STALE_DEPTH),
        ("quote.x.A", STALE_QUOTE),
    ]


def ticker(name: str, bid: float | None, ask: float | None) -> TickerReceived:
    message = m.Ticker(name, 9.5, 9.5, 9.5, bid_price=bid, ask_price=ask)
    return TickerReceived(message, 1.0, 2.0, T0)


def running(**settings: object) -> Rig:
    rig = Rig(**settings)
    rig.start()
    rig.run_book()
    return rig


# --- start ---------------------------------------------------------------------------------------


def test_start_opens_a_link_and_asks_for_instruments():
    rig = Rig()
    commands = rig.feed(Started())
    assert commands[-1] == SetState("starting", "the venue's instruments are not loaded")
    assert LinkOpen(LINK, URL) in commands
    assert HttpCall("instruments", "GET", "http://x/instruments") in commands


def test_ready_when_link_instruments_and_always_on_books_are_there():
    rig = Rig(always_on=["A"])
    assert states(rig.feed(Started())) == ["starting"]
    rig.load("x.A", "x.B")
    assert rig.feed(LinkUp(LINK))[0] == LinkSend(LINK, b"hello")
    assert sent(rig.frame(FeedReady(True))) == ["sub state: platform: book:x.A"]
    rig.frame(StreamsStarted([STATE, PLATFORM, book("x.A")], []))
    rig.frame(BookReset("x.A", [9.0, 1.0], [10.0, 2.0], 100, T0))
    rig.idle()
    assert rig.later(250 * MS)[-1] == SetState("ready", "")


def test_frames_of_the_session_are_sent_at_once():
    rig = running()
    assert rig.frame(FrameToSend(b"pong")) == [LinkSend(LINK, b"pong")]


def test_failed_login_is_told_and_data_goes_on():
    rig = Rig()
    rig.feed(Started())
    rig.load("x.A")
    rig.feed(LinkUp(LINK))
    commands = rig.frame(FeedReady(False, "login refused: invalid_credentials (13004)"))
    assert [c.fields["problem"] for c in commands if isinstance(c, Alert)] == [
        "login refused: invalid_credentials (13004)"
    ]
    assert sent(commands) == ["sub state: platform:"]
    assert commands[-1] == SetState("ready", "login refused: invalid_credentials (13004)")


def test_instruments_that_do_not_come_are_asked_for_again():
    rig = Rig()
    rig.feed(Started())
    assert isinstance(rig.feed(HttpFailed("instruments", "refused"))[0], Alert)
    assert [c.call_id for c in rig.later(1 * S) if isinstance(c, HttpCall)] == ["instruments"]
    rig.feed(HttpReply("instruments", 502, b"<html>", rig.now))
    assert any(isinstance(c, HttpCall) for c in rig.later(1 * S))


def test_stopping_publishes_what_was_held_back():
    rig = running()
    rig.change("x.A", 100, 101, bids=[9.0, 4.0])
    commands = rig.feed(Stopping())
    assert published(commands)[0] == ("book.x.A", m.BookDelta("x.A", [9.0, 4.0], []))
    assert commands[-1] == SetState("stopping")


# --- demand --------------------------------------------------------------------------------------


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


# --- joiners -------------------------------------------------------------------------------------


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


# --- books ---------------------------------------------------------------------------------------


def test_a_new_book_is_published_whole_at_the_end_of_the_pass():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    rig.later(5 * MS)
    rig.frame(StreamsStarted([book("x.A")], []))
    assert rig.frame(BookReset("x.A", [8.0, 1.0, 9.0, 1.0], [10.0, 2.0], 7, T0)) == []
    at = rig.now
    bids = [9.0, 1.0, 8.0, 1.0]
    assert rig.idle() == [
        Publish("book.x.A", m.BookSnapshot("x.A", bids, [10.0, 2.0]), 7, T0, at),
        Publish("depth.x.A", m.Depth("x.A", bids, [10.0, 2.0]), 7, T0, at),
        Publish("quote.x.A", m.Quote("x.A", 9.0, 1.0, 10.0, 2.0), 7, T0, at),
    ]


def test_changes_of_one_pass_become_one_delta():
    rig = running()
    assert rig.change("x.A", 100, 105, bids=[9.0, 3.0], asks=[11.0, 1.0]) == []
    assert rig.change("x.A", 105, 106, bids=[8.5, 3.0, 9.0, 5.0], asks=[11.0, 0.0]) == []
    delta, depth, quote = rig.idle()
    assert delta.message == m.BookDelta("x.A", [9.0, 5.0, 8.5, 3.0], [11.0, 0.0])
    assert delta.venue_sequence == depth.venue_sequence == quote.venue_sequence == 106
    assert rig.idle() == []


def test_depth_and_quote_are_published_on_change_only():
    rig = running()
    rig.change("x.A", 100, 101, bids=[5.0, 1.0])
    assert [topic for topic, _ in published(rig.idle())] == ["book.x.A", "depth.x.A"]
    rig.change("x.A", 101, 102, bids=[5.0, 1.0])
    assert [topic for topic, _ in published(rig.idle())] == ["book.x.A"]


def test_a_gap_is_told_before_anything_else_and_only_that_book_is_fetched_anew():
    rig = running()
    rig.run_book("x.B")
    rig.change("x.A", 100, 101, bids=[9.0, 7.0])  # of the same pass: not to be published any more
    commands = rig.change("x.A", 102, 103, bids=[9.0, 8.0])
    assert published(commands) == stale("x.A: expected 101, received 102")
    assert rig.change("x.A", 103, 104, bids=[9.0, 9.0]) == []
    assert rig.idle() == []
    rig.change("x.B", 100, 101, bids=[9.0, 6.0])
    assert [topic for topic, _ in published(rig.idle())][0] == "book.x.B"

    calls = rig.later(5 * MS)
    assert sent(calls) == ["unsub book:x.A"]
    rig.answer_calls(calls)
    calls = rig.later(5 * MS)
    assert sent(calls) == ["sub book:x.A"]
    rig.answer_calls(calls)
    rig.frame(BookReset("x.A", [9.0, 2.0], [10.0, 2.0], 200, T0))
    assert published(rig.idle()) == [
        ("book.x.A", m.BookSnapshot("x.A", [9.0, 2.0], [10.0, 2.0])),
        ("depth.x.A", m.Depth("x.A", [9.0, 2.0], [10.0, 2.0])),
        ("quote.x.A", m.Quote("x.A", 9.0, 2.0, 10.0, 2.0)),
    ]


def test_a_frame_that_cannot_be_taken_resyncs_its_book():
    rig = running()
    commands = rig.frame(BookUnusable("x.A", "price 0"))
    assert published(commands) == stale("a frame that cannot be taken: price 0")
    assert sent(rig.later(5 * MS)) == ["unsub book:x.A"]


def test_a_venue_that_restarts_a_book_by_itself_replaces_it():
    rig = running()
    rig.frame(BookReset("x.A", [5.0, 1.0], [], 3, T0))
    assert published(rig.idle())[0][1] == m.BookSnapshot("x.A", [5.0, 1.0], [])


@pytest.mark.parametrize("bid", [10.0, 10.5])
def test_a_crossed_or_locked_book_is_stale_at_once(bid):
    rig = running()
    rig.change("x.A", 100, 101, bids=[bid, 1.0])
    assert published(rig.idle()) == stale("crossed")
    rig.change("x.A", 101, 102, asks=[11.0, 1.0])
    assert rig.idle() == []  # still crossed
    calls = rig.later(750 * MS)
    assert sent(calls) == ["unsub book:x.A"]


def test_a_crossed_book_that_rights_itself_comes_back_whole():
    rig = running()
    rig.change("x.A", 100, 101, bids=[10.0, 1.0])
    rig.idle()
    rig.change("x.A", 101, 102, bids=[10.0, 0.0])
    assert published(rig.idle())[0][1] == m.BookSnapshot("x.A", [9.0, 1.0], [10.0, 2.0])
    assert sent(rig.later(1 * S)) == []


def test_a_book_whose_first_message_never_comes_is_asked_for_again():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    rig.later(5 * MS)
    rig.frame(StreamsStarted([book("x.A")], []))
    calls = []
    for _ in range(6):
        calls += sent(rig.later(1 * S))
        rig.frame()
    assert "unsub book:x.A" in calls


# --- other data ----------------------------------------------------------------------------------


def test_trades_tickers_and_indices_are_passed_on_with_their_times():
    rig = running()
    trade = m.Trade("x.A", 9.5, 1.0, m.Side.BUY, "1")
    index = m.IndexPrice("x", "a_b", 9.4)
    told = ticker("x.A", 9.0, 10.0)
    commands = rig.frame(TradeReceived(trade, 77, T0 + 1), told, IndexReceived(index, T0 + 3))
    assert commands == [
        Publish("trade.x.A", trade, 77, T0 + 1, rig.now),
        Publish("ticker.x.A", told.message, 0, T0, rig.now),
        Publish("index.x.a_b", index, 0, T0 + 3, rig.now),
    ]
    assert rig.read("ticker.x.A") == [PublishSnapshot("ticker.x.A", told.message, 0, T0)]
    assert rig.read("index.x.a_b") == [PublishSnapshot("index.x.a_b", index, 0, T0 + 3)]
    assert rig.read("trade.x.A") == []


def test_an_instrument_that_expires_takes_its_book_along():
    rig = running()
    commands = rig.frame(StateReceived("x.A", m.InstrumentStatus.EXPIRED, T0))
    state = m.InstrumentState("x.A", m.InstrumentStatus.EXPIRED)
    assert published(commands) == [("instrument.x.A", state), *stale("expired")]
    assert sent(rig.later(250 * MS)) == ["unsub book:x.A"]


def test_a_state_that_is_no_news_is_not_told():
    rig = running()
    halted = StateReceived("x.A", m.InstrumentStatus.HALTED, T0)
    assert len(published(rig.frame(halted))) == 1
    assert rig.frame(halted) == []


def test_an_instrument_that_left_the_list_has_expired():
    rig = running()
    topics = [topic for topic, _ in published(rig.load("x.B"))]
    assert topics[0] == "instrument.x.A"
    assert "instruments.x" in topics
    assert sent(rig.later(250 * MS)) == ["unsub book:x.A"]


def test_an_instrument_that_comes_back_to_the_list_runs_again_for_its_readers():
    rig = running()
    rig.load("x.B")
    rig.answer_calls(rig.later(250 * MS))
    rig.load("x.A", "x.B")
    assert "sub book:x.A" in sent(rig.later(250 * MS))


def test_an_empty_list_is_not_believed():
    rig = running()
    assert [c.text for c in rig.load()] == ["a REST call failed"]
    assert published(rig.read("book.x.A"))[0][1] == m.BookSnapshot("x.A", [9.0, 1.0], [10.0, 2.0])


def test_the_list_is_refreshed_hourly():
    rig = running(check_every_s=1e6, data_timeout_s=1e6)
    calls = [c for c in rig.later(3601 * S) if isinstance(c, HttpCall)]
    assert [call.call_id for call in calls] == ["instruments"]
    assert published(rig.load(*rig.names)) == []  # nothing new, nothing told


def test_maintenance_makes_everything_stale_and_its_end_fetches_it_anew():
    rig = running()
    closed = rig.frame(VenueState(False, "the venue is in maintenance"))
    assert published(closed) == stale("the venue is in maintenance")
    assert states(closed) == ["degraded"]
    opened = rig.frame(VenueState(True, "maintenance is over"))
    assert states(opened) == ["ready"]
    assert sent(rig.later(5 * MS)) == ["unsub book:x.A"]


# --- links ---------------------------------------------------------------------------------------


def test_a_link_that_goes_down_makes_its_books_stale_and_comes_back_from_nothing():
    rig = running()
    commands = rig.feed(LinkDown(LINK, "reset"))
    assert published(commands) == stale("link down: reset")
    assert states(commands) == ["degraded"]
    assert rig.later(250 * MS) == [LinkOpen(LINK, URL)]
    rig.feed(LinkUp(LINK))
    commands = rig.frame(FeedReady(True))
    assert sent(commands) == ["sub state: platform: book:x.A"]
    assert states(commands) == ["ready"]
    rig.frame(StreamsStarted([STATE, PLATFORM, book("x.A")], []))
    assert rig.change("x.A", 100, 101, bids=[9.0, 5.0]) == []  # of before: not taken
    assert rig.idle() == []
    rig.frame(BookReset("x.A", [9.0, 6.0], [], 300, T0))
    assert published(rig.idle())[0][1] == m.BookSnapshot("x.A", [9.0, 6.0], [])


def test_reconnects_wait_longer_and_longer_up_to_30_seconds():
    rig = Rig()
    rig.feed(Started())
    waits = []
    for _ in range(12):
        wakes = [
            c.ns for c in rig.core.handle(LinkDown(LINK, "refused"), rig.now) if hasattr(c, "ns")
        ]
        waits.append((wakes[0] - rig.now) / S)
        rig.now = wakes[0]
        assert LinkOpen(LINK, URL) in rig.core.on_time(rig.now)
    assert waits[:4] == [0.05, 0.1, 0.2, 0.4]
    assert max(waits) == waits[-1] == 15.0


@pytest.mark.parametrize("by_us", [True, False])
def test_a_link_that_was_up_for_long_comes_back_soon(by_us):
    rig = Rig(data_timeout_s=4.0)
    rig.feed(Started())
    for _ in range(8):
        rig.feed(LinkDown(LINK, "refused"))
        rig.now += 30 * S
        assert LinkOpen(LINK, URL) in rig.core.on_time(rig.now)
    rig.feed(LinkUp(LINK))
    rig.frame(FeedReady(True))
    rig.frame(StreamsStarted([STATE, PLATFORM], []))
    quiet(rig, 11)
    if by_us:
        assert any(isinstance(c, LinkClose) for c in rig.later(5 * S))
    rig.feed(LinkDown(LINK, "gone"))
    assert LinkOpen(LINK, URL) in rig.later(250 * MS)


def test_a_silent_link_is_probed_then_closed():
    rig = running(data_timeout_s=4.0)
    assert sent(rig.later(2 * S)) == ["probe"]
    rig.frame()
    assert sent(rig.later(2 * S)) == ["probe"]
    commands = rig.later(2 * S)
    assert published(commands) == stale("link closed: silent for 4 s")
    assert LinkClose(LINK, "silent for 4 s") in commands
    rig.feed(LinkDown(LINK, "silent for 4 s"))
    assert rig.later(250 * MS) == [LinkOpen(LINK, URL)]


def test_after_a_pause_of_our_own_nobody_is_judged_at_once():
    rig = running(data_timeout_s=4.0)
    rig.now += 60 * S
    commands = rig.core.on_time(rig.now)
    assert not any(isinstance(c, LinkClose) for c in commands)
    assert any(isinstance(c, LinkClose) for c in rig.later(4 * S))


def test_a_call_without_an_answer_closes_the_link():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    commands = []
    for _ in range(11):
        commands += rig.later(1 * S)
        rig.frame()
    assert LinkClose(LINK, "an answer is overdue") in commands


def test_a_refused_stream_is_told_and_left_alone_until_the_list_changes():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    rig.later(5 * MS)
    commands = rig.frame(StreamsStarted([], [book("x.A")]))
    assert [c.text for c in commands] == ["the venue refuses a stream"]
    assert "sub book:x.A" not in sent(rig.later(2 * S))
    rig.load("x.A", "x.B", "x.C")
    assert "sub book:x.A" in sent(rig.later(1 * S))


def test_a_refused_call_is_made_again_after_a_while():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    rig.later(5 * MS)
    rig.frame(CallFailed([book("x.A")], "raw_subscriptions_not_available (13778)"))
    assert sent(rig.later(500 * MS)) == []
    assert sent(rig.later(1 * S)) == ["sub book:x.A"]


def test_frames_that_cannot_be_read_are_told_now_and_then_and_too_many_close_the_link():
    rig = running()
    frame = VenueFrame(LINK, b"\xff", rig.now)
    assert [c.text for c in rig.feed(frame)] == ["a frame that cannot be read"]
    rest = [command for _ in range(99) for command in rig.feed(frame)]
    assert rest[-1] == LinkClose(LINK, "too many frames that cannot be read")
    told = [c.text for c in rest if isinstance(c, Alert)]
    assert told == ["a frame that cannot be read"] * 2 + ["closing a link"]
    rig.now += S
    rig.feed(LinkDown(LINK, "closed"))


def test_frames_of_unknown_and_closed_links_are_nothing():
    rig = running()
    assert rig.feed(VenueFrame("x.public.9", b"f", rig.now)) == []
    rig.feed(LinkDown(LINK, "gone"))
    assert rig.feed(VenueFrame(LINK, b"f", rig.now)) == []
    assert rig.feed(LinkDown("x.public.9", "gone")) == []


# --- many ----------------------------------------------------------------------------------------


def test_several_hundred_instruments_share_links_and_keep_the_venue_s_pace():
    names = [f"x.I{number:03}" for number in range(700)]
    rig = Rig(*names, channels_per_link=300)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    commands = rig.later(5 * MS)
    opened = [c.link for c in commands if isinstance(c, LinkOpen)]
    assert opened == ["x.public.1", "x.public.2"]
    assert states(commands) == []  # more links are no trouble
    for link in opened:
        commands += rig.feed(LinkUp(link))
        commands += rig.frame(FeedReady(True), link=link)
    commands += rig.later(2 * S)
    calls = [text.split()[1:] for text in sent(commands) if text.startswith("sub")]
    assert [len(call) for call in calls] == [298, 300, 102]
    assert sorted(word for call in calls for word in call) == [f"book:{name}" for name in names]
    rig.answer_calls(commands)
    for number, name in enumerate(names):
        link = f"x.public.{min(2, (number + 2) // 300)}"
        rig.frame(BookReset(name, [9.0, 1.0], [10.0, 1.0], 1, T0), link=link)
    assert len(published(rig.idle())) == 3 * 700

    lost = rig.feed(LinkDown("x.public.1", "reset"))
    assert len([1 for topic, _ in published(lost) if topic.startswith("book.")]) == 300


def test_links_are_overfilled_rather_than_more_than_the_venue_allows():
    names = [f"x.I{number}" for number in range(20)]
    rig = Rig(*names, channels_per_link=3)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    opened = [c.link for c in rig.later(5 * MS) if isinstance(c, LinkOpen)]
    assert opened == ["x.public.1", "x.public.2"]


def test_a_venue_that_asks_for_quiet_gets_it():
    rig = Rig()
    rig.start()
    rig.read("book.x.A")
    rig.later(5 * MS)
    rig.frame(CallFailed([book("x.A")], "too_many_requests (10028)", 5.0))
    rig.feed(LinkDown(LINK, "closed by the venue"))
    assert rig.later(4500 * MS) == []
    assert rig.later(1 * S) == [LinkOpen(LINK, URL)]


def test_a_stream_that_still_runs_from_before_begins_anew_for_a_new_reader():
    rig = running(linger_s=0.0)
    rig.leave("book.x.A")
    for command in rig.core.on_time(rig.now + 250 * MS):
        assert not isinstance(command, LinkSend) or b"unsub" in command.payload
    rig.read("book.x.A")
    calls = rig.later(5 * MS)
    rig.frame(StreamsStopped([book("x.A")]))
    assert "sub book:x.A" in sent(calls + rig.later(250 * MS))


def test_a_burst_of_resyncs_keeps_the_pace():
    names = [f"x.I{number:02}" for number in range(40)]
    rig = Rig(*names)
    rig.start()
    for name in names:
        rig.run_book(name)
        rig.now += S
    sent_at: list[int] = []
    for name in names:
        rig.change(name, 999, 1000)
        for command in rig.later(50 * MS):
            if isinstance(command, LinkSend) and b"sub" in command.payload:
                sent_at.append(rig.now)
                rig.answer_calls([command])
    seconds = (sent_at[-1] - sent_at[0]) / S
    assert len(sent_at) <= 5 + 3 * seconds + 1


def test_a_link_with_nothing_left_to_carry_is_closed():
    names = [f"x.I{number}" for number in range(4)]
    rig = Rig(*names, channels_per_link=3, linger_s=1.0)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    rig.later(5 * MS)
    rig.feed(LinkUp("x.public.1"))
    rig.frame(FeedReady(True), link="x.public.1")
    for name in names[1:]:
        rig.leave(f"book.{name}")
    rig.frame()
    commands = rig.later(2 * S)
    assert LinkClose("x.public.1", "nothing left to carry") in commands
    rig.feed(LinkDown("x.public.1", "closed"))
    assert not any(isinstance(c, LinkOpen) for c in rig.later(2 * S))


# --- checks of quiet books -----------------------------------------------------------------------


def quiet(rig: Rig, seconds: int) -> list[object]:
    """Time passes on a live link."""
    out = []
    for _ in range(seconds):
        out += rig.later(1 * S)
        rig.frame()
    return out


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


# --- never wrong ---------------------------------------------------------------------------------


class Venue:
    """One book that changes at random, and what it was at each sequence."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sides = ({9.0: 1.0}, {10.0: 2.0})
        self.sequence = 100
        self.history = {}

    def change(self) -> BookChange:
        rng = self.rng
        number = rng.randint(0, 1)
        price = 9.0 - rng.randint(0, 5) if number == 0 else 10.0 + rng.randint(0, 5)
        quantity = float(rng.choice([0, 1, 2, 3]))
        self.sides[number][price] = quantity
        if not quantity:
            del self.sides[number][price]
        previous, self.sequence = self.sequence, self.sequence + rng.randint(1, 3)
        self.history[self.sequence] = tuple(dict(side) for side in self.sides)
        flat = [[], []]
        flat[number] = [price, quantity]
        return BookChange("x.A", *flat, previous, self.sequence, T0)

    def whole(self) -> BookReset:
        bids, asks = ([n for level in side.items() for n in level] for side in self.sides)
        return BookReset("x.A", bids, asks, self.sequence, T0)


def test_whatever_is_lost_no_reader_ever_holds_a_wrong_book():
    """A venue whose messages are lost and doubled; a reader that follows the bus."""
    rng = random.Random(11)
    rig, venue = running(), Venue(rng)
    reader, checked = ({9.0: 1.0}, {10.0: 2.0}), 0
    for _ in range(5000):
        commands = rig.later(5 * MS)
        change = venue.change()
        if rng.random() > 0.004:
            commands += rig.frame(*[change] * rng.choice([1, 1, 1, 2]))
        for call in [c for c in commands if isinstance(c, LinkSend)]:
            commands += rig.answer_calls([call])
            if call.payload.startswith(b"sub"):
                commands += rig.frame(venue.whole())
        if rng.random() < 0.7:
            commands += rig.idle()
        told = [c for c in commands if isinstance(c, Publish) and c.topic == "book.x.A"]
        for command in told:
            reader = follow(reader, command.message)
            assert reader is None or reader == venue.history[command.venue_sequence]
            checked += reader is not None
    assert checked > 2000


def follow(reader, message):
    if isinstance(message, m.BookStale):
        return None
    if isinstance(message, m.BookSnapshot):
        reader = ({}, {})
    assert reader is not None
    for side, flat in zip(reader, (message.bids, message.asks), strict=True):
        for price, quantity in zip(flat[::2], flat[1::2], strict=True):
            if quantity:
                side[price] = quantity
            else:
                side.pop(price, None)
    return reader
