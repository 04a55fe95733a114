"""Deribit's account feed: frames shaped as the venue documents them, in; reports out.

Figures of the position, the change and the fill are those of payloads seen on the real venue.
"""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from common.config import Credentials, Secret
from common.errors import VenueProtocolError
from common.messages import Liquidity, Side
from common.venues import accounts as a
from common.venues.deribit.account import CHANNELS, AccountFeed
from common.venues.streams import FrameToSend

D = Decimal
POSITION = {
    "instrument_name": "BTC-PERPETUAL",
    "kind": "future",
    "direction": "buy",
    "size": 40.0,
    "size_currency": 3.66076e-4,
    "average_price": 112585.87,
    "mark_price": 109266.97,
    "index_price": 109317.75,
    "settlement_price": 109351.31,
    "delta": 3.66076e-4,
    "floating_profit_loss": -2.82e-7,
    "total_profit_loss": -1.0792e-5,
    "initial_margin": 7.322e-6,
    "maintenance_margin": 3.661e-6,
    "estimated_liquidation_price": 0.41,
    "some_new_member": {"starbase": 1},
}
TRADE = {
    "trade_id": "ETH-40215115",
    "trade_seq": 22483849,
    "order_id": "ETH-41421995110",
    "instrument_name": "ETH-PERPETUAL",
    "direction": "buy",
    "price": 4580.05,
    "amount": 100.0,
    "fee": -2.1e-07,
    "fee_currency": "ETH",
    "liquidity": "M",
    "label": "9223372036854775809",
    "timestamp": 1757938366470,
    "matching_id": None,
}
SUMMARY = {
    "currency": "BTC",
    "balance": 302.60065765,
    "equity": 302.61869214,
    "available_funds": 301.38059622,
    "initial_margin": 1.24669592,
    "maintenance_margin": 0.8857841,
    "total_pl": -0.33084225,
    "session_rpl": -0.03258105,
    "options_value": -0.0086,
    "delta_total_map": {"btc_usd": 31.594357699},
}


def make_feed() -> AccountFeed:
    return AccountFeed(Credentials("id", Secret("secret")), account="main")


def answer(feed: AccountFeed, frame: bytes, **rest) -> list:
    reply = {"jsonrpc": "2.0", "id": json.loads(frame)["id"], "usIn": 1000, "usOut": 2500, **rest}
    return feed.parse(json.dumps(reply).encode(), 1)


def notify(feed: AccountFeed, channel: str, data) -> list:
    params = {"channel": channel, "data": data}
    message = {"jsonrpc": "2.0", "method": "subscription", "params": params}
    return feed.parse(json.dumps(message).encode(), 1)


def logged_in() -> tuple[AccountFeed, bytes]:
    """A feed after its login, and the subscribe call that it then makes."""
    feed = make_feed()
    login = next(frame for frame in feed.on_up(1) if b"public/auth" in frame)
    tokens = {"access_token": "t", "refresh_token": "r", "expires_in": 900, "scope": ""}
    (sent,) = answer(feed, login, result=tokens)
    return feed, sent.frame


def test_it_follows_the_channels_first_and_then_asks_for_the_whole_state():
    feed, subscribe = logged_in()
    assert json.loads(subscribe)["params"] == {"channels": CHANNELS}
    opened, *asked = answer(feed, subscribe, result=CHANNELS)
    assert opened == a.AccountOpened()
    methods = [json.loads(each.frame)["method"] for each in asked]
    assert methods == ["private/get_positions", "private/get_account_summaries"]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"result": CHANNELS[:1]}, "the venue does not give us user.portfolio.any"),
        ({"error": {"code": 13009, "message": "unauthorized"}}, "private/subscribe: unauthorized"),
    ],
)
def test_a_key_that_may_not_read_the_account_is_refused(reply, text):
    feed, subscribe = logged_in()
    assert answer(feed, subscribe, **reply) == [a.AccountRefused(text)]


def test_a_refused_login_is_told_with_its_code():
    feed = make_feed()
    login = next(frame for frame in feed.on_up(1) if b"public/auth" in frame)
    error = {"code": 13004, "message": "invalid_credentials"}
    assert answer(feed, login, error=error) == [
        a.AccountRefused("login refused: invalid_credentials (13004)")
    ]


def test_positions_come_with_the_venue_time_they_were_true_at():
    feed = make_feed()
    frames = feed.ask_state()
    assert json.loads(frames[0])["params"] == {"currency": "any"}
    flat = {"instrument_name": "ETH-PERPETUAL", "size": 0, "direction": "zero"}
    (listed,) = answer(feed, frames[0], result=[POSITION, flat])
    assert (listed.from_ns, listed.to_ns) == (1_000_000, 2_500_000)
    long, none = listed.reports
    assert long == a.PositionReport(
        instrument="deribit.BTC-PERPETUAL",
        quantity=D(40),
        average_price=D("112585.87"),
        unrealized_pnl=D("-0.000010792"),
        initial_margin=D("0.000007322"),
        maintenance_margin=D("0.000003661"),
        mark_price=109266.97,
        index_price=109317.75,
        delta=3.66076e-4,
        liquidation_price=0.41,
    )
    assert str(long.quantity) == "40"
    assert (none.quantity, none.average_price) == (0, None)


def test_balances_come_from_the_answer_and_from_the_channel():
    feed = make_feed()
    (listed,) = answer(feed, feed.ask_state()[1], result={"summaries": [SUMMARY]})
    (told,) = notify(feed, "user.portfolio.any", SUMMARY)
    assert listed == told
    (btc,) = listed.reports
    assert (btc.currency, btc.equity, btc.available) == (
        "BTC",
        D("302.61869214"),
        D("301.38059622"),
    )
    assert (btc.unrealized_pnl, btc.realized_pnl) == (D("-0.33084225"), D("-0.03258105"))


def test_a_change_carries_own_fills_and_the_position_after_them():
    data = {"instrument_name": "x", "trades": [TRADE], "positions": [POSITION], "orders": [{}]}
    (change,) = notify(make_feed(), "user.changes.any.any.raw", data)
    (fill,) = change.fills
    assert (fill.exec_id, fill.client_order_id) == ("ETH-40215115", "9223372036854775809")
    assert (fill.instrument, fill.account) == ("deribit.ETH-PERPETUAL", "main")
    assert (fill.side, fill.liquidity) == (Side.BUY, Liquidity.MAKER)
    assert (fill.last_price, fill.last_quantity) == (D("4580.05"), D(100))
    assert (fill.fee, fill.fee_currency) == (D("-0.00000021"), "ETH")
    assert fill.filled_ns == 1757938366470_000_000
    assert change.reports[0].quantity == 40


def test_missed_fills_are_asked_for_by_instrument_or_currency():
    feed = make_feed()
    frame = feed.ask_fills("deribit.ETH-PERPETUAL", 5_000_000, 9_000_000)
    params = json.loads(frame)["params"]
    assert params["instrument_name"] == "ETH-PERPETUAL"
    assert (params["start_timestamp"], params["end_timestamp"]) == (5, 9)
    change, told = answer(feed, frame, result={"trades": [TRADE], "has_more": False})
    assert len(change.fills) == 1 and change.reports == []
    assert told == a.FillsTold(instrument="deribit.ETH-PERPETUAL")
    frames = feed.ask_all_fills(["BTC", "ETH"], 0, 1)
    assert [json.loads(each)["params"]["currency"] for each in frames] == ["BTC", "ETH"]


def test_more_fills_than_an_answer_holds_are_asked_for_page_by_page():
    """From the last time of a page on, so that others of that time are not left out."""
    feed = make_feed()
    (frame,) = feed.ask_all_fills(["ETH"], 0, 9_000_000_000)
    pages = [[1, 3, 5], [5, 5, 5], [6, 7], []]
    starts = []
    for number, times in enumerate(pages):
        starts.append(json.loads(frame)["params"]["start_timestamp"])
        trades = [TRADE | {"timestamp": time} for time in times]
        change, then = answer(feed, frame, result={"trades": trades, "has_more": number < 3})
        assert len(change.fills) == len(times)
        if number < 3:
            frame = then.frame
    assert starts == [0, 5, 6, 7]
    assert then == a.FillsTold(currency="ETH")


def test_an_answer_with_an_error_names_the_call():
    feed = make_feed()
    error = {"code": 10028, "message": "too_many_requests"}
    failed = answer(feed, feed.ask_state()[0], error=error)
    assert failed == [a.AccountCallFailed("private/get_positions", "too_many_requests")]


def test_a_test_request_is_answered_and_other_channels_are_nothing_to_us():
    feed = make_feed()
    asked = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    (sent,) = feed.parse(asked, 1)
    assert isinstance(sent, FrameToSend) and b"public/test" in sent.frame
    assert notify(feed, "announcements", {}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"direction": "zero"},
        {"liquidity": "X"},
        {"amount": 0},
        {"amount": -1},
        {"price": -1},
        {"price": "NaN"},
        {"amount": "Infinity"},
        {"price": "1e999"},
        {"fee": "1e-999"},
        {"trade_id": ""},
        {"instrument_name": None},
        {"timestamp": "soon"},
    ],
)
def test_a_trade_that_makes_no_sense_is_a_broken_protocol(change):
    with pytest.raises(VenueProtocolError):
        notify(make_feed(), "user.changes.any.any.raw", {"trades": [TRADE | change]})


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("user.changes.any.any.raw", []),
        ("user.changes.any.any.raw", {"positions": [{"size": 1}]}),
        ("user.changes.any.any.raw", {"positions": [POSITION | {"size": "1e999999"}]}),
        ("user.portfolio.any", None),
        ("user.portfolio.any", {"currency": "BTC"}),
        ("user.portfolio.any", SUMMARY | {"equity": "many"}),
    ],
)
def test_data_of_another_shape_is_a_broken_protocol(channel, data):
    with pytest.raises(VenueProtocolError):
        notify(make_feed(), channel, data)


texts = st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@given(values, st.sampled_from(sorted(POSITION)), st.sampled_from(sorted(TRADE)))
def test_nothing_but_a_protocol_error_comes_out_of_strange_values(value, field, member):
    positions, trades = [POSITION | {field: value}], [TRADE | {member: value}]
    data = {"positions": positions, "trades": trades}
    with contextlib.suppress(VenueProtocolError):
        notify(make_feed(), "user.changes.any.any.raw", data)


def test_a_fill_of_a_combo_may_have_a_negative_price_and_its_legs_name_it():
    combo = "ETH-FS-25DEC26_PERP"
    leg = TRADE | {"combo_id": combo, "combo_trade_id": "7"}
    own = TRADE | {"trade_id": "ETH-7", "instrument_name": combo, "price": -3.5, "legs": [leg]}
    (change,) = notify(make_feed(), "user.changes.any.any.raw", {"trades": [own, leg]})
    ours, of_leg = change.fills
    assert (ours.combo, ours.last_price) == (f"deribit.{combo}", D("-3.5"))
    assert not ours.moves_position and not ours.is_leg
    assert of_leg.combo == ours.combo and of_leg.moves_position and of_leg.is_leg
    with pytest.raises(VenueProtocolError):
        notify(make_feed(), "user.changes.any.any.raw", {"trades": [leg | {"price": -1}]})
