"""Which snapshots are asked for again, when, and how often."""

from __future__ import annotations

import pytest

from common.transport.joining import FIRST_S, TRIES, Awaited

BOOK = "book.deribit.X"


def awaited() -> Awaited:
    return Awaited(lambda: 0.5)


def times_of(subject: Awaited, until: float, topic: str = BOOK) -> list[float]:
    """When it is asked for again, looked at every half second."""
    found = []
    for half in range(int(until * 2)):
        if topic in subject.due(half / 2):
            subject.ask(topic, half / 2)
            found.append(half / 2)
    return found


def test_it_is_asked_for_ever_more_seldom_and_not_for_ever():
    subject = awaited()
    subject.ask(BOOK, 0.0)
    times = times_of(subject, 1000.0)
    waits = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    assert waits == [FIRST_S * 2**number for number in range(TRIES)]


def test_a_publisher_that_is_heard_for_the_first_time_is_asked_too():
    subject = awaited()
    subject.ask(BOOK, 0.0)
    times_of(subject, 1000.0)
    subject.begin_again(1000.0)
    assert not subject.due(1000.0 + FIRST_S - 0.1) and subject.due(1000.0 + FIRST_S) == [BOOK]


def test_what_came_or_is_not_wanted_any_more_is_not_asked_for():
    subject = awaited()
    subject.ask(BOOK, 0.0)
    subject.end(BOOK)
    subject.end("book.deribit.Y")
    assert not times_of(subject, 1000.0)


def test_an_answer_to_the_last_of_many_questions_starts_anew_with_the_next_loss():
    subject = awaited()
    subject.ask(BOOK, 0.0)
    times_of(subject, 1000.0)
    subject.end(BOOK)
    subject.ask(BOOK, 1000.0)
    assert subject.due(1000.0 + FIRST_S) == [BOOK]


@pytest.mark.parametrize("topic", ["trade.deribit.X", "alert.x", "risk.deribit.main", "health.x"])
def test_topics_without_snapshots_are_left_alone(topic: str):
    subject = awaited()
    subject.ask(topic, 0.0)
    assert not times_of(subject, 1000.0, topic)


def test_a_thousand_topics_do_not_ask_at_once():
    subject = Awaited()
    for number in range(1000):
        subject.ask(f"quote.deribit.X{number}", 0.0)
    looks = []
    for number in range(31):
        due = subject.due(number / 10)
        looks.append(len(due))
        for topic in due:
            subject.end(topic)
    assert sum(looks) == 1000 and max(looks) < 300


def test_what_came_in_part_is_asked_for_until_it_is_whole():
    subject = awaited()
    subject.ask(BOOK, 0.0)
    assert len(times_of(subject, 1000.0)) == TRIES
    subject.go_on(BOOK, 0.0)
    assert len(times_of(subject, 10_000.0)) > 2 * TRIES
    subject.end(BOOK)
    assert not times_of(subject, 10_000.0) and BOOK not in subject
