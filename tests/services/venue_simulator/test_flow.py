"""Flow: the same orders however time is cut up, at the configured rate, in bursts."""

import msgspec
import pytest

from common.messages import Side
from common.venues.simulation import FlowAction
from services.venue_simulator.flow import Dice, bursts, cell_seconds, stratified
from tests.services.venue_simulator import market_kit as kit

START_NS, SECOND_NS = kit.START_NS, kit.SECOND_NS
SYMBOLS = ("BTC-PERP", "BTC_USDC", "BTC-FUT", "BTC-62000-C", "BTC_USDC-62000-P")


def play(market, symbol, seconds, step_ns):
    found, now_ns = [], START_NS
    while now_ns < START_NS + seconds * SECOND_NS:
        found.extend(market.orders_between(symbol, now_ns, now_ns + step_ns))
        now_ns += step_ns
    return found


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_same_seed_same_orders_byte_for_byte(symbol):
    first, _ = kit.make_market()
    second, _ = kit.make_market()
    second.orders_between("BTC-PERP", START_NS + 10**12, START_NS + 10**12 + SECOND_NS)
    fine = play(first, symbol, 60, 20_000_000)
    coarse = play(second, symbol, 60, 4 * SECOND_NS)
    assert msgspec.json.encode(fine) == msgspec.json.encode(coarse)
    other, _ = kit.make_market(config=msgspec.structs.replace(kit.CONFIG, seed=8))
    assert msgspec.json.encode(play(other, symbol, 60, SECOND_NS)) != msgspec.json.encode(fine)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_orders_are_in_time_and_inside_the_interval(symbol):
    market, _ = kit.make_market()
    found = market.orders_between(symbol, START_NS, START_NS + 100 * SECOND_NS)
    times = [order.at_ns for order in found]
    assert times == sorted(times)
    assert times[0] > START_NS and times[-1] <= START_NS + 100 * SECOND_NS
    for order in found:
        assert order.action is FlowAction.CANCEL or (order.price > 0 and order.quantity > 0)


def test_makers_follow_the_fair_price():
    market, _ = kit.make_market()
    for order in market.orders_between("BTC-PERP", START_NS, START_NS + 60 * SECOND_NS):
        if order.action is FlowAction.PLACE and order.key < 2:  # the touch
            fair = market.fair_price("BTC-PERP", order.at_ns)
            away = (fair - order.price) * order.side.sign
            assert 0.0 < away < 2.0


def test_takes_come_in_bursts_on_one_side():
    market, _ = kit.make_market()
    takes = [
        order
        for order in market.orders_between("BTC-PERP", START_NS, START_NS + 3600 * SECOND_NS)
        if order.action is FlowAction.TAKE
    ]
    gaps = [b.at_ns - a.at_ns for a, b in zip(takes, takes[1:], strict=False)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance / mean**2 > 1.3  # 1 for a Poisson process
    close = [
        a.side is b.side
        for a, b in zip(takes, takes[1:], strict=False)
        if b.at_ns - a.at_ns < 200_000_000
    ]
    assert sum(close) / len(close) > 0.6
    assert 0.4 < sum(order.side is Side.BUY for order in takes) / len(takes) < 0.6


def test_the_cap_is_shared_among_awake_books():
    config = msgspec.structs.replace(kit.CONFIG, updates_per_second=30.0)
    market, definitions = kit.make_market(config=config)
    awake = list(definitions)[:40]
    for symbol in awake:
        market.set_awake(symbol, True)
    later_ns = START_NS + 1000 * SECOND_NS  # cells made after the change
    orders = sum(
        len(market.orders_between(symbol, later_ns, later_ns + 300 * SECOND_NS)) for symbol in awake
    )
    assert 10.0 < orders / 300 <= 30.0
    for symbol in awake[1:]:
        market.set_awake(symbol, False)
    alone = market.orders_between(awake[0], later_ns + 10**13, later_ns + 10**13 + 60 * SECOND_NS)
    assert 15.0 < len(alone) / 60 <= 40.0


def test_activity_scales_the_rates():
    busy = msgspec.structs.replace(kit.CONFIG, activity=4.0)
    counts = [
        len(play(kit.make_market(config=config)[0], "BTC-FUT", 200, SECOND_NS))
        for config in (kit.CONFIG, busy)
    ]
    assert 2.5 < counts[1] / counts[0] < 6.0


def test_cells_hold_about_the_same_number_of_acts():
    assert [cell_seconds(rate) for rate in (1000.0, 24.0, 1.5, 0.001)] == [1, 4, 64, 128]


def test_stratified_times_are_ascending_and_one_in_each_part():
    times = stratified(Dice(5), 10.0, 20.0)
    assert [int(time // 2) for time in times] == list(range(10))


def test_bursts_have_the_rate_asked_for():
    found = sum(len(bursts(Dice(seed), 2.0, 50.0)[0]) for seed in range(200)) / 200
    assert 85.0 < found < 105.0
    assert len(bursts(Dice(1), 0.0, 50.0)[0]) == 0
