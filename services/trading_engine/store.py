"""The engine's orders, fills and own positions."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from decimal import Decimal

from common import messages as m
from common.domain.order import Order
from services.trading_engine import groups
from services.trading_engine.groups import leaves_of

CLOSED_KEPT = 10_000
CLOSED_TOLD = 200  # in a snapshot
FILLS_KEPT = 10_000
SEEN_KEPT = 5 * FILLS_KEPT  # exec_ids
FILLS_TOLD = 1000
DAY_NS = 86_400 * 1_000_000_000
ZERO = Decimal(0)


class OrderStore:
    """All open orders, the recently closed ones, recent fills, and the quantity per instrument.

    Attributes:
        fills_until_ns: fills after this time of the venue may lack some; None: none lack.
    """

    def __init__(self) -> None:
        self.open: dict[str, Order] = {}
        self._closed: OrderedDict[str, Order] = OrderedDict()
        self._by_venue_id: dict[str, str] = {}
        self._fills: deque[m.Fill] = deque(maxlen=FILLS_KEPT)
        self._exec_ids: OrderedDict[str, None] = OrderedDict()
        self._fills_dropped = False
        self.fills_until_ns: int | None = None
        self.positions: dict[str, Decimal] = {}
        self._moves: dict[str, Decimal] = {}
        self._groups: dict[str, dict[str, Order]] = {}  # linked orders by link_id
        self._working: dict[tuple[str, m.Side], Decimal] = {}
        self._reserved: dict[str, tuple[Order, Decimal]] = {}
        self._replaced: Counter[str] = Counter()  # how often something is reserved for each
        self._counted: dict[str, tuple[tuple[str, m.Side], Decimal]] = {}

    # --- orders -------------------------------------------------------------------------------

    def get(self, client_order_id: str) -> Order | None:
        return self.open.get(client_order_id) or self._closed.get(client_order_id)

    def by_venue_id(self, venue_order_id: str) -> Order | None:
        client_order_id = self._by_venue_id.get(venue_order_id)
        return self.get(client_order_id) if client_order_id is not None else None

    def put(self, order: Order) -> None:
        """Add an order, or file it anew after a change."""
        client_order_id = order.state.client_order_id
        for venue_order_id in order.venue_order_ids:
            self._by_venue_id[venue_order_id] = client_order_id
        if order.state.link_id:
            self._count_group(order)
        else:
            self._count(order, self.counted_alone(order))
        if not order.is_final:
            self._closed.pop(client_order_id, None)
            self.open[client_order_id] = order
            return
        self.open.pop(client_order_id, None)
        self._closed[client_order_id] = order
        self._closed.move_to_end(client_order_id)
        while len(self._closed) > CLOSED_KEPT:
            name, old = self._closed.popitem(last=False)
            for venue_order_id in old.venue_order_ids:
                if self._by_venue_id.get(venue_order_id) == name:  # else another was taken for it
                    del self._by_venue_id[venue_order_id]
            self._forget_link(old)

    def select(self, owner: str | None = None, *, closed: bool = False) -> list[m.OrderUpdated]:
        """Open orders, oldest first, and with closed the last CLOSED_TOLD closed ones before."""
        found: list[m.OrderUpdated] = []
        if closed:
            of_owner = [order.state for order in self._matching(self._closed, owner)]
            found = of_owner[-CLOSED_TOLD:]
        return found + [order.state for order in self._matching(self.open, owner)]

    def open_quantity(self, instrument: str, side: m.Side, without: str = "") -> Decimal:
        """What open orders of this side may still fill, in doubt or on their way in full."""
        working = self._working.get((instrument, side), ZERO)
        counted = self._counted.get(without)
        if counted is not None and counted[0] == (instrument, side):
            working -= counted[1]
        return working

    def counted_alone(self, order: Order) -> Decimal:
        """What an order without links counts: what it is to be replaced by is reserved, or it."""
        if self._replaced[order.state.client_order_id]:
            return order.state.leaves_quantity
        return leaves_of(order)

    def reserve(self, name: str, order: Order, quantity: Decimal) -> None:
        """Count what may come in place of an order as one of its own, until it is released."""
        self._reserved[name] = order, quantity
        self._replaced[order.state.client_order_id] += 1
        key = order.state.instrument, order.state.side
        self._working[key] = self._working.get(key, ZERO) + quantity
        self._count(order, self.counted_alone(order))

    def release(self, name: str) -> None:
        order, quantity = self._reserved.pop(name, (None, ZERO))
        if order is None:
            return
        client_order_id = order.state.client_order_id
        self._replaced[client_order_id] -= 1
        if not self._replaced[client_order_id]:
            del self._replaced[client_order_id]
        self._working[order.state.instrument, order.state.side] -= quantity
        self._count(order, self.counted_alone(order))

    def held_instruments(self) -> set[str]:
        """Those with a position or open orders."""
        ordered = {instrument for (instrument, _), quantity in self._working.items() if quantity}
        return ordered | {name for name, quantity in self.positions.items() if quantity}

    def linked(self, order: Order) -> list[Order]:
        """The others of its group; the one that was placed first comes first."""
        group = self._groups.get(order.state.link_id, {})
        return [other for other in group.values() if other is not order]

    def _count_group(self, order: Order) -> None:
        """What one of them may still fill hangs on the others."""
        group = self._groups.setdefault(order.state.link_id, {})
        group[order.state.client_order_id] = order
        for member, quantity in groups.counted(list(group.values())):
            self._count(member, quantity)

    def _forget_link(self, order: Order) -> None:
        group = self._groups.get(order.state.link_id)
        if group is not None:
            group.pop(order.state.client_order_id, None)
            if not group:
                del self._groups[order.state.link_id]

    def _count(self, order: Order, leaves: Decimal) -> None:
        """Keep the sums of open_quantity: take out what this order was counted with, put in what
        it counts now."""
        state = order.state
        key = state.instrument, state.side
        before = self._counted.pop(state.client_order_id, None)
        if before is not None:
            self._working[before[0]] -= before[1]
        if not order.is_final:
            self._counted[state.client_order_id] = key, leaves
            self._working[key] = self._working.get(key, ZERO) + leaves

    @staticmethod
    def _matching(orders: dict[str, Order], owner: str | None) -> Iterator[Order]:
        return (o for o in orders.values() if owner is None or o.state.owner == owner)

    # --- fills --------------------------------------------------------------------------------

    def knows_fill(self, exec_id: str) -> bool:
        return exec_id in self._exec_ids

    def add_fill(self, fill: m.Fill) -> None:
        self._fills_dropped = self._fills_dropped or len(self._fills) == FILLS_KEPT
        self._fills.append(fill)
        if fill.moves_position:
            moved = self._moves.get(fill.instrument, ZERO)
            self._moves[fill.instrument] = moved + fill.side.sign * fill.last_quantity
        self._exec_ids[fill.exec_id] = None
        while len(self._exec_ids) > SEEN_KEPT:
            self._exec_ids.popitem(last=False)

    def note_seen(self, exec_ids: Iterable[str], *, fills_dropped: bool) -> None:
        """Executions that were counted and whose fills are not kept."""
        self._exec_ids.update(dict.fromkeys(exec_ids))
        self._fills_dropped = self._fills_dropped or fills_dropped

    def fills_after(self, time_ns: int) -> list[m.Fill]:
        """Those of a later venue time."""
        return [fill for fill in self._fills if fill.filled_ns > time_ns]

    def move(self, fill: m.Fill) -> None:
        """Change our own quantity of the instrument by a fill."""
        if not fill.moves_position:
            return
        before = self.positions.get(fill.instrument, ZERO)
        self.positions[fill.instrument] = before + fill.side.sign * fill.last_quantity

    def take_moves(self) -> dict[str, Decimal]:
        """How positions changed by all fills that were added since this was last asked."""
        moves, self._moves = self._moves, {}
        return moves

    def fills(
        self,
        now_ns: int,
        owner: str | None = None,
        client_order_id: str | None = None,
        limit: int = FILLS_TOLD,
    ) -> tuple[list[m.Fill], bool]:
        """The newest fills of the last day, oldest first, and whether some were left out."""
        of_day = [
            fill
            for fill in self._fills
            if fill.filled_ns > now_ns - DAY_NS
            and (owner is None or fill.owner == owner)
            and (client_order_id is None or fill.client_order_id == client_order_id)
        ]
        limit = max(1, min(limit, FILLS_TOLD))
        return of_day[-limit:], len(of_day) > limit or self._fills_dropped

    @property
    def last_fill_ns(self) -> int:
        return max((fill.filled_ns for fill in self._fills), default=0)
