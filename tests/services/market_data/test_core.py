"""Start, stop, and what is passed on as it comes."""

from __future__ import annotations

from time import perf_counter

import msgspec

from common import messages as m
from common.core import (
    Alert,
    HttpCall,
    HttpFailed,
    HttpReply,
    LinkOpen,
    LinkSend,
    LinkUp,
    Publish,
    PublishSnapshot,
    SetState,
    Started,
    Stopping,
)
from common.venues.streams import (
    BookReset,
    FeedReady,
    FrameToSend,
    IndexReceived,
    StateReceived,
    StreamsStarted,
    TradeReceived,
    VenueState,
)
from tests import figures
from tests.services.market_data.kit import (
    LINK,
    MS,
    PLATFORM,
    STATE,
    T0,
    URL,
    Rig,
    S,
    book,
    definition,
    published,
    running,
    sent,
    stale,
    states,
    ticker,
)


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
    assert rig.feed(HttpFailed("instruments", "refused")) == []
    assert [c.call_id for c in rig.later(1 * S) if isinstance(c, HttpCall)] == ["instruments"]
    rig.feed(HttpReply("instruments", 502, b"<html>", rig.now))
    assert any(isinstance(c, HttpCall) for c in rig.later(1 * S))


def test_stopping_publishes_what_was_held_back():
    rig = running()
    rig.change("x.A", 100, 101, bids=[9.0, 4.0])
    commands = rig.feed(Stopping())
    assert published(commands)[0] == ("book.x.A", m.BookDelta("x.A", [9.0, 4.0], []))
    assert commands[-1] == SetState("stopping")


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


def test_row_42_an_instrument_that_expires_takes_its_book_along():
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


LISTS = (m.InstrumentDefinition, m.InstrumentList)


def listed_in(message: m.InstrumentDefinition | m.InstrumentList) -> list[m.InstrumentDefinition]:
    return [message] if isinstance(message, m.InstrumentDefinition) else message.instruments


def test_row_51_five_hundred_new_instruments_at_once_stall_nobody():
    rig = running()
    names = [f"x.N{number:03}" for number in range(500)]
    begun = perf_counter()
    told = published(rig.load(*rig.names, *names))
    took_ms = (perf_counter() - begun) * 1000
    listed = [item.instrument for _, x in told if isinstance(x, LISTS) for item in listed_in(x)]
    assert set(names) <= set(listed)
    rig.read(f"book.{names[7]}")
    assert f"sub book:{names[7]}" in sent(rig.later(250 * MS))
    assert published(rig.change("x.A", 100, 101, bids=[9.0, 4.0]) + rig.idle())
    what = "500 instruments at once, one pass of the loop"
    figures.note("P14", what, "50 ms", f"{took_ms:.0f} ms", took_ms <= 50, row=51)


def test_an_empty_list_is_not_believed():
    rig = running()
    assert [c.text for c in rig.load()] == ["a REST call failed"]
    assert published(rig.read("book.x.A"))[0][1] == m.BookSnapshot("x.A", [9.0, 1.0], [10.0, 2.0])


def test_a_venue_that_comes_up_later_is_no_warning_until_it_lasts():
    rig = Rig("x.A")
    rig.feed(Started())
    seconds = 0
    while not any(isinstance(c, Alert) for c in rig.feed(HttpFailed("instruments", "refused"))):
        rig.later(S)
        seconds += 1
        assert seconds <= 10
    assert seconds == 10


def test_the_list_is_refreshed_hourly():
    rig = running(check_every_s=1e6, data_timeout_s=1e6)
    calls = [c for c in rig.later(3601 * S) if isinstance(c, HttpCall)]
    assert [call.call_id for call in calls] == ["instruments"]
    assert published(rig.load(*rig.names)) == []  # nothing new, nothing told


def test_row_34_maintenance_makes_everything_stale_and_its_end_fetches_it_anew():
    rig = running()
    closed = rig.frame(VenueState(False, "the venue is in maintenance"))
    assert published(closed) == stale("the venue is in maintenance")
    assert states(closed) == ["degraded"]
    opened = rig.frame(VenueState(True, "maintenance is over"))
    assert states(opened) == ["ready"]
    assert sent(rig.later(5 * MS)) == ["unsub book:x.A"]


def load_combo(rig: Rig) -> list[object]:
    """A list with the instruments and a combo, of which it does not name the legs."""
    combo = msgspec.structs.replace(definition("x.AB"), kind=m.InstrumentKind.FUTURE_COMBO)
    rig.reference.lists[b"list"] = [*map(definition, rig.names), combo]
    return rig.feed(HttpReply("instruments", 200, b"list", rig.now))


def test_the_legs_of_a_combo_are_asked_for_and_told():
    rig = running()
    load_combo(rig)
    call = HttpCall("legs", "GET", "http://x/legs")
    assert call in rig.later(250 * MS)
    assert call not in rig.later(S)
    legs = [("x.A", m.Exact("1")), ("x.B", m.Exact("-1"))]
    rig.reference.legs[b"legs"] = {"x.AB": legs}
    told = dict(published(rig.feed(HttpReply("legs", 200, b"legs", rig.now))))
    assert told["instrument.x.AB"].legs == legs
    assert "instruments.x" in told
    assert published(load_combo(rig)) == []  # known by now
    assert call not in rig.later(S)


def test_a_call_for_legs_that_fails_is_made_again():
    rig = running(data_timeout_s=1e6)
    load_combo(rig)
    rig.later(250 * MS)
    rig.feed(HttpFailed("legs", "timeout"))
    again = [c for c in rig.later(60 * S) if isinstance(c, HttpCall)]
    assert "legs" in [call.call_id for call in again]
