"""Public market data of Deribit over one link: channels out, typed events in.

Books come from `book.X.raw` on a link that has logged in and from `book.X.100ms` on one that has
not; both chain over the messages of their own channel. Quotes are made from the books.
https://docs.deribit.com/articles/notifications, read in August 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Literal

import msgspec

from common.config import Credentials
from common.errors import VenueProtocolError
from common.messages import IndexPrice, Side, Ticker, Trade
from common.venues.deribit.reference import lowest_price
from common.venues.deribit.session import (
    NS_PER_MS,
    VENUE_NAME,
    Answer,
    LoggedIn,
    LoginFailed,
    Notification,
    Send,
    Session,
    SessionEvent,
)
from common.venues.deribit.states import PLATFORM_CHANNEL, Platform, status_of
from common.venues.deribit.whole_numbers import Count, Milliseconds
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    CallFailed,
    FeedEvent,
    FeedReady,
    FrameToSend,
    IndexReceived,
    StateReceived,
    Stream,
    StreamKind,
    StreamsStarted,
    StreamsStopped,
    TickerReceived,
    TradeReceived,
    VenueState,
)

BOOK_MARK = b'"channel":"book.'
PREFIX = f"{VENUE_NAME}."
RAW_NEEDS_LOGIN = 13778
TOO_MANY_REQUESTS = 10028
REFILL_S = 5.0  # of an empty pool of subscribe calls; the venue ends the session on 10028
STATE_CHANNEL = "instrument.state.any.any"
SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class _Level(msgspec.Struct, array_like=True, gc=False):
    action: str
    price: float
    quantity: float


# {"type":"change","timestamp":1631026812566,"prev_change_id":14617771528,"instrument_name":
#  "ETH-10SEP21-3350-P","change_id":14617771529,"bids":[["new",0.019,93.0]],"asks":[]}
class _Book(msgspec.Struct, gc=False):
    instrument_name: str
    change_id: Count
    timestamp: Milliseconds
    bids: list[_Level] = []
    asks: list[_Level] = []
    prev_change_id: Count | None = None
    type: str = ""


class _BookParams(msgspec.Struct, gc=False):
    channel: str
    data: _Book


class _BookFrame(msgspec.Struct, gc=False):
    """A whole frame of a book channel, read in one go: most frames are of this kind."""

    method: Literal["subscription"]
    params: _BookParams


# {"trade_seq":242126092,"trade_id":"356130997","timestamp":1742627465811,"tick_direction":2,
#  "price":84295.5,"instrument_name":"BTC-PERPETUAL","direction":"buy","amount":8430.0,...}
class _Trade(msgspec.Struct, gc=False):
    instrument_name: str
    trade_id: str
    price: float
    amount: float
    direction: str
    timestamp: Milliseconds
    trade_seq: Count = 0
    liquidation: str | None = None


class _Stats(msgspec.Struct, gc=False):
    high: float | None = None
    low: float | None = None
    price_change: float | None = None
    volume: float | None = None


class _Greeks(msgspec.Struct, gc=False):
    delta: float | None = None
    gamma: float | None = None
    vega: float | None = None
    theta: float | None = None
    rho: float | None = None


class _Ticker(msgspec.Struct, gc=False):
    instrument_name: str
    timestamp: Milliseconds
    best_bid_price: float | None = None
    best_bid_amount: float | None = None
    best_ask_price: float | None = None
    best_ask_amount: float | None = None
    last_price: float | None = None
    mark_price: float | None = None
    index_price: float | None = None
    min_price: float | None = None
    max_price: float | None = None
    settlement_price: float | None = None
    open_interest: float | None = None
    current_funding: float | None = None
    funding_8h: float | None = None
    mark_iv: float | None = None
    bid_iv: float | None = None
    ask_iv: float | None = None
    interest_rate: float | None = None
    underlying_price: float | None = None
    underlying_index: str | None = None
    stats: _Stats = msgspec.field(default_factory=_Stats)
    greeks: _Greeks = msgspec.field(default_factory=_Greeks)


class _Index(msgspec.Struct, gc=False):
    index_name: str
    price: float
    timestamp: Milliseconds


class _State(msgspec.Struct, gc=False):
    instrument_name: str
    state: str
    timestamp: Milliseconds = 0


_book_frames = msgspec.json.Decoder(_BookFrame)
_books = msgspec.json.Decoder(_Book)
_trades = msgspec.json.Decoder(list[_Trade])
_tickers = msgspec.json.Decoder(_Ticker)
_indices = msgspec.json.Decoder(_Index)
_states = msgspec.json.Decoder(_State)
_platforms = msgspec.json.Decoder(Platform)
_channels = msgspec.json.Decoder(list[str])


Parser = Callable[[str, msgspec.Raw], list[FeedEvent]]


class _Call(msgspec.Struct, frozen=True):
    """Context of a subscribe or unsubscribe call."""

    starts: bool
    streams: dict[str, Stream]


class Feed:
    """See streams.Feed. Without credentials, or if the login fails, it uses 100ms channels."""

    streams_per_call = 500
    calls_per_second = 3.0  # 3,000 credits each of 10,000 that drip back per second
    call_burst = 5
    links_max = 10  # the venue allows a key 16 sessions and drops the oldest for the 17th

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._session = Session(credentials, scope="")
        self._logs_in = credentials is not None
        self._raw = False
        # Channels stay known after they are stopped: their last messages may still be on the way.
        self._channels: dict[str, tuple[Stream, Parser]] = {}

    @property
    def next_wake_ns(self) -> int | None:
        return self._session.next_wake_ns

    def on_up(self, now_ns: int) -> list[bytes]:
        self._raw = False
        self._channels.clear()
        frames = self._session.on_up(now_ns)
        if not self._logs_in:
            # The answer tells that the venue listens; with a key, the login's answer does.
            frames.append(self._session.request("public/test", {}, FeedReady(False)))
        return frames

    def on_down(self) -> None:
        self._session.on_down()

    def on_time(self, now_ns: int) -> list[bytes]:
        return self._session.on_time(now_ns)

    def probe(self) -> bytes:
        return self._session.request("public/test", {})

    def subscribe(self, streams: Sequence[Stream]) -> bytes:
        wanted = {self._channel(stream): stream for stream in streams}
        for channel, stream in wanted.items():
            self._channels[channel] = stream, PARSERS[stream.kind]
        return self._call("public/subscribe", _Call(True, wanted))

    def unsubscribe(self, streams: Sequence[Stream]) -> bytes:
        wanted = {self._channel(stream): stream for stream in streams}
        return self._call("public/unsubscribe", _Call(False, wanted))

    def parse(self, payload: bytes, now_ns: int) -> list[FeedEvent]:
        if BOOK_MARK in payload:
            book = self._book_event(payload, now_ns)
            if book is not None:
                return [book]
        events: list[FeedEvent] = []
        for event in self._session.parse(payload, now_ns):
            if type(event) is Notification:
                events += self._on_notification(event)
            else:
                events += self._on_other(event)
        return events

    def _book_event(self, payload: bytes, now_ns: int) -> BookReset | BookChange | None:
        """The short way for a good frame of a known book; all others go the long way."""
        try:
            params = _book_frames.decode(payload).params
            stream, _ = self._channels[params.channel]
            event = book_event(stream.name, params.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError):
            return None
        self._session.hear(now_ns)
        return event

    def _call(self, method: str, call: _Call) -> bytes:
        return self._session.request(method, {"channels": list(call.streams)}, call)

    def _channel(self, stream: Stream) -> str:
        symbol = stream.name.removeprefix(PREFIX)
        interval = "raw" if self._raw else "100ms"
        match stream.kind:
            case StreamKind.BOOK:
                return f"book.{symbol}.{interval}"
            case StreamKind.TRADE:
                return f"trades.{symbol}.{interval}"
            case StreamKind.TICKER:
                return f"ticker.{symbol}.100ms"
            case StreamKind.INDEX:
                return f"deribit_price_index.{symbol}"
            case StreamKind.STATE:
                return STATE_CHANNEL
            case StreamKind.PLATFORM:
                return PLATFORM_CHANNEL

    def _on_notification(self, event: Notification) -> list[FeedEvent]:
        known = self._channels.get(event.channel)
        if known is None:
            raise VenueProtocolError(VENUE_NAME, "a channel nobody asked for", event.channel)
        stream, parser = known
        try:
            return parser(stream.name, event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if stream.kind is StreamKind.BOOK:
                return [BookUnusable(stream.name, str(error))]
            raise VenueProtocolError(VENUE_NAME, str(error), bytes(event.data)) from None

    def _on_other(self, event: SessionEvent) -> list[FeedEvent]:
        match event:
            case Send(frame):
                return [FrameToSend(frame)]
            case LoggedIn():
                self._raw = True
                return [FeedReady(True)]
            case LoginFailed(code, message):
                return [FeedReady(False, f"login refused: {message} ({code})")]
            case Answer(context=_Call() as call):
                return self._on_answer(event, call)
            case Answer(context=FeedReady() as ready):
                return [ready]
        return []

    def _on_answer(self, answer: Answer, call: _Call) -> list[FeedEvent]:
        streams = list(call.streams.values())
        if answer.error is not None:
            if answer.error.code == RAW_NEEDS_LOGIN:
                self._raw = False
            wait_s = REFILL_S if answer.error.code == TOO_MANY_REQUESTS else 1.0
            return [CallFailed(streams, f"{answer.error.text} ({answer.error.code})", wait_s)]
        try:
            named = set(_channels.decode(answer.result or b""))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise VenueProtocolError(VENUE_NAME, f"answer to a subscribe call: {error}") from None
        if not call.starts:
            return [StreamsStopped(streams)]
        accepted = [stream for channel, stream in call.streams.items() if channel in named]
        refused = [stream for channel, stream in call.streams.items() if channel not in named]
        return [StreamsStarted(accepted, refused)]


def _flat(levels: list[_Level], lowest: float) -> list[float]:
    """Flat levels; none of them may be infinite, or at `lowest` (0, -inf for combos) or below.

    Raises:
        msgspec.ValidationError: one is, or its action is not known.
    """
    flat: list[float] = []
    for level in levels:
        price, quantity, action = level.price, level.quantity, level.action
        if action == "delete":
            quantity = 0.0
        elif (action != "new" and action != "change") or not 0.0 < quantity < inf:
            raise msgspec.ValidationError(f"level {action[:20]!r} {price} {quantity}")
        if not lowest < price < inf:
            raise msgspec.ValidationError(f"level {action!r} {price} {quantity}")
        flat.append(price)
        flat.append(quantity)
    return flat


def book_event(instrument: str, book: _Book) -> BookReset | BookChange:
    """A whole book is what calls itself one, what follows nothing, and what follows 0."""
    lowest = lowest_price(instrument)
    bids, asks = _flat(book.bids, lowest), _flat(book.asks, lowest)
    time_ns = book.timestamp * NS_PER_MS
    if book.type == "snapshot" or not book.prev_change_id:
        return BookReset(instrument, bids, asks, book.change_id, time_ns)
    return BookChange(instrument, bids, asks, book.prev_change_id, book.change_id, time_ns)


def parse_book(instrument: str, data: msgspec.Raw) -> list[FeedEvent]:
    return [book_event(instrument, _books.decode(data))]


def parse_trades(instrument: str, data: msgspec.Raw) -> list[FeedEvent]:
    events: list[FeedEvent] = []
    lowest = lowest_price(instrument)
    for trade in _trades.decode(data):
        side = SIDES.get(trade.direction)
        if side is None or not lowest < trade.price < inf or not 0 < trade.amount < inf:
            raise VenueProtocolError(VENUE_NAME, "a trade that cannot be", bytes(data))
        message = Trade(
            instrument, trade.price, trade.amount, side, trade.trade_id, bool(trade.liquidation)
        )
        events.append(TradeReceived(message, trade.trade_seq, trade.timestamp * NS_PER_MS))
    return events


def parse_ticker(instrument: str, raw: msgspec.Raw) -> list[FeedEvent]:
    """An empty side comes as price 0 or null; so does the volatility of a quote that is absent."""
    data = _tickers.decode(raw)
    stats, greeks = data.stats, data.greeks
    message = Ticker(
        instrument=instrument,
        mark_price=data.mark_price,
        index_price=data.index_price,
        last_price=data.last_price,
        open_interest=data.open_interest,
        funding_rate=data.current_funding,
        funding_8h=data.funding_8h,
        min_price=data.min_price,
        max_price=data.max_price,
        settlement_price=data.settlement_price,
        volume_24h=stats.volume,
        high_24h=stats.high,
        low_24h=stats.low,
        price_change_24h=stats.price_change,
        mark_iv=data.mark_iv,
        bid_iv=data.bid_iv or None,
        ask_iv=data.ask_iv or None,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        rho=greeks.rho,
        underlying_price=data.underlying_price,
        underlying=data.underlying_index,
        interest_rate=data.interest_rate,
        bid_price=data.best_bid_price if data.best_bid_amount else data.best_bid_price or None,
        ask_price=data.best_ask_price if data.best_ask_amount else data.best_ask_price or None,
    )
    quantities = data.best_bid_amount or 0.0, data.best_ask_amount or 0.0
    return [TickerReceived(message, *quantities, data.timestamp * NS_PER_MS)]


def parse_index(name: str, data: msgspec.Raw) -> list[FeedEvent]:
    index = _indices.decode(data)
    if not index.price > 0:
        raise msgspec.ValidationError(f"index price {index.price}")
    message = IndexPrice(VENUE_NAME, index.index_name, index.price)
    return [IndexReceived(message, index.timestamp * NS_PER_MS)]


def parse_state(name: str, data: msgspec.Raw) -> list[FeedEvent]:
    state = _states.decode(data)
    status = status_of(state.state)
    return [StateReceived(PREFIX + state.instrument_name, status, state.timestamp * NS_PER_MS)]


def parse_platform(name: str, data: msgspec.Raw) -> list[FeedEvent]:
    platform = _platforms.decode(data)
    if platform.maintenance is not None:
        text = "the venue is in maintenance" if platform.maintenance else "maintenance is over"
        return [VenueState(not platform.maintenance, text)]
    if platform.locked is not None:
        verb = "locked" if platform.locked else "unlocked"
        return [VenueState(True, f"index {platform.price_index} is {verb}")]
    return []


PARSERS: dict[StreamKind, Parser] = {
    StreamKind.BOOK: parse_book,
    StreamKind.TRADE: parse_trades,
    StreamKind.TICKER: parse_ticker,
    StreamKind.INDEX: parse_index,
    StreamKind.STATE: parse_state,
    StreamKind.PLATFORM: parse_platform,
}
