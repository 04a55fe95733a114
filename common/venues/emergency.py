"""Cancelling at a venue with nothing of the desk alive: single signed HTTP calls, no state.

Who calls makes the requests itself; this side only speaks the venue's language, as everywhere.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from common.core import HttpCall


class OpenOrder(msgspec.Struct, frozen=True):
    """One order that the venue holds. label: the client_order_id it was sent with, or whatever
    another client wrote."""

    venue_order_id: str
    label: str
    symbol: str


class Emergency(Protocol):
    """Cancels of one account. now_ms: the wall clock; nonce: never the same twice."""

    def cancel_all(self, now_ms: int, nonce: str) -> HttpCall:
        """Everything the account has open."""
        ...

    def cancel(self, order: OpenOrder, now_ms: int, nonce: str) -> HttpCall: ...

    def open_orders(self, now_ms: int, nonce: str) -> HttpCall: ...

    def parse_open_orders(self, body: bytes) -> list[OpenOrder]:
        """Raises: VenueProtocolError, also for a refusal; its text is the venue's."""
        ...

    def check(self, body: bytes) -> None:
        """Raises: VenueProtocolError when the venue refused a cancel."""
        ...
