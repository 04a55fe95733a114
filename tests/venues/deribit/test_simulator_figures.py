"""Volatility, volumes, index channels and paged histories of the simulated Deribit."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

HOUR_MS = 3_600_000
BUY = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


def test_volatility_bars_hold_together_and_page(venue: Venue, client: Client) -> None:
    span = {"start_timestamp": venue.now_ms - 50 * HOUR_MS, "end_timestamp": venue.now_ms}
    ask = {"currency": "BTC", "resolution": "3600"} | span
    answer = client.ask("public/get_volatility_index_data", **ask)
    bars = answer["data"]
    assert len(bars) == 50 and answer["continuation"] is None
    for bar, later in zip(bars, bars[1:], strict=False):
        _, opened, high, low, closed = bar
        assert 5 < low <= min(opened, closed) <= max(opened, closed) <= high < 300
        assert later[0] - bar[0] == HOUR_MS and later[1] == closed
    second = client.ask("public/get_volatility_index_data", **(ask | {"resolution": "1"}))
    assert len(second["data"]) == 1000
    ask |= {"resolution": "1", "end_timestamp": second["continuation"]}
    before = client.ask("public/get_volatility_index_data", **ask)
    assert before["data"][-1][0] == second["data"][0][0] - 1000


def test_what_has_no_volatility_index_is_refused(venue: Venue, client: Client) -> None:
    span = {"start_timestamp": 0, "end_timestamp": 1, "resolution": "60"}
    method = "public/get_volatility_index_data"
    assert client.refused(method, currency="USDT", **span)[0] == -32602
    assert client.refused(method, currency="BTC", **(span | {"resolution": "7"}))[2] == "resolution"
    backwards = span | {"start_timestamp": 2}
    assert client.refused(method, currency="BTC", **backwards)[2] == "end_timestamp"


def test_historical_volatility_is_hourly_and_plausible(client: Client) -> None:
    points = client.ask("public/get_historical_volatility", currency="BTC")
    assert len(points) == 360 and points[1][0] - points[0][0] == HOUR_MS
    assert all(10 < volatility < 200 for _, volatility in points)
    assert client.ask("public/get_historical_volatility", currency="USDT") == []


def test_volumes_count_what_was_traded(venue: Venue, client: Client) -> None:
    client.ask("public/subscribe", channels=[f"trades.{PERPETUAL}.100ms"])
    client.ask("private/buy", **BUY)
    volumes = {v["currency"]: v for v in client.ask("public/get_trade_volumes", extended=True)}
    assert volumes["BTC"]["futures_volume"] > 0 and "calls_volume_30d" in volumes["ETH"]
    assert "calls_volume_7d" not in client.ask("public/get_trade_volumes")[0]


def test_volumes_of_a_week_and_a_month_remember_more_than_a_day(
    venue: Venue, client: Client
) -> None:
    def volumes() -> list[float]:
        (row,) = [
            row
            for row in client.ask("public/get_trade_volumes", extended=True)
            if row["currency"] == "BTC"
        ]
        return [row[f"futures_volume{span}"] for span in ("", "_7d", "_30d")]

    client.ask("private/buy", **BUY)
    first = volumes()
    assert first[0] == first[1] == first[2] > 0
    venue.now_ns += 3 * 24 * HOUR_MS * 1_000_000
    client = venue.connect().login()
    day, week, month = volumes()
    assert week == month >= day + first[0]


@pytest.mark.parametrize(
    ("channel", "members"),
    [
        ("deribit_volatility_index.btc_usd", {"timestamp", "volatility", "index_name"}),
        ("deribit_price_statistics.btc_usd", {"low24h", "high24h", "change24h", "high_volatility"}),
        ("estimated_expiration_price.eth_usd", {"seconds", "price", "is_estimated"}),
    ],
)
def test_index_channels_begin_at_once_and_go_on(
    venue: Venue, client: Client, channel: str, members: set[str]
) -> None:
    assert client.ask("public/subscribe", channels=[channel]) == [channel]
    (first,) = client.take(channel)
    assert members <= first.keys()
    venue.pass_ms(60_000)
    assert client.take(channel)


def test_ranking_agrees_with_the_index(venue: Venue, client: Client) -> None:
    channel = "deribit_price_ranking.btc_usd"
    client.ask("public/subscribe", channels=[channel])
    price = client.ask("public/get_index_price", index_name="btc_usd")["index_price"]
    (first,) = client.take(channel)
    assert {entry["price"] for entry in first} == {price}
    assert sum(entry["weight"] for entry in first) == 100


def test_channels_of_no_index_are_not_accepted(client: Client) -> None:
    wrong = ["deribit_volatility_index.sol_usd", "deribit_price_statistics.x", "deribit_price_x.y"]
    assert client.ask("public/subscribe", channels=wrong) == []


def jump(venue: Venue, hours: float) -> None:
    venue.now_ns += int(hours * HOUR_MS) * 1_000_000
    venue.pass_ms(20)


def test_history_is_recent_or_historical(venue: Venue, client: Client) -> None:
    old = client.ask("private/buy", **BUY)
    jump(venue, 25)
    client.login()
    new = client.ask("private/sell", **BUY)
    orders = "private/get_order_history_by_currency"
    trades = "private/get_user_trades_by_instrument"

    def orders_of(**more: Any) -> list[str]:
        return [o["order_id"] for o in client.ask(orders, currency="BTC", **more)]

    def trades_of(**more: Any) -> set[str]:
        page = client.ask(trades, instrument_name=PERPETUAL, **more)
        return {trade["order_id"] for trade in page["trades"]}

    assert orders_of() == [new["order"]["order_id"]]
    assert orders_of(historical=True) == [old["order"]["order_id"]]
    assert trades_of() == {new["order"]["order_id"]}
    assert trades_of(historical=True) == {old["order"]["order_id"]}


def test_history_goes_on_where_it_stopped(venue: Venue, client: Client) -> None:
    made = [client.ask("private/buy", **BUY)["order"]["order_id"] for _ in range(5)]
    method, found, token = "private/get_order_history_by_instrument", [], None
    for _ in range(3):
        more = {"continuation": token} if token else {}
        page = client.ask(
            method, instrument_name=PERPETUAL, count=2, with_continuation=True, **more
        )
        found += [order["order_id"] for order in page["orders"]]
        token = page["continuation"]
    assert found == made[::-1] and token is None


def test_trigger_history_shows_what_became_of_stops(venue: Venue, client: Client) -> None:
    mark = client.ask("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    stop = {"instrument_name": PERPETUAL, "amount": 10, "type": "stop_market"}
    stop |= {"trigger": "mark_price", "trigger_price": round(mark * 1.2), "label": "s"}
    order = client.ask("private/buy", **stop)["order"]
    client.ask("private/cancel", order_id=order["order_id"])
    history = client.ask("private/get_trigger_order_history", currency="BTC")
    (entry,) = history["entries"]
    assert entry["trigger_order_id"] == order["order_id"] and entry["label"] == "s"
    assert (entry["request"], history["continuation"]) == ("trigger:cancel", None)
    ids = [order["order_id"], client.ask("private/buy", **BUY)["order"]["order_id"]]
    assert client.ask("private/get_order_margin_by_ids", ids=ids) == []
