"""The simulated market: what every instrument is worth, and what the invisible traders do.

Implements the `SimulatedMarket` of common/venues/simulation/ from the definitions alone; it knows
no venue. Every answer is a pure function of its arguments, the seed and the rates that the cap on
updates leaves; what is kept is only what was worked out last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from common.config import SimulatorConfig
from common.errors import LocalError
from common.messages import InstrumentDefinition, InstrumentKind
from common.venues.simulation import FlowOrder, OptionFigures
from services.venue_simulator.chain import Chain
from services.venue_simulator.flow import Stream
from services.venue_simulator.interest import of_others
from services.venue_simulator.noise import seed_of
from services.venue_simulator.reference_prices import (
    ReferencePrices,
    coin_of,
    coins_of,
    index_decimals,
)
from services.venue_simulator.shape import Shape
from services.venue_simulator.smile import Surface

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SPOT_PREMIUM = 0.2  # spot follows its index closer than a perpetual does
SPAN_NS = 1_800_000_000_000  # prices over a span of this are worked out at once
SPAN_MIN = 6  # if they are at least so many
INTENSITY_STEP = 1.1  # rates change in steps
KEPT_NS = 3 * 86_400_000_000_000  # how long an expired instrument may still be asked about


class Traded(msgspec.Struct):
    """What the market keeps of one instrument."""

    definition: InstrumentDefinition
    seed: int
    shape: Shape
    stream: Stream
    chain: Chain | None  # of an option
    coin: str  # the base coin as the reference prices name it


class Market:
    """All instruments of one venue."""

    def __init__(self, config: SimulatorConfig, prices: ReferencePrices | None = None) -> None:
        """prices: the reference prices if they are shared, else those of the seed."""
        self._seed = config.seed
        self._cap = config.updates_per_second
        self._activity = config.activity
        self.prices = prices or ReferencePrices(config.seed)
        self._traded: dict[str, Traded] = {}
        self._chains: dict[tuple[str, int], Chain] = {}
        self._surfaces: dict[str, Surface] = {}
        self._indexes: set[str] = set()
        self._intensity = config.activity
        self._natural = 0.0
        self._awake: set[str] = set()

    def add(self, definitions: Iterable[InstrumentDefinition]) -> None:
        """Trade these too; futures come before the options on them. Known ones are left alone."""
        for definition in sorted(definitions, key=lambda d: d.kind is InstrumentKind.OPTION):
            if definition.symbol not in self._traded:
                self._add(definition)

    def redefine(self, definition: InstrumentDefinition) -> None:
        """Trade this one with other figures, such as another tick."""
        awake = definition.symbol in self._awake
        self.set_awake(definition.symbol, False)
        self._add(definition)
        self.set_awake(definition.symbol, awake)

    def forget_expired(self, now_ns: int) -> None:
        """Drop what expired days ago."""
        for symbol, traded in list(self._traded.items()):
            if (traded.definition.expiration_ns or now_ns) < now_ns - KEPT_NS:
                self.set_awake(symbol, False)
                del self._traded[symbol]
        for key in [key for key in self._chains if key[1] < now_ns - KEPT_NS]:
            del self._chains[key]

    # prices

    def index_names(self) -> Sequence[str]:
        return sorted(self._indexes)

    def index_price(self, name: str, now_ns: int) -> float:
        return self.prices.index(name, now_ns)

    def delivery_price(self, name: str, from_ns: int, to_ns: int) -> float:
        """Time-weighted average of an index."""
        return self.prices.average(name, from_ns, to_ns)

    def fair_price(self, symbol: str, now_ns: int) -> float:
        traded = self._of(symbol)
        if traded.chain is not None:
            return traded.chain.mark(symbol, now_ns)
        price = self._exact(traded.definition, now_ns)
        return round(price, index_decimals(price))

    def fair_prices(self, symbol: str, times_ns: Sequence[int]) -> list[float]:
        """Futures are worked out in spans of minutes, within which their curve is straight."""
        import numpy as np

        traded = self._of(symbol)
        if traded.chain is not None:
            return [traded.chain.mark(symbol, moment) for moment in times_ns]
        times = np.asarray(times_ns, np.int64)
        if len(times) == 0:
            return []
        if traded.definition.expiration_ns is None:
            return [float(price) for price in self._exact_over(traded.definition, times)]
        prices: list[float] = []
        for span in np.split(times, np.flatnonzero(np.diff(times // SPAN_NS)) + 1):
            if len(span) < SPAN_MIN:
                prices.extend(self._book_price(traded, int(moment)) for moment in span)
            else:
                prices.extend(self._exact_over(traded.definition, span).tolist())
        return prices

    def option_figures(self, symbol: str, now_ns: int) -> OptionFigures | None:
        chain = self._of(symbol).chain
        return None if chain is None else chain.figures(symbol, now_ns)

    def implied_volatility(self, symbol: str, price: float, now_ns: int) -> float:
        chain = self._of(symbol).chain
        return 0.0 if chain is None else chain.implied_volatility(symbol, price, now_ns)

    def volatility(self, base: str, now_ns: int) -> float:
        """At the money for 30 days, percent a year; of a coin that need not have options."""
        return 100 * self._surface(base.lower()).at_the_money(now_ns, 30 / 365)

    def funding_rate(self, symbol: str, now_ns: int) -> float:
        if self._of(symbol).definition.kind is not InstrumentKind.PERPETUAL:
            return 0.0
        return self.prices.funding(symbol, now_ns)

    def open_interest(self, symbol: str, now_ns: int) -> float:
        traded = self._of(symbol)
        return of_others(traded.definition, traded.shape, traded.seed, now_ns)

    # books and flow

    def seed_book(self, symbol: str, now_ns: int) -> Sequence[FlowOrder]:
        traded = self._of(symbol)
        return traded.shape.seed_orders(traded.seed, self._book_price(traded, now_ns), now_ns)

    def best_quote(self, symbol: str, now_ns: int) -> tuple[float, float, float, float]:
        """Best bid, its quantity, best ask, its quantity of the book that seed_book makes."""
        traded = self._of(symbol)
        return traded.shape.best_quote(traded.seed, self._book_price(traded, now_ns), now_ns)

    def orders_between(self, symbol: str, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        return self._of(symbol).stream.between(from_ns, to_ns)

    def set_awake(self, symbol: str, awake: bool) -> None:
        if awake == (symbol in self._awake):
            return
        rate = self._of(symbol).stream.updates_per_second()
        (self._awake.add if awake else self._awake.discard)(symbol)
        self._natural += rate if awake else -rate
        intensity = self._activity
        while self._natural * intensity > self._cap:
            intensity /= INTENSITY_STEP
        if intensity != self._intensity:
            self._intensity = intensity
            for traded in self._traded.values():
                traded.stream.set_intensity(intensity, capped=self._is_capped())

    # one instrument

    def _is_capped(self) -> bool:
        return self._intensity < self._activity

    def _of(self, symbol: str) -> Traded:
        traded = self._traded.get(symbol)
        if traded is None:
            raise LocalError(f"the simulated market has no instrument {symbol!r}")
        return traded

    def _add(self, definition: InstrumentDefinition) -> None:
        symbol = definition.symbol
        coin, _ = coins_of(definition.price_index)
        self._indexes.add(definition.price_index)
        chain = self._chain_of(definition)
        seed = seed_of(self._seed, "book", symbol)
        shape = Shape(definition, coin_of(coin).anchor)

        def prices_over(times_ns: Ints) -> Floats:
            if chain is not None:
                return chain.prices_over(symbol, times_ns)
            return self._exact_over(definition, times_ns)

        stream = Stream(
            seed,
            shape,
            prices_over,
            lambda now_ns: self.prices.activity(coin, now_ns),
            self._activity,
        )
        stream.set_intensity(self._intensity, capped=self._is_capped())
        self._traded[symbol] = Traded(definition, seed, shape, stream, chain, coin)

    def _chain_of(self, definition: InstrumentDefinition) -> Chain | None:
        """The chain of an option, made when its first option is added; None for the others."""
        expiration_ns = definition.expiration_ns
        if definition.kind is not InstrumentKind.OPTION or expiration_ns is None:
            return None
        index = definition.price_index
        chain = self._chains.get((index, expiration_ns))
        if chain is None:
            coin, _ = coins_of(index)
            surface = self._surface(coin)
            chain = Chain(
                self._future_behind(definition),
                expiration_ns,
                surface,
                lambda now_ns: self._forward(index, now_ns, expiration_ns),
                lambda times_ns: self._forward_over(index, times_ns, expiration_ns),
            )
            self._chains[index, expiration_ns] = chain
        chain.add(definition)
        return chain

    def _surface(self, coin: str) -> Surface:
        surface = self._surfaces.get(coin)
        if surface is None:
            surface = self._surfaces[coin] = Surface(self._seed, coin)
        return surface

    def _future_behind(self, option: InstrumentDefinition) -> str:
        """Symbol of the future of the same index and expiry, "" if there is none."""
        for traded in self._traded.values():
            found = traded.definition
            if (
                found.kind is InstrumentKind.FUTURE
                and found.price_index == option.price_index
                and found.expiration_ns == option.expiration_ns
            ):
                return found.symbol
        return ""

    def _book_price(self, traded: Traded, now_ns: int) -> float:
        """What a book is made around: exact for futures, the published mark for options."""
        if traded.chain is not None:
            return traded.chain.mark(traded.definition.symbol, now_ns)
        return self._exact(traded.definition, now_ns)

    def _exact(self, definition: InstrumentDefinition, now_ns: int) -> float:
        """Fair price of what is not an option, not rounded."""
        if definition.kind is InstrumentKind.FUTURE and definition.expiration_ns is not None:
            return self._forward(definition.price_index, now_ns, definition.expiration_ns)
        premium = self.prices.premium(definition.symbol, now_ns)
        if definition.kind is InstrumentKind.SPOT:
            premium *= SPOT_PREMIUM
        return self.prices.index_exact(definition.price_index, now_ns) * (1.0 + premium)

    def _exact_over(self, definition: InstrumentDefinition, times_ns: Ints) -> Floats:
        """`_exact` at ascending int64[n] within minutes."""
        if definition.kind is InstrumentKind.FUTURE and definition.expiration_ns is not None:
            return self._forward_over(definition.price_index, times_ns, definition.expiration_ns)
        premium = self.prices.premium_array(definition.symbol, times_ns)
        if definition.kind is InstrumentKind.SPOT:
            premium = premium * SPOT_PREMIUM
        return self.prices.index_array(definition.price_index, times_ns) * (1.0 + premium)

    def _forward(self, index: str, now_ns: int, expiration_ns: int) -> float:
        base, _ = coins_of(index)
        growth = self.prices.growth(base, now_ns, expiration_ns)
        return self.prices.index_exact(index, now_ns) * growth

    def _forward_over(self, index: str, times_ns: Ints, expiration_ns: int) -> Floats:
        base, _ = coins_of(index)
        growth = self.prices.growth_over(base, times_ns, expiration_ns)
        return self.prices.index_array(index, times_ns) * growth
