"""One OrderBook for all venues: recorded books of other protocols end as expected.

The parsers here are the least that these files need: a snapshot over REST, then deltas, of which
those that the snapshot covers are dropped.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from common.domain.book import OrderBook

DATA = Path(__file__).parents[1] / "data" / "recordings"
EXPECTED = json.loads((DATA / "books.json").read_text())


def flat(levels: list[list[str]]) -> list[float]:
    return [float(number) for level in levels for number in level[:2]]


def lines(name: str, marker: str) -> Iterator[tuple[str, dict]]:
    """What stands before the JSON of a line, and the JSON, where `marker` is in the former."""
    with gzip.open(DATA / name, "rt") as text:
        for line in text:
            head, _, body = line.partition(": ")
            if marker in head and "<-" not in head and body.startswith("{"):
                yield head, json.loads(body)


def bitstamp(symbol: str) -> tuple[OrderBook, Iterator[tuple]]:
    book = OrderBook(symbol)
    for head, body in lines("bitstamp_20210417.http.gz", f"/order_book/{symbol}"):
        if f"/{symbol} " in head.replace("/ ", " ").replace("?", " "):
            book.apply_snapshot(flat(body["bids"]), flat(body["asks"]), int(body["microtimestamp"]))

    def deltas() -> Iterator[tuple]:
        previous = book.sequence
        for _, frame in lines("bitstamp_20210417.ws.gz", ""):
            if frame.get("channel") != f"diff_order_book_{symbol}" or frame["event"] != "data":
                continue
            time = int(frame["data"]["microtimestamp"])
            if time > previous:
                yield frame["data"]["bids"], frame["data"]["asks"], previous, time
                previous = time

    return book, deltas()


def binance_usdm(symbol: str) -> tuple[OrderBook, Iterator[tuple]]:
    book = OrderBook(symbol)
    for head, body in lines("binance_usdm_20210417.http.gz", "depth"):
        if f"symbol={symbol}&" in head.replace(" ", "&"):
            book.apply_snapshot(flat(body["bids"]), flat(body["asks"]), body["lastUpdateId"])

    def deltas() -> Iterator[tuple]:
        first = True
        for _, frame in lines("binance_usdm_20210417.ws.gz", ""):
            data = frame.get("data", {})
            if data.get("e") != "depthUpdate" or data["s"] != symbol or data["u"] < book.sequence:
                continue
            # The first delta straddles the snapshot, the others name the one before.
            assert not first or data["U"] <= book.sequence
            yield data["b"], data["a"], book.sequence if first else data["pu"], data["u"]
            first = False

    return book, deltas()


def text_of(book: OrderBook) -> str:
    rows = []
    for word, levels in (("b", book.all_bids()), ("a", book.all_asks())):
        for price, quantity in zip(levels[::2], levels[1::2], strict=True):
            numbers = (format(Decimal(repr(n)).normalize(), "f") for n in (price, quantity))
            rows.append(f"{word} {' '.join(numbers)}\n")
    return "".join(rows)


@pytest.mark.parametrize(
    ("reader", "symbol"),
    [
        (reader, symbol)
        for reader in (bitstamp, binance_usdm)
        for symbol in EXPECTED[reader.__name__]
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_recorded_book_ends_as_expected_and_is_never_crossed(reader, symbol):
    expected = EXPECTED[reader.__name__][symbol]
    book, deltas = reader(symbol)
    applied = 0
    for bids, asks, previous, sequence in deltas:
        book.apply_delta(flat(bids), flat(asks), previous, sequence)
        assert not book.is_crossed
        applied += 1
    book.check()
    assert applied == expected["applied"]
    assert len(book.bid_prices) == expected["bid_levels"]
    assert len(book.ask_prices) == expected["ask_levels"]
    assert hashlib.sha256(text_of(book).encode()).hexdigest() == expected["sha256"]
