"""Deribit's mass quotes and market maker protection: calls become frames, answers records."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from common.config import Credentials, Secret
from common.errors import VenueProtocolError
from common.messages import (
    CancelQuotes,
    InstrumentKind,
    RejectReason as R,
    ResetProtection,
    SetProtection,
    Side,
)
from common.venues import order_entry as entry
from common.venues.deribit.emergency import EmergencyCancels
from common.venues.deribit.order_payloads import decode_order, decode_trades
from common.venues.deribit.orders import OrderEntry

D = Decimal
NOW = 1_700_000_000_000_000_000
NAMES = entry.QuoteTag("9259401383629553666", "set", "mm")
QUOTE: dict[str, Any] = {
    "order_id": "12",
    "order_state": "open",
    "order_type": "limit",
    "price": 0.05,
    "amount": 6.0,
    "filled_amount": 4.0,
    "average_price": 0.05,
    "time_in_force": "good_til_cancelled",
    "instrument_name": "BTC-27MAR26-60000-C",
    "direction": "sell",
    "label": "",
    "quote": True,
    "mmp": True,
    "quote_id": NAMES.quote_id,
    "quote_set_id": "set",
    "mmp_group": "mm",
    "creation_timestamp": 1700000000000,
    "last_update_timestamp": 1700000001000,
}
TRADE: dict[str, Any] = {
    "trade_id": "T1",
    "order_id": "12",
    "instrument_name": "BTC-27MAR26-60000-C",
    "direction": "sell",
    "price": 0.05,
    "amount": 4.0,
    "fee": 0.0003,
    "fee_currency": "BTC",
    "liquidity": "M",
    "timestamp": 1700000000500,
    "quote_id": NAMES.quote_id,
    "quote_set_id": "set",
}


def desk() -> tuple[OrderEntry, entry.Quoting]:
    made = OrderEntry(Credentials("key", Secret("secret")), cancel_on_disconnect=True)
    made.on_up(NOW)
    assert made.quoting is not None
    return made, made.quoting


def sent(call: entry.VenueCall | None) -> dict[str, Any]:
    assert call is not None
    frame: dict[str, Any] = json.loads(call.frame)
    assert frame["method"] == call.method
    params: dict[str, Any] = frame["params"]
    return params


def answered(made: OrderEntry, call: entry.VenueCall, result: Any) -> entry.CallDone:
    frame = {"jsonrpc": "2.0", "id": json.loads(call.frame)["id"], "result": result}
    (done,) = made.parse(json.dumps(frame | {"usIn": 1, "usOut": 2}).encode(), NOW)
    assert isinstance(done, entry.CallDone)
    return done


def test_both_sides_of_an_instrument_are_one_quote_of_one_call() -> None:
    _, quoting = desk()
    sides = [
        entry.QuoteSide("BTC-PERPETUAL", Side.BUY, D("49999.5"), D(100), True),
        entry.QuoteSide("BTC-PERPETUAL", Side.SELL, None, D(0)),
        entry.QuoteSide("ETH-PERPETUAL", Side.SELL, D(3000), D(5)),
    ]
    call = quoting.mass_quote(NAMES, sides, NOW + 2_000_000_000, "context")
    assert call.method == "private/mass_quote"
    both = {"price": 49999.5, "amount": 100, "post_only": True, "reject_post_only": True}
    assert sent(call) == {
        "quote_id": NAMES.quote_id,
        "mmp_group": "mm",
        "detailed": True,
        "valid_until": (NOW + 2_000_000_000) // 1_000_000,
        "quotes": [
            {
                "instrument_name": "BTC-PERPETUAL",
                "quote_set_id": "set",
                "bid": both,
                "ask": {"amount": 0},
            },
            {
                "instrument_name": "ETH-PERPETUAL",
                "quote_set_id": "set",
                "ask": {"price": 3000, "amount": 5},
            },
        ],
    }


def test_an_answer_holds_orders_fills_and_errors_by_side() -> None:
    made, quoting = desk()
    side = entry.QuoteSide("BTC-27MAR26-60000-C", Side.SELL, D("0.05"), D(6))
    call = quoting.mass_quote(NAMES, [side], NOW, "context")
    wrong = {"code": -32602, "message": "Invalid params", "data": {"param": "amount"}}
    errors = [{"instrument_name": "BTC-PERPETUAL", "side": "bid", "error": wrong}]
    done = answered(made, call, {"orders": [QUOTE], "trades": [TRADE], "errors": errors})
    assert done.context == "context" and done.refused is None
    (order,), (fill,), (error,) = done.orders, done.fills, done.quote_errors
    assert (order.venue_order_id, fill.exec_id) == ("12", "T1")
    assert (error.symbol, error.side, error.refused.reason) == (
        "BTC-PERPETUAL",
        Side.BUY,
        R.BAD_QUANTITY,
    )


def test_a_quote_is_named_by_its_request_instrument_and_side() -> None:
    order = decode_order(json.dumps(QUOTE).encode())
    assert order.quote == NAMES
    assert order.label == entry.quote_key(NAMES.quote_id, "BTC-27MAR26-60000-C", Side.SELL)
    (fill,), complete = decode_trades(json.dumps([TRADE]).encode())
    assert fill.label == order.label and complete


@pytest.mark.parametrize(
    ("changes", "quantity"),
    [
        ({}, 10),  # open: what remains and what was filled
        ({"order_state": "filled", "amount": 10.0, "filled_amount": 10.0}, 10),
        ({"order_state": "filled", "amount": 0.0, "filled_amount": 10.0}, 10),
        ({"order_state": "cancelled", "cancel_reason": "mmp_trigger", "amount": 10.0}, 10),
    ],
)
def test_the_amount_of_a_quote_is_what_remains(changes: dict[str, Any], quantity: int) -> None:
    order = decode_order(json.dumps(QUOTE | changes).encode())
    assert order.quantity == quantity
    assert order.text == changes.get("cancel_reason", "")


@pytest.mark.parametrize(
    "result", [{"errors": [{"instrument_name": "X", "side": "up", "error": {}}]}, {"orders": 1}, 7]
)
def test_an_answer_in_another_shape_leaves_the_outcome_open(result: Any) -> None:
    made, quoting = desk()
    call = quoting.mass_quote(NAMES, [], NOW, "context")
    frame = {"jsonrpc": "2.0", "id": json.loads(call.frame)["id"], "result": result}
    done = made.parse(json.dumps(frame | {"usIn": 1, "usOut": 2}).encode(), NOW)[0]
    assert isinstance(done, entry.CallDone) and done.refused is not None and done.refused.unknown


@pytest.mark.parametrize(
    ("filters", "params"),
    [
        (CancelQuotes(), {"cancel_type": "all"}),
        (
            CancelQuotes("deribit.X"),
            {"cancel_type": "instrument", "instrument_name": "X"},
        ),
        (
            CancelQuotes(kind=InstrumentKind.OPTION),
            {"cancel_type": "instrument_kind", "kind": "option"},
        ),
        (CancelQuotes(currency="BTC"), {"cancel_type": "currency", "currency": "BTC"}),
        (CancelQuotes(quote_set="s"), {"cancel_type": "quote_set_id", "quote_set_id": "s"}),
        (
            CancelQuotes(min_delta=0.1, max_delta=0.5),
            {"cancel_type": "delta", "min_delta": 0.1, "max_delta": 0.5},
        ),
        (CancelQuotes(owner="maker"), None),
        (CancelQuotes(mmp_group="mm"), None),
        (CancelQuotes(kind=InstrumentKind.PERPETUAL), None),
        (CancelQuotes(quote_set="s", currency="BTC"), None),
    ],
)
def test_a_call_cancels_exactly_what_the_filters_say(
    filters: CancelQuotes, params: dict[str, Any] | None
) -> None:
    _, quoting = desk()
    call = quoting.cancel_quotes(filters, "X", None)
    assert (sent(call) if call else None) == params


def test_protection_is_set_read_and_reset() -> None:
    made, quoting = desk()
    command = SetProtection("btc_usd", "mm", 5, 10, D(100), D(5), trade_count_limit=3)
    call = quoting.set_protection(command, "set")
    settings = {"index_name": "btc_usd", "mmp_group": "mm", "interval": 5, "frozen_time": 10}
    settings |= {"max_quote_quantity": 100, "quantity_limit": 5, "trade_count_limit": 3}
    assert sent(call) == settings
    done = answered(made, call, settings | {"block_rfq": False})
    assert done.protections == [
        entry.VenueProtection("btc_usd", "mm", 5, 10, D(100), D(5), None, None, 3)
    ]
    config, status = quoting.protections("read")
    assert answered(made, config, [settings]).protections == done.protections
    frozen = [{"index_name": "btc_usd", "mmp_group": "mm", "frozen_until": 1700000000000}]
    assert answered(made, status, frozen).frozen == [entry.ProtectionActed("btc_usd", "mm", NOW)]
    reset = quoting.reset_protection(ResetProtection("btc_usd", ""), "reset")
    assert sent(reset) == {"index_name": "btc_usd"}
    assert answered(made, reset, "ok").refused is None


def test_a_trigger_is_told_on_its_channel() -> None:
    made, _ = desk()
    data = {"index_name": "btc_usd", "mmp_group": "mm", "frozen_until": 0}
    params = {"channel": "user.mmp_trigger.any", "data": data}
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": params}
    told = made.parse(json.dumps(frame).encode(), NOW)
    assert told == [entry.ProtectionActed("btc_usd", "mm", 0)]
    frame["params"] = params | {"data": {"index_name": 1}}
    with pytest.raises(VenueProtocolError):
        made.parse(json.dumps(frame).encode(), NOW)


def test_when_a_protection_ends_is_told_by_our_clock() -> None:
    made, quoting = desk()
    hour_ms = 3_600_000
    first = {"jsonrpc": "2.0", "id": 2, "result": "ok"}  # its times tell the venue's clock
    venue_us = (NOW // 1_000_000 + hour_ms) * 1000
    made.parse(json.dumps(first | {"usIn": venue_us, "usOut": venue_us}).encode(), NOW)
    until_ms = NOW // 1_000_000 + hour_ms + 10_000
    frozen = {"index_name": "btc_usd", "mmp_group": "mm", "frozen_until": until_ms}
    expected = [entry.ProtectionActed("btc_usd", "mm", NOW + 10_000_000_000)]
    _, status = quoting.protections("read")
    assert answered(made, status, [frozen]).frozen == expected
    params = {"channel": "user.mmp_trigger.any", "data": frozen}
    frame = {"jsonrpc": "2.0", "method": "subscription", "params": params}
    assert made.parse(json.dumps(frame).encode(), NOW) == expected


def test_the_stand_alone_kill_switch_knows_a_quote_by_the_same_name() -> None:
    cancels = EmergencyCancels("http://venue/api/v2", Credentials("key", Secret("secret")))
    plain = {"order_id": "13", "instrument_name": "BTC-PERPETUAL", "label": "42"}
    body = json.dumps({"jsonrpc": "2.0", "result": [QUOTE, plain]}).encode()
    quote, other = cancels.parse_open_orders(body)
    assert quote.label == entry.quote_key(NAMES.quote_id, "BTC-27MAR26-60000-C", Side.SELL)
    assert other.label == "42"
