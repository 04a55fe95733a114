"""JSON-RPC 2.0: requests in, answers, errors and notifications out, as JSON or msgpack.

JSON numbers become Decimal, digit by digit as they were written, so that a price reaches the engine
exactly. Errors have a stable code; `data` names the reason, the field at fault and what was meant.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

MAX_DEPTH = 8
MAX_ID = 128

# reason: (JSON-RPC code, HTTP status)
ERRORS = {
    "PARSE_ERROR": (-32700, 400),
    "INVALID_REQUEST": (-32600, 400),
    "UNKNOWN_METHOD": (-32601, 404),
    "BAD_PARAMETER": (-32602, 400),
    "INTERNAL": (-32603, 500),
    "UNAUTHENTICATED": (-32001, 401),
    "FORBIDDEN": (-32003, 403),
    "NOT_FOUND": (-32004, 404),
    "AMBIGUOUS": (-32005, 400),
    "DUPLICATE_REQUEST": (-32009, 409),
    "RATE_LIMIT": (-32029, 429),
    "UNAVAILABLE": (-32050, 503),
    "NO_ANSWER": (-32051, 504),
}

Id = int | str | None


class CallError(Exception):
    """A call that cannot be answered with a result."""

    def __init__(
        self, reason: str, text: str, field: str = "", candidates: list[str] | None = None
    ) -> None:
        self.reason, self.text, self.field = reason, text, field
        self.candidates = candidates or []
        super().__init__(text)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return ERRORS[self.reason][1]

    def row(self) -> dict[str, Any]:
        """The error object of JSON-RPC, the same over HTTP."""
        data: dict[str, Any] = {"reason": self.reason}
        if self.field:
            data["field"] = self.field
        if self.candidates:
            data["candidates"] = self.candidates
        return {"code": ERRORS[self.reason][0], "message": self.text, "data": data}


class Request(msgspec.Struct, frozen=True):
    """One call of a client. has_id is False for a JSON-RPC notification, which gets no answer."""

    id: Id
    method: str
    params: dict[str, Any]
    has_id: bool = True


def _exact_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise NotImplementedError(f"no encoder for {type(value)}")


_json_decoder = msgspec.json.Decoder(float_hook=Decimal)
_msgpack_decoder = msgspec.msgpack.Decoder()
_json_encoder = msgspec.json.Encoder(enc_hook=_exact_text)
_msgpack_encoder = msgspec.msgpack.Encoder(enc_hook=_exact_text)


def encode(value: Any, binary: bool = False) -> bytes:
    """Decimals go out as plain text, never with an exponent."""
    return _msgpack_encoder.encode(value) if binary else _json_encoder.encode(value)


def decode_json(payload: bytes) -> Any:
    """Any JSON value.

    Raises:
        CallError: PARSE_ERROR, with the place in the text.
    """
    return _decode(_json_decoder.decode, payload, "JSON")


def decode_request(payload: bytes, binary: bool) -> Request:
    """One request.

    Raises:
        CallError: it is not one; the id is lost then.
    """
    if binary:
        return _request_of(_decode(_msgpack_decoder.decode, payload, "msgpack"))
    return _request_of(decode_json(payload))


def id_of(payload: bytes, binary: bool) -> Id:
    """The id of a broken request, for its error, where one can be read."""
    try:
        value = (_msgpack_decoder if binary else _json_decoder).decode(payload)
    except (msgspec.DecodeError, RecursionError, ArithmeticError, ValueError):
        return None
    found = value.get("id") if isinstance(value, dict) else None
    return found if _is_id(found) else None


def _decode(decoder: Any, payload: bytes, name: str) -> Any:
    try:
        value = decoder(payload)
    except RecursionError:
        raise CallError("PARSE_ERROR", "nested too deeply") from None
    except (msgspec.DecodeError, ArithmeticError, ValueError) as error:
        raise CallError("PARSE_ERROR", f"not valid {name}: {str(error)[:200]}") from None
    if _depth(value) > MAX_DEPTH:
        raise CallError("PARSE_ERROR", f"nested more than {MAX_DEPTH} levels deep")
    return value


def _depth(value: Any, level: int = 1) -> int:
    """How deep lists and objects are nested, counted to one past the limit."""
    if level > MAX_DEPTH or not isinstance(value, dict | list):
        return level
    inside = value.values() if isinstance(value, dict) else value
    return max((_depth(item, level + 1) for item in inside), default=level)


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _request_of(value: Any) -> Request:
    if isinstance(value, list):
        raise CallError("INVALID_REQUEST", "batches are not supported; send one request a frame")
    if not isinstance(value, dict):
        raise CallError("INVALID_REQUEST", "a request is an object with jsonrpc, id and method")
    if value.get("jsonrpc", "2.0") != "2.0":
        raise CallError("INVALID_REQUEST", 'jsonrpc is "2.0"', "jsonrpc")
    if not _is_id(value.get("id")):
        raise CallError(
            "INVALID_REQUEST", "id is a number, or text of at most 128 characters", "id"
        )
    method = value.get("method")
    if not isinstance(method, str) or not method:
        raise CallError("INVALID_REQUEST", "method is the name of a call", "method")
    params = value.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict) or not all(isinstance(key, str) for key in params):
        raise CallError("INVALID_REQUEST", "params is an object of named parameters", "params")
    return Request(value.get("id"), method, params, "id" in value)


def result(request_id: Id, value: Any, binary: bool) -> bytes:
    return encode({"jsonrpc": "2.0", "id": request_id, "result": value}, binary)


def error(request_id: Id, problem: CallError, binary: bool) -> bytes:
    return encode({"jsonrpc": "2.0", "id": request_id, "error": problem.row()}, binary)


def notification(channel: str, data: dict[str, Any], binary: bool) -> bytes:
    params = {"channel": channel, "data": data}
    return encode({"jsonrpc": "2.0", "method": "subscription", "params": params}, binary)
