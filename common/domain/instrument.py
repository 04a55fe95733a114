"""Instrument: the rules of price, quantity and value of one tradable thing.

The only place that converts quantities. Contracts of section 3 of the wire document: quantity is
the venue's own unit, which is quote currency (USD) for inverse futures and base currency for
everything else.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

from common.messages import ContractType, InstrumentDefinition, InstrumentKind, Side

FUTURES = (InstrumentKind.PERPETUAL, InstrumentKind.FUTURE, InstrumentKind.FUTURE_COMBO)
COMBOS = (InstrumentKind.FUTURE_COMBO, InstrumentKind.OPTION_COMBO)


def exact(value: float) -> Decimal:
    """The decimal a float was printed as: the border from market data to money."""
    return Decimal(repr(value))


class Instrument:
    """An InstrumentDefinition with its rules; of a combo of inverse futures those of its legs."""

    __slots__ = ("definition", "is_combo", "is_inverse_future", "name")

    def __init__(self, definition: InstrumentDefinition) -> None:
        self.definition = definition
        self.name = definition.instrument
        self.is_combo = definition.kind in COMBOS  # its price is a difference: below 0 too
        self.is_inverse_future = (
            definition.contract_type is ContractType.INVERSE and definition.kind in FUTURES
        )

    def tick_at(self, price: Decimal) -> Decimal:
        """The tick that holds at this price."""
        tick = self.definition.tick_size
        for above, step in self.definition.tick_steps:
            if price >= above:
                tick = step
        return tick

    def is_on_tick(self, price: Decimal) -> bool:
        return price % self.tick_at(price) == 0

    def is_on_lot(self, quantity: Decimal) -> bool:
        return quantity % self.definition.lot_size == 0

    def round_price(self, price: float | Decimal, side: Side) -> Decimal:
        """To the tick, in the passive direction: a BUY down, a SELL up."""
        value = price if isinstance(price, Decimal) else exact(price)
        tick = self.tick_at(value)
        rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
        return (value / tick).to_integral_value(rounding) * tick

    def round_quantity(self, quantity: float | Decimal) -> Decimal:
        """To the lot, towards zero."""
        value = quantity if isinstance(quantity, Decimal) else exact(quantity)
        lot = self.definition.lot_size
        return (value / lot).to_integral_value(ROUND_DOWN) * lot

    def contracts(self, quantity: Decimal) -> Decimal:
        return quantity / self.definition.contract_size

    def base_quantity(self, quantity: Decimal, price: Decimal) -> Decimal:
        """In base currency; an inverse future's USD are divided by the price."""
        return quantity / price if self.is_inverse_future else quantity

    def notional(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Value in the quote currency of a linear or spot instrument, in USD of an inverse future.

        Of an inverse option price and value are in the coin; the caller multiplies by the index.
        """
        return quantity if self.is_inverse_future else quantity * price
