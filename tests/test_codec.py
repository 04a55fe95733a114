"""Frames on the bus: golden bytes, other people's msgpack, and what is refused."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import given, strategies as st

from common import codec, messages as m
from common.errors import BadMessage
from tests import samples

GOLDEN = json.loads((Path(__file__).parent / "data" / "golden_frames.json").read_text())
STAMPS: dict[str, int] = {
    "publisher_start_ns": 1700000000000000000,
    "sequence": 7,
    "venue_sequence": 99,
    "venue_time_ns": 1700000000000000001,
    "received_ns": 1700000000000000002,
    "sent_ns": 1700000000000000003,
}


def name(message: m.Message) -> str:
    return type(message).__name__


def frame(message: m.Event) -> bytes:
    return codec.encode("a.topic", message, **STAMPS)


def test_every_message_has_a_sample() -> None:
    assert {name(sample) for sample in samples.EVENTS} == {t.__name__ for t in get_args(m.Event)}
    assert {name(sample) for sample in samples.COMMANDS} == {
        t.__name__ for t in get_args(m.Command)
    }


@pytest.mark.parametrize("message", samples.EVENTS, ids=name)
def test_events_keep_their_golden_bytes(message: m.Event) -> None:
    assert frame(message).hex() == GOLDEN[name(message)]
    topic, envelope = codec.decode(bytes.fromhex(GOLDEN[name(message)]))
    assert topic == "a.topic"
    assert envelope.message == message
    assert envelope.sequence == 7 and envelope.venue_sequence == 99


@pytest.mark.parametrize("command", samples.COMMANDS, ids=name)
def test_commands_keep_their_golden_bytes(command: m.Command) -> None:
    header, payload = codec.encode_command("r1", "a.client", 5, command)
    assert payload.hex() == GOLDEN[name(command)]
    assert codec.decode_header(header).request_id == "r1"
    assert codec.decode_command(payload) == command


def test_a_reply_keeps_its_golden_bytes() -> None:
    frames = codec.encode_reply("an.engine", 5, samples.REPLY)
    assert frames[1].hex() == GOLDEN["CommandReply"]
    assert codec.decode_reply(frames[1]) == samples.REPLY


@pytest.mark.parametrize("message", samples.EVENTS, ids=name)
def test_any_msgpack_library_reads_our_frames(message: m.Event) -> None:
    topic, body = frame(message).split(b"\0", 1)
    envelope = msgpack.unpackb(body)
    assert topic == b"a.topic"
    assert envelope[:7] == [1, *STAMPS.values()]
    assert envelope[7][0] == name(message)
    assert len(envelope[7]) == 1 + len(message.__struct_fields__)


def test_exact_numbers_travel_as_text_and_keep_their_digits() -> None:
    body = msgpack.unpackb(codec.encode_command("r", "s", 1, samples.PLACE)[1])
    assert body[3] == "100" and body[5] == "50000.5"


def changed(command: m.Command, position: int, value: Any) -> bytes:
    body = msgpack.unpackb(codec.encode_command("r", "s", 1, command)[1])
    body[position] = value
    return msgpack.packb(body)


@pytest.mark.parametrize(
    "value", [1.5, 100, "NaN", "Infinity", "1e999", "1e21", "", "x", "1" * 41, True, None, [], b"1"]
)
def test_a_committed_number_that_is_not_exact_text_is_refused(value: Any) -> None:
    with pytest.raises(BadMessage):
        codec.decode_command(changed(samples.PLACE, 3, value))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\x91" * 5000,
        msgpack.packb(["NoSuchCommand"]),
        msgpack.packb({"instrument": "x"}),
        msgpack.packb(["PlaceOrder"]),
        msgpack.packb(["CancelOrder", 5]),
        msgpack.packb(["CancelOrder", "1"]) + b"\0",
        msgpack.packb(msgpack.ExtType(5, b"x")),
        changed(samples.PLACE, 2, "SIDEWAYS"),
        b"\x91\xa1\x80",
        changed(samples.PLACE, 1, "not UTF-8:").replace(b"8:", b"8\x80"),
    ],
)
def test_bytes_that_are_no_command_raise_the_one_declared_error(payload: bytes) -> None:
    with pytest.raises(BadMessage):
        codec.decode_command(payload)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for decode in (codec.decode, codec.decode_command, codec.decode_header, codec.decode_reply):
        with contextlib.suppress(BadMessage):
            decode(data)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
def test_exact_numbers_round_trip(value: Decimal) -> None:
    if len(str(value)) > 40 or abs(value.adjusted()) > 20:
        return
    command = m.ModifyOrder("1", price=m.Exact(value))
    back = codec.decode_command(codec.encode_command("r", "s", 1, command)[1])
    assert isinstance(back, m.ModifyOrder) and back.price == value


def test_row_67_a_message_of_an_older_build_gets_defaults_and_of_a_newer_loses_the_rest() -> None:
    quote = m.Quote("deribit.X", 1.0, 2.0, 3.0, 4.0)
    topic, body = frame(quote).split(b"\0", 1)
    envelope = msgpack.unpackb(body)
    for message in (envelope[7][:-1], [*envelope[7], "a later field"]):
        envelope[7] = message
        assert codec.decode(topic + b"\0" + msgpack.packb(envelope))[1].message == quote


def as_of_an_older_build(message: m.Message) -> m.Message:
    """With the default in each of its last fields, as far as they have one."""
    values: dict[str, object] = {}
    for field in reversed(msgspec.structs.fields(message)):
        if field.required:
            break
        made = field.default_factory
        values[field.name] = field.default if made is msgspec.NODEFAULT else made()
    return msgspec.structs.replace(message, **values)


@pytest.mark.parametrize("message", [*samples.EVENTS, *samples.COMMANDS, samples.REPLY], ids=name)
def test_row_67_every_message_of_an_older_or_newer_build_is_read(message: m.Message) -> None:
    older = as_of_an_older_build(message)
    data = msgpack.unpackb(codec._encoder.encode(message))
    least = sum(field.required for field in msgspec.structs.fields(message)) + 1
    for fields, expected in (([*data, "a later field", {"x": 1}], message), (data[:least], older)):
        body = msgpack.packb(fields)
        if isinstance(message, m.CommandReply):
            assert codec.decode_reply(body) == expected
        elif message in samples.COMMANDS:
            assert codec.decode_command(body) == expected
        else:
            envelope = msgpack.packb([codec.SCHEMA, *range(6), fields])
            assert codec.decode(b"a.topic\0" + envelope)[1].message == expected


def test_the_zero_byte_keeps_a_future_apart_from_its_options() -> None:
    assert codec.subscription("book.deribit.BTC-27DEC24").endswith(b"\0")
    assert codec.subscription("fill.deribit.main.") == b"fill.deribit.main."


@pytest.mark.parametrize("request_id", ["", "a b", "x" * 65, "ü", "a\n"])
def test_request_ids_are_plain_names(request_id: str) -> None:
    header, _ = codec.encode_command(request_id, "s", 1, m.QueryOrders())
    with pytest.raises(BadMessage, match="request_id"):
        codec.decode_header(header)


def test_the_wire_document_names_every_field_in_its_order() -> None:
    text = (Path(__file__).parents[1] / "docs" / "wire.md").read_text()
    for kind in (*get_args(m.Event), *get_args(m.Command), m.CommandReply):
        section = text.split(f"### {kind.__name__}\n")[1].split("\n### ")[0]
        rows = [row.split("|")[2].strip() for row in section.splitlines() if row[:3] in ROW_STARTS]
        assert rows == ["tag", *(field.name for field in msgspec.structs.fields(kind))]


ROW_STARTS = {f"| {digit}" for digit in range(10)}


def test_the_wire_documents_worked_example_is_right() -> None:
    text = (Path(__file__).parents[1] / "docs" / "wire.md").read_text()
    block = text.split("```hex\n")[1].split("```")[0]
    data = bytes.fromhex("".join(line.split("#")[0] for line in block.splitlines()))
    topic, envelope = codec.decode(data)
    assert topic == "quote.deribit.BTC-PERPETUAL"
    assert envelope.message == m.Quote("deribit.BTC-PERPETUAL", 50000.0, 10.0, 50000.5, 20.0)


ORDER = ["PlaceOrder", "deribit.BTC-PERPETUAL", "BUY", "10", "LIMIT", "48000"]


@pytest.mark.parametrize(
    ("command", "field", "problem"),
    [
        ([*ORDER[:3], 10.0], "quantity", "float"),
        ([*ORDER[:3], "ten"], "quantity", "not a number"),
        ([*ORDER[:5], "4_8000"], "price", "not a number"),
        ([*ORDER[:5], " 48000"], "price", "not a number"),
        ([*ORDER[:2], "UP"], "quantity", "is missing"),
        ([*ORDER[:2], "UP", "10"], "side", "UP"),
        (["PlaceOrders", [ORDER, [*ORDER[:3], 7]]], "orders[1].quantity", "int"),
        (["MassQuote", [["QuoteEntry", "d.X", 1.5]], "mm"], "quotes[0].bid_price", "float"),
        (["MassQuote", [["QuoteEntry"]], "mm"], "quotes[0].instrument", "missing"),
        (["CancelOrders", ["1", 2]], "client_order_ids[1]", "int"),
        (["Nope", 1], "command", "Nope"),
        ({"a": 1}, "", "array"),
    ],
)
def test_a_bad_command_names_its_field(command: Any, field: str, problem: str) -> None:
    with pytest.raises(BadMessage) as caught:
        codec.decode_command(msgspec.msgpack.encode(command))
    assert caught.value.field == field
    assert problem in str(caught.value)
