"""Market maker protection."""

from __future__ import annotations

import pytest

from common.messages import OrderType, TriggerPrice
from common.venues.simulation import (
    CancelReason,
    OrderChanges,
    OrderFilter,
    Protection,
    ProtectionActed,
    ProtectionStatus,
    ProtectionTag,
    Refused,
    SimulatedRefusal,
)
from services.venue_simulator.rules import SECOND_NS
from tests.services.venue_simulator.kit import D, Scene

INDEX = "btc_usd"
TAG = ProtectionTag("mm", "q1", "set")


def protect(scene: Scene, frozen_s=5, interval_s=2, **limits) -> None:
    wanted = Protection(
        INDEX,
        "mm",
        interval_s * SECOND_NS,
        frozen_s * SECOND_NS,
        max_quantity=limits.pop("max_quantity", D(10)),
        **limits,
    )
    scene.exchange.protect("ann", wanted, scene.now)


def quotes(scene: Scene) -> int:
    return len(scene.exchange.open_orders("ann", OrderFilter(is_quote=True)))


def quote(scene: Scene, side: str, price, quantity=1, symbol="CALL"):
    return scene.place("ann", side, quantity, price, symbol, protection=TAG)


def take(scene: Scene, quantity=1, side="BUY", price="0.041") -> None:
    scene.placed("bob", side, quantity, price, "CALL")


@pytest.mark.parametrize(
    ("limits", "quiet"),
    [
        ({"quantity_limit": D(1)}, 1),
        ({"delta_limit": D("0.5")}, 1),
        ({"vega_limit": D(20)}, 1),
        ({"trade_count_limit": 1}, 1),
        ({"quantity_limit": D(2), "trade_count_limit": 9}, 2),
    ],
)
def test_more_than_a_limit_within_an_interval_cancels_and_freezes(limits, quiet):
    scene = Scene()
    protect(scene, **limits)
    quote(scene, "SELL", "0.041", 5)
    quote(scene, "BUY", "0.039", 5)
    for _ in range(quiet):
        take(scene)
    assert quotes(scene) == 2 and scene.events(ProtectionActed) == []
    take(scene)
    assert quotes(scene) == 0
    (acted,) = scene.events(ProtectionActed)
    assert acted == ProtectionActed("ann", INDEX, "mm", scene.now + 5 * SECOND_NS)
    closed = scene.exchange._state.accounts["ann"].closed
    assert {order.cancel_reason for order in closed} == {CancelReason.PROTECTION}
    assert quote(scene, "SELL", "0.041") == Refused(SimulatedRefusal.PROTECTION_FROZEN)
    scene.tick(5 * SECOND_NS)
    assert quote(scene, "SELL", "0.041").order.protection == TAG


def test_an_interval_begins_with_its_first_fill():
    scene = Scene()
    protect(scene, quantity_limit=D(1))
    quote(scene, "SELL", "0.041", 5)
    take(scene)
    scene.tick(2 * SECOND_NS + 1)
    take(scene)
    assert quotes(scene) == 1
    scene.tick(2 * SECOND_NS)
    take(scene)
    assert quotes(scene) == 0


def test_bought_and_sold_cancel_out_in_delta():
    scene = Scene()
    protect(scene, delta_limit=D("0.5"))
    quote(scene, "SELL", "0.041", 5)
    quote(scene, "BUY", "0.039", 5)
    for _ in range(3):
        take(scene)
        take(scene, side="SELL", price="0.039")
    assert quotes(scene) == 2


def test_futures_count_in_coin():
    scene = Scene()
    protect(scene, quantity_limit=D("0.01"), max_quantity=D(5000))
    quote(scene, "SELL", 50_000, 1000, "INVERSE-PERP")
    scene.placed("bob", "BUY", 500, 50_000)
    assert quotes(scene) == 1
    scene.placed("bob", "BUY", 10, 50_000)
    assert quotes(scene) == 0


def test_without_a_frozen_time_only_a_reset_thaws():
    scene = Scene()
    protect(scene, frozen_s=0, trade_count_limit=1)
    quote(scene, "SELL", "0.041", 5)
    take(scene)
    take(scene)
    scene.tick(3600 * SECOND_NS)
    assert scene.exchange.protection_status("ann") == [ProtectionStatus(INDEX, "mm", 0)]
    assert scene.exchange.reset_protection("ann", INDEX, "mm", scene.now)
    assert not scene.exchange.reset_protection("ann", INDEX, "other", scene.now)
    assert scene.exchange.protection_status("ann") == [ProtectionStatus(INDEX, "mm", None)]
    quote(scene, "SELL", "0.041")
    assert quotes(scene) == 1


def test_other_groups_and_unprotected_orders_are_left_alone():
    scene = Scene()
    protect(scene, trade_count_limit=1)
    scene.exchange.protect("ann", Protection(INDEX, "", SECOND_NS, 0, D(10)), scene.now)
    scene.placed("ann", "BUY", 1, "0.038", "CALL", protection=ProtectionTag())
    scene.placed("ann", "BUY", 1, "0.037", "CALL")
    quote(scene, "SELL", "0.041", 5)
    take(scene)
    take(scene)
    assert len(scene.exchange.open_orders("ann", OrderFilter())) == 2


def test_what_a_protection_does_not_allow_is_refused():
    scene = Scene()
    assert quote(scene, "SELL", "0.041") == Refused(SimulatedRefusal.PROTECTION_MISSING)
    protect(scene, max_quantity=D(2))
    too_much = Refused(SimulatedRefusal.PROTECTION_QUANTITY, "quantity", D(2))
    assert quote(scene, "SELL", "0.041", 3) == too_much
    placed = quote(scene, "SELL", "0.041", 2).order
    changes = OrderChanges(quantity=D(3))
    assert scene.exchange.edit("ann", placed.number, changes, scene.now) == too_much
    waits = {"trigger": TriggerPrice.MARK, "trigger_price": D(1)}
    stop = scene.place(
        "ann", "SELL", 1, symbol="CALL", order_type=OrderType.STOP, protection=TAG, **waits
    )
    assert stop == Refused(SimulatedRefusal.PROTECTION_TYPE, "order_type")


def test_a_protection_that_allows_less_cancels_what_is_over_it():
    scene = Scene()
    protect(scene)
    quote(scene, "SELL", "0.041", 5)
    quote(scene, "BUY", "0.039", 2)
    protect(scene, max_quantity=D(2))
    assert quotes(scene) == 1
    protect(scene, interval_s=0)
    assert quotes(scene) == 0 and scene.exchange.protections("ann") == []
    closed = scene.exchange._state.accounts["ann"].closed
    assert {order.cancel_reason for order in closed} == {CancelReason.PROTECTION_CHANGED}
