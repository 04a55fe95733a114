"""A gateway that answers what a test tells it to, and the command line run in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.cli.__main__ import main

CONFIG = """
desk: tested
gateway:
  port: {port}
  keys: [{{key_id: demo, secret: demo-secret, scopes: [read, trade, cancel]}}]
venues:
  deribit:
    websocket_url: ws://127.0.0.1:1/ws
    http_url: http://127.0.0.1:1
    market_data: {{always_on: [BTC-PERPETUAL]}}
    accounts: [{{credentials: {{client_id: demo, client_secret: demo-secret}}}}]
"""


@dataclass
class Call:
    method: str
    path: str
    authorization: str
    body: dict[str, Any] | None


@dataclass
class FakeGateway:
    port: int
    status: int = 200
    answer: Any = None
    calls: list[Call] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("Authorization", "")
            fake.calls.append(Call(self.command, self.path, authorization, body))
            payload = fake.answer if isinstance(fake.answer, bytes) else json.dumps(fake.answer)
            payload = payload if isinstance(payload, bytes) else payload.encode()
            self.send_response(fake.status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake = FakeGateway(server.server_address[1], answer={})
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(
    gateway: FakeGateway,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run the command line against the fake gateway."""
    for name in ("CROSSDESK_KEY", "CROSSDESK_CONFIG", "CROSSDESK_RUN_DIR", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "desk.yaml"
    path.write_text(CONFIG.format(port=gateway.port))

    def call(*arguments: str) -> Result:
        words = [*arguments, "--config", str(path), "--run-dir", str(tmp_path / "run")]
        code = main(words)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
