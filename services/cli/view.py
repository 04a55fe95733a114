"""The live view as pure functions: notifications go into a Screen, a Screen becomes text."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.cli import output

TRADES_KEPT = 12
BAR_WIDTH = 14
FRAME_ROWS = 8  # title, borders, spread, note
FINAL = frozenset({"FILLED", "CANCELED", "REJECTED", "EXPIRED"})
CLOSED_KEPT = 5


@dataclass
class Screen:
    """What the view shows. Books, trades, orders and positions as the gateway sent them."""

    title: str
    instruments: list[str]
    levels: int = 10
    note: str = ""
    books: dict[str, dict[str, Any]] = field(default_factory=dict)
    trades: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    positions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def apply(self, channel: str, data: dict[str, Any]) -> None:
        """Take one notification of the gateway."""
        kind = channel.partition(".")[0]
        if kind == "depth":
            self.books[data["instrument"]] = data
        elif kind == "trade":
            self._apply_trades(data)
        elif kind == "orders":
            if data.get("type") == "snapshot":
                self.orders.clear()
            for order in data.get("orders") or [data]:
                self._apply_order(order)
        elif kind == "positions":
            if data.get("type") == "snapshot":
                self.positions.clear()
            for position in data.get("positions") or [data]:
                self._apply_position(position)

    def _apply_trades(self, data: dict[str, Any]) -> None:
        for trade in data.get("trades") or [data]:
            if "price" in trade:
                kept = self.trades.setdefault(trade["instrument"], deque(maxlen=TRADES_KEPT))
                kept.appendleft(trade)

    def _apply_order(self, order: dict[str, Any]) -> None:
        if "client_order_id" not in order:
            return
        self.orders[order["client_order_id"]] = order
        closed = [key for key, row in self.orders.items() if row["status"] in FINAL]
        for key in closed[:-CLOSED_KEPT]:
            del self.orders[key]

    def _apply_position(self, position: dict[str, Any]) -> None:
        if "instrument" not in position or "quantity" not in position:
            return
        key = (position.get("account", ""), position["instrument"])
        if float(position["quantity"]):
            self.positions[key] = position
        else:
            self.positions.pop(key, None)


@dataclass(frozen=True)
class Room:
    """How many rows there are for each side of a book, and for trades."""

    levels: int
    trades: int


def room(screen: Screen, height: int) -> Room:
    """What fits into a terminal of so many rows, once orders and positions have theirs."""
    tables = sum(len(rows) + 2 for rows in (screen.orders, screen.positions) if rows)
    rows = max(0, height - FRAME_ROWS - tables)
    levels = max(1, min(screen.levels, rows * 2 // 3 // 2))
    return Room(levels, max(0, min(TRADES_KEPT, rows - 2 * levels)))


def render(screen: Screen, height: int = 60) -> RenderableType:
    """The whole screen, for a terminal of so many rows."""
    space = room(screen, height)
    books = [_instrument(screen, name, space) for name in screen.instruments]
    parts: list[RenderableType] = [Text.from_markup(screen.title), Columns(books, expand=False)]
    if screen.orders:
        parts.append(_orders(list(screen.orders.values())))
    if screen.positions:
        parts.append(_positions(list(screen.positions.values())))
    if screen.note:
        parts.append(Text(screen.note, style="yellow"))
    return Group(*parts)


def lines(screen: Screen) -> list[str]:
    """One plain line per instrument, for output that is no terminal."""
    shown = []
    for name in screen.instruments:
        book = screen.books.get(name)
        if book is None:
            shown.append(f"{name}  waiting")
            continue
        bid, ask = (_best(book, side) for side in ("bids", "asks"))
        shown.append(f"{name}  bid {bid}  ask {ask}{'  STALE' if book.get('stale') else ''}")
    return shown


def _best(book: dict[str, Any], side: str) -> str:
    if not book[side]:
        return "none"
    price, quantity = book[side][0]
    return f"{output.number(price)} x {output.number(quantity)}"


def _instrument(screen: Screen, name: str, space: Room) -> Panel:
    book = screen.books.get(name)
    stale = book is not None and book.get("stale")
    if book is None:
        inner: RenderableType = Text("waiting for the book ...", style=output.DIM)
    else:
        tape = _tape(screen.trades.get(name, deque()), space.trades)
        inner = Group(_ladder(book, space.levels), Text(), tape)
    state = " [black on yellow] STALE [/]" if stale else ""
    border = "yellow" if stale else "bright_black"
    return Panel(inner, title=f"[bold]{name}[/]{state}", border_style=border, padding=(0, 1))


def _ladder(book: dict[str, Any], levels: int) -> Table:
    """Asks from the far one down to the best, the spread, bids from the best down."""
    asks, bids = book["asks"][:levels], book["bids"][:levels]
    most = max((quantity for _, quantity in [*asks, *bids]), default=1.0)
    digits = max((output.decimals(price) for price, _ in [*asks, *bids]), default=0)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", min_width=11)
    grid.add_column(justify="right", min_width=11)
    grid.add_column(min_width=BAR_WIDTH)
    for price, quantity in reversed(asks):
        grid.add_row(*_level(price, digits, quantity, most, output.BAD))
    grid.add_row("", Text(_spread(bids, asks), style=output.DIM), "")
    for price, quantity in bids:
        grid.add_row(*_level(price, digits, quantity, most, output.GOOD))
    return grid


def _level(
    price: float, digits: int, quantity: float, most: float, style: str
) -> tuple[Text, Text, Text]:
    bar = "█" * max(1, round(BAR_WIDTH * quantity / most))
    return (
        Text(f"{price:.{digits}f}", style=style),
        Text(f"{quantity:,.10g}"),
        Text(bar, style=f"{style} dim"),
    )


def _spread(bids: list[list[float]], asks: list[list[float]]) -> str:
    if not bids or not asks:
        return "one side empty"
    return f"spread {output.number(round(asks[0][0] - bids[0][0], 10), 8)}"


def _tape(trades: deque[dict[str, Any]], rows: int) -> Table:
    """The newest trades; always as high as it will be, so that nothing jumps."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", min_width=11)
    grid.add_column(justify="right", min_width=11)
    grid.add_column()
    shown = list(trades)[:rows]
    for trade in shown:
        style = output.GOOD if trade["aggressor_side"] == "BUY" else output.BAD
        price = Text(output.number(trade["price"], 10), style=style)
        grid.add_row(price, f"{trade['quantity']:,.10g}", Text(trade["aggressor_side"], style))
    for _ in range(rows - len(shown)):
        grid.add_row("", "", "")
    return grid


def _orders(orders: list[dict[str, Any]]) -> Table:
    shown = Table(title="orders", title_justify="left", title_style="bold", box=None)
    for column in ("instrument", "side", "quantity", "price", "filled", "status", "id"):
        right = column in ("quantity", "price", "filled")
        shown.add_column(column, justify="right" if right else "left", header_style=output.DIM)
    for order in orders[-10:]:
        doubt = " in doubt" if order.get("in_doubt_since_ns") else ""
        shown.add_row(
            Text(order["instrument"]),
            output.side(order["side"]),
            order["quantity"],
            order.get("price") or "market",
            order.get("cum_quantity"),
            Text(order["status"] + doubt),
            Text(order["client_order_id"], style=output.DIM),
        )
    return shown


def _positions(positions: list[dict[str, Any]]) -> Table:
    shown = Table(title="positions", title_justify="left", title_style="bold", box=None)
    for column in ("instrument", "quantity", "average", "mark", "unrealized", "in"):
        right = column not in ("instrument", "in")
        shown.add_column(column, justify="right" if right else "left", header_style=output.DIM)
    for position in positions[:10]:
        profit = output.money(position.get("unrealized_pnl"))
        shown.add_row(
            Text(position["instrument"]),
            position["quantity"],
            output.price(position.get("average_price")),
            output.plain(position.get("mark_price")),
            Text(profit, style=output.BAD if profit.startswith("-") else output.GOOD),
            position.get("currency"),
        )
    return shown
