"""The sides of a MassQuote."""

from __future__ import annotations

from decimal import Decimal

from common import messages as m
from common.domain.quotes import sides_of
from common.messages import Side


def test_sides_come_entry_by_entry_bid_before_ask_and_only_those_given() -> None:
    command = m.MassQuote(
        [
            m.QuoteEntry("a", Decimal(1), Decimal(2), Decimal(3), Decimal(4)),
            m.QuoteEntry("b"),
            m.QuoteEntry("c", ask_quantity=Decimal(0)),
        ],
        "mm",
    )
    sides = sides_of(command)
    assert [(s.entry, s.instrument, s.side) for s in sides] == [
        (0, "a", Side.BUY),
        (0, "a", Side.SELL),
        (2, "c", Side.SELL),
    ]
    assert sides[2].price is None and sides[2].quantity == 0


def test_a_field_is_named_as_it_stands_in_the_command() -> None:
    (side,) = sides_of(m.MassQuote([m.QuoteEntry("a", bid_price=Decimal(1))], "mm"))
    assert side.field("price") == "quotes[0].bid_price"
    assert side.field("quantity") == "quotes[0].bid_quantity"
    assert (side.field("instrument"), side.field()) == ("quotes[0].instrument", "quotes[0].bid")
