"""Scale: between decimals outside and the integer ticks and lots of the matching engine."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, floor

from common.messages import InstrumentDefinition

SLACK = 1e-6  # of a tick: a float price this near to a tick is on it


class Scale:
    """The units of one instrument. A tick is the finest tick of any price."""

    __slots__ = (
        "_lot_d",
        "_lot_n",
        "_min_lots",
        "_steps",
        "_tick_d",
        "_tick_float",
        "_tick_n",
        "lot",
        "tick",
    )

    def __init__(self, definition: InstrumentDefinition) -> None:
        steps = definition.tick_steps
        self.tick: Decimal = Decimal(min([definition.tick_size, *(step for _, step in steps)]))
        self.lot: Decimal = Decimal(definition.lot_size)
        self._tick_n, self._tick_d = self.tick.as_integer_ratio()
        self._lot_n, self._lot_d = self.lot.as_integer_ratio()
        self._tick_float = float(self.tick)
        self._min_lots = max(1, ceil(definition.min_quantity / self.lot))
        self._steps = [(0, int(definition.tick_size / self.tick))]
        self._steps += [(int(above / self.tick), int(step / self.tick)) for above, step in steps]

    def ticks(self, price: Decimal) -> int:
        """Of a price that is on a tick."""
        return int(price / self.tick)

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick

    def price_float(self, ticks: int) -> float:
        return ticks * self._tick_n / self._tick_d

    def lots(self, quantity: Decimal) -> int:
        """Of a quantity that is on a lot."""
        return int(quantity / self.lot)

    def quantity(self, lots: int) -> Decimal:
        return lots * self.lot

    def quantity_float(self, lots: int) -> float:
        return lots * self._lot_n / self._lot_d

    def step_at(self, tick: int) -> int:
        """How many ticks apart prices are at this tick."""
        if len(self._steps) == 1:
            return self._steps[0][1]
        return next((step for above, step in reversed(self._steps) if tick >= above), 1)

    def floor(self, price: float) -> int:
        """The greatest allowed tick at or below a price."""
        tick = floor(price / self._tick_float + SLACK)
        return tick - tick % self.step_at(tick)

    def ceil(self, price: float) -> int:
        """The least allowed tick at or above a price."""
        tick = ceil(price / self._tick_float - SLACK)
        return tick + -tick % self.step_at(tick)

    def nearest(self, price: float) -> float:
        """The price of the nearest allowed tick."""
        low, high = self.floor(price), self.ceil(price)
        below, above = self.price_float(low), self.price_float(high)
        return below if price - below <= above - price else above

    def whole_lots(self, quantity: float) -> int:
        """Rounded to lots, at least the minimum of an order."""
        return max(self._min_lots, round(quantity * self._lot_d / self._lot_n))
