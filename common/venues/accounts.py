"""What a venue tells of an account: the words between account feeds and the position server.

An AccountFeed belongs to one private link and is pure: received frames in, the events below out.
It logs in, follows the account's channels and asks for the whole state once they are followed, so
that nothing falls between the two. Instruments are named as on the bus ("<venue>.<symbol>").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from common.core import Data
from common.messages import Fill
from common.venues.streams import FrameToSend


class PositionReport(Data):
    """One position as the venue states it; Greeks are totals of the position.

    quantity is signed, in the instrument's unit; average_price None when flat. unrealized_pnl is
    since entry. delta as the venue counts it, in the underlying.
    """

    instrument: str
    quantity: Decimal
    average_price: Decimal | None
    unrealized_pnl: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    mark_price: float | None = None
    index_price: float | None = None
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    liquidation_price: float | None = None


class BalanceReport(Data):
    """One currency. unrealized_pnl is since entry; realized_pnl of the venue's session."""

    currency: str
    balance: Decimal
    equity: Decimal
    available: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    options_value: Decimal


class AccountOpened(Data):
    """Logged in and following; the whole state has been asked for."""


class AccountRefused(Data):
    """The venue does not let us in, or does not give us what we need. is_final: asking again soon
    will not change that."""

    text: str
    is_final: bool = True


class PositionList(Data):
    """All positions; what is not in it is flat. True at some venue time between the two."""

    reports: list[PositionReport]
    from_ns: int
    to_ns: int


class PositionsChanged(Data):
    """Own fills, and the positions after them where the venue says so."""

    fills: list[Fill]
    reports: list[PositionReport]


class FillsTold(Data):
    """The last of the fills that were asked for has come; one of the two says for what."""

    instrument: str = ""
    currency: str = ""


class BalanceList(Data):
    """Some or all currencies."""

    reports: list[BalanceReport]


class AccountCallFailed(Data):
    """A question was answered with an error; ask again later."""

    method: str
    text: str


AccountEvent = (
    FrameToSend
    | AccountOpened
    | AccountRefused
    | PositionList
    | PositionsChanged
    | FillsTold
    | BalanceList
    | AccountCallFailed
)


class AccountFeed(Protocol):
    """One private link's half of a venue's account protocol."""

    next_wake_ns: int | None

    def on_up(self, now_ns: int) -> list[bytes]: ...
    def on_down(self) -> None: ...
    def on_time(self, now_ns: int) -> list[bytes]: ...
    def is_silent(self, now_ns: int) -> bool:
        """Nothing came for so long that the link is to be closed."""
        ...

    def ask_state(self) -> list[bytes]:
        """Frames that ask for all positions and balances."""
        ...

    def ask_fills(self, instrument: str, from_ns: int, to_ns: int) -> bytes:
        """A frame that asks for own fills of a time.

        They come as PositionsChanged, in as many pieces as the venue makes, and then FillsTold.
        """
        ...

    def ask_all_fills(self, currencies: Iterable[str], from_ns: int, to_ns: int) -> list[bytes]:
        """The same for all instruments that settle in one of these."""
        ...

    def parse(self, payload: bytes, now_ns: int) -> Sequence[AccountEvent]:
        """Raises VenueProtocolError on bytes the protocol does not allow, and nothing else."""
        ...
