"""What a strategy owns: its orders from place() to their end, and what its fills add up to."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common import messages as m
from common.messages import OrderStatus, RejectReason

ZERO = Decimal(0)


class OwnOrder:
    """One order of the strategy, from place() to its end; the host keeps it up to date.

    Attributes:
        client_order_id: "" until the engine has named it.
        status: PENDING_NEW from place() on; REJECTED also when the engine refused it.
        in_doubt: whether it lives is not known; it counts as working until that is settled.
        linked: the orders that were placed together with it.
        mmp_group, quote_set: of a quote; "" of any other order.
        refusal, text: why it, or the last modify or cancel of it, was refused.
    """

    __slots__ = (
        "asked",
        "cancel_wanted",
        "client_order_id",
        "created_ns",
        "cum_quantity",
        "in_doubt",
        "instrument",
        "linked",
        "mmp_group",
        "post_only",
        "price",
        "quantity",
        "quote_set",
        "refusal",
        "request_id",
        "revision",
        "side",
        "status",
        "tag",
        "text",
        "wanted_quantity",
    )

    def __init__(self, request_id: str, command: m.PlaceOrder, created_ns: int) -> None:
        self.request_id = request_id
        self.client_order_id = ""
        self.instrument = command.instrument
        self.side = command.side
        self.price: Decimal | None = command.price
        self.quantity: Decimal = command.quantity
        self.cum_quantity = ZERO
        self.status = OrderStatus.PENDING_NEW
        self.post_only = command.post_only
        self.tag = command.tag
        self.created_ns = created_ns
        self.revision = -1
        self.in_doubt = False
        self.refusal: RejectReason | None = None
        self.text = ""
        self.linked: list[OwnOrder] = []
        self.mmp_group = self.quote_set = ""
        self.asked = ""  # the modify or cancel that is under way
        self.cancel_wanted = False
        self.wanted_quantity: Decimal | None = None  # of the modify under way

    @property
    def is_open(self) -> bool:
        """It works, or may work."""
        return not self.status.is_final

    @property
    def is_settled(self) -> bool:
        """It rests at the venue and nothing about it is under way: it can be modified."""
        resting = self.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
        return resting and not (self.in_doubt or self.asked or self.cancel_wanted)

    @property
    def leaves_quantity(self) -> Decimal:
        """What it may still fill, 0 once it is closed; of a modify under way the greater."""
        if not self.is_open:
            return ZERO
        return max(self.quantity, self.wanted_quantity or ZERO) - self.cum_quantity

    def __repr__(self) -> str:
        return (
            f"OwnOrder({self.client_order_id or self.request_id} {self.side.value} {self.quantity}"
            f" {self.instrument} at {self.price}: {self.status.value}, {self.cum_quantity} filled)"
        )


class OwnPosition(msgspec.Struct, frozen=True):
    """What the strategy's own fills add up to in one instrument, ever. Money in `currency`."""

    instrument: str
    quantity: Decimal = ZERO
    average_price: Decimal | None = None
    currency: str = ""
    realized_pnl: Decimal = ZERO  # before fees
    unrealized_pnl: Decimal | None = ZERO
    fees: Decimal = ZERO
    working_buy: Decimal = ZERO  # what open orders may still buy, those in doubt included
    working_sell: Decimal = ZERO
