"""The links of one process: opened and closed by name, and which of them are up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from loguru import logger

from common.core import Event, LinkClose, LinkDown, LinkOpen, LinkUp
from common.transport.clock import now_ns
from common.transport.patience import Patience
from common.transport.ws_link import WsLink


class Links:
    """
    Attributes:
        up: whether it is up, of each link that was opened and not retired.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_event: Callable[[Event], None]) -> None:
        self._loop = loop
        self._on_event = on_event
        self._links: dict[str, WsLink] = {}
        self.up: dict[str, bool] = {}
        self._patience = Patience()
        self._retired: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def get(self, name: str) -> WsLink | None:
        return self._links.get(name)

    def open(self, command: LinkOpen) -> None:
        if command.link in self._links:
            return
        link = WsLink(command.link, command.url, self._on_event)
        self._links[command.link] = link
        task = self._loop.create_task(link.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self, command: LinkClose) -> None:
        link = self._links.get(command.link)
        if link is not None:
            if command.retired:
                self._retired.add(command.link)
            link.close(command.reason)

    def close_all(self, reason: str) -> None:
        for link in list(self._links.values()):
            link.close(reason)

    def on_up(self, event: LinkUp) -> None:
        self.up[event.link] = True
        self._patience.on_up(event.link)
        logger.info("link up", link=event.link)

    def on_down(self, event: LinkDown, is_stopping: bool) -> bool:
        """Whether it was lost, or could not be opened; False if it was to end for good."""
        name = event.link
        self._links.pop(name, None)
        if name in self._retired:
            self._retired.discard(name)
            self.up.pop(name, None)
            self._patience.on_up(name)
            logger.info("link retired", link=name, reason=event.reason)
            return False
        was_lost = self.up.get(name, False) and not is_stopping
        self.up[name] = False
        level = self._patience.level(name, was_lost, now_ns())
        logger.log(level, "link down", link=name, reason=event.reason)
        return True
