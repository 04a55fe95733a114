"""Positions that change without a fill: told, taken over, and a reason to take less risk."""

from __future__ import annotations

import msgspec
import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.messages import RejectReason as R
from tests.services.trading_engine.kit import PERP, PERPETUAL, SECOND, T0, Bench, D, place

SYMBOL = "BTC-PERPETUAL"
TAKEN_OVER = "a position changed without a fill: taken over from the venue"


def bench(**config: object) -> Bench:
    limits = LimitsConfig(max_external_orders=5)
    made = Bench(**{"limits": limits} | config).start()
    made.advance(1)
    return made


def differs(made: Bench, theirs: str, ours: str = "0") -> None:
    """The position server tells it."""
    told = m.PositionDifference("deribit", "main", PERP, D(ours), D(theirs), made.now)
    made.bus("risk.deribit.main", told)


def held(made: Bench) -> object:
    return made.engine._state.store.positions.get(PERP, D(0))


def alerts(made: Bench) -> list[c.Alert]:
    return [x for x in made.commands if isinstance(x, c.Alert) and x.text == TAKEN_OVER]


@pytest.mark.parametrize("seen", ["the position server tells", "the link broke"])
def test_row_40_a_position_that_changed_without_a_fill_reduces(seen: str) -> None:
    made = bench()
    made.twin.positions[SYMBOL] = 30.0
    if seen == "the link broke":
        made.cut()
        made.connect()
    else:
        differs(made, "30")
    made.advance(1)
    assert held(made) == D(30)
    (told,) = alerts(made)
    assert told.fields == {"instrument": PERP, "ours": "0", "theirs": "30"}
    refused = made.asked(place())
    assert refused.reason is R.EXTERNAL_ORDERS and "without a fill" in refused.text
    assert made.asked(place("51000", "30", side=m.Side.SELL)).accepted  # it lowers it
    made.advance(60)
    assert len(alerts(made)) == 1


def test_row_40_an_account_that_others_trade_is_told_only() -> None:
    made = bench(limits=LimitsConfig())
    made.twin.positions[SYMBOL] = 30.0
    differs(made, "30")
    made.advance(1)
    assert held(made) == D(30) and len(alerts(made)) == 1
    assert made.asked(place()).accepted


def test_row_40_a_delivery_at_expiry_is_told_only() -> None:
    made = bench()
    ends = msgspec.structs.replace(PERPETUAL, expiration_ns=T0 + 5 * SECOND)
    made.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [ends]))
    order = made.placed()
    made.deliver(made.twin.fill(order.venue_order_id, 100.0))
    made.advance(10)
    made.twin.positions[SYMBOL] = 0.0
    differs(made, "0", "100")
    made.advance(1)
    assert held(made) == D(0) and len(alerts(made)) == 1
    assert made.engine._state.modes.of("").mode is m.TradingMode.ACTIVE


def test_a_fill_that_got_lost_explains_a_position() -> None:
    made = bench()
    order = made.placed()
    made.twin.fill(order.venue_order_id, 30.0)  # nobody hears of it
    differs(made, "30")
    made.advance(5)
    assert held(made) == D(30) and not alerts(made)
    assert [fill.last_quantity for fill in made.fills()] == [D(30)]
    assert made.asked(place()).accepted


def test_a_difference_that_only_the_position_server_has_is_nothing_to_the_engine() -> None:
    made = bench()
    calls = len(made.twin.calls("private/get_positions"))
    differs(made, "0", "30")
    made.advance(5)
    assert len(made.twin.calls("private/get_positions")) == calls


@pytest.mark.parametrize("restarted", [False, True])
def test_a_fill_of_the_moment_of_reading_counts_once_and_is_no_change(restarted: bool) -> None:
    """The positions were listed just before it, and its time is told in whole milliseconds."""
    made = bench()
    order = made.placed()
    answer = made.twin.receive

    def just_after(frame: bytes) -> list[bytes]:
        told = answer(frame)
        if b"private/get_positions" in frame and not made.twin.trades:
            told += made.twin.fill(order.venue_order_id, 30.0)
        return told

    made.twin.receive = just_after  # type: ignore[method-assign]
    if restarted:
        made = made.restart(limits=LimitsConfig(max_external_orders=5)).start()
    else:
        made.cut()
        made.connect()
    made.advance(1)
    assert held(made) == D(30) and not alerts(made)
    assert made.asked(place()).accepted
    calls = len(made.twin.calls("private/get_positions"))
    made.advance(60)
    assert len(made.twin.calls("private/get_positions")) == calls


def test_what_changed_while_the_engine_was_away_is_taken_as_it_is() -> None:
    made = bench()
    made.twin.positions[SYMBOL] = 30.0
    again = made.restart(limits=LimitsConfig(max_external_orders=5)).start()
    assert held(again) == D(30) and not alerts(again)
    assert again.asked(place()).accepted
