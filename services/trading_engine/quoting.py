"""Mass quotes and their cancels: each side is judged by itself, what passes goes in one call."""

from __future__ import annotations

from collections import deque

import msgspec

from common import messages as m
from common.codec import NAME
from common.domain.order import Order
from common.domain.quotes import WantedSide, sides_of
from common.messages import OrderTrigger as E, RejectReason as R
from common.venues.order_entry import QuoteSide, Quoting as VenueQuoting
from services.trading_engine.answers import Answers
from services.trading_engine.calls import Calls
from services.trading_engine.ledger import Item, Request
from services.trading_engine.placing import DEFAULT_EXPIRY_NS, PACE_WAIT_NS, Placing
from services.trading_engine.protections import Protections
from services.trading_engine.quote_calls import QuoteCall, QuoteCalls, Step
from services.trading_engine.state import EngineState

NAMES = ("mmp_group", "quote_set", "owner", "tag")


class _Batch(msgspec.Struct, eq=False):
    """A MassQuote that is not decided yet. deadline_ns: it waits for the rate budget so long."""

    request: Request
    command: m.MassQuote
    sides: list[WantedSide]
    deadline_ns: int = 0


class Quoting:
    """Takes MassQuote and CancelQuotes."""

    def __init__(
        self,
        state: EngineState,
        entry: VenueQuoting | None,
        placing: Placing,
        calls: Calls,
        quote_calls: QuoteCalls,
        answers: Answers,
        protections: Protections,
    ) -> None:
        self._state = state
        self._entry = entry
        self._placing = placing
        self._calls = calls
        self._quote_calls = quote_calls
        self._answers = answers
        self._protections = protections
        self._waiting: deque[_Batch] = deque()

    # --- quotes -------------------------------------------------------------------------------

    def take(self, request: Request, command: m.MassQuote, sent_ns: int, now_ns: int) -> None:
        request.is_list = True
        if self._is_refused(request, command, sent_ns, now_ns):
            return
        sides = sides_of(command)
        request.items = [Item(request, index, "quote") for index in range(len(sides))]
        batch = _Batch(request, command, sides)
        if not self._attempt(batch, now_ns):
            self._waiting.append(batch)

    def _is_refused(
        self, request: Request, command: m.MassQuote, sent_ns: int, now_ns: int
    ) -> bool:
        """What is wrong with the command as a whole is answered once."""
        expires_ns = command.expires_ns or sent_ns + DEFAULT_EXPIRY_NS
        reason, field, text = self._unable() or _form(command) or (None, "", "")
        if reason is None and self._entry and len(command.quotes) > self._entry.max_quotes:
            most = self._entry.max_quotes
            text = f"at most {most} instruments in one command, got {len(command.quotes)}"
            reason, field = R.BAD_REQUEST, "quotes"
        elif reason is None and now_ns > expires_ns:
            late_ms = (now_ns - expires_ns) // 1_000_000
            reason, field, text = R.LATE, "expires_ns", f"read {late_ms} ms too late"
        if reason is not None:
            self._refuse_all(request, reason, field, text)
        return reason is not None

    def _unable(self) -> tuple[R, str, str] | None:
        entry = self._entry
        if entry is None:
            return R.UNSUPPORTED, "", f"{self._state.venue} takes no mass quotes"
        if entry.needs_cancel_on_disconnect and self._state.config.on_disconnect != "cancel":
            text = "the venue takes quotes only over a link that cancels its orders when it drops:"
            return R.UNSUPPORTED, "", f"{text} set on_disconnect: cancel for this account"
        return None

    def _refuse_all(self, request: Request, reason: R, field: str, text: str) -> None:
        item = Item(request, 0, "quote")
        request.items, request.is_list = [item], False
        self._answers.refuse(item, reason, field, text)

    def _attempt(self, batch: _Batch, now_ns: int) -> bool:
        """True when every side is decided: refused, or sent."""
        items = batch.request.items
        for item in items:
            if item.result is None and not self._placing.may_send(item, batch.command.owner):
                continue
        if all(item.result is not None for item in items):
            return True
        names = {side.instrument for side in batch.sides}
        if any([self._placing.waits_for_prices(name, now_ns) for name in names]):
            return False
        if not self._has_budget(batch, now_ns):
            return items[0].result is not None
        self._decide(batch, now_ns)
        return True

    def _has_budget(self, batch: _Batch, now_ns: int) -> bool:
        """False: it has to wait its turn, or (with results) it would wait too long."""
        ready_ns = self._state.quote_pacer.ready_ns(now_ns, is_cancel=True)
        if ready_ns <= now_ns:
            return True
        batch.deadline_ns = batch.deadline_ns or now_ns + PACE_WAIT_NS
        if ready_ns > batch.deadline_ns:
            wait_ms = (ready_ns - now_ns) // 1_000_000
            text = f"the venue's rate budget for quotes is used up; try again in {wait_ms} ms"
            for item in batch.request.items:
                self._answers.refuse(item, R.RATE_LIMIT, "", text)
        return False

    def _decide(self, batch: _Batch, now_ns: int) -> None:
        command = batch.command
        quote_set = command.quote_set or command.owner or command.mmp_group
        call = self._quote_calls.begin(quote_set, command.mmp_group, now_ns)
        for item, side in zip(batch.request.items, batch.sides, strict=True):
            if item.result is None:
                self._decide_side(call, command, item, side, now_ns)
        if call.steps:
            self._state.quote_pacer.take(now_ns, is_cancel=True)
            self._placing.note_sent(command.owner, now_ns)
            self._quote_calls.send(call, command.owner)

    def _decide_side(
        self, call: QuoteCall, command: m.MassQuote, item: Item, side: WantedSide, now_ns: int
    ) -> None:
        before = self._in_slot(side, command.mmp_group)
        if self._refuse_form(item, side) or self._refuse_taken(item, side, command, before):
            return
        symbol = self._state.market.symbol_of(side.instrument)
        assert side.quantity is not None
        sent = QuoteSide(symbol, side.side, side.price, side.quantity, command.post_only)
        if not side.quantity:
            sent = QuoteSide(symbol, side.side, None, side.quantity)
            self._take_away(call, item, before, sent, now_ns)
        elif before is not None and _is_same(before, sent):
            name = item.request.request_id
            item.result = m.CommandReply(name, True, orders=[before.state])
        elif not self._refuse_checked(item, side, command, before, now_ns):
            order = before or self._new_order(call, command, item, side, now_ns)
            kind = "place" if before is None else "modify"
            self._quote_calls.add(call, Step(item, order, kind, sent), now_ns)

    def _take_away(
        self, call: QuoteCall, item: Item, before: Order | None, sent: QuoteSide, now_ns: int
    ) -> None:
        if before is None:
            text = "there is no quote to take away"
            item.result = m.CommandReply(item.request.request_id, True, text=text)
        else:
            self._quote_calls.add(call, Step(item, before, "cancel", sent), now_ns)

    def _in_slot(self, side: WantedSide, group: str) -> Order | None:
        name = self._state.quotes.in_slot(side.instrument, side.side, group)
        return self._state.store.open.get(name)

    def _refuse_form(self, item: Item, side: WantedSide) -> bool:
        if side.quantity is None:
            text = "a side is a price and a quantity, or quantity 0 to take it away"
            self._answers.refuse(item, R.BAD_QUANTITY, side.field("quantity"), text)
        elif side.quantity and side.price is None:
            text = "a quote needs a price"
            self._answers.refuse(item, R.BAD_PRICE, side.field("price"), text)
        return item.result is not None

    def _refuse_taken(
        self, item: Item, side: WantedSide, command: m.MassQuote, before: Order | None
    ) -> bool:
        """The slot holds a quote that this command may not change, or not now."""
        if before is None:
            return False
        state = before.state
        if state.external or state.owner != command.owner:
            whose = "another client" if state.external else f"the owner {state.owner!r}"
            text = f"{whose} quotes this side in group {command.mmp_group}: cancel it first, or"
            self._answers.refuse(item, R.BAD_REQUEST, side.field(), f"{text} use another group")
        elif before.is_pending:
            text = f"the quote is {state.status.value}: wait until the venue has answered"
            self._answers.refuse(item, R.NOT_READY, side.field(), text, before)
        return item.result is not None

    def _refuse_checked(
        self,
        item: Item,
        side: WantedSide,
        command: m.MassQuote,
        before: Order | None,
        now_ns: int,
    ) -> bool:
        """Protection, then the checks of any order. What is to be replaced counts beside it."""
        known = self._state.market.instrument(side.instrument)
        index = known.definition.price_index if known else ""
        why = self._protections.refusal(index, command.mmp_group, now_ns) if known else ""
        if why:
            self._answers.refuse(item, R.PROTECTION, "mmp_group", why, before)
            return True
        order = _as_order(command, side)
        refusal = self._placing.judge(order, now_ns, is_new=before is None)
        if refusal is not None:
            field = side.field(refusal.field) if refusal.field else ""
            self._answers.refuse(item, refusal.reason, field, refusal.text, before)
        return refusal is not None

    def _new_order(
        self, call: QuoteCall, command: m.MassQuote, item: Item, side: WantedSide, now_ns: int
    ) -> Order:
        state, quantity = self._state, side.quantity or m.Exact("0")
        return Order(
            m.OrderUpdated(
                client_order_id=state.ids.next(),
                venue_order_id="",
                instrument=side.instrument,
                venue=state.venue,
                account=state.account,
                owner=command.owner,
                side=side.side,
                order_type=m.OrderType.LIMIT,
                price=side.price,
                quantity=quantity,
                time_in_force=m.TimeInForce.GTC,
                status=m.OrderStatus.PENDING_NEW,
                cum_quantity=m.Exact("0"),
                leaves_quantity=quantity,
                avg_price=None,
                event=E.PLACED,
                revision=1,
                created_ns=now_ns,
                updated_ns=now_ns,
                post_only=command.post_only,
                request_id=item.request.request_id,
                tag=command.tag,
                quote_id=call.names.quote_id,
                quote_set=call.names.quote_set,
                mmp_group=call.names.group,
            )
        )

    # --- what waits ---------------------------------------------------------------------------

    def next_ns(self, now_ns: int) -> int | None:
        return min((self._retry_ns(batch, now_ns) for batch in self._waiting), default=None)

    def _retry_ns(self, batch: _Batch, now_ns: int) -> int:
        if batch.deadline_ns:
            return min(batch.deadline_ns, self._state.quote_pacer.ready_ns(now_ns, is_cancel=True))
        market, names = self._state.market, {side.instrument for side in batch.sides}
        return max(market.wait_until_ns(name) for name in names if market.instrument(name))

    def retry(self, now_ns: int) -> None:
        for _ in range(len(self._waiting)):
            batch = self._waiting.popleft()
            if not self._attempt(batch, now_ns):
                self._waiting.append(batch)

    def give_up(self, reason: R, text: str) -> None:
        """Refuse what was not sent yet: the link is gone or the engine stops."""
        while self._waiting:
            for item in self._waiting.popleft().request.items:
                if item.result is None:
                    self._answers.refuse(item, reason, "", text)

    # --- cancels ------------------------------------------------------------------------------

    def cancel(self, request: Request, filters: m.CancelQuotes, now_ns: int) -> None:
        request.is_list = True
        refusal = self._refuse_cancel(filters)
        if refusal is not None:
            self._refuse_all(request, *refusal)
            return
        orders = [o for o in self._state.store.open.values() if self._matches(o, filters)]
        self._answers.note_cancels(request, orders)
        if self._quote_calls.cancel_at_once(filters, orders, now_ns):
            left = []
        else:
            left = self._quote_calls.cancel_sets(orders, now_ns)
        for index, order in enumerate(orders):
            item = Item(request, index, "cancel")
            request.items.append(item)
            self._answers.expect(item, order, now_ns)
            if order in left and order.state.status is not m.OrderStatus.PENDING_CANCEL:
                self._calls.cancel(order, now_ns, item)

    def _refuse_cancel(self, filters: m.CancelQuotes) -> tuple[R, str, str] | None:
        market = self._state.market
        if self._entry is None:
            return R.UNSUPPORTED, "", f"{self._state.venue} takes no mass quotes"
        if not self._state.logged_in:
            return R.LINK_DOWN, "", "there is no link to the venue"
        if (filters.min_delta is None) != (filters.max_delta is None):
            return R.BAD_REQUEST, "min_delta", "give min_delta and max_delta, or neither"
        name = filters.instrument
        if name is not None and market.has_definitions and market.instrument(name) is None:
            return R.UNKNOWN_INSTRUMENT, "instrument", f"there is no instrument {name}"
        return None

    def _matches(self, order: Order, filters: m.CancelQuotes) -> bool:
        state = order.state
        known = self._state.market.instrument(state.instrument)
        kind = known.definition.kind if known else None
        currency = known.definition.settlement if known else None
        return (
            bool(state.quote_id)
            and filters.instrument in (None, state.instrument)
            and filters.quote_set in (None, state.quote_set)
            and filters.mmp_group in (None, state.mmp_group)
            and filters.owner in (None, state.owner)
            and filters.kind in (None, kind)
            and filters.currency in (None, currency)
            and self._has_delta(state.instrument, filters)
        )

    def _has_delta(self, instrument: str, filters: m.CancelQuotes) -> bool:
        if filters.min_delta is None or filters.max_delta is None:
            return True
        delta = self._state.market.delta(instrument)
        return delta is not None and filters.min_delta <= delta <= filters.max_delta


def _form(command: m.MassQuote) -> tuple[R, str, str] | None:
    """What is wrong with the command before anything is known of the market."""
    for name in NAMES:
        value = getattr(command, name)
        if value and NAME.match(value) is None:
            text = f"{name} has at most 64 characters of A-Z a-z 0-9 . _ : / -"
            return R.BAD_REQUEST, name, text
    if not command.mmp_group:
        return R.BAD_REQUEST, "mmp_group", "name the group whose protection the quotes are under"
    if not sides_of(command):
        return R.BAD_REQUEST, "quotes", "there is no quote in it"
    names = [each.instrument for each in command.quotes]
    for number, name in enumerate(names):
        if name in names[:number]:
            field = f"quotes[{number}].instrument"
            return R.BAD_REQUEST, field, f"{name} is in it twice"
    return None


def _is_same(before: Order, sent: QuoteSide) -> bool:
    """The quote stands as it is wanted: there is nothing to send."""
    state = before.state
    terms = (state.price, state.leaves_quantity, state.post_only)
    return terms == (sent.price, sent.quantity, sent.post_only)


def _as_order(command: m.MassQuote, side: WantedSide) -> m.PlaceOrder:
    return m.PlaceOrder(
        side.instrument,
        side.side,
        side.quantity or m.Exact("0"),
        price=side.price,
        post_only=command.post_only,
        owner=command.owner,
        tag=command.tag,
    )
