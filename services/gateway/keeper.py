"""Keeping what outlives the gateway: in batches, on a worker thread, so that no disk delays us."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from common import core as c
from common.rundir import RunDir
from common.transport.clock import now_ns
from common.transport.loop import Shell
from services.gateway.core import GatewayCore
from services.gateway.events import Remember
from services.gateway.memory import NAME, Memory, Unreadable, set_aside

BATCH_S = 5.0
MOST = 300  # what waits for a disk that is stuck; the oldest goes
END_S = 2.0
NOT_KEPT = "the history of the account page is not kept"


class Keeper:
    """Recalls what was kept, at once, and keeps on. Without a usable disk the gateway runs on."""

    def __init__(self, shell: Shell, core: GatewayCore, run_dir: RunDir) -> None:
        self._shell = shell
        self._waiting: list[Remember] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_told = False
        shell.extend(Remember, self._take)
        self._memory = self._recall(run_dir.state / NAME, core)
        if self._memory is not None:
            shell.on_start(self._start)
            shell.on_stop(self._stop)

    def _recall(self, path: Path, core: GatewayCore) -> Memory | None:
        """Open the file and give the core what is in it; a damaged one is set aside."""
        try:
            try:
                memory = Memory(path)
                core.recall(memory.read(now_ns()))
            except Unreadable as error:
                text = f"{path} cannot be read and is now {set_aside(path)}"
                self._shell.execute([c.Alert("WARNING", text, {"why": str(error)})])
                memory = Memory(path)
        except (OSError, sqlite3.Error, Unreadable) as error:
            self._shell.execute([c.Alert("WARNING", NOT_KEPT, {"why": str(error)})])
            return None
        return memory

    def _take(self, command: Remember) -> None:
        if self._memory is not None:
            self._waiting.append(command)
            del self._waiting[:-MOST]

    async def _start(self) -> None:
        self._shell.loop.call_later(BATCH_S, self._tick)

    def _tick(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = self._shell.loop.create_task(self._write())
        self._shell.loop.call_later(BATCH_S, self._tick)

    async def _stop(self) -> None:
        """A disk that is stuck is not waited for."""
        await asyncio.wait([self._shell.loop.create_task(self._end())], timeout=END_S)

    async def _end(self) -> None:
        assert self._memory is not None
        if self._writing is not None:
            await self._writing  # one call at a time
        await self._write()
        self._memory.close()

    async def _write(self) -> None:
        assert self._memory is not None
        batch, self._waiting = self._waiting, []
        try:
            await self._shell.loop.run_in_executor(None, self._memory.write, batch)
            self._is_told = False
        except sqlite3.Error as error:
            if not self._is_told:
                self._is_told = True
                self._shell.execute([c.Alert("WARNING", NOT_KEPT, {"why": str(error)})])
