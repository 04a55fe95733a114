"""What strategies send beyond plain orders: linked ones, quotes under protection, icebergs, trails.

Every choice is from a source of its own, so that the plain orders of a seed do not change with it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Protocol

from common import messages as m
from common.messages import ContingencyType as T

VENUE = "deribit"
PERP = f"{VENUE}.BTC-PERPETUAL"
INDEX = "btc_usd"
GROUPS = {"mm": "alpha", "m2": "beta"}  # group -> who quotes in it
AWAY = (-0.0005, 0.0, 0.0005, 0.002, 0.01)  # of the best price of that side
LEAST_SHOWN = 100  # of the least quantity, 10 USD
Act = Callable[[], None]


class Desk(Protocol):
    """What sends commands, and knows the market and our orders."""

    def ask(self, command: m.Command) -> None: ...
    def order(self, random: Random, **more: Any) -> m.PlaceOrder: ...
    def best(self) -> tuple[float, float]: ...
    def own(self) -> list[m.OrderUpdated]: ...


class Extras:
    """Args: quotes: whether there is a market maker; its account cancels on disconnect."""

    def __init__(self, desk: Desk, seed: int, *, max_quantity: int) -> None:
        self._desk = desk
        self.random = Random(f"extras {seed}")
        self.quotes = self.random.random() < 0.5
        self._too_much = Decimal(max_quantity + 10)

    def acts(self) -> list[tuple[Act, int]]:
        plain: list[tuple[Act, int]] = [
            (self.link, 8),
            (self.link_badly, 1),
            (self.iceberg, 2),
            (self.trail, 1),
            (self.change_terms, 2),
        ]
        if not self.quotes:
            return plain
        return [*plain, (self.quote, 14), (self.cancel_quotes, 2), (self.reset, 1)]

    def begin(self) -> None:
        for group in GROUPS if self.quotes else ():
            limit = Decimal(self.random.choice(["0.02", "1000"]))
            terms = {"max_quote_quantity": Decimal(1000), "quantity_limit": limit}
            self._desk.ask(m.SetProtection(INDEX, group, 5, self.random.choice([1, 2]), **terms))

    # --- linked orders ------------------------------------------------------------------------

    def link(self) -> None:
        self._link(tag="good")

    def link_badly(self) -> None:
        """The linked order is what no check may let pass."""
        self._link(tag="bad-linked", quantity=self.random.choice([self._too_much, Decimal(15)]))

    def _link(self, *, tag: str, quantity: Decimal | None = None) -> None:
        kind = self.random.choice(list(T))
        conditions = [None, m.FillCondition.FIRST_HIT, m.FillCondition.COMPLETE_FILL]
        if kind is T.OCO:
            conditions.append(m.FillCondition.INCREMENTAL)
        count = {T.OCO: 1, T.OTOCO: 2}.get(kind, self.random.randrange(1, 4))
        first = self._desk.order(
            self.random,
            tag=tag,
            contingency_type=kind,
            fill_condition=self.random.choice(conditions),
            linked_orders=[self._linked(quantity) for _ in range(count)],
        )
        self._desk.ask(first)

    def _linked(self, quantity: Decimal | None) -> m.LinkedOrder:
        side = self.random.choice(list(m.Side))
        if quantity is None and self.random.random() < 0.5:
            quantity = self._quantity()
        if self.random.random() < 0.2:
            stop = self._price(side, -0.003)  # beyond the market
            kind = m.OrderType.STOP
            return m.LinkedOrder(
                side, quantity, kind, trigger_price=stop, trigger=m.TriggerPrice.MARK
            )
        return m.LinkedOrder(side, quantity, price=self._price(side, self.random.choice(AWAY)))

    def _quantity(self) -> Decimal:
        return Decimal(self.random.randrange(1, 40) * 10)

    def _price(self, side: m.Side, away: float) -> Decimal:
        bid, ask = self._desk.best()
        start = bid if side is m.Side.BUY else ask
        return Decimal(round((start or 62_000) * (1 - side.sign * away)))

    # --- other terms --------------------------------------------------------------------------

    def iceberg(self) -> None:
        quantity = Decimal(self.random.randrange(110, 170) * 10)
        self._desk.ask(
            self._desk.order(
                self.random,
                quantity=quantity,
                display_quantity=self._shown(quantity),
                time_in_force=m.TimeInForce.GTC,
                post_only=False,
            )
        )

    def _shown(self, quantity: Decimal) -> Decimal:
        return Decimal(self.random.randrange(LEAST_SHOWN, int(quantity) // 10 + 1) * 10)

    def trail(self) -> None:
        self._desk.ask(
            self._desk.order(
                self.random,
                order_type=m.OrderType.TRAILING_STOP,
                price=None,
                post_only=False,
                time_in_force=m.TimeInForce.GTC,
                trigger=m.TriggerPrice.MARK,
                trigger_offset=Decimal(self.random.choice([20, 100, 500])),
            )
        )

    def change_terms(self) -> None:
        """Of one that is shown in part, or that trails."""
        orders = [o for o in self._desk.own() if o.display_quantity or o.trigger_offset]
        if not orders:
            return
        order = self.random.choice(orders)
        if order.display_quantity:
            terms = {
                "display_quantity": self._shown(max(order.quantity, Decimal(LEAST_SHOWN * 10)))
            }
        else:
            terms = {"trigger_offset": Decimal(self.random.choice([50, 200]))}
        self._desk.ask(m.ModifyOrder(order.client_order_id, owner=order.owner, **terms))

    # --- quotes -------------------------------------------------------------------------------

    def quote(self) -> None:
        group = self.random.choice(list(GROUPS))
        owner = GROUPS[group] if self.random.random() < 0.95 else "gamma"
        sides = [self._side(side) for side in m.Side]
        if sides == [(None, None), (None, None)]:
            sides[0] = (self._price(m.Side.BUY, 0.002), self._quantity())
        entry = m.QuoteEntry(PERP, *sides[0], *sides[1])
        names = {"quote_set": self.random.choice(["", "set"]), "owner": owner, "tag": "good"}
        self._desk.ask(m.MassQuote([entry], group, **names))

    def _side(self, side: m.Side) -> tuple[Decimal | None, Decimal | None]:
        if self.random.random() < 0.25:
            return None, None
        if self.random.random() < 0.1:
            return None, Decimal(0)
        return self._price(side, self.random.choice(AWAY)), self._quantity()

    def cancel_quotes(self) -> None:
        group = self.random.choice(list(GROUPS))
        filters: list[dict[str, str]] = [{}, {"quote_set": "set"}, {"mmp_group": group}]
        self._desk.ask(m.CancelQuotes(**self.random.choice(filters)))

    def reset(self) -> None:
        self._desk.ask(m.ResetProtection(INDEX, self.random.choice(list(GROUPS))))
