"""The JSON-RPC envelope of Deribit API v2: requests in, answers and notifications out.

https://docs.deribit.com/articles/json-rpc-overview (read mid-2026). Numbers of a request become
Decimal straight from their text; numbers of an answer are printed as JSON numbers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from common.errors import PeerError

REQUEST_LIMIT_BYTES = 32_768
PARSE_ERROR, INVALID_REQUEST, UNKNOWN_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
SERVER_VERSION = "1.2.26"
BANNED = "banned"


class Refused(PeerError):
    """A request that is answered with an error. message is the venue's machine token."""

    def __init__(self, code: int, message: str, **data: str) -> None:
        self.code, self.message, self.data = code, message, data
        super().__init__(f"{code} {message} {data}" if data else f"{code} {message}")


def invalid_params(param: str, reason: str) -> Refused:
    return Refused(INVALID_PARAMS, "Invalid params", reason=reason, param=param)


class Request(msgspec.Struct):
    """One call. from_text: its values came from a query string and are all text."""

    method: str
    params: dict[str, Any]
    id: int | str | msgspec.UnsetType = msgspec.UNSET
    from_text: bool = False


class _Answer(msgspec.Struct, omit_defaults=True):
    """Declared once so that the encoder keeps this order of members."""

    jsonrpc: str
    usIn: int
    usOut: int
    usDiff: int
    testnet: bool
    id: int | str | msgspec.UnsetType = msgspec.UNSET
    result: Any = msgspec.UNSET
    error: Any = msgspec.UNSET


_decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode


def parse(payload: bytes) -> Request:
    """One WebSocket frame or POST body.

    Raises:
        Refused: it is no JSON-RPC request; `request_id(payload)` still finds the id, if any.
    """
    if len(payload) > REQUEST_LIMIT_BYTES:
        raise Refused(INVALID_REQUEST, "request entity too large")
    message = _object(payload)
    method, params = message.get("method"), message.get("params")
    if message.get("jsonrpc", "2.0") != "2.0":
        raise Refused(INVALID_REQUEST, "Invalid Request", reason="must be 2.0", param="jsonrpc")
    if not isinstance(method, str) or not method:
        raise Refused(INVALID_REQUEST, "Invalid Request", reason="must be text", param="method")
    if "id" in message and not _is_id(message["id"]):
        raise Refused(
            INVALID_REQUEST, "Invalid Request", reason="must be an integer or text", param="id"
        )
    if not isinstance(params, dict | None):
        raise invalid_params("params", "must be an object with named parameters")
    return Request(method, params or {}, _id_of(message))


def parse_query(path_method: str, query: str, body: bytes) -> Request:
    """An HTTP GET; a JSON body, which the venue's own examples use, fills in what is missing."""
    if len(query) + len(body) > REQUEST_LIMIT_BYTES:
        raise Refused(INVALID_REQUEST, "request entity too large")
    params: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in params:  # a repeated name makes a list
            held = params[name]
            params[name] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            params[name] = value
    if not body.strip():
        return Request(path_method, params, from_text=True)
    request = parse(body)
    return Request(path_method or request.method, request.params | params, request.id, True)


def request_id(payload: bytes) -> int | str | msgspec.UnsetType:
    """The id of a request that could not be parsed, for its error answer."""
    if len(payload) > REQUEST_LIMIT_BYTES:
        return msgspec.UNSET
    try:
        return _id_of(_object(payload))
    except Refused:
        return msgspec.UNSET


def _object(payload: bytes) -> dict[str, Any]:
    try:
        message = _decode(payload)
    except (msgspec.DecodeError, RecursionError, ArithmeticError, ValueError):
        raise Refused(PARSE_ERROR, "Parse error") from None
    if not isinstance(message, dict):
        raise Refused(INVALID_REQUEST, "Invalid Request", reason="must be one object")
    return message


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _id_of(message: dict[str, Any]) -> int | str | msgspec.UnsetType:
    value = message.get("id")
    return value if _is_id(value) else msgspec.UNSET  # type: ignore[return-value]


def answer(
    request: int | str | msgspec.UnsetType, result: Any, received_ns: int, now_ns: int
) -> bytes:
    us_in, us_out = received_ns // 1000, max(now_ns, received_ns) // 1000
    return encode(_Answer("2.0", us_in, us_out, us_out - us_in, True, request, result))


def failure(
    request: int | str | msgspec.UnsetType, refused: Refused, received_ns: int, now_ns: int
) -> bytes:
    error: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.data:
        error["data"] = refused.data
    us_in, us_out = received_ns // 1000, max(now_ns, received_ns) // 1000
    return encode(
        _Answer("2.0", us_in, us_out, us_out - us_in, True, request, msgspec.UNSET, error)
    )


def notification(channel: str, data: Any, label: str = "") -> bytes:
    params = {"channel": channel, "data": data}
    if label:
        params["label"] = label
    return encode({"jsonrpc": "2.0", "method": "subscription", "params": params})


def heartbeat(kind: str) -> bytes:
    """kind: "heartbeat" or "test_request"."""
    return encode({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}})


def http_status(refused: Refused) -> int:
    """The HTTP status that goes with an error answer."""
    if refused.data.get("reason") == BANNED:
        return 429
    return 401 if refused.code == 13009 else 400
