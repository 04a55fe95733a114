"""What the benchmarks send is what they say: rings end where they began, ages are ages."""

from __future__ import annotations

import json
from typing import Any

from tests.bench import frames
from tests.bench.latency import ages_us
from tests.bench.naive import Book
from tests.bench.report import middle, percentile


def data(payload: bytes) -> Any:
    return json.loads(payload)["params"]["data"]


def test_a_turn_of_the_ring_chains_and_leaves_as_many_levels_as_before() -> None:
    books = {symbol: Book() for symbol in frames.INSTRUMENTS}
    for symbol, book in books.items():
        book.apply(data(frames.snapshot(symbol)))
    for _ in range(2):
        for payload in frames.ring():
            change = data(payload)
            books[change["instrument_name"]].apply(change)
    for book in books.values():
        assert [len(side) for side in book.sides.values()] == [frames.LEVELS, frames.LEVELS]
        assert book.change_id == frames.TURN


def test_stamped_changes_and_markers_chain_too() -> None:
    books = {symbol: Book() for symbol in [*frames.INSTRUMENTS, frames.MARKER]}
    for symbol, book in books.items():
        book.apply(data(frames.snapshot(symbol)))
    for number in range(2 * frames.TURN * len(frames.INSTRUMENTS)):
        change = data(frames.stamped(number, number))
        books[change["instrument_name"]].apply(change)
    for number in range(1, frames.TURN + 2):
        books[frames.MARKER].apply(data(frames.marker(number)))


def test_frames_have_the_size_of_recorded_ones() -> None:
    sizes = [len(payload) for payload in frames.ring()]
    assert 200 < sum(sizes) / len(sizes) < 320


def test_an_age_is_the_time_since_the_stamp_in_a_quantity() -> None:
    stamp = frames.STAMP_BASE + 1500
    ours = json.dumps({"params": {"data": {"bids": [[1, stamp], [2, 50.0]], "asks": []}}})
    naive = json.dumps({"bids": [[1, stamp], [2, stamp - 700]], "asks": []})
    for who, text in (("ours", ours), ("naive", naive)):
        assert ages_us(who, [(3_000_000, text)], 1_000_000) == [500.0]


def test_the_table_shows_median_and_interquartile_range() -> None:
    assert middle([1.0, 2.0, 3.0, 4.0, 100.0]) == (3.0, 2.0)
    assert middle([5.0]) == (5.0, 0.0)
    assert percentile(list(range(100)), 99) == 99
