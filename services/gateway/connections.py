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
        self._loop.call_later(HANDSHAKE_S, self._drop_silent, protocol)
        return protocol

    def heard(self, protocol: Any) -> None:
        """It made one whole request."""
        self._silent.discard(protocol)

    def _drop_silent(self, protocol: Any) -> None:
        """A connection that has not made one whole request in time is not worth keeping."""
        if protocol in self._silent:
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
