"""REST calls in worker threads, one requests session per thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

from common.core import Event, HttpCall, HttpFailed, HttpReply
from common.errors import PeerError
from common.transport.clock import now_ns

if TYPE_CHECKING:
    import requests

THREADS = 4
MAX_BODY_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
ENDLESS = "the answer does not end in time"


class HttpClient:
    """Executes HttpCall; the events come back on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_event: Callable[[Event], None]) -> None:
        self._loop = loop
        self._on_event = on_event
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
        self._local = threading.local()
        self._closed = False

    def call(self, call: HttpCall) -> None:
        self._pool.submit(self._work, call)

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, call: HttpCall) -> None:
        event = self._request(call)
        if not self._closed:
            self._loop.call_soon_threadsafe(self._on_event, event)

    def _request(self, call: HttpCall) -> Event:
        # Not at start: most services never need it before they are ready.
        from common.transport.http_guard import Guard, GuardedSession

        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = GuardedSession()
        guard = session.guard = Guard()
        deadline = monotonic() + call.timeout_s
        self._loop.call_soon_threadsafe(self._loop.call_later, call.timeout_s, guard.cut)
        try:
            with session.request(
                call.method,
                call.url,
                headers=call.headers,
                data=call.body or None,
                timeout=call.timeout_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(response, deadline)
        except Exception as error:  # noqa: BLE001 - whatever it is, an answer is owed
            why = ENDLESS if guard.was_cut else f"{type(error).__name__}: {str(error)[:200]}"
            return HttpFailed(call.call_id, why)
        finally:
            guard.done()
        if guard.was_cut:  # a body without a length ends like that too
            return HttpFailed(call.call_id, ENDLESS)
        return HttpReply(call.call_id, response.status_code, body, now_ns())


def _read(response: requests.Response, deadline: float) -> bytes:
    """The body, as long as it keeps within size and time.

    Raises:
        PeerError
    """
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise PeerError("the answer is over 64 MiB")
        if monotonic() > deadline:
            raise PeerError(ENDLESS)
    return bytes(body)
