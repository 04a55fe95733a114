"""When a link that cannot be opened is worth a warning: not at once. At a start all processes of a
desk come up together and wait for each other, and what was lost was warned of when it was lost."""

from __future__ import annotations

PATIENCE_NS = 10_000_000_000


class Patience:
    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}  # link -> when it was down first

    def on_up(self, link: str) -> None:
        self._since_ns.pop(link, None)

    def level(self, link: str, was_up: bool, now_ns: int) -> str:
        """What to log the end of a link with, or of a try to open it."""
        since_ns = self._since_ns.setdefault(link, now_ns)
        return "WARNING" if was_up or now_ns - since_ns >= PATIENCE_NS else "INFO"
