"""Margin of one instrument: the segregated standard model.

A future ties up a rate of its coin size that grows with the size. A long option is paid for, a
short one ties up a part of the underlying less what it is out of the money, plus its value:

    initial      max(0.15 - otm / underlying, 0.1) * underlying + mark
    maintenance  0.075 * underlying + mark, for a put at least 0.075 * mark + mark

Resting orders tie up what the worse of two positions would need: all buys filled, or all sells.
Sizes and results of inverse contracts are in coin, of the others in the quote currency.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from common.messages import OptionType
from common.venues.simulation import ZERO
from services.venue_simulator.accounts import Working
from services.venue_simulator.listing import Listing
from services.venue_simulator.rules import ExchangeRules

NO_ORDERS = Working()


class Prices(NamedTuple):
    """What an instrument and its underlying are worth, in price units and quote per coin."""

    mark: Decimal
    underlying: Decimal


class Margin(NamedTuple):
    initial: Decimal  # of the position
    maintenance: Decimal
    orders: Decimal  # what open orders need on top, initially


def initial_rate(listing: Listing, coins: Decimal, rules: ExchangeRules) -> Decimal:
    """Of a future position of this absolute size in coin."""
    leverage = Decimal(int(listing.definition.max_leverage) or rules.default_leverage)
    return 1 / leverage + _slope(listing, rules) * coins


def position_margin(
    listing: Listing, quantity: Decimal, prices: Prices, rules: ExchangeRules
) -> tuple[Decimal, Decimal]:
    """(initial, maintenance) of a signed position."""
    if not quantity or listing.is_spot:
        return ZERO, ZERO
    if listing.is_option:
        if quantity > 0:
            return ZERO, ZERO
        initial, maintenance = short_option_margin(listing, prices, rules)
        return -quantity * initial, -quantity * maintenance
    coins = coin_size(listing, abs(quantity), prices.mark)
    value = coins if listing.inverse else coins * prices.mark
    rate = initial_rate(listing, coins, rules)
    leverage = Decimal(int(listing.definition.max_leverage) or rules.default_leverage)
    return value * rate, value * (rate - 1 / leverage / 2)


def coin_size(listing: Listing, quantity: Decimal, mark: Decimal) -> Decimal:
    """A quantity in coin, at the mark."""
    return quantity / mark if listing.inverse else quantity


def short_option_margin(
    listing: Listing, prices: Prices, rules: ExchangeRules
) -> tuple[Decimal, Decimal]:
    """(initial, maintenance) of one unit sold, in the settlement currency."""
    definition = listing.definition
    strike = definition.strike or ZERO
    put = definition.option_type is OptionType.PUT
    outside = prices.underlying - strike if put else strike - prices.underlying
    otm = max(ZERO, outside) / prices.underlying
    unit = Decimal(1) if definition.quote == definition.base else prices.underlying
    maintenance = rules.short_option_maintenance * unit + prices.mark
    if put:
        maintenance = max(maintenance, (1 + rules.short_option_maintenance) * prices.mark)
    initial = max(rules.short_option_initial - otm, rules.short_option_floor) * unit + prices.mark
    return max(initial, maintenance), maintenance


def margin_of(
    listing: Listing, quantity: Decimal, working: Working, prices: Prices, rules: ExchangeRules
) -> Margin:
    """Of a signed position with its resting orders."""
    initial, maintenance = position_margin(listing, quantity, prices, rules)
    if listing.is_spot or not (working.buy or working.sell):
        return Margin(initial, maintenance, ZERO)
    bought = position_margin(listing, quantity + working.buy, prices, rules)[0]
    sold = position_margin(listing, quantity - working.sell, prices, rules)[0]
    premium = working.buy_value if listing.is_option else ZERO
    worst = max(initial, bought + premium, sold)
    return Margin(initial, maintenance, worst - initial)


def _slope(listing: Listing, rules: ExchangeRules) -> Decimal:
    return rules.margin_slope.get(listing.definition.base, rules.other_margin_slope)
