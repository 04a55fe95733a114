"""The control interface over the simulated Deribit: what its clients see of each action."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from services.venue_simulator.core import ControlAsked
from services.venue_simulator.faults import AnswerHttp
from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

BOOK = f"book.{PERPETUAL}.100ms"


@pytest.fixture
def venue() -> Venue:
    return Venue()


def control(venue: Venue, action: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    asked = ControlAsked(99, action, msgspec.json.encode(fields))
    commands = venue.core.handle(asked, venue.now_ns)
    (answer,) = [c.answer for c in commands if isinstance(c, AnswerHttp)]
    venue._deliver([c for c in commands if not isinstance(c, AnswerHttp)])
    assert answer.status == status, answer.body
    return msgspec.json.decode(answer.body)


def resting(client: Client, **more: Any) -> dict[str, Any]:
    ticker = client.ask("public/ticker", instrument_name=PERPETUAL)
    price = ticker["min_price"] + 10 - ticker["min_price"] % 10
    order = {"instrument_name": PERPETUAL, "amount": 100, "price": price} | more
    return client.ask("private/buy", **order)["order"]


def buy(client: Client) -> bytes:
    params = {"instrument_name": PERPETUAL, "amount": 10, "type": "market", "label": "lost"}
    body = {"jsonrpc": "2.0", "id": 77, "method": "private/buy", "params": params}
    return msgspec.json.encode(body)


def test_a_dropped_answer_leaves_the_order_made(venue: Venue) -> None:
    client = venue.connect().login()
    control(venue, "drop-answers", method="private/buy")
    venue.receive(client.number, buy(client))
    assert client.frames == []
    found = client.ask("private/get_order_state_by_label", currency="BTC", label="lost")
    assert [order["order_state"] for order in found] == ["filled"]


def test_a_late_answer_comes(venue: Venue) -> None:
    client = venue.connect().login()
    control(venue, "delay-answers", method="private/buy", ms=200)
    venue.receive(client.number, buy(client))
    venue.pass_ms(190)
    assert client.frames == []
    venue.pass_ms(20)
    assert [frame["id"] for frame in client.frames] == [77]


@pytest.mark.parametrize(
    ("action", "follows"), [("lose-notifications", False), ("duplicate-notifications", True)]
)
def test_a_book_change_is_lost_or_doubled(venue: Venue, action: str, follows: bool) -> None:
    client = venue.connect()
    client.ask("public/subscribe", channels=[BOOK])
    (snapshot,) = client.take(BOOK)
    control(venue, action, channel="book.*")
    changes: list[Any] = []
    while len(changes) < 3:
        venue.pass_ms(100)
        changes.extend(client.take(BOOK))
    assert (changes[0]["prev_change_id"] == snapshot["change_id"]) is follows
    assert (changes[0] == changes[1]) is follows
    assert changes[2]["prev_change_id"] == changes[1]["change_id"]


def test_a_frozen_channel_is_silent_until_it_thaws(venue: Venue) -> None:
    client = venue.connect()
    client.ask("public/subscribe", channels=[BOOK])
    client.take(BOOK)
    control(venue, "freeze-channel", channel=BOOK)
    venue.pass_ms(3000)
    assert client.take(BOOK) == []
    assert control(venue, "state")["rules"][0]["hits"] > 0
    assert control(venue, "thaw-channel", channel=BOOK) == {"ended": 1}
    venue.pass_ms(3000)
    assert client.take(BOOK)
    assert control(venue, "thaw-channel", 400, channel=BOOK)["field"] == "channel"


def test_connections_of_one_client_are_cut(venue: Venue) -> None:
    ann, bob = venue.connect().login(), venue.connect().login("BOB")
    assert control(venue, "cut-connections", client_id="BOB") == {"cut": 1}
    assert (ann.closed_with, bob.closed_with) == ("", "cut")
    assert control(venue, "cut-connections", is_clean=True) == {"cut": 2}
    assert ann.closed_with == "going_away"


def test_expired_tokens_need_a_new_login(venue: Venue) -> None:
    client = venue.connect().login()
    assert control(venue, "expire-tokens", client_id="AMANDA") == {"expired": 1}
    venue.pass_ms(10)
    assert client.refused("private/get_positions")[:2] == (13009, "unauthorized")
    client.login().ask("private/get_positions")


def test_maintenance_refuses_and_says_so(venue: Venue) -> None:
    client = venue.connect().login()
    client.ask("public/subscribe", channels=["platform_state"])
    control(venue, "maintenance", on=True)
    assert client.take("platform_state") == [{"maintenance": True}]
    assert client.refused("private/get_positions")[:2] == (11051, "system_maintenance")
    assert client.ask("public/status") == {"locked": "true"}
    control(venue, "maintenance", on=False)
    assert client.take("platform_state") == [{"maintenance": False}]
    assert client.ask("public/status") == {"locked": "false"}
    client.ask("private/get_positions")


def test_a_halted_book_stands_still_and_takes_cancels_only(venue: Venue) -> None:
    client = venue.connect().login()
    client.ask("public/subscribe", channels=["instrument.state.any.any", BOOK])
    first, second = resting(client), resting(client, label="b")
    venue.pass_ms(500)
    control(venue, "halt", symbol=PERPETUAL)
    venue.pass_ms(500)
    assert client.take("instrument.state.any.any")[-1]["state"] == "settled"
    client.take(BOOK)
    venue.pass_ms(2000)
    assert client.take(BOOK) == []
    order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
    assert client.refused("private/buy", **order)[:2] == (10012, "book_closed")
    assert client.ask("private/cancel", order_id=first["order_id"])["order_state"] == "cancelled"
    assert client.ask("public/ticker", instrument_name=PERPETUAL)["state"] != "open"
    control(venue, "resume", symbol=PERPETUAL)
    venue.pass_ms(1000)
    assert client.take(BOOK)
    held = client.ask("private/get_order_state", order_id=second["order_id"])
    assert held["order_state"] == "open"
    assert client.ask("private/buy", **order)["order"]["order_state"] == "filled"


def test_a_calm_book_is_traded_by_clients_only(venue: Venue) -> None:
    client = venue.connect().login()
    client.ask("public/subscribe", channels=[BOOK])
    venue.pass_ms(500)
    control(venue, "calm", symbol=PERPETUAL)
    venue.pass_ms(200)
    client.take(BOOK)
    book = client.ask("public/get_order_book", instrument_name=PERPETUAL, depth=1)
    venue.pass_ms(5000)
    assert client.take(BOOK) == []
    sold = client.ask("private/sell", instrument_name=PERPETUAL, amount=10, type="market")["order"]
    assert (sold["order_state"], sold["average_price"]) == ("filled", book["best_bid_price"])
    venue.pass_ms(200)
    (change,) = client.take(BOOK)
    assert [price for _, price, _ in change["bids"]] == [book["best_bid_price"]]
    control(venue, "calm", symbol=PERPETUAL, on=False)
    venue.pass_ms(2000)
    assert len(client.take(BOOK)) > 1


def test_an_instrument_expires_before_its_time(venue: Venue) -> None:
    client = venue.connect().login()
    listed = client.ask("public/get_instruments", currency="BTC", kind="future")
    name = next(x["instrument_name"] for x in listed if "PERP" not in x["instrument_name"])
    client.ask("private/buy", instrument_name=name, amount=100, type="market")
    control(venue, "expire", symbol=name)
    assert client.ask("private/get_position", instrument_name=name)["size"] == 0
    order = {"instrument_name": name, "amount": 100, "type": "market"}
    assert client.refused("private/buy", **order)[:2] == (13019, "orderbook_closed")
    assert "expired" in control(venue, "expire", 400, symbol=name)["error"]
    delivered = client.ask("private/get_settlement_history_by_instrument", instrument_name=name)
    assert [item["type"] for item in delivered["settlements"]] == ["delivery"]


def test_an_instrument_is_added(venue: Venue) -> None:
    client = venue.connect().login()
    client.ask("public/subscribe", channels=["instrument.state.any.any"])
    options = client.ask("public/get_instruments", currency="BTC", kind="option")
    like = options[0]["instrument_name"]
    prefix, code, _, _ = like.split("-")
    added = control(venue, "add-instrument", symbol=f"{prefix}-{code}-61234-P", like=like)
    assert added == {"symbol": f"{prefix}-{code}-61234-P", "status": "active"}
    venue.pass_ms(100)
    assert client.take("instrument.state.any.any")[-1]["state"] == "created"
    found = client.ask("public/get_instrument", instrument_name=added["symbol"])
    assert (found["strike"], found["option_type"]) == (61234, "put")
    assert client.ask("public/get_order_book", instrument_name=added["symbol"])["asks"]
    again = control(venue, "add-instrument", 400, symbol=added["symbol"], like=like)
    assert "already" in again["error"]


@pytest.mark.parametrize(
    "symbol", ["BTC-31FEB27-60000-C", "BTC-1JAN20-60000-C", "ETH-1JAN27-1-C", "X", "BTC-1JAN27-x-C"]
)
def test_names_that_cannot_be_are_refused(venue: Venue, symbol: str) -> None:
    client = venue.connect()
    like = client.ask("public/get_instruments", currency="BTC", kind="option")[0]
    error = control(venue, "add-instrument", 400, symbol=symbol, like=like["instrument_name"])
    assert symbol in error["error"]


def test_ticks_change(venue: Venue) -> None:
    client = venue.connect().login()
    client.ask("public/subscribe", channels=[BOOK])
    order = resting(client)
    venue.pass_ms(200)
    control(venue, "change-ticks", symbol=PERPETUAL, tick="2.5")
    venue.pass_ms(200)
    held = client.ask("private/get_order_state", order_id=order["order_id"])
    assert held["order_state"] == "cancelled"
    assert client.ask("public/get_instrument", instrument_name=PERPETUAL)["tick_size"] == 2.5
    levels: dict[float, float] = {}
    last = None
    for change in client.take(BOOK):
        assert change.get("prev_change_id") == last
        last = change["change_id"]
        for action, price, amount in change["bids"]:
            assert (action == "new") == (price not in levels)
            levels[price] = amount
            if action == "delete":
                del levels[price]
    assert levels and all(price % 2.5 == 0 for price in levels)
    refused = {"instrument_name": PERPETUAL, "amount": 10, "price": order["price"] + 1}
    assert client.refused("private/buy", **refused)[:2] == (10043, "price_wrong_tick")


def test_a_ban_refuses_until_it_ends(venue: Venue) -> None:
    client, other = venue.connect().login(), venue.connect().login("BOB")
    control(venue, "ban", client_id="AMANDA", seconds=2)
    assert client.refused("public/test")[:2] == (10028, "too_many_requests")
    assert client.closed_with == "too_many_requests"
    other.ask("public/test")
    basic = "Basic " + base64.b64encode(b"AMANDA:AMANDASECRECT").decode()
    assert venue.get("private/get_positions", authorization=basic)[0] == 429
    venue.pass_ms(2000)
    assert venue.get("private/get_positions", authorization=basic)[0] == 200
    control(venue, "ban", seconds=1)
    assert not venue.core.accept(50, "127.0.0.1", venue.now_ns)
    control(venue, "ban", seconds=0)
    assert venue.core.accept(50, "127.0.0.1", venue.now_ns)


def test_the_clock_is_off_and_comes_back(venue: Venue) -> None:
    client = venue.connect()
    assert control(venue, "offset-clock", seconds=90)["time_ms"] == venue.now_ms + 90_000
    assert client.ask("public/get_time") == venue.now_ms + 90_000
    control(venue, "offset-clock", seconds=-5)
    assert client.ask("public/get_time") == venue.now_ms - 5_000
    venue.pass_ms(20)
    control(venue, "offset-clock", seconds=0)
    assert client.ask("public/get_time") == venue.now_ms


@pytest.mark.parametrize(
    ("action", "fields", "named"),
    [
        ("explode", {}, "explode"),
        ("halt", {}, "symbol"),
        ("halt", {"symbol": "NO-SUCH"}, "NO-SUCH"),
        ("halt", {"symbol": PERPETUAL, "colour": 1}, "colour"),
        ("drop-answers", {"next": 0}, "next"),
        ("delay-answers", {"ms": -1}, "ms"),
        ("cut-connections", {"client_id": "NOBODY"}, "client_id"),
        ("maintenance", {"on": "yes"}, "on"),
        ("change-ticks", {"symbol": PERPETUAL, "tick": "abc"}, "tick"),
        ("change-ticks", {"symbol": PERPETUAL, "tick": "NaN"}, "tick"),
        ("ban", {"seconds": 1e9}, "seconds"),
    ],
)
def test_bad_actions_are_refused_by_name(
    venue: Venue, action: str, fields: dict[str, Any], named: str
) -> None:
    assert named in str(control(venue, action, 400, **fields))


def test_a_body_that_is_no_json_is_refused(venue: Venue) -> None:
    commands = venue.core.handle(ControlAsked(1, "halt", b"{"), venue.now_ns)
    assert commands[0].answer.status == 400 and b"JSON" in commands[0].answer.body
