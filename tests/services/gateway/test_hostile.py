"""Rows 69 to 76 of the fault matrix on a running gateway: bytes that no decent client sends."""

from __future__ import annotations

import os
import random
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import requests
import websocket
import yaml

from common.rundir import RunDir
from services.gateway.keys import sha256
from tests.services.gateway import attack
from tests.services.gateway.conftest import (
    ROOT,
    Gateway,
    free_port,
    gateway_command,
    running,
    write_config,
)
from tests.services.gateway.test_server import BTC, DEMO, WAIT_S, Client, close_code, get

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PLACE = {"instrument": BTC, "side": "BUY", "quantity": "10", "price": "1"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Path]]:
    """A gateway with its usual limits and a key file."""
    directory = tmp_path_factory.mktemp("strict")
    keys = directory / "keys.yaml"
    write_keys(keys, "trader")
    with running(directory, key_file="keys.yaml") as made:
        yield made, keys


def write_keys(path: Path, *names: str) -> None:
    keys = [
        {"key_id": n, "secret_sha256": sha256(f"{n}-secret"), "scopes": ["read", "trade"]}
        for n in names
    ]
    path.with_suffix(".new").write_text(yaml.safe_dump({"keys": keys}))
    path.with_suffix(".new").replace(path)


def raw(gateway: Gateway, extra: str = "") -> socket.socket:
    """A socket after the handshake, done by hand."""
    made = socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S)
    head = (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
        f"Sec-WebSocket-Version: 13\r\n{extra}\r\n"
    )
    made.sendall(head.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += made.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    assert b"permessage-deflate" not in answer.lower()
    return made


def masked(first: int, payload: bytes, length: bytes | None = None) -> bytes:
    size = len(payload)
    if length is None:
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)
    mask = b"\x01\x02\x03\x04"
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([first, length[0] | 0x80]) + length[1:] + mask + body


def last_code(made: socket.socket) -> int:
    """The code of the close frame that ends it; 0 if the connection ends without."""
    data = b""
    try:
        while chunk := made.recv(65536):
            data += chunk
    except ConnectionError:
        pass
    return attack.close_code(data)


FRAMES: dict[str, tuple[bytes, int]] = {
    "a length of 2^40": (b"\x81\xff" + struct.pack("!Q", 2**40) + b"\0\0\0\0", 1009),
    "70 kB": (masked(0x81, b"x" * 70, b"\x7f" + struct.pack("!Q", 70_000)) + b"y" * 70_000, 1009),
    "bad UTF-8": (masked(0x81, b"\xff\xfe\xfd"), 1007),
    "a reserved bit": (masked(0xC1, b"{}"), 1002),
    "an unknown opcode": (masked(0x83, b"{}"), 1002),
    "a ping of 126 bytes": (masked(0x89, b"p" * 126), 1002),
    "a ping in fragments": (masked(0x09, b"p"), 1002),
    "a close with a bad code": (masked(0x88, struct.pack("!H", 1005)), 1002),
    "a close of one byte": (masked(0x88, b"\x03"), 1002),
    "a fragment of nothing": (masked(0x80, b"x"), 1002),
    "compressed without being asked": (masked(0xC1, b"\x4b\x4c\x04\x00"), 1002),
}


@pytest.mark.parametrize("what", FRAMES)
def test_row_74_a_frame_that_breaks_the_rules_closes_with_its_code(strict, what):
    gateway, _ = strict
    frame, code = FRAMES[what]
    with closing(raw(gateway, "Sec-WebSocket-Extensions: permessage-deflate\r\n")) as made:
        with suppress(ConnectionError):  # it may be closed before we are done
            made.sendall(frame)
        assert last_code(made) == code
    assert get(gateway, "/healthz").ok


def test_row_74_a_flood_of_fragments_is_cut_at_the_limit(strict):
    gateway, _ = strict
    with closing(raw(gateway)) as made:
        try:
            made.sendall(masked(0x01, b"x" * 100))
            for _ in range(2000):
                made.sendall(masked(0x00, b"x" * 100))
        except ConnectionError:
            pass
        assert last_code(made) in (1009, 0)
    assert get(gateway, "/healthz").ok


def test_row_74_random_bytes_never_stop_the_gateway(strict):
    gateway, _ = strict
    dice = random.Random(74)
    send_nonsense(gateway, dice)
    before = memory(gateway.pid)
    send_nonsense(gateway, dice)
    assert memory(gateway.pid) - before < 16_000_000


def send_nonsense(gateway: Gateway, dice: random.Random) -> None:
    for _ in range(60):
        with closing(raw(gateway)) as made:
            made.sendall(dice.randbytes(dice.randrange(1, 2000)))
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as made:
            made.sendall(dice.choice([b"GET ", b"POST /ws ", b""]) + dice.randbytes(200) + b"\r\n")
    assert get(gateway, "/healthz").ok


def memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_row_74_headers_over_8_kib_are_refused(strict):
    gateway, _ = strict
    many = {f"X-{number}": "v" * 1000 for number in range(9)}
    assert get(gateway, "/healthz", many).status_code == 400
    assert get(gateway, "/healthz", {"X": "v" * 9000}).status_code == 400
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        websocket.create_connection(gateway.websocket_url, timeout=WAIT_S, header=many)
    assert get(gateway, "/healthz", {"X": "v" * 4000}).ok


def test_row_72_half_handshakes_are_closed_and_hurt_nobody(strict):
    gateway, _ = strict
    begun = time.monotonic()
    with ExitStack() as stack:
        slow = []
        for number in range(300):
            made = socket.create_connection(("127.0.0.1", gateway.port), timeout=3 * WAIT_S)
            stack.enter_context(made)
            made.sendall(b"GET /ws HTTP/1.1\r\nX-Slow: " + b"a" * (number % 50))
            slow.append(made)
        with Client(gateway) as good:
            assert "result" in good.call("health")
        for made in slow:
            with suppress(ConnectionResetError):
                assert made.recv(1000) == b""
        assert time.monotonic() - begun < 3 * WAIT_S
    assert get(gateway, "/healthz").ok


def test_row_75_a_flood_of_calls_is_refused_and_ends_the_connection(strict):
    gateway, _ = strict
    with closing(raw(gateway)) as made, Client(gateway) as good:
        frame = masked(0x81, b'{"jsonrpc":"2.0","id":1,"method":"health"}')
        try:
            for _ in range(50):
                made.sendall(frame * 20)
        except ConnectionError:
            pass
        assert last_code(made) in (4029, 0)
        assert "result" in good.call("health")


def test_row_75_connections_that_come_and_go_leave_nothing(strict):
    gateway, _ = strict
    descriptors = Path(f"/proc/{gateway.pid}/fd")

    def churn() -> None:
        for _ in range(100):
            raw(gateway).close()

    churn()
    before = settled(descriptors)
    churn()
    deadline = time.monotonic() + WAIT_S
    while settled(descriptors) > before + 5:
        assert time.monotonic() < deadline


def settled(descriptors: Path) -> int:
    """How many there are once the count stands still."""
    seen = [0]
    deadline = time.monotonic() + WAIT_S
    while len(seen) < 5 or len(set(seen[-5:])) > 1:
        assert time.monotonic() < deadline
        seen.append(len(list(descriptors.iterdir())))
        time.sleep(0.05)
    return seen[-1]


def test_row_76_a_key_that_is_struck_from_its_file_is_out(strict):
    gateway, keys = strict
    header = {"Authorization": "Bearer trader.trader-secret"}
    with Client(gateway) as client, Client(gateway, header=header) as other:
        assert "result" in client.call("auth", key_id="trader", secret="trader-secret")
        assert client.call("order.place", **PLACE)["result"]["accepted"]
        before = len(gateway.desk.commands)
        write_keys(keys, "somebody")
        for each in (client, other):
            assert close_code(each.socket) == 4001
        url = f"{gateway.url}/api/v1/orders"
        assert requests.post(url, json=PLACE, headers=header, timeout=WAIT_S).status_code == 401
        assert len(gateway.desk.commands) == before
    keys.write_text("keys: [")
    write_keys(keys, "trader")
    eventually_ok(gateway, header)


def eventually_ok(gateway: Gateway, header: dict[str, str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not get(gateway, "/api/v1/orders", header).ok:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.long
def test_row_76_a_client_that_vanishes_is_dropped_within_40_s(strict):
    gateway, _ = strict
    with closing(raw(gateway)) as made:
        made.settimeout(45)
        begun = time.monotonic()
        data = b""
        while chunk := made.recv(1000):  # its pings are never answered
            data += chunk
        assert data[:1] == b"\x89"
        assert time.monotonic() - begun < 40


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_row_69_another_user_cannot_reach_the_sockets(strict):
    gateway, keys = strict
    directory = RunDir(keys.parent / "run").sockets
    assert (directory / "health.gateway").exists()
    script = (
        "import os, socket, sys\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "made = socket.socket(socket.AF_UNIX)\n"
        "try:\n    made.connect(sys.argv[1])\n"
        "except PermissionError:\n    print('refused')\n"
    )
    command = [sys.executable, "-c", script, str(directory / "health.gateway")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd="/")
    assert done.stdout == "refused\n", done.stderr


def test_row_69_sockets_lie_in_a_directory_of_their_owner(strict):
    _, keys = strict
    pointer = keys.parent / "run" / "ipc.path"
    place = Path(pointer.read_text().strip()) if pointer.exists() else keys.parent / "run" / "ipc"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


BROKEN_CORE = """
from common.transport import service
from services.gateway import core
from services.gateway.__main__ import build

def fail(*arguments):
    raise RuntimeError("planted")

core.GatewayCore._run = fail
raise SystemExit(service.main("gateway", build))
"""


@pytest.mark.parametrize("way", ["http", "websocket"])
def test_a_core_that_fails_ends_the_process_and_the_client_is_told(tmp_path, way):
    port = free_port()
    settings = write_config(tmp_path / "desk.yaml", port)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        gateway_command(settings, tmp_path / "run", BROKEN_CORE),
        env=environment,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        if way == "http":
            answer = requests.get(
                f"http://127.0.0.1:{port}/api/v1/orders", headers=DEMO, timeout=WAIT_S
            )
            assert answer.status_code == 500
            assert answer.json()["error"]["data"]["reason"] == "INTERNAL"
        else:
            assert websocket_failure(port) == 1011
        assert process.wait(WAIT_S) == 70
    finally:
        process.kill()
        process.wait()


def websocket_failure(port: int) -> int:
    made = websocket.create_connection(f"ws://127.0.0.1:{port}/ws", timeout=WAIT_S)
    with closing(made):
        made.send('{"jsonrpc":"2.0","id":1,"method":"health"}')
        return close_code(made)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 2 * WAIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the gateway does not listen")


LINES = [
    b"GET /ws HTTP/1.1\r\nHost: \xae\xff\xed\xa0\x80\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"GET /api/v1/instruments?%ed%a0%80=%ff&q=%ae HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/books/%ff%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xae\xff%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xae.\xff\r\n\r\n",
]


@pytest.mark.parametrize("head", LINES)
def test_row_74_bytes_that_are_no_text_harm_nobody(strict, head):
    gateway, _ = strict
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as made:
        made.sendall(head)
        status = made.recv(4096).split(b"\r\n")[0]
        assert status.split()[1] in (b"101", b"400", b"401", b"404"), status
        if b" 101 " in status:
            call = b'{"jsonrpc":"2.0","id":1,"method":"auth.challenge","params":{"key_id":"a"}}'
            made.sendall(masked(0x81, call))
            answer = b""
            while b'"nonce"' not in answer:
                more = made.recv(4096)
                assert more, answer
                answer += more
    assert get(gateway, "/healthz").ok
