"""What a venue's order entry takes and gives, in words that fit every venue.

The engine decides; an OrderEntry only speaks the venue's language. It is pure: calls become
frames, frames become the records below. It never guesses: what it does not understand has an
unknown outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from common.domain.order import Facts
from common.messages import (
    CancelAll,
    CancelQuotes,
    InstrumentDefinition,
    Liquidity,
    OrderType,
    OrderUpdated,
    PriceType,
    RejectReason,
    ResetProtection,
    SetProtection,
    Side,
    TimeInForce,
    TriggerPrice,
)


class VenueOrderState(StrEnum):
    """Where the venue says an order is; OPEN may be partly filled."""

    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class QuoteTag(msgspec.Struct, frozen=True):
    """What the venue tells of an order that is a quote: the names it was sent with."""

    quote_id: str
    quote_set: str
    group: str


def quote_key(quote_id: str, symbol: str, side: Side) -> str:
    """Names one order of a mass quote, in place of a label, which quotes do not have."""
    return f"{quote_id}/{symbol}/{side.value}"


class VenueOrder(msgspec.Struct, frozen=True):
    """One order as the venue sees it. label is the client_order_id it was sent with, or anything
    another client wrote; parent_venue_order_id names the stop order it was born from."""

    venue_order_id: str
    label: str
    symbol: str
    side: Side
    order_type: OrderType
    price: Decimal | None
    quantity: Decimal
    time_in_force: TimeInForce
    state: VenueOrderState
    cum_quantity: Decimal
    avg_price: Decimal | None
    created_ns: int
    updated_ns: int
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    trigger: TriggerPrice | None = None
    text: str = ""  # why it ended
    parent_venue_order_id: str = ""
    trigger_offset: Decimal | None = None
    display_quantity: Decimal | None = None
    primary_venue_order_id: str = ""  # of the order whose execution places this one
    handed_on: bool = False  # it has become another order, which names it as its parent
    price_type: PriceType | None = None  # what price counts
    working_price: Decimal | None = None  # where such an order is now
    quote: QuoteTag | None = None  # label is its quote_key then
    liquidation: bool = False  # the venue made it, or ended it, to liquidate the account


class VenueFill(msgspec.Struct, frozen=True):
    """One execution of an own order. combo: the symbol of the combo traded, of its own fill and of
    those of its legs, which all name the combo's order. liquidation: it was our side that the venue
    liquidated."""

    exec_id: str
    venue_order_id: str
    label: str
    symbol: str
    side: Side  # of the own order
    price: Decimal
    quantity: Decimal
    liquidity: Liquidity
    fee: Decimal
    fee_currency: str
    filled_ns: int
    combo: str = ""
    liquidation: bool = False

    @property
    def is_leg(self) -> bool:
        return self.combo not in ("", self.symbol)


class CallRefused(msgspec.Struct, frozen=True):
    """The venue's no. unknown: the outcome is not known, only the order's state can tell."""

    reason: RejectReason
    text: str
    field: str = ""
    code: int = 0
    unknown: bool = False


class SendFrame(msgspec.Struct, frozen=True):
    frame: bytes


class LinkReady(msgspec.Struct, frozen=True):
    """Logged in, and the venue will tell every order and fill of the account from now on."""


class LinkRefused(msgspec.Struct, frozen=True):
    """The login or the set-up of the link failed; final: the credentials are wrong."""

    text: str
    final: bool


class RateLimited(msgspec.Struct, frozen=True):
    """The venue's rate limit was broken: be silent until it has recovered."""

    silent_ns: int


class Warned(msgspec.Struct, frozen=True):
    """Something a person should know."""

    text: str


class ClockMoved(msgspec.Struct, frozen=True):
    """The venue's clock is by so much further ahead of ours than it was when calls were made."""

    by_ns: int


class VenueClosed(msgspec.Struct, frozen=True):
    """It takes no orders until it says otherwise. why: "" when it is open again."""

    why: str


class ProtectionActed(msgspec.Struct, frozen=True):
    """Market maker protection cancelled the quotes of a group; frozen_until_ns: by our clock, 0
    until a reset."""

    index: str
    group: str
    frozen_until_ns: int


class VenueProtection(msgspec.Struct, frozen=True):
    """Settings of market maker protection; interval_s 0: it was removed."""

    index: str
    group: str
    interval_s: int
    frozen_s: int
    max_quote_quantity: Decimal | None = None
    quantity_limit: Decimal | None = None
    delta_limit: Decimal | None = None
    vega_limit: Decimal | None = None
    trade_count_limit: int | None = None


class QuoteSide(msgspec.Struct, frozen=True):
    """One side of one quote to send: quantity is what is to remain, 0 takes it away."""

    symbol: str
    side: Side
    price: Decimal | None
    quantity: Decimal
    post_only: bool = False


class QuoteError(msgspec.Struct, frozen=True):
    """The venue's no to one side of a mass quote."""

    symbol: str
    side: Side
    refused: CallRefused


class Unreadable(msgspec.Struct, frozen=True):
    """An "order" or "trade" that the venue told in words we do not know. text: why, with what it
    said, escaped and cut. venue_order_id and label: of the order it is about, "" where unknown."""

    what: str
    text: str
    venue_order_id: str = ""
    label: str = ""


class OrderSeen(msgspec.Struct, frozen=True):
    order: VenueOrder


class FillSeen(msgspec.Struct, frozen=True):
    fill: VenueFill


class Page(msgspec.Struct, frozen=True):
    """Where a listing that was cut off goes on, in the venue's own words."""

    method: str
    params: dict[str, Any]


class CallDone(msgspec.Struct, frozen=True):
    """The answer to a call. complete: a listing was not cut off. unreadable: what it lists besides
    and we cannot read: its silence about an order proves nothing. told_ns: of positions, the
    venue's time of them. following: how to ask for the rest of a listing, where that can be.
    skew_ns: how far the venue's clock, which the times of orders are by, is ahead of ours; the
    least that this ever was."""

    context: object
    refused: CallRefused | None = None
    orders: list[VenueOrder] = []
    fills: list[VenueFill] = []
    positions: dict[str, Decimal] | None = None  # by symbol, signed; None: not about them
    complete: bool = True
    told_ns: int = 0
    quote_errors: list[QuoteError] = []
    protections: list[VenueProtection] | None = None  # None: not about them
    frozen: list[ProtectionActed] | None = None  # those that refuse quotes now
    unreadable: list[Unreadable] = []
    following: Page | None = None
    skew_ns: int = 0


EntryEvent = (
    SendFrame
    | LinkReady
    | LinkRefused
    | RateLimited
    | Warned
    | ClockMoved
    | VenueClosed
    | OrderSeen
    | FillSeen
    | CallDone
    | Unreadable
    | ProtectionActed
)


class VenueCall(msgspec.Struct, frozen=True):
    """One frame to send; its answer comes back as CallDone with the context it was made with."""

    method: str
    frame: bytes


class Quoting(Protocol):
    """Mass quotes and market maker protection, of a venue that has them.

    Attributes:
        max_quotes: instruments in one call.
        needs_cancel_on_disconnect: it takes none over a link that leaves its orders behind.
    """

    max_quotes: int
    needs_cancel_on_disconnect: bool

    def mass_quote(
        self,
        names: QuoteTag,
        sides: list[QuoteSide],
        valid_until_ns: int,
        context: object,
    ) -> VenueCall: ...

    def cancel_quotes(
        self, filters: CancelQuotes, symbol: str, context: object
    ) -> VenueCall | None:
        """One call that cancels exactly what the filters say; None if the venue has none."""
        ...

    def protections(self, context: object) -> list[VenueCall]:
        """Settings of all protections, and those that refuse quotes now."""
        ...

    def set_protection(self, command: SetProtection, context: object) -> VenueCall: ...

    def reset_protection(self, command: ResetProtection, context: object) -> VenueCall: ...


OrderOf = tuple[OrderUpdated, InstrumentDefinition]  # and of what


class OrderEntry(Protocol):
    """Order entry of one account over one link.

    Attributes:
        quoting: None where the venue takes no quotes.
        clock_doubt: why the venue's time is not known just now, "" if it is. Calls carry their last
            moment in that time, so no order is to be sent meanwhile.
        skew_ns: how far the venue's clock is ahead of ours; None while it was never measured.
    """

    next_wake_ns: int | None
    quoting: Quoting | None
    clock_doubt: str
    skew_ns: int | None

    def hear_time(self, venue_ns: int, received_ns: int, now_ns: int) -> None:
        """A time that the venue told elsewhere, in what the desk received then."""
        ...

    def on_up(self, now_ns: int) -> list[bytes]: ...

    def on_down(self) -> list[object]:
        """Contexts of the calls that were never answered."""
        ...

    def on_time(self, now_ns: int) -> list[bytes]: ...

    def is_silent(self, now_ns: int) -> bool: ...

    def parse(self, payload: bytes, now_ns: int) -> list[EntryEvent]:
        """Raises: VenueProtocolError."""
        ...

    def place(
        self,
        order: OrderUpdated,
        symbol: str,
        valid_until_ns: int,
        reprice: bool,
        context: object,
        linked: Sequence[OrderUpdated] = (),
    ) -> VenueCall:
        """linked: what is placed together with it, in one call."""
        ...

    def modify(
        self, order: OrderUpdated, wanted: Facts, valid_until_ns: int, context: object
    ) -> VenueCall: ...

    def cancel(self, order: OrderUpdated, currency: str, context: object) -> VenueCall: ...

    def cancel_all(self, filters: CancelAll, symbol: str, context: object) -> VenueCall | None:
        """One call that cancels exactly what the filters say; None if the venue has none."""
        ...

    def account_calls(self, since_ns: int, context: object) -> list[VenueCall]:
        """Open orders, recent orders and fills, positions: the state after a (re)connect."""
        ...

    def comparison_calls(self, since_ns: Mapping[str, int], context: object) -> list[VenueCall]:
        """All open orders, and what was filled since then of what settles in each currency."""
        ...

    def listings(
        self, orders: Sequence[OrderOf], context: Callable[[Sequence[str]], object]
    ) -> list[VenueCall]:
        """Open orders, order history and fills, as few calls as show all these orders.

        Args:
            context: makes the context of one call from the client_order_ids that it could show.
        """
        ...

    def order_calls(
        self,
        order: OrderUpdated,
        definition: InstrumentDefinition,
        context: Callable[[Sequence[str]], object],
    ) -> list[VenueCall]:
        """What asks for this order by its ids; if these and its listings lack it, it does not
        exist."""
        ...

    def next_page(self, page: Page, context: object) -> VenueCall:
        """The listing that was cut off, from there on; what it showed last may come twice."""
        ...

    def logout(self) -> bytes: ...
