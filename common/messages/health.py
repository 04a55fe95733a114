"""How processes do, and what a person should look at."""

from __future__ import annotations

from common.messages.base import Message


class Health(Message):
    """The beat of a process, every 500 ms on its publisher, topic `health.<process>`.

    sequences: the last sequence of each topic that changed since the last two beats.
    """

    process: str
    state: str  # "starting", "ready", "degraded", "stopping"
    pid: int
    beat: int
    sequences: dict[str, int] = {}
    links: dict[str, bool] = {}
    counters: dict[str, float] = {}
    text: str = ""
    build: str = ""


class Alert(Message):
    """Something a person should know, topic `alert.<process>`; the same cause is told again at
    most once a minute, with how often it came up meanwhile."""

    process: str
    level: str  # "WARNING" or "ERROR"
    text: str
    fields: dict[str, str]
    count: int
    raised_ns: int
