"""P6: of generated orders none passes that a second, plainer reading of the rules refuses.

The judge below knows nothing of the checks' code; where they let an order pass, it looks at the
order, the market and the account once more, rule by rule.
"""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from common.config import LimitsConfig, LossConfig
from common.domain.exposure import Holding
from common.domain.instrument import Instrument
from common.domain.risk import Limits, Market, Parent, State, check
from common.messages import (
    InstrumentKind,
    InstrumentStatus,
    OrderType,
    PlaceOrder,
    RejectReason as R,
    Side,
    TimeInForce,
    TradingMode,
)
from tests import figures
from tests.domain.test_risk import COMBO, OPTION, PERP, SPOT

D = Decimal
QUICK, LONG = 20_000, 1_000_000
NEAR = msgspec.structs.replace(
    PERP, instrument="deribit.BTC-25DEC26", symbol="BTC-25DEC26", kind=InstrumentKind.FUTURE
)
SEEN = [PERP, PERP, PERP, OPTION, SPOT, COMBO, COMBO]
MAX_POSITION = {"perpetual": "3000", "future": "2500", "option": "40", "spot": "3"}
LIMITS = LimitsConfig(
    max_quantity={
        "perpetual": "2000",
        "future": "2000",
        "option": "30",
        "spot": "2",
        "future_combo": "1500",
    },
    max_position=MAX_POSITION,
    max_notional="1400",
    max_underlying_exposure={"BTC": "160000"},
    max_account_exposure="170000",
    price_collar_percent=5.0,
    option_collar_percent=60.0,
    max_open_orders=20,
    max_orders_per_second=40,
    max_strategy_orders_per_second=30,
    max_external_orders=5,
    max_fills=50,
    max_same_orders=5,
    max_age_ms=2000,
    max_daily_loss=LossConfig("100", "200"),
    max_strategy_daily_loss={"*": LossConfig("50", "100")},
    allowed_instruments={"*": ["perpetual", "future_combo", "BTC_USDC"], "options": ["option"]},
)
FREE = Limits.of(LIMITS)
STRICT = Limits.of(LIMITS, strict=True)
GAPS = Limits.of(msgspec.structs.replace(LIMITS, max_fills=None), strict=True)
MODES = [TradingMode.ACTIVE] * 8 + [TradingMode.REDUCING, TradingMode.HALTED]


class Maker:
    """Orders and circumstances, sane in most parts and broken in some."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def rarely(self, share: float = 0.03) -> bool:
        return self.random.random() < share

    def price_of(self, kind: InstrumentKind) -> float:
        return {InstrumentKind.OPTION: 0.02, InstrumentKind.FUTURE_COMBO: 5.0}.get(kind, 50000.0)

    def market(self, kind: InstrumentKind) -> Market:
        random, fair = self.random, self.price_of(kind)
        half = fair * random.choice([0.0001, 0.001])
        broken = (None, math.nan, math.inf, -1.0, 0.0, fair * 10)
        values: dict[str, Any] = {
            "bid": fair - half,
            "ask": fair + half,
            "mark": fair * random.uniform(0.999, 1.001),
            "last": fair * random.uniform(0.99, 1.01),
            "low": fair * random.uniform(0.97, 1.0),
            "high": fair * random.uniform(1.0, 1.03),
            "index": 50000.0,
            "age_ms": random.choice([0.0, 100.0, 1999.0]),
            "min_price": -900.0,
            "max_price": 900.0,
        }
        for name in list(values):
            if self.rarely(0.01):
                values[name] = random.choice(broken)
        if self.rarely(0.01):
            values["age_ms"] = random.choice([2001.0, math.nan])
        if self.rarely(0.01):
            values["bid"], values["ask"] = values["ask"], values["bid"]
        return Market(**values, is_signed=kind is InstrumentKind.FUTURE_COMBO)

    def order(self, definition: Any) -> PlaceOrder:
        random, fair = self.random, self.price_of(definition.kind)
        lots = random.choice([1, 2, 5, 20, 100, 150, 250])
        quantity = definition.lot_size * lots
        if self.rarely():
            wrong = ["0", "-10", "NaN", "Infinity", "15.5", "0.00001", "1e20"]
            quantity = D(random.choice(wrong))
        kind = random.choice([OrderType.LIMIT] * 6 + list(OrderType))
        tick = D("0.0005") if definition is OPTION else definition.tick_size
        away = random.choice([0.0, 0.001, 0.02, 0.04, 0.06, 0.3, -0.001, -0.02, -0.06])
        price = (D(repr(fair * (1 + away))) / tick).quantize(D(1)) * tick
        if self.rarely():
            price = D(random.choice(["NaN", "-5", "0", "50000.01", "1e16", "Infinity"]))
        priced = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        waits = kind.value.startswith(("STOP", "TAKE"))
        trails = kind is OrderType.TRAILING_STOP
        parent = random.choice(["", "", "p"])
        return PlaceOrder(
            instrument=definition.instrument,
            side=random.choice(list(Side)),
            quantity=quantity,
            order_type=kind,
            price=price if priced != self.rarely() else None,
            time_in_force=random.choice([TimeInForce.GTC] * 3 + [TimeInForce.IOC]),
            post_only=self.rarely(0.1),
            trigger_price=price if waits != self.rarely() else None,
            trigger_offset=tick * 10 if trails != self.rarely() else None,
            display_quantity=quantity if self.rarely(0.05) else None,
            owner=random.choice(["", "a", "options"]),
            parent=parent,
            parent_quantity=definition.lot_size * 200 if bool(parent) != self.rarely() else None,
        )

    def holding(self, definition: Any, scale: int) -> Holding:
        random, lot = self.random, definition.lot_size
        position = lot * random.randint(-scale, scale)
        working = [lot * random.choice([0, 0, random.randint(0, scale)]) for _ in range(2)]
        price = None if self.rarely() else D(repr(self.price_of(definition.kind)))
        index = None if self.rarely() else D(50000)
        return Holding(Instrument(definition), position, *working, price, index)

    def state(self, definition: Any, order: PlaceOrder) -> State:
        random = self.random
        status = InstrumentStatus.HALTED if self.rarely() else InstrumentStatus.ACTIVE
        definition = msgspec.structs.replace(definition, status=status)
        legs = [(self.holding(NEAR, 150), D(1)), (self.holding(PERP, 150), D(-1))]
        parent = Parent(order.instrument, order.side, definition.lot_size * 200)
        used = definition.lot_size * random.choice([0, 50, 190])
        return State(
            instrument=None if self.rarely(0.005) else Instrument(definition),
            market=self.market(definition.kind),
            mode=random.choice(MODES),
            open_orders=random.choice([0, 5, 19, 20]),
            orders_last_second=random.choice([0, 39, 40] if self.rarely(0.1) else [0]),
            strategy_orders_last_second=random.choice([0, 29, 30] if self.rarely(0.1) else [0]),
            same_orders=random.choice([0, 4, 5] if self.rarely(0.1) else [0]),
            holding=self.holding(definition, 150),
            legs=legs if definition.kind is COMBO.kind and not self.rarely(0.1) else [],
            others=[self.holding(NEAR, 100)] if self.rarely(0.3) else [],
            parent=msgspec.structs.replace(parent, used=used) if order.parent else None,
            profit_age_ns=random.choice([None, 11 * 10**9]) if self.rarely() else 10**9,
        )


# --- the judge -------------------------------------------------------------------------------


def worth(definition: Any, quantity: Decimal, price: Decimal, index: float | None) -> Decimal:
    """In USD."""
    if definition.kind in (COMBO.kind, PERP.kind):
        return quantity
    value = quantity * price
    return value * D(repr(index)) if definition.kind is InstrumentKind.OPTION else value


def judge_form(order: PlaceOrder, definition: Any) -> None:
    assert definition.status is InstrumentStatus.ACTIVE
    assert order.quantity.is_finite() and order.quantity >= definition.min_quantity
    assert order.quantity % definition.lot_size == 0
    takes_price = order.order_type.value.endswith("LIMIT") and order.order_type.value != (
        "MARKET_TO_LIMIT"
    )
    assert (order.price is not None) == takes_price
    for price in (order.price, order.trigger_price):
        if price is not None:
            assert price.is_finite() and abs(price) <= 10**15
            assert price % definition.tick_size == 0
            assert price > 0 or definition.kind is COMBO.kind
    assert (order.trigger_price is not None) == order.order_type.value.startswith(("STOP", "TAKE"))
    assert (order.trigger_offset is not None) == (order.order_type is OrderType.TRAILING_STOP)
    rests = order.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK)
    assert not order.post_only or (takes_price and rests)
    assert order.display_quantity is None or (order.display_quantity <= order.quantity and rests)


def judge_market(order: PlaceOrder, definition: Any, market: Market) -> None:
    assert market.age_ms is not None and market.age_ms <= 2000
    for figure in (market.bid, market.ask, market.mark, market.last, market.index):
        assert figure is None or math.isfinite(figure)
    if market.bid is not None and market.ask is not None and min(market.bid, market.ask) > 0:
        assert not market.bid > market.ask
    if order.order_type in (OrderType.STOP, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP):
        return
    touch = market.ask if order.side is Side.BUY else market.bid
    price = float(order.price) if order.price is not None else touch
    assert price is not None and math.isfinite(price)
    if definition.kind is COMBO.kind:
        assert market.min_price is not None and market.max_price is not None
        assert market.min_price <= price <= market.max_price
        return
    percent = 60 if definition.kind is InstrumentKind.OPTION else 5
    near = [market.mark, market.low, market.high]
    if definition.kind is not InstrumentKind.OPTION:
        near.append(market.last)
    if order.trigger_price is not None and not is_awake(order, market):
        near = [float(order.trigger_price)]
    for reference in near:
        if reference is not None and math.isfinite(reference) and reference > 0:
            assert abs(price - reference) <= reference * percent / 100 * 1.000001


def is_awake(order: PlaceOrder, market: Market) -> bool:
    """The market is at the trigger of a take profit, or nobody knows where it is."""
    name = order.trigger.value.lower() if order.trigger is not None else "mark"
    level = getattr(market, name)
    if (level is None or level <= 0) and None not in (market.bid, market.ask):
        level = (market.bid + market.ask) / 2 if min(market.bid, market.ask) > 0 else None
    if order.order_type is not OrderType.TAKE_PROFIT_LIMIT:
        return False
    trigger = float(order.trigger_price or 0)
    if level is None or level <= 0:
        return True
    return level <= trigger if order.side is Side.BUY else level >= trigger


def judge_account(order: PlaceOrder, definition: Any, state: State) -> None:
    assert state.mode is not TradingMode.HALTED
    allowed = LIMITS.allowed_instruments.get(order.owner, LIMITS.allowed_instruments["*"])
    assert {definition.instrument, definition.symbol, definition.kind.value} & set(allowed)
    assert order.quantity <= D(LIMITS.max_quantity[definition.kind.value])
    assert state.open_orders < 20 and state.orders_last_second < 40
    assert state.strategy_orders_last_second < 30 and state.same_orders < 5
    if order.parent:
        assert state.parent is not None and order.parent_quantity == state.parent.quantity
        assert state.parent.used + order.quantity <= order.parent_quantity
    else:
        assert order.parent_quantity is None


def judge_exposure(order: PlaceOrder, definition: Any, state: State) -> None:
    sign = order.side.sign
    changes = [(state.holding, 1)]
    if definition.kind is COMBO.kind:
        assert state.legs
        changes = [(holding, int(ratio)) for holding, ratio in state.legs]
    lowers, values, rises = [], [], False
    for holding, ratio in changes:
        assert holding is not None
        way = sign * ratio
        working = (holding.buying if way > 0 else holding.selling) + order.quantity
        reach = holding.position * way + working
        lowers.append(holding.position * way < 0 and working <= abs(holding.position))
        other = -holding.position * way + (holding.selling if way > 0 else holding.buying)
        before = max(abs(reach - order.quantity), abs(other))
        worst = max(abs(reach), abs(other))
        rises = rises or worst > before
        limit = D(MAX_POSITION[holding.instrument.definition.kind.value])
        assert reach <= 0 or reach <= limit
        values.append((holding, worst))
    if state.mode is TradingMode.REDUCING or state.profit_age_ns != 10**9:
        assert all(lowers)
    if rises:
        values += [(h, h.worst) for h in state.others]
        total = sum((value_of(*each) for each in values), D(0))
        assert total <= 160_000


def value_of(holding: Holding, worst: Decimal) -> Decimal:
    definition = holding.instrument.definition
    if not worst or definition.kind in (PERP.kind, NEAR.kind):
        return worst
    assert holding.price is not None
    value = worst * holding.price
    return value * D(50000) if definition.kind is InstrumentKind.OPTION else value


def judge_value(order: PlaceOrder, definition: Any, market: Market) -> None:
    price = order.price or order.trigger_price or D(0)
    value = worth(definition, order.quantity, price, market.index)
    assert value <= 1_400


def run(count: int, seed: int) -> Counter[str]:
    """Check so many; an order that passes is judged again."""
    maker, seen = Maker(seed), Counter[str]()
    for number in range(count):
        definition = SEEN[number % len(SEEN)]
        order = maker.order(definition)
        state = maker.state(definition, order)
        bounds = GAPS if number % 50 == 0 else STRICT if number % 3 else FREE
        refusal = check(order, bounds, state)
        seen["passed" if refusal is None else refusal.reason] += 1
        if refusal is not None:
            assert refusal.text
            continue
        assert state.instrument is not None and bounds is not GAPS
        definition = state.instrument.definition
        judge_form(order, definition)
        judge_market(order, definition, state.market)
        judge_account(order, definition, state)
        judge_exposure(order, definition, state)
        judge_value(order, definition, state.market)
    return seen


EXPECTED = {
    R.UNKNOWN_INSTRUMENT,
    R.INSTRUMENT_NOT_TRADING,
    R.INSTRUMENT_NOT_ALLOWED,
    R.BAD_QUANTITY,
    R.MIN_QUANTITY,
    R.QUANTITY_OFF_LOT,
    R.BAD_PRICE,
    R.PRICE_OFF_TICK,
    R.BAD_REQUEST,
    R.MODE,
    R.NO_LIMIT,
    R.STALE_DATA,
    R.MAX_QUANTITY,
    R.MAX_NOTIONAL,
    R.PRICE_COLLAR,
    R.NO_MARKET_DATA,
    R.RATE_LIMIT,
    R.DUPLICATE_ORDER,
    R.PARENT_CAP,
    R.EXPOSURE,
    R.MAX_OPEN_ORDERS,
}


def test_p6_none_of_many_refusable_orders_passes() -> None:
    seen = run(QUICK, seed=6)
    assert set(seen) >= EXPECTED, EXPECTED - set(seen)
    assert seen["passed"] > QUICK // 50, seen


@pytest.mark.long
def test_p6_none_of_a_million_refusable_orders_passes() -> None:
    seen = run(LONG, seed=66)
    figure = f"0 of {LONG}; {seen['passed']} were in order and passed"
    figures.note("P6", "refusable orders that pass the checks", "0 of 1,000,000", figure, True)
