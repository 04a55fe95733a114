"""Commands between processes: ROUTER answers, DEALER asks; every request gets one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import zmq
from zmq.utils.monitor import parse_monitor_message

from common import codec, messages as m
from common.core import CommandReceived, Event, Replied, Request, RequestFailed
from common.errors import BadMessage
from common.transport import bus, sockets
from common.transport.bus import Secured
from common.transport.clock import now_ns

SEND_HWM = 100
AGAIN_S = 0.01


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


class Connection:
    """Tells when the peer of a DEALER went and came back: what it had not answered is lost with it,
    or its answer is. Asked again under the same request_id nothing is carried out twice.

    Attributes:
        monitor: to be read; its frames go to came_back().
    """

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._watched = socket
        address = f"inproc://connection.{int(socket.getsockopt(zmq.FD))}"
        socket.monitor(address, zmq.Event.DISCONNECTED | zmq.Event.HANDSHAKE_SUCCEEDED)
        self.monitor: zmq.Socket[bytes] = socket.context.socket(zmq.PAIR)
        self.monitor.setsockopt(zmq.LINGER, 0)
        # If it could be full, it would stop the thread that carries all sockets of the context.
        self.monitor.setsockopt(zmq.RCVHWM, 0)
        self.monitor.connect(address)
        self._is_lost = False

    def came_back(self, frames: list[bytes]) -> bool:
        event = parse_monitor_message(frames)["event"]
        was_lost, self._is_lost = self._is_lost, event == zmq.Event.DISCONNECTED
        return was_lost and event == zmq.Event.HANDSHAKE_SUCCEEDED

    def catch_up(self) -> None:
        """Who came back before anything was asked has lost nothing of ours."""
        while self.monitor.poll(0):
            self.came_back(self.monitor.recv_multipart())

    def close(self) -> None:
        self._watched.disable_monitor()
        self.monitor.close(0)


class _Pending(NamedTuple):
    target: str
    frames: list[bytes]
    timer: asyncio.TimerHandle


class Asker:
    """One DEALER socket to one ROUTER. Nothing is queued for a peer that is away; what one that
    died has not answered goes to its successor, as it was sent first, while it is waited for."""

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
        self._pending: dict[str, _Pending] = {}
        self.bad_frames = 0
        self._lost: dict[str, None] = {}  # to be asked again
        self._again = loop.call_soon(self._ask_again)
        self._socket = sockets.make(context, zmq.DEALER)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.SNDHWM, SEND_HWM)
        self._connection = Connection(self._socket)
        bus.connect(self._socket, endpoint)
        self._reader = sockets.Reader(loop, self._socket, self._on_frames)
        self._watcher = sockets.Reader(loop, self._connection.monitor, self._on_connection)

    def ask(self, request: Request) -> None:
        name = request.request_id
        frames = codec.encode_command(name, self._process, now_ns(), request.command)
        if not self._send(frames):
            self._loop.call_soon(
                self._on_event, RequestFailed(request.target, name, False, "is not running")
            )
            return
        if name in self._pending:  # asked again: one outcome for both
            self._pending[name].timer.cancel()
        timer = self._loop.call_later(request.timeout_s, self._give_up, name)
        self._pending[name] = _Pending(request.target, frames, timer)

    def _send(self, frames: list[bytes]) -> bool:
        """False: nobody is there."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._reader.poke()
        return True

    def close(self) -> None:
        for pending in self._pending.values():
            pending.timer.cancel()
        self._again.cancel()
        self._watcher.close()
        self._connection.close()
        self._reader.close()
        self._socket.close()

    def _give_up(self, name: str) -> None:
        target = self._pending.pop(name).target
        self._on_event(RequestFailed(target, name, True, "gave no answer in time"))

    def _on_connection(self, frames: list[bytes]) -> None:
        if self._connection.came_back(frames):
            self._lost |= dict.fromkeys(self._pending)
            self._again.cancel()
            self._ask_again()

    def _ask_again(self) -> None:
        """The socket may be told of its new peer a moment later than we are."""
        while self._lost:
            name = next(iter(self._lost))
            pending = self._pending.get(name)
            if pending is not None and not self._send(pending.frames):
                self._again = self._loop.call_later(AGAIN_S, self._ask_again)
                return
            del self._lost[name]

    def _on_frames(self, frames: list[bytes]) -> None:
        try:
            reply = codec.decode_reply(frames[-1])
        except BadMessage:
            self.bad_frames += 1
            return
        pending = self._pending.pop(reply.request_id, None)
        if pending is not None:
            pending.timer.cancel()
            self._on_event(Replied(pending.target, reply.request_id, reply))
