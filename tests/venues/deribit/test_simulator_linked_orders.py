"""Linked orders at the simulated venue, in the venue's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

STOP = {
    "direction": "sell",
    "type": "stop_market",
    "trigger": "mark_price",
    "trigger_price": 10_000,
}
PROFIT = {"direction": "sell", "type": "limit", "price": 90_000, "label": "profit"}


@pytest.fixture
def client() -> Client:
    return Venue().connect().login()


def linked(client: Client, kind: str, *others: dict[str, Any], **more: Any) -> dict[str, Any]:
    order = {"instrument_name": PERPETUAL, "amount": 100, "price": 50_000.5, **more}
    placed: dict[str, Any] = client.ask(
        "private/buy", **order, linked_order_type=kind, otoco_config=list(others)
    )
    return placed


def open_orders(client: Client) -> dict[str, dict[str, Any]]:
    return {order["order_id"]: order for order in client.ask("private/get_open_orders")}


def test_one_triggers_other(client: Client) -> None:
    client.ask("private/subscribe", channels=["user.orders.any.any.raw"])
    primary = linked(client, "one_triggers_other", PROFIT, trigger_fill_condition="complete_fill")
    primary = primary["order"]
    (secondary_id,) = primary["oto_order_ids"]
    assert secondary_id.startswith("OTO-")
    assert primary["trigger_fill_condition"] == "complete_fill"
    told = client.take("user.orders.any.any.raw")
    assert [(o["order_id"], o["order_state"]) for o in told] == [
        (primary["order_id"], "open"),
        (secondary_id, "untriggered"),
    ]
    secondary = client.ask("private/get_order_state", order_id=secondary_id)
    assert secondary["is_secondary_oto"] is True
    assert secondary["primary_order_id"] == primary["order_id"]
    assert (secondary["amount"], secondary["label"]) == (100, "profit")
    client.ask("private/cancel", order_id=primary["order_id"])
    gone = client.ask("private/get_order_state", order_id=secondary_id)
    assert (gone["order_state"], gone["cancel_reason"]) == ("cancelled", "oto_primary_closed")


def test_a_filled_primary_places_a_pair(client: Client) -> None:
    primary = linked(client, "one_triggers_one_cancels_other", PROFIT, STOP, price=200_000)["order"]
    assert primary["order_state"] == "filled" and primary["is_primary_otoco"] is True
    profit, stop = open_orders(client).values()
    assert profit["oco_ref"] == stop["oco_ref"]
    assert (profit["order_state"], stop["order_state"]) == ("open", "untriggered")
    assert profit["trigger_order_id"] in primary["oto_order_ids"]
    assert profit["primary_order_id"] == primary["order_id"]
    assert client.ask("private/get_order_state", order_id=profit["trigger_order_id"])[
        "order_state"
    ] == ("triggered")
    client.ask("private/cancel", order_id=stop["order_id"])
    assert open_orders(client) == {}
    gone = client.ask("private/get_order_state", order_id=profit["order_id"])
    assert gone["cancel_reason"] == "oco_other_closed"


def test_one_cancels_other_trades_with_one_of_the_two(client: Client) -> None:
    stop = STOP | {"direction": "buy", "trigger_price": 200_000}
    order = linked(client, "one_cancels_other", stop)["order"]
    waiting = next(o for i, o in open_orders(client).items() if i != order["order_id"])
    assert waiting["oco_ref"] == order["oco_ref"] and "-SLM" in waiting["order_id"]
    done = client.ask("private/edit", order_id=order["order_id"], amount=100, price=200_000)
    assert done["order"]["order_state"] == "filled"
    assert open_orders(client) == {}
