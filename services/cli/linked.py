"""Linked orders on the command line: `--oco`, `--oto` and `--otoco`, one option per order.

Each is written as `side=sell,type=stop,trigger_price=49000` or as a JSON object; the names are
those of `order.place`. What is left out is that of the first order, or its default.
"""

from __future__ import annotations

import json
from typing import Any

from common.messages import ContingencyType
from services.cli.settings import UsageError

KINDS = {
    "--oco": ContingencyType.OCO,
    "--oto": ContingencyType.OTO,
    "--otoco": ContingencyType.OTOCO,
}


def body(
    oco: list[str] | None,
    oto: list[str] | None,
    otoco: list[str] | None,
    fill_condition: str | None,
) -> dict[str, Any]:
    """The members of a call that places linked orders; none without options.

    Raises:
        UsageError: names the option that cannot be used.
    """
    given = {
        name: texts
        for name, texts in zip(KINDS, (oco or [], oto or [], otoco or []), strict=True)
        if texts
    }
    if len(given) > 1:
        raise UsageError(f"use one of {', '.join(given)}", "linked_orders")
    if not given:
        if fill_condition is not None:
            raise UsageError("--fill-condition needs --oco, --oto or --otoco", "fill_condition")
        return {}
    (name, texts), *_ = given.items()
    return {
        "contingency_type": KINDS[name].value,
        "fill_condition": fill_condition,
        "linked_orders": [_order(name, text) for text in texts],
    }


def _order(name: str, text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        return _from_json(name, text)
    fields = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not (key.strip() and equals and value.strip()):
            problem = f"{name}: {part.strip()!r} is not name=value, as in side=sell,price=51000"
            raise UsageError(problem, "linked_orders")
        if key.strip() in fields:
            raise UsageError(f"{name}: {key.strip()} is given twice", "linked_orders")
        fields[key.strip()] = value.strip()
    return fields


def _from_json(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not JSON: {error}", "linked_orders") from None
    if not isinstance(found, dict):
        raise UsageError(f"{name}: a JSON object is wanted", "linked_orders")
    return found
