"""Requests that an earlier life took and did not answer: each gets its one answer in this one.

What was never sent is refused. What was sent waits for the venue's word. Cancels are carried out:
who asked for one may have gone, and no later order can be meant by it.
"""

from __future__ import annotations

from common import messages as m
from common.domain.quotes import sides_of
from common.messages import RejectReason as R
from services.trading_engine import records as r
from services.trading_engine.answers import Answers
from services.trading_engine.fold import Fold
from services.trading_engine.ledger import Item, Ledger, Request
from services.trading_engine.placing import CHANGES, find
from services.trading_engine.state import EngineState

CANCELS = m.CancelOrder | m.CancelOrders | m.CancelAll | m.CancelQuotes
PROTECTIONS = m.SetProtection | m.ResetProtection
LISTS = m.PlaceOrders | m.CancelOrders | m.CancelAll | m.MassQuote | m.CancelQuotes
NOT_SENT = "the engine was restarted before this was sent"
ENDED = frozenset({m.OrderStatus.CANCELED, m.OrderStatus.EXPIRED})


class Unanswered:
    """Opens them again; what is decided is answered, and journaled, with the first event."""

    def __init__(self, state: EngineState, ledger: Ledger, answers: Answers) -> None:
        self._state = state
        self._ledger = ledger
        self._answers = answers

    def take_up(self, fold: Fold) -> None:
        """The orders of the fold are in the store already."""
        for key, asked in fold.requests.items():
            request = Request(key, asked.request_id, asked.sender, asked.command, [])
            request.is_list = isinstance(asked.command, LISTS)
            self._ledger.open(request)
            # What was placed with another order has its index; the answer is the first one's.
            sent = [x for x in fold.intents.get(key, ()) if not _is_placed_with_another(x)]
            self._take_up(request, sent, fold.cancels.get(key))

    def _take_up(
        self, request: Request, sent: list[r.IntentRecord], cancels: r.CancelsRecord | None
    ) -> None:
        command = request.command
        if isinstance(command, CANCELS):
            named = cancels.client_order_ids if cancels else _named(command)
            names = named or [intent.order.client_order_id for intent in sent]
            self._cancel(request, names)
        elif isinstance(command, PROTECTIONS):
            self._doubt(request)
        else:
            by_index = {intent.index: intent for intent in sent}
            for index in range(_size(command)):
                self._resume(request, index, by_index.get(index))

    def _item(self, request: Request, index: int, kind: str) -> Item:
        item = Item(request, index, kind)
        request.items.append(item)
        return item

    # --- places, modifies, quotes -------------------------------------------------------------

    def _resume(self, request: Request, index: int, intent: r.IntentRecord | None) -> None:
        item = self._item(request, index, intent.kind if intent else "place")
        order = self._state.store.get(intent.order.client_order_id) if intent else None
        if intent is None or order is None:
            self._answers.refuse(item, R.NOT_READY, "", NOT_SENT)
        elif order.is_pending:
            self._answers.resume(item, order)
        else:
            item.client_order_id = order.state.client_order_id
            item.result = _outcome(request.request_id, intent, order.state)

    # --- cancels ------------------------------------------------------------------------------

    def _cancel(self, request: Request, names: list[str]) -> None:
        owner = getattr(request.command, "owner", None) or ""
        for index, name in enumerate(names):
            item = self._item(request, index, "cancel")
            order = self._state.store.get(name)
            if order is not None and order.state.status in ENDED:
                item.result = m.CommandReply(request.request_id, True, orders=[order.state])
            elif (order := find(self._state, self._answers, item, name, owner)) is not None:
                self._answers.resume(item, order)
                self._state.cancels[name] = None
        if not names:
            self._answers.refuse(self._item(request, 0, "cancel"), R.NOT_READY, "", NOT_SENT)

    # --- market maker protection --------------------------------------------------------------

    def _doubt(self, request: Request) -> None:
        item = self._item(request, 0, "protection")
        text = "the engine was restarted before the answer came"
        text = f"{text}; ask for the protections to see what holds"
        item.result = m.CommandReply(request.request_id, False, text=text, in_doubt=True)


def _is_placed_with_another(intent: r.IntentRecord) -> bool:
    return intent.kind == "place" and intent.order.is_secondary


def _named(command: m.Command) -> list[str]:
    match command:
        case m.CancelOrder(name):
            return [name]
        case m.CancelOrders(names):
            return names
    return []


def _size(command: m.Command) -> int:
    match command:
        case m.PlaceOrders(orders):
            return max(1, len(orders))
        case m.MassQuote():
            return max(1, len(sides_of(command)))
    return 1


def _outcome(request_id: str, intent: r.IntentRecord, state: m.OrderUpdated) -> m.CommandReply:
    """What came of a call to an order that waits for none any more."""
    match intent.kind:
        case "modify":
            refused = not _is_as_wanted(intent, state)
        case "cancel":
            refused = state.status not in ENDED
        case _:
            refused = state.status is m.OrderStatus.REJECTED
    if not refused:
        return m.CommandReply(request_id, True, orders=[state])
    reason = state.reject_reason or (R.ORDER_CLOSED if state.status.is_final else R.VENUE_REFUSED)
    text = state.text or f"the order is {state.status.value}"
    return m.CommandReply(request_id, False, reason, text, orders=[state])


def _is_as_wanted(intent: r.IntentRecord, state: m.OrderUpdated) -> bool:
    wanted = ((name, getattr(intent, name)) for name in CHANGES)
    return all(value is None or value == getattr(state, name) for name, value in wanted)
