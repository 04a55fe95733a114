"""Pricing against tables that others fixed: QuantLib, py_vollib, Haug and a venue's tickers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from common.domain import pricing

EXPECTED = Path(__file__).parents[1] / "data" / "expected"
MS_NS = 1_000_000


def load(name):
    return json.loads((EXPECTED / name).read_text())


def close(value, expected, relative=1e-9, absolute=0.0):
    return math.isclose(value, expected, rel_tol=relative, abs_tol=absolute)


@pytest.mark.parametrize("case", load("black76_grid.json")["cases"])
def test_black76_agrees_with_two_libraries(case):
    forward = case["forward"]
    is_call = case["option_type"] == "call"
    arguments = (is_call, forward, case["strike"], case["years"], case["vol"], case["rate"])
    greeks = pricing.black76_greeks(*arguments)
    near = 1e-9 * forward
    assert close(greeks.price, case["price"], absolute=near)
    assert close(pricing.black76_price(*arguments), case["price"], absolute=near)
    assert close(greeks.price / forward, case["price_in_underlying"], absolute=1e-9)
    assert close(greeks.delta, case["delta_forward"], absolute=1e-9)
    assert close(greeks.gamma, case["gamma_forward"], 1e-7, absolute=1e-12)
    assert close(greeks.vega, case["vega_per_1"], 1e-7, absolute=near)
    assert close(greeks.theta, case["theta_per_year"], 1e-7, absolute=near)


@pytest.mark.parametrize("case", load("black76_grid.json")["cases"])
def test_implied_volatility_gives_back_the_volatility(case):
    is_call = case["option_type"] == "call"
    implied = pricing.implied_volatility(
        is_call, case["forward"], case["strike"], case["years"], case["price"], case["rate"]
    )
    intrinsic = max(0.0, (case["forward"] - case["strike"]) * (1 if is_call else -1))
    value = case["price"] * math.exp(case["rate"] * case["years"]) - intrinsic
    lost = 1e-15 * case["forward"] / max(value, 1e-300)  # what rounding took from the time value
    if implied is None:
        assert lost > 0.1
    else:
        assert close(implied, case["vol"], 1e-9 + lost)
        assert lost > 1e-9 or close(implied, case["implied_vol_from_price"], 1e-7)


@pytest.mark.parametrize("case", load("black76_published.json")["cases"])
def test_black76_agrees_with_haug(case):
    price = pricing.black76_price(
        case["option_type"] == "call",
        case["forward"],
        case["strike"],
        case["years"],
        case["vol"],
        case["rate"],
    )
    assert abs(price - case["price"]) <= case["tolerance"]


@pytest.mark.parametrize("case", load("black_scholes_table.json")["cases"])
@pytest.mark.parametrize("kind", ["call", "put"])
def test_black_scholes_table_follows_by_conversion(case, kind):
    rate, years, spot = case["rate"], case["years"], case["spot"]
    growth = math.exp(rate * years)
    greeks = pricing.black76_greeks(
        kind == "call", spot * growth, case["strike"], years, case["vol"], rate
    )
    theta = greeks.theta - rate * spot * growth * greeks.delta  # at a fixed spot

    def printed(value, expected):
        return close(value, expected, 2e-5, absolute=6e-8)

    assert printed(greeks.price, case[kind])
    assert printed(greeks.delta * growth, case[f"{kind}_delta"])
    assert printed(greeks.gamma * growth**2, case[f"{kind}_gamma"])
    assert printed(greeks.vega, case[f"{kind}_vega_per_1"])
    assert printed(greeks.rho, case[f"{kind}_rho_per_1"])
    assert printed(theta, case[f"{kind}_theta_per_year"])


def test_venue_tickers_reproduce_their_own_marks_and_greeks():
    table = load("deribit_option_tickers.json")
    bounds = table["max_abs_difference_to_rule"]
    worst = dict.fromkeys(bounds, 0.0)
    for case in table["cases"]:
        years = pricing.years_between(case["timestamp_ms"] * MS_NS, case["expiration_ms"] * MS_NS)
        quote = pricing.option_quote(
            case["option_type"] == "call",
            case["underlying_price"],
            case["strike"],
            years,
            case["mark_iv"] / 100,
            inverse=True,
        )
        for name in bounds:
            worst[name] = max(worst[name], abs(getattr(quote, name) - case[name]))
    for name, bound in bounds.items():
        assert worst[name] <= bound * 1.01, name


options = st.tuples(
    st.booleans(),
    st.floats(0.1, 2e5),
    st.floats(0.3, 3.0),
    st.floats(1e-4, 3.0),
    st.floats(0.02, 4.0),
)


@given(options)
def test_put_call_parity(option):
    _, forward, ratio, years, volatility = option
    strike = forward * ratio
    call = pricing.black76_price(True, forward, strike, years, volatility)
    put = pricing.black76_price(False, forward, strike, years, volatility)
    assert close(call - put, forward - strike, absolute=1e-9 * forward)


@given(options)
def test_implied_volatility_round_trip(option):
    is_call, forward, ratio, years, volatility = option
    strike = forward * ratio
    price = pricing.black76_price(is_call, forward, strike, years, volatility)
    implied = pricing.implied_volatility(is_call, forward, strike, years, price)
    if implied is not None:
        again = pricing.black76_price(is_call, forward, strike, years, implied)
        assert close(again, price, 1e-9, absolute=1e-13 * forward)


def test_no_volatility_where_the_price_allows_none():
    none = pricing.implied_volatility
    assert none(True, 100.0, 90.0, 0.5, 9.0) is None  # below intrinsic
    assert none(True, 100.0, 90.0, 0.5, 100.0) is None  # above the forward
    assert none(False, 100.0, 90.0, 0.5, 90.0) is None  # above the strike
    assert none(True, 100.0, 90.0, 0.0, 12.0) is None  # expired
    assert none(True, 100.0, 90.0, 0.5, math.nan) is None


def test_at_expiry_the_intrinsic_value_is_left():
    greeks = pricing.black76_greeks(True, 110.0, 100.0, 0.0, 0.5)
    assert (greeks.price, greeks.delta, greeks.gamma, greeks.vega) == (10.0, 1.0, 0.0, 0.0)
    assert pricing.black76_greeks(False, 110.0, 100.0, 0.0, 0.5).delta == 0.0


def test_array_twins_equal_the_scalar_functions():
    rows = [
        (is_call, 62_000.0, strike, years, 0.55)
        for is_call in (True, False)
        for strike in (30_000.0, 61_000.0, 62_000.0, 90_000.0)
        for years in (0.0, 1e-5, 0.08, 1.5)
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    columns[0] = columns[0].astype(bool)
    many = pricing.option_quote_array(*columns, inverse=True)
    for place, row in enumerate(rows):
        one = pricing.option_quote(*row, inverse=True)
        assert close(many.price[place], one.mark_price, absolute=1e-15)
        for name in ("delta", "gamma", "vega", "theta", "rho"):
            got = getattr(many, name)[place]
            assert close(got, getattr(one, name), absolute=1e-12), (row, name)


def test_microprice_leans_to_the_thin_side():
    assert pricing.microprice(100.0, 30.0, 101.0, 10.0) == 100.75
    assert pricing.microprice(100.0, 0.0, 101.0, 0.0) == pricing.mid_price(100.0, 101.0) == 100.5
