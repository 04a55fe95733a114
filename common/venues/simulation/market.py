"""What things are worth, and what the invisible other traders do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from common.core import Data
from common.messages import InstrumentDefinition, Side
from common.venues.simulation.market_data import OptionFigures


class FlowAction(StrEnum):
    """What a synthetic trader does.

    PLACE: rest this order; a resting one with the same key is moved instead. It trades with orders
    of clients that it crosses; synthetic orders that it crosses are cancelled, so that requoting
    makes no trades. CANCEL: of a key that is gone does nothing. TAKE: trade up to this price with
    whatever rests there, synthetic orders included; the rest is dropped.
    """

    PLACE = "place"
    CANCEL = "cancel"
    TAKE = "take"


class FlowOrder(Data):
    """One act of the synthetic market in one instrument.

    key: the market's own number, unique among the resting orders of the instrument. The exchange
    rounds price to the tick in the passive direction (TAKE: outwards) and quantity to the lot, at
    least the minimum.
    """

    action: FlowAction
    key: int
    side: Side = Side.BUY
    price: float = 0.0
    quantity: float = 0.0
    at_ns: int = 0


class SimulatedMarket(Protocol):
    """Prices and synthetic traders; every answer is a pure function of its arguments and a seed."""

    def add(self, definitions: Iterable[InstrumentDefinition]) -> None:
        """Trade these too; futures before the options on them. Known ones are left alone."""
        ...

    def redefine(self, definition: InstrumentDefinition) -> None:
        """Trade this one with other figures, such as another tick."""
        ...

    def set_awake(self, symbol: str, awake: bool) -> None:
        """A book begins or ceases to be kept: the cap on updates is shared among those kept."""
        ...

    def index_names(self) -> Sequence[str]: ...

    def index_price(self, name: str, now_ns: int) -> float: ...

    def fair_price(self, symbol: str, now_ns: int) -> float:
        """The mark price, in price units, as the venue would publish it."""
        ...

    def fair_prices(self, symbol: str, times_ns: Sequence[int]) -> Sequence[float]:
        """`fair_price` at ascending moments, not rounded; of futures much cheaper. For charts."""
        ...

    def option_figures(self, symbol: str, now_ns: int) -> OptionFigures | None:
        """None for what is not an option."""
        ...

    def implied_volatility(self, symbol: str, price: float, now_ns: int) -> float:
        """In percent; 0.0 where no volatility gives this price."""
        ...

    def funding_rate(self, symbol: str, now_ns: int) -> float:
        """Momentary funding of a perpetual as a fraction per 8 h; 0.0 for the others."""
        ...

    def open_interest(self, symbol: str, now_ns: int) -> float:
        """What others hold, in the venue's own unit; 0.0 for spot and combos."""
        ...

    def seed_book(self, symbol: str, now_ns: int) -> Sequence[FlowOrder]:
        """The resting orders (PLACE) of a book that is made on demand."""
        ...

    def best_quote(self, symbol: str, now_ns: int) -> tuple[float, float, float, float]:
        """Best bid, its quantity, best ask, its quantity of what seed_book makes, but cheaper:
        for tickers of books that sleep."""
        ...

    def orders_between(self, symbol: str, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        """What happens in (from_ns, to_ns], in order of at_ns."""
        ...
