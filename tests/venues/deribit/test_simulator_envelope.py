"""What is sent and what comes back: envelope, errors, parameters, HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from common.venues.deribit.simulator import envelope
from common.venues.deribit.simulator.envelope import Refused
from common.venues.deribit.simulator.methods import METHODS
from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue


@pytest.fixture(scope="module")
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Iterator[Client]:
    made = venue.connect()
    yield made
    made.leave()


def test_an_answer_echoes_the_id_and_tells_the_times(client: Client) -> None:
    answer = client.send(b'{"jsonrpc":"2.0","id":"a7","method":"public/test"}')
    assert answer["id"] == "a7" and answer["testnet"] is True and answer["jsonrpc"] == "2.0"
    assert answer["usDiff"] == answer["usOut"] - answer["usIn"]
    assert answer["usIn"] == client.venue.now_ns // 1000
    assert client.send(b'{"id":0,"method":"public/test","params":{}}')["id"] == 0
    assert "id" not in client.send(b'{"method":"public/test"}')


LONG = b'{"id":1,"method":"public/test","params":{"x":"' + b"x" * 32768 + b'"}}'
BAD_FRAMES: list[tuple[bytes, int, Any]] = [
    (b"", -32700, None),
    (b"{", -32700, None),
    (b"\xff\xfe", -32700, None),
    (b"[" * 10000, -32700, None),
    (b"[]", -32600, None),
    (b'[{"id":1,"method":"public/test"}]', -32600, None),
    (b"7", -32600, None),
    (b"{}", -32600, None),
    (b'{"id":5,"method":5}', -32600, 5),
    (b'{"id":5,"jsonrpc":"1.0","method":"public/test"}', -32600, 5),
    (b'{"id":1.5,"method":"public/test"}', -32600, None),
    (b'{"id":true,"method":"public/test"}', -32600, None),
    (b'{"id":{"a":1},"method":"public/test"}', -32600, None),
    (b'{"id":5,"method":"public/ticker","params":["BTC-PERPETUAL"]}', -32602, 5),
    (b'{"id":5,"method":"public/nonsense"}', -32601, 5),
    (b'{"id":5,"method":"ticker"}', -32601, 5),
    (b'{"id":5,"method":"private/nonsense"}', -32601, 5),
    (b'{"id":5,"method":"private/get_positions"}', 13009, 5),
    (b'{"id":5,"method":"private/get_positions","params":{"access_token":"x"}}', 13009, 5),
    (b'{"id":5,"method":"private/get_positions","params":{"access_token":7}}', -32602, 5),
    (LONG, -32600, None),
]


@pytest.mark.parametrize(("frame", "code", "ident"), BAD_FRAMES, ids=range(len(BAD_FRAMES)))
def test_bad_frames(client: Client, frame: bytes, code: int, ident: Any) -> None:
    answer = client.send(frame)
    assert answer["error"]["code"] == code
    assert answer.get("id") == ident
    assert client.ask("public/test")  # the connection lives on


BAD_PARAMS: list[tuple[str, dict[str, Any], int, str]] = [
    ("public/ticker", {}, -32602, "instrument_name"),
    ("public/ticker", {"instrument_name": 7}, -32602, "instrument_name"),
    ("public/ticker", {"instrument_name": "x" * 2000}, -32602, "instrument_name"),
    ("public/ticker", {"instrument_name": None}, -32602, "instrument_name"),
    ("public/ticker", {"instrument_name": "BTC-1JAN20"}, 13020, ""),
    ("public/get_instruments", {"currency": "XYZ"}, -32602, "currency"),
    ("public/get_instruments", {"kind": "bond"}, -32602, "kind"),
    ("public/get_instruments", {"expired": "yes"}, -32602, "expired"),
    ("public/get_order_book", {"instrument_name": PERPETUAL, "depth": 0}, -32602, "depth"),
    ("public/get_order_book", {"instrument_name": PERPETUAL, "depth": 1.5}, -32602, "depth"),
    ("public/get_order_book", {"instrument_name": PERPETUAL, "depth": "x"}, -32602, "depth"),
    ("public/get_order_book", {"instrument_name": PERPETUAL, "depth": True}, -32602, "depth"),
    ("public/get_order_book_by_instrument_id", {"instrument_id": 1}, 13020, ""),
    ("public/get_index_price", {"index_name": "nix"}, -32602, "index_name"),
    ("public/get_combo_details", {"combo_id": "nix"}, 13020, ""),
    ("public/get_expirations", {"currency": "BTC"}, -32602, "kind"),
    (
        "public/get_last_trades_by_instrument",
        {"instrument_name": PERPETUAL, "count": 1001},
        -32602,
        "count",
    ),
    (
        "public/get_last_trades_by_currency",
        {"currency": "BTC", "start_id": "x"},
        -32602,
        "start_id",
    ),
    (
        "public/get_tradingview_chart_data",
        {
            "instrument_name": PERPETUAL,
            "start_timestamp": 2,
            "end_timestamp": 1,
            "resolution": "1",
        },
        -32602,
        "end_timestamp",
    ),
    (
        "public/get_funding_rate_value",
        {"instrument_name": "BTC_USDC", "start_timestamp": 1, "end_timestamp": 2},
        -32602,
        "instrument_name",
    ),
    ("public/test", {"expected_result": "exception"}, 11094, ""),
    ("public/subscribe", {"channels": "ticker.BTC-PERPETUAL.100ms"}, -32602, "channels"),
    ("public/subscribe", {"channels": [1]}, -32602, "channels"),
    ("public/subscribe", {"channels": ["a"] * 501}, -32602, "channels"),
    ("public/set_heartbeat", {"interval": 9}, -32602, "interval"),
    ("public/set_heartbeat", {"interval": "x"}, -32602, "interval"),
    ("public/set_heartbeat", {}, -32602, "interval"),
]


@pytest.mark.parametrize(("method", "params", "code", "param"), BAD_PARAMS)
def test_bad_parameters_are_named(
    client: Client, method: str, params: dict[str, Any], code: int, param: str
) -> None:
    answer = client.call(method, params)
    assert answer["error"]["code"] == code
    assert answer["error"].get("data", {}).get("param", "") == param
    if code == -32602:
        assert answer["error"]["message"] == "Invalid params"
        assert answer["error"]["data"]["reason"]


def test_unknown_parameters_are_ignored(client: Client) -> None:
    assert client.ask("public/ticker", instrument_name=PERPETUAL, include_old=True, x={"y": 1})


def test_numbers_are_read_exactly_and_never_as_floats() -> None:
    request = envelope.parse(b'{"method":"m","params":{"a":0.1,"b":1e-5,"c":12345678901234567.8}}')
    assert request.params == {
        "a": Decimal("0.1"),
        "b": Decimal("0.00001"),
        "c": Decimal("12345678901234567.8"),
    }


@pytest.mark.parametrize("amount", ["1e400", "-1e400", "1e-400", "123456789012345678901234567890"])
def test_monstrous_numbers_are_refused(client: Client, amount: str) -> None:
    client.login()
    frame = (
        '{"id":1,"method":"private/buy","params":{"instrument_name":"BTC-PERPETUAL","amount":%s}}'
    )
    error = client.send((frame % amount).encode())["error"]
    assert (error["code"], error["data"]["param"]) in ((-32602, "amount"), (-32602, "price"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_refusal(payload: bytes) -> None:
    try:
        envelope.parse(payload)
    except Refused as refused:
        assert refused.code in (-32700, -32600, -32602)
    envelope.request_id(payload)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(set(METHODS) - {"private/logout"})), st.data())
def test_no_parameters_break_the_server(method: str, data: st.DataObject) -> None:
    params = {
        parameter.name: data.draw(values | st.sampled_from([PERPETUAL, "BTC", "any", 1, 10.5]))
        for parameter in METHODS[method].parameters
        if parameter.required or data.draw(st.booleans())
    }
    venue = SHARED.setdefault("venue", Venue())
    client = venue.connect()
    client.login()
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = client.send(msgspec.json.encode(body))
    assert ("error" in answer) != ("result" in answer)
    client.leave()


SHARED: dict[str, Venue] = {}


def test_get_coerces_text(venue: Venue) -> None:
    path = f"public/get_order_book?instrument_name={PERPETUAL}&depth=3"
    status, answer = venue.get(path)
    assert status == 200 and len(answer["result"]["bids"]) == 3
    assert "id" not in answer
    status, answer = venue.get("public/get_instruments?currency=BTC&expired=true&kind=future")
    assert (status, answer["result"]) == (200, [])
    status, answer = venue.get("public/get_order_book?instrument_name=BTC-PERPETUAL&depth=x")
    assert (status, answer["error"]["data"]["param"]) == (400, "depth")


def test_get_takes_lists_as_json_or_repeated_names(venue: Venue) -> None:
    basic = {"authorization": "Basic Qk9COmJvYi1zZWNyZXQ="}  # BOB:bob-secret
    for query in ('currency=["BTC","ETH"]', "currency=BTC&currency=ETH", "currency=BTC"):
        status, answer = venue.get(f"private/cancel_all_by_kind_or_type?{query}", **basic)
        assert (status, answer.get("result")) == (200, 0)


def test_get_with_a_json_body(venue: Venue) -> None:
    params = {"instrument_name": "ETH-PERPETUAL"}
    body = msgspec.json.encode({"id": 3, "method": "public/ticker", "params": params})
    status, answer = venue.http("GET", "/api/v2/public/ticker", body, {})
    assert (status, answer["id"]) == (200, 3)
    assert answer["result"]["instrument_name"] == "ETH-PERPETUAL"


def test_post_names_the_method_in_the_body(venue: Venue) -> None:
    body = {"jsonrpc": "2.0", "id": 4, "method": "public/get_time", "params": {}}
    for path in ("/api/v2", "/api/v2/", "/api/v2/public/get_time"):
        status, answer = venue.post(path, body)
        assert (status, answer["id"], answer["result"]) == (200, 4, venue.now_ms)
    status, answer = venue.post("/api/v2/public/test", body)
    assert (status, answer["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        ("/api/v2", b"{", {}, 400, -32700),
        ("/api/v2", b'{"method":"public/x"}', {}, 400, -32601),
        ("/api/v2", b'{"method":"public/test"}', {"content-type": "text/plain"}, 400, 13018),
        ("/api/v2", b'{"method":"private/get_positions"}', {}, 401, 13009),
        ("/api/v2", b'{"method":"public/subscribe","params":{"channels":[]}}', {}, 400, 10030),
        ("/api/v2", b'{"method":"private/logout"}', {}, 400, 10030),
        ("/api/v2", b"x" * 40_000, {}, 400, -32600),
    ],
)
def test_bad_posts(
    venue: Venue, path: str, body: bytes, headers: dict[str, str], status: int, code: int
) -> None:
    answer_status, answer = venue.post(path, body, **headers)
    assert (answer_status, answer["error"]["code"]) == (status, code)
