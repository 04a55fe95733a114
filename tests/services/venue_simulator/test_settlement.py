"""The calendar of the simulated exchange: funding, daily settlement, expiry."""

from __future__ import annotations

from common.messages import InstrumentStatus, TimeInForce
from common.venues.simulation import (
    CancelReason,
    InstrumentStateChanged,
    OrderFilter,
    OrderState,
    Settlement,
    SettlementKind,
    SimulatedRefusal,
)
from services.venue_simulator.rules import DAY_NS, HOUR_NS
from tests.services.venue_simulator.kit import (
    CALL,
    NEXT_SETTLEMENT,
    NOW,
    PERPETUAL,
    D,
    Scene,
    definition,
)

SMALL = D("1e-8")


def at_settlement(scene: Scene) -> None:
    scene.tick(NEXT_SETTLEMENT - scene.now)


def test_the_daily_settlement_moves_profit_to_the_balance():
    scene = Scene()
    scene.trade("ann", "bob", 100_000, 50_000)
    before = scene.balance("ann")
    scene.market.index = 51_000.0
    at_settlement(scene)
    profit = 100_000 * (1 / D(50_000) - 1 / D(51_000))
    position = scene.position("ann")
    assert abs(scene.balance("ann") - before - profit) < SMALL
    assert position.floating_pnl == position.realized_pnl == 0
    assert abs(position.total_pnl - profit) < SMALL  # since entry it is still there
    assert position.settlement_price == 51_000.0 and position.average_price == 50_000
    scene.market.index = 52_000.0
    scene.tick(10**9)
    position = scene.position("ann")
    assert abs(position.floating_pnl - 100_000 * (1 / D(51_000) - 1 / D(52_000))) < SMALL


def test_settlement_changes_no_equity():
    scene = Scene()
    scene.trade("ann", "bob", 100_000, 50_000)
    scene.trade("ann", "bob", 2, "0.045", "CALL")
    scene.market.index = 51_000.0
    scene.tick(10**9)
    before = scene.exchange.account_summary("ann", "USDC").equity
    at_settlement(scene)
    assert abs(scene.exchange.account_summary("ann", "USDC").equity - before) < SMALL


def test_day_orders_end_at_the_settlement_and_others_do_not():
    scene = Scene()
    day = scene.placed("ann", "BUY", 100, 49_000, time_in_force=TimeInForce.DAY)
    gtc = scene.placed("ann", "BUY", 100, 49_000)
    at_settlement(scene)
    assert scene.order("ann", day.number).cancel_reason is CancelReason.SETTLEMENT
    assert scene.order("ann", gtc.number).state is OrderState.OPEN


def test_settlements_are_recorded_for_the_account_and_for_everybody():
    scene = Scene()
    scene.trade("ann", "bob", 100, 50_000)
    at_settlement(scene)
    told = [s for s in scene.events(Settlement) if s.account == "ann"]
    assert [s.kind for s in told] == [SettlementKind.SETTLEMENT]
    assert scene.exchange.settlements("ann", "INVERSE-PERP", None, 5) == told
    public = scene.exchange.settlements(None, None, "BTC", 99)
    assert {s.symbol for s in public} >= {"INVERSE-PERP", "FUTURE", "CALL"}
    assert all(not s.account for s in public)


def test_an_option_in_the_money_is_paid_out_in_coin():
    scene = Scene()
    scene.trade("ann", "bob", 2, "0.04", "CALL")
    before = scene.balance("ann"), scene.balance("bob")
    scene.market.index = 62_500.0  # call of 50,000: 0.2 coins
    at_settlement(scene)
    assert scene.balance("ann") == before[0] + D("0.4")
    assert scene.balance("bob") == before[1] - D("0.4")
    assert scene.exchange.positions("ann") == []


def test_a_linear_option_is_paid_out_in_the_quote_currency():
    scene = Scene()
    scene.trade("ann", "bob", 1, 2000, "LINEAR-CALL")
    before = scene.balance("ann", "USDC")
    scene.market.index = 53_000.0
    at_settlement(scene)
    assert scene.balance("ann", "USDC") == before + 3000


def test_a_put_out_of_the_money_expires_worthless():
    scene = Scene()
    scene.trade("ann", "bob", 1, "0.04", "PUT")
    before = scene.balance("ann")
    scene.market.index = 51_000.0
    at_settlement(scene)
    assert scene.balance("ann") == before


def test_a_future_settles_to_the_delivery_price():
    scene = Scene()
    scene.trade("ann", "bob", 50_000, 50_000, "FUTURE")
    before = scene.balance("ann")
    scene.market.index = 55_000.0
    at_settlement(scene)
    profit = 50_000 * (1 / D(50_000) - 1 / D(55_000))
    assert abs(scene.balance("ann") - before - profit) < SMALL
    price = scene.exchange.delivery_prices("btc_usd")[0]
    assert (price.price, price.delivered_ns) == (55_000.0, NEXT_SETTLEMENT)


def test_an_expired_instrument_is_closed_and_its_orders_are_gone():
    scene = Scene()
    order = scene.placed("ann", "BUY", 1, "0.04", "CALL")
    at_settlement(scene)
    assert scene.order("ann", order.number).cancel_reason is CancelReason.EXPIRY
    states = {e.symbol: e.status for e in scene.events(InstrumentStateChanged)}
    assert states["CALL"] is InstrumentStatus.EXPIRED
    assert scene.exchange.instrument("CALL").status is InstrumentStatus.EXPIRED
    refused = scene.place("ann", "BUY", 1, "0.04", "CALL")
    assert refused.reason is SimulatedRefusal.INSTRUMENT_CLOSED
    ticker = scene.exchange.ticker("CALL")
    assert ticker.delivery_price == 50_000.0 and ticker.best_bid_price is None
    assert "CALL" not in {t.symbol for t in scene.exchange.tickers()}
    assert scene.exchange.open_orders("ann", OrderFilter()) == []


def test_a_long_jump_in_time_settles_each_day_once():
    scene = Scene()
    scene.trade("ann", "bob", 100, 50_000)
    scene.tick(3 * DAY_NS)
    told = [s for s in scene.events(Settlement) if s.account == "ann"]
    assert [s.settled_ns for s in told] == [NEXT_SETTLEMENT + n * DAY_NS for n in range(3)]


def test_longs_pay_funding_to_shorts():
    scene = Scene()
    scene.trade("ann", "bob", 1, 50_000, "LINEAR-PERP")
    scene.market.rate = 0.0008  # per 8 h
    scene.tick(HOUR_NS)
    paid = scene.position("ann", "LINEAR-PERP").realized_funding
    assert abs(paid + D("0.0001") * 50_000) < SMALL
    assert scene.position("bob", "LINEAR-PERP").realized_funding == -paid
    assert scene.position("ann", "LINEAR-PERP").realized_pnl == paid
    summary = scene.exchange.account_summary("ann", "USDC")
    assert summary.futures_session_rpl == paid


def test_an_instrument_may_be_listed_later():
    scene = Scene()
    late = definition("LATE", PERPETUAL.kind, PERPETUAL.contract_type, expiration_ns=NOW + DAY_NS)
    scene.exchange.list_instrument(late, scene.now)
    assert scene.placed("ann", "BUY", 100, 49_000, "LATE").state is OrderState.OPEN
    scene.tick(DAY_NS)
    assert scene.exchange.instrument("LATE").status is InstrumentStatus.EXPIRED


def test_what_had_expired_before_the_start_never_trades():
    past = definition("PAST", CALL.kind, CALL.contract_type, expiration_ns=NOW - 1)
    scene = Scene(definitions=[past])
    assert scene.exchange.instrument("PAST").status is InstrumentStatus.EXPIRED
