"""Logins, tokens, scopes and HTTP headers at the simulated venue."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import Client, Venue

VECTOR = "56590594f97921b09b18f166befe0d1319b198bbcdad7ca73382de2f88fe9aa1"


@pytest.fixture
def venue() -> Venue:
    return Venue(token_life_s=1000)


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect()


def sign(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def signature_params(venue: Venue, **changes: Any) -> dict[str, Any]:
    ts = changes.get("timestamp", venue.now_ms)
    return {
        "grant_type": "client_signature",
        "client_id": "AMANDA",
        "timestamp": ts,
        "nonce": "1iqt2wls",
        "data": "",
        "signature": sign("AMANDASECRECT", f"{ts}\n1iqt2wls\n"),
    } | changes


def test_the_documented_signature_is_accepted() -> None:
    assert sign("AMANDASECRECT", "1576074319000\n1iqt2wls\n") == VECTOR
    venue = Venue(starts_at="2019-12-11T14:25:19+00:00")
    venue.pass_ms(10)
    params = signature_params(venue, timestamp=1576074319000, signature=VECTOR)
    result = venue.connect().call("public/auth", params)["result"]
    assert result["token_type"] == "bearer"


def test_a_token_has_every_member(venue: Venue, client: Client) -> None:
    result = client.call("public/auth", signature_params(venue, state="s1"))["result"]
    expiry = (venue.now_ms // 1000 + 1000) * 1000 + venue.now_ms % 1000
    assert result["access_token"].startswith(f"{expiry}.1")
    assert result["expires_in"] == 1000 and result["state"] == "s1"
    assert "connection" in result["scope"].split() and "mainaccount" in result["scope"].split()
    assert "trade:read_write" in result["scope"].split() and result["enabled_features"] == []
    assert result["refresh_token"] != result["access_token"]


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"signature": "00"}, 13004, ""),
        ({"client_id": "NOBODY"}, 13004, ""),
        ({"timestamp": 1}, -32602, "timestamp"),
        ({"timestamp": "x"}, -32602, "timestamp"),
        ({"grant_type": "password"}, -32602, "grant_type"),
        ({"grant_type": "client_credentials"}, -32602, "client_secret"),
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, 13004, ""),
        ({"grant_type": "refresh_token"}, -32602, "refresh_token"),
        ({"grant_type": "refresh_token", "refresh_token": "nix"}, 13004, ""),
    ],
)
def test_bad_logins(
    venue: Venue, client: Client, changes: dict[str, Any], code: int, param: str
) -> None:
    error = client.call("public/auth", signature_params(venue, **changes))["error"]
    assert (error["code"], error.get("data", {}).get("param", "")) == (code, param)
    assert client.refused("private/get_positions")[0] == 13009


def test_the_connection_is_logged_in_and_public_calls_on_it_too(client: Client) -> None:
    raw = "book.BTC-PERPETUAL.raw"
    assert client.refused("public/subscribe", channels=[raw])[0] == 13778
    client.login()
    assert client.ask("public/subscribe", channels=[raw]) == [raw]
    assert client.ask("private/get_positions") == []


def test_tokens_work_where_their_scope_says(venue: Venue, client: Client) -> None:
    key = {"client_id": "BOB", "client_secret": "bob-secret", "grant_type": "client_credentials"}
    bound = client.call("public/auth", key)["result"]["access_token"]
    free = client.call("public/auth", key | {"scope": "session:mine"})["result"]
    other = venue.connect()
    assert other.refused("private/get_positions", access_token=bound)[0] == 13009
    assert other.ask("private/get_positions", access_token=free["access_token"]) == []
    assert free["scope"].split().count("session:mine") == 1 and free["sid"]
    bearer = {"authorization": f"Bearer {free['access_token']}"}
    assert venue.get("private/get_positions", **bearer)[0] == 200
    assert venue.get("private/get_positions", authorization=f"Bearer {bound}")[0] == 401
    client.leave()
    assert other.ask("private/get_positions", access_token=free["access_token"]) == []


def test_an_expired_token_is_refused_and_a_refresh_renews_it(venue: Venue, client: Client) -> None:
    result = client.call("public/auth", signature_params(venue))["result"]
    venue.now_ns += 1001 * 10**9
    assert client.refused("private/get_positions")[0] == 13009
    assert client.ask("public/test")
    refresh = {"grant_type": "refresh_token", "refresh_token": result["refresh_token"]}
    renewed = client.call("public/auth", refresh)["result"]
    assert renewed["access_token"] != result["access_token"] and renewed["expires_in"] == 1000
    assert client.ask("private/get_positions") == []


def test_scopes_narrow_what_a_key_may_do(client: Client) -> None:
    client.login("READER")
    assert client.ask("private/get_positions") == []
    order = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 50000}
    assert client.refused("private/buy", **order)[0] == 13403
    client.login("BOB", scope="session:x trade:read expires:10 ip:1.2.3.4 block_trade:none")
    assert client.refused("private/buy", **order)[0] == 13403
    assert client.refused("private/get_account_summary", currency="BTC")[0] == 13403
    client.login("BOB")
    assert client.ask("private/buy", **order)["order"]["order_state"] == "open"


def test_expires_shortens_the_life(client: Client) -> None:
    key = {"client_id": "BOB", "client_secret": "bob-secret", "grant_type": "client_credentials"}
    assert client.call("public/auth", key | {"scope": "expires:60"})["result"]["expires_in"] == 60


def test_forked_and_exchanged_tokens(venue: Venue, client: Client) -> None:
    key = {"client_id": "BOB", "client_secret": "bob-secret", "grant_type": "client_credentials"}
    result = client.call("public/auth", key | {"scope": "session:one"})["result"]
    token = result["refresh_token"]
    forked = client.ask("public/fork_token", refresh_token=token, session_name="two")
    assert "session:two" in forked["scope"] and "session:one" not in forked["scope"]
    assert venue.connect().ask("private/get_positions", access_token=forked["access_token"]) == []
    own = client.ask("private/get_account_summaries")["id"]
    assert client.ask("public/exchange_token", refresh_token=token, subject_id=own)["access_token"]
    refused = client.refused("public/exchange_token", refresh_token=token, subject_id=1)
    assert refused[0] == -32602 and refused[2] == "subject_id"


def test_http_signatures(venue: Venue) -> None:
    uri = "/api/v2/private/get_positions?currency=BTC"
    text = f"{venue.now_ms}\nn1\nGET\n{uri}\n\n"
    good = sign("bob-secret", text)
    for order in ("id=BOB,ts={ts},nonce=n1,sig={sig}", "id=BOB, ts={ts}, sig={sig}, nonce=n1"):
        header = "deri-hmac-sha256 " + order.format(ts=venue.now_ms, sig=good)
        assert venue.http("GET", uri, b"", {"authorization": header})[0] == 200
        assert venue.http("GET", uri + "&x=1", b"", {"authorization": header})[0] == 401
    late = f"deri-hmac-sha256 id=BOB,ts={venue.now_ms - 61_000},nonce=n1,sig={good}"
    assert venue.http("GET", uri, b"", {"authorization": late})[0] == 401
    body = b'{"jsonrpc":"2.0","id":1,"method":"private/get_positions","params":{}}'
    sig = sign("bob-secret", f"{venue.now_ms}\nn2\nPOST\n/api/v2\n{body.decode()}\n")
    header = f"deri-hmac-sha256 id=BOB,ts={venue.now_ms},nonce=n2,sig={sig}"
    assert venue.http("POST", "/api/v2", body, {"authorization": header})[0] == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Basic " + base64.b64encode(b"BOB:bob-secret").decode(), 0),
        ("Basic " + base64.b64encode(b"BOB:wrong").decode(), 13004),
        ("Basic " + base64.b64encode(b"NOBODY:x").decode(), 13004),
        ("Basic ***", 13009),
        ("Basic", 13004),
        ("Bearer nix", 13009),
        ("Bearer", 13009),
        ("Digest x", 13009),
        ("deri-hmac-sha256", 13004),
        ("deri-hmac-sha256 id=BOB,ts=x,nonce=,sig=", 13009),
        ("deri-hmac-sha256 id=BOB,ts=1,nonce=1,sig=00", 13009),
        ("deri-hmac-sha256 =,,=", 13004),
    ],
)
def test_authorization_headers(venue: Venue, header: str, code: int) -> None:
    _, answer = venue.get("private/get_positions", authorization=header)
    assert answer.get("error", {"code": 0})["code"] == code
