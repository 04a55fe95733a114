"""Order entry: place, edit and cancel, and stops that become orders."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from common.messages import OrderType, Side, TriggerPrice
from common.venues.simulation import (
    ZERO,
    CancelReason,
    FlowOrder,
    OrderChanges,
    OrderFilter,
    OrderRequest,
    OrderState,
    Placed,
    Refused,
    SelfTrading,
    SimulatedFill,
    SimulatedOrder,
    SimulatedRefusal,
)
from services.venue_simulator.accounts import Account
from services.venue_simulator.admission import Admission, time_in_force
from services.venue_simulator.checks import check_place
from services.venue_simulator.combos import combo_flow
from services.venue_simulator.execution import Execution
from services.venue_simulator.filters import matches_order
from services.venue_simulator.funds import Funds
from services.venue_simulator.links import Links
from services.venue_simulator.listing import Listing
from services.venue_simulator.matching import MatchRefusal, Order, OwnOrders, PostOnly
from services.venue_simulator.orders import (
    STOP_TYPES,
    ClientOrder,
    check_changes,
)
from services.venue_simulator.protection import Protections
from services.venue_simulator.repricing import Repricing
from services.venue_simulator.scale import Scale
from services.venue_simulator.state import State

OWN_ORDERS = {
    SelfTrading.REJECT_TAKER: OwnOrders.REJECT_TAKER,
    SelfTrading.CANCEL_MAKER: OwnOrders.CANCEL_MAKER,
}
REFUSALS = {
    MatchRefusal.WOULD_CROSS: Refused(SimulatedRefusal.POST_ONLY_WOULD_CROSS, "price"),
    MatchRefusal.SELF_TRADE: Refused(SimulatedRefusal.SELF_TRADE),
}
STOP_CANCELS = {
    SimulatedRefusal.NOT_ENOUGH_FUNDS: CancelReason.NOT_ENOUGH_FUNDS,
    SimulatedRefusal.REDUCE_ONLY: CancelReason.REDUCE_ONLY,
    SimulatedRefusal.SELF_TRADE: CancelReason.SELF_TRADE,
}


class OrderEntry:
    """Judges and carries out what clients ask; synthetic orders come through play()."""

    def __init__(self, state: State, funds: Funds, execution: Execution) -> None:
        self._state = state
        self._admission = Admission(state, funds)
        self._execution = execution
        self._protections = Protections(state, execution)
        self._repricing = Repricing(state, self._move)
        self._links = Links(state, execution, self._go_live, self._grow)

    # requests

    def place(self, account: str, request: OrderRequest) -> Placed | Refused:
        state = self._state
        listing = state.listings.get(request.symbol)
        if account not in state.accounts:
            return Refused(SimulatedRefusal.ACCOUNT_UNKNOWN)
        if listing is None:
            return Refused(SimulatedRefusal.INSTRUMENT_UNKNOWN, "symbol")
        priced = self._repricing.priced(request, listing)
        if isinstance(priced, Refused):
            return priced
        request = priced
        refused = check_place(state, account, request, listing)
        refused = refused or self._protections.check(account, request, listing)
        if refused is not None:
            return refused
        self.play(listing)
        order = ClientOrder(next(state.order_numbers), account, request, state.now_ns)
        if request.link is None:
            outcome = self._go_live(order, listing)
            self._repricing.follow(order)
            return outcome
        placed = self._links.place(order, request.link, listing)
        if isinstance(placed, Refused):
            return placed
        self.finish(listing)
        return Placed(state.record(order), placed.fills)

    def edit(self, account: str, number: int, changes: OrderChanges) -> Placed | Refused:
        state = self._state
        order = self.find(account, number)
        if isinstance(order, Refused):
            return order
        listing = state.listings[order.symbol]
        if changes.valid_until_ns is not None and state.now_ns > changes.valid_until_ns:
            return Refused(SimulatedRefusal.TOO_LATE, "valid_until_ns")
        if not listing.is_open:
            return Refused(SimulatedRefusal.INSTRUMENT_CLOSED, "symbol")
        priced = self._repricing.changed(order, changes, listing)
        if isinstance(priced, Refused):
            return priced
        changes = priced
        refused = check_changes(listing.instrument, order, changes, state.rules)
        if refused is None and order.request.protection is not None and changes.quantity:
            leaves = changes.quantity - order.cum_quantity
            refused = self._protections.check_edit(account, order.request, leaves)
        if refused is not None:
            return refused
        self.play(listing)
        if number not in state.orders:  # the market was quicker
            return Refused(SimulatedRefusal.ORDER_CLOSED)
        if order.is_waiting:
            return self._placed(self._edit_waiting(order, listing, changes))
        fills = self._edit_resting(order, listing, changes)
        if isinstance(fills, Refused):
            return fills
        self.finish(listing)
        return Placed(state.record(order), fills)

    def edit_by_label(
        self, account: str, symbol: str, label: str, changes: OrderChanges
    ) -> Placed | Refused:
        which = OrderFilter(symbol=symbol, label=label)
        found = [order for order in self._orders(account) if self._is_meant(order, which)]
        if not found:
            return Refused(SimulatedRefusal.ORDER_NOT_FOUND, "label")
        if len(found) > 1:
            return Refused(SimulatedRefusal.LABEL_NOT_UNIQUE, "label")
        return self.edit(account, found[0].number, changes)

    def cancel(self, account: str, number: int) -> SimulatedOrder | Refused:
        order = self.find(account, number)
        if isinstance(order, Refused):
            return order
        self._execution.withdraw(order, CancelReason.USER_REQUEST)
        self.follow_links()
        return self._state.record(order)

    def cancel_matching(
        self, account: str, which: OrderFilter, reason: CancelReason
    ) -> list[SimulatedOrder]:
        canceled = []
        for order in self._orders(account):
            if self._is_meant(order, which):
                self._execution.withdraw(order, reason)
                canceled.append(self._state.record(order))
        self.follow_links()
        return canceled

    def find(self, account: str, number: int) -> ClientOrder | Refused:
        """An open order of this account."""
        order = self._state.orders.get(number)
        if order is not None:
            if order.account != account:
                return Refused(SimulatedRefusal.NOT_OWNER)
            return order
        closed = self._state.closed.get(number)
        if closed is None:
            return Refused(SimulatedRefusal.ORDER_NOT_FOUND)
        own = closed.account == account
        return Refused(SimulatedRefusal.ORDER_CLOSED if own else SimulatedRefusal.NOT_OWNER)

    @property
    def protections(self) -> Protections:
        return self._protections

    # the market

    def play(self, listing: Listing) -> None:
        """Wake the book and let the synthetic traders act up to now."""
        self._state.wake(listing)
        self.step(listing)

    def step(self, listing: Listing) -> None:
        """Let the synthetic traders of an awake book act up to now."""
        now_ns, since_ns = self._state.now_ns, listing.stepped_ns
        if now_ns <= since_ns or not listing.awake or not listing.is_open:
            return
        listing.stepped_ns = now_ns
        if listing.is_calm:
            return
        traded = False
        acts: Iterable[FlowOrder]
        if listing.legs:
            acts = combo_flow(self._state, listing)
        else:
            acts = self._state.market.orders_between(listing.symbol, since_ns, now_ns)
        for act in acts:
            outcome = listing.apply(act)
            if outcome is not None and outcome.trades:
                traded = True
                self._execution.book(listing, outcome, None)
            else:
                self._execution.report_book(listing)
        if traded:
            self.finish(listing)

    def run_triggers(self, listing: Listing, source: TriggerPrice) -> None:
        """Turn every stop whose price is met into an order, until none is left."""
        while listing.triggers and listing.is_open:
            price = self._state.trigger_price(listing, source)
            due = listing.triggers.take_due(source, price) if price is not None else []
            if not due:
                return
            for number in due:
                self._activate(self._state.orders[number], listing)

    def run_repricing(self) -> None:
        """The marks moved."""
        self._repricing.run()

    def _move(self, order: ClientOrder, listing: Listing, price: Decimal) -> None:
        """To where its USD or volatility puts it now; it stays where it may not go there."""
        self.play(listing)
        if order.number not in self._state.orders:
            return
        order.is_moving = True
        self._edit_resting(order, listing, OrderChanges(price=price))
        order.is_moving = False
        self.finish(listing)

    # placing

    def _go_live(self, order: ClientOrder, listing: Listing) -> Placed | Refused:
        """Into the book, or into the queue of what waits for its trigger."""
        if order.request.order_type in STOP_TYPES:
            return self._wait(order, listing)
        fills = self._enter(order, listing)
        if isinstance(fills, Refused):
            return fills
        self.finish(listing)
        return Placed(self._state.record(order), fills)

    def _grow(self, order: ClientOrder, quantity: Decimal) -> bool:
        changes = OrderChanges(quantity=order.quantity + quantity)
        return isinstance(self.edit(order.account, order.number, changes), Placed)

    def _enter(self, order: ClientOrder, listing: Listing) -> list[SimulatedFill] | Refused:
        """Send an order into the book."""
        refused = (
            self._admission.limit_price(order, listing)
            or self._admission.reduce(order, listing)
            or self._admission.afford(order, listing)
        )
        if refused is not None:
            return refused
        scale = listing.scale
        account = self._state.accounts[order.account]
        outcome = listing.engine.place(
            Order(
                order.number,
                order.account,
                order.is_buy,
                scale.ticks(order.price or ZERO),
                scale.lots(order.quantity),
                _display(order, scale),
            ),
            time_in_force(order),
            OWN_ORDERS[account.self_trading],
            _post_only(order),
        )
        if outcome.refusal in REFUSALS:
            return REFUSALS[outcome.refusal]
        self._state.add_order(order)
        order.price = scale.price(outcome.order.tick)
        fills = self._execution.book(listing, outcome, order)
        self._settle_taker(order, account, rests=outcome.rests)
        return fills

    def _settle_taker(self, order: ClientOrder, account: Account, *, rests: bool) -> None:
        """After its trades an order rests, is filled, or its rest is dropped."""
        if rests:
            account.work(order, order.leaves_quantity)
            self._state.report_order(order)
        elif order.state is OrderState.FILLED:
            self._state.close_order(order)
        else:
            self._execution.cancel(order, CancelReason.UNFILLED_REST)

    # stops

    def _wait(self, order: ClientOrder, listing: Listing) -> Placed | Refused:
        source = order.request.trigger
        if order.trigger_offset is not None and source is not None:
            order.trigger_reference = self._state.trigger_price(listing, source)
            if order.trigger_reference is None:  # nobody has traded yet
                return Refused(SimulatedRefusal.INVALID_TRIGGER, "trigger")
        order.state = OrderState.UNTRIGGERED
        self._state.add_order(order)
        return self._placed(self._watch(order, listing))

    def _watch(self, order: ClientOrder, listing: Listing) -> ClientOrder:
        """A trigger that is met already fires at once."""
        self._state.report_order(order)
        trigger = order.trigger()
        listing.triggers.add(order.number, trigger)
        self._state.with_stops[listing.symbol] = listing
        self.run_triggers(listing, trigger.source)
        self.finish(listing)
        return order

    def _activate(self, stop: ClientOrder, listing: Listing) -> None:
        """Put the order that a stop stands for into the book."""
        state = self._state
        born = ClientOrder(next(state.order_numbers), stop.account, stop.request, state.now_ns)
        born.restore(stop.terms())
        born.trigger_order, born.link = stop.number, stop.link
        stop.state, stop.updated_ns = OrderState.TRIGGERED, state.now_ns
        position = len(state.events)
        result = self._enter(born, listing)
        if isinstance(result, Refused):
            reason = STOP_CANCELS.get(result.reason, CancelReason.UNFILLED_REST)
            self._execution.cancel(stop, reason)
            return
        if stop.link is not None and stop.link.pair is not None:
            stop.link.pair.join(stop, born)
        later = state.events[position:]
        del state.events[position:]
        state.close_order(stop)
        state.events += later

    def _edit_waiting(
        self, order: ClientOrder, listing: Listing, changes: OrderChanges
    ) -> ClientOrder:
        order.change(changes)
        order.note_edit(self._state.now_ns)
        if not order.is_dormant:
            return self._watch(order, listing)
        self._state.report_order(order)
        return order

    # editing

    def _edit_resting(
        self, order: ClientOrder, listing: Listing, changes: OrderChanges
    ) -> list[SimulatedFill] | Refused:
        account = self._state.accounts[order.account]
        before = order.terms()
        account.work(order, -order.leaves_quantity)
        order.change(changes)
        refused = self._admission.limit_price(order, listing)
        refused = refused or self._admission.reduce(order, listing)
        if refused is None and (order.price != before.price or order.quantity > before.quantity):
            refused = self._admission.afford(order, listing)
        fills = refused if refused is not None else self._amend(order, listing, account)
        if isinstance(fills, Refused):
            order.restore(before)
            account.work(order, order.leaves_quantity)
        return fills

    def _amend(
        self, order: ClientOrder, listing: Listing, account: Account
    ) -> list[SimulatedFill] | Refused:
        scale = listing.scale
        outcome = listing.engine.amend(
            order.number,
            scale.ticks(order.price or ZERO),
            scale.lots(order.leaves_quantity),
            OWN_ORDERS[account.self_trading],
            _post_only(order),
            display=_display(order, scale),
        )
        if outcome.refusal is MatchRefusal.WOULD_CROSS:
            listing.engine.cancel(order.number)
            self._execution.report_book(listing)
            self._execution.cancel(order, CancelReason.EDIT_POST_ONLY)
            return []
        if outcome.refusal is not None:
            return REFUSALS[outcome.refusal]
        order.note_edit(self._state.now_ns)
        order.price = scale.price(outcome.order.tick)
        fills = self._execution.book(listing, outcome, order)
        self._settle_taker(order, account, rests=outcome.rests)
        return fills

    # common

    def finish(self, listing: Listing) -> None:
        """After a request or a trigger: report what changed, and let trades set off stops."""
        if self._state.guarded:
            self._protections.run()
        self.follow_links()
        self._execution.finish()
        if listing.triggers:
            self.run_triggers(listing, TriggerPrice.LAST)
            if self._state.guarded:
                self._protections.run()
            self.follow_links()
            self._execution.finish()

    def follow_links(self) -> None:
        if self._state.linked:
            self._links.run()

    def _placed(self, order: ClientOrder) -> Placed:
        return Placed(self._state.record(order), [])

    def _orders(self, account: str) -> list[ClientOrder]:
        return self._state.account_orders(account)

    def _is_meant(self, order: ClientOrder, which: OrderFilter) -> bool:
        return matches_order(order, self._state.listings[order.symbol], which)


def _post_only(order: ClientOrder) -> PostOnly | None:
    if not order.post_only:
        return None
    return PostOnly.REJECT if order.reject_post_only else PostOnly.REPRICE


def _display(order: ClientOrder, scale: Scale) -> int:
    return 0 if order.display_quantity is None else scale.lots(order.display_quantity)


def closing_request(
    symbol: str, held: Decimal, price: Decimal | None, session: str
) -> OrderRequest:
    """The reduce-only order that closes a position."""
    return OrderRequest(
        symbol=symbol,
        side=Side.SELL if held > 0 else Side.BUY,
        quantity=abs(held),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=price,
        reduce_only=True,
        session=session,
    )
