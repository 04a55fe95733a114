"""PULL: holdings outside the venues, pushed to us by anybody on this host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import IO

import zmq
from loguru import logger

from common import codec
from common.core import Event, Pushed
from common.errors import BadMessage
from common.transport import sockets
from common.transport.bus import Secured


class Inventory:
    """One PULL socket. What does not decode is dropped and logged, cut short."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        on_event: Callable[[Event], None],
        also: Secured | None = None,
    ) -> None:
        self._on_event = on_event
        self.bad_frames = 0
        self._socket = sockets.make(context, zmq.PULL)
        self._lock: IO[str] | None = sockets.bind(self._socket, endpoint, also)
        self._reader = sockets.Reader(loop, self._socket, self._on_frames)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()
        if self._lock is not None:
            self._lock.close()

    def _on_frames(self, frames: list[bytes]) -> None:
        try:
            message = codec.decode_inventory(frames[0])
        except BadMessage as error:
            self.bad_frames += 1
            logger.warning("inventory message dropped: {}", str(error)[:200])
            return
        self._on_event(Pushed(message))
