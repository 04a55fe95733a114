"""The day's profit as the position server tells it."""

from __future__ import annotations

from common import messages as m


class Profit:
    """The last figures that were complete. problem: why there are no new ones, "" if there are."""

    def __init__(self) -> None:
        self.figures: m.ProfitOfDay | None = None
        self.problem = "the position server has not told it yet"
        self._told_ns = 0

    def take(self, figures: m.ProfitOfDay, now_ns: int) -> None:
        if figures.complete:
            self.figures, self._told_ns, self.problem = figures, now_ns, ""
        else:
            self.problem = figures.text or "the figures are not complete"

    def lose(self, reason: str) -> None:
        """Nothing new comes; what was told gets old."""
        self.problem = reason

    def age_ns(self, now_ns: int) -> int | None:
        return None if self.figures is None else max(0, now_ns - self._told_ns)
