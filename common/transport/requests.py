"""Commands between processes: ROUTER answers, DEALER asks; every request gets one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq

from common import codec
from common import messages as m
from common.core import CommandReceived, Event, Replied, Request, RequestFailed
from common.errors import BadMessage
from common.transport import bus, sockets
from common.transport.bus import Secured
from common.transport.clock import now_ns

SEND_HWM = 100


class Answerer:
    """One ROUTER socket. A command that does not decode is answered here, with the field at fault;
    what is not even a header is dropped and counted."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        process: str,
        on_event: Callable[[Event], None],
        also: Secured | None = None,
    ) -> None:
        self._process = process
        self._on_event = on_event
        self.bad_frames = 0
        self._socket = sockets.make(context, zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._lock = sockets.bind(self._socket, endpoint, also)
        self._reader = sockets.Reader(loop, self._socket, self._on_frames)

    def reply(self, peer: bytes, reply: m.CommandReply) -> bool:
        """Send the one answer; False when the peer is gone."""
        frames = codec.encode_reply(self._process, now_ns(), reply)
        if len(frames[1]) > sockets.MAX_MESSAGE_BYTES:
            frames = codec.encode_reply(self._process, now_ns(), _too_large(reply))
        try:
            self._socket.send_multipart([peer, *frames], zmq.NOBLOCK)
        except zmq.ZMQError:
            return False
        self._reader.poke()
        return True

    def close(self) -> None:
        self._reader.close()
        self._socket.close()
        if self._lock is not None:
            self._lock.close()

    def _on_frames(self, frames: list[bytes]) -> None:
        if len(frames) != 3:
            self.bad_frames += 1
            return
        peer, header_frame, payload = frames
        try:
            header = codec.decode_header(header_frame)
        except BadMessage:
            self.bad_frames += 1
            return
        try:
            command = codec.decode_command(payload)
        except BadMessage as error:
            refusal = m.CommandReply(
                header.request_id, False, m.RejectReason.BAD_REQUEST, str(error), error.field
            )
            self.reply(peer, refusal)
            return
        self._on_event(
            CommandReceived(peer, header.request_id, header.sender, header.sent_ns, command)
        )


def _too_large(reply: m.CommandReply) -> m.CommandReply:
    """In place of an answer that would cost the asker its connection, for good. What was done is
    not told by it, so that a command is in doubt."""
    text = "the answer is over 1 MiB: ask for less, one order or one owner at a time"
    in_doubt = reply.accepted or reply.in_doubt
    return m.CommandReply(
        reply.request_id, False, m.RejectReason.UNSUPPORTED, text, in_doubt=in_doubt
    )


class Asker:
    """One DEALER socket to one ROUTER. Nothing is queued for a peer that is away."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str | Secured,
        process: str,
        on_event: Callable[[Event], None],
    ) -> None:
        self._loop = loop
        self._process = process
        self._on_event = on_event
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self._targets: dict[str, str] = {}
        self._socket = sockets.make(context, zmq.DEALER)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        bus.connect(self._socket, endpoint)
        self._reader = sockets.Reader(loop, self._socket, self._on_frames)

    def ask(self, request: Request) -> None:
        frames = codec.encode_command(request.request_id, self._process, now_ns(), request.command)
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            self._loop.call_soon(
                self._on_event,
                RequestFailed(request.target, request.request_id, False, "is not running"),
            )
            return
        self._reader.poke()
        if request.request_id in self._pending:  # asked again: one outcome for both
            self._pending[request.request_id].cancel()
        self._targets[request.request_id] = request.target
        self._pending[request.request_id] = self._loop.call_later(
            request.timeout_s, self._give_up, request
        )

    def close(self) -> None:
        for timer in self._pending.values():
            timer.cancel()
        self._reader.close()
        self._socket.close()

    def _give_up(self, request: Request) -> None:
        del self._pending[request.request_id]
        del self._targets[request.request_id]
        self._on_event(
            RequestFailed(request.target, request.request_id, True, "gave no answer in time")
        )

    def _on_frames(self, frames: list[bytes]) -> None:
        try:
            reply = codec.decode_reply(frames[-1])
        except BadMessage:
            return
        timer = self._pending.pop(reply.request_id, None)
        if timer is not None:
            timer.cancel()
            target = self._targets.pop(reply.request_id)
            self._on_event(Replied(target, reply.request_id, reply))
