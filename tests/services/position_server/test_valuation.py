"""What one position is worth and how it moves."""

from __future__ import annotations

from decimal import Decimal

import pytest

from common.domain.instrument import Instrument
from common.messages import ContractType, InstrumentKind
from services.position_server.valuation import Marks, marks_of_report, value
from tests.services.position_server.scenes import CALL, PERP, define, report

D = Decimal
K, C = InstrumentKind, ContractType
GREEKS = {"delta": 0.5, "gamma": 0.001, "vega": 30.0, "theta": -20.0}


def instrument(kind: K, contract: C) -> Instrument:
    return Instrument(define("sim.BTC", kind, contract))


@pytest.mark.parametrize(
    ("kind", "contract", "quantity", "mark", "delta", "net"),
    [
        (K.PERPETUAL, C.INVERSE, "500", 50_000.0, 0.01, 0.01),
        (K.FUTURE, C.INVERSE, "-500", 50_000.0, -0.01, -0.01),
        (K.PERPETUAL, C.LINEAR, "-2", 50_000.0, -2.0, -2.0),
        (K.SPOT, C.SPOT, "3", None, 3.0, 3.0),
        (K.OPTION, C.INVERSE, "2", 0.04, 1.0, 0.92),
        (K.OPTION, C.INVERSE, "-2", 0.04, -1.0, -0.92),
        (K.OPTION, C.LINEAR, "2", 2000.0, 1.0, 1.0),
    ],
)
def test_delta_by_kind(kind, contract, quantity, mark, delta, net):
    found = value(instrument(kind, contract), D(quantity), Marks(mark, **GREEKS))
    assert (found.delta, found.net_delta) == (pytest.approx(delta), pytest.approx(net))
    expected = float(quantity) * 30.0 if kind is K.OPTION else 0.0
    assert found.vega == expected


def test_what_is_missing_is_none_and_what_is_flat_is_zero():
    inverse = instrument(K.PERPETUAL, C.INVERSE)
    assert value(inverse, D(5), Marks()).net_delta is None
    assert value(inverse, D(0), Marks()).net_delta == 0.0
    option = instrument(K.OPTION, C.INVERSE)
    assert value(option, D(1), Marks(0.04)).delta is None
    assert value(option, D(1), Marks(delta=0.5)).net_delta is None


def test_the_venues_totals_are_broken_down_to_one_unit():
    marks = marks_of_report(report(-4, "0.05", CALL, mark_price=0.04, delta=-2.0, vega=-120.0))
    assert (marks.mark_price, marks.delta, marks.vega, marks.gamma) == (0.04, 0.5, 30.0, None)
    assert not marks.is_fresh
    assert marks_of_report(None) == marks_of_report(report(0, None, PERP)) == Marks()
