"""Money at the simulated exchange: fees, profit, margin, and what always holds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from common.messages import InstrumentKind
from common.venues.simulation import OrderFilter, Refused, SimulatedFill, SimulatedRefusal
from tests.examples import examples
from tests.services.venue_simulator.kit import ALL, D, Scene, account

SMALL = D("1e-8")


def summary(scene, who="ann", currency="BTC"):
    return scene.exchange.account_summary(who, currency)


# fees


def test_an_inverse_fee_is_a_rate_of_the_coins():
    scene = Scene()
    scene.trade("ann", "bob", 5000, 50_000)
    assert scene.fills("ann")[0].fee == D("0.00005")
    assert scene.balance("ann") == D(1000) - D("0.00005")


def test_a_linear_fee_is_a_rate_of_the_notional():
    scene = Scene()
    scene.trade("ann", "bob", "0.001", 50_000, "LINEAR-PERP")
    fill = scene.fills("ann")[0]
    assert (fill.fee, fill.fee_currency) == (D("0.025"), "USDC")


@pytest.mark.parametrize(
    ("price", "fee"),
    [("0.04", "0.0003"), ("0.0008", "0.0001")],  # the rate; an eighth of a cheap option
)
def test_an_option_fee_is_capped_by_the_value_of_the_option(price, fee):
    scene = Scene()
    scene.trade("ann", "bob", 1, price, "CALL")
    assert scene.fills("ann")[0].fee == D(fee)


def test_a_linear_option_fee_is_a_rate_of_the_underlying():
    scene = Scene()
    scene.trade("ann", "bob", 1, 2000, "LINEAR-CALL")
    assert scene.fills("ann")[0].fee == D("0.0003") * 50_000


# profit


def test_inverse_profit_is_in_coin():
    scene = Scene()
    scene.trade("ann", "bob", 100_000, 50_000)
    scene.trade("bob", "ann", 40_000, 50_500)
    realized = 40_000 * (1 / D(50_000) - 1 / D(50_500))
    position = scene.position("ann")
    assert abs(position.realized_pnl - realized) < SMALL
    assert position.quantity == 60_000 and position.average_price == 50_000
    scene.market.index = 52_000.0
    scene.tick(10**9)
    position = scene.position("ann")
    assert abs(position.total_pnl - 60_000 * (1 / D(50_000) - 1 / D(52_000))) < SMALL
    assert position.floating_pnl == position.total_pnl
    assert abs(position.size_currency - 60_000 / D(52_000)) < SMALL


def test_the_average_of_an_inverse_position_is_harmonic():
    scene = Scene()
    scene.trade("ann", "bob", 1000, 50_000)
    scene.trade("ann", "bob", 1000, 50_500)
    wanted = 2000 / (1000 / D(50_000) + 1000 / D(50_500))
    assert abs(scene.position("ann").average_price - wanted) < SMALL


def test_a_position_that_flips_starts_anew():
    scene = Scene()
    scene.trade("ann", "bob", 1, 50_000, "LINEAR-PERP")
    scene.trade("bob", "ann", 3, 50_100, "LINEAR-PERP")
    position = scene.position("ann", "LINEAR-PERP")
    assert (position.quantity, position.average_price) == (-2, 50_100)
    assert position.realized_pnl == 100


def test_an_option_is_paid_at_once_and_valued_at_its_mark():
    scene = Scene()
    scene.trade("ann", "bob", 2, "0.045", "CALL")
    ann, bob = summary(scene), summary(scene, "bob")
    assert ann.balance == D(1000) - D("0.09") - D("0.0006")
    assert bob.balance == D(1000) + D("0.09") - D("0.0006")
    assert ann.options_value == D("0.08") == -bob.options_value
    assert ann.equity == ann.balance + D("0.08")
    assert ann.options_pnl == D("-0.01")
    assert ann.options_delta == pytest.approx(2 * (0.5 - 0.04))
    assert scene.position("ann", "CALL").delta == pytest.approx(1.0)
    assert scene.position("ann", "CALL").vega == pytest.approx(40.0)


def test_a_spot_trade_moves_both_balances():
    scene = Scene()
    scene.trade("ann", "bob", "0.5", 50_000, "SPOT")
    assert scene.balance("ann") == D("1000.5") and scene.balance("bob") == D("999.5")
    assert scene.balance("bob", "USDC") == 100_025_000
    assert scene.balance("ann", "USDC") == 99_975_000 - D("12.5")
    assert scene.position("ann", "SPOT") is None and scene.exchange.positions("ann") == []


# margin


def test_margin_of_a_future_follows_the_standard_model():
    scene = Scene()
    scene.trade("ann", "bob", 50_000, 50_000)
    position = scene.position("ann")
    assert position.initial_margin == D("0.02") + D("0.00005")  # of one coin
    assert position.maintenance_margin == D("0.01") + D("0.00005")


def test_open_orders_tie_up_the_worse_of_both_sides():
    scene = Scene()
    scene.trade("ann", "bob", 50_000, 50_000)
    scene.placed("ann", "SELL", 50_000, 50_500)  # would close: free
    assert scene.position("ann").open_orders_margin == 0
    order = scene.placed("ann", "BUY", 50_000, 49_000)
    assert scene.position("ann").open_orders_margin == 2 * D("0.0201") - D("0.02005")
    assert scene.exchange.order_margin("ann", order.number) == 2 * D("0.0201") - D("0.02005")
    scene.exchange.cancel("ann", order.number, scene.now)
    assert scene.position("ann").open_orders_margin == 0


def test_an_order_beyond_the_funds_is_refused_and_one_that_reduces_is_not():
    scene = Scene(account("ann", BTC="0.03"), account("bob"))
    scene.trade("ann", "bob", 50_000, 50_000)
    assert scene.place("ann", "BUY", 50_000, 49_000).reason is SimulatedRefusal.NOT_ENOUGH_FUNDS
    scene.market.index = 49_000.0
    scene.tick(10**9)
    assert not isinstance(scene.place("ann", "SELL", 50_000, 49_500), Refused)


def test_a_short_option_needs_margin_and_a_long_one_its_premium():
    scene = Scene(account("ann", BTC="0.1"), account("bob"))
    assert scene.place("ann", "SELL", 1, "0.045", "CALL").reason is (
        SimulatedRefusal.NOT_ENOUGH_FUNDS
    )
    assert scene.place("ann", "BUY", 3, "0.04", "CALL").reason is SimulatedRefusal.NOT_ENOUGH_FUNDS
    assert not isinstance(scene.place("ann", "BUY", 2, "0.04", "CALL"), Refused)
    scene.placed("bob", "SELL", 1, "0.04", "CALL")
    short = scene.position("bob", "CALL")
    assert short.initial_margin == D("0.15") + D("0.04")  # at the money
    assert short.maintenance_margin == D("0.075") + D("0.04")


def test_a_market_order_for_an_option_needs_what_it_will_cost():
    scene = Scene(account("ann", BTC="0.05"), account("bob"))
    scene.placed("bob", "SELL", 1, "0.04", "CALL")
    assert scene.placed("ann", "BUY", 1, None, "CALL").cum_quantity == 1


def test_spot_orders_reserve_what_they_would_spend():
    scene = Scene(account("ann", BTC="1", USDC="60000"))
    scene.placed("ann", "BUY", 1, 49_000, "SPOT")
    assert summary(scene, currency="USDC").spot_reserve == 49_000
    assert scene.place("ann", "BUY", 1, 49_000, "SPOT").reason is SimulatedRefusal.NOT_ENOUGH_FUNDS
    scene.placed("ann", "SELL", 1, 51_000, "SPOT")
    assert summary(scene).available_funds == 0
    assert scene.place("ann", "SELL", "0.001", 51_000, "SPOT").reason is (
        SimulatedRefusal.NOT_ENOUGH_FUNDS
    )


def test_margins_tell_what_an_order_would_need():
    scene = Scene()
    view = scene.exchange.margins("ann", "INVERSE-PERP", D(50_000), D(50_000))
    assert view.buy == view.sell == D("0.02005")
    assert (view.min_price, view.max_price) == (D(49_250), D(50_750))


def test_positions_can_be_asked_by_currency_and_kind():
    scene = Scene()
    scene.trade("ann", "bob", 100, 50_000)
    scene.trade("ann", "bob", 1, "0.04", "CALL")
    scene.trade("ann", "bob", 1, 50_000, "LINEAR-PERP")

    def symbols(**which):
        return [position.symbol for position in scene.exchange.positions("ann", **which)]

    assert symbols() == ["INVERSE-PERP", "CALL", "LINEAR-PERP"]
    assert symbols(currency="BTC", kind=InstrumentKind.OPTION) == ["CALL"]
    assert symbols(currency="USDC") == ["LINEAR-PERP"]


# what always holds

PRICES = {
    "INVERSE-PERP": st.integers(-20, 20).map(lambda n: D(50_000) + n * D("0.5")),
    "LINEAR-PERP": st.integers(-20, 20).map(lambda n: D(50_000) + n * D("0.5")),
    "SPOT": st.integers(-20, 20).map(lambda n: D(50_000) + n * D("0.5")),
    "CALL": st.integers(76, 84).map(lambda n: n * D("0.0005")),
}
SIZES = {"INVERSE-PERP": D(10), "LINEAR-PERP": D("0.001"), "SPOT": D("0.001"), "CALL": D("0.1")}
PEOPLE = ("ann", "bob", "cid")


@st.composite
def actions(draw):
    symbol = draw(st.sampled_from(sorted(PRICES)))
    lots = draw(st.integers(1, 50))
    return (
        draw(st.sampled_from(PEOPLE)),
        draw(st.sampled_from(["BUY", "SELL"])),
        SIZES[symbol] * lots,
        draw(st.one_of(PRICES[symbol], PRICES[symbol], st.none())),
        symbol,
    )


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(actions(), min_size=5, max_size=40),
    st.lists(st.integers(-300, 300), min_size=1, max_size=3),
)
def test_nothing_is_made_and_nothing_is_lost(acts, moves):
    scene = Scene(*(account(name) for name in PEOPLE))
    for act in acts:
        scene.place(*act)
    fills = scene.events(SimulatedFill)
    for move in moves:
        scene.market.index = 50_000.0 + move
        scene.tick(10**9)
        check_sums(scene, fills)
        check_identities(scene)
    for name in PEOPLE:
        scene.exchange.cancel_matching(name, OrderFilter(), scene.now)
        assert summary(scene, name).projected_initial_margin == summary(scene, name).initial_margin


def check_sums(scene: Scene, fills: list[SimulatedFill]) -> None:
    """Positions sum to zero; so does the money, with the fees."""
    views = {n: {p.symbol: p for p in scene.exchange.positions(n)} for n in PEOPLE}
    for definition in ALL:
        held = [view[definition.symbol] for view in views.values() if definition.symbol in view]
        assert sum((p.quantity for p in held), D(0)) == 0
        profit = sum((p.floating_pnl + p.realized_pnl for p in held), D(0))
        assert abs(profit) < SMALL
    for currency, opening in (("BTC", D(3000)), ("USDC", D(300_000_000))):
        fees = sum((fill.fee for fill in fills if fill.fee_currency == currency), D(0))
        equity = sum((summary(scene, n, currency).equity for n in PEOPLE), D(0))
        assert abs(equity + fees - opening) < SMALL


def check_identities(scene: Scene) -> None:
    for name in PEOPLE:
        for currency in ("BTC", "USDC"):
            s = summary(scene, name, currency)
            assert s.margin_balance == s.balance + s.futures_session_upl + s.futures_session_rpl
            assert s.equity == s.margin_balance + s.options_value
            assert s.available_funds == s.margin_balance - s.initial_margin - s.spot_reserve
            assert s.session_upl == s.futures_session_upl + s.options_session_upl
            assert s.total_pnl == s.futures_pnl + s.options_pnl
            assert s.delta_total == pytest.approx(sum(s.delta_total_map.values()))
            assert s.available_funds >= 0  # of accounts this rich


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.integers(-20, 20)), max_size=25),
    st.integers(-300, 300),
)
def test_linear_profit_is_cash_flow_plus_value(trades, move):
    scene = Scene()
    cash = held = D(0)
    for is_buy, lots, offset in trades:
        quantity, price = lots * D("0.001"), D(50_000) + offset * D("0.5")
        names = ("ann", "bob") if is_buy else ("bob", "ann")
        scene.trade(*names, quantity, price, "LINEAR-PERP")
        signed = quantity if is_buy else -quantity
        held += signed
        cash -= signed * price
    scene.market.index = 50_000.0 + move
    scene.tick(10**9)
    position = scene.position("ann", "LINEAR-PERP")
    value = held * Decimal(str(scene.market.index))
    assert position.quantity == held
    assert abs(position.realized_pnl + position.floating_pnl - cash - value) < SMALL
