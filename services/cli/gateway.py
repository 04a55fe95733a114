"""The gateway as the commands see it: calls over HTTP, streams over WebSocket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
import websocket

from common.config import DeskConfig
from services.cli.processes import gateway_url, websocket_url
from services.cli.settings import CliError, Settings

ACCEPTED, REFUSED, USAGE, IN_DOUBT = 0, 1, 2, 3
CALL_TIMEOUT_S = 10.0
BAD_REQUEST_STATUS = 400


class Refused(CliError):
    """The gateway, the engine or the venue said no; body is what they answered."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        reason, text = body.get("reason") or "refused", body.get("text") or ""
        field = f" ({body['field']})" if body.get("field") else ""
        super().__init__(f"{reason}{field}: {text}".rstrip(": "), REFUSED)


@dataclass(frozen=True)
class Key:
    key_id: str
    secret: str


def find_key(settings: Settings, config: DeskConfig) -> Key | None:
    """--key or CROSSDESK_KEY as `<key_id>.<secret>`, else the demo key of the configuration."""
    if settings.key:
        key_id, dot, secret = settings.key.partition(".")
        if not (key_id and dot and secret):
            raise CliError("a key is written <key_id>.<secret>", USAGE, field="key")
        return Key(key_id, secret)
    for key in config.gateway.keys:
        if key.secret:
            return Key(key.key_id, key.secret)
    return None


class Gateway:
    """One gateway, with the key of this user."""

    def __init__(self, settings: Settings) -> None:
        self.config = settings.load_config()
        self.url = gateway_url(self.config)
        self.websocket_url = websocket_url(self.config)
        self.key = find_key(settings, self.config)
        self._certificate = self.config.gateway.certificate or True

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> dict[str, Any]:
        """One HTTP call below /api/v1; None values are left out of query and body.

        Raises:
            Refused: it answered with an error.
            CliError: it cannot be reached or talks nonsense.
        """
        headers = {}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key.key_id}.{self.key.secret}"
        try:
            response = requests.request(
                method,
                f"{self.url}/api/v1/{path}",
                params=_without_none(query or {}),
                json=_without_none(body) if body is not None else None,
                headers=headers,
                timeout=timeout_s,
                verify=self._certificate,
            )
        except requests.Timeout:
            raise CliError(f"the gateway at {self.url} did not answer in {timeout_s:g} s") from None
        except requests.RequestException:
            raise self.unreachable() from None
        return self._read(response)

    def _read(self, response: requests.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise CliError(f"{self.url} is not a crossdesk gateway (HTTP {response.status_code})")
        if "error" in answer:
            raise Refused(_flat_error(answer["error"]))
        if response.status_code >= BAD_REQUEST_STATUS and "accepted" not in answer:
            raise Refused(_flat_error(answer))
        return answer

    def unreachable(self) -> CliError:
        return CliError(
            f"no gateway at {self.url}; start the desk with `crossdesk up`, or name its"
            " configuration with --config or its --run-dir"
        )

    def stream(self, channels: list[str], authenticate: bool = False) -> Iterator[dict[str, Any]]:
        """Subscribe and yield the `params` of each notification, until the gateway goes away.

        Raises:
            Refused: a channel was refused.
        """
        try:
            socket = websocket.create_connection(
                self.websocket_url,
                timeout=CALL_TIMEOUT_S,
                skip_utf8_validation=True,
                sslopt={"ca_certs": self.config.gateway.certificate or None},
            )
        except (OSError, websocket.WebSocketException):
            raise self.unreachable() from None
        try:
            if authenticate and self.key is not None:
                self._ask(socket, "auth", {"key_id": self.key.key_id, "secret": self.key.secret})
            answer = self._ask(socket, "subscribe", {"channels": channels})
            for refused in answer.get("refused", []):
                raise Refused({**refused, "field": refused.get("channel")})
            socket.settimeout(None)
            yield from _notifications(socket)
        except (OSError, websocket.WebSocketException):
            raise CliError(f"the gateway at {self.url} closed the connection") from None
        finally:
            socket.close()

    def _ask(
        self, socket: websocket.WebSocket, method: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        while True:
            answer = json.loads(socket.recv())
            if answer.get("id") != 1:
                continue
            if "error" in answer:
                raise Refused(_flat_error(answer["error"]))
            return dict(answer["result"])


def _notifications(socket: websocket.WebSocket) -> Iterator[dict[str, Any]]:
    while text := socket.recv():
        message = json.loads(text)
        if message.get("method") == "subscription":
            yield message["params"]


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _flat_error(error: Any) -> dict[str, Any]:
    """A JSON-RPC error, its `data` beside its `message`."""
    if not isinstance(error, dict):
        return {"reason": "BAD_REQUEST", "text": str(error)}
    data = error.get("data") if isinstance(error.get("data"), dict) else {}
    flat = {**error, **(data or {})}
    flat.pop("data", None)
    flat.setdefault("text", flat.pop("message", ""))
    return flat


def exit_code(answer: dict[str, Any]) -> int:
    """0 accepted, 1 refused, 3 in doubt (design: exit codes of orders)."""
    if answer.get("in_doubt"):
        return IN_DOUBT
    return ACCEPTED if answer.get("accepted", True) else REFUSED
