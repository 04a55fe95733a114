"""What each parameter may hold: one line of text per method, checked and converted in one place.

A line lists `name:type` pairs; `*` after the name makes it required. Types: str, int, num, bool,
list (of text), object, objects (list of objects); `{a/b}` after str or list limits the values.
Unknown parameters are ignored, as the venue does.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from common.venues.deribit.simulator.envelope import Request, invalid_params

_PART = re.compile(r"^(?P<name>\w+)(?P<star>\*?):(?P<type>\w+)(?:\{(?P<values>[^}]*)\})?$")
_TEXT_LIMIT = 1024
MAX_CHANNELS = 500


class Parameter(msgspec.Struct, frozen=True):
    name: str
    type: str
    required: bool
    values: frozenset[str]


def parse_line(line: str) -> tuple[Parameter, ...]:
    parts = []
    for text in line.split():
        match = _PART.match(text)
        if match is None:
            raise ValueError(f"not a parameter: {text}")
        values = frozenset(match["values"].split("/")) if match["values"] else frozenset()
        parts.append(Parameter(match["name"], match["type"], bool(match["star"]), values))
    return tuple(parts)


def check(parameters: tuple[Parameter, ...], request: Request) -> dict[str, Any]:
    """The known parameters of a request, converted; absent ones are not in the result.

    Raises:
        Refused: -32602 with the name of the first bad one.
    """
    checked: dict[str, Any] = {}
    for parameter in parameters:
        value = request.params.get(parameter.name)
        if value is None or (request.from_text and value == "" and parameter.type != "str"):
            if parameter.required:
                raise invalid_params(parameter.name, "required")
            continue
        if request.from_text:
            value = _from_text(parameter, value)
        checked[parameter.name] = _checked(parameter, value)
    return checked


def _from_text(parameter: Parameter, value: Any) -> Any:
    """A query string holds only text; what should be a list is JSON, or a repeated name."""
    kind = parameter.type
    if not isinstance(value, str):
        return value
    if kind in ("int", "num"):
        return _number_from_text(parameter.name, value)
    if kind == "bool":
        return {"true": True, "false": False}.get(value.lower(), value)
    if kind in ("list", "objects", "object", "strings"):
        return _json_from_text(value) if value[:1] in "[{" else [value]
    return value


def _number_from_text(name: str, value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise invalid_params(name, "must be a number") from None


def _json_from_text(value: str) -> Any:
    try:
        return msgspec.json.Decoder(float_hook=Decimal).decode(value)
    except (msgspec.DecodeError, RecursionError, ArithmeticError, ValueError):
        return value


def _checked(parameter: Parameter, value: Any) -> Any:
    return _CHECKS[parameter.type](parameter, value)


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid_params(parameter.name, "must be a string")
    if len(value) > _TEXT_LIMIT and parameter.name not in ("refresh_token", "access_token"):
        raise invalid_params(parameter.name, "too long")
    if parameter.values and value not in parameter.values:
        raise invalid_params(parameter.name, f"invalid {parameter.name}")
    return value


def _number(parameter: Parameter, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise invalid_params(parameter.name, "must be a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or (number and abs(number.adjusted()) > 20):
        raise invalid_params(parameter.name, "out of range")
    return number


def _integer(parameter: Parameter, value: Any) -> int:
    number = _number(parameter, value)
    if number != number.to_integral_value():
        raise invalid_params(parameter.name, "must be an integer")
    return int(number)


def _boolean(parameter: Parameter, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid_params(parameter.name, "must be a boolean")
    return value


def _list(parameter: Parameter, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid_params(parameter.name, "must be a list of strings")
    if len(value) > MAX_CHANNELS:
        raise invalid_params(parameter.name, f"at most {MAX_CHANNELS} elements")
    if parameter.values and not parameter.values.issuperset(value):
        raise invalid_params(parameter.name, f"invalid {parameter.name}")
    return value


def _strings(parameter: Parameter, value: Any) -> list[str]:
    """One text or a list of them."""
    return _list(parameter, [value] if isinstance(value, str) else value)


def _object(parameter: Parameter, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_params(parameter.name, "must be an object")
    return value


def _objects(parameter: Parameter, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid_params(parameter.name, "must be a list of objects")
    return value


_CHECKS = {
    "str": _text,
    "num": _number,
    "int": _integer,
    "bool": _boolean,
    "list": _list,
    "strings": _strings,
    "object": _object,
    "objects": _objects,
}
