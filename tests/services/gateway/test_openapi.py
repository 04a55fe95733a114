from __future__ import annotations

import json
from typing import Any

import pytest

from services.gateway import openapi, rpc
from services.gateway.api import PREFIX, ROUTES
from services.gateway.core import GatewayCore
from services.gateway.params import Params
from services.gateway.rpc import CallError
from tests.services.gateway.kit import BTC, Desk, config, order

DOCUMENT = json.loads(rpc.encode(openapi.document()))


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


def test_every_reference_of_the_document_leads_somewhere():
    for reference in references(DOCUMENT):
        node: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node


def test_every_route_is_described_with_its_path_parameters():
    for route in ROUTES:
        operation = DOCUMENT["paths"][PREFIX + route.path][route.verb.lower()]
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(route.path_names)
        assert operation["summary"]
        assert bool(route.scope) == ("security" in operation)


def test_operation_ids_are_unique_and_every_call_has_a_route():
    calls = [route.call for route in ROUTES]
    assert len(set(calls)) == len(calls)
    assert set(calls) == set(GatewayCore(config())._methods)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.call)
def test_a_call_takes_exactly_the_parameters_that_are_described(route, monkeypatch):
    asked: set[str] = set()
    take = Params._take

    def note(self: Params, name: str) -> Any:
        asked.add(name)
        return take(self, name)

    monkeypatch.setattr(Params, "_take", note)
    examples = {
        "instrument": BTC,
        "instruments": BTC,
        "client_order_id": order().client_order_id,
        "price": "1",
        "quantity": "10",
        "side": "BUY",
        "mode": "HALTED",
        "reason": "test",
        "name": "quoter",
        "values": {"quantity": "20"},
        "quotes": [],
        "mmp_group": "mm",
        "index": "btc_usd",
        "interval_s": 5,
    }
    given = {field.name: examples[field.name] for field in route.fields if field.required}
    if route.call in ("order.place", "order.modify"):
        given["price"] = "1"
    Desk().http(route.call, "demo", **given)
    assert asked == {field.name for field in route.fields}


def fits(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """A small check of a value against the parts of JSON Schema that the document uses."""
    if "$ref" in schema:
        return fits(value, DOCUMENT["components"]["schemas"][schema["$ref"].split("/")[-1]], where)
    if "oneOf" in schema:
        problems = []
        for option in schema["oneOf"]:
            try:
                return fits(value, option, where)
            except AssertionError as problem:
                problems.append(problem)
        raise AssertionError(f"{where}: {problems}")
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "number": int | float,
        "integer": int,
        "boolean": bool,
        "null": type(None),
    }
    assert isinstance(value, kinds[schema["type"]]), f"{where}: {value!r} is no {schema['type']}"
    assert value in schema.get("enum", [value]), where
    for name in schema.get("required", []):
        assert name in value, f"{where}: {name} is missing"
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", False)
        unknown = value.keys() - properties.keys()
        assert others or not unknown, f"{where}: {unknown} is not described"
        for name, item in value.items():
            fits(item, properties.get(name, others), f"{where}.{name}")
    if isinstance(value, list):
        for item in value:
            fits(item, schema["items"], f"{where}[]")


def test_errors_look_as_described():
    error = {"error": CallError("NOT_FOUND", "x", "instrument", ["a"]).row()}
    fits(error, {"$ref": "#/components/schemas/Error"})


def test_every_schema_of_a_result_exists():
    names = {route.result for route in ROUTES}
    assert names <= DOCUMENT["components"]["schemas"].keys()
