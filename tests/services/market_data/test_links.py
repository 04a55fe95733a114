"""Links: reconnects, silence, refusals, and many streams at once."""

from __future__ import annotations

import pytest

from common import messages as m
from common.core import (
    Alert,
    LinkClose,
    LinkDown,
    LinkOpen,
    LinkSend,
    LinkUp,
    Started,
    VenueFrame,
)
from common.venues.streams import (
    BookReset,
    CallFailed,
    FeedReady,
    StreamsStarted,
    StreamsStopped,
)
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
    published,
    quiet,
    running,
    sent,
    stale,
    states,
)


def test_row_50_a_link_that_goes_down_makes_its_books_stale_and_comes_back_from_nothing():
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


def test_row_28_reconnects_wait_longer_and_longer_up_to_30_seconds():
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


def test_row_27_a_silent_link_is_probed_then_closed():
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


def test_row_54_several_hundred_instruments_share_links_and_keep_the_venue_s_pace():
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


def test_row_54_ten_thousand_subscriptions_are_paced_over_a_few_links():
    names = [f"x.I{number:05}" for number in range(10_000)]
    rig = Rig(*names, channels_per_link=4000)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    commands, calls = rig.later(5 * MS), []
    for command in list(commands):
        if isinstance(command, LinkOpen):
            commands += rig.feed(LinkUp(command.link))
            commands += rig.frame(FeedReady(True), link=command.link)
    asked: set[str] = set()
    while len(asked) < 10_000 and rig.now < T0 + 60 * S:
        rig.answer_calls(commands)
        for command in [x for x in commands if isinstance(x, LinkSend)]:
            verb, *words = command.payload.decode().split()
            calls += [rig.now] if verb == "sub" else []
            asked.update(words)
            whole = [BookReset(word[5:], [9.0, 1.0], [10.0, 1.0], 1, T0) for word in words]
            rig.frame(*[x for x in whole if x.instrument], link=command.link)
        commands = rig.later(250 * MS)
    assert asked >= {f"book:{name}" for name in names}
    for at in calls:  # the allowance is 5 at once and 3 a second
        assert len([1 for other in calls if at <= other < at + S]) <= 5 + 3


def test_links_are_overfilled_rather_than_more_than_the_venue_allows():
    names = [f"x.I{number}" for number in range(20)]
    rig = Rig(*names, channels_per_link=3)
    rig.start()
    for name in names:
        rig.read(f"book.{name}")
    opened = [c.link for c in rig.later(5 * MS) if isinstance(c, LinkOpen)]
    assert opened == ["x.public.1", "x.public.2"]


def test_row_31_a_venue_that_asks_for_quiet_gets_it():
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
    assert LinkClose("x.public.1", "nothing left to carry", retired=True) in commands
    rig.feed(LinkDown("x.public.1", "closed"))
    assert not any(isinstance(c, LinkOpen) for c in rig.later(2 * S))
    for name in names[1:]:
        rig.read(f"book.{name}")
    assert LinkOpen("x.public.1", URL) in rig.later(250 * MS)
