"""Position: what a row of fills adds up to in one instrument.

A position is a signed quantity and its cost. Cost is what the quantity was worth at the prices it
was bought and sold at: quantity * price for linear contracts, options and spot, in the settlement
currency (for an inverse option price and cost are in the coin); quantity / price, in the coin, for
inverse futures. Cost only ever gets added to and split in proportion, so the average price (the
harmonic mean for inverse futures, the weighted mean otherwise) is derived from it and never rounded
in between. Profit is the difference of two such values:

    linear, option, spot    value at exit - cost        = quantity * (exit - entry)
    inverse future          cost - value at exit        = quantity * (1 / entry - 1 / exit)

1 / price has no finite decimal, so "exact" means 60 digits, far below the smallest coin.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, localcontext

from common.domain.instrument import Instrument
from common.messages import Fill

ZERO = Decimal(0)
PRECISION = Context(prec=60)
PLACES = Decimal("1e-12")


def plain(value: Decimal) -> Decimal:
    """At most 12 decimals, no exponent, no trailing zeros: fit for a message and for people."""
    with localcontext(PRECISION):
        text = format(value.quantize(PLACES), "f").rstrip("0").rstrip(".")
    return Decimal("0") if text == "-0" else Decimal(text)


class Position:
    """Quantity, average price, realised profit and fees of one instrument."""

    __slots__ = ("_profit_sign", "cost", "fees", "instrument", "quantity", "realized_pnl")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.quantity = ZERO
        self.cost = ZERO  # signed as quantity
        self.realized_pnl = ZERO  # before fees, in `currency`
        self.fees: dict[str, Decimal] = {}  # paid, by fee currency
        self._profit_sign = -1 if instrument.is_inverse_future else 1

    @property
    def currency(self) -> str:
        """What profit is counted in."""
        return self.instrument.definition.settlement

    @property
    def average_price(self) -> Decimal | None:
        """None when flat or unknown."""
        if not self.quantity or (self.instrument.is_inverse_future and not self.cost):
            return None
        with localcontext(PRECISION):
            if self.instrument.is_inverse_future:
                return self.quantity / self.cost
            return self.cost / self.quantity

    def open_at(self, quantity: Decimal, average_price: Decimal | None) -> None:
        """Take this quantity as given, e.g. from the venue; what was realised stays."""
        self.quantity = quantity
        self.cost = self._value(quantity, average_price) if average_price else ZERO

    def apply(self, fill: Fill) -> None:
        """Add one execution; whether it was seen before is the caller's to know."""
        self.trade(fill.side.sign * fill.last_quantity, fill.last_price)
        self.pay_fee(fill)

    def trade(self, quantity: Decimal, price: Decimal) -> None:
        """Change the position by a signed quantity at a price."""
        with localcontext(PRECISION):
            closed = self._closed_by(quantity)
            if closed:
                released = self.cost * (closed / self.quantity)
                if closed == self.quantity:
                    released = self.cost
                self.realized_pnl += self._profit(released, closed, price)
                self.quantity -= closed
                self.cost -= released
            opened = quantity + closed
            if opened:
                self.quantity += opened
                self.cost += self._value(opened, price)

    def unrealized_pnl(self, mark_price: Decimal) -> Decimal:
        """Since entry, in `currency`."""
        if not self.quantity:
            return ZERO
        with localcontext(PRECISION):
            return self._profit(self.cost, self.quantity, mark_price)

    def fees_in_currency(self) -> Decimal:
        return self.fees.get(self.currency, ZERO)

    def check(self) -> None:
        """Raise AssertionError unless the invariants hold."""
        assert self.quantity or not self.cost, "flat means no cost"
        assert self.quantity * self.cost >= 0, "cost has the sign of the quantity"

    def _closed_by(self, quantity: Decimal) -> Decimal:
        """The part of our quantity that a trade closes, signed as ours."""
        if self.quantity * quantity >= 0:
            return ZERO
        return -quantity if abs(quantity) <= abs(self.quantity) else self.quantity

    def _value(self, quantity: Decimal, price: Decimal) -> Decimal:
        with localcontext(PRECISION):
            if self.instrument.is_inverse_future:
                return self.instrument.base_quantity(quantity, price)
            return self.instrument.notional(quantity, price)

    def _profit(self, cost: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
        return self._profit_sign * (self._value(quantity, price) - cost)

    def pay_fee(self, fill: Fill) -> None:
        """Count the fee alone.

        One in the base of a spot trade counts at the trade's price, the rest as it is.
        """
        if not fill.fee:
            return
        currency, fee = fill.fee_currency, fill.fee
        definition = self.instrument.definition
        with localcontext(PRECISION):
            if (
                currency == definition.base
                and definition.settlement == definition.quote != currency
            ):
                currency, fee = definition.quote, fee * fill.last_price
            self.fees[currency] = self.fees.get(currency, ZERO) + fee


def replay(
    instrument: Instrument,
    fills: Iterable[Fill],
    quantity: Decimal,
    average_price: Decimal | None,
) -> Position:
    """The position that these fills led to, when the outcome is known but not the opening.

    The opening quantity is the outcome less the fills. The closing cost is linear in the opening
    cost, so that follows too, unless the position went through zero on the way: then what was open
    before counts as opened at the price of the first fill, which gives its closing no profit.

    Args:
        fills: oldest first, each once.
        quantity: signed, after the last fill.
        average_price: after the last fill; None when flat.
    """
    fills = list(fills)
    with localcontext(PRECISION):
        opening = quantity - sum((f.side.sign * f.last_quantity for f in fills), ZERO)
    position = Position(instrument)
    if opening and fills:
        position.open_at(opening, _opening_price(instrument, fills, opening, average_price))
    for fill in fills:
        position.apply(fill)
    position.open_at(quantity, average_price)
    return position


def _opening_price(
    instrument: Instrument, fills: list[Fill], opening: Decimal, average_price: Decimal | None
) -> Decimal:
    """Solve cost_after = cost_before * kept + added; the first fill's price if that has no root."""
    fallback = fills[0].last_price
    trial = Position(instrument)
    trial.open_at(opening, fallback)
    kept = Decimal(1)
    with localcontext(PRECISION):
        for fill in fills:
            signed = fill.side.sign * fill.last_quantity
            if trial.quantity * signed < 0:
                kept *= max(ZERO, 1 - abs(signed / trial.quantity))
            elif not trial.quantity:
                kept = ZERO
            trial.apply(fill)
        if not kept or average_price is None:
            return fallback
        target = Position(instrument)
        target.open_at(trial.quantity, average_price)
        before = Position(instrument)
        before.open_at(opening, fallback)
        before.cost += (target.cost - trial.cost) / kept
        if before.cost * opening <= 0:
            return fallback
        return before.average_price or fallback
