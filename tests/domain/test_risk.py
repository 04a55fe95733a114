"""Pre-trade checks: what passes, what is refused, with which reason, field and help."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from common.config import LimitsConfig
from common.domain.exposure import Holding
from common.domain.instrument import Instrument
from common.domain.risk import Limits, Market, State, check
from common.errors import ConfigError
from common.messages import (
    ContractType,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    OrderType,
    PlaceOrder,
    RejectReason as R,
    Side,
    TimeInForce,
    TradingMode,
    TriggerPrice,
)

D = Decimal
PERP = InstrumentDefinition(
    instrument="deribit.BTC-PERPETUAL",
    venue="deribit",
    symbol="BTC-PERPETUAL",
    kind=InstrumentKind.PERPETUAL,
    contract_type=ContractType.INVERSE,
    base="BTC",
    quote="USD",
    settlement="BTC",
    underlying="BTC",
    price_index="btc_usd",
    tick_size=D("0.5"),
    lot_size=D("10"),
    min_quantity=D("10"),
    contract_size=D("10"),
    maker_fee=D("0"),
    taker_fee=D("0.0005"),
    status=InstrumentStatus.ACTIVE,
)
OPTION = msgspec.structs.replace(
    PERP,
    instrument="deribit.BTC-27DEC24-50000-C",
    symbol="BTC-27DEC24-50000-C",
    kind=InstrumentKind.OPTION,
    quote="BTC",
    tick_size=D("0.0001"),
    tick_steps=[(D("0.005"), D("0.0005"))],
    lot_size=D("0.1"),
    min_quantity=D("0.1"),
    contract_size=D("1"),
)
SPOT = msgspec.structs.replace(
    PERP,
    instrument="deribit.BTC_USDC",
    symbol="BTC_USDC",
    kind=InstrumentKind.SPOT,
    contract_type=ContractType.SPOT,
    quote="USDC",
    lot_size=D("0.0001"),
    min_quantity=D("0.0001"),
    min_notional=D("10"),
)
MARKET = Market(bid=49990.0, ask=50010.0, mark=50000.0, last=50005.0, index=50000.0)
OPTION_MARKET = Market(bid=0.02, ask=0.022, mark=0.021, last=0.5, index=50000.0)


def order(price: str | None = "50000", quantity: str = "100", **more: Any) -> PlaceOrder:
    side = more.pop("side", Side.BUY)
    exact = None if price is None else D(price)
    return PlaceOrder("deribit.X", side, D(quantity), price=exact, **more)


def state(definition: InstrumentDefinition = PERP, **more: Any) -> State:
    market = more.pop("market", OPTION_MARKET if definition is OPTION else MARKET)
    return State(Instrument(definition), market, **more)


def limits(**more: Any) -> Limits:
    return Limits.of(LimitsConfig(**more))


def test_a_plain_order_passes():
    assert check(order(), limits(), state()) is None


def test_an_unknown_instrument_is_refused():
    refusal = check(order(), limits(), State(None))
    assert refusal is not None and refusal.reason is R.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize(
    "status", [s for s in InstrumentStatus if s is not InstrumentStatus.ACTIVE]
)
def test_what_does_not_trade_is_refused(status: InstrumentStatus):
    halted = msgspec.structs.replace(PERP, status=status)
    refusal = check(order(), limits(), state(halted))
    assert refusal is not None and refusal.reason is R.INSTRUMENT_NOT_TRADING


FORM = [
    (order(quantity="0"), R.BAD_QUANTITY, "quantity"),
    (order(quantity="NaN"), R.BAD_QUANTITY, "quantity"),
    (order(quantity="Infinity"), R.BAD_QUANTITY, "quantity"),
    (order(quantity="9e999"), R.BAD_QUANTITY, "quantity"),
    (order("9e40"), R.BAD_PRICE, "price"),
    (order(quantity="9"), R.MIN_QUANTITY, "quantity"),
    (order(quantity="15"), R.QUANTITY_OFF_LOT, "quantity"),
    (order("50000.1"), R.PRICE_OFF_TICK, "price"),
    (order("NaN"), R.BAD_PRICE, "price"),
    (order("-5"), R.BAD_PRICE, "price"),
    (order(None), R.BAD_PRICE, "price"),
    (order(order_type=OrderType.MARKET), R.BAD_PRICE, "price"),
    (order(order_type=OrderType.STOP_LIMIT), R.BAD_PRICE, "trigger_price"),
    (
        order(None, order_type=OrderType.STOP, trigger_price=D("1.1")),
        R.PRICE_OFF_TICK,
        "trigger_price",
    ),
    (order(trigger_price=D("1")), R.BAD_REQUEST, "trigger_price"),
    (order(trigger_offset=D("1")), R.BAD_REQUEST, "trigger_offset"),
    (order(order_type=OrderType.TAKE_PROFIT_LIMIT), R.BAD_PRICE, "trigger_price"),
    (order(order_type=OrderType.MARKET_TO_LIMIT), R.BAD_PRICE, "price"),
    (order(None, order_type=OrderType.TRAILING_STOP), R.BAD_PRICE, "trigger_offset"),
    (
        order(None, order_type=OrderType.TRAILING_STOP, trigger_offset=D(0)),
        R.BAD_PRICE,
        "trigger_offset",
    ),
    (
        order(
            None,
            order_type=OrderType.TRAILING_STOP,
            trigger_offset=D(5),
            trigger_price=D(50000),
        ),
        R.BAD_REQUEST,
        "trigger_price",
    ),
    (order(display_quantity=D(15)), R.QUANTITY_OFF_LOT, "display_quantity"),
    (order(display_quantity=D(0)), R.BAD_QUANTITY, "display_quantity"),
    (order(display_quantity=D(10**9)), R.BAD_QUANTITY, "display_quantity"),
    (
        order(display_quantity=D(10), time_in_force=TimeInForce.IOC),
        R.BAD_REQUEST,
        "display_quantity",
    ),
    (order(None, order_type=OrderType.MARKET, post_only=True), R.BAD_REQUEST, "post_only"),
    (order(post_only=True, time_in_force=TimeInForce.FOK), R.BAD_REQUEST, "post_only"),
]


@pytest.mark.parametrize(("bad", "reason", "field"), FORM)
def test_bad_form_is_refused_with_its_field(bad: PlaceOrder, reason: R, field: str):
    refusal = check(bad, limits(), state())
    assert refusal is not None
    assert (refusal.reason, refusal.field) == (reason, field)
    assert refusal.text


def test_a_refusal_says_what_would_pass():
    refusal = check(order("50000.1"), limits(), state())
    assert refusal is not None and "50000.0 and 50000.5" in refusal.text


def test_the_tick_of_an_option_grows_with_its_price():
    assert check(order("0.0041", "1"), limits(), state(OPTION)) is None
    refusal = check(order("0.0206", "1"), limits(), state(OPTION))
    assert refusal is not None and refusal.reason is R.PRICE_OFF_TICK


def test_quantities_are_limited_by_instrument_before_kind():
    both = limits(max_quantity={"perpetual": "1000", "BTC-PERPETUAL": "50"})
    refusal = check(order(quantity="60"), both, state())
    assert refusal is not None and refusal.reason is R.MAX_QUANTITY
    assert check(order(quantity="60"), limits(max_quantity={"perpetual": "60"}), state()) is None


def test_the_value_of_an_inverse_future_is_its_usd():
    refusal = check(order(quantity="110"), limits(max_notional="100"), state())
    assert refusal is not None and refusal.reason is R.MAX_NOTIONAL


def test_the_value_of_an_inverse_option_counts_in_usd():
    ten = order("0.02", "10")  # 0.2 BTC and a little more by the mid: some 10,000 USD
    assert check(ten, limits(max_notional="11000"), state(OPTION)) is None
    refusal = check(ten, limits(max_notional="9000"), state(OPTION))
    assert refusal is not None and refusal.reason is R.MAX_NOTIONAL


def test_an_order_below_the_venues_least_value_is_refused():
    refusal = check(order("50000", "0.0001"), limits(), state(SPOT))
    assert refusal is not None and refusal.reason is R.MIN_NOTIONAL


@pytest.mark.parametrize(
    ("price", "side", "passes"),
    [
        ("54500", Side.BUY, True),
        ("55500", Side.BUY, False),
        ("44500", Side.BUY, False),
        ("45500", Side.SELL, True),
        ("44500", Side.SELL, False),
    ],
)
def test_the_collar_holds_on_either_side(price: str, side: Side, passes: bool):
    refusal = check(order(price, side=side), limits(price_collar_percent=10.0), state())
    assert (refusal is None) == passes
    assert passes or (refusal is not None and refusal.reason is R.PRICE_COLLAR)


def test_the_collar_holds_against_each_of_mid_mark_and_last():
    for name in ("mark", "last"):
        market = msgspec.structs.replace(MARKET, **{name: 60000.0})
        refusal = check(order(), limits(), state(market=market))
        assert refusal is not None and name in refusal.text


def test_an_options_last_trade_is_no_reference_while_others_are():
    assert check(order("0.0205", "1"), limits(), state(OPTION)) is None


def test_a_market_order_is_judged_by_the_price_it_would_meet():
    market = Market(bid=30000.0, ask=70000.0, mark=50000.0)
    buy = order(None, order_type=OrderType.MARKET)
    refusal = check(buy, limits(), state(market=market))
    assert refusal is not None and refusal.reason is R.PRICE_COLLAR
    refusal = check(buy, limits(), state(market=Market(mark=50000.0)))
    assert refusal is not None and refusal.reason is R.NO_MARKET_DATA


def test_a_stop_limit_is_judged_by_its_trigger():
    stop = order("40000", order_type=OrderType.STOP_LIMIT, trigger_price=D("40500"))
    assert check(stop, limits(), state()) is None
    far = order("30000", order_type=OrderType.STOP_LIMIT, trigger_price=D("40500"))
    refusal = check(far, limits(), state())
    assert refusal is not None and refusal.reason is R.PRICE_COLLAR


@pytest.mark.parametrize(
    "waiting",
    [
        order(None, order_type=OrderType.TAKE_PROFIT, trigger_price=D("90000")),
        order(
            "90000",
            side=Side.SELL,
            order_type=OrderType.TAKE_PROFIT_LIMIT,
            trigger_price=D("90000"),
        ),
        order("30000", order_type=OrderType.TAKE_PROFIT_LIMIT, trigger_price=D("30000")),
        order(None, order_type=OrderType.TRAILING_STOP, trigger_offset=D("5000.25")),
    ],
)
def test_what_waits_for_a_price_may_be_far_from_the_market(waiting: PlaceOrder):
    assert check(waiting, limits(), state()) is None


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "90000"), (Side.SELL, "30000")])
@pytest.mark.parametrize("trigger", [None, *TriggerPrice])
def test_a_take_profit_that_the_market_has_passed_already_is_judged_by_the_market(
    side: Side, price: str, trigger: TriggerPrice | None
):
    """It wakes at once and may trade up to its price."""
    kind = OrderType.TAKE_PROFIT_LIMIT
    awake = order(price, side=side, order_type=kind, trigger_price=D(price), trigger=trigger)
    refusal = check(awake, limits(), state())
    assert refusal is not None and refusal.reason is R.PRICE_COLLAR


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -1.0, None])
def test_without_a_usable_price_the_collar_refuses(bad: float | None):
    market = Market(bid=bad, ask=bad, mark=bad, last=bad)
    refusal = check(order(), limits(), state(market=market))
    broken = bad is not None and not isfinite(bad)
    assert refusal is not None
    assert refusal.reason is (R.STALE_DATA if broken else R.NO_MARKET_DATA)


def test_open_orders_and_rate_are_limited():
    refusal = check(order(), limits(max_open_orders=2), state(open_orders=2))
    assert refusal is not None and refusal.reason is R.MAX_OPEN_ORDERS
    assert check(order(), limits(max_open_orders=2), state(open_orders=2), is_new=False) is None
    refusal = check(order(), limits(max_orders_per_second=3), state(orders_last_second=3))
    assert refusal is not None and refusal.reason is R.RATE_LIMIT


@pytest.mark.parametrize(
    ("side", "quantity", "position", "same_side", "passes"),
    [
        (Side.SELL, "100", "100", "0", True),
        (Side.SELL, "110", "100", "0", False),
        (Side.SELL, "60", "100", "50", False),
        (Side.BUY, "10", "100", "0", False),
        (Side.BUY, "100", "-100", "0", True),
        (Side.SELL, "10", "0", "0", False),
    ],
)
def test_reducing_takes_only_what_lowers_the_position(
    side: Side, quantity: str, position: str, same_side: str, passes: bool
):
    instrument = Instrument(PERP)
    working = {"buying" if side is Side.BUY else "selling": D(same_side)}
    held = Holding(instrument, D(position), **working)
    known = state(mode=TradingMode.REDUCING, holding=held)
    refusal = check(order(quantity=quantity, side=side), limits(), known)
    assert (refusal is None) == passes


def test_halted_takes_nothing():
    refusal = check(order(), limits(), state(mode=TradingMode.HALTED))
    assert refusal is not None and refusal.reason is R.MODE


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "NaN", "1e999999999999999999999"])
def test_a_limit_that_is_no_number_is_a_config_error(text: str):
    with pytest.raises(ConfigError) as caught:
        limits(max_notional=text)
    assert "max_notional" in str(caught.value)


PRICES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@given(
    price=st.decimals(allow_nan=True, allow_infinity=True),
    quantity=st.decimals(allow_nan=True, allow_infinity=True),
    bid=PRICES,
    ask=PRICES,
    mark=PRICES,
)
def test_no_numbers_make_the_checks_fail_or_pass_by_mistake(
    price: Decimal, quantity: Decimal, bid: float, ask: float, mark: float
):
    market = Market(bid=bid, ask=ask, mark=mark)
    tight = limits(max_notional="1000", max_quantity={"perpetual": "500"})
    one = PlaceOrder("x", Side.BUY, quantity, price=price)
    if check(one, tight, state(market=market)) is None:
        assert 0 < quantity <= 500 and quantity % 10 == 0
        assert price > 0 and price % D("0.5") == 0
        references = [market.mid, market.known("mark")]
        assert all(abs(price - r) <= r / 10 for r in references if r is not None)
        assert any(r is not None for r in references)


# --- exposure, data quality, missing limits ------------------------------------------------------


def test_exposure_takes_the_worst_side_and_lets_reductions_pass():
    known = state()
    held = Holding(known.instrument, D("100"), D("50"), D("0"), D("50000"))
    bounds = limits(max_position={"perpetual": "200"})
    buy = check(order(quantity="60"), bounds, state(holding=held))
    assert buy is not None and buy.reason is R.EXPOSURE and "210" in buy.text
    assert check(order(quantity="50"), bounds, state(holding=held)) is None
    full = Holding(known.instrument, D("500"), D("0"), D("0"), D("50000"))
    assert check(order(quantity="100", side=Side.SELL), bounds, state(holding=full)) is None


def test_exposure_in_money_sums_what_is_held_elsewhere():
    instrument = state().instrument
    other = Holding(instrument, D("-900"), price=D("50000"))
    underlying = instrument.definition.underlying
    bounds = limits(max_underlying_exposure={underlying: "1000"})
    assert check(order(quantity="100"), bounds, state(others=[other])) is None
    refusal = check(order(quantity="110"), bounds, state(others=[other]))
    assert refusal is not None and refusal.reason is R.EXPOSURE and underlying in refusal.text
    account = limits(max_account_exposure="1000")
    assert check(order(quantity="110"), account, state(others=[other])) is not None


def test_a_crossed_quote_and_an_old_one_refuse():
    crossed = Market(bid=50001.0, ask=50000.0, mark=50000.0, last=50000.0, age_ms=0.0)
    refusal = check(order(), limits(), state(market=crossed))
    assert refusal is not None and refusal.reason is R.STALE_DATA and "crossed" in refusal.text
    for age_ms in (None, 1001.0, float("nan")):
        market = Market(bid=49999.0, ask=50000.0, mark=50000.0, last=50000.0, age_ms=age_ms)
        refusal = check(order(), limits(max_age_ms=1000), state(market=market))
        assert refusal is not None and refusal.reason is R.STALE_DATA


def test_strict_refuses_by_name_what_has_no_limit():
    bounds = Limits.of(LimitsConfig(max_notional="1000000"), strict=True)
    refusal = check(order(), bounds, state())
    assert refusal is not None and refusal.reason is R.NO_LIMIT
    assert "max_position" in refusal.text and "max_notional" not in refusal.text


@pytest.mark.parametrize("name", ["max_fills", "max_same_orders", "max_age_ms", "fills_within_s"])
def test_a_limit_of_nothing_is_a_configuration_error(name: str):
    with pytest.raises(ConfigError, match=name):
        Limits.of(LimitsConfig(**{name: 0}))


COMBO = msgspec.structs.replace(
    PERP,
    instrument="deribit.BTC-FS-25DEC26_PERP",
    symbol="BTC-FS-25DEC26_PERP",
    kind=InstrumentKind.FUTURE_COMBO,
)
LINEAR_COMBO = msgspec.structs.replace(COMBO, contract_type=ContractType.LINEAR, quote="USDC")
NEAR_ZERO = Market(
    bid=-2.5, ask=2.5, mark=0.0, index=50000.0, min_price=-900.0, max_price=900.0, is_signed=True
)


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("-2.5", None),
        ("0", None),
        ("-900", None),
        ("-900.5", R.PRICE_COLLAR),
        ("901", R.PRICE_COLLAR),
        ("-0.3", R.PRICE_OFF_TICK),
        ("-1e30", R.BAD_PRICE),
        ("NaN", R.BAD_PRICE),
        (None, None),
    ],
)
def test_prices_of_combos_are_judged_by_the_venues_band(price: str | None, reason: R | None):
    kind = OrderType.LIMIT if price else OrderType.MARKET
    wanted = order(price, order_type=kind)
    refusal = check(wanted, limits(price_collar_percent=D(1)), state(COMBO, market=NEAR_ZERO))
    assert (refusal and refusal.reason) == reason


def test_a_combo_without_a_band_is_not_judged():
    market = msgspec.structs.replace(NEAR_ZERO, min_price=None)
    refusal = check(order("1"), limits(price_collar_percent=D(1)), state(COMBO, market=market))
    assert refusal is not None and refusal.reason is R.NO_MARKET_DATA


@pytest.mark.parametrize(("definition", "largest"), [(COMBO, "1000"), (LINEAR_COMBO, "0")])
def test_a_combo_is_worth_its_legs_whatever_its_price(
    definition: InstrumentDefinition, largest: str
):
    few = limits(max_notional=D(1000))
    for quantity, is_passed in ((largest, True), ("1010", False)):
        if D(quantity):
            refusal = check(order("-1", quantity), few, state(definition, market=NEAR_ZERO))
            assert (refusal is None) is is_passed


def legs(near: str, perpetual: str, **more: str) -> list[tuple[Holding, Decimal]]:
    """Of COMBO: what is held of its two legs."""
    working = {name: D(text) for name, text in more.items()}
    far = Instrument(
        msgspec.structs.replace(
            PERP, instrument="deribit.BTC-25DEC26", symbol="BTC-25DEC26", kind=InstrumentKind.FUTURE
        )
    )
    return [
        (Holding(far, D(near), **working), D(1)),
        (Holding(Instrument(PERP), D(perpetual)), D(-1)),
    ]


def test_limits_of_positions_must_speak_of_the_legs_of_combos():
    known = state(COMBO, market=NEAR_ZERO, legs=legs("0", "0"))
    refusal = check(order("1"), limits(max_position={"BTC-PERPETUAL": "1000"}), known)
    assert refusal is not None and refusal.reason is R.NO_LIMIT and "25DEC26" in refusal.text
    both = limits(max_position={"perpetual": "1000", "future": "1000"})
    assert check(order("1"), both, known) is None


def test_without_its_legs_a_combo_is_bounded_by_nothing_and_refused():
    bounds = limits(max_position={"perpetual": "1000", "future": "1000"})
    refusal = check(order("1"), bounds, state(COMBO, market=NEAR_ZERO))
    assert refusal is not None and refusal.reason is R.NO_MARKET_DATA and "legs" in refusal.text


@pytest.mark.parametrize(
    ("side", "near", "perpetual", "worst"),
    [
        (Side.BUY, "950", "0", "1050"),  # the leg that is bought
        (Side.BUY, "0", "-950", "1050"),  # the leg that is sold
        (Side.SELL, "0", "950", "1050"),
        (Side.SELL, "950", "-950", None),
        (Side.BUY, "900", "-900", None),
    ],
)
def test_each_leg_of_a_combo_is_held_to_its_own_limit(
    side: Side, near: str, perpetual: str, worst: str | None
):
    bounds = limits(max_position={"perpetual": "1000", "future": "1000"})
    known = state(COMBO, market=NEAR_ZERO, legs=legs(near, perpetual))
    refusal = check(order("1", side=side), bounds, known)
    assert (refusal and refusal.reason) == (R.EXPOSURE if worst else None)
    assert refusal is None or worst in refusal.text


@pytest.mark.parametrize(
    ("side", "near", "perpetual", "passes"),
    [
        (Side.SELL, "100", "-100", True),
        (Side.SELL, "100", "-90", False),  # the perpetual would flip
        (Side.SELL, "100", "0", False),  # the perpetual would open
        (Side.BUY, "100", "-100", False),
        (Side.BUY, "-500", "500", True),
    ],
)
def test_reducing_takes_a_combo_exactly_when_each_leg_gets_smaller(
    side: Side, near: str, perpetual: str, passes: bool
):
    known = state(COMBO, market=NEAR_ZERO, mode=TradingMode.REDUCING, legs=legs(near, perpetual))
    refusal = check(order("1", side=side), limits(), known)
    assert (refusal is None) == passes


def test_reducing_counts_what_already_closes_a_leg():
    held = legs("100", "-100", selling="10")
    known = state(COMBO, market=NEAR_ZERO, mode=TradingMode.REDUCING, legs=held)
    refusal = check(order("1", side=Side.SELL), limits(), known)
    assert refusal is not None and refusal.reason is R.MODE


def test_a_modify_counts_what_stays_open_and_not_what_is_filled():
    held = Holding(Instrument(PERP), D(60), D(0), D(0), D("50000"))  # 60 of the order are filled
    bounds = limits(max_position={"perpetual": "100"})
    known = state(holding=held, filled=D(60))
    assert check(order(quantity="100"), bounds, known, is_new=False) is None
    refusal = check(order(quantity="110"), bounds, known, is_new=False)
    assert refusal is not None and refusal.reason is R.EXPOSURE and "110" in refusal.text
