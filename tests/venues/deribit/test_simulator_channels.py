"""Subscriptions and notifications of the simulated venue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

ORDER = {"instrument_name": PERPETUAL, "amount": 10, "price": 50000}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


class Book:
    """A strict reader of a book channel, as strict as the strictest client."""

    def __init__(self) -> None:
        self.change_id: int | None = None
        self.sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}

    def apply(self, data: dict[str, Any]) -> None:
        if data["type"] == "snapshot":
            assert "prev_change_id" not in data
            self.sides = {"bids": {}, "asks": {}}
        else:
            assert data["prev_change_id"] == self.change_id
            assert data["bids"] or data["asks"]
        self.change_id = data["change_id"]
        for name, side in self.sides.items():
            for action, price, amount in data[name]:
                assert (price in side) == (action != "new"), (action, price)
                if action == "delete":
                    assert amount == 0
                    del side[price]
                else:
                    assert amount > 0
                    side[price] = amount

    def best(self) -> tuple[float, float]:
        return max(self.sides["bids"]), min(self.sides["asks"])


@pytest.mark.parametrize("interval", ["raw", "100ms", "agg2"])
def test_a_book_channel_chains_and_equals_the_book(
    venue: Venue, client: Client, interval: str
) -> None:
    channel = f"book.{PERPETUAL}.{interval}"
    assert client.ask("public/subscribe", channels=[channel]) == [channel]
    book, count = Book(), 0
    for _ in range(50):
        for data in client.take(channel):
            book.apply(data)
            count += 1
        bid, ask = book.best()
        assert bid < ask
        venue.pass_ms(100)
    assert count > (3 if interval == "agg2" else 20)
    client.ask("public/unsubscribe", channels=[channel])
    assert client.ask("public/subscribe", channels=[channel]) == [channel]
    for data in client.take(channel):
        book.apply(data)
    depth = client.ask("public/get_order_book", instrument_name=PERPETUAL, depth=10000)
    assert sorted(book.sides["bids"].items(), reverse=True) == [tuple(b) for b in depth["bids"]]
    assert sorted(book.sides["asks"].items()) == [tuple(a) for a in depth["asks"]]


def test_a_late_joiner_and_the_first_reader_stay_in_step(venue: Venue, client: Client) -> None:
    channel = f"book.{PERPETUAL}.100ms"
    late = venue.connect()
    first, second = Book(), Book()
    client.ask("public/subscribe", channels=[channel])
    for step in range(40):
        venue.pass_ms(70)
        if step == 10:
            late.ask("public/subscribe", channels=[channel])
        for reader, book in ((client, first), (late, second)):
            for data in reader.take(channel):
                book.apply(data)
    assert first.sides == second.sides and first.change_id == second.change_id


def test_slow_books_have_fewer_messages_and_none_without_change(
    venue: Venue, client: Client
) -> None:
    channels = [f"book.{PERPETUAL}.{interval}" for interval in ("raw", "100ms", "agg2")]
    client.ask("public/subscribe", channels=channels)
    venue.pass_ms(5000)
    raw, fast, slow = (len(client.take(channel)) for channel in channels)
    assert raw > fast > slow >= 4 and fast <= 51 and slow <= 7


def test_raw_needs_a_login_and_user_channels_a_private_call(venue: Venue) -> None:
    stranger = venue.connect()
    for channel in (f"book.{PERPETUAL}.raw", f"trades.{PERPETUAL}.raw"):
        code, message, _ = stranger.refused("public/subscribe", channels=[channel])
        assert (code, message) == (13778, "raw_subscriptions_not_available_for_unauthorized")
    user = "user.orders.any.any.raw"
    assert stranger.ask("public/subscribe", channels=[user]) == []
    assert stranger.refused("private/subscribe", channels=[user])[0] == 13009
    stranger.login()
    assert stranger.ask("public/subscribe", channels=[user]) == []
    assert stranger.ask("private/subscribe", channels=[user, "nix"], scope="x") == [user]


WRONG = [
    "",
    ".",
    "book",
    "book.X.raw",
    f"book.{PERPETUAL}",
    f"book.{PERPETUAL}.1s",
    f"book.{PERPETUAL}.3.10.100ms",
    f"book.{PERPETUAL}.none.5.100ms",
    f"book.{PERPETUAL}.none.10.raw",
    f"ticker.{PERPETUAL}.5",
    "quote.X",
    "trades.future.XYZ.raw",
    "trades.bond.BTC.raw",
    f"chart.trades.{PERPETUAL}.7",
    f"chart.books.{PERPETUAL}.1",
    "perpetual.BTC_USDC.raw",
    "deribit_price_index.nix",
    "markprice.options.nix",
    "markprice.futures.btc_usd",
    "instrument.state.any.XYZ",
    "instrument.stat.any.any",
    "platform_state.nix",
    "user",
    "user.orders.any.any",
    "user.orders.X.raw",
    "user.nix.any.any.raw",
    "user.portfolio.XYZ",
    "nix.nix",
]


@pytest.mark.parametrize("channel", WRONG)
def test_wrong_channels_are_left_out(client: Client, channel: str) -> None:
    good = f"quote.{PERPETUAL}"
    assert client.ask("private/subscribe", channels=[channel, good]) == [good]


def test_the_answer_precedes_the_first_notification(client: Client) -> None:
    channels = [f"quote.{PERPETUAL}", f"ticker.{PERPETUAL}.100ms", f"book.{PERPETUAL}.100ms"]
    client.frames.clear()
    body = b'{"id":77,"method":"public/subscribe","params":{"channels":["%s","%s","%s"]}}'
    client.venue.receive(client.number, body % tuple(c.encode() for c in channels))
    assert client.frames[0]["id"] == 77
    assert {f["params"]["channel"] for f in client.frames[1:]} == set(channels)


def test_unsubscribe(venue: Venue, client: Client) -> None:
    channel = f"book.{PERPETUAL}.raw"
    client.ask("public/subscribe", channels=[channel, f"quote.{PERPETUAL}"])
    assert client.ask("private/unsubscribe", channels=[channel, "nix"]) == [channel]
    client.frames.clear()
    venue.pass_ms(1000)
    assert client.take(channel) == [] and client.take(f"quote.{PERPETUAL}")
    assert client.ask("public/unsubscribe_all") == "ok"
    client.frames.clear()
    venue.pass_ms(1000)
    assert client.frames == []


def test_twice_the_same_channel_is_one_stream(venue: Venue, client: Client) -> None:
    channel = f"book.{PERPETUAL}.100ms"
    for _ in range(2):
        assert client.ask("public/subscribe", channels=[channel, channel]) == [channel]
    book = Book()
    venue.pass_ms(2000)
    messages = client.take(channel)
    assert [data["type"] for data in messages].count("snapshot") == 2
    for data in messages:
        book.apply(data)


@pytest.mark.parametrize("group", ["none", "1", "10"])
def test_grouped_books_are_whole(venue: Venue, client: Client, group: str) -> None:
    channel = f"book.{PERPETUAL}.{group}.10.100ms"
    client.ask("public/subscribe", channels=[channel])
    venue.pass_ms(1000)
    messages = client.take(channel)
    assert len(messages) > 3
    for data in messages:
        assert set(data) == {"timestamp", "instrument_name", "change_id", "bids", "asks"}
        bids, asks = [b[0] for b in data["bids"]], [a[0] for a in data["asks"]]
        assert bids == sorted(bids, reverse=True) and asks == sorted(asks)
        assert 0 < len(bids) <= 10 and len(set(bids)) == len(bids)
        if group != "none":
            assert all(price % float(group) == 0 for price in bids + asks)
        assert bids[0] < asks[0] or group != "none"


def test_tickers_quotes_and_incremental_tickers(venue: Venue, client: Client) -> None:
    channels = [
        f"ticker.{PERPETUAL}.raw",
        f"ticker.{PERPETUAL}.100ms",
        f"quote.{PERPETUAL}",
        f"incremental_ticker.{PERPETUAL}",
        f"perpetual.{PERPETUAL}.100ms",
        "deribit_price_index.btc_usd",
    ]
    assert set(client.ask("public/subscribe", channels=channels)) == set(channels)
    venue.pass_ms(5000)
    raw, fast, quotes, steps, perpetual, index = (client.take(channel) for channel in channels)
    assert len(raw) >= len(fast) > 10
    assert all(q["best_bid_price"] < q["best_ask_price"] for q in quotes) and len(quotes) > 3
    assert steps[0]["type"] == "snapshot" and steps[0].keys() - {"type"} == raw[0].keys()
    assert all(step["type"] == "change" for step in steps[1:]) and 3 <= len(steps) <= 8
    assert set(perpetual[0]) == {"timestamp", "index_price", "interest"}
    assert set(index[0]) == {"timestamp", "price", "index_name"} and len(index) > 2


def test_trades_by_instrument_and_kind(venue: Venue, client: Client) -> None:
    channels = [f"trades.{PERPETUAL}.raw", "trades.future.BTC.100ms", "trades.option.any.raw"]
    chart = f"chart.trades.{PERPETUAL}.1"
    assert len(client.ask("public/subscribe", channels=[*channels, chart])) == 4
    client.ask("private/sell", instrument_name=PERPETUAL, amount=50, type="market")
    venue.pass_ms(300)
    own = [t for batch in client.take(channels[0]) for t in batch]
    assert own[0]["direction"] == "sell" and sum(t["amount"] for t in own) >= 50
    kind = [t for batch in client.take(channels[1]) for t in batch]
    assert {t["trade_id"] for t in own} <= {t["trade_id"] for t in kind}
    bar = client.take(chart)[-1]
    assert bar["low"] <= bar["close"] <= bar["high"] and bar["tick"] % 60_000 == 0


def test_option_marks_are_fractions(venue: Venue, client: Client) -> None:
    channel = "markprice.options.btc_usd"
    client.ask("public/subscribe", channels=[channel])
    marks = client.take(channel)[0]
    assert len(marks) > 10 and all(0.05 < mark["iv"] < 3 for mark in marks)
    venue.pass_ms(5000)
    assert client.take(channel)


def test_own_orders_trades_changes_and_money(venue: Venue, client: Client) -> None:
    channels = [
        "user.orders.any.any.raw",
        f"user.orders.{PERPETUAL}.100ms",
        "user.trades.future.BTC.raw",
        "user.changes.any.any.raw",
        "user.portfolio.btc",
        "user.orders.option.any.raw",
    ]
    assert set(client.ask("private/subscribe", channels=channels)) == set(channels)
    assert client.take(channels[4])[0]["currency"] == "BTC"
    answer = client.ask("private/buy", instrument_name=PERPETUAL, amount=20, type="market")
    venue.pass_ms(1500)
    orders, batches, trades, changes, money, options = (client.take(c) for c in channels)
    assert orders[-1]["order_id"] == answer["order"]["order_id"]
    assert orders[-1]["order_state"] == "filled"
    assert batches[0][-1] == orders[-1] and isinstance(batches[0], list)
    assert [t for batch in trades for t in batch] == answer["trades"]
    assert {"instrument_name", "trades", "positions", "orders"} == set(changes[0])
    assert changes[0]["positions"][0]["size"] == 20
    assert money and money[-1]["balance"] != 0 and options == []


def test_other_accounts_see_nothing(venue: Venue, client: Client) -> None:
    other = venue.connect().login("BOB")
    other.ask("private/subscribe", channels=["user.orders.any.any.raw", "user.portfolio.any"])
    other.frames.clear()
    client.ask("private/buy", **ORDER)
    venue.pass_ms(1500)
    assert other.frames == []


def test_labels_mark_private_notifications(venue: Venue, client: Client) -> None:
    channel = "user.orders.any.any.raw"
    client.ask("private/subscribe", channels=[channel], label="mine")
    client.ask("private/buy", **ORDER)
    found = [f["params"] for f in client.frames if f.get("method") == "subscription"]
    assert found[0]["label"] == "mine" and found[0]["channel"] == channel
    refused = client.refused("private/subscribe", channels=[channel], label="x" * 17)
    assert refused == (-32602, "Invalid params", "label")


@pytest.mark.parametrize("first", [False, True])
def test_answer_and_notification_come_in_either_order(first: bool) -> None:
    venue = Venue(notifications_first=first)
    client = venue.connect().login()
    client.ask("private/subscribe", channels=["user.orders.any.any.raw"])
    client.frames.clear()
    venue.receive(
        client.number,
        b'{"id":5,"method":"private/buy","params":'
        b'{"instrument_name":"BTC-PERPETUAL","amount":10,"price":50000}}',
    )
    assert [("id" in frame) for frame in client.frames] == [not first, first]


def test_instruments_come_and_go_at_eight() -> None:
    venue = Venue(starts_at="2026-09-22T07:59:50+00:00")
    client = venue.connect().login()
    channel = "instrument.state.any.any"
    client.ask("public/subscribe", channels=[channel, "platform_state"])
    before = {i["instrument_name"] for i in client.ask("public/get_instruments")}
    venue.pass_ms(30_000)
    states = client.take(channel)
    created = {s["instrument_name"] for s in states if s["state"] == "created"}
    closed = {s["instrument_name"] for s in states if s["state"] == "closed"}
    after = {i["instrument_name"] for i in client.ask("public/get_instruments")}
    assert created and closed and after == (before | created) - closed
    assert "BTC-22SEP26" in closed
    ticker = client.ask("public/ticker", instrument_name="BTC-22SEP26")
    assert ticker["state"] == "closed" and ticker["delivery_price"] > 0
    expired = {i["instrument_name"] for i in client.ask("public/get_instruments", expired=True)}
    assert expired == closed


def test_joining_between_two_steps_of_the_market_breaks_nobodys_chain(venue: Venue) -> None:
    """The joiner's other channels move the clock, so its snapshot is ahead of the last step."""
    channels = [f"book.{PERPETUAL}.{interval}" for interval in ("raw", "100ms")]
    reader = venue.connect().login()
    reader.ask("public/subscribe", channels=channels)
    books = {channel: Book() for channel in channels}
    names = iter(client_options(reader))
    for _ in range(20):
        venue.pass_ms(10)
        venue.now_ns += 7_000_000
        late = venue.connect().login()
        late.ask("public/subscribe", channels=[*channels, f"quote.{next(names)}"])
        joined = {channel: Book() for channel in channels}
        venue.pass_ms(200)
        for channel in channels:
            for link, book in ((reader, books[channel]), (late, joined[channel])):
                for data in link.take(channel):
                    book.apply(data)
            assert joined[channel].sides == books[channel].sides
        late.leave()


def client_options(client: Client) -> list[str]:
    found = client.ask("public/get_instruments", currency="any", kind="option")
    return [instrument["instrument_name"] for instrument in found]
