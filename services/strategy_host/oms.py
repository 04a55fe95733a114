"""The mini OMS: a strategy's own orders, what is asked about them, and what may still trade.

Truth is the engine's. Its order events are merged by revision, its snapshots replace what was
missed. A request that got no answer is asked again under the same request_id: the engine carries it
out at most once, and a place that it reads after its expiry is refused, so asking again settles
what became of it and never places twice.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from decimal import Decimal

import msgspec

from common import core as c, messages as m
from common.domain.quotes import sides_of
from common.messages import OrderStatus as S, RejectReason as R, Side
from common.own_orders import ZERO, OwnOrder
from services.strategy_host import quotes
from services.strategy_host.budget import Budget

NS_PER_S = 1_000_000_000
PLACE_VALID_NS = NS_PER_S
AGAIN_NS = NS_PER_S
TIMEOUT_S = 3.0  # the engine answers after 2 s at the latest
CLOSED_KEPT = 1000
OVER = frozenset({R.ORDER_CLOSED, R.UNKNOWN_ORDER})


class Pending(msgspec.Struct, eq=False):
    """A request without an answer. order: None for CancelAll. orders: of a mass quote's sides."""

    request: c.Request
    kind: str  # "place", "modify", "cancel", "cancel_all", "query", "quote", "protection"
    order: OwnOrder | None
    again_ns: int | None = None  # when to ask again; None while an answer may come
    tries: int = 1
    orders: list[OwnOrder] = []


class Oms:
    """Orders of one owner at one account.

    Args:
        run: part of every request_id; no other run of this strategy has it.
        out: where commands go.
    """

    def __init__(
        self,
        owner: str,
        venue: str,
        account: str,
        run: int,
        budget: Budget,
        out: list[c.CoreCommand],
        quote_budget: Budget,
    ) -> None:
        self._owner = owner
        self._target = f"orders.{venue}.{account}"
        self._run = run
        self._budget = budget
        self._quote_budget = quote_budget
        self._out = out
        self._numbers = 0
        self._open: dict[str, OwnOrder] = {}  # by request_id, or what stands for it
        self._by_name: OrderedDict[str, OwnOrder] = OrderedDict()  # by client_order_id
        self._pending: dict[str, Pending] = {}
        self.placed = 0
        self.rejects: Counter[str] = Counter()
        self.lost: list[OwnOrder] = []  # open here, not known to the engine

    # --- looking ------------------------------------------------------------------------------

    @property
    def working(self) -> list[OwnOrder]:
        return list(self._open.values())

    @property
    def in_doubt(self) -> int:
        return sum(order.in_doubt for order in self._open.values())

    def working_quantity(self, instrument: str, side: Side) -> Decimal:
        """What may still trade: open orders, those in doubt in full."""
        return sum(
            (
                order.leaves_quantity
                for order in self._open.values()
                if order.instrument == instrument and order.side is side
            ),
            ZERO,
        )

    @property
    def instruments(self) -> set[str]:
        return {order.instrument for order in self._open.values()}

    # --- asking -------------------------------------------------------------------------------

    def place(self, command: m.PlaceOrder, now_ns: int) -> OwnOrder:
        command = msgspec.structs.replace(command, expires_ns=now_ns + PLACE_VALID_NS)
        order = OwnOrder("", command, now_ns)
        order.request_id = self._ask("place", command, order)
        self._open[order.request_id] = order
        for number, linked in enumerate(command.linked_orders, 1):
            other = OwnOrder(f"{order.request_id}/{number}", _as_place(command, linked), now_ns)
            order.linked.append(other)
            self._open[other.request_id] = other
        self._budget.spend(now_ns)
        self.placed += 1
        return order

    def modify(self, order: OwnOrder, change: m.ModifyOrder, now_ns: int) -> bool:
        if not order.is_settled or change == m.ModifyOrder(change.client_order_id):
            return False
        command = msgspec.structs.replace(change, owner=self._owner)
        order.asked, order.wanted_quantity = "modify", change.quantity
        self._ask("modify", command, order)
        self._budget.spend(now_ns)
        return True

    def cancel(self, order: OwnOrder, now_ns: int) -> bool:
        if not order.is_open:
            return False
        order.cancel_wanted = True
        self._carry_on(order, now_ns)
        return True

    def cancel_all(self, instrument: str | None, now_ns: int) -> None:
        """One command for all that have a name, the others as soon as they have one."""
        self._ask("cancel_all", m.CancelAll(instrument=instrument, owner=self._owner), None)
        for order in self._open.values():
            if instrument in (None, order.instrument):
                order.cancel_wanted = True
                order.asked = order.asked or ("cancel" if order.client_order_id else "")
                self._budget.spend(now_ns)

    # --- quotes -------------------------------------------------------------------------------

    def quote(self, command: m.MassQuote, now_ns: int) -> list[OwnOrder]:
        """One order per side; sides that need not or cannot be sent now are left out."""
        command = msgspec.structs.replace(command, expires_ns=now_ns + PLACE_VALID_NS)
        plan = quotes.plan(command, self._open.values(), now_ns)
        if not plan.sent:
            return plan.orders
        request_id = self._ask("quote", plan.command, None)
        self._pending[request_id].orders = plan.sent
        for order, side in zip(plan.sent, sides_of(plan.command), strict=True):
            if order.client_order_id:
                order.asked = "quote"
                order.wanted_quantity = order.cum_quantity + (side.quantity or ZERO)
            else:
                order.request_id = quotes.key(request_id, order.instrument, order.side)
                self._open[order.request_id] = order
                self.placed += 1
        self._quote_budget.spend(now_ns)
        return plan.orders

    def cancel_quotes(self, filters: m.CancelQuotes, now_ns: int) -> None:
        """One command for all that have a name, the others as soon as they have one."""
        self._ask("cancel_all", filters, None)
        self._budget.spend(now_ns)
        for order in self._open.values():
            if quotes.is_in(order, filters):
                order.cancel_wanted = True
                order.asked = order.asked or ("cancel" if order.client_order_id else "")

    def change_protection(self, command: m.SetProtection | m.ResetProtection) -> None:
        self._ask("protection", command, None)

    def _on_quoted(self, pending: Pending, reply: m.CommandReply, now_ns: int) -> list[OwnOrder]:
        """Each side by its own result; a command refused as a whole has none."""
        results = reply.results or [reply] * len(pending.orders)
        changed = []
        for order, result in zip(pending.orders, results, strict=False):
            if result.accepted or result.in_doubt:
                continue
            reason = result.reason or R.BAD_REQUEST
            self.rejects[reason.value] += 1
            order.refusal, order.text = reason, result.text
            if not order.client_order_id and order.is_open:
                self._refuse(order, reason, result.text)
            changed.append(order)
        for order in pending.orders:
            self._carry_on(order, now_ns)
        return changed

    def _forget_asked(self, orders: list[OwnOrder]) -> None:
        """The mass quote that would change them is over."""
        for order in orders:
            if order.asked == "quote":
                order.asked, order.wanted_quantity = "", None

    def _end_quotes(self, orders: list[OwnOrder], reason: R | None, text: str) -> None:
        """They were never sent."""
        self._forget_asked(orders)
        for order in orders:
            order.refusal, order.text = reason, text
            if not order.client_order_id:
                self._refuse(order, reason, text)

    def _carry_on(self, order: OwnOrder, now_ns: int) -> None:
        """Send the cancel that is wanted, once the order has a name and nothing is under way."""
        ready = order.client_order_id and order.asked != "cancel"
        if order.cancel_wanted and ready and order.is_open and order.status is not S.PENDING_CANCEL:
            order.asked = "cancel"
            self._ask("cancel", m.CancelOrder(order.client_order_id, self._owner), order)
            self._budget.spend(now_ns)

    def _ask(self, kind: str, command: m.Command, order: OwnOrder | None) -> str:
        self._numbers += 1
        request_id = f"{self._run:x}-{self._numbers}"
        request = c.Request(self._target, request_id, command, TIMEOUT_S)
        self._pending[request_id] = Pending(request, kind, order)
        self._out.append(request)
        return request_id

    def unsend(self, commands: list[c.CoreCommand]) -> list[OwnOrder]:
        """Forget requests that were made and are not to leave.

        Returns:
            The orders that were never placed.
        """
        dropped = []
        for command in commands:
            pending = self._pending.pop(getattr(command, "request_id", ""), None)
            if pending is not None and pending.orders:
                self._end_quotes(pending.orders, None, "not sent")
                dropped += [each for each in pending.orders if not each.client_order_id]
            if pending is None or pending.order is None:
                continue
            pending.order.asked = ""
            if pending.kind == "place":
                self._refuse(pending.order, None, "not sent")
                dropped.append(pending.order)
        return dropped

    # --- events -------------------------------------------------------------------------------

    def on_update(self, update: m.OrderUpdated, now_ns: int) -> OwnOrder | None:
        """Merge the engine's view of one order.

        Returns:
            The order if that changed it.
        """
        order = self._find(update)
        if order is None:
            if update.status.is_final:
                return None
            order = self._adopt(update)
        if update.revision <= order.revision:
            return None
        _apply(order, update)
        self._file(order)
        self._carry_on(order, now_ns)
        return order

    def _find(self, update: m.OrderUpdated) -> OwnOrder | None:
        """By its name; by the request that it came from while it has none."""
        known = self._by_name.get(update.client_order_id)
        if known is not None:
            return known
        name = update.request_id
        if update.quote_id:
            name = quotes.key(name, update.instrument, update.side)
        order = self._open.get(name)
        return order if order is not None and not order.client_order_id else None

    def on_snapshot(self, snapshot: m.OrderSnapshot, now_ns: int) -> list[OwnOrder]:
        """Merge a whole view; orders that it should hold and does not are asked for."""
        changed = [self.on_update(update, now_ns) for update in snapshot.orders]
        seen = {update.client_order_id for update in snapshot.orders}
        for order in self.working:
            if order.client_order_id and order.client_order_id not in seen:
                query = m.QueryOrders(order.client_order_id, owner=self._owner)
                self._ask("query", query, order)
        return [order for order in changed if order is not None]

    def on_reply(self, reply: m.CommandReply, now_ns: int) -> list[OwnOrder]:
        """Returns the orders that changed, or of which something was refused."""
        pending = self._pending.pop(reply.request_id, None)
        if pending is None:
            return []
        order, changed = pending.order, []
        self._forget_asked(pending.orders)
        if order is not None and pending.kind in ("modify", "cancel"):
            order.asked, order.wanted_quantity = "", None
        for update in reply.orders:
            each = self.on_update(update, now_ns)
            if each is not None:
                changed.append(each)
        if pending.kind == "quote":
            changed += self._on_quoted(pending, reply, now_ns)
        elif not (reply.accepted or reply.in_doubt):
            changed += self._on_refused(pending, reply)
        if pending.kind == "cancel_all":
            for each in self._open.values():
                each.asked = "" if each.asked == "cancel" else each.asked
        elif order is not None and pending.kind == "modify":
            self._carry_on(order, now_ns)
        return list(dict.fromkeys(changed))

    def _on_refused(self, pending: Pending, reply: m.CommandReply) -> list[OwnOrder]:
        order, reason = pending.order, reply.reason or R.BAD_REQUEST
        if pending.kind == "query":
            if order is not None and order.is_open and reason is R.UNKNOWN_ORDER:
                self.lost.append(order)
            return []
        self.rejects[reason.value] += 1
        if pending.kind == "protection":
            text = f"protection was refused: {reason.value} {reply.text}"
            self._out.append(c.Alert("WARNING", text))
        if order is None:
            return []
        order.refusal, order.text = reason, reply.text
        if pending.kind == "place" and order.is_open:
            self._refuse(order, reason, reply.text)
        elif pending.kind == "cancel" and reason in OVER:
            order.cancel_wanted = False
        return [order]

    def on_failed(self, event: c.RequestFailed, now_ns: int) -> list[OwnOrder]:
        """No answer. What surely was not sent is refused; the rest is asked again."""
        pending = self._pending.get(event.request_id)
        if pending is None:
            return []
        order = pending.order
        never_sent = not event.sent and pending.tries == 1
        if pending.kind in ("quote", "protection"):
            return self._on_failed_quotes(pending, event, never_sent, now_ns)
        if pending.kind in ("place", "query") and not (never_sent and pending.kind == "place"):
            pending.again_ns = now_ns + AGAIN_NS
            if order is not None and pending.kind == "place":
                for each in (order, *order.linked):
                    each.in_doubt = each.revision < 0
            return [] if order is None else [order]
        del self._pending[event.request_id]
        if never_sent:
            self.rejects[R.NOT_READY.value] += 1
        if order is None:
            for each in self._open.values():
                each.asked = "" if each.asked == "cancel" else each.asked
            return []
        if pending.kind == "place":
            self._refuse(order, R.NOT_READY, f"{event.target} {event.error}")
        else:
            order.asked, order.wanted_quantity = "", None
            order.refusal, order.text = R.NOT_READY, f"{event.target} {event.error}"
        return [order]

    def _on_failed_quotes(
        self, pending: Pending, event: c.RequestFailed, never_sent: bool, now_ns: int
    ) -> list[OwnOrder]:
        if not never_sent:
            pending.again_ns = now_ns + AGAIN_NS
            for order in pending.orders:
                order.in_doubt = order.in_doubt or order.revision < 0
            return pending.orders
        del self._pending[event.request_id]
        self.rejects[R.NOT_READY.value] += 1
        self._end_quotes(pending.orders, R.NOT_READY, f"{event.target} {event.error}")
        return pending.orders

    def on_time(self, now_ns: int) -> None:
        """Ask again what was not answered, and cancel what still is to be cancelled."""
        for pending in list(self._pending.values()):
            if pending.again_ns is not None and pending.again_ns <= now_ns:
                pending.again_ns = None
                pending.tries += 1
                self._out.append(pending.request)
        for order in self.working:
            if not order.asked:
                self._carry_on(order, now_ns)

    # --- filing -------------------------------------------------------------------------------

    def _adopt(self, update: m.OrderUpdated) -> OwnOrder:
        """An order of an earlier run."""
        command = m.PlaceOrder(
            update.instrument,
            update.side,
            update.quantity,
            update.order_type,
            update.price,
            update.time_in_force,
            update.post_only,
            tag=update.tag,
        )
        order = OwnOrder(f"={update.client_order_id}", command, update.created_ns)
        first = self._by_name.get(update.link_id) if update.is_secondary else None
        if first is not None:
            first.linked.append(order)
        return order

    def _file(self, order: OwnOrder) -> None:
        self._by_name[order.client_order_id] = order
        if order.is_open:
            self._open[order.request_id] = order
            return
        self._open.pop(order.request_id, None)
        order.asked, order.cancel_wanted, order.wanted_quantity = "", False, None
        self._by_name.move_to_end(order.client_order_id)
        while len(self._by_name) > CLOSED_KEPT + len(self._open):
            name, oldest = next(iter(self._by_name.items()))
            if oldest.is_open:
                self._by_name.move_to_end(name)
            else:
                del self._by_name[name]

    def _refuse(self, order: OwnOrder, reason: R | None, text: str) -> None:
        """It never was an order, nor were those that it was to be placed with."""
        for each in (order, *order.linked):
            each.status, each.in_doubt = S.REJECTED, False
            each.refusal, each.text = reason, text
            self._open.pop(each.request_id, None)


def _as_place(first: m.PlaceOrder, linked: m.LinkedOrder) -> m.PlaceOrder:
    """What an own order is made from."""
    return m.PlaceOrder(
        first.instrument,
        linked.side,
        first.quantity if linked.quantity is None else linked.quantity,
        linked.order_type,
        linked.price,
        linked.time_in_force,
        linked.post_only,
        linked.reduce_only,
        tag=linked.tag or first.tag,
    )


def _apply(order: OwnOrder, update: m.OrderUpdated) -> None:
    order.client_order_id = update.client_order_id
    order.price, order.quantity = update.price, update.quantity
    order.cum_quantity, order.status = update.cum_quantity, update.status
    order.post_only, order.revision = update.post_only, update.revision
    order.in_doubt = update.in_doubt_since_ns is not None
    order.mmp_group, order.quote_set = update.mmp_group, update.quote_set
    if update.reject_reason is not None:
        order.refusal, order.text = update.reject_reason, update.text
