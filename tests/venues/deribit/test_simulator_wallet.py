"""Transactions, subaccounts and cash of the simulated Deribit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common.config import SimulatorAccountConfig
from common.errors import ConfigError
from tests.venues.deribit import simulator_kit
from tests.venues.deribit.simulator_kit import ACCOUNTS, BALANCES, PERPETUAL, Client, Venue

CHILD = SimulatorAccountConfig("CHILD", "child-secret", {"BTC": "1"}, subaccount_of="AMANDA")
BUY = {"instrument_name": PERPETUAL, "amount": 1000, "type": "market"}


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Venue:
    monkeypatch.setattr(simulator_kit, "ACCOUNTS", [*ACCOUNTS, CHILD])
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


def log(client: Client, currency: str = "BTC", **more: Any) -> dict[str, Any]:
    span = {"start_timestamp": 0, "end_timestamp": client.venue.now_ms + 1000}
    return client.ask("private/get_transaction_log", currency=currency, **(span | more))


def child_id(client: Client) -> int:
    return next(x["id"] for x in client.ask("private/get_subaccounts") if x["username"] == "CHILD")


def balance(client: Client, currency: str = "BTC", **more: Any) -> float:
    return client.ask("private/get_account_summary", currency=currency, **more)["balance"]


def test_the_log_adds_up_to_the_balance(venue: Venue, client: Client) -> None:
    client.ask("private/buy", **BUY)
    option = client.ask("public/get_instruments", currency="BTC", kind="option")[0]
    book = client.ask("public/get_order_book", instrument_name=option["instrument_name"])
    if book["asks"]:
        order = {"instrument_name": option["instrument_name"], "amount": 1, "type": "market"}
        client.ask("private/buy", **order)
    client.ask("private/sell", **BUY)
    logs = log(client)["logs"]
    total = float(BALANCES["BTC"]) + sum(entry["change"] for entry in logs)
    assert total == pytest.approx(balance(client), abs=1e-9) == logs[0]["balance"]
    assert {entry["type"] for entry in logs} == {"trade"}
    trades = client.ask("private/get_user_trades_by_instrument", instrument_name=PERPETUAL)
    assert {t["trade_id"] for t in trades["trades"]} <= {e["trade_id"] for e in logs}
    assert logs[-1]["change"] == -logs[-1]["commission"] < 0


def test_the_log_tells_the_equity_after_each_change(venue: Venue, client: Client) -> None:
    option = client.ask("public/get_instruments", currency="BTC", kind="option")[0]
    order = {"instrument_name": option["instrument_name"], "amount": 1, "type": "market"}
    for what in (BUY, order, BUY):
        client.ask("private/buy", **what)
        summary = client.ask("private/get_account_summary", currency="BTC")
        assert log(client)["logs"][0]["equity"] == pytest.approx(summary["equity"], abs=1e-9)


def test_a_settlement_moves_profit_to_the_balance_and_leaves_the_equity(
    venue: Venue, client: Client
) -> None:
    client.ask("private/buy", **BUY)
    venue.now_ns += 24 * 3_600_000_000_000
    venue.pass_ms(20)
    client.login()
    entry = log(client)["logs"][0]
    assert entry["type"] == "settlement" and entry["change"] != 0
    assert entry["equity"] == pytest.approx(entry["balance"], abs=1e-9)


def test_a_spot_trade_is_written_in_both_currencies(client: Client) -> None:
    client.ask("private/buy", instrument_name="BTC_USDC", amount=0.01, type="market")
    (coin,), usdc = log(client)["logs"], log(client, "USDC")["logs"]
    assert coin["change"] == 0.01 and sum(entry["change"] for entry in usdc) < 0


def test_settlement_is_in_the_log(venue: Venue, client: Client) -> None:
    client.ask("private/buy", **BUY)
    venue.now_ns += 24 * 3_600_000_000_000
    venue.pass_ms(20)
    client.login()
    entry = log(client)["logs"][0]
    assert (entry["type"], entry["instrument_name"]) == ("settlement", PERPETUAL)
    assert entry["balance"] == balance(client) and entry["position"] == 1000


def test_the_log_pages_and_searches(client: Client) -> None:
    for _ in range(3):
        client.ask("private/buy", **(BUY | {"amount": 10}))
    first = log(client, count=2)
    rest = log(client, count=2, continuation=first["continuation"])
    assert (len(first["logs"]), len(rest["logs"]), rest["continuation"]) == (2, 1, None)
    assert len({e["id"] for e in first["logs"] + rest["logs"]}) == 3
    assert log(client, query="delivery")["logs"] == []
    assert len(log(client, query="perpetual")["logs"]) == 3
    assert client.refused("private/get_transaction_log", currency="BTC")[2] == "start_timestamp"


def test_a_main_account_sees_its_subaccounts(venue: Venue, client: Client) -> None:
    listed = client.ask("private/get_subaccounts", with_portfolio=True)
    assert [(x["username"], x["type"]) for x in listed] == [
        ("AMANDA", "main"),
        ("CHILD", "subaccount"),
    ]
    assert listed[1]["portfolio"]["btc"]["balance"] == 1
    child = child_id(client)
    assert balance(client, subaccount_id=child) == 1
    details = client.ask("private/get_subaccounts_details", currency="BTC", with_open_orders=True)
    assert [x["uid"] for x in details] == [x["id"] for x in listed]
    assert details[1]["open_orders"] == [] == details[1]["positions"]
    own = venue.connect().login("BOB")
    assert own.refused("private/get_positions", subaccount_id=child)[2] == "subaccount_id"
    assert len(own.ask("private/get_subaccounts")) == 1


def test_a_main_account_asks_for_the_trades_of_a_subaccount(venue: Venue, client: Client) -> None:
    child = venue.connect()
    credentials = {"client_id": "CHILD", "client_secret": "child-secret"}
    child.ask("public/auth", grant_type="client_credentials", **credentials)
    child.ask("private/buy", **(BUY | {"amount": 10}))
    method = "private/get_user_trades_by_currency"
    found = client.ask(method, currency="BTC", subaccount_id=child_id(client))
    assert len(found["trades"]) == 1 and client.ask(method, currency="BTC")["trades"] == []


def test_settlements_page(venue: Venue, client: Client) -> None:
    client.ask("private/buy", **BUY)
    client.ask("private/buy", **(BUY | {"instrument_name": "ETH-PERPETUAL"}))
    for _ in range(3):
        venue.now_ns += 24 * 3_600_000_000_000
        venue.pass_ms(20)
    client.login()
    method, found, token = "private/get_settlement_history_by_currency", [], {}
    for _ in range(2):
        page = client.ask(method, currency="BTC", count=2, **token)
        found += [item["timestamp"] for item in page["settlements"]]
        token = {"continuation": page["continuation"]}
    assert len(found) == 3 and found == sorted(found, reverse=True) and not token["continuation"]
    before = client.ask(method, currency="BTC", search_start_timestamp=found[1])
    assert [item["timestamp"] for item in before["settlements"]] == found[1:]
    assert client.refused(method, currency="BTC", continuation="x")[2] == "continuation"


def test_a_token_is_exchanged_for_a_subaccount(venue: Venue, client: Client) -> None:
    params = {"client_id": "AMANDA", "client_secret": "AMANDASECRECT"}
    login = client.ask("public/auth", grant_type="client_credentials", **params)
    token = login["refresh_token"]
    bob = client.ask("private/get_subaccounts")[0]["id"] + 1
    wrong = client.refused("public/exchange_token", refresh_token=token, subject_id=bob)
    assert wrong[2] == "subject_id"
    client.ask("public/exchange_token", refresh_token=token, subject_id=child_id(client))
    assert balance(client) == 1
    assert client.ask("private/buy", **BUY)["order"]["order_state"] == "filled"


def test_cash_moves_to_a_subaccount_and_out(client: Client) -> None:
    child, before = child_id(client), balance(client)
    method = "private/submit_transfer_to_subaccount"
    moved = client.ask(method, currency="BTC", amount=2.5, destination=child)
    assert (moved["state"], moved["direction"]) == ("confirmed", "payment")
    assert balance(client) == before - 2.5 and balance(client, subaccount_id=child) == 3.5
    transfers = client.ask("private/get_transfers", currency="BTC")
    assert transfers == {"count": 1, "data": [moved]}
    out = client.ask("private/withdraw", currency="BTC", amount=1, address="elsewhere")
    assert client.ask("private/get_withdrawals", currency="BTC")["data"] == [out]
    assert balance(client) == before - 3.5
    assert [e["type"] for e in log(client)["logs"]] == ["withdrawal", "transfer"]
    too_much = client.refused(method, currency="BTC", amount=1e6, destination=child)
    assert too_much[0] == 10009
    assert client.refused(method, currency="BTC", amount=-1, destination=child)[2] == "amount"
    assert client.refused(method, currency="BTC", amount=1, destination=7)[2] == "destination"


def test_deposits_are_the_opening_balance(client: Client) -> None:
    (deposit,) = client.ask("private/get_deposits", currency="BTC")["data"]
    address = client.ask("private/get_current_deposit_address", currency="BTC")
    assert (deposit["amount"], deposit["address"]) == (100, address["address"])
    assert client.ask("private/get_deposits", currency="XRP") == {"count": 0, "data": []}


def test_a_subaccount_of_nobody_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = msgspec.structs.replace(CHILD, subaccount_of="NOBODY")
    monkeypatch.setattr(simulator_kit, "ACCOUNTS", [*ACCOUNTS, orphan])
    with pytest.raises(ConfigError, match="subaccount_of"):
        Venue()
