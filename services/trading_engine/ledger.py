"""Requests and their one answer each: what was asked before gets the answer it got before."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from common import messages as m

ANSWERS_KEPT = 10_000


class Item(msgspec.Struct, eq=False):
    """One order's part of a request. result: filled in when it is decided.

    kind: "place", "modify" or "cancel". accepted: the venue's yes, before the answer is complete.
    """

    request: Request
    index: int
    kind: str
    client_order_id: str = ""
    result: m.CommandReply | None = None
    accepted: bool = False
    answered: bool = False
    deadline_ns: int = 0


class Request(msgspec.Struct, eq=False):
    """A command that is being carried out."""

    key: str
    request_id: str
    sender: str
    command: m.Command
    peers: list[bytes]
    items: list[Item] = []
    is_list: bool = False


def key_of(command: m.Command, sender: str, request_id: str) -> str:
    """What makes a request unique: its owner, or its sender where it has none."""
    if isinstance(command, m.PlaceOrders):
        owner = command.orders[0].owner if command.orders else ""
    else:
        owner = getattr(command, "owner", None) or ""
    return f"{owner}/{request_id}" if owner else f"@{sender}/{request_id}"


class Ledger:
    """Requests under way, and the answers of those that are done."""

    def __init__(self) -> None:
        self._open: dict[str, Request] = {}
        self._done: OrderedDict[str, tuple[bytes, m.CommandReply]] = OrderedDict()

    def find(self, key: str) -> Request | None:
        return self._open.get(key)

    def answer_of(self, key: str) -> tuple[bytes, m.CommandReply] | None:
        """The command it was (encoded) and the answer it got."""
        return self._done.get(key)

    def open(self, request: Request) -> None:
        self._open[request.key] = request

    def drop(self, key: str) -> None:
        self._open.pop(key, None)

    def close(self, request: Request, reply: m.CommandReply) -> None:
        self._open.pop(request.key, None)
        self.keep(request.key, request.command, reply)

    def keep(self, key: str, command: m.Command, reply: m.CommandReply) -> None:
        self._done[key] = (fingerprint(command), reply)
        while len(self._done) > ANSWERS_KEPT:
            self._done.popitem(last=False)

    @property
    def requests(self) -> list[Request]:
        return list(self._open.values())


def fingerprint(command: m.Command) -> bytes:
    """The same bytes for the same command; a retry with a new expiry is the same command."""
    if isinstance(command, m.PlaceOrder):
        command = msgspec.structs.replace(command, expires_ns=0)
    elif isinstance(command, m.PlaceOrders):
        orders = [msgspec.structs.replace(order, expires_ns=0) for order in command.orders]
        command = m.PlaceOrders(orders)
    elif isinstance(command, m.MassQuote):
        command = msgspec.structs.replace(command, expires_ns=0)
    return msgspec.msgpack.encode(command, enc_hook=str)
