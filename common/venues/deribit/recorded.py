"""Recorded frames of public links, whoever recorded them and whatever was asked for."""

from __future__ import annotations

import re

from common.venues.deribit.feed import PARSERS, PREFIX, Feed
from common.venues.streams import FeedEvent, Stream, StreamKind

CHANNEL = re.compile(rb'"channel"\s*:\s*"(book|trades|ticker|deribit_price_index)\.([^".]+)[^"]*"')
KINDS = {
    b"book": StreamKind.BOOK,
    b"trades": StreamKind.TRADE,
    b"ticker": StreamKind.TICKER,
    b"deribit_price_index": StreamKind.INDEX,
}


class RecordedFeed(Feed):
    """A feed that takes every channel of an instrument or index for asked for."""

    def parse(self, payload: bytes, now_ns: int) -> list[FeedEvent]:
        found = CHANNEL.search(payload)
        if found is None:
            return []  # answers, heartbeats: nothing of the market
        channel = found[0].split(b'"')[3].decode()
        if channel not in self._channels:
            kind, name = KINDS[found[1]], found[2].decode()
            stream = Stream(kind, name if kind is StreamKind.INDEX else PREFIX + name)
            self._channels[channel] = stream, PARSERS[kind]
        return super().parse(payload, now_ns)
