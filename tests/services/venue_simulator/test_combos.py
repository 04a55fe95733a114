"""Combos: their trades are trades of their legs."""

from __future__ import annotations

import pytest

from common.messages import ContractType, InstrumentKind, OrderType, TriggerPrice
from common.venues.simulation import (
    ComboLeg,
    LinkRequest,
    OrderChanges,
    OrderState,
    Placed,
    PublicTrade,
    Refused,
    SimulatedRefusal,
    TradeFilter,
)
from services.venue_simulator.rules import DAY_NS, SECOND_NS
from tests.services.venue_simulator.kit import ALL, NEXT_SETTLEMENT, D, Scene, account, definition

SPREAD = definition("FS", InstrumentKind.FUTURE_COMBO, ContractType.INVERSE)
CALLS = definition(
    "CS",
    InstrumentKind.OPTION_COMBO,
    ContractType.INVERSE,
    quote="BTC",
    lot_size=D("0.1"),
    min_quantity=D("0.1"),
    contract_size=D(1),
    tick_size=D("0.0001"),
    expiration_ns=NEXT_SETTLEMENT,
)


def scene(*accounts) -> Scene:
    made = Scene(*accounts, definitions=ALL)
    made.market.marks["FUTURE"] = 50_200.0
    exchange = made.exchange
    legs = [ComboLeg("FUTURE", D(1)), ComboLeg("INVERSE-PERP", D(-1))]
    exchange.list_combo(SPREAD, legs, made.now)
    exchange.list_combo(CALLS, [ComboLeg("CALL", D(1)), ComboLeg("PUT", D(-1))], made.now)
    return made


def test_a_combo_is_worth_the_signed_sum_of_its_legs_and_is_quoted_there():
    made = scene()
    assert made.exchange.ticker("FS").mark_price == 200.0
    made.exchange.watch("FS", made.now)
    book = made.exchange.book("FS", 5)
    assert book.bids == [(190.0, 200.0)] and book.asks == [(210.0, 200.0)]
    made.market.marks["FUTURE"] = 49_700.0
    made.tick(SECOND_NS)
    assert made.exchange.book("FS", 5).asks == [(-290.0, 200.0)]


def test_a_trade_of_a_combo_is_a_trade_of_each_leg():
    made = scene()
    made.placed("bob", "SELL", 100, 205, "FS")
    made.events()
    order = made.placed("ann", "BUY", 100, 205, "FS")
    assert (order.state, order.avg_price) == (OrderState.FILLED, 205)
    combo, future, perpetual = made.exchange.fills("ann", TradeFilter(ascending=True)).fills
    assert (combo.symbol, combo.price, combo.quantity) == ("FS", 205, 100)
    assert combo.legs == (future, perpetual)
    assert (future.symbol, future.side, future.price) == ("FUTURE", "BUY", 50_205)
    assert (perpetual.symbol, perpetual.side, perpetual.price) == ("INVERSE-PERP", "SELL", 50_000)
    assert future.combo == "FS" and future.combo_trade == combo.trade_number
    assert future.order_number == perpetual.order_number == order.number
    assert combo.fee == max(future.fee, perpetual.fee) > min(future.fee, perpetual.fee) == 0
    assert made.position("ann", "FUTURE").quantity == 100
    assert made.position("ann").quantity == -100
    assert made.position("bob").quantity == 100
    assert made.exchange._state.accounts["ann"].quantity("FS") == 0
    trades = {trade.symbol: trade for trade in made.events(PublicTrade)}
    assert set(trades) == {"FS", "FUTURE", "INVERSE-PERP"}
    assert [leg.symbol for leg in trades["FS"].legs] == ["FUTURE", "INVERSE-PERP"]
    assert trades["FUTURE"].combo_trade == trades["FS"].trade_number


def test_a_combo_of_options_pays_its_premium_in_legs():
    made = scene()
    before = made.balance("ann")
    made.placed("bob", "SELL", 1, "0.0001", "CS")
    made.placed("ann", "BUY", 1, "0.0001", "CS")
    combo = made.exchange.fills("ann", TradeFilter(symbol="CS")).fills[0]
    assert made.balance("ann") == before - D("0.0001") - combo.fee
    assert made.position("ann", "CALL").quantity == 1
    assert made.position("ann", "PUT").quantity == -1


def test_prices_may_be_negative_but_stay_in_the_band():
    made = scene()
    order = made.placed("ann", "BUY", 10, -500, "FS")
    assert order.price == -500 and order.state is OrderState.OPEN
    edited = made.exchange.edit("ann", order.number, OrderChanges(price=D("-0.5")), made.now)
    assert isinstance(edited, Placed) and edited.order.price == D("-0.5")
    assert made.placed("ann", "BUY", 10, 5_000, "FS").price == 950, "1.5 % of the index"
    refused = made.place("ann", "BUY", 10, "-0.3", "FS")
    assert refused == Refused(SimulatedRefusal.PRICE_OFF_TICK, "price", D("0.5"))


def test_a_market_order_trades_with_the_synthetic_quotes():
    made = scene()
    order = made.placed("ann", "SELL", 50, symbol="FS")
    assert (order.state, order.avg_price) == (OrderState.FILLED, 190)
    owners = [*made.exchange._state.accounts.values(), made.exchange._state.synthetic]
    for leg in ("FUTURE", "INVERSE-PERP"):
        assert sum(owner.quantity(leg) for owner in owners) == 0


def test_combos_need_the_funds_of_their_legs():
    made = scene(account("ann", BTC="0.001"), account("bob"))
    refused = made.place("ann", "BUY", 5_000, 100, "FS")
    assert refused == Refused(SimulatedRefusal.NOT_ENOUGH_FUNDS)
    before = made.exchange.account_summary("ann", "BTC").available_funds
    made.placed("ann", "BUY", 100, 100, "FS")
    assert made.exchange.account_summary("ann", "BTC").available_funds < before


@pytest.mark.parametrize(
    "more",
    [
        {"order_type": OrderType.STOP, "trigger": TriggerPrice.MARK, "trigger_price": D(1)},
        {"reduce_only": True, "price": 1},
        {"price": 1, "link": LinkRequest("cancels", "first_hit", ())},
    ],
)
def test_combos_take_plain_orders_alone(more):
    refused = scene().place("ann", "BUY", 10, symbol="FS", **more)
    assert isinstance(refused, Refused)
    assert refused.reason is SimulatedRefusal.UNSUITABLE_FOR_COMBO


def test_a_combo_ends_with_its_first_leg():
    made = scene()
    order = made.placed("ann", "BUY", 1, "-0.01", "CS")
    made.tick(DAY_NS)
    assert made.order("ann", order.number).state is OrderState.CANCELED
    assert made.exchange.instrument("CS").status == "expired"
