"""Order snapshots in parts: cut, sent over the bus, put together, and those of others left out."""

from __future__ import annotations

import msgspec
import pytest

from common import codec, messages as m, parts
from common.transport.sockets import MAX_MESSAGE_BYTES
from tests import samples

MANY = 20_000


def snapshot(count: int, owner: str = "") -> m.OrderSnapshot:
    return m.OrderSnapshot("deribit", "main", owner, [order(number) for number in range(count)])


def order(number: int) -> m.OrderUpdated:
    names = {"client_order_id": str(2**63 + number), "text": "x" * 200, "tag": "t" * 64}
    return msgspec.structs.replace(samples.ORDER, **names)


def size(message: m.Event) -> int:
    return len(codec.encode("order", message, publisher_start_ns=1, sequence=1, sent_ns=1))


def test_twenty_thousand_orders_fit_the_bus_part_by_part() -> None:
    whole = snapshot(MANY)
    assert size(whole) > MAX_MESSAGE_BYTES
    cut = parts.split(whole)
    assert max(map(size, cut)) < MAX_MESSAGE_BYTES / 2
    gathering = parts.Gathering()
    assert [gathering.take(part) for part in cut[:-1]] == [None] * (len(cut) - 1)
    assert gathering.take(cut[-1]) == whole


@pytest.mark.parametrize("count", [0, 1, parts.ORDERS_IN_PART])
def test_few_orders_are_a_whole(count: int) -> None:
    whole = snapshot(count)
    (part,) = parts.split(whole)
    assert part == whole and not parts.is_later(part)
    assert parts.Gathering().take(part) == whole


def test_parts_without_a_beginning_or_with_a_hole_are_left_out() -> None:
    first, second, third = parts.split(snapshot(3 * parts.ORDERS_IN_PART))
    gathering = parts.Gathering()
    assert [gathering.take(part) for part in (second, third, first, third)] == [None] * 4
    assert gathering.take(second) is None
    done = [gathering.take(part) for part in (first, first, second, third)]
    assert [each is not None for each in done] == [False, False, False, True]


def test_owners_are_gathered_apart() -> None:
    mine, theirs = (parts.split(snapshot(600, owner)) for owner in ("a", "b"))
    gathering = parts.Gathering()
    assert gathering.take(mine[0]) is None and gathering.take(theirs[0]) is None
    assert gathering.take(mine[1]) == snapshot(600, "a")
    assert gathering.take(theirs[1]) == snapshot(600, "b")


def test_only_a_first_part_means_something_by_itself() -> None:
    first, second = parts.split(snapshot(600))
    lists = [m.InstrumentList("deribit", part, 2, []) for part in (0, 1)]
    assert [parts.is_later(x) for x in (first, second, *lists)] == [False, True, False, True]
