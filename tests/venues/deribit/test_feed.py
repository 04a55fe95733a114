"""The public feed: channels asked for, recorded frames read, broken frames refused."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from common.config import Credentials, Secret
from common.domain.book import OrderBook
from common.errors import VenueProtocolError
from common.messages import InstrumentStatus, Side, Trade
from common.venues.deribit.feed import Feed
from common.venues.streams import (
    BookChange,
    BookReset,
    BookUnusable,
    CallFailed,
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

FRAMES = Path(__file__).parent / "frames"
KEY = Credentials("AMANDA", Secret("AMANDASECRECT"))
NOW = 1_700_000_000_000_000_000
PERPETUAL = "deribit.BTC-PERPETUAL"
BOOK = Stream(StreamKind.BOOK, PERPETUAL)
TRADE = Stream(StreamKind.TRADE, PERPETUAL)
TICKER = Stream(StreamKind.TICKER, PERPETUAL)
INDEX = Stream(StreamKind.INDEX, "btc_usd")
STATE = Stream(StreamKind.STATE, "")
PLATFORM = Stream(StreamKind.PLATFORM, "")
TOKENS = {"access_token": "1.1a", "refresh_token": "1.1r", "expires_in": 900, "scope": "x"}


def answer(request: bytes, result: object = None, error: object = None) -> bytes:
    body = {"jsonrpc": "2.0", "id": json.loads(request)["id"], "usIn": 1, "usOut": 2, "usDiff": 1}
    return json.dumps(body | ({"error": error} if error else {"result": result})).encode()


def notification(channel: str, data: object) -> bytes:
    params = {"channel": channel, "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode()


def feed_with(*streams: Stream, login: bool = True) -> Feed:
    """A feed that is up and follows these streams."""
    feed = Feed(KEY if login else None)
    frames = feed.on_up(NOW)
    result = TOKENS if login else {"version": "1.2.26"}
    assert feed.parse(answer(frames[1], result), NOW) == [FeedReady(login)]
    if streams:
        call = feed.subscribe(streams)
        channels = json.loads(call)["params"]["channels"]
        assert feed.parse(answer(call, channels), NOW) == [StreamsStarted(list(streams), [])]
    return feed


def channels_of(frame: bytes) -> list[str]:
    return json.loads(frame)["params"]["channels"]


def book_data(**changes: object) -> dict[str, object]:
    data = {
        "type": "change",
        "timestamp": 1_700_000_000_100,
        "instrument_name": "BTC-PERPETUAL",
        "prev_change_id": 1000,
        "change_id": 1017,
        "bids": [["change", 50000.0, 700.0], ["new", 49999.5, 10.0]],
        "asks": [["delete", 50000.5, 0.0]],
    }
    return {key: value for key, value in (data | changes).items() if value != "absent"}


# --- login and channels --------------------------------------------------------------------------


def test_raw_books_and_trades_after_login():
    feed = feed_with()
    assert channels_of(feed.subscribe([BOOK, TRADE, TICKER, INDEX, STATE, PLATFORM])) == [
        "book.BTC-PERPETUAL.raw",
        "trades.BTC-PERPETUAL.raw",
        "ticker.BTC-PERPETUAL.100ms",
        "deribit_price_index.btc_usd",
        "instrument.state.any.any",
        "platform_state",
    ]


def test_100ms_books_without_a_key():
    feed = feed_with(login=False)
    assert channels_of(feed.subscribe([BOOK, TRADE])) == [
        "book.BTC-PERPETUAL.100ms",
        "trades.BTC-PERPETUAL.100ms",
    ]


def test_100ms_books_when_the_key_is_refused():
    feed = Feed(KEY)
    frames = feed.on_up(NOW)
    assert [json.loads(frame)["method"] for frame in frames] == [
        "public/set_heartbeat",
        "public/auth",
    ]
    refusal = answer(frames[1], error={"code": 13004, "message": "invalid_credentials"})
    assert feed.parse(refusal, NOW) == [
        FeedReady(False, "login refused: invalid_credentials (13004)")
    ]
    assert channels_of(feed.subscribe([BOOK])) == ["book.BTC-PERPETUAL.100ms"]


def test_the_secret_is_in_no_frame():
    assert not any(b"AMANDASECRECT" in frame for frame in Feed(KEY).on_up(NOW))


def test_what_the_venue_leaves_out_is_refused_whatever_the_order():
    feed = feed_with()
    call = feed.subscribe([BOOK, TRADE, INDEX])
    named = ["trades.BTC-PERPETUAL.raw", "book.BTC-PERPETUAL.raw"]
    assert feed.parse(answer(call, named), NOW) == [StreamsStarted([BOOK, TRADE], [INDEX])]


def test_unsubscribed_streams_have_stopped():
    feed = feed_with(BOOK)
    call = feed.unsubscribe([BOOK])
    assert json.loads(call)["method"] == "public/unsubscribe"
    assert feed.parse(answer(call, channels_of(call)), NOW) == [StreamsStopped([BOOK])]
    # The last message of the channel may still be on its way: it is no error.
    assert feed.parse(notification("book.BTC-PERPETUAL.raw", book_data()), NOW)


def test_raw_refused_after_all_falls_back_to_100ms():
    feed = feed_with()
    call = feed.subscribe([BOOK])
    error = {"code": 13778, "message": "raw_subscriptions_not_available_for_unauthorized"}
    assert feed.parse(answer(call, error=error), NOW) == [
        CallFailed([BOOK], "raw_subscriptions_not_available_for_unauthorized (13778)")
    ]
    assert channels_of(feed.subscribe([BOOK])) == ["book.BTC-PERPETUAL.100ms"]


def test_too_many_requests_asks_for_quiet():
    feed = feed_with()
    call = feed.subscribe([BOOK])
    (event,) = feed.parse(answer(call, error={"code": 10028, "message": "too_many_requests"}), NOW)
    assert event == CallFailed([BOOK], "too_many_requests (10028)", 5.0)


def test_requests_for_proof_of_life_are_answered_at_once():
    feed = feed_with()
    request = b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'
    (event,) = feed.parse(request, NOW)
    assert isinstance(event, FrameToSend)
    assert json.loads(event.frame)["method"] == "public/test"
    assert feed.parse(answer(event.frame, {"version": "1"}), NOW) == []
    assert feed.parse(answer(feed.probe(), {"version": "1"}), NOW) == []


def test_a_new_connection_knows_no_channel_of_the_old_one():
    feed = feed_with(BOOK)
    feed.on_down()
    feed.on_up(NOW)
    with pytest.raises(VenueProtocolError, match="nobody asked for"):
        feed.parse(notification("book.BTC-PERPETUAL.raw", book_data()), NOW)


# --- books ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "snapshot", "prev_change_id": "absent"},
        {"type": "snapshot", "prev_change_id": None},
        {"type": "snapshot", "prev_change_id": 20},
        {"type": "change", "prev_change_id": 0},
        {"type": "absent", "prev_change_id": "absent"},
    ],
)
def test_what_is_a_whole_book(changes):
    feed = feed_with(BOOK)
    (event,) = feed.parse(notification("book.BTC-PERPETUAL.raw", book_data(**changes)), NOW)
    assert event == BookReset(
        PERPETUAL,
        [50000.0, 700.0, 49999.5, 10.0],
        [50000.5, 0.0],
        1017,
        1_700_000_000_100_000_000,
    )


@pytest.mark.parametrize("changes", [{}, {"type": "absent"}, {"bids": [], "new_member": {"a": 1}}])
def test_what_is_a_change(changes):
    feed = feed_with(BOOK)
    (event,) = feed.parse(notification("book.BTC-PERPETUAL.raw", book_data(**changes)), NOW)
    assert isinstance(event, BookChange)
    assert (event.previous, event.sequence, event.asks) == (1000, 1017, [50000.5, 0.0])


@pytest.mark.parametrize(
    "level",
    [
        ["new", 0, 1],
        ["new", -1.0, 1],
        ["new", 5, 0],
        ["new", 5, -1],
        ["change", 5, None],
        ["new", "5", 1],
        ["replace", 5, 1],
        ["delete", 0, 0],
        ["new", 5],
        [5, 1],
        {"price": 5},
        None,
    ],
    ids=str,
)
def test_row_48_a_level_that_cannot_be_makes_its_book_unusable(level):
    feed = feed_with(BOOK)
    frame = notification("book.BTC-PERPETUAL.raw", book_data(bids=[level]))
    (event,) = feed.parse(frame, NOW)
    assert isinstance(event, BookUnusable)
    assert event.instrument == PERPETUAL


def test_row_48_numbers_beyond_floats_make_the_book_unusable():
    feed = feed_with(BOOK)
    frame = notification("book.BTC-PERPETUAL.raw", book_data(bids=[["new", 5, 4242]]))
    for number in (b"1e999", b"NaN", b"Infinity", b'"1e999999"'):
        try:
            (event,) = feed.parse(frame.replace(b"4242", number), NOW)
        except VenueProtocolError:
            continue
        assert isinstance(event, BookUnusable)


def recorded_options():
    """Frames of the recording, with the ticker channels at the interval that we ask for."""
    with gzip.open(FRAMES / "options_20210417.ws.gz", "rt") as lines:
        for line in lines:
            head, _, text = line.partition(": ")
            if "method" in text and not head.startswith("wss"):
                yield text.replace('"channel":"ticker.', '"channel":"t.', 1)


def replay_options():
    """Events of the whole recording."""
    names = list(json.loads((FRAMES / "options_20210417.books.json").read_text()))
    streams = [
        Stream(kind, f"deribit.{name}")
        for name in names
        for kind in (StreamKind.BOOK, StreamKind.TRADE, StreamKind.TICKER)
    ]
    feed = feed_with(*streams)
    for text in recorded_options():
        if '"channel":"t.' in text:
            text = text.replace('"channel":"t.', '"channel":"ticker.', 1)
            text = text.replace('.raw"', '.100ms"', 1)
        yield from feed.parse(text.encode(), NOW)


def text_of(book: OrderBook) -> str:
    """One line per level, as the recording's expected hash was made."""
    lines = []
    for word, flat in (("b", book.all_bids()), ("a", book.all_asks())):
        for price, quantity in zip(flat[::2], flat[1::2], strict=True):
            numbers = " ".join(
                format(Decimal(repr(number)).normalize(), "f") for number in (price, quantity)
            )
            lines.append(f"{word} {numbers}\n")
    return "".join(lines)


def test_recorded_books_end_as_expected_and_are_never_crossed():
    expected = json.loads((FRAMES / "options_20210417.books.json").read_text())
    books = {name: OrderBook(name) for name in expected}
    checkpoints = {
        (name, point["change_id"]): point
        for name, row in expected.items()
        for point in row["checkpoints"]
    }
    changes = dict.fromkeys(expected, 0)
    for event in replay_options():
        if not isinstance(event, BookReset | BookChange):
            continue
        name = event.instrument.removeprefix("deribit.")
        book = books[name]
        if isinstance(event, BookReset):
            book.apply_snapshot(event.bids, event.asks, event.sequence)
        else:
            book.apply_delta(event.bids, event.asks, event.previous, event.sequence)
            changes[name] += 1
        book.check()
        assert not book.is_crossed
        point = checkpoints.get((name, event.sequence))
        if point is not None:
            assert len(book.bid_prices) == point["bid_levels"]
            assert len(book.ask_prices) == point["ask_levels"]
    for name, row in expected.items():
        assert changes[name] == row["changes"]
        assert books[name].sequence == row["final"]["change_id"]
        text = text_of(books[name])
        assert hashlib.sha256(text.encode()).hexdigest() == row["final"]["sha256"]


def test_recorded_tickers_agree_with_the_books_of_their_time():
    expected = json.loads((FRAMES / "options_20210417.books.json").read_text())
    states = {name: [] for name in expected}
    tickers = []
    books = {f"deribit.{name}": OrderBook(name) for name in expected}
    for event in replay_options():
        if isinstance(event, TickerReceived):
            tickers.append(event)
            continue
        book = books[event.instrument]
        if isinstance(event, BookReset):
            book.apply_snapshot(event.bids, event.asks, event.sequence)
        else:
            book.apply_delta(event.bids, event.asks, event.previous, event.sequence)
        best = (book.best_bid or (None, 0.0)) + (book.best_ask or (None, 0.0))
        states[book.instrument].append((event.venue_time_ns, best))
    compared = dict.fromkeys(expected, 0)
    for ticker in tickers:
        name = ticker.message.instrument.removeprefix("deribit.")
        before = [best for time, best in states[name] if time <= ticker.venue_time_ns]
        if before:
            told = ticker.message
            best = (told.bid_price, ticker.bid_quantity, told.ask_price, ticker.ask_quantity)
            assert best == before[-1]
            compared[name] += 1
    assert compared == {name: row["ticker_compared"] for name, row in expected.items()}


# --- other channels ------------------------------------------------------------------------------


def test_recorded_tickers_of_2026_parse():
    lines = (FRAMES / "tickers_20260930.jsonl").read_bytes().splitlines()
    names = {json.loads(line)["params"]["data"]["instrument_name"] for line in lines}
    feed = feed_with(*(Stream(StreamKind.TICKER, f"deribit.{name}") for name in names))
    tickers = [event for line in lines for event in feed.parse(line, NOW)]
    assert len(tickers) == len(lines) == 63
    option = next(t.message for t in tickers if t.message.instrument.endswith("-C"))
    assert option.mark_iv is not None and option.delta is not None
    assert option.underlying is not None
    future = next(t.message for t in tickers if t.message.instrument == PERPETUAL)
    assert future.funding_8h is not None and future.delta is None


def test_a_ticker_s_empty_side_is_none():
    feed = feed_with(TICKER)
    for empty in (0, 0.0, None):
        data = {
            "instrument_name": "BTC-PERPETUAL",
            "timestamp": 5,
            "best_bid_price": empty,
            "best_bid_amount": empty,
            "best_ask_price": 7.5,
            "best_ask_amount": 2.0,
            "last_price": None,
            "bid_iv": 0.0,
            "estimated_delivery_price": "expired",
            "stats": {"high": None, "low": None, "price_change": None, "volume": None},
        }
        (event,) = feed.parse(notification("ticker.BTC-PERPETUAL.100ms", data), NOW)
        assert (event.message.bid_price, event.bid_quantity) == (None, 0.0)
        assert (event.message.ask_price, event.ask_quantity) == (7.5, 2.0)
        assert event.message.bid_iv is None and event.message.last_price is None
        assert event.venue_time_ns == 5_000_000


def test_trades_come_one_by_one_with_side_and_liquidation():
    feed = feed_with(TRADE)
    trade = {
        "trade_seq": 40781986,
        "trade_id": "66460463",
        "timestamp": 1584058044032,
        "tick_direction": 3,
        "price": 4469.5,
        "liquidation": "T",
        "instrument_name": "BTC-PERPETUAL",
        "direction": "sell",
        "amount": 1120,
    }
    other = {**trade, "trade_seq": 40781987, "trade_id": "66460464", "direction": "buy"}
    del other["liquidation"]
    events = feed.parse(notification("trades.BTC-PERPETUAL.raw", [trade, other]), NOW)
    assert events == [
        TradeReceived(
            Trade(PERPETUAL, 4469.5, 1120.0, Side.SELL, "66460463", True),
            40781986,
            1584058044032_000_000,
        ),
        TradeReceived(
            Trade(PERPETUAL, 4469.5, 1120.0, Side.BUY, "66460464"),
            40781987,
            1584058044032_000_000,
        ),
    ]


def test_index_state_and_platform():
    feed = feed_with(INDEX, STATE, PLATFORM)
    index = {"timestamp": 5, "price": 50.5, "index_name": "btc_usd"}
    (event,) = feed.parse(notification("deribit_price_index.btc_usd", index), NOW)
    assert isinstance(event, IndexReceived)
    assert (event.message.venue, event.message.index, event.message.price) == (
        "deribit",
        "btc_usd",
        50.5,
    )
    for word, status in (
        ("created", None),
        ("open", InstrumentStatus.ACTIVE),
        ("locked", InstrumentStatus.CANCEL_ONLY),
        ("settlement", InstrumentStatus.HALTED),
        ("delivered", InstrumentStatus.EXPIRED),
    ):
        data = {"timestamp": 5, "state": word, "instrument_name": "BTC-22MAR19"}
        events = feed.parse(notification("instrument.state.any.any", data), NOW)
        assert events == [StateReceived("deribit.BTC-22MAR19", status, 5_000_000)]
    for data, told in (
        ({"maintenance": True}, [VenueState(False, "the venue is in maintenance")]),
        ({"maintenance": False}, [VenueState(True, "maintenance is over")]),
        (
            {"price_index": "btc_usd", "locked": True},
            [VenueState(True, "index btc_usd is locked")],
        ),
        ({"allow_unauthenticated_public_requests": True}, []),
    ):
        assert feed.parse(notification("platform_state", data), NOW) == told


# --- bytes that break the protocol ---------------------------------------------------------------

BAD_FRAMES = {
    "empty": b"",
    "not JSON": b"hello",
    "cut": b'{"jsonrpc":"2.0","method":"subscription","params":{"chan',
    "trailing": b'{"jsonrpc":"2.0"}x',
    "bad UTF-8": b'{"jsonrpc":"2.0","method":"\xff\xfe"}',
    "lone surrogate": b'{"method":"subscription","params":{"channel":"\\ud800","data":{}}}',
    "an array": b"[]",
    "a number": b"5",
    "null": b"null",
    "deep": b"[" * 100_000,
    "deep data": b'{"method":"subscription","params":{"channel":"x","data":'
    + b'{"a":' * 50_000
    + b"1"
    + b"}" * 50_000
    + b"}}",
    "5,000 digits": b'{"id":' + b"9" * 5000 + b',"result":1}',
    "no method, no id": b'{"jsonrpc":"2.0"}',
    "unknown method": b'{"jsonrpc":"2.0","method":"dance","params":{}}',
    "unknown channel": notification("book.NOBODY.raw", {}),
    "trade without a price": notification("trades.BTC-PERPETUAL.raw", [{"trade_id": "1"}]),
    "trade of an unknown side": notification(
        "trades.BTC-PERPETUAL.raw",
        [
            {
                "trade_id": "1",
                "instrument_name": "X",
                "price": 1,
                "amount": 1,
                "direction": "up",
                "timestamp": 1,
            }
        ],
    ),
    "ticker of text": notification("ticker.BTC-PERPETUAL.100ms", "x"),
    "index without a price": notification("deribit_price_index.btc_usd", {"index_name": "x"}),
    "unknown state": notification(
        "instrument.state.any.any", {"instrument_name": "X", "state": "confused"}
    ),
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
def test_bad_frames_are_refused_with_one_error(frame):
    feed = feed_with(BOOK, TRADE, TICKER, INDEX, STATE, PLATFORM)
    with pytest.raises(VenueProtocolError) as caught:
        feed.parse(frame, NOW)
    assert len(str(caught.value)) < 1000
    assert feed.parse(notification("book.BTC-PERPETUAL.raw", book_data()), NOW)  # goes on


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(payload):
    feed = feed_with(BOOK)
    with contextlib.suppress(VenueProtocolError):
        feed.parse(payload, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(
    st.sampled_from([BOOK, TRADE, TICKER, INDEX, STATE, PLATFORM]),
    JSON | st.fixed_dictionaries({"instrument_name": JSON, "timestamp": JSON, "bids": JSON}),
)
def test_no_data_of_a_known_channel_raises_anything_else(stream, data):
    feed = feed_with(stream)
    channel = channels_of(feed.subscribe([stream]))[0]
    with contextlib.suppress(VenueProtocolError):
        feed.parse(notification(channel, data), NOW)
