"""New orders and modifies: checks, then the wait for prices and budget, then the call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from common import messages as m
from common.codec import NAME
from common.domain import risk
from common.domain.order import Facts, Order
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from common.venues.order_entry import OrderEntry
from services.trading_engine import linking, option_prices
from services.trading_engine.answers import Answers
from services.trading_engine.calls import Calls
from services.trading_engine.facts import RiskFacts
from services.trading_engine.ledger import Item
from services.trading_engine.state import EngineState

NS_PER_S = 1_000_000_000
CHANGES = (
    "price",
    "quantity",
    "trigger_price",
    "post_only",
    "trigger_offset",
    "display_quantity",
)
NAMES = ("owner", "tag", "parent")
DEFAULT_EXPIRY_NS = NS_PER_S
PACE_WAIT_NS = 300_000_000  # how long a new order may wait for the rate budget


class Placing:
    """Decides on new orders and modifies."""

    def __init__(
        self, state: EngineState, entry: OrderEntry, calls: Calls, answers: Answers
    ) -> None:
        self._state = state
        self._entry = entry
        self._calls = calls
        self._answers = answers
        self._to_send: deque[Item] = deque()  # what waits for prices or budget
        self._facts = RiskFacts(state)

    def place(self, item: Item, command: m.PlaceOrder, sent_ns: int, now_ns: int) -> None:
        """Take a new order: refuse it, send it or let it wait a moment."""
        expires_ns = command.expires_ns or sent_ns + DEFAULT_EXPIRY_NS
        if now_ns > expires_ns:
            late_ms = (now_ns - expires_ns) // 1_000_000
            self._refuse(item, R.LATE, "expires_ns", f"read {late_ms} ms too late")
        elif bad := [name for name in NAMES if not _is_name(getattr(command, name))]:
            field = bad[0]
            text = f"{field} has at most 64 characters of A-Z a-z 0-9 . _ : / -"
            self._refuse(item, R.BAD_REQUEST, field, text)
        elif not all(_is_name(linked.tag) for linked in command.linked_orders):
            text = "tag has at most 64 characters of A-Z a-z 0-9 . _ : / -"
            self._refuse(item, R.BAD_REQUEST, "linked_orders", text)
        elif (refusal := linking.refuse(command, self._state.capabilities)) is not None:
            self._refuse(item, refusal.reason, refusal.field, refusal.text)
        else:
            self.attempt(item, now_ns)

    def attempt(self, item: Item, now_ns: int) -> None:
        """Carry out now, or queue for the price or the rate budget that is missing."""
        attempt = self._try_place if item.kind == "place" else self._try_modify
        if not attempt(item, now_ns):
            self._to_send.append(item)

    def _place_command(self, item: Item) -> m.PlaceOrder:
        command = item.request.command
        if isinstance(command, m.PlaceOrders):
            return command.orders[item.index]
        assert isinstance(command, m.PlaceOrder)
        return command

    def _try_place(self, item: Item, now_ns: int) -> bool:
        """True when it is decided: refused or sent."""
        command = self._place_command(item)
        if self._refuse_latched(item, command.owner) or self._refuse_unready(item):
            return True
        if self._must_wait_for_prices(command.instrument, now_ns):
            return False
        secondaries = linking.secondaries(command)
        refusal = self._check_new(command, secondaries, now_ns)
        if refusal is not None:
            self._refuse(item, refusal.reason, refusal.field, refusal.text)
            return True
        if not self._take_budget(item, now_ns):
            return item.result is not None
        self._state.repeats.on_sent(command, now_ns)
        self._facts.on_sent(command.owner, now_ns)
        order = self._new_order(command, item, now_ns)
        first = order.state.client_order_id
        linked = [
            self._new_order(other, item, now_ns, first, f"/{number}")
            for number, other in enumerate(secondaries, 1)
        ]
        self._answers.expect(item, order, now_ns)
        self._calls.place(order, item, command.reprice, now_ns, linked)
        return True

    def _check_new(
        self, command: m.PlaceOrder, secondaries: list[m.PlaceOrder], now_ns: int
    ) -> risk.Refusal | None:
        limits = self._state.limits
        priced = self._in_own_unit(command, now_ns)
        if isinstance(priced, risk.Refusal):
            return priced
        known = self._facts.of(priced, now_ns)
        refusal = risk.check(priced, limits, known)
        return refusal or linking.check(command, secondaries, limits, known)

    def _in_own_unit(self, command: m.PlaceOrder, now_ns: int) -> m.PlaceOrder | risk.Refusal:
        """With its price in the instrument's unit, for the checks."""
        market = self._state.market
        instrument = market.instrument(command.instrument)
        if instrument is None or command.price_type is None:
            return command
        refusal = option_prices.refuse(command, instrument, self._state.capabilities)
        if refusal is not None:
            return refusal
        ticker = market.ticker(command.instrument)
        return option_prices.in_own_unit(command, instrument, ticker, now_ns)

    # --- for quotes, which are decided many at a time ---
    def may_send(self, item: Item, owner: str) -> bool:
        """False: neither this nor any new order of the owner can be sent; the item is refused."""
        return not (self._refuse_latched(item, owner) or self._refuse_unready(item))

    def waits_for_prices(self, instrument: str, now_ns: int) -> bool:
        return self._must_wait_for_prices(instrument, now_ns)

    def judge(self, order: m.PlaceOrder, now_ns: int, *, is_new: bool) -> risk.Refusal | None:
        """The pre-trade checks alone."""
        known = self._facts.of(order, now_ns)
        return risk.check(order, self._state.limits, known, is_new=is_new)

    def note_sent(self, owner: str, now_ns: int) -> None:
        """A mass quote left: one message, however many quotes are in it."""
        self._facts.on_sent(owner, now_ns)

    def _refuse_latched(self, item: Item, owner: str, order: Order | None = None) -> bool:
        setting = self._state.modes.of(owner)
        if setting.is_latch:
            text = f"{setting.text}; only cancels are taken"
            self._refuse(item, R.KILL_SWITCH, "", text, order)
        return item.result is not None

    def _refuse_unready(self, item: Item) -> bool:
        state = self._state
        if state.stopping:
            self._refuse(item, R.NOT_READY, "", "the engine is stopping")
        elif state.out.journal_failed:
            self._refuse(item, R.JOURNAL_FAILED, "", "the journal cannot be written")
        elif not state.logged_in:
            self._refuse(item, R.LINK_DOWN, "", "there is no link to the venue")
        elif not state.is_ready:
            self._refuse(item, R.NOT_READY, "", "the engine still reads its state at the venue")
        elif not state.market.has_definitions:
            text = "instrument definitions have not come from market_data yet"
            self._refuse(item, R.NOT_READY, "instrument", text)
        elif closed := state.closed_text:
            self._refuse(item, R.NOT_READY, "", closed)
        elif doubt := self._entry.clock_doubt:
            self._refuse(item, R.NOT_READY, "", doubt)
        elif differs := state.builds.differing:
            self._refuse(item, R.NOT_READY, "", f"{differs}; start the desk anew")
        return item.result is not None

    def _must_wait_for_prices(self, instrument: str, now_ns: int) -> bool:
        market = self._state.market
        if market.instrument(instrument) is None:
            return False
        for command in market.watch(instrument, now_ns):
            self._state.out.add(command)
        return now_ns < market.wait_until_ns(instrument)

    def _take_budget(self, item: Item, now_ns: int) -> bool:
        """False: it has to wait its turn, or (with a result) it would wait too long."""
        pacer = self._state.pacer
        waits = item.deadline_ns > 0
        ahead = 0 if waits else sum(1 for other in self._to_send if other.deadline_ns)
        if not ahead and pacer.take(now_ns, is_cancel=False):
            return True
        item.deadline_ns = item.deadline_ns or now_ns + PACE_WAIT_NS
        ready_ns = pacer.ready_ns(now_ns, is_cancel=False, ahead=ahead)
        if ready_ns > item.deadline_ns:
            wait_ms = (ready_ns - now_ns) // 1_000_000
            text = f"the venue's rate budget is used up; try again in {wait_ms} ms"
            self._refuse(item, R.RATE_LIMIT, "", text)
        return False

    def _new_order(
        self,
        command: m.PlaceOrder,
        item: Item,
        now_ns: int,
        link_id: str = "",
        suffix: str = "",
    ) -> Order:
        """suffix: of the request_id of a linked order, so that each has one of its own."""
        state, name = self._state, self._state.ids.next()
        request_id = item.request.request_id
        if suffix and item.request.is_list:
            suffix = f"/{item.index}{suffix}"
        return Order(
            m.OrderUpdated(
                client_order_id=name,
                venue_order_id="",
                instrument=command.instrument,
                venue=state.venue,
                account=state.account,
                owner=command.owner,
                side=command.side,
                order_type=command.order_type,
                price=command.price,
                quantity=command.quantity,
                time_in_force=command.time_in_force,
                status=S.PENDING_NEW,
                cum_quantity=risk.ZERO,
                leaves_quantity=command.quantity,
                avg_price=None,
                event=E.PLACED,
                revision=1,
                created_ns=now_ns,
                updated_ns=now_ns,
                post_only=command.post_only,
                reduce_only=command.reduce_only,
                trigger_price=command.trigger_price,
                trigger=_trigger(command),
                request_id=request_id + suffix,
                tag=command.tag,
                trigger_offset=command.trigger_offset,
                display_quantity=command.display_quantity,
                contingency_type=command.contingency_type,
                fill_condition=_fill_condition(command),
                link_id=link_id or (name if command.contingency_type else ""),
                price_type=command.price_type,
                parent=command.parent,
                parent_quantity=command.parent_quantity,
            )
        )

    # --- modifies -----------------------------------------------------------------------------

    def _try_modify(self, item: Item, now_ns: int) -> bool:
        command = item.request.command
        assert isinstance(command, m.ModifyOrder)
        if self._refuse_unready(item):
            return True
        order = find(self._state, self._answers, item, command.client_order_id, command.owner)
        if order is None or self._refuse_latched(item, order.state.owner, order):
            return True
        if self._refuse_modify(item, order, command):
            return True
        if self._must_wait_for_prices(order.state.instrument, now_ns):
            return False
        wanted_order = _as_place(order.state, command)
        priced = self._in_own_unit(wanted_order, now_ns)
        if isinstance(priced, risk.Refusal):
            self._refuse(item, priced.reason, priced.field, priced.text, order)
            return True
        known = self._facts.of(priced, now_ns, order)
        refusal = risk.check(priced, self._state.limits, known, is_new=False)
        if refusal is not None:
            self._refuse(item, refusal.reason, refusal.field, refusal.text, order)
            return True
        if not self._take_budget(item, now_ns):
            return item.result is not None
        self._facts.on_sent(order.state.owner, now_ns)
        wanted = Facts(
            price=command.price,
            quantity=command.quantity,
            trigger_price=command.trigger_price,
            post_only=command.post_only,
            trigger_offset=command.trigger_offset,
            display_quantity=command.display_quantity,
        )
        self._answers.expect(item, order, now_ns)
        self._calls.modify(order, item, wanted, now_ns)
        return True

    def _refuse_modify(self, item: Item, order: Order, command: m.ModifyOrder) -> bool:
        state = order.state
        if all(getattr(command, name) is None for name in CHANGES):
            text = "nothing to change: give a price, a quantity or a trigger_price"
            self._refuse(item, R.BAD_REQUEST, "price", text, order)
        elif state.quote_id:
            text = "a quote is changed by another quote, not by a modify"
            self._refuse(item, R.UNSUPPORTED, "client_order_id", text, order)
        elif order.is_pending:
            text = f"the order is {state.status.value}: wait until the venue has answered"
            self._refuse(item, R.NOT_READY, "client_order_id", text, order)
        elif command.quantity is not None and command.quantity <= state.cum_quantity:
            text = f"quantity is the new total; {state.cum_quantity} are filled already"
            self._refuse(item, R.BAD_QUANTITY, "quantity", text, order)
        return item.result is not None

    # --- what waits ---
    def _retry_ns(self, item: Item, now_ns: int) -> int:
        """Prices may go while it waits for its turn: it needs both."""
        command = item.request.command
        if isinstance(command, m.ModifyOrder):
            order = self._state.store.get(command.client_order_id)
            name = order.state.instrument if order else ""
        else:
            name = self._place_command(item).instrument
        prices_ns = self._state.market.wait_until_ns(name) if name else now_ns
        if not item.deadline_ns:
            return prices_ns
        turn_ns = self._state.pacer.ready_ns(now_ns, is_cancel=False)
        return max(prices_ns, min(item.deadline_ns, turn_ns))

    def next_ns(self, now_ns: int) -> int | None:
        return min((self._retry_ns(item, now_ns) for item in self._to_send), default=None)

    def retry(self, now_ns: int) -> None:
        """Try what waits again; earlier ones first."""
        attempts: dict[str, Callable[[Item, int], bool]] = {
            "place": self._try_place,
            "modify": self._try_modify,
        }
        for _ in range(len(self._to_send)):
            item = self._to_send.popleft()
            if not attempts[item.kind](item, now_ns):
                self._to_send.append(item)

    def give_up(self, reason: R, text: str) -> None:
        """Refuse what was not sent yet: the link is gone or the engine stops."""
        while self._to_send:
            self._refuse(self._to_send.popleft(), reason, "", text)

    def _refuse(
        self, item: Item, reason: R, field: str, text: str, order: Order | None = None
    ) -> None:
        self._answers.refuse(item, reason, field, text, order)


def _trigger(command: m.PlaceOrder) -> m.TriggerPrice | None:
    """A stop that does not say what wakes it waits for the mark price."""
    if command.trigger is None and command.order_type in risk.WAITING:
        return m.TriggerPrice.MARK
    return command.trigger


def _as_place(state: m.OrderUpdated, command: m.ModifyOrder) -> m.PlaceOrder:
    """The order as it would be after the modify, for the checks."""
    kind = state.order_type
    if kind is m.OrderType.MARKET_TO_LIMIT:  # since it rests
        kind = m.OrderType.LIMIT
    return m.PlaceOrder(
        instrument=state.instrument,
        side=state.side,
        quantity=command.quantity or state.quantity,
        order_type=kind,
        price=command.price if command.price is not None else state.price,
        time_in_force=state.time_in_force,
        post_only=state.post_only if command.post_only is None else command.post_only,
        reduce_only=state.reduce_only,
        trigger_price=(
            command.trigger_price if command.trigger_price is not None else state.trigger_price
        ),
        trigger=state.trigger,
        owner=state.owner,
        parent=state.parent,
        parent_quantity=state.parent_quantity,
        trigger_offset=_changed(command.trigger_offset, state.trigger_offset),
        display_quantity=_changed(command.display_quantity, state.display_quantity),
        price_type=state.price_type,
    )


def _changed(wanted: m.Exact | None, now: m.Exact | None) -> m.Exact | None:
    return now if wanted is None else wanted


def _fill_condition(command: m.PlaceOrder) -> m.FillCondition | None:
    if command.contingency_type is None:
        return None
    return command.fill_condition or m.FillCondition.FIRST_HIT


def find(state: EngineState, answers: Answers, item: Item, name: str, owner: str) -> Order | None:
    """The open order of that id, if it belongs to the owner who asks; else the item is refused."""
    order = state.store.get(name)
    if order is None or (owner and order.state.owner != owner):
        answers.refuse(item, R.UNKNOWN_ORDER, "client_order_id", f"there is no order {name}")
        return None
    if order.is_final:
        text = f"the order is {order.state.status.value} already"
        answers.refuse(item, R.ORDER_CLOSED, "client_order_id", text, order)
        return None
    return order


def _is_name(text: str) -> bool:
    return not text or NAME.match(text) is not None
