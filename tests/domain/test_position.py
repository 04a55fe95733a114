"""Position: profit, average price and fees, against published examples and by their laws.

The numbers of CASES are facts restated from help pages and guides of exchanges and from the
position tests of nautilus_trader (commit a95c8042); no text or code of theirs is here.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from common.domain.instrument import Instrument
from common.domain.position import Position, plain, replay
from common.messages import (
    ContractType,
    Fill,
    InstrumentDefinition,
    InstrumentKind,
    InstrumentStatus,
    Liquidity,
    Side,
)

D = Decimal
NEAR = D("1e-15")  # the tests add in 28 digits


def instrument(contract: ContractType, kind: InstrumentKind = InstrumentKind.PERPETUAL):
    inverse = contract is ContractType.INVERSE
    option = kind is InstrumentKind.OPTION
    return Instrument(
        InstrumentDefinition(
            instrument="venue.X",
            venue="venue",
            symbol="X",
            kind=kind,
            contract_type=contract,
            base="BTC",
            quote="BTC" if inverse and option else "USD" if inverse else "USDC",
            settlement="BTC" if inverse else "USDC",
            underlying="BTC",
            price_index="btc_usd",
            tick_size=D("0.5"),
            lot_size=D("10"),
            min_quantity=D("10"),
            contract_size=D("10"),
            maker_fee=D(0),
            taker_fee=D("0.0005"),
            status=InstrumentStatus.ACTIVE,
        )
    )


LINEAR = instrument(ContractType.LINEAR)
INVERSE = instrument(ContractType.INVERSE)
OPTION = instrument(ContractType.INVERSE, InstrumentKind.OPTION)
SPOT = instrument(ContractType.SPOT, InstrumentKind.SPOT)


def fill(quantity, price, fee=0, fee_currency="", exec_id="1") -> Fill:
    """A positive quantity buys, a negative one sells."""
    quantity = D(quantity)
    return Fill(
        exec_id=exec_id,
        client_order_id="1",
        venue_order_id="1",
        instrument="venue.X",
        venue="venue",
        account="main",
        owner="",
        side=Side.BUY if quantity > 0 else Side.SELL,
        last_price=D(price),
        last_quantity=abs(quantity),
        liquidity=Liquidity.TAKER,
        fee=D(fee),
        fee_currency=fee_currency,
        filled_ns=0,
    )


def position_of(kind: Instrument, *trades) -> Position:
    position = Position(kind)
    for quantity, price in trades:
        position.trade(D(quantity), D(price))
        position.check()
    return position


CASES = [
    # contract, trades, mark, realised, unrealised, decimals
    (LINEAR, [("12", "10500")], "10510", "0", "120", 8),
    (LINEAR, [("12", "10500")], "10480.50", "0", "-234", 8),
    (LINEAR, [("-10.15", "10500")], "10390", "0", "1116.5", 8),
    (LINEAR, [("-5.912", "10505.60")], "10407.15", "0", "582.0364", 8),
    (LINEAR, [("-6.645", "221.230")], "221.470", "0", "-1.5948", 8),
    (LINEAR, [("1", "5000"), ("-1", "5500")], None, "500", "0", 8),
    (LINEAR, [("0.2", "50000"), ("-0.2", "55000")], None, "1000", "0", 8),
    (LINEAR, [("1", "90000"), ("-1", "100000")], None, "10000", "0", 8),
    (INVERSE, [("-100000", "10000")], "11000", "0", "-0.90909091", 8),
    (INVERSE, [("100000", "2")], "3", "0", "16666.66666667", 8),
    (INVERSE, [("1000", "1000")], "1250", "0", "0.2", 8),
    (INVERSE, [("16000", "16000"), ("-16000", "8000")], None, "-1", "0", 8),
    (INVERSE, [("60000", "600"), ("-60000", "700")], None, "14.286", "0", 3),
    (INVERSE, [("-16000", "8000"), ("16000", "10000")], None, "-0.4", "0", 8),
    (INVERSE, [("1000", "100"), ("-1000", "200")], None, "5", "0", 8),
    (INVERSE, [("-1000", "100"), ("1000", "50")], None, "10", "0", 8),
    (OPTION, [("2", "0.0265"), ("-1", "0.0300")], "0.0200", "0.0035", "-0.0065", 8),
    (SPOT, [("2", "100"), ("-0.5", "120")], "110", "10", "15", 8),
]


@pytest.mark.parametrize(("kind", "trades", "mark", "realized", "unrealized", "places"), CASES)
def test_profit_is_what_others_published(kind, trades, mark, realized, unrealized, places):
    position = position_of(kind, *trades)
    unit = D(1).scaleb(-places)
    assert position.realized_pnl.quantize(unit) == D(realized)
    assert position.unrealized_pnl(D(mark or "1")).quantize(unit) == D(unrealized)


def test_average_moves_on_adds_only_and_fees_add_up():
    position = Position(LINEAR)
    rows = [
        ("12", "100", None, None),
        ("17", "99", "99.41379310344827", "-0.2883"),
        ("-9", "101", "99.41379310344827", "13.89666207"),
        ("-4", "105", "99.41379310344827", "36.19948966"),
        ("3", "103", "99.98003629764065", "36.16858966"),
    ]
    for quantity, price, average, net in rows:
        fee = abs(D(quantity)) * D(price) * D("0.0001")
        position.apply(fill(quantity, price, fee, "USDC"))
        if average:
            assert str(position.average_price).startswith(average)
            total = position.realized_pnl - position.fees_in_currency()
            assert total.quantize(D("1e-8")) == D(net)


def test_inverse_average_is_the_harmonic_mean():
    position = position_of(INVERSE, ("100", "10000"), ("100", "20000"))
    assert plain(position.average_price) == D("13333.333333333333")
    assert position.cost == D("0.015")


def test_a_flip_realises_the_whole_and_opens_the_rest():
    position = position_of(LINEAR, ("2", "100"), ("-5", "110"))
    assert (position.quantity, position.average_price) == (D(-3), D(110))
    assert position.realized_pnl == D(20)


def test_a_flat_position_has_realised_profit_only():
    position = position_of(INVERSE, ("30", "7"), ("-10", "11"), ("-20", "13"))
    assert position.average_price is None
    assert position.cost == 0
    assert position.unrealized_pnl(D(9)) == 0
    assert position.realized_pnl > 0


def test_a_fee_in_the_base_of_a_spot_trade_counts_at_its_price():
    position = Position(SPOT)
    position.apply(fill("2", "100", "0.01", "BTC"))
    position.apply(fill("-1", "100", "0.5", "USDC"))
    position.apply(fill("-1", "100", "0.1", "BNB"))
    assert position.fees == {"USDC": D("1.5"), "BNB": D("0.1")}
    assert position.fees_in_currency() == D("1.5")


def test_plain_has_no_exponent_and_no_tail():
    texts = {"1E+3": "1000", "0.10": "0.1", "-0E-30": "0", "1e-13": "0", "12.5": "12.5"}
    assert {text: str(plain(D(text))) for text in texts} == texts


prices = st.integers(1, 10**7).map(lambda n: D(n) / 100)
quantities = st.integers(-1000, 1000).filter(bool).map(lambda n: D(n) / 10)
trades = st.lists(st.tuples(quantities, prices), min_size=1, max_size=12)
kinds = st.sampled_from([LINEAR, INVERSE, OPTION, SPOT])


def total(position: Position, mark: Decimal) -> Decimal:
    return position.realized_pnl + position.unrealized_pnl(mark)


def same(a: Position, b: Position, mark: Decimal) -> bool:
    pairs = [
        (a.cost, b.cost),
        (a.realized_pnl, b.realized_pnl),
        (a.unrealized_pnl(mark), b.unrealized_pnl(mark)),
    ]
    return a.quantity == b.quantity and all(abs(x - y) < NEAR for x, y in pairs)


@given(kinds, trades, prices, st.integers(2, 7))
def test_profit_does_not_depend_on_how_fills_are_split(kind, rows, mark, parts):
    whole = position_of(kind, *rows)
    split = Position(kind)
    for quantity, price in rows:
        for part in range(parts):
            share = (quantity / parts).quantize(D("0.001"))
            last = quantity - share * (parts - 1)
            split.trade(last if part == parts - 1 else share, price)
    assert same(whole, split, mark)


@given(kinds, st.lists(quantities, min_size=2, max_size=8), prices, prices, st.randoms())
def test_the_order_of_fills_at_one_price_does_not_matter(kind, sizes, price, mark, chance):
    shuffled = list(sizes)
    chance.shuffle(shuffled)
    one = position_of(kind, *((size, price) for size in sizes))
    other = position_of(kind, *((size, price) for size in shuffled))
    assert same(one, other, mark)


@given(kinds, trades, prices)
def test_total_profit_is_what_each_fill_made_by_itself(kind, rows, mark):
    """Money neither appears nor vanishes: adds, closes and flips only move it between the two."""
    alone = sum((total(position_of(kind, row), mark) for row in rows), D(0))
    assert abs(total(position_of(kind, *rows), mark) - alone) < NEAR


@given(kinds, trades, prices)
def test_closing_at_the_mark_turns_unrealised_into_realised(kind, rows, mark):
    position = position_of(kind, *rows)
    before = total(position, mark)
    if position.quantity:
        position.trade(-position.quantity, mark)
    assert position.quantity == position.cost == 0
    assert abs(position.realized_pnl - before) < NEAR


@given(kinds, st.tuples(quantities, prices), trades)
def test_replay_finds_what_was_realised_when_the_opening_can_be_known(kind, opening, rows):
    """Adds and partial closes keep a trace of the opening in the average; zero wipes it out."""
    position = position_of(kind, opening)
    fills, start = [], position.quantity
    for quantity, price in rows:
        after = position.quantity + quantity
        if after * start <= 0 or abs(after) * 20 < abs(position.quantity):
            continue
        position.trade(quantity, price)
        fills.append(fill(quantity, price))
    again = replay(kind, fills, position.quantity, position.average_price)
    assert again.quantity == position.quantity
    assert abs(again.realized_pnl - position.realized_pnl) < D("1e-12")


def test_replay_from_flat_is_exact_and_through_zero_gives_the_unknown_part_no_profit():
    fills = [fill("10", "100"), fill("-10", "200")]
    assert replay(INVERSE, fills, D(0), None).realized_pnl == D("0.05")
    through = [fill("-10", "100"), fill("10", "50")]
    assert replay(INVERSE, through, D(10), D(50)).realized_pnl == 0
    assert replay(INVERSE, [], D(10), D(50)).average_price == D(50)
