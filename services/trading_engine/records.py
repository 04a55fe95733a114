"""What the engine writes to its journal, and how a restart reads it.

One Entry is one journal record: everything one event decided. It is on disk before what it covers
is sent. Replaying entries gives back open orders, counted fills, answers to requests and the mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from common import messages as m
from common.errors import LocalError


class StartRecord(m.Message):
    """The engine started; client_order_ids of this run hold start_counter."""

    start_counter: int
    build: str = ""


class RequestRecord(m.Message):
    """A command that may reach the venue was taken; key is what makes request_id unique."""

    key: str
    request_id: str
    command: m.Command


class IntentRecord(m.Message):
    """We decided to send this. order: as it stands with the call under way.

    kind: "place", "modify" or "cancel". index: its place in the command. wanted: of a modify.
    """

    key: str
    request_id: str
    index: int
    kind: str
    order: m.OrderUpdated
    valid_until_ns: int
    price: m.Exact | None = None
    quantity: m.Exact | None = None
    trigger_price: m.Exact | None = None
    post_only: bool | None = None


class ReportRecord(m.Message):
    """The order after the venue told us something. source: "answer", "stream", "query", "self"."""

    order: m.OrderUpdated
    source: str


class FillRecord(m.Message):
    fill: m.Fill


class VerdictRecord(m.Message):
    """How a doubt ended, and by what evidence."""

    client_order_id: str
    status: m.OrderStatus
    evidence: str


class ReplyRecord(m.Message):
    """The one answer to a request."""

    key: str
    reply: m.CommandReply


class ModeRecord(m.Message):
    mode: m.TradingMode
    reason: str
    sender: str


Record = (
    StartRecord
    | RequestRecord
    | IntentRecord
    | ReportRecord
    | FillRecord
    | VerdictRecord
    | ReplyRecord
    | ModeRecord
)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    at_ns: int
    records: list[Record]


def _decode_exact(kind: type, value: Any) -> Any:
    if kind is m.Exact:
        return m.Exact(value)
    raise NotImplementedError(f"no decoder for {kind}")


def _encode_exact(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise NotImplementedError(f"no encoder for {type(value)}")


_decoder = msgspec.msgpack.Decoder(Entry, dec_hook=_decode_exact)
_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_exact)


def encode(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode(payloads: Iterable[bytes]) -> list[Entry]:
    """Entries of a journal, oldest first.

    Raises:
        LocalError: a record with a right checksum that this build cannot read.
    """
    entries = []
    for number, payload in enumerate(payloads):
        try:
            entries.append(_decoder.decode(payload))
        except msgspec.DecodeError as error:
            raise LocalError(f"journal record {number} cannot be read: {error}") from None
    return entries
