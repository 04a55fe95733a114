"""Orders, fills and market maker protection."""

from __future__ import annotations

from enum import StrEnum

from common.messages.base import Exact, Message
from common.messages.words import (
    ContingencyType,
    FillCondition,
    Liquidity,
    OrderStatus,
    OrderTrigger,
    OrderType,
    PriceType,
    RejectReason,
    Side,
    TimeInForce,
    TriggerPrice,
)


class OrderUpdated(Message):
    """The whole state of one order after `event`; of two, the one with the greater revision holds.

    An order whose fate the venue has not told keeps its status and carries in_doubt_since_ns.
    """

    client_order_id: str
    venue_order_id: str  # "" until known
    instrument: str
    venue: str
    account: str
    owner: str
    side: Side
    order_type: OrderType
    price: Exact | None
    quantity: Exact
    time_in_force: TimeInForce
    status: OrderStatus
    cum_quantity: Exact
    leaves_quantity: Exact
    avg_price: Exact | None
    event: OrderTrigger
    revision: int  # +1 per change of this order
    created_ns: int
    updated_ns: int
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Exact | None = None
    trigger: TriggerPrice | None = None
    reject_reason: RejectReason | None = None
    text: str = ""
    in_doubt_since_ns: int | None = None
    external: bool = False  # not placed through this engine
    request_id: str = ""
    tag: str = ""
    trigger_offset: Exact | None = None
    display_quantity: Exact | None = None
    contingency_type: ContingencyType | None = None  # of orders that are linked
    fill_condition: FillCondition | None = None
    link_id: str = ""  # client_order_id of the first order of the group it is linked in
    price_type: PriceType | None = None  # what price counts
    working_price: Exact | None = None  # where the venue has an order with a price_type now
    parent: str = ""
    parent_quantity: Exact | None = None
    quote_id: str = ""  # of a quote: the desk's id of the mass quote that first sent it
    quote_set: str = ""
    mmp_group: str = ""

    @property
    def is_secondary(self) -> bool:
        """Placed as one of the linked orders of another."""
        return self.link_id not in ("", self.client_order_id)


class OrderSnapshot(Message):
    """For joiners: all open orders and the recently closed ones of a topic's owner, or of all. Many
    orders come in parts, one after the other and with one sequence; a whole one is part 0 of 1."""

    venue: str
    account: str
    owner: str  # "" for all owners
    orders: list[OrderUpdated]
    part: int = 0
    parts: int = 1


class Fill(Message):
    """One execution of an own order; consumers deduplicate by exec_id."""

    exec_id: str
    client_order_id: str
    venue_order_id: str
    instrument: str
    venue: str
    account: str
    owner: str
    side: Side
    last_price: Exact
    last_quantity: Exact
    liquidity: Liquidity
    fee: Exact  # paid; negative = received
    fee_currency: str
    filled_ns: int  # venue time
    external: bool = False
    tag: str = ""
    combo: str = ""  # the combo traded, of its own fill and of the fills of its legs

    @property
    def moves_position(self) -> bool:
        """Nobody holds a combo: its own fill moves nothing, those of its legs do."""
        return self.combo != self.instrument

    @property
    def is_leg(self) -> bool:
        """Made by a fill of a combo's order, which counts that fill and not this one."""
        return bool(self.combo) and self.moves_position


class FillSnapshot(Message):
    """For joiners: the last 24 h of fills or the last 1,000, oldest first; has_more if cut."""

    venue: str
    account: str
    owner: str
    fills: list[Fill]
    has_more: bool = False


class ProtectionEvent(StrEnum):
    """SET: the settings are these now; TRIGGERED: it acted; RESET: quotes are taken again."""

    SET = "SET"
    REMOVED = "REMOVED"
    TRIGGERED = "TRIGGERED"
    RESET = "RESET"


class ProtectionUpdated(Message):
    """Market maker protection of one group of quotes, topic `protection.<venue>.<account>`.

    What trades within interval_s beyond a limit makes the venue cancel the group's quotes in
    instruments of this index, and refuse new ones for frozen_s. Limits in coins, None is none.
    """

    venue: str
    account: str
    index: str  # the venue's price index, "btc_usd"
    mmp_group: str
    interval_s: int  # 0: the settings are not known, or REMOVED
    frozen_s: int  # 0: until it is reset
    max_quote_quantity: Exact | None  # of one quote, in the instrument's unit
    quantity_limit: Exact | None
    delta_limit: Exact | None
    vega_limit: Exact | None
    trade_count_limit: int | None
    frozen_until_ns: int | None  # None: it takes quotes; 0: not until it is reset
    event: ProtectionEvent
    updated_ns: int


class ProtectionSnapshot(Message):
    """For joiners: all protections of an account as the venue last told them."""

    venue: str
    account: str
    protections: list[ProtectionUpdated]
