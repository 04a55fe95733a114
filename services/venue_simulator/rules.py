"""The rules of a simulated exchange, as data; a venue's folder may give its own."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common.core import Data
from common.messages import InstrumentKind

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS

STEP_NS = {
    InstrumentKind.PERPETUAL: 20_000_000,
    InstrumentKind.FUTURE: 50_000_000,
    InstrumentKind.SPOT: 50_000_000,
    InstrumentKind.OPTION: 100_000_000,
    InstrumentKind.FUTURE_COMBO: 500_000_000,
    InstrumentKind.OPTION_COMBO: 500_000_000,
}


class ExchangeRules(Data):
    """Bands as fractions of the mark, margin rates as fractions of the position.

    Margin of a future: its rate is the base plus the slope for every coin of size; the initial base
    is 1 / max_leverage of the instrument, the maintenance base half of that. Margin of a short
    option is in units of the underlying. Nobody is liquidated.
    """

    future_band: Decimal = Decimal("0.015")
    spot_band: Decimal = Decimal("0.05")
    option_band: Decimal = Decimal("0.05")  # of the underlying, plus half of the mark
    option_fee_cap: Decimal = Decimal("0.125")  # of the option's value
    default_leverage: int = 25
    margin_slope: dict[str, Decimal] = msgspec.field(  # by base currency
        default_factory=lambda: {"BTC": Decimal("0.00005")}
    )
    other_margin_slope: Decimal = Decimal("0.000005")
    short_option_initial: Decimal = Decimal("0.15")
    short_option_floor: Decimal = Decimal("0.1")
    short_option_maintenance: Decimal = Decimal("0.075")
    label_length: int = 64
    max_open_orders: int = 10_000  # per account
    display_minimums: int = 100  # least display_quantity, in minimum quantities
    display_part: Decimal = Decimal("0.01")  # and as a part of the order
    settlement_ns: int = 8 * HOUR_NS  # after midnight UTC
    delivery_window_ns: int = HOUR_NS // 2  # the delivery price is the average of these
    mark_every_ns: int = 100_000_000
    linger_ns: int = 30 * SECOND_NS  # how long a book lives that nobody needs
    history: int = 10_000  # closed orders and fills kept per account
    trade_history: int = 1_000  # public trades kept per instrument
    step_ns: dict[InstrumentKind, int] = msgspec.field(  # how often synthetic orders are played
        default_factory=lambda: dict(STEP_NS)
    )
