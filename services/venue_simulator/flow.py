"""What the invisible traders do in one instrument: a stream of orders cut into cells of time.

Each cell is made whole, in one numpy sweep, from a hash of (seed, symbol, number of the cell), so
that the same moment always brings the same orders, however the time is cut up by those who ask. A
cell holds three kinds of acts:

- requotes: a maker moves both its orders of one slot to where the fair price now is, the side that
  moves away first, so that it does not run into itself. Slots near the touch move most often.
- takes: bursts. A first one comes at random; each brings a further one on its own side with
  probability BRANCHING, shortly after (a Hawkes process seen as its family trees). Buyers come
  rather when the price is about to rise. Each is followed at once by requotes of the touch.
- cancels of single slots away from the touch, which a later requote fills again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.messages import Side
from common.venues.simulation import FlowAction, FlowOrder
from services.venue_simulator.noise import mix, seed_of, uniform_array
from services.venue_simulator.shape import SIZE_SPREAD, Shape, slot_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SECOND_NS = 1_000_000_000
CELL_ACTS = 96.0  # aimed at in one cell
CELL_MIN_S, CELL_MAX_S = 1, 128
BRANCHING = 0.5
BURST_DELAY_S = 0.35
BURST_MAX = 8
BUSY_SPELL = 1.4  # takes against their average, when rates are held below a cap
REFILL_DELAY_S = 0.12
REFILLS = 2  # requotes after a take
FORESIGHT_NS = 2 * SECOND_NS
LEAN = 0.25  # how far from even the chance of a buyer is when the price is about to move
TOUCH_BIAS = 2.5  # slot = levels * u^TOUCH_BIAS
TAKE_REACH = (3.0, 12.0)  # a take reaches 3 slots into the book, rarely up to 15
TAKE_SIZE = (0.6, 0.7)  # in touches: of a short one, and what each further slot adds
QUOTE, TAKE, CANCEL = 0, 1, 2
NOTHING: tuple[FlowOrder, ...] = ()

PricesOver = Callable[["Ints"], "Floats"]


class Stream:
    """The synthetic orders of one instrument, in order of time.

    prices_over: fair prices at ascending int64[n] moments of one cell. activity_at: how busy it is.
    intensity: what all rates are scaled by.
    """

    def __init__(
        self,
        seed: int,
        shape: Shape,
        prices_over: PricesOver,
        activity_at: Callable[[int], float],
        intensity: float = 1.0,
    ) -> None:
        self._seed = seed
        self._shape = shape
        self._prices_over = prices_over
        self._activity_at = activity_at
        self._shift_ns = seed % (CELL_MAX_S * SECOND_NS)
        self._intensity = intensity
        self._busiest = math.inf
        self.cell_ns = cell_seconds(self.updates_per_second() * intensity) * SECOND_NS
        self._number = -1
        self._times: list[int] = []
        self._orders: list[FlowOrder] = []
        self._quiet_from = self._quiet_to = 0

    def set_intensity(self, intensity: float, *, capped: bool) -> None:
        """Scale all rates, from the next cell on. capped: busy spells must not exceed the rate."""
        self._intensity = intensity
        self._busiest = BUSY_SPELL if capped else math.inf

    def updates_per_second(self) -> float:
        """Orders in a second of a busy spell, at intensity 1; each changes the book about once."""
        profile = self._shape.profile
        takes = BUSY_SPELL * profile.takes * (1.0 + 2.0 * REFILLS)
        return 2.0 * profile.quotes + takes + profile.cancels

    def between(self, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        """What happens in (from_ns, to_ns]."""
        if self._quiet_from <= from_ns and to_ns < self._quiet_to:
            return NOTHING
        number = (from_ns - self._shift_ns) // self.cell_ns
        last = (to_ns - self._shift_ns) // self.cell_ns
        if number == last:
            return self._slice(number, from_ns, to_ns)
        found: list[FlowOrder] = []
        while number <= last:
            found.extend(self._slice(number, from_ns, to_ns))
            number += 1
        return found

    def _slice(self, number: int, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        if number != self._number:
            self._number = number
            self._orders = self._make(number)
            self._times = [order.at_ns for order in self._orders]
        times = self._times
        start = bisect_right(times, from_ns)
        stop = bisect_right(times, to_ns, start)
        self._quiet_from = to_ns
        end_ns = (number + 1) * self.cell_ns + self._shift_ns
        self._quiet_to = times[stop] if stop < len(times) else end_ns
        return self._orders[start:stop] if stop > start else NOTHING

    def _make(self, number: int) -> list[FlowOrder]:
        """All acts of one cell. Times are offsets from its start in seconds until the end."""
        start_ns = number * self.cell_ns + self._shift_ns
        dice = Dice(mix(self._seed ^ seed_of(number, self.cell_ns)))
        length = self.cell_ns / SECOND_NS
        activity = self._activity_at(start_ns + self.cell_ns // 2)
        busy = self._intensity * min(activity, self._busiest)
        profile = self._shape.profile
        quote_times = stratified(dice, self._intensity * profile.quotes * length, length)
        cancel_times = stratified(dice, self._intensity * profile.cancels * length, length)
        take_times, family = bursts(dice, busy * profile.takes, length)
        delays = dice.roll(len(take_times) * REFILLS) * (2.0 * REFILL_DELAY_S)
        refills = np.repeat(take_times, REFILLS) + delays
        reach = np.floor(TAKE_REACH[0] + TAKE_REACH[1] * dice.roll(len(take_times)) ** 5)
        near = np.floor(np.repeat(reach, REFILLS) * dice.roll(len(refills)) ** 2)
        refills, near = refills[refills < length], near[refills < length]
        slots = np.floor(self._shape.levels * dice.roll(len(quote_times)) ** TOUCH_BIAS)
        away = 2.0 + np.floor((self._shape.levels - 4) * dice.roll(len(cancel_times)))
        kinds = np.repeat(
            [QUOTE, QUOTE, TAKE, CANCEL],
            [len(quote_times), len(refills), len(take_times), len(cancel_times)],
        )
        moments = np.concatenate((quote_times, refills, take_times, cancel_times))
        places = np.concatenate((slots, near, reach, away))
        families = np.full(len(moments), -1)
        families[kinds == TAKE] = family
        order = np.argsort(moments, kind="stable")
        times_ns = start_ns + (moments[order] * SECOND_NS).astype(np.int64)
        return self._orders_of(dice, kinds[order], places[order], families[order], times_ns)

    def _orders_of(
        self, dice: Dice, kinds: Ints, slots: Floats, families: Ints, times_ns: Ints
    ) -> list[FlowOrder]:
        """Price and size the acts of a cell and write them down."""
        if not len(times_ns):
            return []
        shape = self._shape
        fairs = self._prices_over(times_ns)
        stretch = np.where((slots > 0) & (kinds == QUOTE), 0.85 + 0.3 * dice.roll(len(slots)), 1.0)
        offsets = shape.offsets(slots, fairs) * stretch
        rising = np.diff(fairs, prepend=fairs[0]) > 0
        buys = buyers(dice, families, times_ns, fairs)
        spread = np.exp(SIZE_SPREAD * (dice.roll(2 * len(slots)) - 0.5)).reshape(2, -1)
        sizes = shape.size * spread
        orders: list[FlowOrder] = []
        columns = (kinds, slots, fairs, offsets, sizes[0], sizes[1], rising, buys, times_ns)
        for kind, slot, fair, offset, size, other, up, buy, at_ns in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            side = Side.BUY if buy else Side.SELL
            if kind == QUOTE:
                orders.extend(quote_pair(shape, int(slot), fair, offset, size, other, up, at_ns))
            elif kind == TAKE:
                price = shape.take_limit(fair, offset, buy)
                small = not buy and shape.is_worthless(fair)
                amount = take_amount(size, TAKE_REACH[0] if small else slot)
                orders.append(FlowOrder(FlowAction.TAKE, -1, side, price, amount, at_ns))
            else:
                key = slot_key(int(slot), buy)
                orders.append(FlowOrder(FlowAction.CANCEL, key, side, at_ns=at_ns))
        return orders


class Dice:
    """Uniform numbers of one cell: hashes of a counter."""

    __slots__ = ("_rolled", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._rolled = 0

    def roll(self, count: int) -> Floats:
        """The next `count` numbers in [0, 1)."""
        places = np.arange(self._rolled, self._rolled + count, dtype=np.int64)
        self._rolled += count
        return uniform_array(self.seed, places)


def cell_seconds(acts_per_second: float) -> int:
    """A power of two of seconds that holds about CELL_ACTS acts."""
    wanted = CELL_ACTS / max(acts_per_second, 1e-9)
    if wanted >= CELL_MAX_S:
        return CELL_MAX_S
    return max(CELL_MIN_S, 1 << max(0, round(math.log2(max(wanted, 1.0)))))


def stratified(dice: Dice, count: float, length: float) -> Floats:
    """About `count` ascending times in [0, length), one in each of as many equal parts."""
    chance = float(dice.roll(1)[0])
    whole = int(count + chance)
    return (np.arange(whole) + dice.roll(whole)) * (length / max(whole, 1))


def bursts(dice: Dice, rate: float, length: float) -> tuple[Floats, Ints]:
    """Times of takes in [0, length), and the number of the burst each belongs to.

    rate counts all takes; the first ones of bursts come at rate * (1 - BRANCHING).
    """
    expected = rate * (1.0 - BRANCHING) * length
    drawn = int(expected + 5.0 * math.sqrt(expected)) + 6
    gaps = -np.log(1.0 - dice.roll(drawn)) * (length / max(expected, 1e-9))
    firsts = np.cumsum(gaps)
    firsts = firsts[firsts < length]
    sizes = 1 + np.minimum(
        BURST_MAX, np.floor(np.log(1.0 - dice.roll(len(firsts))) / math.log(BRANCHING))
    ).astype(np.int64)
    family = np.repeat(np.arange(len(firsts)), sizes)
    steps = -np.log(1.0 - dice.roll(len(family))) * BURST_DELAY_S
    starts = np.cumsum(sizes) - sizes
    steps[starts] = 0.0
    walked = np.cumsum(steps)
    times = firsts[family] + walked - walked[starts][family]
    kept = times < length
    return times[kept], family[kept]


def buyers(dice: Dice, families: Ints, times_ns: Ints, fairs: Floats) -> NDArray[np.bool_]:
    """Whether each act is a buyer's; all takes of one burst are on the side that its first chose.

    Takers know a little: rather buyers come when the price is about to rise.
    """
    buys = dice.roll(len(families)) < 0.5
    taking = families >= 0
    if not taking.any():
        return buys
    later = np.interp(times_ns[taking] + FORESIGHT_NS, times_ns, fairs)
    moves = later - fairs[taking]
    lean = LEAN * np.tanh(moves / (moves.std() + 1e-12))
    own = families[taking]
    first = np.zeros(int(own.max()) + 1)
    first[own[::-1]] = lean[::-1]  # of several acts of a family the first is written last
    chances = dice.roll(len(first))
    buys[taking] = (chances < 0.5 + first)[own]
    return buys


def quote_pair(
    shape: Shape,
    slot: int,
    fair: float,
    offset: float,
    bid_size: float,
    ask_size: float,
    rising: bool,
    at_ns: int,
) -> tuple[FlowOrder, FlowOrder]:
    """A maker's two orders of one slot, the one that moves away from the other first."""
    growth = shape.growth(slot)
    place = FlowAction.PLACE
    key, price = slot_key(slot, True), shape.bid(fair, offset)
    bid = FlowOrder(place, key, Side.BUY, price, bid_size * growth, at_ns)
    key, price = slot_key(slot, False), shape.ask(fair, offset)
    ask = FlowOrder(place, key, Side.SELL, price, ask_size * growth, at_ns)
    return (ask, bid) if rising else (bid, ask)


def take_amount(size: float, reach: float) -> float:
    """Takes that reach far are large: they sweep the levels on their way."""
    return size * (TAKE_SIZE[0] + TAKE_SIZE[1] * (reach - TAKE_REACH[0]))
