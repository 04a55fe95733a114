"""One topic as its reader follows it: sequences, starts, and snapshots in parts."""

from __future__ import annotations

import pytest

from common import codec, messages as m
from common.following import PARTS_MISSING, Step, Topic
from tests import samples

ON, OUT = Step(True), Step(False)


def orders(part: int, parts: int = 3) -> m.OrderSnapshot:
    return m.OrderSnapshot("deribit", "main", "me", [], part, parts)


def listed(part: int, parts: int = 3) -> m.InstrumentList:
    return m.InstrumentList("deribit", part, parts, [])


class Following:
    """A topic whose publisher started at 7, and has published 10 messages."""

    def __init__(self) -> None:
        self.topic = Topic()

    def take(self, message: m.Event, sequence: int = 10, start_ns: int = 7) -> Step:
        envelope = codec.Envelope(1, start_ns, sequence, 0, 0, 0, 1, message)
        return self.topic.take(envelope, from_snapshot=True)


@pytest.fixture
def following() -> Following:
    return Following()


SNAPSHOTS = pytest.mark.parametrize("snapshot", [orders, listed])


@SNAPSHOTS
def test_a_snapshot_in_parts_is_whole_with_its_last(following: Following, snapshot) -> None:
    told = [(following.take(snapshot(part)), following.topic.is_whole) for part in range(3)]
    assert told == [(ON, False), (ON, False), (ON, True)]


def test_a_list_that_is_published_anew_has_a_sequence_for_each_part(following: Following) -> None:
    assert following.take(listed(0, 1)) == ON and following.topic.is_whole
    told = [following.take(listed(part), 11 + part) for part in range(3)]
    assert told == [ON] * 3 and following.topic.is_whole
    assert following.take(listed(0), 14) == ON and not following.topic.is_whole
    assert following.take(listed(2), 16).lost == "messages 15 to 15 are missing"


@SNAPSHOTS
def test_what_comes_for_another_joiner_is_left_out_once_it_is_whole(
    following: Following, snapshot
) -> None:
    for part in range(3):
        following.take(snapshot(part))
    assert [following.take(snapshot(part)) for part in range(3)] == [OUT] * 3
    assert following.topic.is_whole


@SNAPSHOTS
@pytest.mark.parametrize("came", [1, 2, 0])
def test_parts_of_a_snapshot_that_began_before_are_left_out(
    following: Following, snapshot, came: int
) -> None:
    told = [following.take(snapshot(part)) for part in range(3 - came, 3)]
    assert told == [OUT] * came and not following.topic.synced
    assert following.take(snapshot(0)) == ON


@SNAPSHOTS
@pytest.mark.parametrize("order", [(0, 2), (0, 1, 1), (0, 1, 1, 2)])
def test_a_gap_in_the_parts_begins_anew(following: Following, snapshot, order) -> None:
    told = [following.take(snapshot(part)) for part in order]
    assert Step(False, PARTS_MISSING) in told and not following.topic.synced
    assert [following.take(snapshot(part)) for part in range(3)] == [ON] * 3
    assert following.topic.is_whole


@SNAPSHOTS
def test_a_part_of_a_snapshot_that_was_cut_otherwise_does_not_follow_on(
    following: Following, snapshot
) -> None:
    following.take(snapshot(0))
    assert following.take(snapshot(1, 2)).lost == PARTS_MISSING


@SNAPSHOTS
def test_another_first_part_begins_anew(following: Following, snapshot) -> None:
    told = [following.take(snapshot(part)) for part in (0, 1, 0, 1)]
    assert told == [ON] * 4 and not following.topic.is_whole
    assert following.take(snapshot(2)) == ON and following.topic.is_whole


def test_an_order_between_the_parts_is_handed_on_if_it_is_newer(following: Following) -> None:
    following.take(orders(0))
    assert following.take(samples.ORDER, 10) == OUT  # the snapshot covers it
    assert following.take(samples.ORDER, 11) == ON
    assert following.take(samples.ORDER, 11) == OUT
    assert [following.take(orders(part)) for part in (1, 2)] == [ON, ON]
    assert following.topic.is_whole
    assert following.take(samples.ORDER, 12) == ON


def test_a_new_snapshot_after_an_order_between_the_parts(following: Following) -> None:
    following.take(orders(0))
    following.take(samples.ORDER, 11)
    assert [following.take(orders(part), 11) for part in range(3)] == [ON] * 3
    assert following.topic.is_whole


def test_a_hole_between_the_parts_begins_anew(following: Following) -> None:
    following.take(orders(0))
    assert following.take(samples.ORDER, 12) == Step(False, "messages 11 to 11 are missing")
    assert [following.take(orders(part)) for part in (1, 2)] == [OUT, OUT]
    assert following.take(orders(0), 12) == ON


def test_a_hole_that_a_first_part_tells_of_is_told_with_it(following: Following) -> None:
    following.take(orders(0, 1))
    assert following.take(orders(0), 15) == Step(True, "messages 11 to 14 are missing")
    assert following.topic.synced and not following.topic.is_whole


@SNAPSHOTS
def test_a_new_publisher_begins_anew(following: Following, snapshot) -> None:
    following.take(snapshot(0))
    told = [following.take(snapshot(part), 0, 8) for part in (1, 2, 0, 1, 2)]
    assert told == [Step(False, "the publisher started anew"), OUT, ON, ON, ON]
    assert following.topic.is_whole


def test_a_prefix_begins_with_a_delta() -> None:
    following = Following()
    envelope = codec.Envelope(1, 7, 10, 0, 0, 0, 1, samples.ORDER)
    assert following.topic.take(envelope, from_snapshot=False) == ON
    assert following.topic.is_whole
