"""The mini OMS: what is known of own orders, whatever arrives, is lost or comes late."""

from __future__ import annotations

from common import core as c, messages as m
from common.messages import OrderStatus as S, RejectReason as R, Side
from tests.services.strategy_host.kit import PERP, PLACE, SECOND, Bench, D, fill_of, order_of


def placed(bench: Bench, **more):
    """A place that was asked for, and its request."""
    found = []
    price = more.pop("price", "49000")
    bench.act(lambda: found.append(bench.strategy.place(PERP, Side.BUY, 100, price=price, **more)))
    return found[0], bench.requests(m.PlaceOrder)[-1]


def resting(bench: Bench, **more):
    order, request = placed(bench, **more)
    update = bench.order(request)
    bench.reply(request, orders=[update])
    return order, update


def test_a_place_is_known_from_the_call_on() -> None:
    bench = Bench().start()
    order, request = placed(bench, post_only=True, tag="x")
    assert order.status is S.PENDING_NEW and order.is_open and not order.is_settled
    assert bench.strategy.working_orders == [order]
    assert bench.strategy.position(PERP).working_buy == 100
    assert request.target == "orders.deribit.main"
    assert request.command.owner == "tester" and request.command.expires_ns > bench.now
    bench.order(request)
    assert order.status is S.NEW and order.client_order_id == "1" and order.is_settled
    assert bench.strategy.of("order") == [(S.NEW, None)]


def test_of_two_views_of_an_order_the_greater_revision_holds() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.order(request, revision=3, status=S.PARTIALLY_FILLED, cum_quantity=D(40))
    bench.order(request, revision=2)
    assert order.status is S.PARTIALLY_FILLED and order.leaves_quantity == 60
    assert bench.strategy.position(PERP).working_buy == 60


def test_a_refused_place_ends_and_is_counted_by_its_reason() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.reply(request, False, reason=R.PRICE_OFF_TICK, text="no")
    assert order.status is S.REJECTED and order.refusal is R.PRICE_OFF_TICK
    assert bench.strategy.working_orders == []
    assert bench.state.rejects == {"PRICE_OFF_TICK": 1}


def test_a_place_that_surely_was_not_sent_is_refused_at_once() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.fail(request, sent=False)
    assert order.status is S.REJECTED and order.refusal is R.NOT_READY
    bench.pass_s(10)
    assert len(bench.requests(m.PlaceOrder)) == 1


def test_row_63_a_place_without_an_answer_is_in_doubt_and_asked_again_under_its_id() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.fail(request, sent=True)
    assert order.is_open and order.in_doubt and bench.state.in_doubt == 1
    assert bench.strategy.position(PERP).working_buy == 100
    bench.pass_s(2.5)
    again = bench.requests(m.PlaceOrder)[1]
    assert again == request, "the same id, and the same expiry: never a second order"
    bench.fail(again, sent=False)  # the engine is away: still no proof
    assert order.in_doubt
    bench.pass_s(2.5)
    bench.reply(bench.requests(m.PlaceOrder)[2], False, reason=R.LATE)
    assert order.status is S.REJECTED and order.refusal is R.LATE and not order.in_doubt


def test_a_lost_answer_is_made_good_by_the_stream() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.fail(request, sent=True)
    bench.order(request)
    assert order.status is S.NEW and not order.in_doubt


def test_only_a_settled_order_is_modified() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    results = []
    bench.act(lambda: results.append(bench.strategy.modify(order, price="49001")))
    bench.order(request)
    for _ in range(2):
        bench.act(lambda: results.append(bench.strategy.modify(order, quantity=300)))
    assert results == [False, True, False]
    assert bench.strategy.position(PERP).working_buy == 300, "the greater of both counts"
    bench.reply(bench.requests(m.ModifyOrder)[0], False, reason=R.RATE_LIMIT)
    assert order.is_settled and order.refusal is R.RATE_LIMIT
    assert bench.strategy.position(PERP).working_buy == 100


def test_a_modify_without_an_answer_is_not_repeated() -> None:
    bench = Bench().start()
    order, _ = resting(bench)
    bench.act(lambda: bench.strategy.modify(order, price="49001"))
    bench.fail(bench.requests(m.ModifyOrder)[0], sent=True)
    bench.pass_s(5)
    assert len(bench.requests(m.ModifyOrder)) == 1 and order.is_settled


def test_a_cancel_waits_for_the_orders_name_and_is_repeated_until_it_is_over() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.act(lambda: bench.strategy.cancel(order))
    assert bench.requests(m.CancelOrder) == []
    bench.order(request)
    first = bench.requests(m.CancelOrder)[-1]
    assert first.command == m.CancelOrder("1", "tester")
    bench.fail(first, sent=True)
    bench.pass_s(1.5)
    second = bench.requests(m.CancelOrder)[-1]
    assert second.request_id != first.request_id
    bench.reply(second, orders=[order_of(request, revision=3, status=S.CANCELED)])
    assert not order.is_open and bench.strategy.working_orders == []
    count = len(bench.requests())
    bench.pass_s(3)
    assert len(bench.requests()) == count


def test_a_cancel_of_what_is_over_ends() -> None:
    bench = Bench().start()
    order, _ = resting(bench)
    bench.act(lambda: bench.strategy.cancel(order))
    bench.reply(bench.requests(m.CancelOrder)[-1], False, reason=R.ORDER_CLOSED)
    bench.pass_s(3)
    assert len(bench.requests(m.CancelOrder)) == 1


def test_row_64_orders_of_an_earlier_run_are_adopted_before_on_start() -> None:
    order, request = placed(Bench().start())
    bench = Bench().start([order_of(request, "7"), order_of(request, "8", status=S.CANCELED)])
    assert bench.strategy.of("start") == [["7"]]
    found = bench.strategy.working_orders[0]
    assert found.is_settled and found.price == D("49000")
    bench.bus(f"order.{PLACE}", order_of(request, "7", revision=2, status=S.CANCELED))
    assert bench.strategy.working_orders == []


def test_request_ids_never_come_back() -> None:
    first = Bench().start()
    _, one = placed(first)
    second = Bench(memory=first.memory_of_disk(), now_ns=first.now + SECOND).start()
    _, two = placed(second)
    assert one.request_id != two.request_id


def test_what_was_missed_is_merged_from_the_snapshots() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.order(request)
    bench.reply(request)
    bench.feed(c.TopicLost(f"order.{PLACE}", "silent"))
    assert not bench.strategy.can_trade
    done = order_of(request, revision=5, status=S.FILLED, cum_quantity=D(100))
    bench.snapshots([done], [fill_of("1"), fill_of("2", m.Side.SELL, "40")])
    assert not order.is_open and bench.strategy.can_trade
    bench.snapshots([done], [fill_of("1"), fill_of("2", m.Side.SELL, "40")])
    assert bench.strategy.position(PERP).quantity == 60
    assert [exec_id for exec_id, _ in bench.strategy.of("fill")] == ["1", "2"]


def test_an_open_order_that_the_engine_forgot_stops_the_strategy() -> None:
    bench = Bench().start()
    resting(bench)
    bench.feed(c.TopicLost(f"order.{PLACE}", "silent"))
    bench.snapshots([], [])
    query = bench.requests(m.QueryOrders)[-1]
    bench.reply(query, False, reason=R.UNKNOWN_ORDER)
    assert bench.state.state == "error" and "no longer knows" in bench.state.last_error


def test_an_order_left_out_of_a_long_snapshot_is_asked_for() -> None:
    bench = Bench().start()
    order, request = placed(bench)
    bench.order(request)
    bench.snapshots([], [])
    closed = order_of(request, revision=4, status=S.FILLED, cum_quantity=D(100))
    bench.reply(bench.requests(m.QueryOrders)[-1], orders=[closed])
    assert bench.state.state == "running" and not order.is_open


def test_cancel_all_takes_also_what_has_no_name_yet() -> None:
    bench = Bench().start()
    resting(bench)
    _, request = placed(bench)
    bench.act(lambda: bench.strategy.cancel_all())
    assert bench.requests(m.CancelAll)[-1].command == m.CancelAll(owner="tester")
    bench.order(request, name="2")
    assert bench.requests(m.CancelOrder)[-1].command == m.CancelOrder("2", "tester")


def test_the_allowance_is_a_part_of_the_accounts_rate() -> None:
    bench = Bench().start()
    assert bench.strategy.allowance == 10  # half the burst
    for _ in range(10):
        placed(bench)
    assert bench.strategy.allowance == 0
    bench.pass_s(1)
    bench.host._bench.at(bench.now)
    assert bench.strategy.allowance == 4  # 80 % of 5 a second
