"""Marks of a chain: parity, order in strike, a sane smile, and figures that fit each other."""

import pytest

from common.domain import pricing
from tests.services.venue_simulator import market_kit as kit

NOW_NS = kit.START_NS


@pytest.fixture(scope="module", params=[1, 30, 200])
def scene(request):
    market, _ = kit.make_market(request.param)
    return market, request.param / 365


def marks(market, prefix, letter):
    return [market.fair_price(f"{prefix}-{strike}-{letter}", NOW_NS) for strike in kit.STRIKES]


def test_put_call_parity_of_marks(scene):
    market, _ = scene
    for strike in kit.STRIKES:
        symbols = [f"BTC-{strike}-{letter}" for letter in "CP"]
        call, put = (market.fair_price(symbol, NOW_NS) for symbol in symbols)
        forward = market.option_figures(symbols[0], NOW_NS).underlying_price
        assert call - put == pytest.approx(1 - strike / forward, abs=1.1e-4)
        linear = [f"BTC_USDC-{strike}-{letter}" for letter in "CP"]
        call, put = (market.fair_price(symbol, NOW_NS) for symbol in linear)
        forward = market.option_figures(linear[0], NOW_NS).underlying_price
        assert call - put == pytest.approx(forward - strike, abs=0.02)


@pytest.mark.parametrize("prefix", ["BTC", "BTC_USDC"])
def test_no_arbitrage_in_strike(scene, prefix):
    market, _ = scene
    calls, puts = marks(market, prefix, "C"), marks(market, prefix, "P")
    rounding = 2e-4
    for first, second, third in zip(calls, calls[1:], calls[2:], strict=False):
        assert first >= second >= 0.0
        assert first - 2 * second + third >= -2 * rounding  # convex
    for first, second, third in zip(puts, puts[1:], puts[2:], strict=False):
        assert 0.0 <= first <= second
        assert first - 2 * second + third >= -2 * rounding


def test_the_smile_is_sane(scene):
    market, years = scene
    figures = [market.option_figures(f"BTC-{strike}-C", NOW_NS) for strike in kit.STRIKES]
    volatilities = [one.mark_iv for one in figures]
    forward = figures[0].underlying_price
    at = min(range(len(kit.STRIKES)), key=lambda place: abs(kit.STRIKES[place] - forward))
    assert 25 < volatilities[at] < 90
    assert volatilities[0] > volatilities[at] and volatilities[-1] > volatilities[at]
    assert max(volatilities) < 600
    steps = [abs(b - a) for a, b in zip(volatilities, volatilities[1:], strict=False)]
    assert max(steps) < 0.25 * max(volatilities)


def test_marks_and_greeks_follow_from_the_published_volatility(scene):
    market, years = scene
    for letter in "CP":
        for strike in (50_000, 60_000, 70_000):
            symbol = f"BTC-{strike}-{letter}"
            figures = market.option_figures(symbol, NOW_NS)
            quote = pricing.option_quote(
                letter == "C",
                figures.underlying_price,
                float(strike),
                years,
                figures.mark_iv / 100,
                inverse=True,
            )
            assert market.fair_price(symbol, NOW_NS) == pytest.approx(quote.mark_price, abs=1e-4)
            assert figures.delta == pytest.approx(quote.delta, abs=2e-4)
            assert figures.vega == pytest.approx(quote.vega, abs=0.02)
            assert figures.gamma == pytest.approx(quote.gamma, abs=1e-5)
            assert figures.theta == pytest.approx(quote.theta, rel=0.01, abs=0.05)
            assert figures.rho == pytest.approx(quote.rho, abs=0.05)
            assert figures.underlying == "BTC-FUT"


def test_implied_volatility_of_a_price(scene):
    market, _ = scene
    symbol = "BTC-62000-C"
    mark, figures = market.fair_price(symbol, NOW_NS), market.option_figures(symbol, NOW_NS)
    assert market.implied_volatility(symbol, mark, NOW_NS) == pytest.approx(figures.mark_iv, abs=2)
    assert market.implied_volatility(symbol, mark + 0.01, NOW_NS) > figures.mark_iv
    assert market.implied_volatility(symbol, 0.0, NOW_NS) == 0.0
    assert market.implied_volatility("BTC-PERP", 62_000.0, NOW_NS) == 0.0


def test_at_expiry_the_intrinsic_value_is_left():
    market, _ = kit.make_market(1)
    end_ns = kit.START_NS + kit.DAY_NS
    price = market.index_price("btc_usd", end_ns)
    call = market.fair_price("BTC-50000-C", end_ns)
    assert call == pytest.approx(1 - 50_000 / price, abs=1e-4)
    assert market.fair_price("BTC-90000-C", end_ns) == 0.0
    assert market.fair_price("BTC-FUT", end_ns) == price


def test_marks_stand_still_within_a_step_and_then_move():
    market, _ = kit.make_market(30)
    base = NOW_NS - NOW_NS % 100_000_000
    exact = [
        market.option_figures("BTC-62000-C", base + ms * 1_000_000).underlying_price
        for ms in (0, 99, 5_000)
    ]
    assert exact[0] == exact[1] != exact[2]
