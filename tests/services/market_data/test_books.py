"""Books: published once per pass, never wrong, stale when in doubt."""

from __future__ import annotations

import random

import pytest

from common import messages as m
from common.core import (
    LinkSend,
    Publish,
)
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    StreamsStarted,
)
from tests.services.market_data.kit import (
    MS,
    T0,
    Rig,
    S,
    book,
    published,
    running,
    sent,
    stale,
)


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


def test_row_44_a_gap_is_told_before_anything_else_and_only_that_book_is_fetched_anew():
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


def test_row_48_a_frame_that_cannot_be_taken_resyncs_its_book():
    rig = running()
    commands = rig.frame(BookUnusable("x.A", "price 0"))
    assert published(commands) == stale("a frame that cannot be taken: price 0")
    assert sent(rig.later(5 * MS)) == ["unsub book:x.A"]


def test_a_venue_that_restarts_a_book_by_itself_replaces_it():
    rig = running()
    rig.frame(BookReset("x.A", [5.0, 1.0], [], 3, T0))
    assert published(rig.idle())[0][1] == m.BookSnapshot("x.A", [5.0, 1.0], [])


@pytest.mark.parametrize("bid", [10.0, 10.5])
def test_row_47_a_crossed_or_locked_book_is_stale_at_once(bid):
    rig = running()
    rig.change("x.A", 100, 101, bids=[bid, 1.0])
    assert published(rig.idle()) == stale("crossed")
    rig.change("x.A", 101, 102, asks=[11.0, 1.0])
    assert rig.idle() == []  # still crossed
    assert sent(rig.later(450 * MS)) == []  # it may right itself
    calls = rig.later(300 * MS)
    assert sent(calls) == ["unsub book:x.A"]


def test_row_47_a_crossed_book_that_rights_itself_comes_back_whole():
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


def test_row_45_whatever_is_lost_no_reader_ever_holds_a_wrong_book():
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
