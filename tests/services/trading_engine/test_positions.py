"""The engine's own count of a position: the venue's, and the fills that came after it."""

from __future__ import annotations

import pytest

from tests.services.trading_engine.kit import PERP, Bench, D
from tests.services.trading_engine.twin import Refuse

SYMBOL = "BTC-PERPETUAL"


def count(bench: Bench) -> object:
    return bench.engine._state.store.positions.get(PERP, D(0))


def reconnected(bench: Bench, position: float) -> list[bytes]:
    """The answers to what a new link asks, not delivered yet."""
    bench.twin.positions[SYMBOL] = position
    bench.cut()
    bench.held = []
    bench.connect()
    held, bench.held = bench.held, None
    return held


@pytest.mark.parametrize("first", ["the fill", "the answers"])
def test_a_fill_after_the_venues_positions_counts_whichever_is_told_first(first: str) -> None:
    bench = Bench().start()
    order = bench.placed(quantity="100")
    answers = reconnected(bench, 40.0)
    bench.twin.now_ms += 5
    fill = bench.twin.fill(order.venue_order_id, 30.0)
    bench.deliver([*fill, *answers] if first == "the fill" else [*answers, *fill])
    assert count(bench) == D(70)


def test_a_fill_before_the_venues_positions_counts_once() -> None:
    bench = Bench().start()
    order = bench.placed(quantity="100")
    fill = bench.twin.fill(order.venue_order_id, 30.0)
    bench.twin.now_ms += 5
    answers = reconnected(bench, 30.0)
    bench.deliver([*answers, *fill])
    assert count(bench) == D(30)
    assert len(bench.fills()) == 1


def test_a_fill_from_outside_after_the_first_positions_counts() -> None:
    bench = Bench()
    answer = bench.twin.receive

    def fill_after_positions(frame: bytes) -> list[bytes]:
        answers = answer(frame)
        if b"private/get_positions" in frame:
            bench.twin.now_ms += 5
            bench.twin.place(direction="buy", instrument_name=SYMBOL, amount=50, price=1.0)
            bench.twin.fill("V1", 50)  # only the list tells it
        return answers

    bench.twin.receive = fill_after_positions  # type: ignore[method-assign]
    bench.start()
    assert count(bench) == D(50)


def test_a_flat_account_is_flat() -> None:
    bench = Bench().start()
    order = bench.placed(quantity="100")
    bench.deliver(bench.twin.fill(order.venue_order_id, 100.0))
    bench.twin.now_ms += 5
    bench.deliver(reconnected(bench, 0.0))
    assert count(bench) == D(0)


def test_fills_missed_long_ago_are_asked_for_although_newer_ones_are_known() -> None:
    """The account's list failed once, and meanwhile a new fill was told."""
    bench = Bench().start()
    orders = [bench.placed(quantity="100") for _ in range(2)]
    bench.deliver(bench.twin.fill(orders[0].venue_order_id, 10.0))
    bench.cut()
    bench.advance(10)
    bench.twin.now_ms += 10_000
    bench.twin.fill(orders[0].venue_order_id, 20.0)  # nobody hears of it
    bench.advance(300)
    bench.twin.now_ms += 300_000
    bench.twin.refuse["private/get_positions"] = Refuse(10066, "busy")
    bench.connect()
    bench.deliver(bench.twin.fill(orders[1].venue_order_id, 30.0))
    assert [fill.last_quantity for fill in bench.fills()] == [D(10), D(30)]
    bench.advance(2)
    assert sorted(fill.last_quantity for fill in bench.fills()) == [D(10), D(20), D(30)]
