"""What a restart takes from the journal: orders, fills, answers, requests without an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from common import messages as m
from common.domain.order import Facts, Order
from common.domain.quotes import sides_of
from common.messages import OrderStatus as S
from common.messages import RejectReason as R
from services.trading_engine import records as r
from services.trading_engine.answers import Answers
from services.trading_engine.evidence import AFTER_HORIZON_NS
from services.trading_engine.fold import Fold
from services.trading_engine.ledger import Item, Ledger, Request
from services.trading_engine.state import EngineState

LISTS = m.PlaceOrders | m.CancelOrders | m.CancelAll | m.MassQuote | m.CancelQuotes


class Restorer:
    """Replays a journal into a new engine. Nothing is sent or told; the venue is asked later."""

    def __init__(self, state: EngineState, ledger: Ledger, answers: Answers) -> None:
        self._state = state
        self._ledger = ledger
        self._answers = answers
        self._fold = Fold()
        self.replacing: list[r.IntentRecord] = []  # quotes that may still become other orders

    def replay(self, journal: Iterable[r.Entry]) -> None:
        fold = self._fold.take_all(self._paced(journal))
        self._state.ids.raise_above(fold.start_counter)
        self._make_orders()
        for key, (asked, answer) in fold.answers.items():
            self._ledger.keep(key, asked.command, answer.reply)
        self._make_requests()
        self._make_modes()

    def _paced(self, journal: Iterable[r.Entry]) -> Iterator[r.Entry]:
        """The venue still counts what an earlier life sent a moment ago."""
        for entry in journal:
            for record in entry.records:
                if isinstance(record, r.SentRecord):
                    self._state.spent(record.kind, entry.at_ns)
            yield entry

    def _make_modes(self) -> None:
        modes = self._state.modes
        for record in self._fold.modes.values():
            modes.set(record.scope, record.mode, record.reason, record.code)
        latches = self._fold.latches.values()
        modes.latch({latch.scope: latch.reason for latch in latches if latch.is_on})

    def _make_orders(self) -> None:
        fold, store = self._fold, self._state.store
        for key, parent in fold.parents.items():
            self._state.parents.add_old(*key, parent)
        store.note_seen(fold.seen, fills_dropped=fold.fills_dropped)
        fills: dict[str, list[m.Fill]] = {}
        for fill in fold.fills.values():
            fills.setdefault(fill.client_order_id, []).append(fill)
            store.add_fill(fill)
        if fold.sync is not None and not fold.sync.is_whole:
            store.fills_until_ns = fold.sync.fills_until_ns
        for state in (*fold.closed.values(), *fold.open.values()):
            order = Order(state)
            if state.status is S.PENDING_REPLACE:
                order.wanted = self._wanted(state.client_order_id)
            for fill in fills.get(state.client_order_id, ()):
                if not fill.is_leg:
                    order.mark_counted(fill.exec_id, fill.last_price, fill.last_quantity)
                order.venue_order_ids.add(fill.venue_order_id)
            store.put(order)
            self._make_quote(state)
            self._state.parents.note(order)

    def _make_quote(self, state: m.OrderUpdated) -> None:
        """What the quotes of an order were sent as. One that has ended may have a successor."""
        if not state.quote_id:
            return
        quotes = self._state.quotes
        symbol, name = self._state.market.symbol_of(state.instrument), state.client_order_id
        intent = self._fold.wanted.get(name)
        if intent is not None and intent.quote_id:
            quotes.name(intent.quote_id, symbol, state.side, name)
            if intent.valid_until_ns + AFTER_HORIZON_NS > self._fold.at_ns:
                self.replacing.append(intent)
        if not state.status.is_final:
            quotes.file(state)
            quotes.name(state.quote_id, symbol, state.side, name)

    def _wanted(self, client_order_id: str) -> Facts | None:
        intent = self._fold.wanted.get(client_order_id)
        if intent is None:
            return None
        return Facts(
            price=intent.price,
            quantity=intent.quantity,
            trigger_price=intent.trigger_price,
            post_only=intent.post_only,
            trigger_offset=intent.trigger_offset,
            display_quantity=intent.display_quantity,
        )

    def _make_requests(self) -> None:
        """Requests without an answer: those that sent something wait for the venue's word, the
        others had no effect and may come again."""
        for key, asked in self._fold.requests.items():
            intents = self._fold.intents.get(key)
            if not intents:
                continue
            request = Request(key, asked.request_id, asked.sender, asked.command, [])
            request.is_list = isinstance(asked.command, LISTS)
            self._ledger.open(request)
            by_index = {x.index: x for x in intents if not _is_placed_with_another(x)}
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


def _is_placed_with_another(intent: r.IntentRecord) -> bool:
    """Its index is that of the first order, whose outcome is the answer."""
    return intent.kind == "place" and intent.order.is_secondary


def _size(command: m.Command, by_index: dict[int, r.IntentRecord]) -> int:
    match command:
        case m.PlaceOrders(orders):
            return len(orders)
        case m.CancelOrders(names):
            return len(names)
        case m.MassQuote():
            return len(sides_of(command))
    return max(by_index) + 1


def _outcome(request_id: str, state: m.OrderUpdated) -> m.CommandReply:
    refused = state.reject_reason is not None
    return m.CommandReply(request_id, not refused, state.reject_reason, state.text, orders=[state])
