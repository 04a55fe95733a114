"""The sides of a MassQuote, in the order in which they are judged and answered."""

from __future__ import annotations

import msgspec

from common import messages as m
from common.messages import Side


class WantedSide(msgspec.Struct, frozen=True):
    """One side of an entry of a MassQuote."""

    entry: int
    instrument: str
    side: Side
    price: m.Exact | None
    quantity: m.Exact | None

    def field(self, name: str = "") -> str:
        """Where the side, its price or its quantity stands in the command."""
        word = "bid" if self.side is Side.BUY else "ask"
        suffix = {"price": f"{word}_price", "quantity": f"{word}_quantity"}.get(name)
        return f"quotes[{self.entry}].{suffix or name or word}"


def sides_of(command: m.MassQuote) -> list[WantedSide]:
    """All sides that were given."""
    found = []
    for number, each in enumerate(command.quotes):
        bid = WantedSide(number, each.instrument, Side.BUY, each.bid_price, each.bid_quantity)
        ask = WantedSide(number, each.instrument, Side.SELL, each.ask_price, each.ask_quantity)
        found += [side for side in (bid, ask) if (side.price, side.quantity) != (None, None)]
    return found
