"""Whatever is placed, changed, filled, lost and settled, also in combos: what the engine counts is
never less than what the venue could still fill, and that never goes beyond the limit."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common import messages as m
from common.config import LimitsConfig
from tests.examples import examples
from tests.services.trading_engine.kit import PERP, D
from tests.services.trading_engine.test_combos import COMBO, NEAR
from tests.services.trading_engine.test_limits import FUTURE, SPREAD, announce, with_combo

LIMIT = 500
LIMITS = LimitsConfig(max_position={"perpetual": str(LIMIT), "future": str(LIMIT)})
NAMES = {"BTC-PERPETUAL": PERP, NEAR: FUTURE, COMBO: SPREAD}
SIGNS = {PERP: {PERP: 1}, FUTURE: {FUTURE: 1}, SPREAD: {FUTURE: 1, PERP: -1}}
PRICES = {PERP: "49000", FUTURE: "49000", SPREAD: "-50"}

QUANTITIES = st.integers(1, 40).map(lambda tens: D(tens * 10))
PICKS = st.integers(0, 1_000)


class Exposure(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bench = with_combo(LIMITS)
        self.bench.twin.moves = False  # of legs it would not know

    # --- strategies -----------------------------------------------------------------------------

    @rule(name=st.sampled_from(list(SIGNS)), side=st.sampled_from(m.Side), quantity=QUANTITIES)
    def place(self, name: str, side: m.Side, quantity: Decimal) -> None:
        self.bench.ask(m.PlaceOrder(name, side, quantity, price=D(PRICES[name])))

    @rule(pick=PICKS, quantity=QUANTITIES)
    def modify(self, pick: int, quantity: Decimal) -> None:
        orders = list(self.bench.engine._state.store.open)
        if orders:
            self.bench.ask(m.ModifyOrder(orders[pick % len(orders)], quantity=quantity))

    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        orders = list(self.bench.engine._state.store.open)
        if orders:
            self.bench.ask(m.CancelOrder(orders[pick % len(orders)]))

    # --- the venue ------------------------------------------------------------------------------

    @rule(pick=PICKS, share=st.integers(1, 4))
    def fill(self, pick: int, share: int) -> None:
        twin = self.bench.twin
        if not twin.open_ids:
            return
        order = twin.orders[twin.open_ids[pick % len(twin.open_ids)]]
        left = order["amount"] - order["filled_amount"]
        amount = left if share == 4 else max(10.0, left * share // 40 * 10)
        twin.now_ms += 1
        self.bench.deliver(self._trade(order, min(amount, left)))

    def _trade(self, order: dict, amount: float) -> list[bytes]:
        twin = self.bench.twin
        sign = 1 if order["direction"] == "buy" else -1
        name = order["instrument_name"]
        legs = []
        for leg, ratio in SIGNS[NAMES[name]].items():
            symbol = leg.removeprefix("deribit.")
            twin.positions[symbol] = twin.positions.get(symbol, 0.0) + sign * ratio * amount
            if name == COMBO:
                trade = twin._trade(order, amount, 50000.0)
                way = "buy" if sign * ratio > 0 else "sell"
                trade |= {"instrument_name": symbol, "direction": way, "combo_id": COMBO}
                legs.append(trade)
        told = [twin._told("user.trades", [trade]) for trade in legs]
        return told + self._own(order, amount, legs)

    def _own(self, order: dict, amount: float, legs: list[dict]) -> list[bytes]:
        twin = self.bench.twin
        own, notice = twin.fill(order["order_id"], amount)
        if legs:
            twin.trades[-1] |= {"combo_id": COMBO, "legs": [dict(leg) for leg in legs]}
            told = json.loads(own)
            told["params"]["data"] = [twin.trades[-1]]
            own = json.dumps(told).encode()
        return [own, notice]

    # --- the link -------------------------------------------------------------------------------

    @rule()
    def hold(self) -> None:
        """What the venue says comes later."""
        if self.bench.held is None:
            self.bench.held = []

    @rule()
    def release(self) -> None:
        if self.bench.held is not None:
            self.bench.release()

    @rule()
    def lose(self) -> None:
        """What the engine says never comes."""
        self.bench.losing = True

    @rule()
    def reconnect(self) -> None:
        bench = self.bench
        bench.held, bench.losing = None, False
        if bench.up:
            bench.cut()
        bench.connect()

    @rule(seconds=st.sampled_from([0.3, 3.0, 12.0]))
    def wait(self, seconds: float) -> None:
        self.bench.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.bench = self.bench.restart(limits=LIMITS).start()
        announce(self.bench)

    # --- what holds -----------------------------------------------------------------------------

    def _at_venue(self, instrument: str, side: m.Side) -> Decimal:
        """How far the position could go that way, by the venue's own books."""
        twin = self.bench.twin
        held = twin.positions.get(instrument.removeprefix("deribit."), 0.0) * side.sign
        for number in twin.open_ids:
            order = twin.orders[number]
            ratio = SIGNS[NAMES[order["instrument_name"]]].get(instrument, 0)
            sign = (1 if order["direction"] == "buy" else -1) * ratio
            if sign == side.sign:
                held += order["amount"] - order["filled_amount"]
        return D(str(held))

    @invariant()
    def nothing_is_left_out_and_the_limit_holds(self) -> None:
        engine = self.bench.engine
        if not engine._state.is_ready:
            return
        for instrument in (PERP, FUTURE):
            counted = engine._placing._facts._holding(instrument, "", self.bench.now)
            assert counted is not None
            for side in m.Side:
                there = self._at_venue(instrument, side)
                assert there <= counted.reach(side), (instrument, side)
                assert there <= LIMIT, (instrument, side)


TestExposure = Exposure.TestCase
TestExposure.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
