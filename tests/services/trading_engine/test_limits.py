"""The limits in a running engine: exposure with combos and modifies, parents, losses, rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.config import LimitsConfig, LossConfig
from common.domain.order import Order
from common.messages import RejectReason as R
from services.trading_engine.events import LimitsRead
from services.trading_engine.market import Mids
from services.trading_engine.parents import Parents
from tests import samples
from tests.services.trading_engine.kit import MS, PERP, PERPETUAL, QUOTE, SECOND, Bench, D, place
from tests.services.trading_engine.test_combos import COMBO, NEAR

SPREAD, FUTURE = f"deribit.{COMBO}", f"deribit.{NEAR}"
DAY_NS = 86_400 * SECOND
POSITIONS = LimitsConfig(max_position={"perpetual": "1000", "future": "1000"})


# --- combos ----------------------------------------------------------------------------------


def define(name: str, kind: m.InstrumentKind, **more: Any) -> m.InstrumentDefinition:
    symbol = name.removeprefix("deribit.")
    return msgspec.structs.replace(PERPETUAL, instrument=name, symbol=symbol, kind=kind, **more)


def announce(bench: Bench, *, legs: bool = True) -> None:
    """A spread of FUTURE (bought) and the perpetual (sold) is listed, with prices."""
    parts = [(FUTURE, m.Exact("1")), (PERP, m.Exact("-1"))] if legs else []
    both = define(SPREAD, m.InstrumentKind.FUTURE_COMBO, legs=parts)
    for definition in (define(FUTURE, m.InstrumentKind.FUTURE), both):
        bench.bus(f"instrument.{definition.instrument}", definition)
    for name in (PERP, FUTURE, SPREAD):
        bench.engine._state.market.watch(name, bench.now)
    for name in (PERP, FUTURE):
        bench.bus(f"quote.{name}", msgspec.structs.replace(QUOTE, instrument=name))
        bench.bus(f"ticker.{name}", m.Ticker(name, 50000.0, 50000.0, 50000.0))
    bench.bus(f"quote.{SPREAD}", m.Quote(SPREAD, -2.5, 10.0, 2.5, 10.0))
    band = {"min_price": -900.0, "max_price": 900.0}
    bench.bus(f"ticker.{SPREAD}", m.Ticker(SPREAD, 0.0, 50000.0, None, **band))


def with_combo(limits: LimitsConfig = POSITIONS, *, legs: bool = True) -> Bench:
    bench = Bench(limits=limits).start()
    announce(bench, legs=legs)
    return bench


def spread(quantity: str, side: m.Side = m.Side.BUY, **more: Any) -> m.PlaceOrder:
    return m.PlaceOrder(SPREAD, side, D(quantity), price=D("-50"), **more)


def hold(bench: Bench, **positions: str) -> None:
    names = {"near": FUTURE, "perpetual": PERP}
    bench.engine._state.store.positions |= {names[k]: D(v) for k, v in positions.items()}


def test_open_orders_of_a_combo_count_in_its_legs() -> None:
    bench = with_combo()
    assert bench.asked(spread("600")).accepted
    refused = bench.asked(spread("500"))
    assert refused.reason is R.EXPOSURE and "1100" in refused.text
    sell = bench.asked(place(price="50000", quantity="500", side=m.Side.SELL))
    assert sell.reason is R.EXPOSURE and "1100" in sell.text  # the perpetual is sold already
    assert bench.asked(place(price="50000", quantity="900")).accepted  # the other way it is not


def test_orders_of_a_leg_count_in_the_combo() -> None:
    bench = with_combo()
    assert bench.asked(place(price="50000", quantity="600", side=m.Side.SELL)).accepted
    assert bench.asked(spread("500")).reason is R.EXPOSURE
    assert bench.asked(spread("500", m.Side.SELL)).accepted


def test_a_combo_whose_legs_are_unknown_is_refused_where_positions_are_limited() -> None:
    assert with_combo(legs=False).asked(spread("10")).reason is R.NO_MARKET_DATA


def test_a_modify_of_a_combo_replaces_what_it_counted() -> None:
    bench = with_combo()
    order = bench.asked(spread("600")).orders[0]
    assert bench.asked(m.ModifyOrder(order.client_order_id, quantity=D("1000"))).accepted
    refused = bench.asked(m.ModifyOrder(order.client_order_id, quantity=D("1010")))
    assert refused.reason is R.EXPOSURE


def test_combos_are_valued_by_their_legs() -> None:
    limits = LimitsConfig(max_account_exposure="1500")
    bench = with_combo(limits)
    assert bench.asked(spread("700")).accepted  # 700 of each leg
    assert bench.asked(spread("100")).reason is R.EXPOSURE


@pytest.mark.parametrize(
    ("near", "perpetual", "accepted"),
    [("100", "-100", True), ("100", "-50", False), ("0", "-100", False), ("-100", "100", False)],
)
def test_reducing_takes_a_combo_when_both_legs_get_smaller(
    near: str, perpetual: str, accepted: bool
) -> None:
    bench = with_combo()
    hold(bench, near=near, perpetual=perpetual)
    bench.ask(m.SetMode(m.TradingMode.REDUCING, "x"))
    assert bench.asked(spread("100", m.Side.SELL)).accepted is accepted


# --- modifies --------------------------------------------------------------------------------


def test_a_modify_of_a_partly_filled_order_counts_what_stays_open() -> None:
    bench = Bench(limits=LimitsConfig(max_position={"perpetual": "100"})).start()
    order = bench.placed(price="49999", quantity="100")
    bench.deliver(bench.twin.fill(order.venue_order_id, 60.0))
    name = order.client_order_id
    assert bench.asked(m.ModifyOrder(name, price=D("49998"))).accepted
    refused = bench.asked(m.ModifyOrder(name, quantity=D("110")))
    assert refused.reason is R.EXPOSURE and "110" in refused.text


# --- parents ---------------------------------------------------------------------------------


def part(quantity: str, **more: Any) -> m.PlaceOrder:
    terms = {"owner": "router", "parent": "p1", "parent_quantity": D("100")}
    return place(quantity=quantity, **(terms | more))


def test_a_part_that_ended_without_a_fill_takes_no_memory_and_counts_again_if_it_did_fill() -> None:
    bench = Bench().start()
    order = bench.asked(part("40")).orders[0]
    sums = bench.engine._state.parents._sums
    bench.asked(m.CancelOrder(order.client_order_id))
    assert not sums["router", "p1"].parts
    bench.deliver(bench.twin.fill(order.venue_order_id, 30.0))
    assert sums["router", "p1"].used == 30
    assert bench.asked(part("80")).reason is R.PARENT_CAP
    assert bench.asked(part("70")).accepted


def test_parts_never_add_up_to_more_than_their_parent() -> None:
    bench = Bench().start()
    first = bench.asked(part("60")).orders[0]
    assert bench.asked(part("50")).reason is R.PARENT_CAP
    assert bench.asked(part("50", owner="other")).accepted  # a parent of its own
    assert bench.asked(m.CancelOrder(first.client_order_id)).accepted
    assert bench.asked(part("100")).accepted


def test_what_a_part_filled_stays_used() -> None:
    bench = Bench().start()
    first = bench.asked(part("60")).orders[0]
    bench.deliver(bench.twin.fill(first.venue_order_id, 40.0))
    assert bench.asked(m.CancelOrder(first.client_order_id)).accepted
    refused = bench.asked(part("70"))
    assert refused.reason is R.PARENT_CAP and "40 of the parent" in refused.text
    assert bench.asked(part("60")).accepted


def test_a_modify_of_a_part_counts_its_new_quantity() -> None:
    bench = Bench().start()
    first = bench.asked(part("60")).orders[0]
    assert bench.asked(m.ModifyOrder(first.client_order_id, quantity=D("110"))).reason is (
        R.PARENT_CAP
    )
    assert bench.asked(m.ModifyOrder(first.client_order_id, quantity=D("100"))).accepted
    assert bench.asked(part("10")).reason is R.PARENT_CAP


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parent_quantity": None}, R.BAD_QUANTITY),
        ({"parent_quantity": D("0")}, R.BAD_QUANTITY),
        ({"parent": ""}, R.BAD_REQUEST),
        ({"parent": "no spaces"}, R.BAD_REQUEST),
        ({"parent_quantity": D("200")}, R.BAD_REQUEST),
        ({"side": m.Side.SELL, "price": "51000"}, R.BAD_REQUEST),
    ],
)
def test_a_parent_has_one_side_and_one_quantity(change: dict[str, Any], reason: R) -> None:
    bench = Bench().start()
    assert bench.asked(part("10")).accepted
    assert bench.asked(part("10", **change)).reason is reason


def test_parents_survive_a_restart() -> None:
    bench = Bench().start()
    first = bench.asked(part("60")).orders[0]
    bench.deliver(bench.twin.fill(first.venue_order_id, 60.0))
    again = bench.restart().start()
    assert again.asked(part("50"), request_id="new").reason is R.PARENT_CAP


def test_two_that_cancel_each_other_count_what_both_filled_and_the_larger_rest() -> None:
    parents, orders = Parents(), dict[str, Order]()

    def note(name: str, filled: int, status: m.OrderStatus) -> Decimal:
        state = msgspec.structs.replace(
            samples.ORDER,
            client_order_id=name,
            link_id="1",
            contingency_type=m.ContingencyType.OCO,
            quantity=D(60) if name == "1" else D(80),
            cum_quantity=D(filled),
            status=status,
            owner="router",
            parent="p",
            parent_quantity=D(100),
        )
        orders[name] = Order(state)
        parents.note(orders[name])
        found = parents.find("router", "p")
        assert found is not None
        return found.used

    assert note("1", 0, m.OrderStatus.NEW) == 60
    assert note("2", 0, m.OrderStatus.NEW) == 80
    assert note("1", 10, m.OrderStatus.PARTIALLY_FILLED) == 90
    without = parents.find("router", "p", orders["2"])
    assert without is not None and without.used == 10
    assert note("1", 10, m.OrderStatus.CANCELED) == 90
    assert note("2", 5, m.OrderStatus.CANCELED) == 15


# --- the day's loss --------------------------------------------------------------------------

LOSSES = LimitsConfig(
    max_daily_loss=LossConfig("100", "200"),
    max_strategy_daily_loss={"*": LossConfig("10", "20"), "big": LossConfig("80", "90")},
)


def tell(bench: Bench, pnl: str, day: int = 20_000, **more: Any) -> None:
    strategies = {name: m.Exact(text) for name, text in more.pop("strategies", {}).items()}
    is_complete, text = more.pop("complete", True), more.pop("text", "")
    start_ns = day * DAY_NS
    figures = m.ProfitOfDay(
        "deribit", "main", start_ns, start_ns, m.Exact(pnl), strategies, is_complete, text, 1
    )
    bench.bus("profit.deribit.main", figures)


def latches(bench: Bench) -> list[str]:
    return [each.scope for each in bench.commands if isinstance(each, c.SetLatch)]


def test_a_loss_reduces_and_then_sets_the_kill_switch() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-100")
    assert bench.asked(place()).accepted
    tell(bench, "-100.01")
    refused = bench.asked(place())
    assert refused.reason is R.LOSS_LIMIT and "loss of 100.01 USD" in refused.text
    assert latches(bench) == []
    tell(bench, "-201")
    assert latches(bench) == ["deribit"]


def test_a_strategy_that_loses_is_stopped_alone() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-30", strategies={"small": "-15", "big": "-15"})
    assert bench.asked(place(owner="small")).reason is R.LOSS_LIMIT
    assert bench.asked(place(owner="big")).accepted
    assert bench.asked(place()).accepted
    tell(bench, "-30", strategies={"small": "-25"})
    assert latches(bench) == ["strategy.small"]


def test_a_person_cannot_lift_it_without_raising_the_limit() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-150")
    bench.ask(m.SetMode(m.TradingMode.ACTIVE, "go on", venue="deribit"))
    tell(bench, "-150")
    assert bench.asked(place()).reason is R.LOSS_LIMIT
    raised = msgspec.structs.replace(LOSSES, max_daily_loss=LossConfig("1000", "2000"))
    bench.feed(LimitsRead("risk.yaml", raised, False))
    bench.ask(m.SetMode(m.TradingMode.ACTIVE, "raised", venue="deribit"))
    tell(bench, "-150")
    assert bench.asked(place()).accepted


def test_a_lowered_limit_holds_at_once() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-50")
    lowered = msgspec.structs.replace(LOSSES, max_daily_loss=LossConfig("40", "200"))
    bench.feed(LimitsRead("risk.yaml", lowered, False))
    assert bench.asked(place()).reason is R.LOSS_LIMIT


def test_the_day_after_takes_the_reduction_away_and_nothing_else() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-150")
    bench.ask(m.SetMode(m.TradingMode.REDUCING, "mine", owner="other"))
    tell(bench, "-10", day=20_001)
    assert bench.asked(place()).accepted
    assert bench.asked(place(owner="other")).reason is R.MODE


def test_the_loss_limit_survives_a_restart_even_before_new_figures() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "-150")
    again = bench.restart(limits=LOSSES).start()
    assert again.asked(place(), request_id="new").reason is R.LOSS_LIMIT
    tell(again, "-10", day=20_001)
    assert again.asked(place(), request_id="newer").accepted


def test_without_figures_only_what_lowers_exposure_is_taken() -> None:
    bench = Bench(limits=LOSSES).start()
    refused = bench.asked(place())
    assert refused.reason is R.STALE_DATA and "not told it yet" in refused.text
    hold(bench, perpetual="-500")
    assert bench.asked(place(quantity="100")).accepted
    assert bench.asked(place(quantity="500")).reason is R.STALE_DATA  # 100 are on their way


def test_old_and_incomplete_figures_count_as_none() -> None:
    bench = Bench(limits=LOSSES).start()
    tell(bench, "0")
    bench.advance(9)
    assert bench.asked(place()).accepted
    tell(bench, "-1000", complete=False, text="no fresh mark of X")
    assert bench.asked(place()).accepted  # what is not complete is not judged
    bench.advance(2)
    refused = bench.asked(place())
    assert refused.reason is R.STALE_DATA and "no fresh mark of X" in refused.text
    bench.feed(c.TopicLost("profit.deribit.main", "its publisher is silent"))
    assert "silent" in bench.asked(place()).text
    tell(bench, "0")
    assert bench.asked(place()).accepted


# --- strategies ------------------------------------------------------------------------------


def test_the_rate_of_one_strategy_does_not_stop_another() -> None:
    bench = Bench(limits=LimitsConfig(max_strategy_orders_per_second=2)).start()
    orders = [bench.asked(place(owner="a")).orders[0] for _ in range(2)]
    refused = bench.asked(place(owner="a"))
    assert refused.reason is R.RATE_LIMIT and "of a " in refused.text
    changed = m.ModifyOrder(orders[0].client_order_id, price=D("49001"))
    assert bench.asked(changed).reason is R.RATE_LIMIT
    assert bench.asked(place(owner="b")).accepted
    assert bench.asked(m.CancelOrder(orders[0].client_order_id)).accepted
    bench.advance(1)
    assert bench.asked(place(owner="a")).accepted


def test_a_strategy_trades_what_it_may() -> None:
    allowed = {"hedger": ["BTC-PERPETUAL"], "*": ["option"]}
    bench = Bench(limits=LimitsConfig(allowed_instruments=allowed)).start()
    assert bench.asked(place(owner="hedger")).accepted
    refused = bench.asked(place(owner="quoter"))
    assert refused.reason is R.INSTRUMENT_NOT_ALLOWED and "quoter" in refused.text


# --- prices of the last second ---------------------------------------------------------------


def quote(bench: Bench, mid: float) -> None:
    both = {"bid_price": mid - 0.5, "ask_price": mid + 0.5}
    bench.bus(f"quote.{PERP}", msgspec.structs.replace(QUOTE, **both))


@pytest.mark.parametrize("order_type", [m.OrderType.LIMIT, m.OrderType.MARKET])
def test_row_49_a_jump_of_the_market_does_not_move_the_collar_for_a_second(
    order_type: m.OrderType,
) -> None:
    bench = Bench(limits=LimitsConfig(price_collar_percent=5)).start()
    price = "60000" if order_type is m.OrderType.LIMIT else None
    wanted = place(price=price, order_type=order_type, side=m.Side.SELL)
    assert bench.asked(place(price="50000")).accepted
    bench.bus(f"ticker.{PERP}", m.Ticker(PERP, 60000.0, 60000.0, 60000.0))
    quote(bench, 60000.0)
    refused = bench.asked(wanted)
    assert refused.reason is R.PRICE_COLLAR and "last second" in refused.text
    bench.advance(1.1)
    assert bench.asked(wanted).accepted


def test_mids_of_a_second_hold_the_one_from_before_it() -> None:
    mids = Mids()
    assert mids.range(0) == (None, None)
    mids.note(10.0, 0)
    mids.note(30.0, 10 * MS)
    mids.note(20.0, 500 * MS)
    assert mids.range(900 * MS) == (10.0, 30.0)
    assert mids.range(1499 * MS) == (20.0, 30.0)  # until the 20 came the 30 held
    assert mids.range(1500 * MS) == (20.0, 20.0)
    mids.clear()
    assert mids.range(1500 * MS) == (None, None)
