"""Which order of ours a quote is: by where it stands, and by the name it was sent with.

A venue has one quote per instrument, side and group: that is its slot. What we send is named by the
quote_id of the request with instrument and side, since a quote has no label; the venue's view of a
quote whose id we do not know yet is recognised by that name. See docs/decisions/quotes.md.
"""

from __future__ import annotations

from collections import OrderedDict

from common import messages as m
from common.messages import Side
from common.venues.order_entry import quote_key

NAMES_KEPT = 10_000  # of quotes that were never answered
Slot = tuple[str, Side, str]


class QuoteIndex:
    """client_order_ids of quotes."""

    def __init__(self) -> None:
        self._slots: dict[Slot, str] = {}
        self._names: OrderedDict[str, str] = OrderedDict()

    def file(self, state: m.OrderUpdated) -> None:
        """An order that is a quote holds its slot, as long as it is open."""
        if state.quote_id:
            slot = state.instrument, state.side, state.mmp_group
            self._slots[slot] = state.client_order_id

    def in_slot(self, instrument: str, side: Side, group: str) -> str:
        """The last quote there, open or not; "" if there was none."""
        return self._slots.get((instrument, side, group), "")

    def name(self, quote_id: str, symbol: str, side: Side, client_order_id: str) -> None:
        """What was sent under this quote_id is meant for that order."""
        self._names[quote_key(quote_id, symbol, side)] = client_order_id
        while len(self._names) > NAMES_KEPT:
            self._names.popitem(last=False)

    def named(self, key: str) -> str:
        """The order that a quote_key was sent for; "" if we know of none."""
        return self._names.get(key, "")

    def forget(self, quote_id: str, symbol: str, side: Side) -> None:
        """The venue has told which order it became."""
        self._names.pop(quote_key(quote_id, symbol, side), None)
