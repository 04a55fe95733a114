"""What the gateway's shell tells its core, and what the core tells the shell.

These come beside the events and commands of common/core.py. Clients and HTTP calls are numbered by
the shell; a number is never used again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.core import CoreCommand, Data, Event
from common.messages import Fill
from services.gateway.history import Curve, Values
from services.gateway.keys import KeyRing


class ClientOpened(Data):
    """A WebSocket client. authorization, host: headers of its handshake, "" if it sent none."""

    client: int
    binary: bool  # speaks msgpack
    address: str
    authorization: str = ""
    host: str = ""


class ClientRequest(Data):
    """One whole frame of a client."""

    client: int
    payload: bytes
    text: bool  # a text frame


class ClientBlocked(Data):
    """The client does not read: its write buffer is over the bound."""

    client: int


class ClientDrained(Data):
    """The client reads again."""

    client: int


class ClientClosed(Data):
    client: int


class HttpCalled(Data):
    """One call over HTTP; exactly one HttpAnswer with the same number is owed."""

    call: int
    method: str
    params: dict[str, Any]
    address: str
    authorization: str = ""


class StrategyFound(Data):
    """The host of a strategy has its sockets here."""

    name: str


class KeysChanged(Data):
    """These are the keys now; sessions of others end."""

    keys: KeyRing


class Send(Data):
    """One frame to each of these clients; the times are those of the message it carries, if any."""

    clients: tuple[int, ...]
    payload: bytes
    binary: bool = False
    venue_time_ns: int = 0
    received_ns: int = 0


class Hold(Data):
    """This client has more to catch up with: tell when it has read what it was sent."""

    client: int


class CloseClient(Data):
    client: int
    code: int
    reason: str


class HttpAnswer(Data):
    call: int
    status: int
    body: bytes


class Remember(Data):
    """Keep this beyond our life: the values of the curves at a time, and fills that were news."""

    at_ns: int
    values: Mapping[Curve, Values]
    fills: list[Fill]


GatewayEvent = (
    Event
    | ClientOpened
    | ClientRequest
    | ClientBlocked
    | ClientDrained
    | ClientClosed
    | HttpCalled
    | StrategyFound
    | KeysChanged
)
GatewayCommand = CoreCommand | Send | Hold | CloseClient | HttpAnswer | Remember
