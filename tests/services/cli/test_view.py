"""The live view: what notifications do to the screen, and what it then shows."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from services.cli.view import Screen, lines, render, room

NAME = "deribit.BTC-PERPETUAL"
BOOK = {"instrument": NAME, "bids": [[61999.5, 100.0]], "asks": [[62000.0, 50.0]], "stale": False}
ORDER = {"client_order_id": "1", "instrument": NAME, "side": "BUY", "quantity": "100"}


def shown(screen: Screen) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(screen))
    console.file.close()
    return console.export_text()


def order(identity: str, status: str) -> dict[str, Any]:
    return ORDER | {"client_order_id": identity, "status": status}


def test_a_book_is_shown_with_its_spread() -> None:
    screen = Screen("desk", [NAME])
    assert "waiting" in shown(screen)
    assert lines(screen) == [f"{NAME}  waiting"]
    screen.apply(f"depth.{NAME}.10.100ms", BOOK)
    assert "spread 0.5" in shown(screen)
    assert lines(screen) == [f"{NAME}  bid 61999.5 x 100  ask 62000 x 50"]


def test_a_stale_book_says_so() -> None:
    screen = Screen("desk", [NAME])
    screen.apply(f"depth.{NAME}", BOOK | {"stale": True, "asks": []})
    assert "STALE" in shown(screen)
    assert lines(screen) == [f"{NAME}  bid 61999.5 x 100  ask none  STALE"]


def test_trades_come_newest_first() -> None:
    screen = Screen("desk", [NAME])
    screen.apply(f"depth.{NAME}", BOOK)
    for price in (1.0, 2.0):
        trade = {"instrument": NAME, "price": price, "quantity": 10.0, "aggressor_side": "SELL"}
        screen.apply(f"trade.{NAME}", trade)
    assert [trade["price"] for trade in screen.trades[NAME]] == [2.0, 1.0]
    assert "SELL" in shown(screen)


def test_orders_come_as_snapshot_and_as_updates() -> None:
    screen = Screen("desk", [NAME])
    screen.apply("orders", {"type": "snapshot", "orders": [order("1", "NEW"), order("2", "NEW")]})
    screen.apply("orders", order("2", "PARTIALLY_FILLED"))
    assert screen.orders["2"]["status"] == "PARTIALLY_FILLED"
    assert "PARTIALLY_FILLED" in shown(screen)


def test_only_the_last_closed_orders_stay() -> None:
    screen = Screen("desk", [NAME])
    screen.apply("orders", order("open", "NEW"))
    for number in range(20):
        screen.apply("orders", order(str(number), "CANCELED"))
    assert list(screen.orders) == ["open", "15", "16", "17", "18", "19"]


def test_a_flat_position_goes_away() -> None:
    screen = Screen("desk", [NAME])
    position = {"instrument": NAME, "quantity": "100", "unrealized_pnl": "-0.1", "currency": "BTC"}
    screen.apply("positions", {"positions": [position], "balances": []})
    assert "-0.1" in shown(screen)
    screen.apply("positions", position | {"quantity": "0"})
    assert screen.positions == {}


def test_the_view_fits_the_terminal() -> None:
    screen = Screen("desk", [NAME])
    for height in range(1, 80):
        space = room(screen, height)
        assert 1 <= space.levels <= screen.levels
        assert 2 * space.levels + space.trades + 8 <= max(height, 10)
    screen.apply("orders", order("1", "NEW"))
    assert room(screen, 30).trades + 2 * room(screen, 30).levels == 30 - 8 - 3
