"""Finding strategies: the hosts' sockets in the run directory, whoever started them.

A host may come at any time, listed in the configuration or run by hand. Its publisher's socket has
its name; a socket that a dead host left costs a connection attempt a second.
"""

from __future__ import annotations

from common.rundir import RunDir
from common.transport.loop import Shell
from services.gateway.events import StrategyFound

PUBLISHER = "health.strategy_host."
LOOK_S = 1.0
MAX_STRATEGIES = 200


class StrategyFinder:
    """Looks every second, and connects the shell to what is new."""

    def __init__(self, shell: Shell, run_dir: RunDir) -> None:
        self._shell = shell
        self._sockets = run_dir.sockets
        self._known: set[str] = set()
        shell.on_start(self._start)

    async def _start(self) -> None:
        self._shell.loop.call_soon(self._look)

    def _look(self) -> None:
        for path in sorted(self._sockets.glob(f"{PUBLISHER}*")):
            name = path.name.removeprefix(PUBLISHER)
            if path.is_socket() and name not in self._known and len(self._known) < MAX_STRATEGIES:
                self._known.add(name)
                self._shell.connect(publisher=path.name, router=f"strategies.{name}")
                self._shell.feed(StrategyFound(name))
        self._shell.loop.call_later(LOOK_S, self._look)
