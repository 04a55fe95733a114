"""Beats of processes, read from their publishers."""

from __future__ import annotations

import time
from collections.abc import Iterable

import zmq

from common import messages as m
from common.codec import decode, subscription
from common.errors import BadMessage
from common.rundir import RunDir
from services.cli.processes import Process

READY, DEGRADED = "ready", "degraded"


class Beats:
    """Follows the beats of some processes; the last one of each is in `last`."""

    def __init__(self, processes: Iterable[Process], run_dir: RunDir) -> None:
        self.last: dict[str, m.Health] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        for process in processes:
            self._socket.connect(run_dir.endpoint(process.beat))
            self._socket.subscribe(subscription(f"health.{process.name}"))

    def __enter__(self) -> Beats:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._context.term()

    def wait(self, timeout_s: float) -> None:
        """Take what comes within this time; returns early once something came."""
        if self._socket.poll(int(timeout_s * 1000)):
            self._drain()

    def wait_for_all(self, names: Iterable[str], timeout_s: float) -> None:
        """Return once each of these processes has beaten, or after the timeout."""
        wanted = set(names)
        deadline = time.monotonic() + timeout_s
        while wanted - self.last.keys() and (left := deadline - time.monotonic()) > 0:
            self.wait(min(left, 0.1))

    def state(self, name: str) -> str:
        """What a process says of itself, "" before its first beat."""
        beat = self.last.get(name)
        return beat.state if beat is not None else ""

    def _drain(self) -> None:
        while True:
            try:
                _, envelope = decode(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                return
            except BadMessage:
                continue
            if isinstance(envelope.message, m.Health):
                self.last[envelope.message.process] = envelope.message
