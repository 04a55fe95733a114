"""An event loop for what is called by hand: its time is set, and it calls nothing."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock


class StillLoop(asyncio.AbstractEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def call_later(self, *_: Any, **__: Any) -> Any:
        return Mock(asyncio.TimerHandle)

    def call_soon(self, *_: Any, **__: Any) -> Any:
        return Mock(asyncio.Handle)

    def add_reader(self, *_: Any) -> None: ...

    def remove_reader(self, *_: Any) -> bool:
        return True
