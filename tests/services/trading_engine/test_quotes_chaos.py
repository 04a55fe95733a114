"""Quotes under random trouble: in the end the engine holds what the venue holds."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from common import messages as m
from common.messages import OrderStatus as S
from tests.services.trading_engine.kit import PERP, Bench
from tests.services.trading_engine.quote_twin import QuoteTwin
from tests.services.trading_engine.test_quotes import FUTURE, bench, entry, quote, twin_of

D = Decimal
STEPS = 60


class Trouble:
    """One run; every choice comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.bench = bench(quote_rate_per_second=100.0, quote_rate_burst=200.0)
        self.requests: list[tuple[Bench, str]] = []

    @property
    def twin(self) -> QuoteTwin:
        return twin_of(self.bench)

    def run(self) -> None:
        acts = [self.quote] * 6 + [self.fill] * 3 + [self.cancel, self.lose, self.hold, self.cut]
        acts += [self.trigger, self.restart, self.wait, self.wait]
        for _ in range(STEPS):
            self.choose.choice(acts)()
        self.calm()

    def quote(self) -> None:
        prices = (
            str(49000 + 50 * self.choose.randrange(5)),
            str(51000 + 50 * self.choose.randrange(5)),
        )
        quantity = str(self.choose.choice((0, 50, 100, 150)))
        bid = self.choose.choice((prices[0], prices[0], None))
        ask = prices[1] if bid is None else self.choose.choice((prices[1], None))
        instrument = self.choose.choice((PERP, FUTURE))
        self.ask(quote(entry(bid, ask, quantity, instrument)))

    def cancel(self) -> None:
        filters = (m.CancelQuotes(), m.CancelQuotes(quote_set="set"), m.CancelAll(owner="maker"))
        self.ask(self.choose.choice(filters))

    def ask(self, command: m.Command) -> None:
        name = f"q{len(self.requests)}"
        self.requests.append((self.bench, self.bench.ask(command, request_id=name)))

    def fill(self) -> None:
        if self.twin.open_ids:
            name = self.choose.choice(self.twin.open_ids)
            part = self.choose.choice((0.5, 1.0))
            amount = max(10.0, self.twin.orders[name]["amount"] * part // 10 * 10)
            self.bench.deliver(self.twin.fill(name, amount))

    def trigger(self) -> None:
        self.bench.deliver(self.twin.trigger())
        self.ask(m.ResetProtection("btc_usd", "mm"))

    def lose(self) -> None:
        self.bench.losing = not self.bench.losing

    def hold(self) -> None:
        if self.bench.held is None:
            self.bench.held = []
        else:
            self.bench.release()

    def cut(self) -> None:
        self.bench.held, self.bench.losing = None, False
        self.bench.cut()
        self.bench.advance(1.0)
        self.bench.connect()

    def restart(self) -> None:
        self.bench.held = None
        again = self.bench.restart(on_disconnect="cancel").start()
        definitions = list(self.bench.engine._state.market._instruments.values())
        told = m.InstrumentList("deribit", 0, 1, [each.definition for each in definitions])
        again.bus("instruments.deribit", told)
        self.bench = again

    def wait(self) -> None:
        self.bench.advance(self.choose.choice((0.1, 1.0, 3.0)))

    def calm(self) -> None:
        if self.bench.held is not None:
            self.bench.release()
        self.bench.losing = False
        if not self.bench.up:
            self.bench.connect()
        self.bench.advance(40.0)


@pytest.mark.parametrize("seed", range(25))
def test_the_venues_truth_is_held_in_the_end(seed: int) -> None:
    trouble = Trouble(seed)
    trouble.run()
    made, twin = trouble.bench, trouble.twin
    ours = {o.venue_order_id: o for o in made.open_orders()}
    assert set(ours) == set(twin.open_ids)
    for name, order in ours.items():
        truth = twin.orders[name]
        assert order.status in (S.NEW, S.PARTIALLY_FILLED) and order.in_doubt_since_ns is None
        assert (order.price, order.leaves_quantity) == (D(truth["price"]), D(truth["amount"]))
        assert (order.owner, order.external) == ("maker", False)
    counted = made.engine._state.store
    for side in m.Side:
        for instrument in (PERP, FUTURE):
            leaves = [
                o.leaves_quantity
                for o in ours.values()
                if (o.instrument, o.side) == (instrument, side)
            ]
            assert counted.open_quantity(instrument, side) == sum(leaves)
    fills = made.asked(m.QueryFills(), request_id="fills").fills
    assert sum(fill.last_quantity for fill in fills) == sum(D(t["amount"]) for t in twin.trades)
    assert {fill.owner for fill in fills} <= {"maker"}
    for bench_, request in trouble.requests:
        assert len(bench_.replies(request)) <= 1
    answered = [r for b, r in trouble.requests if b is made]
    assert all(len(made.replies(r)) == 1 for r in answered)
