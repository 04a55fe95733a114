"""Trades of combos: their order counts them, positions count their legs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common import messages as m
from common.config import LimitsConfig
from common.domain import risk
from common.domain.exposure import Holding
from common.domain.instrument import Instrument
from common.messages import RejectReason as R
from services.trading_engine import linking
from tests.services.trading_engine.kit import PERP, PERPETUAL, Bench, D
from tests.services.trading_engine.twin import VenueTwin

COMBO = "BTC-FS-25DEC26_PERP"
NEAR = "BTC-25DEC26"


def trades_of(twin: VenueTwin, order_id: str, amount: float, price: float) -> list[bytes]:
    """The combo's own trade and those of its legs, as the venue tells them."""
    order = twin.orders[order_id]
    own = twin._trade(order, amount, price)
    near, perpetual = twin._trade(order, amount, 50200.0), twin._trade(order, amount, 50250.0)
    near |= {"instrument_name": NEAR, "combo_id": COMBO}
    perpetual |= {"instrument_name": "BTC-PERPETUAL", "direction": "sell", "combo_id": COMBO}
    own |= {"combo_id": COMBO, "legs": [dict(near), dict(perpetual)]}
    return [twin._told("user.trades", [trade]) for trade in (near, own, perpetual)]


def started(**config: Any) -> tuple[Bench, m.OrderUpdated]:
    """With a resting order of another client on a combo, at a negative price."""
    bench = Bench(**config).start()
    order = {"instrument_name": COMBO, "direction": "buy", "amount": 100.0, "price": -50.0}
    bench.deliver(bench.twin.place(**order))
    (adopted,) = bench.open_orders()
    assert adopted.price == -50
    return bench, adopted


def positions(bench: Bench) -> dict[str, object]:
    return dict(bench.engine._state.store.positions)


@pytest.mark.parametrize("again", [False, True])
def test_positions_move_by_the_legs_and_the_order_by_the_combos_own_fill(again: bool) -> None:
    bench, adopted = started()
    told = trades_of(bench.twin, adopted.venue_order_id, 40.0, -50.0)
    bench.deliver(told * 2 if again else told)
    assert positions(bench) == {f"deribit.{NEAR}": D(40), PERP: D(-40)}
    (order,) = bench.open_orders()
    assert (order.cum_quantity, order.avg_price) == (40, -50)
    fills = bench.fills()
    assert {fill.combo for fill in fills} == {f"deribit.{COMBO}"}
    assert [fill.is_leg for fill in fills] == [True, False, True]


def test_a_restart_counts_the_same() -> None:
    bench, adopted = started()
    bench.deliver(trades_of(bench.twin, adopted.venue_order_id, 40.0, -50.0))
    bench.twin.orders[adopted.venue_order_id] |= {"filled_amount": 40.0, "average_price": -50.0}
    bench.twin.positions |= {NEAR: 40.0, "BTC-PERPETUAL": -40.0}
    bench.twin.now_ms += 5
    after = bench.restart().start()
    assert positions(after) == {f"deribit.{NEAR}": D(40), PERP: D(-40)}
    after.twin.now_ms += 5
    after.deliver(trades_of(after.twin, adopted.venue_order_id, 10.0, -50.0))
    assert positions(after) == {f"deribit.{NEAR}": D(50), PERP: D(-50)}
    (order,) = after.open_orders()
    assert order.cum_quantity == 50


def test_a_trade_of_a_combo_is_one_fill_of_its_owner() -> None:
    limits = LimitsConfig(max_fills=1, fills_within_s=10.0)
    bench, _ = started(limits=limits)
    state = bench.engine._state
    for fill in (fill_of("1", PERP), fill_of("2", f"deribit.{COMBO}"), fill_of("3", NEAR)):
        state.publish_fill(fill)
    assert state.modes.of("me").mode is m.TradingMode.ACTIVE
    state.publish_fill(fill_of("4", f"deribit.{COMBO}"))
    assert state.modes.of("me").mode is m.TradingMode.HALTED


def fill_of(exec_id: str, instrument: str) -> m.Fill:
    side, liquidity = m.Side.BUY, m.Liquidity.TAKER
    ids = (exec_id, "1", "V1", instrument, "deribit", "main", "me")
    terms = (side, D(1), D(10), liquidity, D(0), "BTC", 1_700_000_000_000_000_000)
    return m.Fill(*ids, *terms, combo=f"deribit.{COMBO}")


def test_the_desk_trades_a_combo_that_came_up_at_run_time() -> None:
    name = f"deribit.{COMBO}"
    bench = Bench().start()
    kind = m.InstrumentKind.FUTURE_COMBO
    new = msgspec.structs.replace(PERPETUAL, instrument=name, symbol=COMBO, kind=kind)
    bench.bus(f"instrument.{name}", new)
    bench.prices = False
    ticker = m.Ticker(name, -1.0, 50000.0, None, min_price=-900.0, max_price=900.0)
    command = m.PlaceOrder(name, m.Side.BUY, D(100), price=D("-50.5"))
    bench.ask(command)
    bench.bus(f"quote.{name}", m.Quote(name, -2.5, 10.0, 2.5, 10.0))
    bench.bus(f"ticker.{name}", ticker)
    bench.advance(1)
    (order,) = bench.open_orders()
    assert (order.instrument, order.price) == (name, D("-50.5"))
    assert bench.twin.orders[order.venue_order_id]["price"] == -50.5
    assert bench.asked(m.ModifyOrder(order.client_order_id, price=D(0))).accepted
    assert bench.order(order.client_order_id).price == 0
    assert bench.asked(m.CancelOrder(order.client_order_id)).accepted
    assert bench.open_orders() == []


@pytest.mark.parametrize(("side", "reason"), [(m.Side.BUY, R.EXPOSURE), (m.Side.SELL, None)])
def test_linked_orders_of_a_combo_count_in_its_legs_together_with_the_first(
    side: m.Side, reason: R | None
) -> None:
    """Bought 60 and, once that is hit, 60 more: 120 of the near leg, and -120 of the other."""
    combo = msgspec.structs.replace(
        PERPETUAL,
        instrument=f"deribit.{COMBO}",
        symbol=COMBO,
        kind=m.InstrumentKind.FUTURE_COMBO,
    )
    near = msgspec.structs.replace(PERPETUAL, instrument=f"deribit.{NEAR}", symbol=NEAR)
    legs = [
        (Holding(Instrument(near)), D(1)),
        (Holding(Instrument(PERPETUAL)), D(-1)),
    ]
    market = risk.Market(bid=-2.5, ask=2.5, min_price=-900.0, max_price=900.0, is_signed=True)
    known = risk.State(Instrument(combo), market, legs=legs)
    limits = risk.Limits.of(LimitsConfig(max_position={NEAR: "100", "BTC-PERPETUAL": "100"}))
    first = m.PlaceOrder(
        combo.instrument,
        m.Side.BUY,
        D(60),
        price=D(0),
        contingency_type=m.ContingencyType.OTO,
        linked_orders=[m.LinkedOrder(side, price=D(0))],
    )
    assert risk.check(first, limits, known) is None
    refusal = linking.check(first, linking.secondaries(first), limits, known)
    assert (refusal.reason if refusal else None) is reason
