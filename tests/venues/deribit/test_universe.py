"""The list of instruments: names, figures, size, and that it is a function of time alone."""

from decimal import Decimal

import pytest

from common.config import SimulatorConfig
from common.domain.instrument import Instrument
from common.messages import InstrumentKind, OptionType
from common.venues.deribit import universe
from common.venues.deribit.products import INDEXES

NOW_NS = 1_789_905_600_000_000_000  # 20 Sep 2026 12:00 UTC
DAY_NS = 86_400_000_000_000
PRICES = {"btc": 62_000.0, "eth": 3_000.0, "sol": 150.0, "xrp": 0.62}
DEMO = SimulatorConfig(venue="deribit", port=0, option_expiries=8, strikes_per_expiry=26)


def index_at(name, now_ns):
    return PRICES[name.partition("_")[0]]


@pytest.fixture(scope="module")
def demo():
    return {entry.definition.symbol: entry for entry in universe.listings(NOW_NS, DEMO, index_at)}


def test_the_demo_lists_over_a_thousand_instruments(demo):
    assert len(demo) > 1000
    assert len({entry.details.instrument_id for entry in demo.values()}) == len(demo)


def test_inverse_options_have_eight_expiries_of_twenty_strikes_call_and_put(demo):
    for base in ("BTC", "ETH"):
        chains = {}
        for symbol, entry in demo.items():
            prefix, *rest = symbol.split("-")
            if prefix == base and entry.definition.kind is InstrumentKind.OPTION:
                chains.setdefault(rest[0], set()).add((rest[1], rest[2]))
        assert len(chains) >= 8
        for chain in chains.values():
            assert len({strike for strike, _ in chain}) >= 20
            assert len(chain) == 2 * len({strike for strike, _ in chain})


def test_a_bench_profile_has_seventeen_hundred_options():
    config = SimulatorConfig(venue="deribit", port=0, option_expiries=12, strikes_per_expiry=30)
    found = universe.instruments(NOW_NS, config, index_at)
    assert sum(one.kind is InstrumentKind.OPTION for one in found) >= 1700


def test_names_of_every_kind(demo):
    for symbol in (
        "BTC_USDC",
        "ETH_BTC",
        "BTC-PERPETUAL",
        "SOL_USDC-PERPETUAL",
        "BTC-25DEC26",
        "XRP_USDC-21SEP26",
        "BTC-21SEP26-62000-P",
        "XRP_USDC-21SEP26-0d625-C",
    ):
        assert symbol in demo, symbol
        assert demo[symbol].definition.instrument == f"deribit.{symbol}"


def test_figures_of_known_instruments(demo):
    perpetual = demo["BTC-PERPETUAL"]
    figures = perpetual.definition
    assert (figures.tick_size, figures.contract_size) == (Decimal("0.5"), Decimal(10))
    assert (figures.maker_fee, figures.taker_fee) == (Decimal("0.00015"), Decimal("0.00035"))
    assert figures.settlement == "BTC" and figures.quote == "USD" and figures.max_leverage == 50
    assert perpetual.details.expiration_ms == 32503708800000
    assert perpetual.details.settlement_period == "perpetual"
    assert demo["BTC-25DEC26"].definition.tick_size == Decimal("2.5")
    option = demo["BTC-21SEP26-62000-P"]
    assert option.definition.quote == option.definition.settlement == "BTC"
    assert option.definition.min_quantity == Decimal("0.1")
    assert option.definition.tick_steps == [(Decimal("0.005"), Decimal("0.0005"))]
    assert option.definition.option_type is OptionType.PUT
    assert option.details.underlying_index == "BTC-21SEP26"
    assert option.details.counter_currency == "USD"
    assert option.details.settlement_period == "day"
    linear = demo["XRP_USDC-21SEP26-0d625-C"].definition
    assert linear.strike == Decimal("0.625") and linear.settlement == "USDC"
    assert linear.contract_size == linear.min_quantity == Decimal(1000)


def test_option_ticks_step_at_the_venues_bound(demo):
    instrument = Instrument(demo["BTC-21SEP26-62000-P"].definition)
    assert instrument.tick_at(Decimal("0.0049")) == Decimal("0.0001")
    assert instrument.tick_at(Decimal("0.005")) == Decimal("0.0005")


def test_every_option_has_its_future_and_every_index_is_known(demo):
    for entry in demo.values():
        assert entry.definition.price_index in INDEXES
        if entry.definition.kind is InstrumentKind.OPTION:
            assert entry.details.underlying_index in demo


def test_strikes_surround_the_price(demo):
    for base, price in (("BTC", 62_000), ("ETH", 3_000), ("XRP_USDC", Decimal("0.62"))):
        for expiry in {symbol.split("-")[1] for symbol in demo if symbol.startswith(f"{base}-2")}:
            strikes = [
                entry.definition.strike
                for symbol, entry in demo.items()
                if symbol.startswith(f"{base}-{expiry}-")
            ]
            assert not strikes or min(strikes) < price < max(strikes)


def test_same_time_same_list_and_the_old_ones_stay(demo):
    again = {entry.definition.symbol: entry for entry in universe.listings(NOW_NS, DEMO, index_at)}
    assert again == demo
    later_ns = universe.next_change_ns(NOW_NS)
    assert universe.listings(later_ns - 1, DEMO, index_at) == list(demo.values())
    later = {one.symbol: one for one in universe.instruments(later_ns, DEMO, index_at)}
    for symbol, entry in demo.items():
        expired = (entry.definition.expiration_ns or later_ns + 1) <= later_ns
        assert (symbol in later) != expired
        assert expired or later[symbol] == entry.definition
    new = later.keys() - demo.keys()
    assert new and all(later[symbol].created_ns == later_ns for symbol in new)


def test_strike_texts():
    assert universe.strike_text(Decimal("50000")) == "50000"
    assert universe.strike_text(Decimal("1.250")) == "1d25"
    assert universe.strike_text(Decimal("0.6")) == "0d6"
