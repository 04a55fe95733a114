"""The market with the matching engine: books that look like books, and fill the orders in them."""

from itertools import count

import pytest

from common.errors import LocalError
from common.venues.simulation import FlowAction
from services.venue_simulator.listing import Listing
from services.venue_simulator.matching import Order
from tests.services.venue_simulator import market_kit as kit

START_NS, SECOND_NS = kit.START_NS, kit.SECOND_NS
SYMBOLS = ("BTC-PERP", "BTC_USDC", "BTC-FUT", "BTC-62000-C", "BTC-90000-C", "BTC_USDC-50000-P")


def open_book(market, definition, now_ns=START_NS):
    listing = Listing(definition, count(1), 100)
    listing.wake(market.seed_book(definition.symbol, now_ns), now_ns)
    return listing


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_fresh_book_has_depth_around_the_fair_price(symbol):
    market, definitions = kit.make_market()
    seed = market.seed_book(symbol, START_NS)
    assert 20 <= len(seed) / 2 <= 60
    view = open_book(market, definitions[symbol]).view(100)
    fair = market.fair_price(symbol, START_NS)
    assert view.bids[0][0] < view.asks[0][0]
    tick = float(definitions[symbol].tick_size)
    assert view.bids[0][0] <= fair + tick and view.asks[0][0] >= fair - tick
    outer = sum(quantity for _, quantity in view.asks[-5:])
    assert outer > 1.5 * sum(quantity for _, quantity in view.asks[:5])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_quote_of_a_sleeping_book_is_that_of_the_book_it_would_be(symbol):
    market, definitions = kit.make_market()
    for step in range(20):
        now_ns = START_NS + step * 13 * SECOND_NS
        view = open_book(market, definitions[symbol], now_ns).view(1)
        assert market.best_quote(symbol, now_ns) == (*view.bids[0], *view.asks[0])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_books_are_never_crossed_or_empty_for_minutes(symbol):
    market, definitions = kit.make_market()
    listing = open_book(market, definitions[symbol])
    trades = 0
    for act in market.orders_between(symbol, START_NS, START_NS + 300 * SECOND_NS):
        outcome = listing.apply(act)
        trades += len(outcome.trades) if outcome else 0
        (bid, _), (ask, _) = listing.best(True), listing.best(False)
        assert bid is not None and ask is not None and bid < ask
        if act.action is FlowAction.PLACE:
            assert not outcome.trades  # requoting alone makes no trades
    assert trades > 10


@pytest.mark.parametrize("is_buy", [True, False])
@pytest.mark.parametrize("symbol", ["BTC-PERP", "BTC-FUT", "BTC-62000-C"])
def test_orders_at_the_touch_are_filled_soon(symbol, is_buy):
    market, definitions = kit.make_market()
    waits = []
    for start in range(10):
        now_ns = START_NS + start * 500 * SECOND_NS
        listing = open_book(market, definitions[symbol], now_ns)
        tick = listing.scale.floor(listing.best(is_buy)[0])
        order = Order(1, "me", is_buy, tick, 1)
        listing.engine.place(order)
        waits.append(240.0)
        for act in market.orders_between(symbol, now_ns, now_ns + 240 * SECOND_NS):
            listing.apply(act)
            if not order.leaves:
                waits[-1] = (act.at_ns - now_ns) / SECOND_NS
                break
    assert sorted(waits)[5] < 60.0


def test_perpetuals_stay_near_their_index_and_have_funding():
    market, _ = kit.make_market()
    for minute in range(0, 3000, 50):
        now_ns = START_NS + minute * 60 * SECOND_NS
        index = market.index_price("btc_usd", now_ns)
        assert market.fair_price("BTC-PERP", now_ns) == pytest.approx(index, rel=0.001)
        assert market.fair_price("BTC_USDC", now_ns) == pytest.approx(index, rel=0.01)
        assert abs(market.funding_rate("BTC-PERP", now_ns)) < 0.001
    assert market.funding_rate("BTC-FUT", START_NS) == 0.0
    assert market.option_figures("BTC-PERP", START_NS) is None


def test_definitions_are_added_once_and_forgotten_after_expiry():
    market, definitions = kit.make_market(days=1)
    market.add(definitions.values())
    assert market.index_names() == ["btc_usd", "btc_usdc"]
    market.forget_expired(START_NS + 2 * kit.DAY_NS)
    market.fair_price("BTC-62000-C", START_NS + 2 * kit.DAY_NS)
    market.forget_expired(START_NS + 5 * kit.DAY_NS)
    with pytest.raises(LocalError, match="BTC-62000-C"):
        market.fair_price("BTC-62000-C", START_NS)
    assert market.fair_price("BTC-PERP", START_NS) > 0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_many_fair_prices_are_those_of_their_moments(symbol):
    market, _ = kit.make_market()
    times = range(START_NS - 3_600 * SECOND_NS, START_NS, 17 * SECOND_NS)
    one_by_one = [market.fair_price(symbol, moment) for moment in times]
    assert market.fair_prices(symbol, times) == pytest.approx(one_by_one, rel=1e-3, abs=2e-4)
    assert market.fair_prices(symbol, []) == []


def test_others_hold_positions_that_are_the_same_each_time_and_grow_after_the_listing():
    market, definitions = kit.make_market()
    held = {name: market.open_interest(name, START_NS) for name in SYMBOLS}
    assert held["BTC_USDC"] == 0.0  # spot
    assert kit.make_market()[0].open_interest("BTC-PERP", START_NS) == held["BTC-PERP"] > 1e6
    for name in ("BTC-PERP", "BTC-FUT", "BTC-62000-C"):
        lot = float(definitions[name].lot_size)
        assert held[name] > 0 and abs(held[name] / lot - round(held[name] / lot)) < 1e-6
        hour = market.open_interest(name, START_NS + 3600 * SECOND_NS)
        assert 0.8 * held[name] < hour < 1.25 * held[name]
    assert market.open_interest("BTC-FUT", definitions["BTC-FUT"].created_ns) == 0.0
