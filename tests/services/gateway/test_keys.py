from __future__ import annotations

import pytest

from common.config import KeyConfig
from common.errors import ConfigError
from services.gateway.events import ClientOpened
from services.gateway.keys import KeyRing, sha256
from services.gateway.rpc import CallError
from services.gateway.sessions import UNAUTHENTICATED
from tests import figures
from tests.services.gateway.kit import BTC, Desk, config, order

PLACE = {"instrument": BTC, "side": "BUY", "quantity": "10", "price": "1"}
ID = {"client_order_id": order().client_order_id}
QUOTE = {"instrument": BTC, "bid_price": "1", "bid_quantity": "10"}
CALLS = {
    "book": {"instrument": BTC},
    "instruments": {},
    "books": {"instruments": [BTC]},
    "quotes": {"instruments": [BTC]},
    "tickers": {"instruments": [BTC]},
    "trades": {"instrument": BTC},
    "health": {},
    "order.list": {},
    "order.get": ID,
    "fills": {},
    "positions": {},
    "balances": {},
    "exposure": {},
    "account.history": {},
    "greeks": {},
    "strategies": {},
    "mmp.list": {},
    "order.place": PLACE,
    "order.modify": ID | {"price": "2"},
    "order.cancel": ID,
    "order.cancel_all": {},
    "order.mass_quote": {"quotes": [QUOTE], "mmp_group": "mm"},
    "order.cancel_quotes": {},
    "strategy.set": {"name": "quoter", "values": {"quantity": 1}},
    "mmp.set": {"currency": "BTC", "interval_s": 10, "frozen_s": 10},
    "mmp.reset": {"currency": "BTC"},
    "mode.set": {"mode": "HALTED", "reason": "test"},
    "kill": {"reason": "test"},
}
MARKET = {"book", "books", "instruments", "quotes", "tickers", "trades", "health"}
ORDERS = {"order.list", "order.get", "fills", "mmp.list"}
ACCOUNT = {"positions", "balances", "exposure", "account.history", "greeks", "strategies"}
READ = MARKET | ORDERS | ACCOUNT
TRADE = {"order.place", "order.modify", "order.mass_quote"}
CANCEL = {"order.cancel", "order.cancel_all", "order.cancel_quotes"}
ALLOWED = {
    "": MARKET,
    "reader": READ,
    "trader": READ | CANCEL | TRADE,
    "stopper": MARKET | CANCEL,
    "demo": set(CALLS),
}
DENIED = {"UNAUTHENTICATED", "FORBIDDEN"}
OF_A_CONNECTION = {"auth", "auth.challenge", "subscribe", "unsubscribe"}


def reason_of(answer: object) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error["data"]["reason"] if error else ""


def test_the_calls_above_are_all_that_there_are():
    desk = Desk()
    answer = desk.call(desk.client(), "no.such.call")
    known = set(answer["error"]["data"]["candidates"])
    assert known == set(CALLS) | OF_A_CONNECTION


@pytest.mark.parametrize("key", ALLOWED)
@pytest.mark.parametrize("method", CALLS)
def test_a_call_needs_its_scope_over_http(key, method):
    desk = Desk()
    call = desk.http(method, key, **CALLS[method])
    status, answer = desk.answers.get(call, (0, {}))
    is_denied = reason_of(answer) in DENIED
    assert is_denied == (method not in ALLOWED[key])
    if is_denied:
        assert status == (401 if not key else 403)
        assert desk.asked == []
        figures.note("P13", "calls without their scope that reach the engine", "0", "0", True)


@pytest.mark.parametrize("key", ALLOWED)
@pytest.mark.parametrize("method", CALLS)
def test_a_call_needs_its_scope_over_websocket(key, method):
    desk = Desk()
    client = desk.client()
    if key:
        logged_in = desk.call(client, "auth", key_id=key, secret=f"{key}-secret")["result"]
        assert logged_in["owner"] == key
    answer = desk.call(client, method, **CALLS[method])
    is_denied = reason_of(answer) in DENIED
    assert is_denied == (method not in ALLOWED[key])
    if is_denied:
        assert desk.asked == []


def test_nobody_acts_for_another_owner_without_admin():
    desk = Desk()
    _, answer = desk.ask("order.cancel_all", "trader", owner="demo")
    assert reason_of(answer) == "FORBIDDEN"
    desk.http("order.cancel_all", "trader")
    assert desk.asked[-1].command.owner == "trader"
    desk.http("order.cancel", "stopper", **ID)
    assert desk.asked[-1].command.owner == "stopper"


WRONG = [
    "Bearer demo",
    "Bearer demo.",
    "Basic demo.demo-secret",
    "Bearer demo.wrong",
    "x",
    "Bearer x.y",
]


@pytest.mark.parametrize("header", WRONG)
def test_a_header_that_opens_nothing_is_refused_even_for_open_data(header):
    ring = KeyRing([KeyConfig("demo", secret="demo-secret")])
    with pytest.raises(CallError, match=r"key|Bearer"):
        ring.of_header(header, "127.0.0.1", 0)
    desk = Desk()
    desk.feed(ClientOpened(1, False, "", header))
    assert desk.closed == {1: UNAUTHENTICATED}


def test_a_connection_keeps_the_key_it_logged_in_with():
    desk = Desk()
    client = desk.client(1, "reader")
    answer = desk.call(client, "auth", key_id="demo", secret="demo-secret")
    assert reason_of(answer) == "INVALID_REQUEST"


def test_closed_market_data_needs_a_login_within_five_seconds():
    desk = Desk(config(market_data_open=False))
    client = desk.client()
    assert reason_of(desk.call(client, "instruments")) == "UNAUTHENTICATED"
    (refused,) = desk.subscribe(client, BTC)["refused"]
    assert refused["reason"] == "UNAUTHENTICATED"
    desk.client(2, "reader")
    assert desk.subscribe(2, BTC)["refused"] == []
    desk.later(6)
    assert desk.closed == {client: UNAUTHENTICATED}


def test_a_key_may_be_given_by_its_hash():
    ring = KeyRing([KeyConfig("k", secret_sha256=sha256("s" * 43).upper())])
    assert ring.find("k", "s" * 43, "", 0).key_id == "k"
    for key_id, secret in (("k", "s" * 42), ("nobody", "")):
        with pytest.raises(CallError, match="no key"):
            ring.find(key_id, secret, "", 0)


BROKEN = [
    KeyConfig("k"),
    KeyConfig("k", secret="a", secret_sha256=sha256("a")),
    KeyConfig("k", secret_sha256="abc"),
    KeyConfig("k.k", secret="a"),
    KeyConfig("", secret="a"),
    KeyConfig("k", secret="a", scopes=["write"]),
    KeyConfig("k", secret="a", owner="a b"),
    KeyConfig("k", secret="a", public_key="0" * 64),
    KeyConfig("k", public_key="0" * 63),
    KeyConfig("k", secret="a", addresses=["10.0.0.0/33"]),
    KeyConfig("k", secret="a", expires="tomorrow"),
    KeyConfig("k", secret="a", expires="2027-01-01T00:00:00"),
    KeyConfig("k", secret="a", max_quantity="NaN"),
]


@pytest.mark.parametrize("key", BROKEN)
def test_a_broken_key_stops_the_gateway_from_starting(key):
    with pytest.raises(ConfigError, match=r"gateway\.keys"):
        KeyRing([key])


def test_a_key_listed_twice_is_refused():
    with pytest.raises(ConfigError, match="twice"):
        KeyRing([KeyConfig("k", secret="a"), KeyConfig("k", secret="b")])
