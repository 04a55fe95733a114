"""Linked orders and further terms in the mini OMS."""

from __future__ import annotations

import pytest

from common import messages as m
from common.linked import linked_order
from common.messages import OrderStatus as S, RejectReason as R, Side
from tests.services.strategy_host.kit import PERP, Bench, D, order_of

PROFIT = linked_order(Side.SELL, price="51000", reduce_only=True)
STOP = linked_order(Side.SELL, quantity=50, trigger_price="48000")


def bracket(bench: Bench):
    found = []

    def act() -> None:
        order = bench.strategy.place(
            PERP,
            Side.BUY,
            100,
            price="49000",
            contingency_type=m.ContingencyType.OTOCO,
            linked_orders=[PROFIT, STOP],
        )
        found.append(order)

    bench.act(act)
    return found[0], bench.requests(m.PlaceOrder)[-1]


def test_the_type_of_a_linked_order_follows_from_its_prices():
    kinds = [
        linked_order(Side.SELL).order_type,
        linked_order(Side.SELL, price=1).order_type,
        linked_order(Side.SELL, trigger_price=1).order_type,
        linked_order(Side.SELL, trigger_price=1, price=1).order_type,
        linked_order(Side.SELL, trigger_offset=1).order_type,
    ]
    assert kinds == ["MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"]
    with pytest.raises(ValueError, match="trigger_price"):
        linked_order(Side.SELL, trigger_price=1.5)  # type: ignore[arg-type]


def test_linked_orders_work_from_the_call_on_and_get_their_own_names():
    bench = Bench().start()
    first, request = bracket(bench)
    assert request.command.linked_orders == [PROFIT, STOP]
    profit, stop = first.linked
    assert bench.strategy.working_orders == [first, profit, stop]
    position = bench.strategy.position(PERP)
    assert (position.working_buy, position.working_sell) == (100, 150)
    bench.order(request)
    told = {"name": "2", "request_id": f"{request.request_id}/1", "link_id": "1"}
    update = order_of(request, side=Side.SELL, price=D("51000"), **told)
    bench.bus("order.deribit.main.tester", update)
    assert (profit.client_order_id, profit.price, profit.status) == ("2", D("51000"), S.NEW)
    assert stop.status is S.PENDING_NEW and first.client_order_id == "1"


def test_a_refused_place_ends_its_linked_orders_too():
    bench = Bench().start()
    first, request = bracket(bench)
    bench.reply(request, False, reason=R.UNSUPPORTED, text="no links here")
    assert [order.status for order in (first, *first.linked)] == [S.REJECTED] * 3
    assert bench.strategy.working_orders == []


def test_a_place_without_an_answer_leaves_all_of_them_in_doubt():
    bench = Bench().start()
    first, request = bracket(bench)
    bench.fail(request, sent=True)
    assert [order.in_doubt for order in (first, *first.linked)] == [True] * 3
    assert bench.strategy.position(PERP).working_sell == 150


def test_orders_of_an_earlier_run_find_their_first_one_again():
    request = bracket(Bench().start())[1]
    first = order_of(request, link_id="1")
    second = order_of(request, "2", link_id="1", side=Side.SELL)
    bench = Bench().start(orders=[first, second])
    found = bench.strategy.working_orders
    assert [order.client_order_id for order in found[0].linked] == ["2"]


def test_every_term_of_an_order_can_be_changed():
    bench = Bench().start()
    first, request = bracket(bench)
    bench.order(request)
    bench.act(
        lambda: bench.strategy.modify(
            first, trigger_price="1", trigger_offset="2", display_quantity=30
        )
    )
    command = bench.requests(m.ModifyOrder)[-1].command
    assert command == m.ModifyOrder(
        "1",
        trigger_price=D("1"),
        owner="tester",
        trigger_offset=D("2"),
        display_quantity=D(30),
    )
