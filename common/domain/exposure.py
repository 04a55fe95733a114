"""Exposure before it is there: positions with everything that may still fill, worst side first."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from common.domain.instrument import Instrument
from common.messages import ContractType, InstrumentKind, Side

ZERO = Decimal(0)


class Holding(msgspec.Struct, frozen=True):
    """What is held of one instrument and what is on its way, in its own unit; in doubt counts in
    full. price: to value it with; None if none is known. index: in case the price is in coins."""

    instrument: Instrument
    position: Decimal = ZERO
    buying: Decimal = ZERO
    selling: Decimal = ZERO
    price: Decimal | None = None
    index: Decimal | None = None

    @property
    def worst(self) -> Decimal:
        """The largest position, either way, that could come of it."""
        return max(abs(self.position + self.buying), abs(self.position - self.selling))

    def reach(self, side: Side) -> Decimal:
        """How far in the direction of that side all its orders could take the position."""
        working = self.buying if side is Side.BUY else self.selling
        return self.position * side.sign + working

    @property
    def value(self) -> Decimal | None:
        """Of the worst position, in USD or the quote currency; None without a price."""
        worst, instrument = self.worst, self.instrument
        if not worst:
            return ZERO
        if instrument.is_combo:
            return combo_value(instrument, worst, self.index)
        if instrument.is_inverse_future:
            return instrument.notional(worst, self.price or ZERO)
        if self.price is None:
            return None
        value = instrument.notional(worst, self.price)
        if is_inverse_option(instrument):
            return None if self.index is None else value * self.index
        return value

    def with_order(self, side: Side, quantity: Decimal) -> Holding:
        field = "buying" if side is Side.BUY else "selling"
        return msgspec.structs.replace(self, **{field: getattr(self, field) + quantity})


def total(holdings: Iterable[Holding]) -> Decimal | None:
    """The sum of the values; None if one of them has none."""
    result = ZERO
    for holding in holdings:
        value = holding.value
        if value is None:
            return None
        result += value
    return result


def combo_value(instrument: Instrument, quantity: Decimal, index: Decimal | None) -> Decimal | None:
    """What one leg of it is worth at most: the price of a combo says nothing of the risk."""
    if instrument.is_inverse_future:
        return quantity
    return None if index is None else quantity * index


def is_inverse_option(instrument: Instrument) -> bool:
    rules = instrument.definition
    return rules.contract_type is ContractType.INVERSE and rules.kind is InstrumentKind.OPTION
