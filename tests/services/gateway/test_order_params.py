"""Linked orders, price types and the terms of a modify: from JSON to the engine, and back."""

from __future__ import annotations

import msgspec

from common import messages as m
from tests.services.gateway.kit import BTC, Desk, order

E = m.Exact
BRACKET = {
    "instrument": BTC,
    "side": "buy",
    "quantity": "100",
    "price": "50000.5",
    "contingency_type": "otoco",
    "fill_condition": "complete_fill",
    "linked_orders": [
        {"side": "sell", "price": "51000", "reduce_only": True, "tag": "profit"},
        {"side": "sell", "quantity": 50, "type": "stop", "trigger_price": 49000},
    ],
}


def test_linked_orders_reach_the_engine_and_come_back_with_the_answer():
    desk = Desk()
    call = desk.http("order.place", **BRACKET)
    command = desk.asked[-1].command
    assert isinstance(command, m.PlaceOrder)
    assert command.contingency_type is m.ContingencyType.OTOCO
    assert command.fill_condition is m.FillCondition.COMPLETE_FILL
    stop = m.LinkedOrder(
        m.Side.SELL,
        E("50"),
        m.OrderType.STOP,
        trigger_price=E("49000"),
        trigger=m.TriggerPrice.MARK,
    )
    profit = m.LinkedOrder(m.Side.SELL, price=E("51000"), reduce_only=True, tag="profit")
    assert command.linked_orders == [profit, stop]
    first = order()
    linked = msgspec.structs.replace(order(2), link_id=first.client_order_id)
    desk.reply(accepted=True, orders=[first, linked])
    status, answer = desk.answers[call]
    assert status == 200 and answer["client_order_id"] == first.client_order_id
    (told,) = answer["linked_orders"]
    assert told["link_id"] == first.client_order_id


def test_a_refused_order_with_links_has_none_in_its_answer():
    desk = Desk()
    call = desk.http("order.place", **BRACKET)
    desk.reply(accepted=False, reason=m.RejectReason.UNSUPPORTED, field="contingency_type")
    answer = desk.answers[call][1]
    assert (answer["accepted"], answer["linked_orders"]) == (False, [])


def test_a_price_type_and_all_terms_of_a_modify_travel():
    desk = Desk()
    desk.http("order.place", instrument=BTC, side="buy", quantity=1, price=65, price_type="usd")
    assert desk.asked[-1].command.price_type is m.PriceType.USD
    desk.bus("order.deribit.main.trader", order())
    name = order().client_order_id
    desk.http("order.modify", client_order_id=name, trigger_offset="7", display_quantity="20")
    command = desk.asked[-1].command
    assert (command.trigger_offset, command.display_quantity) == (E("7"), E("20"))
    assert command.price is None and command.quantity is None
