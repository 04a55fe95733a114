"""Checks of quiet books against what the venue says elsewhere.

A book that has not changed for a while is either quiet or no longer fed, and the link cannot tell
which. So it is compared with the venue's REST book, and with each ticker that comes by. Age is the
age of proof: a book that was found right is as good as one that has just changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.venues.streams import RestBook, TickerReceived
from services.market_data.books import Books, LiveBook

GRACE_NS = 1_000_000_000  # for what the venue has sent and we have not read
CHECKS_PER_SECOND = 6
PACE_NS = 1_000_000_000 // CHECKS_PER_SECOND
DUE_SHARE = 0.8  # of the period, so that a verdict stands within it


class QuietChecks:
    """Which books to check now, and what a reply means."""

    def __init__(self, period_ns: int) -> None:
        self._due_ns = int(period_ns * DUE_SHARE)
        self._asked: dict[str, int] = {}  # instrument -> sequence of the book when asked
        self._suspects: dict[str, tuple[int, int]] = {}  # -> (sequence, when to judge)
        self._doubts: set[str] = set()  # a ticker disagreed: ask soon
        self._next_ns = 0

    def due(self, books: Iterable[LiveBook], now_ns: int) -> str | None:
        """A book to ask the venue for now; ask again until there is none."""
        if now_ns < self._next_ns or len(self._asked) >= CHECKS_PER_SECOND:
            return None
        chosen = self._choose(books, now_ns)
        if chosen is None:
            return None
        self._doubts.discard(chosen.instrument)
        self._asked[chosen.instrument] = chosen.book.sequence
        self._next_ns = max(self._next_ns, now_ns - PACE_NS) + PACE_NS
        return chosen.instrument

    def _choose(self, books: Iterable[LiveBook], now_ns: int) -> LiveBook | None:
        """A doubted book first, else the one that was proven longest ago."""
        oldest = None
        for live in books:
            name = live.instrument
            if not live.is_live or name in self._asked or name in self._suspects:
                continue
            if name in self._doubts and now_ns - live.changed_ns >= GRACE_NS:
                return live
            proven_ns = max(live.changed_ns, live.proven_ns)
            if now_ns - proven_ns >= self._due_ns and (
                oldest is None or proven_ns < max(oldest.changed_ns, oldest.proven_ns)
            ):
                oldest = live
        return oldest

    def on_reply(self, instrument: str, live: LiveBook | None, rest: RestBook, now_ns: int) -> bool:
        """False if the book is wrong beyond doubt. One that lags is judged after a grace time."""
        asked = self._asked.pop(instrument, None)
        if asked is None or live is None or not live.is_live:
            return True
        live.proven_ns = now_ns
        if live.book.sequence != asked or rest.sequence < asked or _agrees(live, rest):
            return True
        if rest.sequence == asked:
            return False
        self._suspects[live.instrument] = asked, now_ns + GRACE_NS
        return True

    def on_failure(self, instrument: str, live: LiveBook | None, now_ns: int) -> None:
        """No reply; the book is asked for again after a period."""
        self._asked.pop(instrument, None)
        if live is not None:
            live.proven_ns = now_ns

    def on_ticker(self, live: LiveBook, ticker: TickerReceived, now_ns: int) -> None:
        if not live.is_live:
            return
        bid, ask = live.book.best_bid or (None, 0.0), live.book.best_ask or (None, 0.0)
        theirs = ticker.message
        if (theirs.bid_price, ticker.bid_quantity) == bid and (
            theirs.ask_price,
            ticker.ask_quantity,
        ) == ask:
            live.proven_ns = now_ns
            self._doubts.discard(live.instrument)
        else:
            self._doubts.add(live.instrument)

    def frozen(self, books: Books, now_ns: int) -> list[str]:
        """Books that the venue's channel has not moved although the venue's REST book has."""
        found = []
        for instrument, (sequence, judge_ns) in list(self._suspects.items()):
            if now_ns < judge_ns:
                continue
            del self._suspects[instrument]
            live = books.get(instrument)
            if live is not None and live.is_live and live.book.sequence == sequence:
                found.append(instrument)
        return found


def _agrees(live: LiveBook, rest: RestBook) -> bool:
    bids, asks = live.book.top_bids(len(rest.bids) // 2), live.book.top_asks(len(rest.asks) // 2)
    # A side that REST shows empty must be empty here too.
    return (bids, asks) == (rest.bids, rest.asks) and not (
        (live.book.bid_prices and not rest.bids) or (live.book.ask_prices and not rest.asks)
    )
