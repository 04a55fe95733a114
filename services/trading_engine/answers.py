"""The one answer to each request: what its orders' changes mean, and when it is decided."""

from __future__ import annotations

from collections import deque

from common import core as c, messages as m
from common.domain.order import Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from services.trading_engine.ledger import Item, Ledger, Request
from services.trading_engine.records import CancelsRecord, ReplyRecord
from services.trading_engine.state import EngineState

ANSWER_WAIT_NS = 2_000_000_000  # then a request is answered with "in doubt"
OPEN = frozenset({S.NEW, S.PARTIALLY_FILLED})


class Answers:
    """Requests whose orders are at the venue, until they are answered."""

    def __init__(self, state: EngineState, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger
        self._by_order: dict[str, list[Item]] = {}
        self._waiting: deque[Item] = deque()  # by deadline

    def expect(self, item: Item, order: Order, now_ns: int) -> None:
        """The call for this item is on its way."""
        item.client_order_id = order.state.client_order_id
        item.deadline_ns = now_ns + ANSWER_WAIT_NS
        self._by_order.setdefault(item.client_order_id, []).append(item)
        self._waiting.append(item)

    def resume(self, item: Item, order: Order) -> None:
        """An item that the journal holds without an answer; it has all time."""
        item.client_order_id = order.state.client_order_id
        item.answered, item.deadline_ns = True, 0
        self._by_order.setdefault(item.client_order_id, []).append(item)

    def note_cancels(self, request: Request, orders: list[Order]) -> None:
        """Which orders a request to cancel many concerns: it may be carried out by one call, and
        after a restart."""
        if orders:
            names = [order.state.client_order_id for order in orders]
            self._state.out.record(CancelsRecord(request.key, request.request_id, names))

    def refuse(
        self, item: Item, reason: R, field: str, text: str, order: Order | None = None
    ) -> None:
        orders = [order.state] if order is not None else []
        name = item.request.request_id
        item.result = m.CommandReply(name, False, reason, text, field, orders=orders)

    def note(self, changes: list[tuple[Order, m.OrderUpdated]]) -> None:
        """What each change of an order means for the requests that wait for it."""
        for order, state in changes:
            for item in self._by_order.get(state.client_order_id, ()):
                if item.result is None:
                    self._note(item, order, state)

    def answered(self, kind: str, names: list[str]) -> None:
        """The venue answered a call of this kind; what there is to know came with it."""
        for name in names:
            for item in self._by_order.get(name, ()):
                item.answered = item.answered or item.kind == kind

    def _note(self, item: Item, order: Order, state: m.OrderUpdated) -> None:
        reject: R | None = None
        match item.kind:
            case "place":
                item.accepted = state.status not in (S.PENDING_NEW, S.REJECTED)
                reject = state.reject_reason if state.status is S.REJECTED else None
            case "modify":
                item.accepted = item.accepted or _is_modified(state)
                reject = None if item.accepted else _modify_refused(state)
            case "cancel":
                item.accepted = state.status in (S.CANCELED, S.EXPIRED)
                reject = None if item.accepted else _cancel_refused(state)
        if reject is not None:
            text = state.text or f"the order is {state.status.value}"
            self.refuse(item, reject, "", text, order)

    def finish(self, now_ns: int) -> None:
        """Answer what is decided, and what waited long enough."""
        while self._waiting and (
            self._waiting[0].result is not None or self._waiting[0].deadline_ns <= now_ns
        ):
            self._waiting.popleft()
        for name in list(self._by_order):
            order = self._state.store.get(name)
            items = self._by_order[name]
            for item in items:
                if item.result is None and order is not None:
                    self._conclude(item, order, now_ns)
            self._by_order[name] = [item for item in items if item.result is None]
            if not self._by_order[name]:
                del self._by_order[name]
        for request in self._ledger.requests:
            if all(item.result is not None for item in request.items):
                self._reply(request)

    def next_ns(self) -> int | None:
        return self._waiting[0].deadline_ns if self._waiting else None

    def _conclude(self, item: Item, order: Order, now_ns: int) -> None:
        state, name = order.state, item.request.request_id
        late = bool(item.deadline_ns) and now_ns >= item.deadline_ns
        whole = item.answered or late or item.kind != "place" or order.is_final
        placed_with = self._placed_with(order) if item.kind == "place" else []
        if item.accepted and whole:
            item.result = m.CommandReply(name, True, orders=[state, *placed_with])
        elif late or self._was_lost(item, state):
            text = "the venue has not answered yet; the order's events will tell"
            orders = [state, *placed_with]
            item.result = m.CommandReply(name, False, text=text, in_doubt=True, orders=orders)

    def _placed_with(self, order: Order) -> list[m.OrderUpdated]:
        """The linked orders of a first one."""
        others = [] if order.state.is_secondary else self._state.store.linked(order)
        return [other.state for other in others]

    @staticmethod
    def _was_lost(item: Item, state: m.OrderUpdated) -> bool:
        """The order fell into doubt after this call was sent."""
        since_ns = state.in_doubt_since_ns
        sent_ns = item.deadline_ns - ANSWER_WAIT_NS
        return since_ns is not None and item.deadline_ns > 0 and since_ns >= sent_ns

    def _reply(self, request: Request) -> None:
        results = [item.result for item in request.items if item.result is not None]
        reply = _combined(request.request_id, results) if request.is_list else results[0]
        self._ledger.close(request, reply)
        self._state.out.record(ReplyRecord(request.key, reply))
        for peer in request.peers:
            self._state.out.add(c.Reply(peer, reply))


def _is_modified(state: m.OrderUpdated) -> bool:
    return state.event is E.REPLACED or (state.event is E.RECONCILED and state.status in OPEN)


def _modify_refused(state: m.OrderUpdated) -> R | None:
    if state.status.is_final:
        return R.ORDER_CLOSED
    if state.event is E.REPLACE_REJECTED:
        return state.reject_reason or R.VENUE_REFUSED
    return None


def _cancel_refused(state: m.OrderUpdated) -> R | None:
    if state.status.is_final:
        return R.ORDER_CLOSED
    if state.event is E.CANCEL_REJECTED:
        return state.reject_reason or R.VENUE_REFUSED
    return None


def _combined(request_id: str, results: list[m.CommandReply]) -> m.CommandReply:
    refused = next((result for result in results if not result.accepted), None)
    return m.CommandReply(
        request_id,
        accepted=refused is None,
        reason=refused.reason if refused else None,
        text=refused.text if refused else "",
        field=refused.field if refused else "",
        in_doubt=any(result.in_doubt for result in results),
        orders=[order for result in results for order in result.orders],
        results=results,
    )
