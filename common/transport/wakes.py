"""When a core wants to be woken: one timer of the loop for all the times that it named."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from common.core import WakeAt
from common.transport.clock import now_ns


class Wakes:
    """Calls on_time with the present time; once for all times that have passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_time: Callable[[int], None]) -> None:
        self._loop = loop
        self._on_time = on_time
        self._wakes: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, command: WakeAt) -> None:
        if not self._wakes or command.ns < self._wakes[0]:
            heapq.heappush(self._wakes, command.ns)
            self._arm()
        elif command.ns not in self._wakes:
            heapq.heappush(self._wakes, command.ns)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wakes:
            delay = max(0.0, (self._wakes[0] - now_ns()) / 1e9)
            self._timer = self._loop.call_later(delay, self._wake)

    def _wake(self) -> None:
        now = now_ns()
        due = False
        while self._wakes and self._wakes[0] <= now:
            heapq.heappop(self._wakes)
            due = True
        self._timer = None
        if due:
            self._on_time(now)
        if self._timer is None:
            self._arm()
