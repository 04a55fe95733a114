"""The OpenAPI 3.1 document of the HTTP calls, made from the route table and the message classes."""

from __future__ import annotations

import types
import typing
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from common import messages as m
from services.gateway.api import PLACE, PREFIX, QUOTE_ENTRY, ROUTES, Field, Route
from services.gateway.history import Kind, Resolution

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer"}
EXACT: Schema = {"type": "string", "format": "decimal", "description": "An exact number as text."}
PAIRS: Schema = {
    "type": "array",
    "description": "[price, quantity], best price first.",
    "items": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
}
KINDS: dict[str, Schema] = {
    "text": TEXT,
    "number": {"oneOf": [EXACT, NUMBER]},
    "integer": COUNT,
    "flag": FLAG,
    "names": TEXT,
    "texts": {"type": "object", "additionalProperties": TEXT},
    "quotes": {"type": "array", "items": {"$ref": "#/components/schemas/QuoteEntry"}},
    "linked": {"type": "array", "items": {"$ref": "#/components/schemas/LinkedOrder"}},
}
PLAIN: dict[Any, Schema] = {str: TEXT, float: NUMBER, int: COUNT, bool: FLAG}
ROWS: dict[str, type[m.Message]] = {
    "Instrument": m.InstrumentDefinition,
    "Quote": m.Quote,
    "Ticker": m.Ticker,
    "Trade": m.Trade,
    "Order": m.OrderUpdated,
    "Fill": m.Fill,
    "Position": m.PositionUpdated,
    "Balance": m.BalanceUpdated,
    "Exposure": m.Exposure,
    "Alert": m.RiskAlert,
    "Difference": m.PositionDifference,
    "Strategy": m.StrategyState,
    "StrategyPosition": m.StrategyPosition,
    "Protection": m.ProtectionUpdated,
}
LISTS = {
    "Instruments": {"instruments": "Instrument"},
    "Books": {"books": "Book"},
    "Quotes": {"quotes": "Quote"},
    "Tickers": {"tickers": "Ticker"},
    "Trades": {"trades": "Trade"},
    "Orders": {"orders": "Order"},
    "Fills": {"fills": "Fill"},
    "Positions": {"positions": "Position"},
    "Balances": {"balances": "Balance"},
    "Exposures": {"exposure": "Exposure", "alerts": "Alert", "differences": "Difference"},
    "Strategies": {"strategies": "Strategy"},
    "GreeksByExpiry": {"greeks": "Greeks"},
    "Protections": {"protections": "Protection"},
}
# The parameters of an order that a linked one has too; its quantity may be left out.
LINKED = (
    "side",
    "quantity",
    "type",
    "price",
    "time_in_force",
    "post_only",
    "reduce_only",
    "trigger_price",
    "trigger_offset",
    "trigger",
    "tag",
)
FED = ("Quote", "Ticker", "Trade")  # rows that carry the times of their message
LATEST = ("Quote", "Ticker")  # rows of which only the last one counts
TIMES: dict[str, Schema] = {
    "venue_sequence": COUNT,
    "venue_time_ns": COUNT,
    "received_ns": COUNT,
}


def document() -> Schema:
    """The whole description."""
    paths: dict[str, Schema] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.verb.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crossdesk gateway",
            "version": "1",
            "description": "The desk's calls over HTTP. The same calls and live channels are served"
            " as JSON-RPC 2.0 over WebSocket at /ws.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`<key_id>.<secret>` of a gateway key.",
                }
            },
        },
    }


def _operation(route: Route) -> Schema:
    names = route.path_names
    outside = [field for field in route.fields if field.name in names or not route.has_body]
    operation: Schema = {
        "operationId": route.call,
        "summary": route.summary,
        "tags": [route.group],
        "parameters": [_parameter(field, field.name in names) for field in outside],
        "responses": {
            "200": _response("The result.", route.result),
            "default": _response("Why not: code, field at fault, a sentence.", "Error"),
        },
    }
    if route.scope:
        operation["security"] = [{"key": []}]
        operation["description"] = f"Needs a key with the scope `{route.scope}`."
    if route.has_body:
        fields = [field for field in route.fields if field.name not in names]
        operation["requestBody"] = {"required": True, "content": _json(_object(fields))}
    return operation


def _parameter(field: Field, in_path: bool) -> Schema:
    return {
        "name": field.name,
        "in": "path" if in_path else "query",
        "required": field.required or in_path,
        "description": field.text,
        "schema": _field_schema(field),
    }


def _field_schema(field: Field) -> Schema:
    schema = dict(KINDS[field.kind])
    if field.words:
        schema["enum"] = field.words
    if field.example is not None:
        schema["examples"] = [field.example]
    return schema


def _object(fields: list[Field]) -> Schema:
    return {
        "type": "object",
        "properties": {
            field.name: {**_field_schema(field), "description": field.text} for field in fields
        },
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _response(text: str, name: str) -> Schema:
    return {"description": text, "content": _json(_reference(name))}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Schema]:
    schemas = {name: _row(name, kind) for name, kind in ROWS.items()}
    for name, parts in LISTS.items():
        schemas[name] = _exactly({key: _list(_reference(row)) for key, row in parts.items()})
    schemas["Book"] = _exactly(
        {
            "instrument": TEXT,
            "sequence": COUNT,
            "stale": FLAG,
            "bids": PAIRS,
            "asks": PAIRS,
            **TIMES,
        }
    )
    linked = [field for field in PLACE if field.name in LINKED]
    schemas["LinkedOrder"] = _object(
        [msgspec.structs.replace(field, required=field.name == "side") for field in linked]
    )
    judged = {"accepted": FLAG, "reason": _or_null(TEXT), "text": TEXT, "in_doubt": FLAG}
    schemas["OrderAnswer"] = {
        "description": "The order as it stands, and how the command was judged.",
        "type": "object",
        "properties": {
            **schemas["Order"]["properties"],
            **judged,
            "field": TEXT,
            "linked_orders": _list(_reference("Order")),
        },
        "required": ["client_order_id", "status", "request_id", "field", *judged],
    }
    results = {
        "type": "array",
        "description": "One per account.",
        "items": _exactly({"venue": TEXT, "account": TEXT, **judged}),
    }
    orders = _list(_reference("Order"))
    schemas["CancelAllAnswer"] = _exactly(
        {"accepted": FLAG, "in_doubt": FLAG, "orders": orders, "results": results}
    )
    schemas["KillAnswer"] = _exactly(
        {
            "scope": TEXT,
            "latched": FLAG,
            "accepted": FLAG,
            "in_doubt": FLAG,
            "orders": orders,
            "results": results,
        }
    )
    schemas["QuoteEntry"] = _object(QUOTE_ENTRY)
    named = {"field": TEXT, "request_id": TEXT}
    side = {"instrument": TEXT, "side": TEXT, "client_order_id": TEXT, "status": _or_null(TEXT)}
    sides = _list(_exactly({**side, **judged, "field": TEXT}))
    sides["description"] = "One per side that was given: bid before ask, entry by entry."
    quoted = {**judged, **named, "orders": orders, "results": sides}
    schemas["MassQuoteAnswer"] = _exactly(quoted)
    protections = _list(_reference("Protection"))
    schemas["ProtectionAnswer"] = _exactly({**judged, **named, "protections": protections})
    schemas["ModeAnswer"] = _exactly({"accepted": FLAG, "results": results})
    schemas["StrategyAnswer"] = _exactly(
        {"accepted": FLAG, "reason": _or_null(TEXT), "text": TEXT, "field": TEXT}
    )
    schemas["History"] = _history()
    schemas["Greeks"] = _greeks()
    schemas["Health"] = _health()
    schemas["Error"] = _error()
    return schemas


def _row(name: str, kind: type[m.Message]) -> Schema:
    hints = typing.get_type_hints(kind)
    properties = {field: _of_type(hints[field]) for field in kind.__struct_fields__}
    if name in FED:
        properties |= TIMES
    if name == "Strategy":
        properties["stale"] = FLAG
    if name in LATEST:
        properties |= {"sequence": COUNT, "stale": FLAG}
    summary = (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    return {**_exactly(properties), "description": summary}


def _of_type(hint: Any) -> Schema:
    """A field's schema: exact numbers and enums are text."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [argument for argument in arguments if argument is not type(None)]
        return _or_null(_of_type(inner[0]))
    if origin in (list, tuple):
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(arguments[1])}
    if hint is m.StrategyPosition:
        return _reference("StrategyPosition")
    if isinstance(hint, type) and issubclass(hint, Decimal):
        return EXACT
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": [word.value for word in hint]}
    return {}


def _or_null(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "null"}]}


def _exactly(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _history() -> Schema:
    values = {
        "type": "object",
        "description": "Per value a list as long as time_ns; null where it was not known.",
        "additionalProperties": _list(_or_null(NUMBER)),
    }
    kinds = [word.value for word in Kind]
    texts = dict.fromkeys(("venue", "account", "name", "strategy"), TEXT)
    series = _exactly({"kind": TEXT | {"enum": kinds}, **texts, "values": values})
    words = [word.value for word in Resolution]
    return _exactly(
        {
            "resolution": TEXT | {"enum": words},
            "time_ns": _list(COUNT),
            "series": _list(series),
        }
    )


def _greeks() -> Schema:
    texts = dict.fromkeys(("venue", "account", "underlying"), TEXT)
    figures = dict.fromkeys(("delta", "gamma", "vega", "theta", "option_delta"), NUMBER)
    counts = {"positions": COUNT, "options": COUNT, "complete": FLAG}
    return _exactly({**texts, "expiration_ns": _or_null(COUNT), **figures, **counts})


def _health() -> Schema:
    process = _exactly({"name": TEXT, "state": TEXT, "healthy": FLAG, "pid": _or_null(COUNT)})
    return _exactly({"healthy": FLAG, "processes": {"type": "array", "items": process}})


def _error() -> Schema:
    data = {
        "type": "object",
        "properties": {
            "reason": TEXT,
            "field": TEXT,
            "candidates": {"type": "array", "items": TEXT},
        },
        "required": ["reason"],
    }
    return _exactly({"error": _exactly({"code": COUNT, "message": TEXT, "data": data})})
