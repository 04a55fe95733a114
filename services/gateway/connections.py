"""TCP connections below the protocols: those that ask for nothing, and those that do not take what
they asked for.

A WebSocket client that does not read has bounds of its own (clients.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

HANDSHAKE_S = 5.0
LATE_S = 0.5
STUCK_LOOKS = 30  # seconds without taking a byte of an answer


class Connections:
    """All connections of one server; any of them may be half open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: web.Server) -> None:
        self._loop, self._server = loop, server
        self._silent: set[Any] = set()  # without a request as yet
        self._stuck: dict[Any, tuple[int, int]] = {}  # bytes not taken, looks since

    def accept(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self._server()
        self._silent.add(protocol)
        self._expect(protocol, is_again=False)
        return protocol

    def _expect(self, protocol: Any, is_again: bool) -> None:
        due = self._loop.time() + HANDSHAKE_S
        self._loop.call_at(due, self._drop_silent, protocol, due, is_again)

    def heard(self, protocol: Any) -> None:
        """It made one whole request."""
        self._silent.discard(protocol)

    def _drop_silent(self, protocol: Any, due: float, is_again: bool) -> None:
        """A connection that has not made one whole request in time is not worth keeping. Where we
        were late ourselves, what it sent may wait to be read: it has its time once more."""
        if protocol not in self._silent:
            return
        if self._loop.time() > due + LATE_S and not is_again:
            self._expect(protocol, is_again=True)
            return
        self._silent.discard(protocol)
        if protocol.transport is not None:
            protocol.transport.abort()

    def look(self, others: Iterable[asyncio.WriteTransport]) -> None:
        """Once a second: cut who has not taken a byte of an answer for too long.

        Args:
            others: transports that somebody else looks after.
        """
        spared = {id(transport) for transport in others}
        seen: dict[Any, tuple[int, int]] = {}
        for protocol in self._server.connections:
            transport = protocol.transport
            waits = transport.get_write_buffer_size() if transport is not None else 0
            if transport is None or not waits or id(transport) in spared:
                continue
            before, looks = self._stuck.get(protocol, (waits + 1, 0))
            seen[protocol] = waits, looks + 1 if waits >= before else 0
            if looks >= STUCK_LOOKS:
                transport.abort()
        self._stuck = seen
