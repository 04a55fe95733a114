"""What faults do to frames on their way out."""

from __future__ import annotations

from typing import Any

from common.venues.serving import CloseConnection, HttpAnswer, SendFrame
from services.venue_simulator.faults import REORDER_WAIT_NS, Act, AnswerHttp, Faults, Kind

MS = 1_000_000
CLIENTS = {1: "ANN", 2: "BEN"}


def made(kind: Kind, act: Act, pattern: str, **more: Any) -> Faults:
    faults = Faults(lambda connection: CLIENTS.get(connection, ""))
    faults.add(kind, act, pattern, **more)
    return faults


def answer(method: str, payload: bytes = b"x", connection: int = 1) -> SendFrame:
    return SendFrame((connection,), payload, method=method)


def note(channel: str, payload: bytes = b"x", connections: tuple[int, ...] = (1, 2)) -> SendFrame:
    return SendFrame(connections, payload, channel=channel)


def test_only_the_next_few_answers_of_a_method_are_dropped() -> None:
    faults = made(Kind.ANSWERS, Act.DROP, "private/*", left=2)
    frames = [answer("private/buy"), answer("public/test"), answer("private/sell")]
    assert faults.pass_on(frames, 0) == [frames[1]]
    assert faults.pass_on([frames[0]], 0) == [frames[0]] and faults.rules == []


def test_answers_over_http_are_dropped_too() -> None:
    faults = made(Kind.ANSWERS, Act.DROP, "private/buy")
    http = AnswerHttp(1, HttpAnswer(200, b"", method="private/buy"))
    assert faults.pass_on([http], 0) == []


def test_late_frames_come_in_the_order_of_their_time() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.DELAY, "book.*", left=2, delay_ns=50 * MS)
    first, second = note("book.a", b"1"), note("book.a", b"2")
    assert faults.pass_on([first], 0) == [] and faults.pass_on([second], 10 * MS) == []
    assert faults.on_time(49 * MS) == []
    assert faults.on_time(50 * MS) == [first]
    assert faults.on_time(60 * MS) == [second] and faults.on_time(99 * MS) == []


def test_a_frame_comes_twice() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.DUPLICATE, "user.*")
    frame = note("user.orders")
    assert faults.pass_on([frame, frame], 0) == [frame, frame, frame]


def test_a_frame_is_overtaken_by_the_next_one() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.REORDER, "t.*")
    one, two, three = (note("t.a", text) for text in (b"1", b"2", b"3"))
    assert faults.pass_on([one, two, three], 0) == [two, one, three]
    assert faults.on_time(REORDER_WAIT_NS) == []


def test_a_frame_that_nothing_overtakes_comes_in_the_end() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.REORDER, "t.*")
    one = note("t.a")
    assert faults.pass_on([one], 0) == []
    assert faults.on_time(REORDER_WAIT_NS) == [one] and faults.rules == []


def test_a_rule_may_concern_one_client() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.DROP, "t.*", left=None, client_id="BEN")
    assert faults.pass_on([note("t.a")], 0) == [note("t.a", connections=(1,))]
    assert faults.pass_on([answer("private/buy", connection=2)], 0) != []


def test_rules_end_when_they_are_cleared() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.DROP, "t.*", left=None)
    assert faults.pass_on([note("t.a")] * 3, 0) == []
    assert faults.rules[0].hits == 3
    assert faults.clear(99) == 0 and faults.clear() == 1
    assert faults.pass_on([note("t.a")], 0) == [note("t.a")]


def test_what_is_neither_answer_nor_notification_passes() -> None:
    faults = made(Kind.NOTIFICATIONS, Act.DROP, "*", left=None)
    heartbeat, closing = SendFrame((1,), b"beat"), CloseConnection(1, 1000, "")
    assert faults.pass_on([heartbeat, closing], 0) == [heartbeat, closing]
