"""Messages <-> bytes, and the names of topics; the only module that knows the wire.

A published frame is the topic, a zero byte and one msgpack array (the Envelope). The zero byte ends
the topic, so that a subscription to `book.deribit.BTC-27DEC24` does not also get its options.
A command travels as two frames, header and payload. Field by field: docs/wire.md.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, get_args

import msgspec

from common import messages as m
from common.errors import BadMessage

SCHEMA = 1
MAX_TOPIC = 200
END = b"\0"
# msgspec names most of what can be wrong; text that is not UTF-8 and odd numbers come as they are.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)
TOO_SHORT = re.compile(r"Expected `array` of at least length \d+, got (\d+)\Z")
INDEX = re.compile(r"\[(\d+)\]")
COMMANDS: dict[str, type[m.Message]] = {kind.__name__: kind for kind in get_args(m.Command)}
PARTS: dict[str, type[m.Message]] = {"LinkedOrder": m.LinkedOrder, "QuoteEntry": m.QuoteEntry}
NAME = re.compile(r"[A-Za-z0-9._:/-]{1,64}\Z")


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The msgpack array behind the topic. Sequences count per topic and publisher start."""

    schema: int
    publisher_start_ns: int
    sequence: int
    venue_sequence: int
    venue_time_ns: int
    received_ns: int
    sent_ns: int
    message: m.Event


class RequestHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """First frame of a command and of its reply; request_id is the idempotency key per sender."""

    schema: int
    request_id: str
    sender: str
    sent_ns: int


def _decode_exact(kind: type, value: Any) -> Any:
    if kind is m.Exact:
        return m.Exact(value)
    raise NotImplementedError(f"no decoder for {kind}")


def _encode_exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise NotImplementedError(f"no encoder for {type(value)}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_exact)
_envelope_decoder = msgspec.msgpack.Decoder(Envelope, dec_hook=_decode_exact)
_header_decoder = msgspec.msgpack.Decoder(RequestHeader)
_command_decoder: msgspec.msgpack.Decoder[m.Command] = msgspec.msgpack.Decoder(
    m.Command, dec_hook=_decode_exact
)
_reply_decoder = msgspec.msgpack.Decoder(m.CommandReply, dec_hook=_decode_exact)
_inventory_decoder = msgspec.msgpack.Decoder(m.InventoryDelta, dec_hook=_decode_exact)


def encode(
    topic: str,
    message: m.Event,
    *,
    publisher_start_ns: int,
    sequence: int,
    sent_ns: int,
    venue_sequence: int = 0,
    venue_time_ns: int = 0,
    received_ns: int = 0,
) -> bytes:
    """One frame to publish."""
    envelope = Envelope(
        SCHEMA,
        publisher_start_ns,
        sequence,
        venue_sequence,
        venue_time_ns,
        received_ns,
        sent_ns,
        message,
    )
    return topic.encode() + END + _encoder.encode(envelope)


def decode(frame: bytes) -> tuple[str, Envelope]:
    """A published frame's topic and envelope.

    Raises:
        BadMessage: it is not one of our frames.
    """
    end = frame.find(END, 0, MAX_TOPIC + 1)
    if end < 0:
        raise BadMessage("a frame without the zero byte that ends its topic")
    try:
        return frame[:end].decode(), _envelope_decoder.decode(memoryview(frame)[end + 1 :])
    except UNREADABLE as error:
        raise BadMessage(f"a frame that does not decode: {error}") from None


def encode_command(request_id: str, sender: str, sent_ns: int, command: m.Command) -> list[bytes]:
    header = RequestHeader(SCHEMA, request_id, sender, sent_ns)
    return [_encoder.encode(header), _encoder.encode(command)]


def decode_header(frame: bytes) -> RequestHeader:
    """Raises BadMessage."""
    try:
        header = _header_decoder.decode(frame)
    except UNREADABLE as error:
        raise BadMessage(f"a command header that does not decode: {error}") from None
    if not NAME.match(header.request_id):
        raise BadMessage("request_id: 1 to 64 characters of A-Z a-z 0-9 . _ : / -")
    return header


def decode_command(payload: bytes) -> m.Command:
    """Raises BadMessage, with a sentence that says which field is wrong."""
    try:
        return _command_decoder.decode(payload)
    except UNREADABLE as error:
        problem, _, path = str(error).partition(" - at ")
        positions = [int(index) for index in INDEX.findall(path)]
        short = TOO_SHORT.match(problem)
        if short is not None:
            positions.append(int(short[1]))
            problem = "is missing"
        field = _field_at(payload, positions)
        raise BadMessage(f"{field}: {problem}" if field else problem, field) from None


def _field_at(payload: bytes, path: list[int]) -> str:
    """The name of the field at a path of array positions, "orders[1].quantity"; "" if unknown."""
    try:
        here = msgspec.msgpack.decode(payload) if path else None
    except (*UNREADABLE, TypeError):
        return ""
    name = ""
    for index in path:
        named = str(here[0]) if isinstance(here, list) and here else ""
        kind = COMMANDS.get(named) or PARTS.get(named)
        if kind is None:
            name += f"[{index}]" if name else "command"
        elif index > 0:
            name += "." * bool(name) + kind.__struct_fields__[index - 1]
        here = here[index] if isinstance(here, list) and index < len(here) else None
    return name


def encode_reply(sender: str, sent_ns: int, reply: m.CommandReply) -> list[bytes]:
    header = RequestHeader(SCHEMA, reply.request_id, sender, sent_ns)
    return [_encoder.encode(header), _encoder.encode(reply)]


def decode_reply(payload: bytes) -> m.CommandReply:
    """Raises BadMessage."""
    try:
        return _reply_decoder.decode(payload)
    except UNREADABLE as error:
        raise BadMessage(f"a reply that does not decode: {error}") from None


def encode_inventory(message: m.InventoryDelta) -> bytes:
    return _encoder.encode(message)


def decode_inventory(frame: bytes) -> m.InventoryDelta:
    """Raises BadMessage."""
    try:
        return _inventory_decoder.decode(frame)
    except UNREADABLE as error:
        raise BadMessage(f"an inventory message that does not decode: {error}") from None


def subscription(topic: str) -> bytes:
    """What to subscribe: a topic that ends in "." is a prefix, all others are exact."""
    return topic.encode() if topic.endswith(".") else topic.encode() + END


def owner_topic(kind: str, venue: str, account: str, owner: str = "") -> str:
    """`order.<venue>.<account>.<owner>`; an order without an owner has "-"."""
    return f"{kind}.{venue}.{account}.{owner or '-'}"
