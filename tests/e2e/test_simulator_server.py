"""The simulated venue as a process: sockets, slow readers, limits, latency, TLS, start and end."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.e2e.simulator_process import ROOT, SimulatedVenue, free_port, simulated_venue

pytestmark = pytest.mark.xdist_group("venue")  # one of it for all of them
WAIT_S = 60


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedVenue]:
    with simulated_venue(tmp_path_factory.mktemp("venue")) as started:
        yield started


def connect(venue: SimulatedVenue) -> websocket.WebSocket:
    return websocket.create_connection(venue.websocket_url, timeout=WAIT_S)


def ask(link: websocket.WebSocket, method: str, **params: Any) -> Any:
    link.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    while True:
        answer = json.loads(link.recv())
        if "id" in answer:
            return answer.get("result", answer.get("error"))


def test_http_and_websocket_share_a_port(venue: SimulatedVenue) -> None:
    url = f"{venue.http_url}/api/v2"
    answer = requests.get(f"{url}/public/test", timeout=WAIT_S)
    assert answer.status_code == 200 and answer.json()["result"]["version"]
    assert answer.headers["content-type"].startswith("application/json")
    body = {"jsonrpc": "2.0", "id": 9, "method": "public/get_time"}
    assert requests.post(url, json=body, timeout=WAIT_S).json()["id"] == 9
    link = connect(venue)
    assert ask(link, "public/test")["version"]
    link.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1/public/test", 404),
        ("GET", "/ws/api/v2", 400),
        ("POST", "/ws/api/v2", 400),
        ("PUT", "/api/v2/public/test", 405),
        ("GET", "/api/v2/", 400),
        ("GET", "/api/v2/public/%00", 400),
        ("GET", "/api/v2/private/get_positions", 401),
    ],
)
def test_wrong_addresses(venue: SimulatedVenue, method: str, path: str, status: int) -> None:
    answer = requests.request(method, venue.http_url + path, timeout=WAIT_S)
    assert answer.status_code == status


def test_too_large_bodies_and_frames_are_refused(venue: SimulatedVenue) -> None:
    answer = requests.post(f"{venue.http_url}/api/v2", data=b"x" * 40_000, timeout=WAIT_S)
    assert answer.status_code == 400
    link = connect(venue)
    link.send("x" * 40_000)
    assert json.loads(link.recv())["error"]["message"] == "request entity too large"
    link.send_binary(b'{"id":2,"method":"public/test"}')
    assert json.loads(link.recv())["id"] == 2
    link.ping()
    assert ask(link, "public/test")
    link.close()


def test_frames_sent_back_to_back_are_answered_in_order(venue: SimulatedVenue) -> None:
    link = connect(venue)
    login = {"grant_type": "client_credentials", "client_id": "bench"}
    frames: list[tuple[str, dict[str, Any]]] = [
        ("public/auth", login | {"client_secret": "bench-secret", "scope": "session:x"}),
        ("public/subscribe", {"channels": ["quote.BTC-PERPETUAL"]}),
        ("private/subscribe", {"scope": "session:x", "channels": ["book.BTC-PERPETUAL.raw"]}),
    ]
    for place, (method, params) in enumerate(frames):
        link.send(json.dumps({"id": str(place), "method": method, "params": params}))
    answers = []
    while len(answers) < 3:
        frame = json.loads(link.recv())
        if "id" in frame:
            answers.append(frame)
    assert [answer["id"] for answer in answers] == ["0", "1", "2"]
    assert answers[2]["result"] == ["book.BTC-PERPETUAL.raw"]
    link.close()


def test_a_reader_that_is_too_slow_is_cut(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, max_outbox_bytes=20_000) as venue:
        slow = websocket.WebSocket(sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
        slow.connect(venue.websocket_url, timeout=WAIT_S)
        quick = connect(venue)
        deadline = time.monotonic() + WAIT_S
        request = json.dumps({"id": 1, "method": "public/get_instruments", "params": {}})
        with pytest.raises((OSError, websocket.WebSocketException)):
            while time.monotonic() < deadline:
                slow.send(request)  # never reads
        assert time.monotonic() < deadline
        assert ask(quick, "public/test")
        quick.close()


def test_an_address_has_a_limit_of_connections(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, connections_per_address=2) as venue:
        links = [connect(venue), connect(venue)]
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            connect(venue)
        assert refused.value.status_code == 429
        links.pop().close()
        deadline = time.monotonic() + WAIT_S
        while len(links) < 2 and time.monotonic() < deadline:
            try:
                links.append(connect(venue))
            except websocket.WebSocketBadStatusException:
                continue
        assert len(links) == 2


def test_latency_delays_each_answer(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, latency_ms=80) as venue:
        link = connect(venue)
        began = time.monotonic()
        assert ask(link, "public/test")
        assert time.monotonic() - began >= 0.07
        link.close()


def test_logout_closes_the_socket(venue: SimulatedVenue) -> None:
    link = connect(venue)
    key = {"client_id": "bench", "client_secret": "bench-secret"}
    ask(link, "public/auth", grant_type="client_credentials", **key)
    link.send('{"id":3,"method":"private/logout"}')
    opcode, _ = link.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    link.close()


def test_a_stop_closes_all_connections(tmp_path: Path) -> None:
    with simulated_venue(tmp_path) as venue:
        link = connect(venue)
        assert ask(link, "public/test")
        venue.process.send_signal(signal.SIGTERM)
        opcode, data = link.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE and data[2:] == b"going_away"
        assert venue.process.wait(WAIT_S) == 0


def test_row_68_a_taken_port_is_a_sentence(venue: SimulatedVenue, tmp_path: Path) -> None:
    config = tmp_path / "taken.yaml"
    config.write_text(
        f"desk: x\nvenues: {{}}\nsimulators:\n  - {{venue: deribit, port: {venue.port}}}\n"
    )
    command = [sys.executable, "-m", "services.venue_simulator", "--config", str(config)]
    command += ["--run-dir", str(tmp_path / "run"), "--venue", "deribit"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert ended.returncode == 78
    assert str(venue.port) in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("starts_at: soon", "starts_at"),
        ("certificate: /nowhere.pem", "certificate"),
        ("colour: red", "colour"),
        ("accounts: [{client_id: a, client_secret: s, balances: {BTC: much}}]", "BTC"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, extra: str, said: str) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(
        "desk: x\nvenues: {}\nsimulators:\n"
        f"  - venue: deribit\n    port: {free_port()}\n    {extra}\n"
    )
    command = [sys.executable, "-m", "services.venue_simulator", "--config", str(config)]
    command += ["--run-dir", str(tmp_path / "run"), "--venue", "deribit"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    assert ended.returncode == 78 and said in ended.stderr and "Traceback" not in ended.stderr


def test_wss_with_a_given_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl command to make a certificate with")
    with simulated_venue(tmp_path, certificate=str(certificate), private_key=str(key)) as venue:
        url = venue.websocket_url.replace("ws://", "wss://")
        trust = ssl.create_default_context(cafile=str(certificate))
        link = websocket.create_connection(url, timeout=WAIT_S, sslopt={"context": trust})
        assert ask(link, "public/test")["version"]
        link.close()


HANDSHAKE = (
    b"GET /ws/api/v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
GARBAGE = [
    b"\xff\xff\xff\xff",
    b"\x83\x80\x00\x00\x00\x00",
    b"\x81\x85\x00\x00\x00\x00\xff\xff\xff\xff\xff",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_websocket_frame_ends_only_its_connection(
    venue: SimulatedVenue, garbage: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", venue.port), timeout=WAIT_S) as broken:
        broken.sendall(HANDSHAKE)
        assert broken.recv(4096).startswith(b"HTTP/1.1 101")
        broken.sendall(garbage)
        assert broken.recv(4096)[:1] == b"\x88"
    link = connect(venue)
    assert ask(link, "public/test")
    link.close()


def test_connections_that_break_are_forgotten(tmp_path: Path) -> None:
    with simulated_venue(tmp_path, connections_per_address=5) as venue:
        abrupt = struct.pack("ii", 1, 0)  # close with a reset
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", venue.port), timeout=WAIT_S) as lost:
                lost.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abrupt)
                lost.sendall(HANDSHAKE)
                assert lost.recv(4096).startswith(b"HTTP/1.1 101")
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                assert ask(connect(venue), "public/test")
                return
            except websocket.WebSocketBadStatusException:
                continue
        raise AssertionError("broken connections still count")
