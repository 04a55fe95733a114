"""What a position is worth and how it moves: marks and Greeks of one instrument times a quantity.

Two deltas, both in units of the underlying. `delta` is the venue's delta of the position:
quantity / mark for an inverse future, quantity for linear futures and spot, option delta * quantity
for options. `net_delta` is what exposure adds up, the net transaction delta: an inverse option is
paid for in the coin, so buying one also gives coins away, and its mark price (coins per option) is
taken off. So Exposure.delta compares with the account's delta total at the venue, and
PositionUpdated.delta with the venue's page of positions. gamma, vega and theta are totals in USD
terms.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

import msgspec

from common.domain.instrument import Instrument, exact
from common.messages import ContractType, InstrumentKind, Ticker
from common.venues.accounts import PositionReport


class Marks(msgspec.Struct, frozen=True):
    """Figures of one unit of an instrument; None where unknown. is_fresh: from a live topic."""

    mark_price: float | None = None
    index_price: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    is_fresh: bool = False


class Valuation(msgspec.Struct, frozen=True):
    """Totals of a position; None where a figure is missing."""

    delta: float | None = None
    net_delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None


NO_MARKS = Marks()
FLAT = Valuation(0.0, 0.0, 0.0, 0.0, 0.0)


def finite(figure: float | None) -> float | None:
    """A float off the wire may be infinite or no number at all: then it is unknown."""
    return figure if figure is not None and isfinite(figure) else None


def marks_of_ticker(ticker: Ticker) -> Marks:
    return Marks(
        finite(ticker.mark_price),
        finite(ticker.index_price),
        finite(ticker.delta),
        finite(ticker.gamma),
        finite(ticker.vega),
        finite(ticker.theta),
        True,
    )


def marks_of_report(report: PositionReport | None) -> Marks:
    """Second best: the venue's figures of its last report, broken down to one unit."""
    if report is None or not report.quantity:
        return NO_MARKS
    quantity = float(report.quantity)

    def unit(total: float | None) -> float | None:
        known = finite(total)
        return None if known is None else known / quantity

    return Marks(
        finite(report.mark_price),
        finite(report.index_price),
        unit(report.delta),
        unit(report.gamma),
        unit(report.vega),
        unit(report.theta),
    )


def value(instrument: Instrument, quantity: Decimal, marks: Marks) -> Valuation:
    """Greeks of a whole position."""
    if not quantity:
        return FLAT
    definition = instrument.definition
    if definition.kind is InstrumentKind.OPTION:
        return _value_option(definition.contract_type, float(quantity), marks)
    if not instrument.is_inverse_future:
        delta = float(quantity)
    elif marks.mark_price:
        delta = float(instrument.base_quantity(quantity, exact(marks.mark_price)))
    else:
        return Valuation(gamma=0.0, vega=0.0, theta=0.0)
    return Valuation(delta, delta, 0.0, 0.0, 0.0)


def _value_option(contract_type: ContractType, quantity: float, marks: Marks) -> Valuation:
    def total(unit: float | None) -> float | None:
        return None if unit is None else unit * quantity

    delta = net_delta = total(marks.delta)
    if contract_type is ContractType.INVERSE and delta is not None:
        net_delta = None if marks.mark_price is None else delta - marks.mark_price * quantity
    return Valuation(delta, net_delta, total(marks.gamma), total(marks.vega), total(marks.theta))
