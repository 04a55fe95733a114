"""Order entry of Deribit: calls become frames, answers and channels become records."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from common.config import Credentials, Secret
from common.domain.order import Facts
from common.errors import VenueProtocolError
from common.messages import (
    CancelAll,
    InstrumentKind,
    Liquidity,
    OrderStatus,
    OrderTrigger,
    OrderType,
    OrderUpdated,
    RejectReason as R,
    Side,
    TimeInForce,
    TriggerPrice,
)
from common.venues import order_entry as entry
from common.venues.deribit.order_payloads import (
    decode_order,
    decode_orders,
    decode_positions,
    decode_trades,
    plain,
)
from common.venues.deribit.orders import OrderEntry

D = Decimal
NOW = 1_700_000_000_000_000_000

# Made up in the documented shapes; the venue leaves members out and adds others at will.
RESTING: dict[str, Any] = {
    "order_id": "ETH-1234",
    "order_state": "open",
    "order_type": "limit",
    "price": 2000.05,
    "amount": 10.0,
    "contracts": 10.0,
    "time_in_force": "good_til_cancelled",
    "instrument_name": "ETH-PERPETUAL",
    "direction": "buy",
    "filled_amount": 4.0,
    "average_price": 2000.0,
    "label": "42",
    "post_only": True,
    "reduce_only": False,
    "api": True,
    "starbase_unknown": {"new": [1]},
    "creation_timestamp": 1700000000000,
    "last_update_timestamp": 1700000001000,
}
WAITING_STOP = RESTING | {
    "order_id": "BTC-SLMB-7",
    "order_state": "untriggered",
    "order_type": "stop_market",
    "price": "market_price",
    "trigger": "mark_price",
    "trigger_price": 1500.0,
}
del WAITING_STOP["filled_amount"], WAITING_STOP["average_price"]
TRADE: dict[str, Any] = {
    "trade_id": "ETH-77",
    "order_id": "ETH-1234",
    "instrument_name": "ETH-PERPETUAL",
    "direction": "buy",
    "price": 2000.05,
    "amount": 4.0,
    "fee": -1.2e-06,
    "fee_currency": "ETH",
    "liquidity": "M",
    "timestamp": 1700000000500,
    "label": "42",
    "state": "open",
    "trade_seq": 9,
    "matching_id": None,
}


def raw(value: object) -> bytes:
    return json.dumps(value).encode()


def order(**more: Any) -> OrderUpdated:
    values: dict[str, Any] = {
        "client_order_id": "42",
        "venue_order_id": "",
        "instrument": "deribit.BTC-PERPETUAL",
        "venue": "deribit",
        "account": "main",
        "owner": "",
        "side": Side.SELL,
        "order_type": OrderType.LIMIT,
        "price": D("50000.5"),
        "quantity": D("100"),
        "time_in_force": TimeInForce.GTC,
        "status": OrderStatus.PENDING_NEW,
        "cum_quantity": D(0),
        "leaves_quantity": D("100"),
        "avg_price": None,
        "event": OrderTrigger.PLACED,
        "revision": 1,
        "created_ns": NOW,
        "updated_ns": NOW,
    }
    return OrderUpdated(**(values | more))


@pytest.fixture
def desk() -> OrderEntry:
    made = OrderEntry(Credentials("id", Secret("a secret")), cancel_on_disconnect=False)
    made.on_up(NOW)
    return made


def call(made: entry.VenueCall) -> tuple[str, dict[str, Any]]:
    frame = json.loads(made.frame)
    assert frame["method"] == made.method
    return frame["method"], frame["params"]


def answer(desk: OrderEntry, made: entry.VenueCall, **what: object) -> list[entry.EntryEvent]:
    return desk.parse(raw({"jsonrpc": "2.0", "id": json.loads(made.frame)["id"]} | what), NOW)


def test_prices_and_quantities_travel_as_exact_numbers(desk: OrderEntry):
    made = desk.place(order(price=D("0.00000001")), "X", NOW, False, None)
    assert b'"amount":100,' in made.frame and b'"price":1E-8' in made.frame


PLACES = [
    (
        {"order_type": OrderType.MARKET, "price": None},
        {"type": "market", "amount": 100},
    ),
    (
        {
            "order_type": OrderType.STOP,
            "price": None,
            "trigger_price": D("45000"),
            "trigger": TriggerPrice.LAST,
        },
        {
            "type": "stop_market",
            "trigger": "last_price",
            "trigger_price": 45000,
            "time_in_force": "good_til_cancelled",
        },
    ),
    (
        {"order_type": OrderType.STOP_LIMIT, "trigger_price": D("45000")},
        {"type": "stop_limit", "trigger": "mark_price", "price": 50000.5},
    ),
    ({"time_in_force": TimeInForce.IOC}, {"time_in_force": "immediate_or_cancel"}),
    ({"time_in_force": TimeInForce.FOK}, {"time_in_force": "fill_or_kill"}),
    ({"time_in_force": TimeInForce.DAY}, {"time_in_force": "good_til_day"}),
    ({"post_only": True}, {"post_only": True, "reject_post_only": True}),
    ({"reduce_only": True}, {"reduce_only": True}),
]


@pytest.mark.parametrize(("given_order", "params"), PLACES)
def test_every_kind_of_order_has_its_words(
    desk: OrderEntry, given_order: dict[str, Any], params: dict[str, Any]
):
    method, sent = call(desk.place(order(**given_order), "BTC-PERPETUAL", NOW, False, None))
    assert method == "private/sell"
    assert sent["label"] == "42" and sent["valid_until"] == NOW // 1_000_000
    assert {key: sent.get(key) for key in params} == params


def test_a_market_order_carries_no_price_and_no_time_in_force(desk: OrderEntry):
    market = order(order_type=OrderType.MARKET, price=None)
    _, sent = call(desk.place(market, "BTC-PERPETUAL", NOW, False, None))
    assert "price" not in sent and "time_in_force" not in sent


def test_reprice_lets_the_venue_move_a_post_only_order(desk: OrderEntry):
    _, sent = call(desk.place(order(post_only=True), "BTC-PERPETUAL", NOW, True, None))
    assert (sent["post_only"], sent["reject_post_only"]) == (True, False)


def test_a_modify_sends_again_what_stays(desk: OrderEntry):
    resting = order(venue_order_id="V1", reduce_only=True)
    method, sent = call(desk.modify(resting, Facts(price=D("50001")), NOW, None))
    assert method == "private/edit"
    assert sent == {
        "order_id": "V1",
        "amount": 100,
        "price": 50001,
        "reduce_only": True,
        "valid_until": NOW // 1_000_000,
    }


def test_a_cancel_goes_by_id_or_by_label_while_the_id_is_unknown(desk: OrderEntry):
    assert call(desk.cancel(order(venue_order_id="V1"), "BTC", None)) == (
        "private/cancel",
        {"order_id": "V1"},
    )
    assert call(desk.cancel(order(), "BTC", None)) == (
        "private/cancel_by_label",
        {"label": "42", "currency": "BTC"},
    )


@pytest.mark.parametrize(
    ("filters", "method"),
    [
        (CancelAll(), "private/cancel_all"),
        (CancelAll(instrument="x"), "private/cancel_all_by_instrument"),
        (CancelAll(currency="BTC"), "private/cancel_all_by_currency"),
        (CancelAll(kind=InstrumentKind.OPTION), "private/cancel_all_by_kind_or_type"),
        (
            CancelAll(kind=InstrumentKind.SPOT, currency="USDC"),
            "private/cancel_all_by_kind_or_type",
        ),
        (CancelAll(kind=InstrumentKind.PERPETUAL), None),
        (CancelAll(kind=InstrumentKind.FUTURE), None),
        (CancelAll(tag="t"), None),
        (CancelAll(owner="o"), None),
        (CancelAll(instrument="x", currency="BTC"), None),
    ],
)
def test_only_filters_the_venue_knows_become_one_call(
    desk: OrderEntry, filters: CancelAll, method: str | None
):
    made = desk.cancel_all(filters, "X", None)
    assert (made.method if made else None) == method


def test_an_open_order_partly_filled(desk: OrderEntry):
    seen = decode_order(raw(RESTING))
    assert seen.state is entry.VenueOrderState.OPEN
    assert (seen.quantity, seen.cum_quantity, seen.price) == (D("10"), D("4"), D("2000.05"))
    assert (seen.label, seen.updated_ns) == ("42", 1_700_000_001_000_000_000)


def test_a_waiting_stop_has_no_price_and_may_lack_amounts(desk: OrderEntry):
    seen = decode_order(raw(WAITING_STOP))
    assert (seen.order_type, seen.price, seen.cum_quantity) == (OrderType.STOP, None, D(0))
    assert (seen.trigger, seen.trigger_price) == (TriggerPrice.MARK, D("1500"))


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"order_state": "filled"}, entry.VenueOrderState.FILLED),
        ({"order_state": "rejected"}, entry.VenueOrderState.REJECTED),
        (
            {"order_state": "cancelled", "cancel_reason": "user_request"},
            entry.VenueOrderState.CANCELED,
        ),
        (
            {"order_state": "cancelled", "cancel_reason": "settlement"},
            entry.VenueOrderState.EXPIRED,
        ),
        ({"order_state": "triggered"}, entry.VenueOrderState.OPEN),
    ],
)
def test_states_of_the_venue(change: dict[str, str], state: entry.VenueOrderState):
    assert decode_order(raw(RESTING | change)).state is state


def test_a_market_order_shown_as_a_limit_order_is_a_market_order():
    shown = RESTING | {"original_order_type": "market", "price": 2030.0}
    seen = decode_order(raw(shown))
    assert (seen.order_type, seen.price) == (OrderType.MARKET, None)


def test_a_fill_keeps_its_own_side_rebate_and_liquidity():
    (fill,), complete = decode_trades(raw({"trades": [TRADE], "has_more": False}))
    assert complete and fill.side is Side.BUY and fill.liquidity is Liquidity.MAKER
    assert (fill.fee, fill.price, fill.exec_id) == (D("-0.0000012"), D("2000.05"), "ETH-77")
    assert decode_trades(raw([TRADE]))[0] == [fill]
    assert not decode_trades(raw({"trades": [], "has_more": True}))[1]


def test_positions_are_signed():
    text = raw([{"instrument_name": "BTC-PERPETUAL", "size": -40.0, "kind": "future"}])
    assert decode_positions(text) == {"BTC-PERPETUAL": D("-40")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0", "10"), ("1e2", "100"), ("1.583e-5", "0.00001583"), ("0.0", "0"), ("-5.50", "-5.5")],
)
def test_numbers_lose_their_trailing_zeros(text: str, expected: str):
    assert f"{plain(D(text))}" == expected


@pytest.mark.parametrize(
    "change",
    [
        {"order_state": "bewitched"},
        {"order_type": "dream"},
        {"direction": "sideways"},
        {"time_in_force": "forever"},
        {"amount": "ten"},
        {"amount": 1e300},
        {"price": {}},
        {"order_id": 7},
        {"filled_amount": True},
    ],
)
def test_row_39_unknown_words_and_numbers_are_errors_and_not_guesses(change: dict[str, object]):
    with pytest.raises(VenueProtocolError):
        decode_order(raw(RESTING | change))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_is_read_or_refused_by_the_declared_error(value: object):
    text = raw(value)
    for decode in (decode_order, decode_orders, decode_trades, decode_positions):
        try:
            decode(text)
        except VenueProtocolError as error:
            assert "deribit" in str(error)


def test_channels_become_orders_and_fills(desk: OrderEntry):
    def told(channel: str, data: object) -> list[entry.EntryEvent]:
        return desk.parse(
            raw({"method": "subscription", "params": {"channel": channel, "data": data}}), NOW
        )

    (seen,) = told("user.orders.any.any.raw", RESTING)
    assert isinstance(seen, entry.OrderSeen)
    assert len(told("user.orders.any.any.100ms", [RESTING, WAITING_STOP])) == 2
    (filled,) = told("user.trades.any.any.raw", [TRADE])
    assert isinstance(filled, entry.FillSeen)
    assert told("user.access_log", {}) == []


def test_an_answer_brings_the_order_and_its_first_fills(desk: OrderEntry):
    made = desk.place(order(), "ETH-PERPETUAL", NOW, False, "context")
    (done,) = answer(desk, made, result={"order": RESTING, "trades": [TRADE]})
    assert isinstance(done, entry.CallDone) and done.context == "context"
    assert (len(done.orders), len(done.fills), done.refused) == (1, 1, None)


ERRORS = [
    (10009, "not_enough_funds", R.NOT_ENOUGH_FUNDS, False),
    (11054, "post_only_reject", R.POST_ONLY_WOULD_CROSS, False),
    (10043, "price_wrong_tick", R.PRICE_OFF_TICK, False),
    (10007, "price_too_high 43666.4288", R.BAD_PRICE, False),
    (10002, "qty_too_low", R.MIN_QUANTITY, False),
    (10004, "order_not_found", R.UNKNOWN_ORDER, False),
    (11044, "not_open_order", R.ORDER_CLOSED, False),
    (13888, "timed_out", R.LATE, False),
    (10041, "settlement_in_progress", R.INSTRUMENT_NOT_TRADING, False),
    (11094, "internal_server_error", R.VENUE_REFUSED, True),
    (10050, "lock_time_exceeded", R.VENUE_REFUSED, True),
    (98765, "never_heard_of", R.VENUE_REFUSED, True),
]


@pytest.mark.parametrize(("code", "message", "reason", "unknown"), ERRORS)
def test_errors_are_reasons_and_unsure_ones_are_unknown(
    desk: OrderEntry, code: int, message: str, reason: R, unknown: bool
):
    made = desk.place(order(), "X", NOW, False, "context")
    (done,) = answer(desk, made, error={"code": code, "message": message})
    assert isinstance(done, entry.CallDone) and done.refused is not None
    assert (done.refused.reason, done.refused.unknown) == (reason, unknown)
    assert message in done.refused.text and str(code) in done.refused.text


def test_a_bad_parameter_names_our_field(desk: OrderEntry):
    made = desk.place(order(), "X", NOW, False, "context")
    error = {"code": -32602, "message": "Invalid params", "data": {"param": "amount"}}
    (done,) = answer(desk, made, error=error)
    assert isinstance(done, entry.CallDone) and done.refused is not None
    assert (done.refused.reason, done.refused.field) == (R.BAD_QUANTITY, "quantity")


def test_a_broken_rate_limit_is_told_beside_the_refusal(desk: OrderEntry):
    made = desk.place(order(), "X", NOW, False, "context")
    events = answer(desk, made, error={"code": 10028, "message": "too_many_requests"})
    assert [type(event) for event in events] == [entry.CallDone, entry.RateLimited]


def test_an_unreadable_answer_leaves_the_outcome_unknown(desk: OrderEntry):
    made = desk.place(order(), "X", NOW, False, "context")
    done, warned = answer(desk, made, result={"order": {"order_id": 1}, "trades": []})
    assert isinstance(done, entry.CallDone) and done.refused is not None
    assert done.refused.unknown and isinstance(warned, entry.Warned)


def test_the_link_is_ready_when_both_channels_are_granted():
    desk = OrderEntry(Credentials("id", Secret("a secret")), cancel_on_disconnect=False)
    subscribe = json.loads(desk.on_up(NOW)[-1])
    channels = subscribe["params"]["channels"]
    granted = raw({"id": subscribe["id"], "result": channels[::-1]})
    assert desk.parse(granted, NOW) == [entry.LinkReady()]


def test_a_channel_that_is_missing_from_the_answer_is_refused():
    desk = OrderEntry(Credentials("id", Secret("a secret")), cancel_on_disconnect=False)
    subscribe = json.loads(desk.on_up(NOW)[-1])
    granted = raw({"id": subscribe["id"], "result": subscribe["params"]["channels"][:1]})
    (event,) = desk.parse(granted, NOW)
    assert isinstance(event, entry.LinkRefused) and "user.trades" in event.text


@pytest.mark.parametrize("result", [b"{}", b"[1]", b'["\xff"]', b"5"])
def test_an_unreadable_grant_of_channels_closes_the_link_to_try_again(result: bytes):
    desk = OrderEntry(Credentials("id", Secret("a secret")), cancel_on_disconnect=False)
    number = json.loads(desk.on_up(NOW)[-1])["id"]
    (event,) = desk.parse(b'{"id":%d,"result":%b}' % (number, result), NOW)
    assert isinstance(event, entry.LinkRefused) and not event.final


def test_a_refused_login_is_final_when_the_credentials_are_wrong():
    desk = OrderEntry(Credentials("id", Secret("a secret")), cancel_on_disconnect=False)
    login = next(c for c in map(json.loads, desk.on_up(NOW)) if c["method"] == "public/auth")
    error = {"code": 13004, "message": "invalid_credentials"}
    (event,) = desk.parse(raw({"id": login["id"], "error": error}), NOW)
    assert isinstance(event, entry.LinkRefused) and event.final
    assert "a secret" not in event.text


def test_a_cut_link_gives_back_the_calls_without_an_answer(desk: OrderEntry):
    desk.place(order(), "X", NOW, False, "first")
    desk.cancel(order(venue_order_id="V1"), "BTC", "second")
    assert desk.on_down() == ["first", "second"]
