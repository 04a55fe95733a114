"""What the venue says of orders in words that we do not know: counted, told, and no guess.

The order that it is about, if it is one of ours, is asked for until the venue says something that
can be read; a listing that holds such words is no proof that an order is absent (see reconcile).
"""

from __future__ import annotations

from common import core as c
from common.venues.order_entry import Unreadable
from services.trading_engine.reconcile import Reconciler
from services.trading_engine.reports import Reports
from services.trading_engine.state import EngineState


class Unreadables:
    def __init__(self, state: EngineState, reports: Reports, doubts: Reconciler) -> None:
        self._state = state
        self._reports = reports
        self._doubts = doubts

    def on_stream(self, item: Unreadable, now_ns: int) -> None:
        """An event that is lost on us: look at the account again."""
        self.take([item], now_ns)
        self._doubts.sync_soon(now_ns)

    def take(self, items: list[Unreadable], now_ns: int) -> None:
        for item in items:
            self._state.out.add(c.Count(f"{item.what}s_unreadable"))
            text = f"the venue tells of an own {item.what} in words that are not known"
            order = self._reports.find(item.venue_order_id, item.label)
            name = order.state.client_order_id if order is not None else ""
            self._state.out.alert("WARNING", text, client_order_id=name, raw=item.text)
            if order is not None and not order.is_final:
                self._doubts.begin(order, now_ns, now_ns)
