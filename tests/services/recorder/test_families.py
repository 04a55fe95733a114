"""Rows of every message, and messages of the rows again."""

from __future__ import annotations

from typing import Any

import pytest

from common import messages as m
from common.core import BusMessage
from common.errors import BadMessage
from services.recorder.families import FAMILIES, FAMILY_OF, HEADER, family_of_topic, rows_of
from tests import samples


def rows(message: m.Event) -> list[tuple[str, dict[str, Any]]]:
    event = BusMessage("book.x", message, 1, 2, 3, 4, 9, 6)
    return [
        (family, dict(zip([c.name for c in FAMILIES[family].columns], row, strict=True)))
        for family, row in rows_of(event, 7)
    ]


def test_every_event_has_a_family_or_is_a_list_of_such() -> None:
    assert all(rows(sample) for sample in samples.EVENTS)


@pytest.mark.parametrize(
    "message", [s for s in samples.EVENTS if type(s) in FAMILY_OF], ids=lambda s: type(s).__name__
)
def test_a_row_is_the_message_again(message: m.Event) -> None:
    ((family, row),) = rows(message)
    assert FAMILIES[family].message(row["kind"], row) == message
    assert [row[column.name] for column in HEADER[:9]] == [
        *(7, "book.x", 2, 1, 3, 4, 9, 6),
        type(message).__name__,
    ]


def test_a_list_is_a_row_for_each_element_under_its_own_name() -> None:
    found = rows(samples.ACCOUNT)
    assert [family for family, _ in found] == ["positions", "balances", "exposures"]
    assert {row["kind"] for _, row in found} == {"AccountSnapshot"}
    ((_, part),) = rows(m.InstrumentList("deribit", 1, 3, [samples.INSTRUMENT]))
    assert (part["part"], part["parts"]) == (1, 3)


def test_exact_numbers_are_text() -> None:
    ((_, row),) = rows(samples.ORDER)
    assert row["price"] == "50000.5" and row["side"] == "BUY"


def test_rows_that_are_no_message_are_refused() -> None:
    with pytest.raises(BadMessage, match="books: a row of kind 'Fill'"):
        FAMILIES["books"].message("Fill", {})
    with pytest.raises(BadMessage, match="trades"):
        FAMILIES["trades"].message("Trade", {"instrument": "x", "aggressor_side": "UP"})


def test_a_lost_row_has_the_width_of_its_family() -> None:
    for topic in ("book.x.y", "order.x.y", "unheard.of"):
        family = family_of_topic(topic)
        row = family.lost_row(topic, 1, 2, "why", 3)
        assert len(row) == len(family.columns) and row[8:10] == ("lost", "why")
