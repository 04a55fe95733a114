"""What the watchdog sees besides beats, and what it does."""

from __future__ import annotations

from common.core import Data


class ProcessChanged(Data):
    """supervisord's word on a process; state without its prefix: RUNNING, EXITED, STOPPING ...

    age_s: how long ago it was started, where that is long before we heard of it.
    """

    name: str
    state: str
    pid: int = 0
    age_s: int = 0


class ProcessesListed(Data):
    """All of them as they are now."""

    processes: list[ProcessChanged]


class Kill(Data):
    """SIGKILL; supervisord starts it again."""

    name: str
    pid: int


class GiveUp(Data):
    """Have supervisord stop a process for good."""

    name: str


class Tell(Data):
    """Send one sentence to people."""

    text: str
