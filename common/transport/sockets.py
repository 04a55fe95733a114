"""Making ZeroMQ sockets with the options we need, and reading them from the event loop.

A ZeroMQ descriptor is edge-triggered: it becomes readable once and stays silent until the socket is
drained. So a reader drains to EAGAIN in bounded batches, looks again after own sends, and a slow
timer is the net below it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import zmq

from common.errors import ConfigError
from common.rundir import LOCK
from common.transport import bus

BATCH = 256
NET_S = 0.1
LATE_S = 3.0  # as long as a peer waits for our heartbeat before it cuts the connection
MAX_MESSAGE_BYTES = 1 << 20
BUFFER_BYTES = 256 * 1024


def make(context: zmq.Context[zmq.Socket[bytes]], kind: int) -> zmq.Socket[bytes]:
    """A socket that lingers for nobody, refuses huge messages and notices dead peers in 3 s."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3000)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    return socket


def lock_file(path: Path) -> IO[str]:
    """Take a lock for the life of this process.

    Raises:
        ConfigError: somebody else holds it.
    """
    while True:
        handle = path.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise ConfigError(str(path), "", "in use by another process") from None
        if _is_file(path, handle):
            return handle
        handle.close()


def _is_file(path: Path, handle: IO[str]) -> bool:
    """Whether the path still leads to it: `down` may have removed the file before we locked it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    return False


def bind(
    socket: zmq.Socket[bytes], endpoint: str, also: bus.Secured | None = None
) -> IO[str] | None:
    """Bind, after taking the lock of an ipc path: a second bind would steal it silently.

    also: an address for other hosts.

    Raises:
        ConfigError: the endpoint is in use or cannot be bound; it is named.
    """
    lock = None
    if endpoint.startswith("ipc://"):
        lock = lock_file(Path(endpoint.removeprefix("ipc://") + LOCK))
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if lock is not None:
            lock.close()
        raise ConfigError(endpoint, "", f"cannot be bound: {error}") from None
    if endpoint.startswith("ipc://"):
        os.chmod(endpoint.removeprefix("ipc://"), 0o600)
    if also is not None:
        bus.bind(socket, also)
    return lock


class Reader:
    """Calls on_frames for everything that arrives on a socket, on the loop's thread.

    on_late is called with the seconds when nobody has looked for LATE_S or more: the process was
    stopped, or its loop stuck, and what waits to be read may be old.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: zmq.Socket[bytes],
        on_frames: Callable[[list[bytes]], None],
        on_late: Callable[[float], None] | None = None,
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._on_frames = on_frames
        self._on_late = on_late
        self._looked = loop.time()
        self._fd = int(socket.getsockopt(zmq.FD))
        self._poked = False
        self._closed = False
        loop.add_reader(self._fd, self._drain)
        self._net = loop.call_later(0, self._cast_net)

    def poke(self) -> None:
        """Look again soon; call after sending on the same socket."""
        if not self._poked:
            self._poked = True
            self._loop.call_soon(self._drain)

    def close(self) -> None:
        self._closed = True
        self._net.cancel()
        self._loop.remove_reader(self._fd)

    def _drain(self) -> None:
        self._poked = False
        before, self._looked = self._looked, self._loop.time()
        if self._looked - before > LATE_S and self._on_late is not None and not self._closed:
            self._on_late(self._looked - before)
        for _ in range(BATCH):
            if self._closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_frames(frames)
        self.poke()

    def _cast_net(self) -> None:
        self._drain()
        if not self._closed:
            self._net = self._loop.call_later(NET_S, self._cast_net)
