"""What a restart takes from the journal: orders, fills, answers, requests without an answer."""

from __future__ import annotations

from collections.abc import Sequence

from common import messages as m
from common.domain.order import Facts, Order
from common.messages import OrderStatus as S
from common.messages import RejectReason as R
from services.trading_engine import records as r
from services.trading_engine.answers import Answers
from services.trading_engine.ledger import Item, Ledger, Request
from services.trading_engine.state import EngineState


class Restorer:
    """Replays a journal into a new engine. Nothing is sent or told; the venue is asked later."""

    def __init__(self, state: EngineState, ledger: Ledger, answers: Answers) -> None:
        self._state = state
        self._ledger = ledger
        self._answers = answers
        self._orders: dict[str, m.OrderUpdated] = {}
        self._wanted: dict[str, Facts] = {}
        self._fills: dict[str, list[m.Fill]] = {}
        self._requests: dict[str, r.RequestRecord] = {}
        self._intents: dict[str, list[r.IntentRecord]] = {}

    def replay(self, journal: Sequence[r.Entry]) -> None:
        for entry in journal:
            for record in entry.records:
                self._take(record)
        self._make_orders()
        self._make_requests()

    def _take(self, record: r.Record) -> None:
        match record:
            case r.RequestRecord(key):
                self._requests[key] = record
            case r.IntentRecord():
                self._intents.setdefault(record.key, []).append(record)
                self._note(record.order)
                if record.kind == "modify":
                    self._wanted[record.order.client_order_id] = Facts(
                        price=record.price,
                        quantity=record.quantity,
                        trigger_price=record.trigger_price,
                        post_only=record.post_only,
                    )
            case r.ReportRecord(order):
                self._note(order)
            case r.FillRecord(fill):
                self._fills.setdefault(fill.client_order_id, []).append(fill)
                self._state.store.add_fill(fill)
            case r.ReplyRecord(key, reply):
                asked = self._requests.pop(key, None)
                self._intents.pop(key, None)
                if asked is not None:
                    self._ledger.keep(key, asked.command, reply)
            case r.ModeRecord(mode):
                self._state.mode = mode

    def _note(self, order: m.OrderUpdated) -> None:
        known = self._orders.get(order.client_order_id)
        if known is None or order.revision >= known.revision:
            self._orders[order.client_order_id] = order

    def _make_orders(self) -> None:
        for client_order_id, state in self._orders.items():
            order = Order(state)
            if state.status is S.PENDING_REPLACE:
                order.wanted = self._wanted.get(client_order_id)
            for fill in self._fills.get(client_order_id, ()):
                order.mark_counted(fill.exec_id, fill.last_price, fill.last_quantity)
                order.venue_order_ids.add(fill.venue_order_id)
            self._state.store.put(order)

    def _make_requests(self) -> None:
        """Requests without an answer: those that sent something wait for the venue's word, the
        others had no effect and may come again."""
        for key, asked in self._requests.items():
            intents = self._intents.get(key)
            if not intents:
                continue
            request = Request(key, asked.request_id, "", asked.command, [])
            request.is_list = isinstance(
                asked.command, m.PlaceOrders | m.CancelOrders | m.CancelAll
            )
            self._ledger.open(request)
            by_index = {intent.index: intent for intent in intents}
            for index in range(_size(asked.command, by_index)):
                self._make_item(request, index, by_index.get(index))

    def _make_item(self, request: Request, index: int, intent: r.IntentRecord | None) -> None:
        item = Item(request, index, intent.kind if intent else "place")
        request.items.append(item)
        order = self._state.store.get(intent.order.client_order_id) if intent else None
        if order is None:
            text = "the engine was restarted before this was sent"
            self._answers.refuse(item, R.NOT_READY, "", text)
        elif order.is_pending:
            self._answers.resume(item, order)
        else:
            item.client_order_id = order.state.client_order_id
            item.result = _outcome(request.request_id, order.state)


def _size(command: m.Command, by_index: dict[int, r.IntentRecord]) -> int:
    match command:
        case m.PlaceOrders(orders):
            return len(orders)
        case m.CancelOrders(names):
            return len(names)
    return max(by_index) + 1


def _outcome(request_id: str, state: m.OrderUpdated) -> m.CommandReply:
    refused = state.reject_reason is not None
    return m.CommandReply(request_id, not refused, state.reject_reason, state.text, orders=[state])
