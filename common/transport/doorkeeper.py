"""Who may connect to the sockets that are bound to tcp: libzmq asks before it lets anybody in.

ZAP, https://rfc.zeromq.org/spec/27/ (read 2026-11-21): requests on a socket of the context. That
it is our loop which answers suits us: a process whose loop is stuck lets nobody in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq
from zmq.utils import z85

from common.transport import sockets
from common.transport.bus import DOMAIN

ENDPOINT = "inproc://zeromq.zap.01"
VERSION = b"1.0"
TELL_S = 1.0  # who is refused comes again at once


class Doorkeeper:
    """Lets in whose public key is allowed. on_refused(address, key) is told once a second."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        allowed: frozenset[bytes],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._loop = loop
        self._allowed = allowed
        self._on_refused = on_refused
        self._told = -TELL_S
        self.refused = 0
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ENDPOINT)
        self._reader = sockets.Reader(loop, self._socket, self._on_request)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def _on_request(self, frames: list[bytes]) -> None:
        """[who asks, "", version, number, domain, address, identity, mechanism, *credentials]"""
        peer, empty, _, number, domain, address, _, mechanism, *credentials = frames
        key = z85.encode(credentials[0]) if mechanism == b"CURVE" and credentials else b""
        is_known = domain == DOMAIN and key in self._allowed
        status = (b"200", b"OK") if is_known else (b"400", b"unknown key")
        self._socket.send_multipart([peer, empty, VERSION, number, *status, b"", b""])
        self._reader.poke()
        if not is_known:
            self._refuse(address.decode("utf-8", "replace"), key.decode())

    def _refuse(self, address: str, key: str) -> None:
        self.refused += 1
        if self._loop.time() - self._told >= TELL_S:
            self._told = self._loop.time()
            self._on_refused(address, key)
