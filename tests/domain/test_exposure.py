"""Exposure by side: what could come of a position and of all that may still fill."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given, strategies as st

from common.config import LimitsConfig
from common.domain.exposure import Holding
from common.domain.instrument import Instrument
from common.domain.risk import Limits, Market, State, check
from common.messages import InstrumentKind, PlaceOrder, RejectReason as R, Side
from tests.samples import INSTRUMENT as OPTION

D = Decimal
PERPETUAL = msgspec.structs.replace(
    OPTION,
    instrument="deribit.BTC-PERPETUAL",
    symbol="BTC-PERPETUAL",
    kind=InstrumentKind.PERPETUAL,
    quote="USD",
    tick_size=D("0.5"),
    lot_size=D("10"),
    min_quantity=D("10"),
    contract_size=D("10"),
    tick_steps=[],
)
INSTRUMENT = Instrument(PERPETUAL)
PRICES = Market(bid=49990.0, ask=50010.0, mark=50000.0, last=50005.0, index=50000.0)
LIMITS = Limits.of(LimitsConfig(max_position={PERPETUAL.kind.value: "3000"}))
TENS = st.integers(0, 500).map(lambda count: D(10 * count))
POSITIONS = st.integers(-500, 500).map(lambda count: D(10 * count))


def refusal(held: Holding, side: Side, quantity: Decimal) -> R | None:
    order = PlaceOrder(PERPETUAL.instrument, side, quantity, price=D("50000"))
    found = check(order, LIMITS, State(INSTRUMENT, PRICES, holding=held))
    return None if found is None else found.reason


def test_a_side_is_not_excused_by_the_other_that_goes_further():
    """Sells placed by hand had taken the other side over its limit."""
    held = Holding(INSTRUMENT, D(-530), buying=D(3250), selling=D(2640))
    assert held.reach(Side.SELL) == 3170 and held.worst == 3170
    assert refusal(held, Side.BUY, D(320)) is R.EXPOSURE  # 3040 could be bought
    assert refusal(held, Side.BUY, D(280)) is None


def test_what_only_closes_passes_above_the_limit_too():
    held = Holding(INSTRUMENT, D(5000), buying=D(0), selling=D(1000))
    assert refusal(held, Side.SELL, D(4000)) is None
    assert refusal(held, Side.SELL, D(7000)) is None  # 3000 the other way
    assert refusal(held, Side.SELL, D(7010)) is R.EXPOSURE
    assert refusal(held, Side.BUY, D(10)) is R.EXPOSURE


@given(POSITIONS, TENS, TENS, st.sampled_from(Side), st.integers(1, 500))
def test_an_order_that_passes_never_takes_its_side_past_the_limit(
    position: Decimal, buying: Decimal, selling: Decimal, side: Side, tens: int
):
    held = Holding(INSTRUMENT, position, buying, selling)
    reach = held.with_order(side, D(10 * tens)).reach(side)
    assert (refusal(held, side, D(10 * tens)) is None) == (reach <= 3000)
