"""Commands from other processes: each is taken once, carried out, and answered once."""

from __future__ import annotations

from common import core as c, messages as m
from common.codec import NAME
from common.domain.modes import scope_of
from common.domain.order import Order
from common.messages import OrderStatus as S, RejectReason as R
from services.trading_engine.answers import Answers
from services.trading_engine.calls import Calls
from services.trading_engine.ledger import Item, Ledger, Request, fingerprint, key_of
from services.trading_engine.placing import Placing, find
from services.trading_engine.queries import Queries
from services.trading_engine.quotes import Quotes
from services.trading_engine.records import ModeRecord, ReplyRecord, RequestRecord
from services.trading_engine.state import EngineState

MAX_ORDERS = 100
QUERIES = (m.QueryOrders, m.QueryFills, m.QueryPositions)


class Desk:
    """Takes commands and hands them to who carries them out."""

    def __init__(
        self,
        state: EngineState,
        calls: Calls,
        placing: Placing,
        answers: Answers,
        ledger: Ledger,
        queries: Queries,
        quotes: Quotes,
    ) -> None:
        self._state = state
        self._calls = calls
        self._placing = placing
        self._answers = answers
        self._ledger = ledger
        self._queries = queries
        self._quotes = quotes

    # --- taking -------------------------------------------------------------------------------

    def receive(self, event: c.CommandReceived, now_ns: int) -> None:
        command = event.command
        if isinstance(command, QUERIES):
            reply = self._queries.answer(event.request_id, command, now_ns)
            self._state.out.add(c.Reply(event.peer, reply))
            return
        key = key_of(command, event.sender, event.request_id)
        if self._is_repeated(key, event):
            return
        request = Request(key, event.request_id, event.sender, command, [event.peer])
        self._ledger.open(request)
        self._state.out.record(RequestRecord(key, event.request_id, command, event.sender))
        self._start(request, event, now_ns)

    def _is_repeated(self, key: str, event: c.CommandReceived) -> bool:
        """The same request again: the same answer, now or when it is there."""
        running, answered = self._ledger.find(key), self._ledger.answer_of(key)
        if running is None and answered is None:
            return False
        mine = fingerprint(event.command)
        theirs = fingerprint(running.command) if running else answered[0] if answered else b""
        if mine != theirs:
            text = "this request_id was used for another command"
            reply = m.CommandReply(event.request_id, False, R.DUPLICATE_REQUEST, text, "request_id")
            self._state.out.add(c.Reply(event.peer, reply))
        elif running is not None:
            running.peers.append(event.peer)
        elif answered is not None:
            # The first one may not be on disk yet; behind a record this one cannot overtake it.
            self._state.out.record(ReplyRecord(key, answered[1]))
            self._state.out.add(c.Reply(event.peer, answered[1]))
        return True

    def _start(self, request: Request, event: c.CommandReceived, now_ns: int) -> None:
        match request.command:
            case m.PlaceOrder() as command:
                item = self._item(request, 0, "place")
                self._placing.place(item, command, event.sent_ns, now_ns)
            case m.PlaceOrders(orders):
                self._place_list(request, orders, event.sent_ns, now_ns)
            case m.ModifyOrder():
                item = self._item(request, 0, "modify")
                item.client_order_id = request.command.client_order_id
                self._placing.attempt(item, now_ns)
            case m.CancelOrder():
                self._start_cancels(request, [request.command.client_order_id], now_ns)
            case m.CancelOrders(names):
                request.is_list = True
                self._start_cancels(request, names, now_ns)
            case m.CancelAll():
                self._cancel_all(request, now_ns)
            case m.SetMode():
                self._set_mode(request)
            case _:
                if not self._quotes.take(request, event.sent_ns, now_ns):
                    self._refuse_all(request, R.UNSUPPORTED, "", "the engine does not take this")

    def _item(self, request: Request, index: int, kind: str) -> Item:
        item = Item(request, index, kind)
        request.items.append(item)
        return item

    def _refuse_all(self, request: Request, reason: R, field: str, text: str) -> None:
        item = self._item(request, 0, "place")
        self._answers.refuse(item, reason, field, text)
        request.is_list = False

    def _place_list(
        self, request: Request, orders: list[m.PlaceOrder], sent_ns: int, now_ns: int
    ) -> None:
        request.is_list = True
        if not 0 < len(orders) <= MAX_ORDERS:
            text = f"1 to {MAX_ORDERS} orders in one command, got {len(orders)}"
            self._refuse_all(request, R.BAD_REQUEST, "orders", text)
            return
        for index, command in enumerate(orders):
            item = self._item(request, index, "place")
            self._placing.place(item, command, sent_ns, now_ns)

    # --- cancels ------------------------------------------------------------------------------

    def _start_cancels(self, request: Request, names: list[str], now_ns: int) -> None:
        if not 0 < len(names) <= MAX_ORDERS:
            text = f"1 to {MAX_ORDERS} orders in one command, got {len(names)}"
            self._refuse_all(request, R.BAD_REQUEST, "client_order_ids", text)
            return
        owner = getattr(request.command, "owner", "") or ""
        for index, name in enumerate(names):
            item = self._item(request, index, "cancel")
            order = find(self._state, self._answers, item, name, owner)
            if order is None:
                continue
            if not self._state.logged_in:
                self._answers.refuse(item, R.LINK_DOWN, "", "there is no link to the venue", order)
            else:
                self._cancel(item, order, now_ns)

    def _cancel(self, item: Item, order: Order, now_ns: int) -> None:
        self._answers.expect(item, order, now_ns)
        if order.state.status is not S.PENDING_CANCEL:
            self._calls.cancel(order, now_ns, item)

    def _cancel_all(self, request: Request, now_ns: int) -> None:
        request.is_list = True
        if not self._state.logged_in:
            self._refuse_all(request, R.LINK_DOWN, "", "there is no link to the venue")
            return
        filters = request.command
        assert isinstance(filters, m.CancelAll)
        orders = [o for o in self._state.store.open.values() if self._matches(o, filters)]
        if not orders and self._is_unknown(filters.instrument):
            text = f"there is no instrument {filters.instrument}; nothing was cancelled"
            self._refuse_all(request, R.UNKNOWN_INSTRUMENT, "instrument", text)
            return
        self._answers.note_cancels(request, orders)
        at_once = self._calls.cancel_all(filters, orders, now_ns)
        if not at_once:
            self._quotes.calls.cancel_sets(orders, now_ns)
        for index, order in enumerate(orders):
            item = self._item(request, index, "cancel")
            if at_once:
                self._answers.expect(item, order, now_ns)
            else:
                self._cancel(item, order, now_ns)

    def cancel_of(self, owner: str, why: str, now_ns: int) -> None:
        """The engine itself cancels all orders of an owner: a request like any other, but for
        those who wait for its answer."""
        state = self._state
        command, sender = m.CancelAll(owner=owner), f"trading_engine.{state.venue}.{state.account}"
        request_id = f"silent-{state.ids.next()}"  # never comes back
        key = key_of(command, sender, request_id)
        request = Request(key, request_id, sender, command, [])
        self._ledger.open(request)
        state.out.record(RequestRecord(key, request_id, command, sender, why))
        self._cancel_all(request, now_ns)

    def _is_unknown(self, instrument: str | None) -> bool:
        market = self._state.market
        known = instrument is None or market.instrument(instrument) is not None
        return market.has_definitions and not known

    def _matches(self, order: Order, filters: m.CancelAll) -> bool:
        state = order.state
        known = self._state.market.instrument(state.instrument)
        kind = known.definition.kind if known else None
        currency = known.definition.settlement if known else None
        return (
            filters.instrument in (None, state.instrument)
            and filters.owner in (None, state.owner)
            and filters.tag in (None, state.tag)
            and filters.kind in (None, kind)
            and filters.currency in (None, currency)
        )

    def _set_mode(self, request: Request) -> None:
        state, command = self._state, request.command
        assert isinstance(command, m.SetMode)
        if command.venue not in ("", state.venue):
            text = f"this engine trades at {state.venue}"
            self._refuse_all(request, R.BAD_REQUEST, "venue", text)
            return
        if command.owner and NAME.match(command.owner) is None:
            text = "owner has at most 64 characters of A-Z a-z 0-9 . _ : / -"
            self._refuse_all(request, R.BAD_REQUEST, "owner", text)
            return
        scope = scope_of(command.venue, command.owner)
        state.modes.set(scope, command.mode, command.reason)
        state.repeats.forget_fills(command.owner)
        state.out.record(ModeRecord(command.mode, command.reason, request.sender, scope))
        text = f"trading mode is {command.mode.value}"
        state.out.alert("WARNING", text, scope=scope, reason=command.reason[:200])
        holds = state.modes.of(command.owner)
        item = self._item(request, 0, "place")
        item.result = m.CommandReply(
            request.request_id,
            True,
            text="" if holds.mode is command.mode else holds.text,
            mode=holds.mode,
        )
