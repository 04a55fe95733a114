"""Tickers, candles and funding of the simulated exchange."""

from __future__ import annotations

import pytest

from services.venue_simulator.rules import DAY_NS, HOUR_NS
from services.venue_simulator.statistics import MINUTE_NS
from tests.services.venue_simulator.kit import NOW, Scene


def test_the_ticker_of_a_sleeping_book_shows_the_quote_it_would_have():
    scene = Scene()
    ticker = scene.exchange.ticker("INVERSE-PERP")
    assert (ticker.best_bid_price, ticker.best_ask_price) == (49_999.5, 50_000.5)
    assert (ticker.min_price, ticker.max_price) == (49_250.0, 50_750.0)
    assert ticker.last_price is None and ticker.volume == 0.0
    assert scene.market.awake == set()
    assert scene.exchange.ticker("NONE") is None


def test_the_ticker_of_a_traded_instrument_tells_of_its_trades():
    scene = Scene()
    scene.trade("ann", "bob", 5000, 50_000)
    scene.trade("ann", "bob", 5000, 50_100)
    scene.placed("bob", "SELL", 30, 50_200)
    ticker = scene.exchange.ticker("INVERSE-PERP")
    assert (ticker.last_price, ticker.high, ticker.low) == (50_100.0, 50_100.0, 50_000.0)
    assert ticker.volume == pytest.approx(5000 / 50_000 + 5000 / 50_100)
    assert ticker.volume_usd == pytest.approx(10_000)
    assert ticker.open_interest == 10_000.0
    assert (ticker.best_bid_price, ticker.best_ask_price) == (None, 50_200.0)
    assert ticker.price_change == 0.0 and ticker.current_funding == 0.0


def test_an_option_ticker_has_volatility_and_greeks():
    ticker = Scene().exchange.ticker("CALL")
    assert ticker.option.mark_iv == 60.0 and ticker.bid_iv == 60.0
    assert ticker.high is None and ticker.current_funding is None


def test_a_spot_ticker_has_neither_interest_nor_settlement():
    ticker = Scene().exchange.ticker("SPOT")
    assert ticker.open_interest is None and ticker.settlement_price is None


def test_tickers_come_in_bulk_by_currency():
    tickers = Scene().exchange.tickers("USDC")
    assert [t.symbol for t in tickers] == ["LINEAR-PERP", "SPOT", "LINEAR-CALL"]


def test_candles_are_made_of_trades_and_of_the_mark_where_there_are_none():
    scene = Scene()
    scene.trade("ann", "bob", 5000, 50_100)
    scene.trade("ann", "bob", 5000, 50_200)
    first = NOW - NOW % HOUR_NS - HOUR_NS
    candles = scene.exchange.candles("INVERSE-PERP", first, scene.now, HOUR_NS)
    assert [c.start_ns for c in candles] == [first, first + HOUR_NS]
    assert (candles[0].open, candles[0].volume) == (50_000.0, 0.0)
    assert (candles[1].open, candles[1].close) == (50_100.0, 50_200.0)
    assert candles[1].cost == pytest.approx(10_000)
    assert scene.exchange.candles("NONE", 0, NOW, MINUTE_NS) == []


def test_a_greedy_request_for_candles_is_cut():
    candles = Scene().exchange.candles("INVERSE-PERP", 0, NOW + DAY_NS, MINUTE_NS)
    assert len(candles) == 5_000 and candles[-1].start_ns == NOW - NOW % MINUTE_NS


def test_funding_history_is_hourly_and_its_value_adds_up():
    scene = Scene()
    scene.market.rate = 0.0008
    points = scene.exchange.funding_history("INVERSE-PERP", NOW - 3 * HOUR_NS, NOW)
    assert [p.time_ns for p in points] == [NOW - n * HOUR_NS for n in (3, 2, 1, 0)]
    assert points[0].interest_1h == pytest.approx(0.0001)
    assert points[0].interest_8h == pytest.approx(0.0008)
    value = scene.exchange.funding_value("INVERSE-PERP", NOW - 4 * HOUR_NS, NOW)
    assert value == pytest.approx(0.0004)
    assert scene.exchange.funding_history("FUTURE", 0, NOW) == []


def test_index_prices_are_known_by_name():
    scene = Scene()
    assert scene.exchange.index_price("btc_usd") == 50_000.0
    assert scene.exchange.index_price("none") is None
