"""How equity, profit, exposure and strategies went: one point a second, then one a minute.

Bounded in memory; what a gateway before this one kept on disk is recalled at the start. All curves
share the clock of their points, and a value that was not known then is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from common import messages as m
from services.gateway.accounts import Account

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
SECONDS = 900  # a quarter of an hour
MINUTES = 1440  # a day
SLOT_NS = {"second": SECOND_NS, "minute": MINUTE_NS}
KEPT_NS = {"second": SECONDS * SECOND_NS, "minute": MINUTES * MINUTE_NS}
Row = dict[str, Any]
Values = dict[str, float | None]


class Resolution(StrEnum):
    SECOND = "second"
    MINUTE = "minute"


class Kind(StrEnum):
    """What a curve is of. name: a currency, "USD" for the whole account, an underlying, or a
    currency in which a strategy's profit is counted."""

    BALANCE = "balance"  # equity, pnl; in the currency
    TOTAL = "total"  # equity, pnl; in USD
    EXPOSURE = "exposure"  # delta, gamma, vega, theta, inventory
    STRATEGY = "strategy"  # pnl


class Curve(tuple[Kind, str, str, str, str]):
    """What tells curves apart: kind, venue, account, name, strategy ("" but for strategies)."""

    __slots__ = ()

    @classmethod
    def of(cls, kind: Kind, account: Account, name: str, strategy: str = "") -> Curve:
        return cls((kind, *account, name, strategy))

    @classmethod
    def read(cls, words: Iterable[str]) -> Curve:
        """What `tuple(curve)` was.

        Raises:
            ValueError: it never was one.
        """
        kind, venue, account, name, strategy = words
        return cls((Kind(kind), venue, account, name, strategy))

    def row(self) -> Row:
        return dict(zip(("kind", "venue", "account", "name", "strategy"), self, strict=True))


Frame = tuple[int, Mapping[Curve, Values]]


class Remembered(NamedTuple):
    """What is kept on disk. frames: by resolution, oldest first, as fills."""

    frames: dict[str, list[Frame]]
    fills: list[m.Fill]


class History:
    """The frames of the last quarter of an hour and, by minute, of the last day."""

    def __init__(self) -> None:
        self._frames: dict[Resolution, deque[Frame]] = {
            Resolution.SECOND: deque(maxlen=SECONDS),
            Resolution.MINUTE: deque(maxlen=MINUTES),
        }

    def add(self, now_ns: int, values: Mapping[Curve, Values]) -> None:
        """Take what is known now, if anything is. The point of a minute is the last one in it."""
        if not values:
            return
        frame = now_ns, values
        self._frames[Resolution.SECOND].append(frame)
        minutes = self._frames[Resolution.MINUTE]
        if minutes and minutes[-1][0] // MINUTE_NS == now_ns // MINUTE_NS:
            minutes.pop()
        minutes.append(frame)

    def recall(self, resolution: str, frames: Iterable[Frame]) -> None:
        """Take frames of an earlier run, oldest first."""
        self._frames[Resolution(resolution)].extend(frames)

    def columns(self, resolution: Resolution, since_ns: int, accounts: list[Account]) -> Row:
        """All curves of these accounts, their points after since_ns."""
        frames = [frame for frame in self._frames[resolution] if frame[0] > since_ns]
        return {"resolution": resolution, **columns(frames, accounts)}


def columns(frames: Iterable[Frame], accounts: list[Account] | None = None) -> Row:
    """Frames turned: one list of times, and per curve and value a list as long."""
    frames = list(frames)
    curves: dict[Curve, set[str]] = {}
    for _, values in frames:
        for curve, fields in values.items():
            if accounts is None or curve[1:3] in accounts:
                curves.setdefault(curve, set()).update(fields)
    series = [
        curve.row()
        | {
            "values": {
                name: [values.get(curve, {}).get(name) for _, values in frames]
                for name in sorted(names)
            }
        }
        for curve, names in sorted(curves.items())
    ]
    return {"time_ns": [at for at, _ in frames], "series": series}
