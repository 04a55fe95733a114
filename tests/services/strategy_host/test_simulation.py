"""Strategies in simulated time: the whole desk, the real protocol, and the same orders twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common import config as configuration, messages as m
from common.config import StrategyConfig
from common.core import Idle
from common.messages import OrderStatus, Side
from common.strategy import Parameters, Strategy
from services.strategy_host.simulation import Simulation, of_class, of_file

CHECKOUT = Path(__file__).parents[3]
STRATEGIES = CHECKOUT / "strategies"
PERP = "deribit.BTC-PERPETUAL"
RACES = {"ORDER_CLOSED", "UNKNOWN_ORDER"}  # a fill overtook the modify: not to be known before


def simulation(name: str, seed: int = 7, **parameters: Any) -> Simulation:
    """A strategy of strategies/, started."""
    config = configuration.load(CHECKOUT / "config" / "demo.yaml")
    given = {"instrument": PERP} | parameters
    strategy = StrategyConfig(name, f"{name}.py", "deribit", parameters=given)
    made = Simulation(config, strategy, of_file(strategy, STRATEGIES), seed=seed)
    made.start()
    return made


def of(kind: type[Strategy[Any]], **more: Any) -> Simulation:
    config = configuration.load(CHECKOUT / "config" / "demo.yaml")
    made = Simulation(config, StrategyConfig("s", "s.py", "deribit", **more), of_class(kind))
    made.start()
    return made


def quoter(seed: int = 7, **parameters: Any) -> Simulation:
    return simulation("quoter", seed, half_spread_bps=1, **parameters)


def orders(made: Simulation) -> list[m.OrderUpdated]:
    return [each for each in made.record.messages if isinstance(each, m.OrderUpdated)]


def open_orders(made: Simulation) -> list[m.OrderUpdated]:
    last = {order.client_order_id: order for order in orders(made)}
    return [order for order in last.values() if not order.status.is_final]


# --- the quoter ------------------------------------------------------------------------------


def test_the_quoter_rests_on_both_sides_and_trades_as_a_maker() -> None:
    made = quoter()
    made.run(120)
    summary = made.summary()
    assert summary.fills >= 5 and summary.maker_fills == summary.fills
    assert {order.side for order in open_orders(made)} == {Side.BUY, Side.SELL}
    assert set(summary.rejects) <= RACES
    made.stop()
    assert open_orders(made) == [] and made.state().state == "stopped"


def test_the_quoters_position_is_the_venues_and_stays_in_its_bound() -> None:
    made = quoter(max_position=200, skew_bps=0)
    for _ in range(20):
        made.run(15)
        assert abs(made.summary().positions.get(PERP, Decimal(0))) <= 200
    engine = made.desk.nodes["trading_engine.deribit.main"].core
    ours = made.summary().positions.get(PERP, Decimal(0))
    assert engine._state.store.positions.get(PERP, Decimal(0)) == ours


def test_the_quoter_modifies_in_place_and_keeps_to_the_accounts_rate() -> None:
    made = quoter(requote_bps=0.05)
    made.run(60)
    placed = [o for o in orders(made) if o.event is m.OrderTrigger.PLACED]
    sent = [o for o in orders(made) if o.event is m.OrderTrigger.REPLACE_SENT]
    assert len(sent) > 3 * len(placed)
    assert len(sent) + len(placed) < 60 * 5
    assert set(made.summary().rejects) <= RACES


def test_the_quoter_pulls_its_quotes_while_market_data_is_away() -> None:
    made = quoter()
    made.run(10)
    assert len(open_orders(made)) == 2
    made.desk.kill("market_data.deribit")
    made.run(2)
    assert open_orders(made) == []


# --- the same twice --------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_orders_byte_for_byte() -> None:
    script = (
        "import hashlib;"
        "from tests.services.strategy_host.test_simulation import quoter;"
        "made = quoter(); made.run(45); made.stop();"
        "print(hashlib.sha256(made.orders_as_bytes()).hexdigest())"
    )
    found = set()
    for hash_seed in ("1", "2"):  # what Python scatters by itself must not matter either
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    other = quoter(seed=8)
    other.run(45)
    assert hashlib.sha256(other.orders_as_bytes()).hexdigest() not in found


# --- restarts --------------------------------------------------------------------------------


def test_orders_and_position_survive_a_restart_of_the_engine() -> None:
    made = quoter()
    made.run(60)
    before = made.summary()
    made.restart_engine()
    made.run(60)
    after = made.summary()
    assert after.state == "running" and after.fills > before.fills
    engine = made.desk.nodes["trading_engine.deribit.main"].core
    assert engine._state.store.positions[PERP] == after.positions[PERP]
    assert len(open_orders(made)) == 2


def test_orders_and_position_survive_a_restart_of_the_host() -> None:
    made = quoter()
    made.run(60)
    before, resting = made.state(), {order.client_order_id for order in open_orders(made)}
    strategy = made.core._config
    made.restart_host(lambda: of_file(strategy, STRATEGIES))
    made.start()
    assert made.state().fills >= before.fills > 0
    made.run(60)
    assert made.state().positions[0].quantity == made.summary().positions[PERP]
    engine = made.desk.nodes["trading_engine.deribit.main"].core
    assert engine._state.store.positions[PERP] == made.summary().positions[PERP]
    modified = {o.client_order_id for o in orders(made)[-400:]}
    assert resting & modified, "the orders of the run before were taken over"
    assert len(open_orders(made)) == 2


def test_a_cut_link_of_the_engine_is_lived_through() -> None:
    made = quoter()
    made.run(20)
    made.desk.cut_links("trading_engine.deribit.main")
    made.run(40)
    assert made.state().state == "running" and len(open_orders(made)) == 2
    assert made.state().in_doubt == 0


class Quiet(Strategy[Parameters]):
    """Does nothing by itself."""


def test_a_place_that_the_engine_lost_in_its_crash_is_settled_and_never_doubled() -> None:
    made = of(Quiet)
    name, bench = "trading_engine.deribit.main", made.core._bench
    place = m.PlaceOrder(PERP, Side.BUY, Decimal(100), price=Decimal(40000), owner="s")
    order = bench.place(place)
    made.desk.feed(made.desk.nodes["strategy_host.s"], Idle("none"))  # now it is on its way
    made.desk.kill(name)
    made.run(4)
    assert order.is_open and order.in_doubt
    made.desk.revive(name, made._trading_engine(made.desk.nodes[name].journal))
    made.run(6)
    assert order.status is OrderStatus.REJECTED and order.refusal is m.RejectReason.LATE
    assert open_orders(made) == []


# --- the delta hedger ------------------------------------------------------------------------


def at_the_money(made: Simulation) -> str:
    """A call about at the money that lives for some days."""
    known = made.core._bench.market._definitions.values()
    calls = [d for d in known if d.option_type is m.OptionType.CALL and d.base == "BTC"]
    calls = [d for d in calls if d.contract_type is m.ContractType.INVERSE]
    last = max(d.expiration_ns for d in calls)
    of_last = [d for d in calls if d.expiration_ns == last]
    quote = made.core._bench.quote(PERP)
    assert quote is not None
    return min(of_last, key=lambda d: abs(float(d.strike) - quote.bid_price)).instrument


def delta(made: Simulation) -> float:
    exposure = made.core._bench.exposure("BTC")
    assert exposure is not None
    return exposure.delta


def test_the_hedger_keeps_delta_in_its_band_with_options_in_the_book() -> None:
    made = simulation("delta_hedger", band=0.1, wait_s=0.5)
    made.run(5)
    assert made.summary().fills == 0, "nothing to hedge"
    option = at_the_money(made)
    buy = m.PlaceOrder(option, Side.BUY, Decimal(3), m.OrderType.MARKET, owner="trader")
    made.desk.ask("orders.deribit.main", "b1", buy)
    seen = []
    for _ in range(100):
        made.run(0.1)
        seen.append(delta(made))
    assert max(seen) > 0.5, "the option brought delta"
    made.run(30)
    summary = made.summary()
    assert abs(delta(made)) <= 0.1
    assert summary.positions[PERP] < 0 and summary.rejects == {}
    assert summary.state == "running"


def test_the_hedger_holds_another_target_when_it_is_told_to() -> None:
    made = simulation("delta_hedger", band=0.05, max_trade=0.5, wait_s=0.5)
    made.run(2)
    made.desk.ask("strategies.delta_hedger", "p1", m.SetParameters({"target": "1.5"}))
    made.run(15)
    assert delta(made) == pytest.approx(1.5, abs=0.05)
    made.desk.ask("strategies.delta_hedger", "p2", m.SetParameters({"target": "0"}))
    made.run(15)
    assert delta(made) == pytest.approx(0.0, abs=0.05)
    assert made.summary().rejects == {}


# --- errors ----------------------------------------------------------------------------------


class Breaks(Strategy[Parameters]):
    """Rests an order, and breaks three seconds later."""

    def on_start(self) -> None:
        self.place(PERP, Side.BUY, 100, price="40000", post_only=True)
        self.set_timer("break", after_s=3)

    def on_timer(self, name: str) -> None:
        raise RuntimeError(name)


def test_an_error_takes_the_strategys_orders_out_of_the_market() -> None:
    made = of(Breaks)
    made.run(2)
    assert len(open_orders(made)) == 1
    made.run(2)
    assert open_orders(made) == []
    assert "test_simulation.py" in made.state().last_error
    assert made.desk.nodes["strategy_host.s"].state.state == "degraded"


# --- the hour --------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_quoters_hour() -> None:
    """An hour against the simulated takers, with the engine and the host restarted on the way."""
    made = simulation("quoter", half_spread_bps=1)
    strategy = made.core._config
    rejects: set[str] = set()
    for step in range(12):
        made.run(300)
        rejects |= set(made.state().rejects)
        if step == 3:
            made.restart_engine()
        if step == 7:
            made.restart_host(lambda: of_file(strategy, STRATEGIES))
            made.start()
    made.stop()
    summary = made.summary()
    print(f"\n{summary}")
    assert summary.seconds > 3600 and summary.restarts == 2 and summary.state == "stopped"
    assert summary.fills > 50 and summary.maker_fills == summary.fills
    assert rejects <= RACES, "no order was refused that it could have known about"
    assert abs(summary.positions[PERP]) <= 1000 and open_orders(made) == []
    total = sum(
        (f.side.sign * f.last_quantity for f in made.record.messages if isinstance(f, m.Fill)),
        Decimal(0),
    )
    assert summary.positions[PERP] == total


def test_the_documents_example_runs(tmp_path: Path) -> None:
    text = (CHECKOUT / "docs" / "strategies.md").read_text()
    (tmp_path / "dip.py").write_text(text.split("```python\n")[1].split("```")[0])
    config = configuration.load(CHECKOUT / "config" / "demo.yaml")
    strategy = StrategyConfig("dip", "dip.py", "deribit", parameters={"instrument": PERP})
    made = Simulation(config, strategy, of_file(strategy, tmp_path))
    made.start()
    made.run(3)
    assert [order.side for order in open_orders(made)] == [Side.BUY]
    made.stop()
    assert made.summary().rejects == {} and made.state().last_error == ""
