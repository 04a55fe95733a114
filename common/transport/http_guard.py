"""A bound on the whole of a request: `requests` bounds only the pauses between two reads, so that a
peer which sends a byte now and then could hold a worker thread for ever.

Imported where the first request is made, since it imports `requests`.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Guard:
    """The connection that one request uses, so that another thread can cut it.

    It keeps a descriptor of its own: the one in use may be wrapped, handed on or closed meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_done = False
        self.was_cut = False

    def use(self, used: Any) -> None:
        """The request goes over this socket."""
        with self._lock:
            self._forget()
            if not self._is_done:
                self._socket = socket.socket(fileno=os.dup(used.fileno()))
                if self.was_cut:
                    self._shut()

    def cut(self) -> None:
        """End the request, unless it is done."""
        with self._lock:
            if not self._is_done:
                self.was_cut = True
                self._shut()

    def done(self) -> None:
        with self._lock:
            self._is_done = True
            self._forget()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Current(threading.local):
    """The guard of the request that this thread makes."""

    guard: Guard | None = None


_current = _Current()


def _note(used: Any) -> None:
    if _current.guard is not None and used is not None:
        _current.guard.use(used)


class _Watched(HTTPConnection):
    """Tells the guard which socket it uses, be it new or kept from an earlier request."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _note(made)
        return made

    def request(self, *arguments: Any, **options: Any) -> None:
        _note(self.sock)
        super().request(*arguments, **options)


class _WatchedSecure(_Watched, HTTPSConnection):
    """The same over TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedSecure


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        pools = {"http": _PlainPool, "https": _SecurePool}
        self.poolmanager.pool_classes_by_scheme = pools


class GuardedSession(requests.Session):
    """Of one thread. Set guard before a request, and call its done() after it."""

    def __init__(self) -> None:
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    @property
    def guard(self) -> Guard | None:
        return _current.guard

    @guard.setter
    def guard(self, guard: Guard | None) -> None:
        _current.guard = guard
