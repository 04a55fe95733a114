"""A recording as the simulated market: the exchange's books are the recorded ones.

Each recorded level is held by synthetic orders; clients' orders stand among them in the queues of
the same matching engine. The fill model follows from that (docs/recording.md states its limits):

- an aggressive order takes the displayed quantity of each level it reaches, and no more;
- a passive order waits behind what its level showed when it came. What is added to the level later
  stands behind it; what is withdrawn is withdrawn from the back, so that only trades, or a level
  that shrinks below what stood ahead, move it forward;
- a recorded trade takes from the front of the queues at its price and at better ones;
- when the recorded other side reaches its price, it is filled with what stands there.

What a client takes comes back when the recording next changes that level.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from common import messages as m
from common.config import SimulatorConfig
from common.core import BusMessage
from common.domain.book import OrderBook
from common.messages import InstrumentDefinition, InstrumentKind, Side
from common.replay import Moment
from common.venues.simulation import FlowAction, FlowOrder, OptionFigures
from services.venue_simulator.market import Market

NS_PER_S = 1_000_000_000
WARM_NS = 2 * NS_PER_S  # of recording at the start, in which its topics tell their first state

Level = tuple[bool, float]  # (is a bid, price)


class Recording(msgspec.Struct):
    """What a replayed market is made from: its moments, and the instruments they are about."""

    moments: Iterable[Moment]
    definitions: Sequence[InstrumentDefinition]
    speed: float = 1.0


class Queues:
    """The recorded book of one instrument as synthetic orders: chunks in the order they came."""

    def __init__(self) -> None:
        self._chunks: defaultdict[Level, list[list[float]]] = defaultdict(list)  # [key, quantity]
        self._keys = 0

    def orders(self, at_ns: int) -> list[FlowOrder]:
        """All that rests."""
        return [
            _place(level, chunk, at_ns) for level in self._chunks for chunk in self._chunks[level]
        ]

    def set(self, level: Level, quantity: float, at_ns: int) -> list[FlowOrder]:
        """Add behind what is there, or withdraw from the back."""
        chunks = self._chunks[level]
        missing = quantity - sum(chunk[1] for chunk in chunks)
        acts: list[FlowOrder] = []
        if quantity and missing > quantity * 1e-9:
            self._keys += 1
            chunks.append([float(self._keys), missing])
            acts.append(_place(level, chunks[-1], at_ns))
        while chunks and missing < -1e-9 * chunks[-1][1]:
            last = chunks[-1]
            if last[1] + missing > 1e-9 * last[1]:
                last[1] += missing
                acts.append(_place(level, last, at_ns))
                break
            missing += chunks.pop()[1]
            acts.append(_cancel(level, last, at_ns))
        if not chunks:
            del self._chunks[level]
        return acts

    def trade(self, trade: m.Trade, at_ns: int) -> list[FlowOrder]:
        """The taker of a recorded trade, and what is then left of the queue that it met."""
        side = trade.aggressor_side
        acts = [FlowOrder(FlowAction.TAKE, -1, side, trade.price, trade.quantity, at_ns)]
        level = side is Side.SELL, trade.price
        chunks = self._chunks.get(level, [])
        left = trade.quantity
        while chunks and left > 0:
            first = chunks[0]
            if first[1] > left:
                first[1] -= left
                acts.append(_place(level, first, at_ns))
                break
            left -= first[1]
            acts.append(_cancel(level, chunks.pop(0), at_ns))
        if not chunks:
            self._chunks.pop(level, None)
        return acts


class Replayed:
    """One instrument of the recording: its book as it is now, and what happened since asked."""

    def __init__(self, instrument: str) -> None:
        self.book = OrderBook(instrument)
        self.queues = Queues()
        self.ticker: m.Ticker | None = None
        self.last_price: float | None = None
        self.acts: deque[FlowOrder] = deque()
        self._thinned: set[Level] = set()  # by trades that the book has not told yet

    def take(self, event: BusMessage, at_ns: int) -> None:
        match event.message:
            case m.BookSnapshot(_, bids, asks):
                self._reset(bids, asks, at_ns)
            case m.BookDelta(_, bids, asks):
                changed = {(True, price) for price in bids[::2]}
                changed |= {(False, price) for price in asks[::2]}
                self.book.apply_delta(bids, asks, self.book.sequence, self.book.sequence)
                self._follow(changed, at_ns)
            case m.BookStale():
                self._reset([], [], at_ns)
            case m.Trade() as trade:
                self.last_price = trade.price
                self._thinned.add((trade.aggressor_side is Side.SELL, trade.price))
                self.acts += self.queues.trade(trade, at_ns)
            case m.Ticker() as ticker:
                self.ticker = ticker

    def _reset(self, bids: list[float], asks: list[float], at_ns: int) -> None:
        before = set(_levels(self.book))
        self.book.apply_snapshot(bids, asks, 0)
        self._follow(before | set(_levels(self.book)), at_ns)

    def _follow(self, changed: set[Level], at_ns: int) -> None:
        """Levels that shrink first, so that the book does not run into itself."""
        now = _levels(self.book)
        acts: list[FlowOrder] = []
        for level in sorted(changed | self._thinned):
            acts += self.queues.set(level, now.get(level, 0.0), at_ns)
        self._thinned.clear()
        self.acts += sorted(acts, key=lambda act: act.action is FlowAction.PLACE)

    def mark(self) -> float | None:
        if self.ticker is not None and self.ticker.mark_price is not None:
            return self.ticker.mark_price
        bid, ask = self.book.best_bid, self.book.best_ask
        return (bid[0] + ask[0]) / 2 if bid and ask else self.last_price


class ReplayMarket(Market):
    """A recorded market that begins at a time of the venue. What was not recorded is made up.

    Instruments live as long as they did: what expired in the recording expires here, as much later
    as the recording is replayed later.
    """

    def __init__(self, config: SimulatorConfig, recording: Recording, start_ns: int) -> None:
        super().__init__(config)
        self._moments: Iterator[Moment] = iter(recording.moments)
        self._next = next(self._moments, None)
        self._speed = recording.speed
        self._start_ns = start_ns
        first_ns = self._next.time_ns if self._next is not None else start_ns
        self._from_ns = first_ns + WARM_NS
        self._replayed: dict[str, Replayed] = {}
        self._recorded_indexes: dict[str, float] = {}
        shift_ns = start_ns - self._from_ns
        self.definitions = [_moved(each, shift_ns) for each in recording.definitions]
        self._index_of = {d.instrument: d.price_index for d in self.definitions}
        self._names = {d.symbol: d.instrument for d in self.definitions}
        self._play_to(start_ns)

    # prices

    def index_price(self, name: str, now_ns: int) -> float:
        self._play_to(now_ns)
        known = self._recorded_indexes.get(name)
        return known if known is not None else super().index_price(name, now_ns)

    def fair_price(self, symbol: str, now_ns: int) -> float:
        replayed = self._find(symbol, now_ns)
        mark = replayed.mark() if replayed is not None else None
        return mark if mark is not None else super().fair_price(symbol, now_ns)

    def fair_prices(self, symbol: str, times_ns: Sequence[int]) -> list[float]:
        """The past is not kept: the mark as it is now."""
        if not times_ns:
            return []
        return [self.fair_price(symbol, max(times_ns))] * len(times_ns)

    def option_figures(self, symbol: str, now_ns: int) -> OptionFigures | None:
        replayed = self._find(symbol, now_ns)
        ticker = replayed.ticker if replayed is not None else None
        if ticker is None or ticker.mark_iv is None:
            return super().option_figures(symbol, now_ns)
        return OptionFigures(
            ticker.mark_iv,
            ticker.delta or 0.0,
            ticker.gamma or 0.0,
            ticker.vega or 0.0,
            ticker.theta or 0.0,
            ticker.rho or 0.0,
            ticker.underlying_price or ticker.index_price or 0.0,
            ticker.underlying or "",
        )

    def funding_rate(self, symbol: str, now_ns: int) -> float:
        replayed = self._find(symbol, now_ns)
        if replayed is None or replayed.ticker is None:
            return 0.0
        return replayed.ticker.funding_rate or 0.0

    def open_interest(self, symbol: str, now_ns: int) -> float:
        replayed = self._find(symbol, now_ns)
        if replayed is None or replayed.ticker is None:
            return 0.0
        return replayed.ticker.open_interest or 0.0

    # books and flow

    def seed_book(self, symbol: str, now_ns: int) -> Sequence[FlowOrder]:
        replayed = self._find(symbol, now_ns)
        if replayed is None:
            return ()
        replayed.acts.clear()
        return replayed.queues.orders(now_ns)

    def best_quote(self, symbol: str, now_ns: int) -> tuple[float, float, float, float]:
        replayed = self._find(symbol, now_ns)
        bid = replayed.book.best_bid if replayed is not None else None
        ask = replayed.book.best_ask if replayed is not None else None
        return (*(bid or (0.0, 0.0)), *(ask or (0.0, 0.0)))

    def orders_between(self, symbol: str, from_ns: int, to_ns: int) -> Sequence[FlowOrder]:
        replayed = self._find(symbol, to_ns)
        if replayed is None:
            return ()
        found = []
        while replayed.acts and replayed.acts[0].at_ns <= to_ns:
            found.append(replayed.acts.popleft())
        return found

    def set_awake(self, symbol: str, awake: bool) -> None:
        """The recording goes at its own rate."""

    # the recording

    def _find(self, symbol: str, now_ns: int) -> Replayed | None:
        self._play_to(now_ns)
        return self._replayed.get(self._names.get(symbol, ""))

    def _play_to(self, now_ns: int) -> None:
        while self._next is not None and (at_ns := self._time_of(self._next)) <= now_ns:
            if isinstance(self._next.event, BusMessage):
                self._take(self._next.event, at_ns)
            self._next = next(self._moments, None)

    def _time_of(self, moment: Moment) -> int:
        return self._start_ns + int((moment.time_ns - self._from_ns) / self._speed)

    def _take(self, event: BusMessage, at_ns: int) -> None:
        message = event.message
        if isinstance(message, m.IndexPrice):
            self._recorded_indexes[message.index] = message.price
            return
        if not isinstance(message, BOOK_AND_TAPE):
            return
        name = message.instrument
        if name not in self._index_of:
            return
        if name not in self._replayed:
            self._replayed[name] = Replayed(name)
        self._replayed[name].take(event, at_ns)
        if isinstance(message, m.Ticker) and message.index_price is not None:
            self._recorded_indexes.setdefault(self._index_of[name], message.index_price)


BOOK_AND_TAPE = (m.BookSnapshot, m.BookDelta, m.BookStale, m.Trade, m.Ticker)


def _levels(book: OrderBook) -> dict[Level, float]:
    sides = (
        (True, book.bid_prices, book.bid_quantities),
        (False, book.ask_prices, book.ask_quantities),
    )
    return {
        (is_bid, price): quantity
        for is_bid, prices, quantities in sides
        for price, quantity in zip(prices, quantities, strict=True)
    }


def _place(level: Level, chunk: list[float], at_ns: int) -> FlowOrder:
    is_bid, price = level
    side = Side.BUY if is_bid else Side.SELL
    return FlowOrder(FlowAction.PLACE, int(chunk[0]), side, price, chunk[1], at_ns)


def _cancel(level: Level, chunk: list[float], at_ns: int) -> FlowOrder:
    side = Side.BUY if level[0] else Side.SELL
    return FlowOrder(FlowAction.CANCEL, int(chunk[0]), side, at_ns=at_ns)


def _moved(definition: InstrumentDefinition, shift_ns: int) -> InstrumentDefinition:
    expiration_ns = definition.expiration_ns
    if expiration_ns is not None and definition.kind is not InstrumentKind.PERPETUAL:
        expiration_ns += shift_ns
    created_ns = max(0, definition.created_ns + shift_ns) if definition.created_ns else 0
    return msgspec.structs.replace(definition, expiration_ns=expiration_ns, created_ns=created_ns)
