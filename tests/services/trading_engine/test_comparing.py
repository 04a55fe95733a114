"""Reports that get lost on a live link: found by comparison, made good and told within 10 s."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from services.trading_engine import records
from services.trading_engine.comparing import EVERY_NS, WIDE_NS
from tests.services.trading_engine.kit import MS, PERP, SECOND, T0, Bench, D, place
from tests.services.trading_engine.twin import Refuse, VenueTwin

BAR_S = 10.0
OPEN_ORDERS = "private/get_open_orders"


def resting(**config: Any) -> tuple[Bench, m.OrderUpdated]:
    bench = Bench(**config).start()
    order = bench.placed()
    bench.advance(1)
    return bench, order


def behind(bench: Bench) -> None:
    """The venue's time goes on, so that what it does now is later than what it did."""
    bench.twin.now_ms = bench.now // MS


def warnings(bench: Bench) -> list[str]:
    found = [x for x in bench.commands if isinstance(x, c.Alert) and x.level == "WARNING"]
    return [x.text for x in found if "reconciled" in x.text]


def rounds(bench: Bench) -> int:
    return len(bench.twin.calls(OPEN_ORDERS))


def sources(bench: Bench, name: str) -> list[str]:
    entries = records.decode(bench.journal)
    found = [x for entry in entries for x in entry.records if isinstance(x, records.ReportRecord)]
    return [x.source for x in found if x.order.client_order_id == name]


def test_row_38_a_lost_end_is_found_told_as_reconciled_and_journaled():
    bench, order = resting()
    behind(bench)
    bench.twin.end(order.venue_order_id, "user_request")
    bench.advance(BAR_S)
    name = order.client_order_id
    assert bench.events(name)[-1] == (E.RECONCILED, S.CANCELED)
    assert sources(bench, name)[-1] == "query"
    assert warnings(bench) == ["the venue lists an end that was not told: reconciled"]


@pytest.mark.parametrize("heard", [set(), {"user.trades"}, {"user.orders"}])
@pytest.mark.parametrize("amount", [40.0, 100.0])
def test_row_38_a_fill_whose_reports_were_lost_is_counted_once(amount: float, heard: set[str]):
    bench, order = resting()
    behind(bench)
    frames = bench.twin.fill(order.venue_order_id, amount)
    channels = [json.loads(frame)["params"]["channel"] for frame in frames]
    told = [f for f, name in zip(frames, channels, strict=True) if name[:11] in heard]
    bench.deliver(told)
    bench.advance(BAR_S)
    bench.deliver(frames)  # and much later they come after all
    (fill,) = bench.fills()
    now = bench.order(order.client_order_id)
    assert fill.last_quantity == now.cum_quantity == D(str(amount))
    assert now.status is (S.FILLED if amount == 100 else S.PARTIALLY_FILLED)
    if not heard:
        assert (E.RECONCILED, now.status) in bench.events(order.client_order_id)


def test_row_38_a_lost_change_by_another_client_is_taken_over():
    bench, order = resting()
    behind(bench)
    bench.twin._edit({"order_id": order.venue_order_id, "price": 48000.0, "amount": 70.0})
    bench.advance(BAR_S)
    now = bench.order(order.client_order_id)
    assert (now.price, now.quantity, now.status) == (D("48000"), D("70"), S.NEW)
    assert warnings(bench) == ["the venue lists a change that was not told: reconciled"]


def test_row_38_an_order_from_outside_whose_report_was_lost_is_adopted():
    bench, _ = resting()
    bench.twin.place(instrument_name="BTC-PERPETUAL", direction="buy", amount=30.0, price=41000.0)
    bench.advance(BAR_S)
    assert [order.quantity for order in bench.open_orders() if order.external] == [D("30")]


@pytest.mark.parametrize("amount", [0.0, 30.0], ids=["an order", "a fill"])
def test_row_38_what_others_do_unheard_is_found_although_we_do_nothing(amount: float):
    bench = Bench().start()
    bench.advance(120)
    behind(bench)
    bench.twin.place(instrument_name="BTC-PERPETUAL", direction="buy", amount=30.0, price=41000.0)
    if amount:
        bench.twin.fill("V1", amount)
    bench.advance(BAR_S)
    assert [fill.last_quantity for fill in bench.fills()] == [D("30")] * bool(amount)
    assert bench.engine._state.store.positions.get(PERP, 0) == amount
    assert len(bench.open_orders()) == (not amount)


def test_what_the_stream_tells_a_moment_after_the_list_is_no_finding():
    bench, order = resting()
    bench.held = []
    behind(bench)
    late = bench.twin.fill(order.venue_order_id, 40.0)
    while not bench.held:
        bench.advance(0.1)  # until the question was asked
    bench.release()
    bench.advance(0.5)
    bench.deliver(late)
    bench.advance(BAR_S)
    assert not warnings(bench) and bench.order(order.client_order_id).cum_quantity == 40
    assert (E.RECONCILED, S.PARTIALLY_FILLED) not in bench.events()


def test_a_list_older_than_our_last_action_proves_nothing():
    """The list was made before the order was; it arrives after the order's own acceptance."""
    bench, _ = resting()
    bench.held = []
    while not bench.held:
        bench.advance(0.1)
    old, bench.held = bench.held, None
    bench.now += 1
    placed = bench.placed(price="48500")
    bench.deliver(old)
    bench.advance(BAR_S)
    assert not warnings(bench) and bench.order(placed.client_order_id).status is S.NEW


def test_an_order_that_waits_for_an_outcome_is_left_to_its_call():
    bench, order = resting()
    bench.losing = True
    bench.ask(m.CancelOrder(order.client_order_id))
    bench.losing = False
    bench.advance(1.5)
    assert bench.order(order.client_order_id).status is S.PENDING_CANCEL
    bench.advance(BAR_S)
    assert bench.order(order.client_order_id).status is S.CANCELED and not warnings(bench)


def test_a_refused_list_proves_nothing_and_is_asked_for_again():
    bench, order = resting()
    behind(bench)
    bench.twin.end(order.venue_order_id, "user_request")
    bench.twin.refuse[OPEN_ORDERS] = Refuse(10066, "busy")
    bench.advance(EVERY_NS / SECOND + 1)
    assert bench.order(order.client_order_id).status is S.NEW
    bench.advance(BAR_S)
    assert bench.order(order.client_order_id).status is S.CANCELED


def test_it_asks_only_now_and_then_and_less_often_while_nothing_is_open():
    bench, order = resting()
    before = rounds(bench)
    bench.advance(60)
    assert rounds(bench) - before <= 60 * SECOND // EVERY_NS
    bench.asked(m.CancelOrder(order.client_order_id))
    bench.advance(120)
    before = rounds(bench)
    bench.advance(300)
    assert 1 <= rounds(bench) - before <= 300 * SECOND // WIDE_NS


def test_other_questions_go_first():
    bench = Bench(query_rate_per_second=2.0, query_burst=4.0).start()
    bench.advance(60)
    bench.losing = True
    names = [bench.ask(place(str(49000 + n))) for n in range(3)]
    bench.losing = False
    bench.twin.received.clear()
    bench.advance(40)
    assert all(bench.replies(name) for name in names)
    assert {order.status for order in bench.open_orders(closed=True)} == {S.REJECTED}


def test_a_difference_of_positions_has_it_asked_at_once():
    bench = Bench().start()
    bench.advance(120)
    external = bench.twin.place(
        instrument_name="BTC-PERPETUAL", direction="buy", amount=30.0, price=41000.0
    )
    assert external
    behind(bench)
    bench.twin.fill(bench.twin.open_ids[0], 30.0)
    bench.bus("risk.deribit.main", m.PositionDifference("deribit", "main", PERP, D(0), D(30), 1))
    bench.advance(3)
    assert [fill.last_quantity for fill in bench.fills()] == [D("30")]


@pytest.mark.parametrize("ahead_s", [0, 300])
def test_fills_of_a_list_that_was_cut_off_are_asked_for_from_there_on(ahead_s: int):
    bench = Bench(VenueTwin(T0 // MS + ahead_s * 1000)).start()
    order = bench.placed()
    bench.advance(1)
    answers = bench.twin._list

    def cut_off(name: str, params: dict[str, Any]) -> Any:
        found = answers(name, params)
        if "user_trades" in name and params["currency"] == "BTC":
            part = found["trades"][:2]
            return {"trades": part, "has_more": len(part) < len(found["trades"])}
        return found

    bench.twin._list = cut_off  # type: ignore[method-assign]
    for _ in range(5):
        bench.now += 40 * SECOND
        bench.twin.now_ms = bench.now // MS + ahead_s * 1000
        bench.twin.fill(order.venue_order_id, 10.0)
    bench.advance(30)
    assert [fill.exec_id for fill in bench.fills()] == ["T1", "T2", "T3", "T4", "T5"]
    assert bench.order(order.client_order_id).cum_quantity == 50


def test_a_fill_that_waits_for_its_order_and_is_listed_too_is_counted_once():
    bench = Bench().start()
    bench.advance(5)
    behind(bench)
    bench.twin.place(instrument_name="BTC-PERPETUAL", direction="buy", amount=30.0, price=41000.0)
    trade, _ = bench.twin.fill("V1", 30.0)
    bench.deliver([trade])
    bench.feed(c.VenueFrame("orders.deribit.main", b"nonsense", bench.now))
    bench.advance(BAR_S)
    assert len(bench.fills()) == 1


TAKEN_BACK = "the venue lists an order as open that had ended here: reconciled"


def ended_wrongly(bench: Bench, order: m.OrderUpdated) -> None:
    """The venue tells its end, and then that it is open."""
    held = dict(bench.twin.orders[order.venue_order_id])
    bench.deliver(bench.twin.end(order.venue_order_id, "user_request"))
    assert bench.order(order.client_order_id).status is S.CANCELED
    bench.twin.orders[order.venue_order_id] = held


@pytest.mark.parametrize("is_cut", [True, False])
def test_an_order_that_ended_here_and_is_listed_as_open_is_taken_back(is_cut: bool):
    bench, order = resting(limits=LimitsConfig(max_external_orders=5))
    ended_wrongly(bench, order)
    if is_cut:
        bench.cut()
        bench.connect()
    bench.advance(2 * BAR_S)
    (found,) = bench.open_orders()
    assert (found.venue_order_id, found.external) == (order.venue_order_id, True)
    assert (found.status, found.price, found.leaves_quantity) == (S.NEW, order.price, 100)
    assert bench.engine._state.store.open_quantity(PERP, m.Side.BUY) == 100
    assert warnings(bench) == [TAKEN_BACK]
    assert bench.asked(place()).reason is R.EXTERNAL_ORDERS
    assert bench.asked(m.CancelOrder(found.client_order_id)).accepted
    bench.advance(BAR_S)
    assert not bench.twin.open_ids and not bench.open_orders()
    assert bench.order(order.client_order_id).status is S.CANCELED
    assert not bench.restart().start().open_orders()


@pytest.mark.parametrize("is_restarted", [True, False])
def test_an_order_that_is_taken_back_keeps_what_it_filled_before(is_restarted: bool):
    bench, order = resting()
    bench.deliver(bench.twin.fill(order.venue_order_id, 40.0))
    ended_wrongly(bench, order)
    bench.advance(2 * BAR_S)
    (found,) = bench.open_orders()
    assert (found.status, found.cum_quantity, found.leaves_quantity) == (S.PARTIALLY_FILLED, 40, 60)
    if is_restarted:
        bench = bench.restart().start()
    bench.deliver(bench.twin.fill(order.venue_order_id, 60.0))
    bench.advance(BAR_S)
    assert bench.order(found.client_order_id).status is S.FILLED
    assert bench.engine._state.store.positions[PERP] == 100
    fills = bench.asked(m.QueryFills()).fills
    assert [fill.last_quantity for fill in fills] == [40, 60]


@pytest.mark.parametrize("is_heard", [True, False])
def test_an_order_that_was_proved_absent_and_is_listed_as_open_is_taken_back(is_heard: bool):
    bench = Bench().start()
    bench.losing = True
    request = bench.ask(place())
    bench.losing = False
    bench.advance(BAR_S)
    (name,) = [x.client_order_id for x in bench.replies(request)[0].orders]
    assert bench.order(name).status is S.REJECTED
    terms = {"instrument_name": "BTC-PERPETUAL", "amount": 100.0, "price": 49000.0}
    told = bench.twin.place(direction="buy", label=name, **terms)
    bench.deliver(told if is_heard else [])
    bench.advance(2 * BAR_S)
    (found,) = bench.open_orders()
    assert (found.external, found.leaves_quantity, warnings(bench)) == (True, 100, [TAKEN_BACK])


def test_one_list_with_an_order_that_ended_here_proves_nothing():
    bench, order = resting()
    before = rounds(bench)
    ended_wrongly(bench, order)
    while rounds(bench) == before:
        bench.advance(0.1)
    bench.twin.end(order.venue_order_id, "user_request")
    bench.advance(2 * BAR_S)
    assert not bench.open_orders() and not warnings(bench)


@pytest.mark.parametrize("back_ms", [0, 1, 400])
def test_terms_in_the_list_count_although_the_venues_clock_went_back_a_little(back_ms: int):
    """By less than what is taken for a jump: the lost change is of an earlier time, or the same."""
    bench, order = resting()
    told_ms = bench.twin.orders[order.venue_order_id]["last_update_timestamp"]
    bench.twin._edit({"order_id": order.venue_order_id, "price": 48000.0, "amount": 70.0})
    bench.twin.orders[order.venue_order_id]["last_update_timestamp"] = told_ms - back_ms
    bench.advance(BAR_S)
    now = bench.order(order.client_order_id)
    assert (now.price, now.quantity, now.status) == (D("48000"), D("70"), S.NEW)
    assert warnings(bench) == ["the venue lists a change that was not told: reconciled"]
