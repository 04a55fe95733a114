"""A replay on the bus: in time, complete, and with snapshots for those who join."""

from __future__ import annotations

from typing import Any

from common import messages as m
from common.core import (
    BusMessage,
    Publish,
    PublishSnapshot,
    Started,
    Subscribed,
    TopicLost,
    WakeAt,
)
from common.replay import Moment
from services.recorder.player import Finished, Player

MS = 1_000_000
NAME = "v.X"
WHOLE = m.BookSnapshot(NAME, [1.0, 2.0], [3.0, 4.0])
DELTA = m.BookDelta(NAME, [1.5, 5.0], [])


def moment(at_ms: int, message: m.Event, topic: str = f"book.{NAME}") -> Moment:
    return Moment(at_ms * MS, BusMessage(topic, message, 1, 1, 7, 8, 9, 10))


def run(player: Player, until_ms: int) -> list[tuple[int, Any]]:
    """(time in ms, command) of everything but wakes."""
    found, wake_ns = [], 0
    commands = player.handle(Started(), 0)
    while True:
        found += [(wake_ns // MS, c) for c in commands if not isinstance(c, WakeAt)]
        wakes = [c.ns for c in commands if isinstance(c, WakeAt)]
        if not wakes or wakes[0] > until_ms * MS:
            return found
        wake_ns = wakes[0]
        commands = player.on_time(wake_ns)


def published(found: list[tuple[int, Any]], word: str) -> list[tuple[int, m.Event]]:
    return [(at, c.message) for at, c in found if isinstance(c, Publish) and word in c.topic]


def test_messages_come_at_their_time_scaled_by_the_speed() -> None:
    moments = [moment(100, WHOLE), moment(200, DELTA)]
    assert published(run(Player(iter(moments), 1.0), 500), "book") == [(0, WHOLE), (100, DELTA)]
    assert published(run(Player(iter(moments), 10.0), 500), "book") == [(0, WHOLE), (10, DELTA)]
    found = run(Player(iter(moments), 0.0), 500)
    assert published(found, "book") == [(0, WHOLE), (0, DELTA)]
    assert isinstance(found[-1][1], Finished) and found[-1][1].messages == 2


def test_speed_changes_when_but_never_what_and_in_which_order() -> None:
    moments = [moment(n, m.BookSnapshot(NAME, [float(n + 1), 1.0], [])) for n in range(300)]
    slow, fast = run(Player(iter(moments), 1.0), 1000), run(Player(iter(moments), 0.0), 1000)
    assert [command for _, command in slow] == [command for _, command in fast]


def test_depth_and_quote_follow_the_book_and_replace_recorded_ones() -> None:
    recorded = m.Quote(NAME, 9.0, 9.0, None, 0.0)
    moments = [moment(0, WHOLE), moment(1, recorded, f"quote.{NAME}"), moment(2, DELTA)]
    found = run(Player(iter(moments), 0.0), 100)
    quotes = [message for _, message in published(found, "quote")]
    assert quotes == [m.Quote(NAME, 1.0, 2.0, 3.0, 4.0), m.Quote(NAME, 1.5, 5.0, 3.0, 4.0)]
    assert len(published(found, "depth")) == 2


def test_the_stamps_of_the_venue_are_kept() -> None:
    command = run(Player(iter([moment(0, WHOLE)]), 0.0), 10)[1][1]
    assert (command.venue_sequence, command.venue_time_ns, command.received_ns) == (7, 8, 9)


def test_a_joiner_gets_the_whole_book_as_it_is() -> None:
    player = Player(iter([moment(0, WHOLE), moment(1, DELTA), moment(900, DELTA)]), 1.0)
    run(player, 100)
    (snapshot,) = player.handle(Subscribed(f"book.{NAME}", True), 100 * MS)
    assert isinstance(snapshot, PublishSnapshot)
    assert snapshot.message == m.BookSnapshot(NAME, [1.5, 5.0, 1.0, 2.0], [3.0, 4.0])
    assert player.handle(Subscribed("book.v.Y", True), 100 * MS) == []


def test_a_lost_book_is_stale_until_it_is_whole() -> None:
    lost = Moment(2 * MS, TopicLost(f"book.{NAME}", "gap"))
    moments = [moment(0, DELTA), moment(1, WHOLE), lost, moment(3, DELTA), moment(4, WHOLE)]
    found = run(Player(iter(moments), 0.0), 100)
    assert [message for _, message in published(found, "book")] == [
        *(WHOLE, m.BookStale(NAME, "gap"), WHOLE),
    ]


def test_a_replay_may_wait_for_its_first_reader() -> None:
    player = Player(iter([moment(0, WHOLE)]), 0.0, waits=True)
    assert not published(run(player, 1000), "book")
    commands = player.handle(Subscribed(f"book.{NAME}", True), 5000 * MS)
    assert commands[-1] == WakeAt(5000 * MS)
    assert any(isinstance(c, Publish) for c in player.on_time(5000 * MS))
