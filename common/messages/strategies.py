"""What strategies and the recorder tell."""

from __future__ import annotations

from common.messages.base import Exact, Message


class StrategyPosition(Message):
    """What a strategy's own fills add up to in one instrument, and what it has working there.

    Money in `currency`; working quantities count orders in doubt in full.
    """

    instrument: str
    quantity: Exact
    average_price: Exact | None
    currency: str
    realized_pnl: Exact  # before fees
    unrealized_pnl: Exact | None  # at the mark; None without one
    fees: Exact
    mark_price: float | None
    working_buy: Exact
    working_sell: Exact


class StrategyState(Message):
    """How a strategy does, topic `strategy.<name>`: when it changed, at most once a second.

    pnl: realized and unrealized less fees, by currency; without what has no mark.
    """

    name: str
    venue: str
    account: str
    state: str  # "starting", "running", "stopping", "stopped", "error"
    file: str
    parameters: dict[str, str]
    positions: list[StrategyPosition]
    pnl: dict[str, Exact]
    open_orders: int
    in_doubt: int
    placed: int  # orders, since the start of its host
    fills: int  # ever
    rejects: dict[str, int]  # refused places, modifies and cancels by reason, since the start
    slow_calls: int
    last_error: str  # with file and line
    started_ns: int
    updated_ns: int
    set_at_run_time: dict[str, str] = {}  # those of the parameters that SetParameters changed


class RawFrame(Message):
    """One frame of a venue's public link as it came, topic `raw.<venue>.<link>`, for recorders.

    Published only while somebody subscribes to that topic, or to `raw.<venue>` for all links.
    """

    link: str
    payload: bytes
    received_ns: int
