"""One WebSocket to a venue: connects, stamps what arrives and hands it over. It parses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from common.core import Event, Idle, LinkDown, LinkUp, VenueFrame
from common.transport.clock import now_ns

MAX_FRAME_BYTES = 16 * 1024 * 1024
CONNECT_S = 10.0
CLOSE_S = 1.0  # how long a venue may take part in the closing, before it is cut off


class WsLink(WSListener):
    """A link that is opened once; after LinkDown it is done and a new one is made."""

    def __init__(self, name: str, url: str, on_event: Callable[[Event], None]) -> None:
        super().__init__()
        self.name = name
        self._url = url
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._end: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._down = False
        self._reason = "closed by the venue"

    async def connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                transport, _ = await ws_connect(
                    lambda: self,
                    self._url,
                    max_frame_size=MAX_FRAME_BYTES,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=10,
                    auto_ping_reply_timeout=5,
                    max_redirects=0,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the link is down
            self._go_down(f"cannot connect: {type(error).__name__}: {str(error)[:200]}")
            return
        self._end = self._loop.create_task(_see_out(transport))
        if self._transport is None:  # picows calls that connected, and tells nobody
            self._go_down("cannot connect: the venue closed during the handshake")

    def send(self, payload: bytes) -> None:
        if self._transport is not None and not self._down:
            self._transport.send(WSMsgType.TEXT, payload)

    def close(self, reason: str) -> None:
        self._reason = reason
        if self._transport is not None:
            self._transport.send_close()
            self._hang_up(self._transport)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._tell(LinkUp(self.name))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._down:
            return
        if frame.msg_type == WSMsgType.CLOSE:
            self._reason = f"closed by the venue: {frame.get_close_code()}"
            self._hang_up(transport)
            return
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            payload = self._whole(frame)
            if payload is not None:
                self._tell(VenueFrame(self.name, payload, now_ns()))
        if frame.last_in_buffer:
            self._tell(Idle(self.name))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._go_down(self._reason)

    def _whole(self, frame: WSFrame) -> bytes | None:
        """The message this frame completes, None while fragments are missing."""
        payload: bytes = frame.get_payload_as_bytes()
        if frame.fin and not self._parts:
            return payload
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > MAX_FRAME_BYTES:
            self.close("a message over 16 MiB")
            return None
        if not frame.fin:
            return None
        whole = b"".join(self._parts)
        self._parts, self._size = [], 0
        return whole

    def _hang_up(self, transport: WSTransport) -> None:
        """Without the cut, a dead venue's share in closing TLS is waited for, 15 s and more."""
        transport.disconnect()
        self._loop.call_later(CLOSE_S, transport.disconnect, False)

    def _go_down(self, reason: str) -> None:
        if not self._down:
            self._down = True
            self._tell(LinkDown(self.name, reason))

    def _tell(self, event: Event) -> None:
        """A bug of ours is for the loop: picows would only drop the link, and we would go on."""
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - passed on, to stop the process
            context = {"message": f"{type(event).__name__} of {self.name}", "exception": error}
            self._loop.call_exception_handler(context)


async def _see_out(transport: WSTransport) -> None:
    """Take the error a link ended with, a venue's broken frame among them. Nobody else asks for it,
    and an error that nobody asked for counts as a bug of ours, which ends the process."""
    with contextlib.suppress(WSError, OSError):
        await transport.wait_disconnected()
