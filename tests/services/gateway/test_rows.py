"""Rows 70, 71, 75 and 76 of the fault matrix on the core: who may what, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common import core as c
from common.config import GatewayConfig, KeyConfig
from common.errors import ConfigError
from services.gateway.events import ClientClosed, ClientOpened, HttpCalled, KeysChanged
from services.gateway.key_file import KeyFile
from services.gateway.keys import KeyRing, sha256
from services.gateway.sessions import TOO_MANY, UNAUTHENTICATED
from tests.services.gateway.kit import BTC, ETH, KEYS, T0, Desk, config, order
from tests.services.gateway.test_keys import PLACE, reason_of

HOST = "desk.example:8700"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key().public_bytes_raw().hex()
SIGNING = KeyConfig("signer", public_key=PUBLIC, scopes=["read", "trade"])


def desk_with(*keys: KeyConfig, **changes: Any) -> Desk:
    return Desk(config(keys=[*KEYS, *keys], **changes))


def opened(desk: Desk, number: int = 1, host: str = HOST, address: str = "127.0.0.1") -> int:
    desk.feed(ClientOpened(number, False, address, "", host))
    return number


def signature(nonce: str, key_id: str = "signer", host: str = HOST) -> str:
    return SIGNER.sign(f"{nonce}|{key_id}|{host}".encode()).hex()


def challenge(desk: Desk, client: int, key_id: str = "signer") -> str:
    return str(desk.call(client, "auth.challenge", key_id=key_id)["result"]["nonce"])


def log_in(desk: Desk, client: int, signed: str, key_id: str = "signer") -> Any:
    return desk.call(client, "auth", key_id=key_id, signature=signed)


def test_row_70_a_signed_challenge_opens_and_trades():
    desk = desk_with(SIGNING)
    client = opened(desk)
    answer = log_in(desk, client, signature(challenge(desk, client)))
    assert answer["result"] == {"key_id": "signer", "owner": "signer", "scopes": ["read", "trade"]}
    desk.call(client, "order.place", **PLACE)
    assert desk.asked[-1].command.owner == "signer"


WRONG = {
    "another host": lambda nonce: signature(nonce, host="evil.example"),
    "another key": lambda nonce: signature(nonce, key_id="demo"),
    "another text": lambda nonce: signature("0" * 64),
    "another signer": lambda nonce: Ed25519PrivateKey.generate().sign(nonce.encode()).hex(),
    "not hex": lambda nonce: "zz",
    "cut": lambda nonce: signature(nonce)[:-2],
    "longer": lambda nonce: signature(nonce) + "00",
}


@pytest.mark.parametrize("how", WRONG)
def test_row_70_a_wrong_signature_opens_nothing(how):
    desk = desk_with(SIGNING)
    client = opened(desk)
    answer = log_in(desk, client, WRONG[how](challenge(desk, client)))
    assert reason_of(answer) == "UNAUTHENTICATED"
    assert reason_of(desk.call(client, "order.place", **PLACE)) == "UNAUTHENTICATED"
    assert desk.asked == []


def test_row_70_a_key_that_signs_has_no_secret():
    desk = desk_with(SIGNING)
    client = opened(desk)
    for secret in (PUBLIC, ""):
        answer = desk.call(client, "auth", key_id="signer", secret=secret or "x")
        assert reason_of(answer) == "UNAUTHENTICATED"
    desk.feed(HttpCalled(900, "order.list", {}, "127.0.0.1", f"Bearer signer.{PUBLIC}"))
    assert desk.answers[900][0] == 401


def test_row_71_a_login_that_is_played_again_is_refused():
    desk = desk_with(SIGNING)
    client = opened(desk)
    signed = signature(challenge(desk, client))
    assert "result" in log_in(desk, client, signed)
    assert reason_of(log_in(desk, client, signed)) == "UNAUTHENTICATED"
    other = opened(desk, 2)
    assert reason_of(log_in(desk, other, signed)) == "UNAUTHENTICATED"
    challenge(desk, other)
    assert reason_of(log_in(desk, other, signed)) == "UNAUTHENTICATED"


def test_row_71_a_challenge_is_good_for_five_seconds_one_key_and_one_connection():
    desk = desk_with(SIGNING)
    client = opened(desk)
    late = challenge(desk, client)
    desk.later(5)
    assert reason_of(log_in(desk, client, signature(late))) == "UNAUTHENTICATED"
    foreign = challenge(desk, client, "demo")
    assert reason_of(log_in(desk, client, signature(foreign))) == "UNAUTHENTICATED"
    first = challenge(desk, client)
    assert challenge(desk, client) != first
    assert reason_of(log_in(desk, client, signature(first))) == "UNAUTHENTICATED"
    desk.feed(ClientClosed(client))


def test_row_71_an_order_frame_that_is_played_again_travels_under_one_name():
    desk = Desk()
    client = desk.client(1, "trader")
    for _ in range(2):
        desk.call(client, "order.place", **PLACE, request_id="r1")
        desk.reply(accepted=True, orders=[order()])
    assert [request.request_id for request in desk.asked] == ["trader:r1", "trader:r1"]
    assert desk.asked[0].command == desk.asked[1].command


def test_two_owners_may_choose_the_same_request_id_at_once():
    desk = Desk()
    ours, theirs = desk.client(1, "trader"), desk.client(2, "demo")
    desk.call(ours, "order.place", **PLACE, request_id="r1")
    desk.call(theirs, "order.place", **PLACE, request_id="r1")
    first, second = desk.asked[-2:]
    assert (first.request_id, second.request_id) == ("trader:r1", "demo:r1")
    desk.reply(accepted=True, orders=[order(2, owner="demo")])
    answer = desk.frames[theirs][-1]["result"]
    assert (answer["venue_order_id"], answer["request_id"]) == ("V-2", "r1")
    assert ours not in desk.frames
    desk.asked.pop()
    desk.reply(accepted=True, orders=[order(1)])
    assert desk.frames[ours][-1]["result"]["venue_order_id"] == "V-1"


def test_long_ids_and_odd_owners_keep_requests_apart():
    odd = [("a:b", "c"), ("a", "b:c"), ("a", "x" * 64), ("aa", "x" * 64), ("a:", "b:c")]
    seen = set()
    for owner, request_id in odd:
        desk = desk_with(KeyConfig("k", secret="k-secret", scopes=["trade"], owner=owner))
        desk.http("order.place", "k", **PLACE, request_id=request_id)
        seen.add(desk.asked[-1].request_id)
    assert len(seen) == len(odd)
    assert all(len(name) <= 64 for name in seen)


def test_row_70_an_expired_key_opens_nothing_and_ends_its_sessions():
    key = KeyConfig("k", secret="k-secret", scopes=["trade"], expires="2023-11-14T22:13:30Z")
    desk = desk_with(key)  # the clock of the tests stands at 22:13:20
    client = desk.client(1, "k")
    desk.call(client, "order.place", **PLACE)
    assert len(desk.asked) == 1
    desk.later(9)
    assert desk.closed == {}
    desk.now += 1_000_000_000
    assert reason_of(desk.call(client, "order.place", **PLACE)) == "UNAUTHENTICATED"
    desk.later(0.5)
    assert desk.closed == {client: UNAUTHENTICATED}
    assert desk.ask("order.list", "k")[0] == 401
    assert len(desk.asked) == 1


NETWORKS = ["10.1.0.0/16", "2001:db8::1", "192.0.2.7"]
FROM = {
    "10.1.2.3": True,
    "10.2.0.1": False,
    "2001:db8::1": True,
    "2001:db8::2": False,
    "::ffff:192.0.2.7": True,
    "": False,
    "nonsense": False,
}


@pytest.mark.parametrize("address", FROM)
def test_row_70_a_key_may_be_used_from_its_addresses_only(address):
    desk = desk_with(KeyConfig("k", secret="k-secret", scopes=["trade"], addresses=NETWORKS))
    desk.feed(HttpCalled(900, "order.place", dict(PLACE), address, "Bearer k.k-secret"))
    assert bool(desk.asked) == FROM[address]
    desk.feed(ClientOpened(1, False, address, "Bearer k.k-secret"))
    assert (1 in desk.closed) != FROM[address]


def test_row_70_a_key_trades_its_instruments_only_and_still_cancels_everywhere():
    desk = desk_with(
        KeyConfig("k", secret="k-secret", scopes=["trade"], instruments=["deribit.BTC-*"])
    )
    desk.http("order.place", "k", **PLACE)
    assert len(desk.asked) == 1
    _, answer = desk.ask("order.place", "k", **(PLACE | {"instrument": ETH}))
    assert reason_of(answer) == "FORBIDDEN"
    desk.bus("order.deribit.main.k", order(5, instrument=ETH, owner="k"))
    foreign = {"client_order_id": order(5).client_order_id}
    assert reason_of(desk.ask("order.modify", "k", **foreign, price="2")[1]) == "FORBIDDEN"
    unknown = {"client_order_id": order(6).client_order_id}
    assert reason_of(desk.ask("order.modify", "k", **unknown, price="2")[1]) == "FORBIDDEN"
    desk.http("order.cancel", "k", **foreign)
    assert len(desk.asked) == 2


def test_a_key_has_limits_of_its_own():
    limits = {"max_quantity": "50", "orders_per_second": 2.0, "max_connections": 1}
    desk = desk_with(KeyConfig("k", secret="k-secret", scopes=["trade"], **limits))
    _, answer = desk.ask("order.place", "k", **(PLACE | {"quantity": "51"}))
    assert (reason_of(answer), answer["error"]["data"]["field"]) == ("FORBIDDEN", "quantity")
    for _ in range(2):
        desk.http("order.place", "k", **PLACE)
    assert reason_of(desk.ask("order.place", "k", **PLACE)[1]) == "RATE_LIMIT"
    desk.later(1)
    desk.http("order.place", "k", **PLACE)
    assert len(desk.asked) == 3
    desk.client(1, "k")
    desk.client(2, "k")
    assert desk.closed == {2: TOO_MANY}


def test_row_75_connections_are_limited_by_key_and_by_address():
    desk = desk_with(max_connections_per_key=3, max_connections_per_address=6)
    for number in range(1, 5):
        desk.client(number, "reader")
    assert desk.closed == {4: TOO_MANY}
    desk.feed(ClientClosed(4))
    client = desk.client(5)
    answer = desk.call(client, "auth", key_id="reader", secret="reader-secret")
    assert reason_of(answer) == "RATE_LIMIT"
    desk.feed(ClientClosed(1))
    answer = desk.call(client, "auth", key_id="reader", secret="reader-secret")
    assert answer["result"]["key_id"] == "reader"
    for number in range(6, 10):
        opened(desk, number)
    assert desk.closed == {4: TOO_MANY, 9: TOO_MANY}
    opened(desk, 10, address="127.0.0.2")
    assert 10 not in desk.closed


def test_row_76_sessions_end_with_their_key():
    desk = Desk()
    kept, revoked, changed = desk.client(1, "demo"), desk.client(2, "trader"), desk.client(3)
    desk.call(changed, "auth", key_id="reader", secret="reader-secret")
    for client in (kept, revoked):
        desk.subscribe(client, "orders")
    less = KeyConfig("reader", secret="reader-secret", scopes=["cancel"])
    desk.feed(KeysChanged(KeyRing([KEYS[0], less])))
    assert desk.closed == {revoked: UNAUTHENTICATED, changed: UNAUTHENTICATED}
    assert desk.ask("order.list", "trader")[0] == 401
    desk.data(revoked), desk.data(kept)
    desk.bus("order.deribit.main.trader", order())
    assert desk.data(revoked) == [] and len(desk.data(kept)) == 1
    for gone in (revoked, changed):  # what it sent before it noticed
        for method, params in (("order.place", PLACE), ("subscribe", {"channels": ["orders"]})):
            desk.call(gone, method, **params)
    assert desk.asked == [] and not desk.core.sessions[revoked].channels
    desk.call(kept, "order.place", **PLACE)
    assert len(desk.asked) == 1


def one(key_id: str) -> str:
    """A key file with one key."""
    return f"keys: [{{key_id: {key_id}, secret_sha256: '{sha256('x' * 43 + key_id)}'}}]"


def test_the_key_file_is_followed_and_its_mistakes_change_nothing(tmp_path):
    path = tmp_path / "keys.yaml"
    gateway = GatewayConfig(keys=KEYS, key_file="keys.yaml")
    source = str(tmp_path / "desk.yaml")
    with pytest.raises(ConfigError, match="no such file"):
        KeyFile(gateway, source).load()
    path.write_text(one("a"))
    file = KeyFile(gateway, source)
    assert file.load().get("a") and file.look() is None
    path.write_text(one("b"))
    ring = file.look()
    assert ring and ring.get("b") and ring.get("demo") and not ring.get("a")
    secret = "keys: [{key_id: c, secret: not-here}]"
    for wrong in ("keys: [", one("demo"), "other: 1", secret):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match=r"keys\.yaml") as told:
            file.look()
        assert "not-here" not in str(told.value)
        assert file.look() is None
    path.unlink()
    assert file.look() is None
    ring = file.look()
    assert ring and ring.get("demo") and not ring.get("b")
    assert file.look() is None


def test_a_key_of_the_file_owns_no_strategys_orders(tmp_path):
    gateway = GatewayConfig(keys=KEYS, key_file="keys.yaml")
    path = tmp_path / "keys.yaml"
    file = KeyFile(gateway, str(tmp_path / "desk.yaml"), {"quoter"})
    path.write_text(one("a"))
    assert file.load().get("a")
    for wrong in (one("quoter"), one("b").replace("}", ", owner: quoter}")):
        path.write_text(wrong)
        with pytest.raises(ConfigError, match="'quoter' is the owner of a strategy's orders"):
            file.look()


def test_row_70_off_loopback_who_trades_or_kills_must_sign(tmp_path):
    reader = KeyConfig("r", secret_sha256="0" * 64)
    killer = KeyConfig("k", secret_sha256="1" * 64, scopes=["read", "admin"])
    signed = KeyConfig("s", public_key=PUBLIC, scopes=["read", "admin"])
    good = [reader, SIGNING, signed]
    for keys, is_good in ((good, True), ([KEYS[2]], False), ([killer], False)):
        gateway = GatewayConfig(host="0.0.0.0", keys=keys)
        file = KeyFile(gateway, str(tmp_path / "desk.yaml"))
        if is_good:
            assert file.load().get("signer")
        else:
            with pytest.raises(ConfigError, match="public_key"):
                file.load()


def test_row_75_a_hundred_errors_in_ten_seconds_end_a_connection():
    desk = Desk()
    client = desk.client()
    for _ in range(99):
        desk.send(client, "nonsense")
    assert desk.closed == {}
    desk.send(client, "nonsense")
    assert desk.closed == {client: TOO_MANY}


def test_row_75_a_client_gets_a_thousand_channels_and_no_more():
    desk = desk_with(max_subscriptions=1000, messages_per_second=1e6)
    client = desk.client(1, "demo")
    names = [f"depth.{BTC}.{levels}.{pace}ms" for levels in range(1, 21) for pace in range(1, 51)]
    answer = desk.subscribe(client, *names)
    assert (len(answer["subscribed"]), answer["refused"]) == (1000, [])
    (refused,) = desk.subscribe(client, f"quote.{BTC}")["refused"]
    assert refused["reason"] == "RATE_LIMIT"
    assert desk.now == T0


def test_late_answers_of_one_owner_are_not_anothers():
    desk = Desk()
    desk.http("order.place", "trader", **PLACE, request_id="r1")
    late = desk.asked[-1]
    desk.feed(c.RequestFailed(late.target, late.request_id, True, "no answer in time"))
    call = desk.http("order.place", "demo", **PLACE, request_id="r1")
    desk.asked.append(late)
    desk.reply(accepted=True, orders=[order()])
    assert call not in desk.answers
