"""Combos: instruments that stand for several others, their legs.

The price of a combo is the signed sum of the prices of its legs and may be negative. A trade of a
combo is a trade of each leg: at its mark, rounded to its tick, but for the dearest leg, whose price
makes the sum right. Nobody holds a combo, only its legs. The legs of the cheaper side, bought or
sold, are free of fees (https://www.deribit.com/kb/fees, as remembered; not in the API document).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from common.domain.instrument import exact
from common.messages import InstrumentKind, Side
from common.venues.simulation import ZERO, FlowAction, FlowOrder
from services.venue_simulator.accounts import Working
from services.venue_simulator.listing import Leg, Listing
from services.venue_simulator.margin import Margin, Prices, position_margin
from services.venue_simulator.rules import ExchangeRules
from services.venue_simulator.state import State

QUOTED_LOTS = 20  # minimum quantities that the synthetic quotes of a combo offer
FUTURE_SPREAD = 0.0002  # of the index, to either side of the mark
OPTION_SPREAD = 0.03  # of the mark
SPREAD_TICKS = 2


class LegPart(NamedTuple):
    """What one trade of a combo means for one leg; quantity signed, for the combo's buyer."""

    listing: Listing
    quantity: Decimal
    price: Decimal


def leg_parts(state: State, combo: Listing, price: Decimal, quantity: Decimal) -> list[LegPart]:
    """The trades of the legs that one trade of a combo makes."""
    marks = [exact(state.mark(leg.listing)) for leg in combo.legs]
    dearest = max(range(len(marks)), key=lambda place: marks[place])
    prices = [_rounded(leg.listing, mark) for leg, mark in zip(combo.legs, marks, strict=True)]
    others = sum(
        (leg.quantity * prices[i] for i, leg in enumerate(combo.legs) if i != dearest), ZERO
    )
    prices[dearest] = (price - others) / combo.legs[dearest].quantity
    return [
        LegPart(leg.listing, quantity * leg.quantity, one)
        for leg, one in zip(combo.legs, prices, strict=True)
    ]


def charged(fees: list[Decimal], parts: list[LegPart]) -> list[Decimal]:
    """The fees of the legs, with the cheaper side free."""
    bought = sum((f for f, part in zip(fees, parts, strict=True) if part.quantity > 0), ZERO)
    is_bought_free = bought < sum(fees, ZERO) - bought
    both = any(part.quantity > 0 for part in parts) and any(part.quantity < 0 for part in parts)
    return [
        ZERO if both and (part.quantity > 0) is is_bought_free else fee
        for fee, part in zip(fees, parts, strict=True)
    ]


def combo_flow(state: State, combo: Listing) -> Iterator[FlowOrder]:
    """The synthetic quotes of a combo, moved to where its mark is now."""
    mark, scale = state.mark(combo), combo.scale
    spread = OPTION_SPREAD * abs(mark)
    if combo.kind is InstrumentKind.FUTURE_COMBO:
        spread = FUTURE_SPREAD * state.index(combo.definition.price_index)
    spread = max(spread, SPREAD_TICKS * float(scale.tick))
    quantity = QUOTED_LOTS * float(combo.definition.min_quantity)
    for key, side in ((1, Side.BUY), (2, Side.SELL)):
        price = mark - spread * side.sign
        yield FlowOrder(FlowAction.PLACE, key, side, price, quantity, state.now_ns)


def combo_margin(state: State, combo: Listing, working: Working, rules: ExchangeRules) -> Margin:
    """What orders of a combo tie up: what their legs would, each by itself, and the premium."""
    bought = _leg_margin(state, combo.legs, working.buy, rules)
    sold = _leg_margin(state, combo.legs, -working.sell, rules)
    if combo.kind is InstrumentKind.OPTION_COMBO:
        bought += max(ZERO, working.buy_value)
        sold += max(ZERO, -working.sell_value)
    return Margin(ZERO, ZERO, max(bought, sold))


def _leg_margin(
    state: State, legs: tuple[Leg, ...], quantity: Decimal, rules: ExchangeRules
) -> Decimal:
    total = ZERO
    for leg in legs:
        prices: Prices = state.prices(leg.listing)
        total += position_margin(leg.listing, quantity * leg.quantity, prices, rules)[0]
    return total


def _rounded(listing: Listing, price: Decimal) -> Decimal:
    tick = listing.instrument.tick_at(price)
    return max(tick, (price / tick).to_integral_value() * tick)
