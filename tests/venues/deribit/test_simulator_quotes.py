"""Mass quotes and market maker protection at the simulated venue."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

CONFIG = {
    "index_name": "btc_usd",
    "mmp_group": "mm",
    "interval": 10,
    "frozen_time": 5,
    "max_quote_quantity": 100_000,
}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    client = venue.connect().login()
    client.ask("private/enable_cancel_on_disconnect")
    assert client.ask("private/set_mmp_config", **CONFIG)["mmp_group"] == "mm"
    return client


def element(bid: Any = None, ask: Any = None, instrument: str = PERPETUAL) -> dict[str, Any]:
    sides = {"bid": bid, "ask": ask}
    found = {name: side for name, side in sides.items() if side is not None}
    return {"instrument_name": instrument, "quote_set_id": "s1", **found}


def quote(client: Client, *elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    params = {"quote_id": "q1", "mmp_group": "mm", "quotes": list(elements), "detailed": True}
    answer: dict[str, Any] = client.ask("private/mass_quote", **params | more)
    return answer


BID = {"price": 50_000.5, "amount": 100, "post_only": True}
ASK = {"price": 90_000.5, "amount": 200}


def test_a_mass_quote_places_amends_and_takes_away(client: Client) -> None:
    first = quote(client, element(BID, ASK))
    assert first["errors"] == [] and first["trades"] == []
    bid, ask = first["orders"]
    assert (bid["quote"], bid["mmp"], bid["quote_id"]) == (True, True, "q1")
    assert (bid["quote_set_id"], bid["mmp_group"], bid["direction"]) == ("s1", "mm", "buy")
    second = quote(client, element({"price": 50_001}, {"amount": 0}))
    moved, gone = second["orders"]
    assert (moved["order_id"], moved["price"], moved["amount"]) == (bid["order_id"], 50_001, 100)
    assert (gone["order_id"], gone["order_state"]) == (ask["order_id"], "cancelled")
    assert [o["order_id"] for o in client.ask("private/get_open_orders")] == [bid["order_id"]]


def test_the_amount_of_a_quote_is_what_remains_of_it(client: Client, venue: Venue) -> None:
    quote(client, element(BID | {"price": 61_000}))
    other = venue.connect().login("BOB")
    price = client.ask("private/get_open_orders")[0]["price"]
    sold = {"instrument_name": PERPETUAL, "amount": 5_000_000, "price": price}
    other.ask("private/sell", **sold | {"time_in_force": "immediate_or_cancel"})
    state = quote(client, element({"price": 50_000, "amount": 300}))["orders"][0]
    assert (state["amount"], state["order_state"]) == (300, "open")


def test_errors_concern_one_side_of_one_quote(client: Client) -> None:
    bad = [
        element({"price": 50_000.5}),
        element(ask=ASK | {"price": 90_000.3}),
        element(BID, instrument="NONE"),
        element(BID | {"amount": 200_000}),
        element(BID | {"amount": "much"}),
    ]
    answer = quote(client, *bad, element(BID))
    codes = [(e["side"], e["error"]["code"]) for e in answer["errors"]]
    assert codes == [
        ("bid", -32602),
        ("ask", 10043),
        ("bid", 13020),
        ("bid", 11030),
        ("bid", -32602),
    ]
    assert len(answer["orders"]) == 1
    short = quote(client, *bad[1:], detailed=False, wait_for_response=False)
    assert short == {"trades": [], "errors_count": 4, "pending_requests_count": 0}


def test_who_may_not_quote_is_told_why(venue: Venue, client: Client) -> None:
    params = {"quote_id": "q1", "mmp_group": "mm", "quotes": [element(BID)]}

    def code(**changes: Any) -> int:
        return client.refused("private/mass_quote", **params | changes)[0]

    assert code(mmp_group="other") == 13040
    assert code(quotes=[element(BID)] * 101) == 13903
    assert code(valid_until=1) == 13888
    client.ask("private/disable_cancel_on_disconnect")
    assert code() == 13042


def test_an_account_that_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    venue = Venue()
    quotes = venue.core.server._handlers["private/mass_quote"].__self__  # type: ignore[attr-defined]
    monkeypatch.setattr(quotes, "_admitted", frozenset())
    client = venue.connect().login()
    params = {"quote_id": "q1", "mmp_group": "mm", "quotes": [element(BID)]}
    assert client.refused("private/mass_quote", **params)[:2] == (13902, "mass_quotes_disabled")


@pytest.mark.parametrize(
    "cancel",
    [
        {"cancel_type": "all"},
        {"cancel_type": "currency", "currency": "BTC"},
        {"cancel_type": "currency_pair", "currency_pair": "btc_usd"},
        {"cancel_type": "instrument", "instrument_name": PERPETUAL},
        {"cancel_type": "instrument_kind", "kind": "future"},
        {"cancel_type": "quote_set_id", "quote_set_id": "s1"},
    ],
)
def test_cancel_quotes_leaves_other_orders_alone(client: Client, cancel: dict[str, Any]) -> None:
    quote(client, element(BID, ASK))
    order = {"instrument_name": PERPETUAL, "amount": 100, "price": 50_000}
    plain = client.ask("private/buy", **order)["order"]
    assert client.ask("private/cancel_quotes", **cancel) == 2
    assert [o["order_id"] for o in client.ask("private/get_open_orders")] == [plain["order_id"]]


def test_cancel_quotes_by_delta_means_options(client: Client) -> None:
    options = client.ask("public/get_instruments", currency="BTC", kind="option")
    tickers = {
        name: client.ask("public/ticker", instrument_name=name)
        for name in (option["instrument_name"] for option in options)
    }
    calls = [name for name, t in tickers.items() if t["greeks"]["delta"] > 0.2][:2]
    bid = {"price": 0.0001, "amount": 0.1}
    placed = quote(client, element(BID), *(element(bid, instrument=name) for name in calls))
    assert placed["errors"] == []
    delta = {"cancel_type": "delta", "min_delta": 0.1, "max_delta": 1}
    assert client.ask("private/cancel_quotes", **delta) == 2
    missing = client.refused("private/cancel_quotes", cancel_type="delta", min_delta=0)
    assert missing == (-32602, "Invalid params", "max_delta")


def test_a_freezing_cancel_holds_quotes_back_for_a_second(venue: Venue, client: Client) -> None:
    quote(client, element(BID))
    assert client.ask("private/cancel_all", freeze_quotes=True) == 1
    params = {"quote_id": "q1", "mmp_group": "mm", "quotes": [element(BID)]}
    assert client.refused("private/mass_quote", **params)[:2] == (13043, "quotes_frozen")
    venue.pass_ms(1_000)
    assert quote(client, element(BID))["errors"] == []


def test_protection_cancels_freezes_and_tells(venue: Venue, client: Client) -> None:
    client.ask("private/subscribe", channels=["user.mmp_trigger.btc_usd"])
    client.ask("private/set_mmp_config", **CONFIG, quantity_limit=0.0001, trade_count_limit=10)
    before = client.ask("private/get_mmp_config", index_name="btc_usd")
    assert before[0]["quantity_limit"] == 0.0001 and before[0]["frozen_time"] == 5
    assert client.ask("private/get_mmp_status") == []
    done = quote(client, element(BID, ASK | {"price": 50_001, "amount": 50_000}))
    assert done["trades"] and all(trade["mmp"] for trade in done["trades"])
    frozen_until = venue.now_ms + 5_000
    told = {"index_name": "btc_usd", "frozen_until": frozen_until, "mmp_group": "mm"}
    assert client.take("user.mmp_trigger.btc_usd") == [told]
    assert client.ask("private/get_mmp_status", mmp_group="mm") == [told]
    assert client.ask("private/get_open_orders") == []
    errors = quote(client, element(BID))["errors"]
    assert errors[0]["error"] == {"code": 13030, "message": "mmp_trigger"}
    assert client.ask("private/reset_mmp", index_name="btc_usd", mmp_group="mm") == "ok"
    assert quote(client, element(BID))["errors"] == []


def test_mmp_orders_are_under_the_configuration_without_a_group(client: Client) -> None:
    order = {"instrument_name": PERPETUAL, "amount": 100, "price": 50_000, "mmp": True}
    assert client.refused("private/buy", **order)[:2] == (13040, "mmp_required")
    client.ask("private/set_mmp_config", **{k: v for k, v in CONFIG.items() if k != "mmp_group"})
    placed = client.ask("private/buy", **order)["order"]
    assert placed["mmp"] is True and "quote" not in placed
    bad = CONFIG | {"interval": 3601}
    assert client.refused("private/set_mmp_config", **bad)[2] == "interval"
    assert client.refused("private/reset_mmp", index_name="eth_usd")[0] == 13040
