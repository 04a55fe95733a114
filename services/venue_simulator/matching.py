"""The matching engine of one instrument: price-time priority on integer ticks and lots.

Pure and without money: it knows owners only to keep an account from trading with itself. A side is
a dict of levels and a sorted list of ranks. A rank is the tick of a bid and the negated tick of an
ask, so that the best rank is always the last one and both sides share one code. A cancelled order
stays in its level's queue with nothing left and is dropped when matching reaches it.

An order with a display shows only so much of itself. The rest is hidden: it is not part of the
level's total, and trades only when the shown part has: that is then filled up again from the hidden
part, and stands at the back of the queue.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from typing import NamedTuple

from common.messages import TimeInForce

DEAD_MAX = 32  # cancelled orders a queue may carry before it is swept


class OwnOrders(Enum):
    """What a taker does when it meets an order of its own owner."""

    TRADE = "trade"
    REJECT_TAKER = "reject_taker"
    CANCEL_MAKER = "cancel_maker"


class PostOnly(Enum):
    """What becomes of an order that would trade although it only wants to rest."""

    REPRICE = "reprice"  # one tick inside the spread
    REJECT = "reject"


class MatchRefusal(Enum):
    WOULD_CROSS = "would_cross"
    SELF_TRADE = "self_trade"
    NOT_FILLABLE = "not_fillable"  # fill or kill


class Order:
    """One order as the engine sees it.

    leaves is what is still to trade, 0 once it is gone; of a resting order with a display (lots to
    show at a time, 0: all) only what is shown of it, the rest is hidden.
    """

    __slots__ = ("display", "hidden", "is_buy", "leaves", "number", "owner", "tick")

    def __init__(
        self, number: int, owner: str, is_buy: bool, tick: int, leaves: int, display: int = 0
    ) -> None:
        self.number = number
        self.owner = owner
        self.is_buy = is_buy
        self.tick = tick
        self.leaves = leaves
        self.display = display
        self.hidden = 0

    @property
    def remaining(self) -> int:
        return self.leaves + self.hidden

    def hide(self) -> None:
        """Before it rests: show no more than the display."""
        self.hidden = max(0, self.leaves - self.display)
        self.leaves -= self.hidden

    def __repr__(self) -> str:
        side = "buy" if self.is_buy else "sell"
        return f"Order({self.number}, {self.owner!r}, {side} {self.leaves} at {self.tick})"


class Trade(NamedTuple):
    """One execution, at the price of the resting order."""

    maker: Order
    tick: int
    lots: int


class Outcome:
    """What a request did. order is the order as it now is; it rests if rests is true."""

    __slots__ = ("canceled", "order", "refusal", "rests", "trades")

    def __init__(self, order: Order) -> None:
        self.order = order
        self.trades: list[Trade] = []
        self.canceled: list[tuple[Order, int]] = []  # makers of the same owner and their leaves
        self.rests = False
        self.refusal: MatchRefusal | None = None


class Level:
    """One price: total is what is shown there."""

    __slots__ = ("dead", "hidden", "orders", "total")

    def __init__(self) -> None:
        self.orders: deque[Order] = deque()
        self.total = 0
        self.hidden = 0
        self.dead = 0

    def refresh(self, order: Order) -> None:
        """Show the next part of an order whose shown part is gone, at the back of the queue."""
        part = min(order.display, order.hidden)
        order.hidden -= part
        order.leaves = part
        self.hidden -= part
        self.total += part
        self.orders.append(order)


class BookSide:
    """All orders of one side, and which levels changed since the changes were last taken."""

    __slots__ = ("before", "levels", "ranks", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.ranks: list[int] = []
        self.before: dict[int, int] = {}  # rank -> total before the first change

    @property
    def best_tick(self) -> int | None:
        return self.ranks[-1] * self.sign if self.ranks else None

    def crosses(self, tick: int) -> bool:
        """Whether an order of the other side at this tick would trade here."""
        return bool(self.ranks) and self.ranks[-1] >= tick * self.sign

    def add(self, order: Order) -> None:
        rank = order.tick * self.sign
        level = self.levels.get(rank)
        if level is None:
            level = self.levels[rank] = Level()
            insort(self.ranks, rank)
        self.before.setdefault(rank, level.total)
        level.orders.append(order)
        level.total += order.leaves
        if order.hidden:
            level.hidden += order.hidden

    def shrink(self, order: Order, lots: int) -> None:
        """Take lots from a resting order that keeps its place, hidden ones first; all of them
        removes it."""
        rank = order.tick * self.sign
        level = self.levels[rank]
        self.before.setdefault(rank, level.total)
        if order.hidden:
            unseen = min(lots, order.hidden)
            order.hidden -= unseen
            level.hidden -= unseen
            lots -= unseen
        order.leaves -= lots
        level.total -= lots
        if level.total == 0:
            self.remove_level(rank)
        elif order.leaves == 0:
            level.dead += 1
            if level.dead > DEAD_MAX and level.dead * 2 > len(level.orders):
                level.orders = deque(o for o in level.orders if o.leaves)
                level.dead = 0

    def remove_level(self, rank: int) -> None:
        del self.levels[rank]
        if self.ranks[-1] == rank:
            self.ranks.pop()
        else:
            del self.ranks[bisect_left(self.ranks, rank)]

    def depth(self, levels: int) -> list[tuple[int, int]]:
        """The best levels as (tick, lots), best first."""
        best = self.ranks[-1 : -levels - 1 : -1] if levels < len(self.ranks) else self.ranks[::-1]
        return [(rank * self.sign, self.levels[rank].total) for rank in best]

    def crossed_orders(self, tick: int) -> Iterator[Order]:
        """The orders a taker at this tick meets, in the order it meets them."""
        for rank in reversed(self.ranks):
            if rank < tick * self.sign:
                return
            for order in self.levels[rank].orders:
                if order.leaves:
                    yield order

    def take_changes(self) -> list[tuple[int, int, int]]:
        """(tick, lots before, lots now) of every level that differs since the last call."""
        if not self.before:
            return []
        changes = []
        for rank, before in self.before.items():
            level = self.levels.get(rank)
            now = level.total if level is not None else 0
            if now != before:
                changes.append((rank * self.sign, before, now))
        self.before.clear()
        return changes


def one_tick(_tick: int) -> int:
    return 1


class MatchingEngine:
    """The book of one instrument.

    Args:
        step_at: the tick step that holds at a tick, in ticks, for instruments whose tick grows.
    """

    __slots__ = ("_step_at", "asks", "bids", "orders")

    def __init__(self, step_at: Callable[[int], int] = one_tick) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.orders: dict[int, Order] = {}
        self._step_at = step_at

    def side(self, is_buy: bool) -> BookSide:
        return self.bids if is_buy else self.asks

    def place(
        self,
        order: Order,
        time_in_force: TimeInForce = TimeInForce.GTC,
        own: OwnOrders = OwnOrders.TRADE,
        post_only: PostOnly | None = None,
    ) -> Outcome:
        """Trade what can be traded, rest what may rest. A refused order changes nothing."""
        outcome = Outcome(order)
        other = self.asks if order.is_buy else self.bids
        if other.crosses(order.tick):
            if post_only is PostOnly.REPRICE:
                order.tick = self.inside_tick(order.is_buy)
            else:
                outcome.refusal = self._refusal(order, time_in_force, own, post_only)
                if outcome.refusal is not None:
                    return outcome
                self._execute(outcome, other, own)
        elif time_in_force is TimeInForce.FOK:
            outcome.refusal = MatchRefusal.NOT_FILLABLE
            return outcome
        if order.leaves and time_in_force in (TimeInForce.GTC, TimeInForce.DAY):
            if order.display:
                order.hide()
            self.orders[order.number] = order
            self.side(order.is_buy).add(order)
            outcome.rests = True
        return outcome

    def amend(
        self,
        number: int,
        tick: int,
        leaves: int,
        own: OwnOrders = OwnOrders.TRADE,
        post_only: PostOnly | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        display: int | None = None,
    ) -> Outcome:
        """Change tick, remaining lots and display (None: as it is) of a resting order.

        Its place is kept when tick and display stay and the lots do not grow; else it goes to the
        back of its new level and may trade at once. A refused amend leaves the order as it was.
        """
        old = self.orders[number]
        display = old.display if display is None else display
        if tick == old.tick and leaves <= old.leaves + old.hidden and display == old.display:
            self.side(old.is_buy).shrink(old, old.leaves + old.hidden - leaves)
            outcome = Outcome(old)
            outcome.rests = True
            return outcome
        order = Order(number, old.owner, old.is_buy, tick, leaves, display)
        if self.side(not order.is_buy).crosses(tick) and post_only is not PostOnly.REPRICE:
            refusal = self._refusal(order, time_in_force, own, post_only)
            if refusal is not None:
                outcome = Outcome(order)
                outcome.refusal = refusal
                return outcome
        self.cancel(number)
        return self.place(order, time_in_force, own, post_only)

    def cancel(self, number: int) -> Order | None:
        """Take an order out; None if it does not rest."""
        order = self.orders.pop(number, None)
        if order is not None:
            self.side(order.is_buy).shrink(order, order.leaves + order.hidden)
        return order

    def inside_tick(self, is_buy: bool) -> int:
        """The tick nearest to the other side, which must not be empty, that does not trade."""
        best = self.side(not is_buy).best_tick
        if best is None:
            raise ValueError("the other side is empty")
        if is_buy:
            tick = best - 1
            return tick - tick % self._step_at(tick)
        step = self._step_at(best)
        return best - best % step + step

    def sweep(self, is_buy: bool, tick: int, lots: int) -> tuple[int, int]:
        """What a taker would get: (lots, sum of tick * lots), own and hidden orders included."""
        cost = 0
        wanted = lots
        other = self.side(not is_buy)
        for rank in reversed(other.ranks):
            if wanted == 0 or rank < tick * other.sign:
                break
            level = other.levels[rank]
            part = min(wanted, level.total + level.hidden)
            cost += part * rank * other.sign
            wanted -= part
        return lots - wanted, cost

    def _refusal(
        self, order: Order, tif: TimeInForce, own: OwnOrders, post_only: PostOnly | None
    ) -> MatchRefusal | None:
        if post_only is not None:
            return MatchRefusal.WOULD_CROSS
        if own is OwnOrders.REJECT_TAKER and self._meets_own(order):
            return MatchRefusal.SELF_TRADE
        if tif is TimeInForce.FOK and not self._is_fillable(order, own):
            return MatchRefusal.NOT_FILLABLE
        return None

    def _meets_own(self, order: Order) -> bool:
        """Hidden parts of a level trade after all that is shown there."""
        wanted = order.leaves
        other = self.side(not order.is_buy)
        for rank in reversed(other.ranks):
            if rank < order.tick * other.sign:
                return False
            level = other.levels[rank]
            for maker in level.orders:
                if maker.leaves and maker.owner == order.owner:
                    return True
                wanted -= maker.leaves
                if wanted <= 0:
                    return False
            wanted -= level.hidden
            if wanted <= 0:
                return False
        return False

    def _is_fillable(self, order: Order, own: OwnOrders) -> bool:
        wanted = order.leaves
        for maker in self.side(not order.is_buy).crossed_orders(order.tick):
            if own is OwnOrders.TRADE or maker.owner != order.owner:
                wanted -= maker.leaves + maker.hidden
                if wanted <= 0:
                    return True
        return False

    def _execute(self, outcome: Outcome, other: BookSide, own: OwnOrders) -> None:
        taker = outcome.order
        limit = taker.tick * other.sign
        ranks = other.ranks
        while taker.leaves and ranks and ranks[-1] >= limit:
            rank = ranks[-1]
            level = other.levels[rank]
            other.before.setdefault(rank, level.total)
            self._trade_level(outcome, level, rank * other.sign, own)
            if level.total == 0:
                other.remove_level(rank)

    def _trade_level(self, outcome: Outcome, level: Level, tick: int, own: OwnOrders) -> None:
        taker = outcome.order
        queue = level.orders
        while taker.leaves and queue:
            maker = queue[0]
            if maker.leaves == 0:
                queue.popleft()
                level.dead -= 1
                continue
            if own is OwnOrders.CANCEL_MAKER and maker.owner == taker.owner:
                outcome.canceled.append((maker, maker.leaves + maker.hidden))
                lots = maker.leaves
                level.hidden -= maker.hidden
                maker.hidden = 0
            else:
                lots = min(maker.leaves, taker.leaves)
                taker.leaves -= lots
                outcome.trades.append(Trade(maker, tick, lots))
            maker.leaves -= lots
            level.total -= lots
            if maker.leaves == 0:
                queue.popleft()
                if maker.hidden:
                    level.refresh(maker)
                else:
                    del self.orders[maker.number]

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken; for tests."""
        for side in (self.bids, self.asks):
            assert side.ranks == sorted(side.levels)
            for level in side.levels.values():
                assert level.total == sum(order.leaves for order in level.orders) > 0
                assert level.hidden == sum(order.hidden for order in level.orders)
                assert all(0 < o.leaves <= o.display for o in level.orders if o.hidden)
                assert level.dead == sum(order.leaves == 0 for order in level.orders)
        bid, ask = self.bids.best_tick, self.asks.best_tick
        assert bid is None or ask is None or bid < ask
        levels = [*self.bids.levels.values(), *self.asks.levels.values()]
        resting = [order.number for level in levels for order in level.orders if order.leaves]
        assert sorted(resting) == sorted(self.orders)
