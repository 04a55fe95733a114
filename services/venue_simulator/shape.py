"""The shape of a synthetic book: how many levels, how far apart, how large.

A book is made of slots, one order each: slot j of a side quotes at the fair price, less or plus
`offset(j)`. Slots near the touch lie close together and are small; sizes and distances grow
outwards. The last two slots stand so far away that no move between two requotes reaches them, so
that a side is never empty.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from common.messages import ContractType, InstrumentDefinition, InstrumentKind, Side
from common.venues.simulation import FlowAction, FlowOrder
from services.venue_simulator.noise import mix, seed_of, uniform
from services.venue_simulator.scale import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GROWTH = 1.3  # of distances with the slot's number
SIZE_GROWTH = 0.18  # a slot is larger than the one before by this part of the first
SIZE_SPREAD = 2.4  # of the logarithm of a size
SEED_STEP_NS = 2_000_000_000  # a sleeping book's touch keeps its size for so long
FAR_FUTURES = (0.008, 0.012)
FAR_OPTIONS = (0.6, 0.9)
WALL = 8.0
WORTHLESS_TICKS = 3.0
WIDEST_AT = 0.1  # options above this part of the coin have spreads as if they cost so much
MAJORS = ("BTC", "ETH")


class Profile(msgspec.Struct, frozen=True):
    """Figures of one kind of instrument; rates per second at activity 1.

    half, gap: half spread and first distance between slots, as (ticks, fraction of the price).
    """

    levels: int
    half: tuple[float, float]
    gap: tuple[float, float]
    touch_usd: float  # median size at the touch
    quotes: float  # requotes of a pair of slots
    takes: float
    cancels: float


PERPETUAL_MAJOR = Profile(40, (0.5, 5e-6), (0.6, 5e-6), 9_000.0, 10.0, 1.2, 1.5)
PERPETUAL_LINEAR_MAJOR = Profile(35, (0.5, 1.5e-5), (0.7, 1e-5), 12_000.0, 5.0, 0.6, 0.7)
PERPETUAL_MINOR = Profile(30, (0.5, 5e-5), (0.8, 3e-5), 4_000.0, 2.0, 0.3, 0.3)
SPOT = Profile(30, (0.5, 4e-5), (1.0, 3e-5), 3_000.0, 2.0, 0.25, 0.3)
DATED = Profile(25, (0.5, 8e-5), (1.0, 4e-5), 15_000.0, 1.5, 0.3, 0.2)
OPTION = Profile(20, (0.6, 0.01), (1.0, 0.01), 350_000.0, 0.4, 0.16, 0.03)


def profile_of(definition: InstrumentDefinition) -> Profile:
    kind = definition.kind
    if kind is InstrumentKind.OPTION:
        return OPTION
    if kind is InstrumentKind.SPOT:
        return SPOT
    if kind is InstrumentKind.FUTURE:
        return DATED
    if definition.base not in MAJORS:
        return PERPETUAL_MINOR
    inverse = definition.contract_type is ContractType.INVERSE
    return PERPETUAL_MAJOR if inverse else PERPETUAL_LINEAR_MAJOR


class Shape:
    """The synthetic book of one instrument around a given fair price."""

    __slots__ = (
        "_far",
        "_tick",
        "_widest",
        "is_option",
        "levels",
        "least_ask",
        "profile",
        "scale",
        "size",
    )

    def __init__(self, definition: InstrumentDefinition, coin_usd: float) -> None:
        """coin_usd: about what one coin of the base is worth."""
        self.profile = profile = profile_of(definition)
        self.scale = Scale(definition)
        self.is_option = definition.kind is InstrumentKind.OPTION
        self.levels = profile.levels
        self._far = FAR_OPTIONS if self.is_option else FAR_FUTURES
        self._tick = float(definition.tick_size)
        value = 1.0 if definition.quote == definition.base else coin_usd
        self._widest = WIDEST_AT * value if self.is_option else math.inf
        self.least_ask = 2.0 * self._tick
        inverse = definition.contract_type is ContractType.INVERSE and not self.is_option
        touch = profile.touch_usd if inverse else profile.touch_usd / coin_usd
        self.size = max(touch, 2.0 * float(definition.min_quantity))

    def offset(self, slot: int, fair: float) -> float:
        """Distance of a slot from the fair price, in price units, before its jitter."""
        far = slot - (self.levels - len(self._far))
        if far >= 0:
            return (self._far[far]) * fair + (40 + 40 * far) * self._tick
        (half_ticks, half_part), (gap_ticks, gap_part) = self.profile.half, self.profile.gap
        tick = self.tick_at(fair)
        value = min(fair, self._widest)
        gap = gap_ticks * tick + gap_part * value
        return half_ticks * tick + half_part * value + gap * math.pow(slot, GROWTH)

    def tick_at(self, fair: float) -> float:
        scale = self.scale
        ticks = scale.floor(fair)
        return scale.price_float(scale.step_at(ticks))

    def offsets(self, slots: Floats, fairs: Floats) -> Floats:
        """`offset` of n slots at n fair prices. The tick is that at the first fair price."""
        import numpy as np

        (half_ticks, half_part), (gap_ticks, gap_part) = self.profile.half, self.profile.gap
        tick = self.tick_at(float(fairs[0])) if len(fairs) else self._tick
        values = np.minimum(fairs, self._widest)
        gaps = gap_ticks * tick + gap_part * values
        near = half_ticks * tick + half_part * values + gaps * np.power(slots, GROWTH)
        for place, part in enumerate(self._far):
            slot = self.levels - len(self._far) + place
            away = part * fairs + (40 + 40 * place) * self._tick
            near = np.where(slots == slot, away, near)
        return near

    def growth(self, slot: int) -> float:
        """How much larger than the touch's unit a slot is. The far slots of options are walls:
        where the price is a tick or two they are on the level that all takes reach."""
        wall = self.is_option and slot >= self.levels - len(self._far)
        return (0.6 + SIZE_GROWTH * slot) * (WALL if wall else 1.0)

    def quantity(self, slot: int, chance: float) -> float:
        """Of a slot; chance in [0, 1) spreads sizes over about a factor of ten."""
        return self.size * self.growth(slot) * math.exp(SIZE_SPREAD * (chance - 0.5))

    def bid(self, fair: float, offset: float) -> float:
        """A bid's price: never below the first tick."""
        return max(fair - offset, self._tick)

    def ask(self, fair: float, offset: float) -> float:
        """An ask's price: never so low that no bid fits below it."""
        return max(fair + offset, self.least_ask)

    def take_limit(self, fair: float, offset: float, is_buy: bool) -> float:
        """How far a take may go. Sellers leave the bids at the first tick alone, the last there
        are, unless the option is worth hardly more."""
        if is_buy:
            return self.ask(fair, offset)
        return max(fair - offset, self._tick if self.is_worthless(fair) else 2.0 * self._tick)

    def is_worthless(self, fair: float) -> bool:
        """Most bids are at the first tick: large sellers would take them all."""
        return fair <= WORTHLESS_TICKS * self._tick

    def best_quote(self, seed: int, fair: float, now_ns: int) -> tuple[float, float, float, float]:
        """Bid price and quantity, ask price and quantity of the book that `seed_orders` makes."""
        return (
            *self._best(seed_dice(seed, now_ns), fair, True),
            *self._best(seed_dice(seed, now_ns), fair, False),
        )

    def _best(self, dice: int, fair: float, is_buy: bool) -> tuple[float, float]:
        scale = self.scale
        best = lots = 0
        for slot in range(self.levels):
            price, quantity = self._seed_slot(dice, slot, fair, is_buy)
            tick = scale.floor(price) if is_buy else scale.ceil(price)
            if slot and tick != best:
                break
            best = tick
            lots += scale.whole_lots(quantity)
        return scale.price_float(best), scale.quantity_float(lots)

    def seed_orders(self, seed: int, fair: float, now_ns: int) -> list[FlowOrder]:
        """One order per slot around this price, the touch first."""
        dice = seed_dice(seed, now_ns)
        orders: list[FlowOrder] = []
        for slot in range(self.levels):
            for side in (Side.BUY, Side.SELL):
                is_buy = side is Side.BUY
                price, quantity = self._seed_slot(dice, slot, fair, is_buy)
                key = slot_key(slot, is_buy)
                orders.append(FlowOrder(FlowAction.PLACE, key, side, price, quantity, now_ns))
        return orders

    def _seed_slot(self, dice: int, slot: int, fair: float, is_buy: bool) -> tuple[float, float]:
        """Price and quantity of one slot of a fresh book."""
        stretch = 0.85 + 0.3 * uniform(dice, 3 * slot) if slot else 1.0
        offset = self.offset(slot, fair) * stretch
        quantity = self.quantity(slot, uniform(dice, 3 * slot + (1 if is_buy else 2)))
        return (self.bid(fair, offset) if is_buy else self.ask(fair, offset)), quantity


def seed_dice(seed: int, now_ns: int) -> int:
    """What the jitter of a fresh book is made from; the same for SEED_STEP_NS."""
    return mix(seed ^ seed_of("seed", now_ns // SEED_STEP_NS))


def slot_key(slot: int, is_buy: bool) -> int:
    return 2 * slot + (0 if is_buy else 1)
