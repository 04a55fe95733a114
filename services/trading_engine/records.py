"""What the engine writes to its journal, and how a restart reads it.

One Entry is one journal record: everything one event decided. It is on disk before what it covers
is sent. Replaying entries gives back open orders, counted fills, answers to requests and the mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from common import messages as m
from common.config import LimitsConfig
from common.domain.modes import DESK
from common.errors import LocalError

RAW_LIMIT = 16_384


class StartRecord(m.Message):
    """The engine started; client_order_ids of this run hold start_counter, or less than it if the
    venue showed that it had been used."""

    start_counter: int
    build: str = ""
    config_hash: str = ""


class RequestRecord(m.Message):
    """A command that may reach the venue was taken; key is what makes request_id unique.

    sender: the process that asked; the command's owner is the strategy or the gateway key. why: the
    engine itself did.
    """

    key: str
    request_id: str
    command: m.Command
    sender: str = ""
    why: str = ""


class IntentRecord(m.Message):
    """We decided to send this. order: as it stands with the call under way.

    kind: "place", "modify" or "cancel". index: its place in the command. price to post_only,
    trigger_offset and display_quantity: what a modify wants. checks: the pre-trade checks that it
    passed. A linked order has the index of the order that it was placed with.
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
    checks: list[str] = []
    trigger_offset: m.Exact | None = None
    display_quantity: m.Exact | None = None
    quote_id: str = ""  # of the mass quote that it is a side of


class CancelsRecord(m.Message):
    """The orders that a request to cancel many concerns, as they were open when it was taken."""

    key: str
    request_id: str
    client_order_ids: list[str]


class SentRecord(m.Message):
    """A call left this process; without it an intent may or may not have been sent."""

    kind: str
    method: str
    client_order_ids: list[str]


class RawRecord(m.Message):
    """What the venue said, as it said it, before the records that follow from it; at most
    RAW_LIMIT bytes of it."""

    text: bytes
    size: int


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
    """scope: as the latches are named. code: what it refuses orders with."""

    mode: m.TradingMode
    reason: str
    sender: str
    scope: str = DESK
    code: m.RejectReason = m.RejectReason.MODE


class LatchRecord(m.Message):
    """The kill switch of a scope was set (is_on) or released."""

    scope: str
    is_on: bool
    reason: str


class LimitsRecord(m.Message):
    """The limits that hold from here on; source: the file they are from."""

    source: str
    limits: LimitsConfig
    strict: bool


class ParentRecord(m.Message):
    """Of a snapshot: what parts of a parent filled whose orders are not kept."""

    owner: str
    parent: str
    instrument: str
    side: m.Side
    quantity: m.Exact
    used: m.Exact


class SeenRecord(m.Message):
    """Of a snapshot: executions that were counted, whose fills are not kept."""

    exec_ids: list[str]
    fills_dropped: bool


class SyncRecord(m.Message):
    """Up to when fills lack none. is_whole: the account was read in whole, and the link has told
    every fill since; else those after fills_until_ns (the venue's time) are to be asked for."""

    is_whole: bool
    fills_until_ns: int


class StopRecord(m.Message):
    """The engine was asked to end, and did."""

    reason: str


Record = (
    StartRecord
    | RequestRecord
    | IntentRecord
    | CancelsRecord
    | SentRecord
    | RawRecord
    | ReportRecord
    | FillRecord
    | VerdictRecord
    | ReplyRecord
    | ModeRecord
    | LatchRecord
    | LimitsRecord
    | SeenRecord
    | ParentRecord
    | SyncRecord
    | StopRecord
)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    at_ns: int
    records: list[Record]


# A journal repeats its numbers: half of the time to read one goes into making them.
_exact = lru_cache(maxsize=65_536)(m.Exact)


def _decode_exact(kind: type, value: Any) -> Any:
    if kind is m.Exact:
        return _exact(value)
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
    return list(each(payloads))


def each(payloads: Iterable[bytes]) -> Iterator[Entry]:
    """Entries of a journal, oldest first.

    Raises:
        LocalError: a record with a right checksum that this build cannot read.
    """
    for number, payload in enumerate(payloads):
        try:
            yield _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LocalError(f"journal record {number} cannot be read: {error}") from None
