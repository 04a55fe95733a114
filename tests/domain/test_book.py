"""The book against two plain dicts, its gap rule and its speed-minded corners."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from common.domain.book import OrderBook
from common.errors import BookGap, LocalError

PRICES = st.integers(1, 60).map(lambda ticks: ticks / 2)
LEVELS = st.lists(st.tuples(PRICES, st.sampled_from([0.0, 1.0, 2.5, 10.0])), max_size=8)


def flat(levels: list[tuple[float, float]]) -> list[float]:
    return [number for level in levels for number in level]


def book_of(bids: list[float], asks: list[float], sequence: int = 1) -> OrderBook:
    book = OrderBook("x.A")
    book.apply_snapshot(bids, asks, sequence)
    return book


class BookAgainstDicts(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.book = OrderBook("x.A")
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})

    @rule(bids=LEVELS, asks=LEVELS, sequence=st.integers(1, 10**12))
    def snapshot(self, bids, asks, sequence):
        self.book.apply_snapshot(flat(bids), flat(asks), sequence)
        self.sides = ({}, {})
        self.mirror(bids, asks)

    @rule(bids=LEVELS, asks=LEVELS, step=st.integers(1, 1000))
    def delta(self, bids, asks, step):
        sequence = self.book.sequence
        self.book.apply_delta(flat(bids), flat(asks), sequence, sequence + step)
        assert self.book.sequence == sequence + step
        self.mirror(bids, asks)

    @rule(bids=LEVELS, missed=st.integers(1, 5))
    def gap(self, bids, missed):
        received = self.book.sequence + missed
        with pytest.raises(BookGap) as caught:
            self.book.apply_delta(flat(bids), [], received, received + 1)
        assert (caught.value.expected, caught.value.received) == (self.book.sequence, received)

    def mirror(self, bids, asks):
        for side, levels in zip(self.sides, (bids, asks), strict=True):
            for price, quantity in levels:
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)

    @invariant()
    def same_levels(self) -> None:
        bids = sorted(self.sides[0].items(), reverse=True)
        asks = sorted(self.sides[1].items())
        self.book.check()
        assert self.book.all_bids() == flat(bids)
        assert self.book.all_asks() == flat(asks)
        assert self.book.top_bids(3) == flat(bids[:3])
        assert self.book.top_asks(3) == flat(asks[:3])
        assert self.book.best_bid == (bids[0] if bids else None)
        assert self.book.best_ask == (asks[0] if asks else None)
        assert self.book.is_crossed == bool(bids and asks and bids[0][0] >= asks[0][0])


TestBookAgainstDicts = BookAgainstDicts.TestCase


def test_snapshot_replaces_everything():
    book = book_of([9.0, 1.0, 8.0, 2.0], [10.0, 1.0])
    book.apply_snapshot([7.0, 3.0], [], 5)
    assert (book.all_bids(), book.all_asks(), book.sequence) == ([7.0, 3.0], [], 5)


def test_gap_changes_nothing():
    book = book_of([9.0, 1.0], [10.0, 1.0], sequence=4)
    with pytest.raises(BookGap, match="expected 4, received 5"):
        book.apply_delta([9.0, 0.0], [], previous=5, sequence=6)
    assert (book.all_bids(), book.sequence) == ([9.0, 1.0], 4)


def test_removing_an_unknown_level_is_nothing():
    book = book_of([9.0, 1.0], [])
    book.apply_delta([8.0, 0.0], [3.0, 0.0], 1, 2)
    assert (book.all_bids(), book.all_asks()) == ([9.0, 1.0], [])


def test_top_of_a_deep_book_is_twenty_levels_best_first():
    prices = [float(price) for price in range(1, 101)]
    book = book_of(flat([(p, p) for p in prices]), flat([(p + 100, p) for p in prices]))
    assert book.top_bids()[:4] == [100.0, 100.0, 99.0, 99.0]
    assert book.top_asks()[:4] == [101.0, 1.0, 102.0, 2.0]
    assert len(book.top_bids()) == len(book.top_asks()) == 40


@pytest.mark.parametrize(
    ("bids", "asks", "crossed"),
    [
        ([9.0, 1.0], [10.0, 1.0], False),
        ([10.0, 1.0], [10.0, 1.0], True),
        ([11.0, 1.0], [10.0, 1.0], True),
        ([], [10.0, 1.0], False),
        ([9.0, 1.0], [], False),
    ],
)
def test_locked_counts_as_crossed(bids, asks, crossed):
    assert book_of(bids, asks).is_crossed is crossed


def test_check_finds_broken_invariants():
    book = book_of([9.0, 1.0, 8.0, 1.0], [])
    book.bid_prices.reverse()
    with pytest.raises(LocalError, match="ascend"):
        book.check()
    book = book_of([9.0, 1.0], [])
    book.bid_quantities.append(1.0)
    with pytest.raises(LocalError, match="prices"):
        book.check()
    book = book_of([9.0, 1.0], [])
    book.bid_quantities[0] = 0.0
    with pytest.raises(LocalError, match="quantity"):
        book.check()
