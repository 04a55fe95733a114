"""Quotes and protection in the mini OMS and in a strategy's handlers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.messages import OrderStatus as S, RejectReason as R, Side
from tests import samples
from tests.services.strategy_host.kit import PERP, PLACE, Bench, D, order_of

ENTRY = m.QuoteEntry(PERP, D(49000), D(100), D(51000), D(100))
TOPIC = "protection.deribit.main"


def quoted(bench: Bench, *entries: m.QuoteEntry, **more: Any) -> tuple[list[Any], c.Request | None]:
    """The orders that mass_quote() returned, and its request, if one was made."""
    found: list[Any] = []
    before = len(bench.requests(m.MassQuote))
    bench.act(
        lambda: found.extend(
            bench.strategy.mass_quote(list(entries) or [ENTRY], more.pop("group", "mm"), **more)
        )
    )
    made = bench.requests(m.MassQuote)[before:]
    return found, made[0] if made else None


def update(request: c.Request, side: Side, name: str, **changes: Any) -> m.OrderUpdated:
    """The engine's view of one side."""
    price = D(49000) if side is Side.BUY else D(51000)
    place = m.PlaceOrder(PERP, side, D(100), price=price)
    placed = c.Request(request.target, request.request_id, place)
    names = {"quote_id": "9", "quote_set": "tester", "mmp_group": "mm"}
    return order_of(placed, name, **(names | changes))


def resting(bench: Bench) -> list[Any]:
    orders, request = quoted(bench)
    assert request is not None
    updates = [update(request, Side.BUY, "1"), update(request, Side.SELL, "2")]
    results = [m.CommandReply("", True, orders=[each]) for each in updates]
    bench.reply(request, orders=updates, results=results)
    return orders


def test_each_side_is_an_own_order_from_the_call_on() -> None:
    bench = Bench().start()
    orders, request = quoted(bench, post_only=True, quote_set="s", tag="t")
    assert request is not None and request.target == "orders.deribit.main"
    command = request.command
    assert isinstance(command, m.MassQuote)
    assert (command.owner, command.mmp_group, command.quote_set) == ("tester", "mm", "s")
    assert command.expires_ns > bench.now
    assert [(o.side, o.price, o.status, o.mmp_group) for o in orders] == [
        (Side.BUY, D(49000), S.PENDING_NEW, "mm"),
        (Side.SELL, D(51000), S.PENDING_NEW, "mm"),
    ]
    held = bench.strategy.position(PERP)
    assert (held.working_buy, held.working_sell) == (100, 100)
    bench.bus(f"order.{PLACE}", update(request, Side.SELL, "2"))
    assert [o.client_order_id for o in orders] == ["", "2"]
    bench.bus(f"order.{PLACE}", update(request, Side.BUY, "1"))
    assert [o.client_order_id for o in orders] == ["1", "2"]
    assert len(bench.strategy.working_orders) == 2


def test_a_new_quote_changes_the_order_that_is_there() -> None:
    bench = Bench().start()
    bid, ask = resting(bench)
    moved = m.QuoteEntry(PERP, D(49100), D(150), D(51000), D(100))
    orders, request = quoted(bench, moved)
    assert orders == [bid, ask] and request is not None
    assert isinstance(request.command, m.MassQuote)
    (entry,) = request.command.quotes
    assert entry == m.QuoteEntry(PERP, D(49100), D(150))  # the ask stands as it is wanted
    assert not bid.is_settled and bid.leaves_quantity == 150
    changed = update(request, Side.BUY, "1", price=D(49100), quantity=D(150), revision=3)
    bench.reply(request, orders=[changed], results=[m.CommandReply("", True, orders=[changed])])
    assert bid.is_settled and (bid.price, bid.quantity) == (D(49100), D(150))


def test_what_is_not_settled_or_stands_as_wanted_is_not_sent() -> None:
    bench = Bench().start()
    orders, _ = quoted(bench)
    again, request = quoted(bench)
    assert again == orders and request is None
    bench = Bench().start()
    orders = resting(bench)
    again, request = quoted(bench)
    assert again == orders and request is None


def test_quantity_0_takes_a_side_away_and_means_nothing_where_none_is() -> None:
    bench = Bench().start()
    gone = m.QuoteEntry(PERP, bid_quantity=D(0))
    assert quoted(bench, gone) == ([], None)
    bid, _ = resting(bench)
    orders, request = quoted(bench, gone)
    assert orders == [bid] and request is not None
    ended = update(request, Side.BUY, "1", status=S.CANCELED, revision=3)
    bench.reply(request, orders=[ended], results=[m.CommandReply("", True, orders=[ended])])
    assert bid.status is S.CANCELED and bench.strategy.position(PERP).working_buy == 0


def test_sides_are_refused_one_by_one() -> None:
    bench = Bench().start()
    (bid, ask), request = quoted(bench)
    assert request is not None
    placed = update(request, Side.SELL, "2")
    results = [
        m.CommandReply("", False, R.PRICE_COLLAR, "too far"),
        m.CommandReply("", True, orders=[placed]),
    ]
    bench.reply(request, False, reason=R.PRICE_COLLAR, orders=[placed], results=results)
    assert (bid.status, bid.refusal, bid.text) == (S.REJECTED, R.PRICE_COLLAR, "too far")
    assert ask.is_settled
    assert bench.state.rejects == {"PRICE_COLLAR": 1}
    assert (S.REJECTED, R.PRICE_COLLAR) in bench.strategy.of("order")


def test_a_command_that_is_refused_as_a_whole_refuses_every_side() -> None:
    bench = Bench().start()
    orders, request = quoted(bench)
    assert request is not None
    bench.reply(request, False, reason=R.UNSUPPORTED, text="not here")
    assert {o.status for o in orders} == {S.REJECTED}
    assert bench.strategy.working_orders == []


def test_a_refused_change_leaves_the_quote_working() -> None:
    bench = Bench().start()
    bid, _ = resting(bench)
    _, request = quoted(bench, m.QuoteEntry(PERP, D(49100), D(100)))
    assert request is not None
    bench.reply(request, False, reason=R.PROTECTION, text="frozen")
    assert bid.is_settled and (bid.price, bid.refusal) == (D(49000), R.PROTECTION)


def test_quotes_without_an_answer_are_in_doubt_and_asked_again_under_their_id() -> None:
    bench = Bench().start()
    orders, request = quoted(bench)
    assert request is not None
    bench.fail(request, sent=True)
    assert all(o.in_doubt for o in orders)
    bench.pass_s(2.5)
    asked = bench.requests(m.MassQuote)
    assert len(asked) > 1 and {r.request_id for r in asked} == {request.request_id}


def test_quotes_that_surely_were_not_sent_are_refused_at_once() -> None:
    bench = Bench().start()
    orders, request = quoted(bench)
    assert request is not None
    bench.fail(request, sent=False)
    assert {(o.status, o.refusal) for o in orders} == {(S.REJECTED, R.NOT_READY)}


def test_what_succeeds_a_quote_that_ended_is_an_order_of_its_own() -> None:
    bench = Bench().start()
    bid, _ = resting(bench)
    _, request = quoted(bench, m.QuoteEntry(PERP, D(49100), D(100)))
    assert request is not None
    first = c.Request(request.target, bid.request_id.split("/")[0], request.command)
    new = update(first, Side.BUY, "3", price=D(49100))
    bench.reply(request, orders=[new], results=[m.CommandReply("", True, orders=[new])])
    ended = update(first, Side.BUY, "1", status=S.FILLED, cum_quantity=D(100), revision=4)
    bench.bus(f"order.{PLACE}", ended)
    working = [o for o in bench.strategy.working_orders if o.side is Side.BUY]
    assert [(o.client_order_id, o.price) for o in working] == [("3", D(49100))]
    assert bid.status is S.FILLED
    orders, _ = quoted(bench, m.QuoteEntry(PERP, D(49100), D(100)))
    assert orders == working


def test_quotes_of_an_earlier_run_are_quoted_on() -> None:
    old = update(c.Request("orders.deribit.main", "old", m.QueryOrders()), Side.BUY, "1")
    bench = Bench().start([old])
    (order,) = bench.strategy.working_orders
    assert order.mmp_group == "mm"
    orders, request = quoted(bench, m.QuoteEntry(PERP, D(49100), D(100)))
    assert orders == [order] and request is not None


def test_cancel_quotes_cancels_quotes_alone() -> None:
    bench = Bench().start()
    bid, ask = resting(bench)
    bench.act(lambda: bench.strategy.place(PERP, Side.BUY, 100, price="48000"))
    bench.order(bench.requests(m.PlaceOrder)[-1], client_order_id="7")
    bench.act(lambda: bench.strategy.cancel_quotes(mmp_group="mm"))
    (request,) = bench.requests(m.CancelQuotes)
    assert request.command == m.CancelQuotes(mmp_group="mm", owner="tester")
    assert bid.cancel_wanted and ask.cancel_wanted
    assert [o.cancel_wanted for o in bench.strategy.working_orders] == [True, True, False]


def test_quotes_have_an_allowance_of_their_own() -> None:
    bench = Bench().start()
    before = bench.strategy.allowance, bench.strategy.quote_allowance
    quoted(bench)
    assert (bench.strategy.allowance, bench.strategy.quote_allowance) == (before[0], before[1] - 1)


@pytest.mark.parametrize("field", ["bid_price", "bid_quantity", "ask_price", "ask_quantity"])
def test_floats_are_refused_by_the_name_of_their_field(field: str) -> None:
    bench = Bench().start()
    entry = msgspec.structs.replace(ENTRY, **{field: 1.5})
    bench.act(lambda: bench.strategy.mass_quote([entry], "mm"))
    assert bench.state.state == "error" and field in bench.state.last_error


def test_what_a_failing_handler_quoted_is_not_sent() -> None:
    bench = Bench().start()

    def fail() -> None:
        bench.strategy.mass_quote([ENTRY], "mm")
        raise RuntimeError("no")

    bench.act(fail)
    assert bench.requests(m.MassQuote) == [] and bench.strategy.working_orders == []


def test_protection_is_told_and_changed() -> None:
    bench = Bench().start()
    told: list[m.ProtectionUpdated] = []
    bench.strategy.on_protection = told.append
    bench.act(lambda: bench.strategy.subscribe_protections())
    assert c.Subscribe(TOPIC) in bench.commands
    bench.bus(TOPIC, m.ProtectionSnapshot("deribit", "main", [samples.PROTECTION]))
    assert told == bench.strategy.protections == [samples.PROTECTION]
    gone = msgspec.structs.replace(samples.PROTECTION, event=m.ProtectionEvent.REMOVED)
    bench.bus(TOPIC, gone)
    assert told[-1] == gone and bench.strategy.protections == []
    bench.bus(TOPIC, samples.PROTECTION)
    bench.feed(c.TopicLost(TOPIC, "gone"))
    assert bench.strategy.protections == []
    bench.act(lambda: bench.strategy.reset_protection("btc_usd", "mm"))
    (request,) = bench.requests(m.ResetProtection)
    bench.reply(request, False, reason=R.PROTECTION, text="none")
    assert bench.alerts("WARNING") == ["protection was refused: PROTECTION none"]
    settings = m.SetProtection("btc_usd", "mm", 5, 0, D(1))
    bench.act(lambda: bench.strategy.set_protection(settings))
    (request,) = bench.requests(m.SetProtection)
    bench.fail(request, sent=True)
    bench.pass_s(2.5)
    assert len(bench.requests(m.SetProtection)) > 1
