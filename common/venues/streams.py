"""What a public feed is asked for and what it tells: the words between feeds and market_data.

A Feed belongs to one link and is pure: it turns wanted streams into frames to send, and received
frames into the events below. It knows nothing of books that were missed or links that died: who
owns it sees to that. Instruments are named as on the bus ("<venue>.<symbol>").
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from common.core import Data, HttpCall
from common.messages import (
    Exact,
    IndexPrice,
    InstrumentDefinition,
    InstrumentStatus,
    Ticker,
    Trade,
)


class StreamKind(StrEnum):
    BOOK = "book"
    TRADE = "trade"
    TICKER = "ticker"
    INDEX = "index"
    STATE = "state"  # of all instruments; its name is ""
    PLATFORM = "platform"  # of the venue itself; its name is ""


class Stream(NamedTuple):
    """One thing to follow: `name` is an instrument, or an index for INDEX."""

    kind: StreamKind
    name: str


class FrameToSend(Data):
    """Send this at once; it counts against no budget of ours."""

    frame: bytes


class FeedReady(Data):
    """Streams may be asked for. problem: what of the login did not work, "" if all did."""

    authenticated: bool
    problem: str = ""


class StreamsStarted(Data):
    """The venue's answer to a subscribe call: what it took, and what it left out."""

    accepted: list[Stream]
    refused: list[Stream]


class StreamsStopped(Data):
    """The venue sends no more of these."""

    streams: list[Stream]


class CallFailed(Data):
    """A subscribe or unsubscribe call was refused as a whole; no other call before wait_s."""

    streams: list[Stream]
    text: str
    wait_s: float = 1.0


class BookReset(Data):
    """A whole book. Sides are flat [price, quantity, ...] in any order."""

    instrument: str
    bids: list[float]
    asks: list[float]
    sequence: int
    venue_time_ns: int


class BookChange(Data):
    """Changed levels, flat; quantity 0 removes. Applies to the book at `previous` only."""

    instrument: str
    bids: list[float]
    asks: list[float]
    previous: int
    sequence: int
    venue_time_ns: int


class BookUnusable(Data):
    """A book message that cannot be taken: the book has to be fetched anew."""

    instrument: str
    reason: str


class TradeReceived(Data):
    message: Trade
    venue_sequence: int
    venue_time_ns: int


class TickerReceived(Data):
    """With the quantities at the ticker's best prices, 0 for an empty side."""

    message: Ticker
    bid_quantity: float
    ask_quantity: float
    venue_time_ns: int


class IndexReceived(Data):
    message: IndexPrice
    venue_time_ns: int


class StateReceived(Data):
    """An instrument's state changed. status None: a new instrument, or a state that only the
    instrument's definition tells."""

    instrument: str
    status: InstrumentStatus | None
    venue_time_ns: int


class VenueState(Data):
    """The venue closes for maintenance (available False) or opens again; or a part is locked."""

    available: bool
    text: str


FeedEvent = (
    FrameToSend
    | FeedReady
    | StreamsStarted
    | StreamsStopped
    | CallFailed
    | BookReset
    | BookChange
    | BookUnusable
    | TradeReceived
    | TickerReceived
    | IndexReceived
    | StateReceived
    | VenueState
)


class RestBook(Data):
    """The best levels of a book as the venue's REST call tells them; flat, best first."""

    instrument: str
    bids: list[float]
    asks: list[float]
    sequence: int
    venue_time_ns: int


class Feed(Protocol):
    """One link's half of a venue's public protocol.

    streams_per_call, calls_per_second and call_burst are the venue's limits on subscribe calls;
    links_max is how many links we may have there at once.
    """

    streams_per_call: int
    calls_per_second: float
    call_burst: int
    links_max: int
    next_wake_ns: int | None

    def on_up(self, now_ns: int) -> list[bytes]: ...
    def on_down(self) -> None: ...
    def on_time(self, now_ns: int) -> list[bytes]: ...
    def probe(self) -> bytes:
        """A frame that makes the venue answer, to prove that the link is alive."""
        ...

    def subscribe(self, streams: Sequence[Stream]) -> bytes: ...
    def unsubscribe(self, streams: Sequence[Stream]) -> bytes: ...
    def parse(self, payload: bytes, now_ns: int) -> list[FeedEvent]:
        """Raises VenueProtocolError on bytes the protocol does not allow, and nothing else."""
        ...


class PublicReference(Protocol):
    """What market_data asks the venue over REST. The parsers raise VenueProtocolError."""

    def instruments_call(self, call_id: str) -> HttpCall: ...
    def parse_instruments(self, body: bytes) -> tuple[list[InstrumentDefinition], list[str]]:
        """Definitions, and a sentence for each entry that could not be used."""
        ...

    def legs_call(self, call_id: str) -> HttpCall:
        """For the legs of all combos; asked when the definitions have combos without legs."""
        ...

    def parse_legs(self, body: bytes) -> dict[str, list[tuple[str, Exact]]]:
        """By instrument, as InstrumentDefinition.legs."""
        ...

    def book_call(self, call_id: str, instrument: str) -> HttpCall: ...
    def parse_book(self, body: bytes) -> RestBook: ...
