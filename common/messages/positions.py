"""Positions, balances, exposure and profit."""

from __future__ import annotations

from common.messages.base import Exact, Message


class PositionUpdated(Message):
    """One position. quantity is signed; prices in price units; profit in `currency`.

    confirmed: quantity equals what the venue last said. delta in units of the underlying.
    """

    instrument: str
    venue: str
    account: str
    quantity: Exact
    average_price: Exact | None
    currency: str
    realized_pnl: Exact  # since the desk first saw this position, before fees
    unrealized_pnl: Exact | None  # since entry, at the mark; None without a mark
    fees: Exact
    mark_price: float | None
    index_price: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    initial_margin: Exact | None
    maintenance_margin: Exact | None
    confirmed: bool
    updated_ns: int
    liquidation_price: float | None = None


class BalanceUpdated(Message):
    """One currency of an account."""

    venue: str
    account: str
    currency: str
    balance: Exact
    equity: Exact
    available: Exact
    initial_margin: Exact
    maintenance_margin: Exact
    unrealized_pnl: Exact
    realized_pnl: Exact  # this session of the venue
    options_value: Exact
    updated_ns: int
    confirmed: bool = True


class AccountSnapshot(Message):
    """For joiners: everything the position server knows of an account."""

    venue: str
    account: str
    positions: list[PositionUpdated]
    balances: list[BalanceUpdated]
    exposures: list[Exposure]
    alerts: list[RiskAlert] = []  # those that are raised now


class Exposure(Message):
    """Net Greeks of one underlying: positions plus outside inventory, in units of the underlying.

    gamma, vega and theta in USD terms, as the venue's Greeks are.
    """

    venue: str
    account: str
    underlying: str
    delta: float
    gamma: float
    vega: float
    theta: float
    inventory: float  # the outside part of delta
    updated_ns: int
    complete: bool = True  # False: a mark or Greek is missing, so the figures are partial


class PositionDifference(Message):
    """Our quantity and the venue's disagreed; ours was replaced by theirs."""

    venue: str
    account: str
    instrument: str
    ours: Exact
    theirs: Exact
    detected_ns: int


class RiskAlert(Message):
    """A configured limit was crossed (raised) or is kept again."""

    venue: str
    account: str
    limit: str  # "max_delta"
    subject: str  # "BTC"
    value: float
    bound: float
    raised: bool
    text: str


class ProfitOfDay(Message):
    """Profit of an account and of its strategies since its day began, topic
    `profit.<venue>.<account>`, every second: realized and unrealized at the mark less fees, in USD
    (of linear instruments the quote currency counts as such).

    since_ns: from when on it is counted, later than day_start_ns on the desk's first day.
    complete: False when something of it cannot be told, and then text says what.
    """

    venue: str
    account: str
    day_start_ns: int
    since_ns: int
    pnl: Exact
    strategies: dict[str, Exact]  # by owner of the orders
    complete: bool
    text: str
    updated_ns: int


class InventoryDelta(Message):
    """Holdings outside the venues, pushed to the `inventory` socket; replaces the source's last."""

    source: str  # "uniswap-v3:weth-usdc"
    underlying: str  # "ETH"
    quantity: Exact  # signed, units of the underlying
    observed_ns: int
