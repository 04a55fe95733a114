"""The option quoter in simulated time: mass quotes, fills, triggers and resets."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import config as configuration, messages as m
from common.config import DeskConfig, StrategyConfig
from common.errors import ConfigError
from common.messages import OrderStatus, ProtectionEvent, Side
from common.strategy import Parameters, Strategy
from services.strategy_host.simulation import Simulation, of_class, of_file

CHECKOUT = Path(__file__).parents[3]
STRATEGIES = CHECKOUT / "strategies"


class Idle(Strategy[Parameters]):
    """Does nothing."""


def config() -> DeskConfig:
    """The demo's, with an account that may quote."""
    demo = configuration.load(CHECKOUT / "config" / "demo.yaml")
    (account,) = demo.venues["deribit"].accounts
    account = msgspec.structs.replace(account, on_disconnect="cancel")
    venue = msgspec.structs.replace(demo.venues["deribit"], accounts=[account])
    return msgspec.structs.replace(demo, venues={"deribit": venue})


@cache
def options() -> tuple[str, list[str]]:
    """An expiry of the simulated market, and its strikes."""
    made = Simulation(config(), StrategyConfig("s", "s.py", "deribit"), of_class(Idle))
    made.start()
    market = made.desk.nodes["trading_engine.deribit.main"].core._state.market
    names = [name for name in market._instruments if name.endswith("-C")]
    last = max(
        (name for name in names if name.startswith("deribit.BTC-")),
        key=lambda name: market.instrument(name).definition.expiration_ns,
    )
    expiry = last.rsplit("-", 2)[0]
    return expiry, [name.rsplit("-", 2)[1] for name in names if name.startswith(f"{expiry}-")]


def quoter(**parameters: Any) -> Simulation:
    expiry, strikes = options()
    given = {"expiry": expiry, "strikes": strikes} | parameters
    strategy = StrategyConfig("option_quoter", "option_quoter.py", "deribit", parameters=given)
    made = Simulation(config(), strategy, of_file(strategy, STRATEGIES))
    made.start()
    return made


def orders(made: Simulation) -> list[m.OrderUpdated]:
    return [each for each in made.record.messages if isinstance(each, m.OrderUpdated)]


def open_orders(made: Simulation) -> list[m.OrderUpdated]:
    last = {order.client_order_id: order for order in orders(made)}
    return [order for order in last.values() if not order.status.is_final]


def protections(made: Simulation) -> list[ProtectionEvent]:
    """What the venue's protection did, as everybody was told."""
    told: list[ProtectionEvent] = []
    record = made.desk.tap

    def tap(topic: str, message: m.Event) -> None:
        record(topic, message)
        if isinstance(message, m.ProtectionUpdated):
            told.append(message.event)

    made.desk.tap = tap
    return told


def test_it_quotes_both_sides_of_an_expiry_around_the_model_price() -> None:
    made = quoter()
    made.run(10)
    working = open_orders(made)
    assert {order.side for order in working} == {Side.BUY, Side.SELL}
    assert len({order.instrument for order in working}) >= len(options()[1])
    assert {(o.owner, o.mmp_group, o.post_only) for o in working} == {
        ("option_quoter", "options", True)
    }
    slots = {(order.instrument, order.side) for order in working}
    assert len(slots) == len(working)
    best: dict[str, dict[Side, m.Exact]] = {}
    for order in working:
        assert order.price is not None
        best.setdefault(order.instrument, {})[order.side] = order.price
    pairs = [prices for prices in best.values() if len(prices) == 2]
    assert pairs and all(prices[Side.BUY] < prices[Side.SELL] for prices in pairs)
    made.stop()
    assert open_orders(made) == [] and made.state().state == "stopped"


def test_protection_acts_and_the_quotes_come_back_after_the_cool_down() -> None:
    made = quoter(
        spread_vol=0.2, quantity_limit="0.1", delta_limit="100", quantity="0.5", cool_down_s=2
    )
    told = protections(made)
    made.desk.run_till(lambda: ProtectionEvent.TRIGGERED in told, 900.0)
    made.run(0.5)
    assert open_orders(made) == []
    assert OrderStatus.CANCELED in {order.status for order in orders(made)}
    made.desk.run_till(lambda: told[-1] is ProtectionEvent.RESET, 10.0)
    made.run(3.0)
    assert open_orders(made) != [] or ProtectionEvent.TRIGGERED in told[-2:]
    held = made.desk.nodes["trading_engine.deribit.main"].core._state.store.positions
    ours = {name: quantity for name, quantity in made.summary().positions.items() if quantity}
    assert ours == {name: quantity for name, quantity in held.items() if quantity}


def test_it_goes_on_after_a_restart_of_the_engine() -> None:
    made = quoter()
    made.run(10)
    made.restart_engine()
    made.run(20)
    assert open_orders(made) != [] and made.state().state == "running"
    held = {(order.instrument, order.side) for order in open_orders(made)}
    assert len(held) == len(open_orders(made))
    assert set(made.summary().rejects) <= {"LINK_DOWN", "NOT_READY"}


def test_the_same_seed_gives_the_same_orders() -> None:
    first, second = quoter(), quoter()
    for made in (first, second):
        made.run(20)
    assert first.orders_as_bytes() == second.orders_as_bytes()


@pytest.mark.parametrize(
    "parameters", [{"strikes": []}, {"spread_vol": 0}, {"interval_s": 0}, {"cool_down_s": -1}]
)
def test_parameters_that_make_no_sense_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(parameters))):
        quoter(**parameters)
