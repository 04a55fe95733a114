"""Questions that the engine answers from its own memory, and snapshots for joiners."""

from __future__ import annotations

from collections.abc import Sequence

from common import messages as m, parts
from common.messages import RejectReason as R
from services.trading_engine.state import EngineState


class Queries:
    """Reads the state; changes nothing."""

    def __init__(self, state: EngineState) -> None:
        self._state = state

    def answer(self, request_id: str, command: m.Command, now_ns: int) -> m.CommandReply:
        match command:
            case m.QueryOrders():
                return self._orders(request_id, command)
            case m.QueryFills():
                fills, _ = self._state.store.fills(
                    now_ns, command.owner, command.client_order_id, command.limit
                )
                mode = self._state.modes.of(command.owner or "").mode
                return m.CommandReply(request_id, True, fills=fills, mode=mode)
        text = "positions are asked from the position server"
        return m.CommandReply(request_id, False, R.UNSUPPORTED, text)

    def _orders(self, request_id: str, command: m.QueryOrders) -> m.CommandReply:
        store, mode = self._state.store, self._state.modes.of(command.owner or "").mode
        if command.client_order_id is None:
            orders = store.select(command.owner, closed=command.closed)
            return m.CommandReply(request_id, True, orders=orders, mode=mode)
        order = store.get(command.client_order_id)
        if order is None or command.owner not in (None, order.state.owner):
            text = f"there is no order {command.client_order_id}"
            return m.CommandReply(request_id, False, R.UNKNOWN_ORDER, text, "client_order_id")
        return m.CommandReply(request_id, True, orders=[order.state], mode=mode)

    def snapshots(
        self, topic: str, now_ns: int
    ) -> Sequence[m.OrderSnapshot] | Sequence[m.FillSnapshot]:
        """What a joiner of `order.` or `fill.<venue>.<account>[.<owner>]` needs, nothing else.

        Without an owner it holds all owners, for readers that follow the prefix.
        """
        kind, _, rest = topic.partition(".")
        account = f"{self._state.venue}.{self._state.account}"
        if kind not in ("order", "fill") or not f"{rest}.".startswith(f"{account}."):
            return []
        named = rest[len(account) + 1 :]
        owner = None if not named else "" if named == "-" else named
        if kind == "order":
            orders = self._state.store.select(owner, closed=True)
            whole = m.OrderSnapshot(self._state.venue, self._state.account, owner or "", orders)
            return parts.split(whole)
        fills, has_more = self._state.store.fills(now_ns, owner)
        names = self._state.venue, self._state.account, owner or ""
        return [m.FillSnapshot(*names, fills, has_more)]
