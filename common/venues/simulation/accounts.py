"""Positions, balances, margins and market maker protection of an account."""

from __future__ import annotations

from decimal import Decimal

from common.core import Data
from common.messages import InstrumentKind
from common.venues.simulation.words import ZERO


class PositionView(Data):
    """One position; money in the settlement currency.

    quantity is signed, in the instrument's unit; size_currency the same in coin.
    floating_pnl and realized_pnl are this session's, total_pnl is unrealised since entry.
    delta in coin; gamma, vega, theta are totals of the position in USD terms.
    """

    account: str
    symbol: str
    kind: InstrumentKind
    quantity: Decimal
    size_currency: Decimal
    average_price: Decimal
    average_price_usd: Decimal | None  # options
    mark_price: float
    index_price: float
    settlement_price: float  # 0.0 before the first
    delta: float
    gamma: float | None
    vega: float | None
    theta: float | None
    floating_pnl: Decimal
    realized_pnl: Decimal
    total_pnl: Decimal
    realized_funding: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    open_orders_margin: Decimal
    leverage: float | None  # None for options
    estimated_liquidation_price: float | None = None


class AccountSummary(Data):
    """One currency of an account (segregated standard margin).

    margin_balance = balance + futures_session_upl + futures_session_rpl;
    equity = margin_balance + options_value; available_funds = margin_balance - initial_margin;
    session_upl, session_rpl and total_pnl are the sums over futures and options.
    """

    account: str
    currency: str
    balance: Decimal
    equity: Decimal
    margin_balance: Decimal
    available_funds: Decimal
    available_withdrawal_funds: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    projected_initial_margin: Decimal  # with open orders left out
    projected_maintenance_margin: Decimal
    spot_reserve: Decimal  # held by open spot orders
    session_upl: Decimal
    session_rpl: Decimal
    total_pnl: Decimal
    futures_pnl: Decimal
    futures_session_upl: Decimal
    futures_session_rpl: Decimal
    options_pnl: Decimal
    options_session_upl: Decimal
    options_session_rpl: Decimal
    options_value: Decimal
    delta_total: float
    delta_total_map: dict[str, float]  # by index
    options_delta: float
    options_gamma: float
    options_vega: float
    options_theta: float
    options_gamma_map: dict[str, float]
    options_vega_map: dict[str, float]
    options_theta_map: dict[str, float]
    fee_balance: Decimal = ZERO


class MarginsView(Data):
    """What an order of this quantity and price would tie up on either side."""

    buy: Decimal
    sell: Decimal
    min_price: Decimal
    max_price: Decimal


class Protection(Data):
    """Market maker protection of one index and group of an account.

    It acts when the fills within an interval, which begins with the first of them, exceed a limit:
    their quantity, net delta or net vega (all in coin, vega in the counter currency), or their
    number. frozen_ns 0: it stays frozen until it is reset.
    """

    index: str
    group: str
    interval_ns: int
    frozen_ns: int
    max_quantity: Decimal  # of one order
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    trade_count_limit: int | None = None


class ProtectionStatus(Data):
    """frozen_until_ns: None if it is not frozen, 0 if until it is reset."""

    index: str
    group: str
    frozen_until_ns: int | None
