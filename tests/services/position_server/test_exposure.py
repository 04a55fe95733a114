"""Inventory and limits by themselves."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from common.config import ExposureLimitsConfig
from common.messages import BalanceUpdated, Exposure, InventoryDelta
from services.position_server.exposure import MOST_SOURCES, Inventory, Limits, add_up
from services.position_server.valuation import FLAT, Valuation

D = Decimal
EXPOSURE = Exposure("sim", "main", "BTC", 0.0, 0.0, 0.0, 0.0, 0.0, 0)
BALANCE = BalanceUpdated("sim", "main", "BTC", *[D(0)] * 8, 0)


def limits(**config) -> Limits:
    return Limits(ExposureLimitsConfig(**config), "sim", "main")


def test_the_number_of_sources_is_bounded():
    inventory = Inventory()
    for number in range(MOST_SOURCES):
        assert inventory.push(InventoryDelta(f"s{number}", "ETH", D(1), 1)) == ""
    assert "more than" in inventory.push(InventoryDelta("one more", "ETH", D(1), 1))
    assert inventory.push(InventoryDelta("s0", "ETH", D(5), 2)) == ""
    assert inventory.total("ETH") == MOST_SOURCES + 4


def test_one_source_may_hold_several_underlyings():
    inventory = Inventory()
    inventory.push(InventoryDelta("pool", "ETH", D("-1.5"), 1))
    inventory.push(InventoryDelta("pool", "BTC", D("0.1"), 1))
    assert (inventory.total("ETH"), inventory.total("BTC")) == (D("-1.5"), D("0.1"))
    assert inventory.underlyings() == {"ETH", "BTC"}


def test_sums_say_when_something_is_missing():
    whole = Valuation(1.0, 0.9, 2.0, 3.0, 4.0)
    assert add_up([(whole, True), (whole, True)]) == (1.8, 4.0, 6.0, 8.0, True)
    assert add_up([(whole, False)]).complete is False
    assert add_up([(whole, True), (Valuation(), True)]) == (0.9, 2.0, 3.0, 4.0, False)
    assert add_up([]) == (0.0, 0.0, 0.0, 0.0, True)
    assert add_up([(FLAT, True)]).complete


@pytest.mark.parametrize(
    ("delta", "raised"), [(2.0, False), (-2.0, False), (2.1, True), (-2.1, True), (math.nan, True)]
)
def test_a_limit_is_absolute_and_its_bound_is_allowed(delta, raised):
    exposure = msgspec.structs.replace(EXPOSURE, delta=delta)
    alerts = limits(max_delta={"BTC": 2.0}).check_exposure(exposure)
    assert [alert.raised for alert in alerts] == ([True] if raised else [])


def test_what_has_no_limit_is_never_told():
    exposure = msgspec.structs.replace(EXPOSURE, delta=1e9, gamma=1e9, vega=1e9)
    assert limits(max_delta={"ETH": 1.0}).check_exposure(exposure) == []
    assert limits().check_balance(BALANCE) == []


@pytest.mark.parametrize(
    ("equity", "available", "margin", "raised"),
    [
        ("10", "2", "8", True),
        ("10", "2.5", "8", False),
        ("0", "0", "0", False),
        ("-1", "0", "1", True),
    ],
)
def test_available_funds_are_a_fraction_of_equity(equity, available, margin, raised):
    balance = msgspec.structs.replace(
        BALANCE, equity=D(equity), available=D(available), initial_margin=D(margin)
    )
    assert bool(limits(min_available_fraction=0.25).check_balance(balance)) is raised
