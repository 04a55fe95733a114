"""Whatever the link does, the engine ends up with the venue's truth and sends nothing twice."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest

from common import messages as m
from services.trading_engine import records
from tests.services.trading_engine.kit import SECOND, Bench, place

D = Decimal
SEEDS = 60


class Chaos:
    """One engine, one venue, one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = Bench().start()
        self.asked: list[tuple[Bench, str]] = []
        self.number = 0

    def run(self, steps: int) -> None:
        actions = [
            self.place,
            self.place,
            self.modify,
            self.cancel,
            self.fill,
            self.fill,
            self.hold,
            self.release,
            self.lose,
            self.cut,
            self.connect,
            self.wait,
            self.restart,
            self.outsider,
        ]
        for _ in range(steps):
            self.random.choice(actions)()
        self.calm()

    def calm(self) -> None:
        """The link works again, and enough time passes."""
        bench = self.bench
        bench.held, bench.losing = None, False
        if bench.up:
            bench.cut()
        bench.connect()
        bench.advance(30)

    def ask(self, command: m.Command) -> None:
        self.number += 1
        name = f"q{self.number}"
        self.bench.ask(command, request_id=name)
        self.asked.append((self.bench, name))

    def place(self) -> None:
        price = str(self.random.randrange(45000, 49000))
        self.ask(place(price, str(self.random.randrange(1, 10) * 10)))

    def pick(self) -> str | None:
        orders = [o.client_order_id for o in self.bench.open_orders() if not o.external]
        return self.random.choice(orders) if orders else None

    def modify(self) -> None:
        name = self.pick()
        if name is not None:
            price = D(self.random.randrange(45000, 49000))
            quantity = D(self.random.randrange(1, 12) * 10)
            self.ask(m.ModifyOrder(name, price=price, quantity=quantity))

    def cancel(self) -> None:
        name = self.pick()
        if name is not None:
            self.ask(m.CancelOrder(name))

    def fill(self) -> None:
        twin = self.bench.twin
        if twin.open_ids:
            order_id = self.random.choice(twin.open_ids)
            order = twin.orders[order_id]
            rest = order["amount"] - order["filled_amount"]
            frames = twin.fill(order_id, self.random.choice([10, rest]) if rest > 10 else rest)
            self.random.shuffle(frames)
            self.bench.deliver(frames * self.random.choice([1, 1, 2]))

    def hold(self) -> None:
        if self.bench.held is None:
            self.bench.held = []

    def release(self) -> None:
        if self.bench.held:
            self.random.shuffle(self.bench.held)
        self.bench.release()

    def lose(self) -> None:
        """Frames of ours get lost until the link is cut, as TCP has it."""
        self.bench.losing = self.random.random() < 0.3

    def cut(self) -> None:
        if self.bench.up:
            self.bench.cut()
            self.bench.held, self.bench.losing = None, False

    def connect(self) -> None:
        if not self.bench.up:
            self.bench.connect()

    def wait(self) -> None:
        self.bench.advance(self.random.choice([0.01, 0.5, 2.5]))

    def restart(self) -> None:
        if self.random.random() < 0.5:
            self.bench = self.bench.restart()
            self.bench.start()

    def outsider(self) -> None:
        price = float(self.random.randrange(45000, 49000))
        frames = self.bench.twin.place(
            direction="sell", instrument_name="BTC-PERPETUAL", amount=20, price=price
        )
        self.bench.deliver(frames)

    # --- what must hold -----------------------------------------------------------------------

    def check(self) -> None:
        self.check_orders()
        self.check_fills()
        self.check_requests()

    def check_orders(self) -> None:
        twin, ours = self.bench.twin, self.bench.open_orders()
        assert {
            (o.venue_order_id, o.price, o.quantity, o.cum_quantity, o.in_doubt_since_ns)
            for o in ours
        } == {
            (i, D(str(o["price"])), D(str(o["amount"])), D(str(o["filled_amount"])), None)
            for i, o in twin.orders.items()
            if i in twin.open_ids
        }
        labels = Counter(o["label"] for o in twin.orders.values() if o["label"])
        assert max(labels.values(), default=1) == 1
        intents = {
            record.order.client_order_id
            for entry in records.decode(self.bench.journal)
            for record in entry.records
            if isinstance(record, records.IntentRecord)
        }
        assert set(labels) <= intents

    def check_fills(self) -> None:
        twin = self.bench.twin
        told = self.bench.asked(m.QueryFills(), request_id="all fills").fills
        assert Counter(fill.exec_id for fill in told) == {t["trade_id"]: 1 for t in twin.trades}
        sums: Counter[str] = Counter()
        for fill in told:
            sums[fill.venue_order_id] += fill.last_quantity
        for order in self.bench.asked(m.QueryOrders(closed=True), request_id="all").orders:
            if order.status is not m.OrderStatus.REJECTED:
                assert order.cum_quantity == sums[order.venue_order_id], order

    def check_requests(self) -> None:
        for bench, name in self.asked:
            count = len(bench.replies(name))
            assert count == 1 or (bench is not self.bench and count == 0)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_venues_truth_is_held_in_the_end(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.run(60)
    chaos.check()


def test_the_same_seed_gives_the_same_commands() -> None:
    runs = []
    for _ in range(2):
        chaos = Chaos(1)
        chaos.run(40)
        runs.append([repr(command) for command in chaos.bench.commands])
    assert runs[0] == runs[1]


def test_a_journal_read_twice_gives_the_same_orders() -> None:
    chaos = Chaos(2)
    chaos.run(40)
    one = Bench(chaos.bench.twin, list(chaos.bench.journal), 9, chaos.bench.now + SECOND)
    two = Bench(chaos.bench.twin, chaos.bench.journal * 2, 9, chaos.bench.now + SECOND)
    assert one.open_orders(closed=True) == two.open_orders(closed=True)
