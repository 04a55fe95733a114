"""What is sent, and what comes back. Nothing of it may reach an engine or end the gateway."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from services.gateway.channels import parse
from services.gateway.rpc import CallError
from tests.examples import examples
from tests.services.gateway.kit import BTC, Desk, config

LIMIT = {"instrument": BTC, "side": "buy", "quantity": 10, "price": 1}
OCO = LIMIT | {"contingency_type": "oco"}


def _oco(**other: Any) -> dict[str, Any]:
    return OCO | {"linked_orders": [{"side": "sell", "price": "51000"} | other]}


def request(method: Any, params: Any = None, **more: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params} | more)


FRAMES = [
    ("", -32700, ""),
    ("{", -32700, ""),
    ("nonsense", -32700, ""),
    ('{"id":1e999}', -32600, "id"),
    ("[" * 5000, -32700, ""),
    ('{"a":' * 20 + "1" + "}" * 20, -32700, ""),
    ("[]", -32600, ""),
    ("3", -32600, ""),
    ('{"jsonrpc":"1.0","id":7,"method":"health"}', -32600, "jsonrpc"),
    ('{"jsonrpc":"2.0","id":{},"method":"health"}', -32600, "id"),
    ('{"jsonrpc":"2.0","id":true,"method":"health"}', -32600, "id"),
    (request(""), -32600, "method"),
    (request(5), -32600, "method"),
    (request("health", [1]), -32600, "params"),
    (request("no.such"), -32601, "method"),
    (request("health", {"x": 1}), -32602, "x"),
    (request("subscribe"), -32602, "channels"),
    (request("subscribe", {"channels": 5}), -32602, "channels"),
    (request("subscribe", {"channels": [5]}), -32602, "channels"),
    (request("auth", {"key_id": "demo"}), -32602, "secret"),
    (request("auth", {"key_id": "demo", "secret": "wrong"}), -32001, "secret"),
    (request("book"), -32602, "instrument"),
    (request("book", {"instrument": BTC, "levels": 0}), -32602, "levels"),
    (request("book", {"instrument": BTC, "levels": "x"}), -32602, "levels"),
    (request("book", {"instrument": BTC, "levels": 1.5}), -32602, "levels"),
    (request("book", {"instrument": "NOPE"}), -32004, "instrument"),
    (request("book", {"instrument": "a" * 300}), -32602, "instrument"),
    (request("book", {"instrument": "a\u0000b"}), -32602, "instrument"),
    (request("books", {"instruments": []}), -32602, "instruments"),
    (request("books", {"instruments": ["x"] * 501}), -32602, "instruments"),
    (request("instruments", {"kind": "swap"}), -32602, "kind"),
    (request("instruments", {"venue": "nowhere"}), -32602, "venue"),
    (request("positions", {"account": "nobody"}), -32602, "account"),
    (request("positions", {"flat": "perhaps"}), -32602, "flat"),
    (request("order.place", {}), -32602, "instrument"),
    (request("order.place", LIMIT | {"side": "hold"}), -32602, "side"),
    (request("order.place", LIMIT | {"side": None}), -32602, "side"),
    (request("order.place", LIMIT | {"quantity": 0}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": -1}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": "1e999"}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": "NaN"}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": "1" * 41}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": True}), -32602, "quantity"),
    (request("order.place", LIMIT | {"quantity": [1]}), -32602, "quantity"),
    (request("order.place", LIMIT | {"price": "abc"}), -32602, "price"),
    (request("order.place", LIMIT | {"price": None}), -32602, "price"),
    (request("order.place", LIMIT | {"type": "market"}), -32602, "price"),
    (request("order.place", LIMIT | {"type": "stop_limit"}), -32602, "trigger_price"),
    (request("order.place", LIMIT | {"trigger": "mark"}), -32602, "trigger"),
    (request("order.place", LIMIT | {"type": "peg"}), -32602, "type"),
    (request("order.place", LIMIT | {"trigger_offset": 1}), -32602, "trigger_offset"),
    (request("order.place", LIMIT | {"display_quantity": "x"}), -32602, "display_quantity"),
    (request("order.place", LIMIT | {"price_type": "eur"}), -32602, "price_type"),
    (request("order.place", LIMIT | {"contingency_type": "oco"}), -32602, "linked_orders"),
    (request("order.place", LIMIT | {"linked_orders": [{}]}), -32602, "contingency_type"),
    (request("order.place", LIMIT | {"linked_orders": [1]}), -32602, "linked_orders"),
    (request("order.place", OCO | {"linked_orders": [{}] * 11}), -32602, "linked_orders"),
    (request("order.place", OCO | {"fill_condition": "last"}), -32602, "fill_condition"),
    (request("order.place", _oco(side=None)), -32602, "linked_orders[0].side"),
    (request("order.place", _oco(quantity=0)), -32602, "linked_orders[0].quantity"),
    (request("order.place", _oco(type="stop")), -32602, "linked_orders[0].price"),
    (request("order.place", _oco(pricee=1)), -32602, "linked_orders[0].pricee"),
    (request("order.place", _oco(linked_orders=[])), -32602, "linked_orders[0].linked_orders"),
    (
        request("order.modify", {"client_order_id": "1", "display_quantity": "x"}),
        -32602,
        "display_quantity",
    ),
    (request("order.place", LIMIT | {"time_in_force": "gtx"}), -32602, "time_in_force"),
    (request("order.place", LIMIT | {"post_only": "often"}), -32602, "post_only"),
    (request("order.place", LIMIT | {"pricee": 1}), -32602, "pricee"),
    (request("order.place", LIMIT | {"request_id": "a b"}), -32602, "request_id"),
    (request("order.place", LIMIT | {"request_id": "a" * 65}), -32602, "request_id"),
    (request("order.place", LIMIT | {"tag": "ä"}), -32602, "tag"),
    (request("order.place", LIMIT | {"account": "second"}), -32602, "account"),
    (request("order.place", LIMIT | {"expires_ns": -1}), -32602, "expires_ns"),
    (request("order.modify", {"client_order_id": "1"}), -32602, "price"),
    (request("order.modify", {"price": 1}), -32602, "client_order_id"),
    (request("order.cancel", {"client_order_id": "a b"}), -32602, "client_order_id"),
    (request("order.cancel", {"client_order_id": 5}), -32602, "client_order_id"),
    (request("order.cancel_all", {"kind": "x"}), -32602, "kind"),
    (request("order.list", {"status": "closed"}), -32602, "status"),
    (request("mode.set", {"mode": "FAST", "reason": "x"}), -32602, "mode"),
    (request("mode.set", {"mode": "HALTED"}), -32602, "reason"),
]


@pytest.mark.parametrize(("frame", "code", "field"), FRAMES)
def test_a_bad_frame_is_answered_with_a_code_a_field_and_a_sentence(frame, code, field):
    desk = Desk()
    client = desk.client(1, "demo")
    error = desk.send(client, frame)["error"]
    assert (error["code"], error["data"].get("field", "")) == (code, field)
    assert len(error["message"]) > 8
    assert desk.asked == []
    assert desk.closed == {}


CHANNELS = [
    ("nonsense", "NOT_FOUND"),
    ("book.", "NOT_FOUND"),
    ("book.NOPE", "NOT_FOUND"),
    ("BTC-25DEC26", "AMBIGUOUS"),
    ("quote.BTC-25DEC26", "AMBIGUOUS"),
    (f"depth.{BTC}.0.100ms", "BAD_PARAMETER"),
    (f"depth.{BTC}.21.100ms", "BAD_PARAMETER"),
    (f"depth.{BTC}.x.100ms", "BAD_PARAMETER"),
    (f"depth.{BTC}.5.99999s", "BAD_PARAMETER"),
    (f"depth.{BTC}.5.fast", "NOT_FOUND"),
    ("index.", "NOT_FOUND"),
    ("index.deribit.", "NOT_FOUND"),
    ("orders", "UNAUTHENTICATED"),
    ("positions", "UNAUTHENTICATED"),
]


@pytest.mark.parametrize(("channel", "reason"), CHANNELS)
def test_a_refused_channel_says_why_and_the_others_are_taken(channel, reason):
    desk = Desk()
    answer = desk.subscribe(desk.client(), channel, BTC)
    assert answer["subscribed"] == [f"book.{BTC}"]
    (refused,) = answer["refused"]
    assert (refused["channel"], refused["reason"]) == (channel, reason)
    assert refused["text"]


def test_an_ambiguous_symbol_names_its_candidates():
    desk = Desk()
    (refused,) = desk.subscribe(desk.client(), "BTC-25DEC26")["refused"]
    assert refused["candidates"] == ["deribit.BTC-25DEC26", "other.BTC-25DEC26"]
    (refused,) = desk.subscribe(desk.client(2), "btc-perp")["refused"]
    assert refused["candidates"] == [BTC]


def test_too_many_channels_are_refused_one_by_one():
    desk = Desk(config(max_subscriptions=2))
    client = desk.client()
    assert desk.subscribe(client, f"book.{BTC}", f"quote.{BTC}")["refused"] == []
    (refused,) = desk.subscribe(client, f"trade.{BTC}")["refused"]
    assert refused["reason"] == "RATE_LIMIT"


def test_binary_on_a_text_connection_is_refused():
    desk = Desk()
    answer = desk.send(desk.client(), msgspec.msgpack.encode({"id": 1}), text=False)
    assert answer["error"]["data"]["reason"] == "PARSE_ERROR"


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_answered(payload, binary):
    desk = Desk()
    client = desk.client(1, "demo", binary=binary)
    desk.send(client, payload, text=not binary)
    assert "error" in desk.frames[client][0] or "result" in desk.frames[client][0]


WORDS = st.sampled_from(["book", "depth", "index", "orders", BTC, "BTC-PERPETUAL", "5", "100ms"])


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=6).map(".".join))
def test_any_channel_name_is_a_channel_or_a_call_error(name):
    catalog = Desk().core.reading.catalog
    try:
        assert parse(name, catalog).name
    except CallError as problem:
        assert problem.text


def test_a_symbol_is_an_error_of_its_own_before_the_lists_came():
    desk = Desk()
    desk.core.reading.catalog.__init__()
    (refused,) = desk.subscribe(desk.client(), BTC)["refused"]
    assert refused["reason"] == "UNAVAILABLE"
