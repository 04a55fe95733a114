"""The gateway over real sockets, against the fake desk."""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import time
from typing import Any

import msgpack
import pytest
import requests
import websocket

from common import messages as m
from tests.services.gateway.conftest import (
    ROOT,
    Gateway,
    free_port,
    gateway_command,
    running,
    write_config,
)
from tests.services.gateway.test_openapi import fits

BTC = "deribit.BTC-PERPETUAL"
DEMO = {"Authorization": "Bearer demo.demo-secret"}
READER = {"Authorization": "Bearer reader.reader-secret"}
WAIT_S = 60.0
TLS_PATIENCE_S = 55.0  # asyncio's own is 60 s


class Client:
    """A JSON-RPC client over WebSocket."""

    def __init__(self, gateway: Gateway, binary: bool = False, **options: Any) -> None:
        if binary:
            options["subprotocols"] = ["crossdesk.msgpack"]
        self.socket = websocket.create_connection(gateway.websocket_url, timeout=WAIT_S, **options)
        self.binary = binary
        self.notes: list[Any] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def read(self) -> Any:
        raw = self.socket.recv()
        return msgpack.unpackb(raw) if self.binary else json.loads(raw)

    def call(self, method: str, **params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        if self.binary:
            self.socket.send_binary(msgpack.packb(request))
        else:
            self.socket.send(json.dumps(request))
        while True:
            message = self.read()
            if message.get("id") == 1:
                return message
            self.notes.append(message["params"])

    def note(self, channel: str) -> Any:
        """The next data of a channel."""
        while True:
            for index, params in enumerate(self.notes):
                if params["channel"] == channel:
                    return self.notes.pop(index)["data"]
            self.notes.append(self.read()["params"])


def close_code(socket: websocket.WebSocket) -> int:
    """The code of the close frame, which pings may precede."""
    while (frame := socket.recv_frame()).opcode == websocket.ABNF.OPCODE_PING:
        pass
    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE
    return int(struct.unpack("!H", frame.data[:2])[0])


def get(gateway: Gateway, path: str, headers: dict[str, str] | None = None, **query: Any) -> Any:
    return requests.get(f"{gateway.url}{path}", headers=headers, params=query, timeout=WAIT_S)


def get_in_time(gateway: Gateway, path: str, **query: Any) -> Any:
    """The answer, asked for again while a desk on a busy machine does not send its part in 2 s."""
    deadline = time.monotonic() + WAIT_S
    while (answer := get(gateway, path, DEMO, **query)).status_code == 504:
        assert time.monotonic() < deadline, answer.text
    return answer


def test_a_client_rebuilds_the_book_that_http_shows(gateway: Gateway):
    with Client(gateway) as client:
        answer = client.call("subscribe", channels=["BTC-PERPETUAL"])["result"]
        assert answer == {"subscribed": [f"book.{BTC}"], "refused": []}
        data = client.note(f"book.{BTC}")
        bids, asks, books = dict(data["bids"]), dict(data["asks"]), {}
        sequence = data["sequence"]
        shown = get_in_time(gateway, f"/api/v1/books/{BTC}", levels=1000).json()
        while len(books) < 5 or shown["sequence"] not in books:
            data = client.note(f"book.{BTC}")
            assert data["previous_sequence"] == sequence
            sequence = data["sequence"]
            for side, changes in ((bids, data["bids"]), (asks, data["asks"])):
                for price, quantity in changes:
                    side[price] = quantity
                    if not quantity:
                        del side[price]
            books[sequence] = sorted(bids.items(), reverse=True), sorted(asks.items())
            if shown["sequence"] < min(books):  # as old as the snapshot
                shown = get_in_time(gateway, f"/api/v1/books/{BTC}", levels=1000).json()
        mine = books[shown["sequence"]]
        assert [list(map(list, side)) for side in mine] == [shown["bids"], shown["asks"]]


def test_msgpack_carries_the_same_as_json(gateway: Gateway):
    with Client(gateway, binary=True) as client:
        logged_in = client.call("auth", key_id="demo", secret="demo-secret")["result"]
        assert logged_in["scopes"] == ["admin", "cancel", "read", "trade"]
        channels = [f"quote.{BTC}", f"depth.{BTC}.5.100ms", "orders"]
        assert client.call("subscribe", channels=channels)["result"]["refused"] == []
        assert client.note(f"quote.{BTC}")["bid_price"] > 0
        assert len(client.note(f"depth.{BTC}.5.100ms")["bids"]) == 5
        place = dict(instrument=BTC, side="buy", quantity=10, price=50000.5)
        placed = client.call("order.place", **place)["result"]
        assert (placed["status"], placed["price"]) == ("NEW", "50000.5")
        canceled = client.call("order.cancel", client_order_id=placed["client_order_id"])["result"]
        assert canceled["status"] == "CANCELED"
        statuses = []
        while "CANCELED" not in statuses:
            data = client.note("orders")
            if data.get("client_order_id") == placed["client_order_id"]:
                statuses.append(data["status"])
        assert statuses == ["NEW", "CANCELED"]


def test_an_order_over_http_lives_and_ends(gateway: Gateway):
    url = f"{gateway.url}/api/v1/orders"
    body = '{"instrument":"BTC-PERPETUAL","side":"sell","quantity":20,"price":90000.50,"tag":"t"}'
    placed = requests.post(url, data=body, headers=DEMO, timeout=WAIT_S).json()
    order_id = placed["client_order_id"]
    fits(placed, {"$ref": "#/components/schemas/OrderAnswer"})
    changed = requests.patch(
        f"{url}/{order_id}", json={"price": "90001", "quantity": "30"}, headers=DEMO, timeout=WAIT_S
    ).json()
    assert (changed["price"], changed["quantity"]) == ("90001", "30")
    assert get(gateway, f"/api/v1/orders/{order_id}", DEMO).json()["price"] == "90001"
    assert order_id in [row["client_order_id"] for row in _orders(gateway)]
    canceled = requests.delete(url, params={"tag": "t"}, headers=DEMO, timeout=WAIT_S).json()
    assert canceled["accepted"]
    assert order_id not in [row["client_order_id"] for row in _orders(gateway)]
    fits(canceled, {"$ref": "#/components/schemas/CancelAllAnswer"})


def _orders(gateway: Gateway) -> list[Any]:
    return get(gateway, "/api/v1/orders", DEMO).json()["orders"]


def test_a_fill_moves_the_position_and_every_answer_fits_its_description(gateway: Gateway):
    place = {"instrument": BTC, "side": "BUY", "quantity": "40", "type": "MARKET"}
    url = f"{gateway.url}/api/v1/orders"
    assert requests.post(url, json=place, headers=DEMO, timeout=WAIT_S).json()["accepted"]
    deadline = time.monotonic() + WAIT_S
    while not get(gateway, "/api/v1/positions", DEMO).json()["positions"]:
        assert time.monotonic() < deadline
    paths = {
        "/instruments": "Instruments",
        f"/books/{BTC}": "Book",
        f"/books?instruments={BTC},ETH-PERPETUAL": "Books",
        f"/quotes?instruments={BTC}": "Quotes",
        f"/tickers?instruments={BTC}": "Tickers",
        f"/trades?instrument={BTC}": "Trades",
        "/orders?status=all": "Orders",
        "/fills": "Fills",
        "/positions": "Positions",
        "/balances": "Balances",
        "/exposure": "Exposures",
    }
    for path, schema in paths.items():
        answer = get_in_time(gateway, f"/api/v1{path}")
        assert answer.status_code == 200, path
        fits(answer.json(), {"$ref": f"#/components/schemas/{schema}"}, path)


def test_three_hundred_books_in_one_request(gateway: Gateway):
    names = [row["instrument"] for row in get(gateway, "/api/v1/instruments").json()["instruments"]]
    assert len(names) > 200
    deadline = time.monotonic() + WAIT_S
    while True:  # those that the desk did not send within 2 s are shown as stale
        answer = get(gateway, "/api/v1/books", instruments=",".join(names), levels=2).json()
        assert [book["instrument"] for book in answer["books"]] == names
        if not any(book["stale"] for book in answer["books"]):
            break
        assert time.monotonic() < deadline
    assert {len(book["bids"]) for book in answer["books"]} == {2}


BAD = [
    ("GET", "/api/v1/books/NOPE", None, 404, "instrument"),
    ("GET", "/api/v1/books", None, 400, "instruments"),
    ("GET", f"/api/v1/books/{BTC}?levels=0", None, 400, "levels"),
    ("GET", f"/api/v1/books/{BTC}?levels=1&levels=2", None, 400, "levels"),
    ("GET", f"/api/v1/books/{BTC}?instrument=x", None, 400, "instrument"),
    ("GET", "/api/v1/instruments?kind=x", None, 400, "kind"),
    ("GET", "/api/v1/nothing", None, 404, ""),
    ("POST", "/api/v1/health", None, 405, ""),
    ("POST", "/api/v1/orders", b"{", 400, ""),
    ("POST", "/api/v1/orders", b"[]", 400, ""),
    ("POST", "/api/v1/orders", b"", 400, "instrument"),
    ("POST", "/api/v1/orders", b'{"instrument":"BTC-PERPETUAL","side":"buy"}', 400, "price"),
    ("POST", "/api/v1/orders", b"x" * 70_000, 413, ""),
    ("PATCH", "/api/v1/orders/1", b'{"client_order_id":"2"}', 400, "client_order_id"),
    ("DELETE", "/api/v1/orders?kind=x", None, 400, "kind"),
]


@pytest.mark.parametrize(("verb", "path", "body", "status", "field"), BAD)
def test_a_bad_request_gets_a_status_a_field_and_a_sentence(
    gateway: Gateway, verb, path, body, status, field
):
    before = len(gateway.desk.commands)
    answer = requests.request(verb, gateway.url + path, data=body, headers=DEMO, timeout=WAIT_S)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["data"].get("field", "") == field
    assert error["message"]
    fits(answer.json(), {"$ref": "#/components/schemas/Error"})
    assert len(gateway.desk.commands) == before


REFUSED = [
    ({}, 401),
    ({"Authorization": "Bearer demo.wrong"}, 401),
    ({"Authorization": "Basic ZGVtbzpkZW1v"}, 401),
    (READER, 403),
    (DEMO | {"Origin": "http://evil.example"}, 403),
    (DEMO | {"Origin": "null"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), REFUSED)
def test_nobody_trades_who_may_not(gateway: Gateway, headers, status):
    before = len(gateway.desk.commands)
    place = {"instrument": BTC, "side": "BUY", "quantity": "10", "price": "1"}
    url = f"{gateway.url}/api/v1/orders"
    assert requests.post(url, json=place, headers=headers, timeout=WAIT_S).status_code == status
    assert len(gateway.desk.commands) == before


def test_a_page_of_another_origin_cannot_connect(gateway: Gateway):
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        Client(gateway, origin="http://evil.example")
    Client(gateway, origin=gateway.url).socket.close()


def test_an_oversize_frame_closes_with_1009(gateway: Gateway):
    with Client(gateway) as client:
        client.socket.send("x" * 100_000)
        assert close_code(client.socket) == 1009


def test_a_frame_as_large_as_is_allowed_is_read(gateway: Gateway):
    with Client(gateway) as client:
        client.socket.send("x" * 65_536)
        assert client.read()["error"]["data"]["reason"] == "PARSE_ERROR"


def test_a_client_that_sends_no_request_is_dropped(gateway: Gateway):
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as silent:
        silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        assert silent.recv(1000) == b""


def test_row_73_a_client_that_does_not_read_delays_nobody_and_is_told_what_it_missed(
    gateway: Gateway,
):
    names = [row["instrument"] for row in get(gateway, "/api/v1/instruments").json()["instruments"]]
    channels = [f"book.{name}" for name in names[:150]]
    slow = Client(gateway, sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
    slow.call("subscribe", channels=channels)
    deadline = time.monotonic() + 2 * WAIT_S
    while _metric(gateway, "crossdesk_gateway_clients_blocked") < 1:
        assert time.monotonic() < deadline, "the slow client was never blocked"
        time.sleep(0.1)
    with Client(gateway) as quick:
        begun = time.time_ns()
        quick.call("subscribe", channels=[f"book.{BTC}"])
        news = [quick.note(f"book.{BTC}") for _ in range(15)]
        assert all(data["received_ns"] > begun for data in news[1:])
    missed = 0
    deadline = time.monotonic() + WAIT_S
    while not missed:
        assert time.monotonic() < deadline
        missed = slow.read()["params"]["data"].get("missed", 0)
    slow.socket.close()


def _metric(gateway: Gateway, name: str) -> float:
    text = get(gateway, "/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


METRICS = [
    "crossdesk_gateway_clients",
    "crossdesk_gateway_connections_total",
    "crossdesk_gateway_messages_sent_total",
    'crossdesk_gateway_venue_to_send_seconds_bucket{le="0.001"}',
    'crossdesk_gateway_receipt_to_send_seconds_bucket{le="+Inf"}',
    "crossdesk_gateway_order_round_trip_seconds_count",
    'crossdesk_link_uptime_seconds{link="public-1",process="market_data.deribit"}',
    'crossdesk_process_healthy{process="trading_engine.deribit.main"}',
]


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_there(gateway: Gateway, name):
    assert _metric(gateway, name) >= 0


def test_the_page_needs_nothing_from_elsewhere(gateway: Gateway):
    for path in ("/", "/api/v1/docs"):
        answer = get(gateway, path)
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for address in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
            assert address.startswith("/")
            found = get(gateway, address)
            assert found.status_code == 200
            tag = found.headers.get("ETag")
            if tag:
                again = get(gateway, address, {"If-None-Match": tag})
                assert again.status_code == 304


def test_the_description_is_served(gateway: Gateway):
    assert get(gateway, "/api/v1/openapi.json").json()["openapi"] == "3.1.0"
    assert get(gateway, "/healthz").json() == {"status": "ok"}


def test_a_position_server_that_is_silent_is_named(tmp_path):
    with running(tmp_path) as made:
        made.desk.answers_commands = False
        place = {"instrument": BTC, "side": "BUY", "quantity": "10", "price": "1"}
        url = f"{made.url}/api/v1/orders"
        answer = requests.post(url, json=place, headers=DEMO, timeout=2 * WAIT_S).json()
        assert (answer["in_doubt"], answer["accepted"]) == (True, False)
        assert isinstance(made.desk.commands[-1], m.PlaceOrder)


def is_closed(port: int, begin: bytes) -> bool:
    """Whether who begins like this and says no more is closed, before TLS itself would give up."""
    with socket.create_connection(("127.0.0.1", port), timeout=TLS_PATIENCE_S) as half:
        half.sendall(begin)
        try:
            return half.recv(100) == b""
        except ConnectionResetError:
            return True


def test_row_72_a_certificate_makes_it_https_and_wss_and_half_a_handshake_ends(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    certificate, key = tmp_path / "desk.pem", tmp_path / "desk.key"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=desk"
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    with running(tmp_path, certificate=str(certificate), private_key=str(key)) as made:
        assert requests.get(f"{made.url}/healthz", verify=str(certificate), timeout=WAIT_S).ok
        with Client(made, sslopt={"ca_certs": str(certificate)}) as client:
            client.call("subscribe", channels=[BTC])
            assert client.note(f"book.{BTC}")["type"] == "snapshot"
            while client.note(f"book.{BTC}")["type"] != "delta":
                pass
        assert is_closed(made.port, b"\x16\x03\x01")


UNUSABLE = [
    ({"host": "0.0.0.0"}, "gateway.host"),
    ({"certificate": "/nowhere.pem"}, "gateway.certificate"),
    ({"certificate": "/nowhere.pem", "private_key": "/nowhere.key"}, "gateway.certificate"),
    ({"keys": [{"key_id": "a", "scopes": ["fly"], "secret": "b"}]}, "gateway.keys.a"),
]


@pytest.mark.parametrize(("changes", "key"), UNUSABLE)
def test_an_unusable_configuration_ends_with_78_and_one_sentence(tmp_path, changes, key):
    config = write_config(tmp_path / "desk.yaml", free_port())
    config = write_config(config, free_port(), **changes)
    ended = subprocess.run(
        gateway_command(config, tmp_path / "run"), cwd=ROOT, capture_output=True, timeout=WAIT_S
    )
    assert ended.returncode == 78
    assert key in ended.stderr.decode()
    assert "Traceback" not in ended.stderr.decode()


def test_a_taken_port_ends_with_78(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = write_config(tmp_path / "desk.yaml", taken.getsockname()[1])
        ended = subprocess.run(
            gateway_command(config, tmp_path / "run"), cwd=ROOT, capture_output=True, timeout=WAIT_S
        )
    assert ended.returncode == 78
    assert "gateway.port" in ended.stderr.decode()
