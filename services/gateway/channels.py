"""Names of channels: what a client may subscribe to, and which topic of the bus carries it.

Public channels are named as the topics: `book.<instrument>`, `quote.<instrument>` and so on; an
instrument may be given by a symbol that only one venue has, and a bare instrument means its book.
`depth.<instrument>.<levels>.<interval>` is conflated by the gateway. Private channels are single
words.
"""

from __future__ import annotations

import re

from common.core import Data
from services.gateway.catalog import Catalog
from services.gateway.rpc import CallError

PUBLIC = ("book", "depth", "quote", "trade", "ticker", "index")
PRIVATE = (
    "orders",
    "fills",
    "positions",
    "balances",
    "risk",
    "account",
    "strategies",
    "protections",
)
OPEN = ("health",)
INDEX = re.compile(r"[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{1,64}\Z")
INTERVAL = re.compile(r"([0-9]{1,5})(ms|s)\Z")
LEVELS = re.compile(r"[0-9]{1,2}\Z")
MAX_LEVELS = 20
DEFAULT_INTERVAL = "100ms"
MAX_INTERVAL_NS = 60_000_000_000


class Channel(Data):
    """One channel by its full name. topic "": it is not carried by one topic."""

    name: str
    kind: str
    topic: str = ""
    instrument: str = ""
    levels: int = MAX_LEVELS
    interval_ns: int = 0

    @property
    def is_private(self) -> bool:
        return self.kind in PRIVATE


def parse(text: str, catalog: Catalog) -> Channel:
    """The channel a client means.

    Raises:
        CallError: there is none of that name, or the name is ambiguous.
    """
    if text in PRIVATE or text in OPEN:
        return Channel(text, text)
    kind, _, rest = text.partition(".")
    if kind == "index" and INDEX.match(rest):
        return Channel(text, kind, topic=text)
    if kind == "depth" and rest:
        return _depth(rest, catalog)
    if kind not in PUBLIC or kind == "index" or not rest:
        kind, rest = "book", text
    instrument = catalog.resolve(rest, "channels")
    topic = f"{kind}.{instrument}"
    return Channel(topic, kind, topic, instrument)


def _depth(rest: str, catalog: Catalog) -> Channel:
    """`<instrument>`, or `<instrument>.<levels>.<interval>`; an instrument may hold dots."""
    instrument, levels, interval = rest, str(MAX_LEVELS), DEFAULT_INTERVAL
    parts = rest.rsplit(".", 2)
    if len(parts) == 3 and (INTERVAL.match(parts[2]) or parts[2] == "raw"):
        instrument, levels, interval = parts
    if not LEVELS.match(levels) or not 1 <= int(levels) <= MAX_LEVELS:
        text = f"levels of a depth channel are from 1 to {MAX_LEVELS}"
        raise CallError("BAD_PARAMETER", text, "channels")
    instrument = catalog.resolve(instrument, "channels")
    return Channel(
        f"depth.{instrument}.{int(levels)}.{interval}",
        "depth",
        f"depth.{instrument}",
        instrument,
        int(levels),
        _interval_ns(interval),
    )


def _interval_ns(text: str) -> int:
    if text == "raw":
        return 0
    match = INTERVAL.match(text)
    assert match is not None
    interval_ns = int(match[1]) * (1_000_000 if match[2] == "ms" else 1_000_000_000)
    if interval_ns > MAX_INTERVAL_NS:
        raise CallError("BAD_PARAMETER", "the longest interval is 60s", "channels")
    return interval_ns
