"""What a restart takes from the journal: orders, fills, answers, requests without an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from common import messages as m
from common.domain.order import Facts, Order
from common.messages import OrderStatus as S
from services.trading_engine import records as r
from services.trading_engine.answers import Answers
from services.trading_engine.evidence import AFTER_HORIZON_NS
from services.trading_engine.fold import Fold
from services.trading_engine.ledger import Ledger
from services.trading_engine.state import EngineState
from services.trading_engine.unanswered import Unanswered


class Restorer:
    """Replays a journal into a new engine. Nothing is sent or told; the venue is asked later."""

    def __init__(self, state: EngineState, ledger: Ledger, answers: Answers) -> None:
        self._state = state
        self._ledger = ledger
        self._unanswered = Unanswered(state, ledger, answers)
        self._fold = Fold()
        self.replacing: list[r.IntentRecord] = []  # quotes that may still become other orders

    def replay(self, journal: Iterable[r.Entry]) -> None:
        fold = self._fold.take_all(self._paced(journal))
        self._state.ids.raise_above(fold.start_counter)
        self._make_orders()
        for key, (asked, answer) in fold.answers.items():
            self._ledger.keep(key, asked.command, answer.reply)
        self._unanswered.take_up(fold)
        self._make_modes()

    def _paced(self, journal: Iterable[r.Entry]) -> Iterator[r.Entry]:
        """The venue still counts what an earlier life sent; a snapshot does not tell of that."""
        for entry in journal:
            for record in entry.records:
                if isinstance(record, r.SentRecord):
                    self._state.spent(record.kind, entry.at_ns)
                elif isinstance(record, r.SeenRecord):  # each snapshot has it
                    self._state.forget_spent(entry.at_ns)
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
