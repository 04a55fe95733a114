"""Market data, in float64."""

from __future__ import annotations

from common.messages.base import Message
from common.messages.words import Side


class BookSnapshot(Message):
    """A whole book. Sides are flat [price, quantity, price, quantity, ...], best price first."""

    instrument: str
    bids: list[float]
    asks: list[float]


class BookDelta(Message):
    """Changed levels, flat as in BookSnapshot; quantity is the new total, 0 removes the level.

    A removed level may be one that was never told, because it came and went within one pass.
    """

    instrument: str
    bids: list[float]
    asks: list[float]


class BookStale(Message):
    """The book of this topic is not to be traded on until the next BookSnapshot."""

    instrument: str
    reason: str


class Depth(Message):
    """The best 20 levels a side, conflated; flat as in BookSnapshot. stale: do not trade on it."""

    instrument: str
    bids: list[float]
    asks: list[float]
    stale: bool = False


class Quote(Message):
    """Best bid and ask; None where a side is empty. stale: do not trade on it."""

    instrument: str
    bid_price: float | None
    bid_quantity: float
    ask_price: float | None
    ask_quantity: float
    stale: bool = False


class Trade(Message):
    """One public trade as the venue reported it (FIX MDEntryType 2)."""

    instrument: str
    price: float
    quantity: float
    aggressor_side: Side
    trade_id: str
    liquidation: bool = False


class Ticker(Message):
    """Mark, index and the slower figures of an instrument; IVs in percent, None where unknown.

    Greeks as the venue states them: delta per unit of underlying, gamma per unit of price, vega for
    one volatility point, theta for one day, both in the counter currency (USD).
    """

    instrument: str
    mark_price: float | None
    index_price: float | None
    last_price: float | None
    open_interest: float | None = None
    funding_rate: float | None = None  # momentary, as a fraction per 8 h
    funding_8h: float | None = None
    min_price: float | None = None  # the venue's price band
    max_price: float | None = None
    settlement_price: float | None = None
    volume_24h: float | None = None  # in base
    high_24h: float | None = None
    low_24h: float | None = None
    price_change_24h: float | None = None  # percent
    mark_iv: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None
    underlying_price: float | None = None
    underlying: str | None = None  # the future behind an option
    interest_rate: float | None = None
    bid_price: float | None = None
    ask_price: float | None = None


class IndexPrice(Message):
    """An index of the venue, topic `index.<venue>.<name>`."""

    venue: str
    index: str  # "btc_usd"
    price: float
