"""Decimals, ticks and lots."""

from __future__ import annotations

from hypothesis import given, strategies as st

from services.venue_simulator.scale import Scale
from tests.services.venue_simulator.kit import CALL, LINEAR, PERPETUAL, D


def test_prices_and_quantities_go_through_integers_unharmed():
    scale = Scale(PERPETUAL)
    assert scale.ticks(D("50000.5")) == 100_001
    assert scale.price(100_001) == D("50000.5")
    assert scale.price_float(100_001) == 50_000.5
    assert scale.lots(D(30)) == 3 and scale.quantity(3) == D(30)


def test_rounding_follows_the_tick_steps():
    scale = Scale(CALL)  # 0.0001, from 0.005 on 0.0005
    assert scale.price(scale.floor(0.00487)) == D("0.0048")
    assert scale.price(scale.floor(0.01049)) == D("0.0100")
    assert scale.price(scale.ceil(0.01001)) == D("0.0105")
    assert scale.price(scale.ceil(0.01)) == D("0.0100")


def test_quantities_are_whole_lots_and_at_least_the_minimum():
    scale = Scale(LINEAR)
    assert scale.whole_lots(0.0) == 1
    assert scale.quantity(scale.whole_lots(0.1234)) == D("0.123")


@given(st.integers(1, 2_000_000))
def test_a_tick_survives_the_way_through_a_float(tick):
    scale = Scale(LINEAR)
    assert scale.floor(scale.price_float(tick)) == tick == scale.ceil(scale.price_float(tick))
    assert float(scale.price(tick)) == scale.price_float(tick)
