"""A recording as the market: the books are the recorded ones, own orders stand in them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from common import messages as m
from common.config import SimulatorAccountConfig, SimulatorConfig
from common.core import BusMessage
from common.domain.book import OrderBook
from common.messages import OrderType, Side
from common.replay import Moment
from common.venues import load
from common.venues.simulation import OrderRequest, OrderState, Placed, SimulatedFill
from services.recorder.reading import definitions, read
from services.venue_simulator.core import VenueSimulator
from services.venue_simulator.exchange import Exchange
from services.venue_simulator.replay import WARM_NS, Recording, ReplayMarket
from tests.services.venue_simulator.kit import NOW, PERPETUAL

FRAMES = Path(__file__).parents[2] / "venues" / "deribit" / "frames"
MS = 1_000_000
ACCOUNT = SimulatorAccountConfig("me", "secret", {"BTC": "100"})
CONFIG = SimulatorConfig(venue="venue", port=1, accounts=[ACCOUNT])
NAME, SYMBOL = PERPETUAL.instrument, PERPETUAL.symbol


class Scene:
    """An exchange whose market is a few messages; at_ms counts from its start."""

    def __init__(self, *told: tuple[int, m.Event], speed: float = 1.0) -> None:
        opening = m.BookSnapshot(NAME, [50_000.0, 100.0, 49_990.0, 50.0], [50_010.0, 100.0])
        messages = [(-2000, opening), (0, m.Ticker(NAME, 50_005.0, 50_000.0, None)), *told]
        moments = [
            Moment(
                WARM_NS + int(at_ms * MS * (speed if at_ms > 0 else 1)),
                BusMessage(f"x.{NAME}", message, 1, 1, 0, 0, 0, 0),
            )
            for at_ms, message in messages
        ]
        market = ReplayMarket(CONFIG, Recording(moments, [PERPETUAL], speed), NOW)
        self.exchange = Exchange((), market, [ACCOUNT])
        self.exchange.list_instrument(PERPETUAL, NOW)
        self.exchange.watch(SYMBOL, NOW)

    def at(self, at_ms: int) -> list[SimulatedFill]:
        self.exchange.advance(NOW + at_ms * MS)
        self.exchange.book(SYMBOL, 10)
        return [each for each in self.exchange.drain() if isinstance(each, SimulatedFill)]

    def place(self, side: Side, price: str, quantity: int, at_ms: int) -> Placed:
        request = OrderRequest(SYMBOL, side, Decimal(quantity), OrderType.LIMIT, Decimal(price))
        placed = self.exchange.place("me", request, NOW + at_ms * MS)
        assert isinstance(placed, Placed), placed
        return placed

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        view = self.exchange.book(SYMBOL, 10)
        assert view is not None
        return list(view.bids), list(view.asks)


def sold(price: float, quantity: float) -> m.Trade:
    return m.Trade(NAME, price, quantity, Side.SELL, "1")


def bids(*flat: float) -> m.BookDelta:
    return m.BookDelta(NAME, list(flat), [])


def test_the_book_is_the_recorded_one_at_each_moment() -> None:
    scene = Scene((100, bids(50_000.0, 0.0)), (200, m.BookDelta(NAME, [49_995.0, 30.0], [])))
    assert scene.levels()[0] == [(50_000.0, 100.0), (49_990.0, 50.0)]
    scene.at(150)
    assert scene.levels()[0] == [(49_990.0, 50.0)]
    scene.at(250)
    assert scene.levels() == ([(49_995.0, 30.0), (49_990.0, 50.0)], [(50_010.0, 100.0)])


def test_an_aggressive_order_takes_what_is_displayed_and_no_more() -> None:
    scene = Scene((100, m.BookDelta(NAME, [], [50_010.0, 120.0])))
    placed = scene.place(Side.BUY, "50010", 250, 10)
    assert placed.order.cum_quantity == 100 and placed.order.state is OrderState.OPEN
    assert scene.levels()[0][0] == (50_010.0, 150.0)


def test_a_passive_order_waits_until_the_queue_ahead_has_traded() -> None:
    scene = Scene(
        (100, sold(50_000.0, 60.0)),
        (101, bids(50_000.0, 40.0)),
        (200, sold(50_000.0, 40.0)),
        (300, sold(50_000.0, 30.0)),
    )
    scene.place(Side.BUY, "50000", 50, 10)
    assert scene.at(150) == []
    assert scene.at(250) == []  # the 100 that stood ahead are gone, and nothing is left over
    (fill,) = scene.at(350)
    assert (fill.price, fill.quantity) == (50_000, 30)


def test_what_joins_the_level_later_stands_behind() -> None:
    scene = Scene((100, bids(50_000.0, 500.0)), (200, sold(50_000.0, 120.0)))
    scene.place(Side.BUY, "50000", 50, 10)
    (fill,) = scene.at(250)
    assert fill.quantity == 20


def test_what_is_withdrawn_is_withdrawn_from_the_back_until_none_is_left_there() -> None:
    scene = Scene(
        (100, bids(50_000.0, 150.0)),
        (150, bids(50_000.0, 100.0)),  # the 50 behind
        (200, bids(50_000.0, 30.0)),  # 70 of those ahead
        (300, sold(50_000.0, 40.0)),
    )
    scene.place(Side.BUY, "50000", 50, 10)
    assert scene.at(250) == []
    (fill,) = scene.at(350)
    assert fill.quantity == 10


def test_a_trade_through_the_price_fills() -> None:
    scene = Scene((100, bids(50_000.0, 0.0)), (200, sold(49_990.0, 80.0)))
    scene.place(Side.BUY, "49995", 50, 10)
    assert scene.at(150) == []
    (fill,) = scene.at(250)
    assert (fill.price, fill.quantity) == (49_995, 50)


def test_a_book_that_moves_through_the_price_fills() -> None:
    moved = m.BookDelta(NAME, [50_000.0, 0.0], [49_995.0, 30.0])
    scene = Scene((100, moved))
    scene.place(Side.BUY, "49995", 50, 10)
    (fill,) = scene.at(150)
    assert (fill.price, fill.quantity) == (49_995, 30)


def test_a_stale_book_is_empty_until_it_is_whole_again() -> None:
    again = m.BookSnapshot(NAME, [50_000.0, 10.0], [50_010.0, 10.0])
    scene = Scene((100, m.BookStale(NAME, "link down")), (200, again))
    scene.at(150)
    assert scene.levels() == ([], [])
    scene.at(250)
    assert scene.levels() == ([(50_000.0, 10.0)], [(50_010.0, 10.0)])


def test_the_speed_scales_the_recording() -> None:
    scene = Scene((100, bids(50_000.0, 0.0)), speed=10.0)
    scene.at(99)
    assert scene.levels()[0][0] == (50_000.0, 100.0)
    scene.at(101)
    assert scene.levels()[0][0] == (49_990.0, 50.0)


def test_marks_and_indexes_are_the_recorded_ones() -> None:
    scene = Scene((100, m.IndexPrice("venue", "btc_usd", 50_001.0)))
    scene.at(1500)
    assert scene.exchange.index_price("btc_usd") == 50_001.0
    ticker = scene.exchange.ticker(SYMBOL)
    assert ticker is not None and ticker.mark_price == 50_005.0


PATHS = [FRAMES / "instruments_20210417.http.gz", FRAMES / "options_20210417.ws.gz"]


def recording() -> Recording:
    return Recording(read(PATHS, "deribit"), definitions(PATHS, "deribit"))


def test_recorded_frames_of_a_venue_become_its_simulated_market() -> None:
    config = SimulatorConfig(venue="deribit", port=1, accounts=[ACCOUNT])
    start_ns = 1_790_000_000_000_000_000
    core = VenueSimulator(load("deribit"), config, start_ns, recording())
    exchange = core._world.exchange
    assert len(exchange.instruments()) == 10
    books = {d.instrument: OrderBook(d.instrument) for d in recording().definitions}
    for moment in recording().moments:
        event = moment.event
        assert isinstance(event, BusMessage)
        if isinstance(event.message, m.BookSnapshot):
            book = books[event.message.instrument]
            book.apply_snapshot(event.message.bids, event.message.asks, 0)
        elif isinstance(event.message, m.BookDelta):
            book = books[event.message.instrument]
            book.apply_delta(event.message.bids, event.message.asks, 0, 0)
    core.on_time(start_ns + 60_000 * MS)
    for name, book in books.items():
        view = exchange.book(name.removeprefix("deribit."), 1000)
        assert view is not None
        flat = [number for level in view.bids for number in level]
        assert flat == pytest.approx(book.all_bids()), name
        flat = [number for level in view.asks for number in level]
        assert flat == pytest.approx(book.all_asks()), name


def test_the_same_recording_gives_the_same_fills_twice() -> None:
    def fills() -> list[tuple[Decimal, Decimal]]:
        told = [(ms, sold(50_000.0, 10.0 + ms % 70)) for ms in range(100, 900, 50)]
        scene = Scene(*told)
        scene.place(Side.BUY, "50000", 300, 10)
        return [(f.price, f.quantity) for ms in range(0, 1000, 10) for f in scene.at(ms)]

    assert fills() == fills() and len(fills()) > 2
