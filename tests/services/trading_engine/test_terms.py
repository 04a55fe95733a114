"""Terms that only some orders have: prices in USD and volatility, offsets, display quantities."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from common import messages as m
from common.config import LimitsConfig
from common.messages import PriceType as P, RejectReason as R
from common.venues.contract import Capabilities
from tests.services.trading_engine.simulated import PERP, SimulatedDesk

D = Decimal


def options(desk: SimulatedDesk, base: str = "BTC", quote: str = "BTC") -> str:
    """The name of a call whose strike is nearest to the market."""
    definitions = [
        one for _, x in desk.messages if isinstance(x, m.InstrumentList) for one in x.instruments
    ]
    calls = [
        one
        for one in definitions
        if one.option_type is m.OptionType.CALL and (one.base, one.quote) == (base, quote)
    ]
    last = max(one.expiration_ns or 0 for one in calls)
    calls = [one for one in calls if one.expiration_ns == last]
    spot = float(desk.price(f"deribit.{base}-PERPETUAL"))
    return min(calls, key=lambda one: abs(float(one.strike or 0) - spot)).instrument


def near(desk: SimulatedDesk, name: str, kind: P, part: float = 0.8) -> str:
    """A price of that kind below the market."""
    ticker = desk.ticker(name)
    if kind is P.IMPLIED_VOLATILITY:
        return f"{(ticker.mark_iv or 0) * part:.1f}"
    return f"{(ticker.mark_price or 0) * (ticker.index_price or 0) * part:.0f}"


def order(name: str, kind: P | None, price: str, **more: Any) -> m.PlaceOrder:
    return m.PlaceOrder(name, m.Side.BUY, D(1), price=D(price), price_type=kind, **more)


@pytest.fixture
def desk() -> SimulatedDesk:
    return SimulatedDesk()


@pytest.mark.parametrize("kind", list(P))
def test_an_option_order_in_usd_or_volatility_says_both_prices(desk: SimulatedDesk, kind: P):
    name = options(desk)
    price = near(desk, name, kind)
    reply = desk.ask(order(name, kind, price))
    assert reply.accepted, reply
    (placed,) = reply.orders
    assert (placed.price, placed.price_type) == (D(price), kind)
    assert placed.working_price is not None and 0 < placed.working_price < 1
    change = m.ModifyOrder(placed.client_order_id, price=D(price) + 5, quantity=D(2))
    reply = desk.ask(change)
    assert reply.accepted, reply
    assert (reply.orders[0].price, reply.orders[0].quantity) == (D(price) + 5, 2)
    assert reply.orders[0].price_type is kind
    desk.restart_engine()
    (known,) = desk.open_orders()
    assert (known.price, known.price_type) == (D(price) + 5, kind)


def test_the_venue_moves_such_an_order_and_the_stated_price_stays(desk: SimulatedDesk):
    name = options(desk)
    price = near(desk, name, P.IMPLIED_VOLATILITY)
    placed = desk.ask(order(name, P.IMPLIED_VOLATILITY, price)).orders[0]
    big = m.ModifyOrder(placed.client_order_id, quantity=D(100))  # more than is sold to it
    assert desk.ask(big).accepted
    seen = {placed.working_price}
    for _ in range(600):
        desk.desk.run_for(1)
        seen.add(desk.order(placed.client_order_id).working_price)
        if len(seen) > 1:
            break
    now = desk.order(placed.client_order_id)
    assert len(seen) > 1 and now.price == D(price) and not now.status.is_final


def test_limits_and_the_collar_judge_where_the_price_would_be_now():
    desk = SimulatedDesk(limits=LimitsConfig(max_notional="100"))
    name = options(desk)
    for kind in P:
        reply = desk.ask(order(name, kind, near(desk, name, kind)))
        assert (reply.accepted, reply.reason) == (False, R.MAX_NOTIONAL)
    desk = SimulatedDesk(limits=LimitsConfig(option_collar_percent=10.0))
    for kind in P:
        reply = desk.ask(order(name, kind, near(desk, name, kind, 5)))
        assert (reply.accepted, reply.reason) == (False, R.PRICE_COLLAR)


def test_what_has_no_such_price_is_refused_and_nothing_is_sent(desk: SimulatedDesk):
    name = options(desk)
    cases = [
        (order(PERP, P.USD, "100"), R.BAD_REQUEST, "price_type"),
        (order(name, P.USD, "-1"), R.BAD_PRICE, "price"),
        (order(name, P.IMPLIED_VOLATILITY, "1001"), R.BAD_PRICE, "price"),
        (
            m.PlaceOrder(name, m.Side.BUY, D(1), m.OrderType.MARKET, price_type=P.USD),
            R.BAD_REQUEST,
            "price_type",
        ),
        (
            order(
                name,
                P.USD,
                "100",
                contingency_type=m.ContingencyType.OCO,
                linked_orders=[m.LinkedOrder(m.Side.SELL, price=D(1))],
            ),
            R.UNSUPPORTED,
            "linked_orders",
        ),
    ]
    for command, reason, field in cases:
        reply = desk.ask(command)
        assert (reply.reason, reply.field) == (reason, field), command
    linear = options(desk, "BTC", "USDC")
    assert desk.ask(order(linear, P.USD, "100")).field == "price_type"
    assert not [x for _, x in desk.messages if isinstance(x, m.OrderUpdated)]


def test_a_venue_without_such_prices_refuses_them():
    desk = SimulatedDesk(Capabilities(options=True))
    reply = desk.ask(order(options(desk), P.USD, "200"))
    assert (reply.reason, reply.field) == (R.UNSUPPORTED, "price_type")


def test_the_venues_no_to_a_post_only_order_of_this_kind_is_certain(desk: SimulatedDesk):
    name = options(desk)
    reply = desk.ask(order(name, P.USD, near(desk, name, P.USD), post_only=True))
    assert (reply.accepted, reply.reason, reply.in_doubt) == (False, R.UNSUPPORTED, False)


def test_the_offset_of_a_trailing_stop_can_be_changed(desk: SimulatedDesk):
    stop = m.PlaceOrder(
        PERP, m.Side.SELL, D(100), m.OrderType.TRAILING_STOP, trigger_offset=D(5000)
    )
    placed = desk.ask(stop).orders[0]
    reply = desk.ask(m.ModifyOrder(placed.client_order_id, trigger_offset=D(6000)))
    assert reply.accepted, reply
    assert reply.orders[0].trigger_offset == 6000
    reply = desk.ask(m.ModifyOrder(placed.client_order_id, display_quantity=D(10)))
    assert (reply.accepted, reply.field) == (False, "display_quantity")
    reply = desk.ask(m.ModifyOrder(placed.client_order_id, trigger_price=D(6000)))
    assert (reply.accepted, reply.field) == (False, "trigger_price")


def test_the_display_quantity_of_an_order_can_be_changed(desk: SimulatedDesk):
    price = desk.price(factor=0.99)
    plain = m.PlaceOrder(PERP, m.Side.BUY, D(10_000), price=price, display_quantity=D(1000))
    placed = desk.ask(plain).orders[0]
    assert placed.display_quantity == 1000
    reply = desk.ask(m.ModifyOrder(placed.client_order_id, display_quantity=D(2000)))
    assert reply.accepted, reply
    assert (reply.orders[0].display_quantity, reply.orders[0].price) == (2000, price)
    desk.restart_engine()
    assert desk.open_orders()[0].display_quantity == 2000
