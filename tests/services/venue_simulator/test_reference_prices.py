"""Reference prices: pure, correlated, near their anchors; basis and funding behave."""

import numpy as np
import pytest

from common.errors import LocalError
from services.venue_simulator.reference_prices import COINS, ReferencePrices, index_decimals

START_NS = 1_795_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
YEAR = START_NS + np.arange(365 * 24) * HOUR_NS


@pytest.fixture(scope="module")
def prices():
    return ReferencePrices(7)


def test_every_process_sees_the_same_prices(prices):
    other = ReferencePrices(7)
    other.index("xrp_usdc", START_NS + 5)  # what was asked before does not matter
    for name in ("btc_usd", "eth_usd", "eth_btc", "sol_usdc", "usdc_usdt"):
        assert prices.index(name, START_NS) == other.index(name, START_NS)
    assert ReferencePrices(8).index("btc_usd", START_NS) != prices.index("btc_usd", START_NS)


def test_bitcoin_never_comes_near_fifty_thousand(prices):
    for seed in range(7, 12):
        path = ReferencePrices(seed).index_array("btc_usd", YEAR)
        assert path.min() > 53_000 and path.max() < 72_000


def test_underlyings_move_together_but_not_alike(prices):
    moves = [np.diff(np.log(prices.index_array(f"{coin}_usd", YEAR))) for coin in ("btc", "eth")]
    assert 0.6 < np.corrcoef(moves)[0, 1] < 0.95
    yearly = [move.std() * np.sqrt(365 * 24) for move in moves]
    assert 0.35 < yearly[0] < yearly[1] < 0.8


def test_cross_rates_are_consistent(prices):
    exact = prices.index_exact
    cross = exact("eth_usd", START_NS) / exact("btc_usd", START_NS)
    assert exact("eth_btc", START_NS) == pytest.approx(cross, rel=1e-12)
    assert prices.index("usdc_usd", START_NS) == pytest.approx(1.0, abs=0.002)


def test_futures_converge_to_the_index(prices):
    growth = [prices.growth("btc", START_NS, START_NS + days * DAY_NS) for days in (0, 1, 30, 180)]
    assert growth[0] == 1.0
    assert abs(growth[1] - 1.0) < 0.001
    assert 0.98 < growth[2] < 1.03 and 0.95 < growth[3] < 1.12
    times = START_NS + np.arange(100) * 1_000_000_000
    many = prices.growth_over("btc", times, START_NS + DAY_NS)
    for place in (0, 50, 99):
        one = prices.growth("btc", int(times[place]), START_NS + DAY_NS)
        assert many[place] == pytest.approx(one, rel=1e-7)


def test_funding_is_zero_inside_the_band_and_the_rest_outside(prices):
    seen = set()
    for hour in range(24 * 60):
        now_ns = START_NS + hour * HOUR_NS
        premium, rate = prices.premium("X", now_ns), prices.funding("X", now_ns)
        assert abs(premium) < 0.001
        if abs(premium) <= 0.00025:
            assert rate == pytest.approx(0.0, abs=1e-15)
        else:
            assert rate == pytest.approx(premium - np.sign(premium) * 0.00025)
        seen.add(np.sign(round(rate, 12)))
    assert seen == {-1.0, 0.0, 1.0}


def test_average_is_that_of_the_path(prices):
    average = prices.average("btc_usd", START_NS - HOUR_NS // 2, START_NS)
    path = prices.index_array("btc_usd", START_NS - np.arange(1800) * 1_000_000_000)
    assert average == pytest.approx(path.mean(), rel=1e-4)


def test_activity_comes_in_spells_around_one(prices):
    values = [prices.activity("btc", START_NS + step * 7_000_000_000) for step in range(5_000)]
    assert 0.8 < np.mean(values) < 1.3
    assert min(values) < 0.5 and max(values) > 2.0


def test_unknown_coin_is_named():
    with pytest.raises(LocalError, match="nocoin"):
        ReferencePrices(7).index("nocoin_usd", START_NS)


def test_decimals_of_published_indexes():
    assert [index_decimals(price) for price in (62_000.0, 3.1, 0.12)] == [2, 4, 6]
    assert set(COINS) >= {"btc", "eth", "sol", "xrp", "usdc", "usdt"}
