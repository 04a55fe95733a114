"""Rows of the fault matrix on a whole desk: orders on a broken wire, engines that die."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from common import messages as m
from common.messages import OrderStatus as S, OrderTrigger
from tests import figures
from tests.faults.kit import (
    ENGINE,
    OTHER,
    POSITIONS,
    SYMBOL,
    D,
    Faulty,
    eventually,
)
from tests.faults.proxy import answers, calls, notifications

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
NOW = time.monotonic


def sent(faulty: Faulty) -> int:
    return len(faulty.proxy.sent("private/buy", "private/sell"))


def settled(faulty: Faulty, tag: str, status: S) -> Callable[[], bool]:
    """The order of this tag has come to its end or rests, without a doubt."""

    def is_so() -> bool:
        order = faulty.only(tag)
        return order is not None and not order.in_doubt_since_ns and order.status is status

    return is_so


def kill_once(faulty: Faulty) -> Callable[[object], None]:
    """A callback of the proxy that kills the engine, the first time only."""
    killed: list[int] = []

    def kill(_: object) -> None:
        if not killed:
            killed.append(1)
            faulty.kill(ENGINE)

    return kill


def test_row_03_killed_after_the_venue_accepted(faulty: Faulty) -> None:
    told, answered = notifications("user.orders"), answers("private/buy")
    faulty.proxy.call(lambda x: told(x) or answered(x), kill_once(faulty), "DROP")
    begun = NOW()
    first = faulty.try_place(tag="row3", request_id="row3")
    assert first is None or first.accepted  # the next engine may be in time to answer
    eventually(settled(faulty, "row3", S.NEW), "found at the venue")
    eventually(faulty.is_equal, "the venue's truth")
    took = NOW() - begun
    assert sent(faulty) == 1 and len(faulty.venue_orders()) == 1
    again = faulty.place(tag="row3", request_id="row3")
    assert again.accepted and list(faulty.venue_orders()) == [again.orders[0].client_order_id]
    # Of that, up to 4 s are the client's wait for an answer.
    figures.note("P1", "killed with the answer unread", "1x", "1x", True, row=3)
    figures.note("P3", "equal after that kill", "5 s", f"{took:.1f} s", took <= 5, row=3)


def test_row_04_killed_with_unread_fills(faulty: Faulty) -> None:
    before = faulty.position()
    assert before is not None
    price = faulty.best("ask") - D("0.5")
    order = faulty.place(price, 10, side=m.Side.SELL, tag="row4").orders[0]
    killer = kill_once(faulty)
    for channel in ("user.trades", "user.orders"):
        rule = faulty.proxy.call(notifications(channel), killer, "DROP")
        rule.times = None
    if faulty.venue_orders():  # the simulated market may have taken it already
        faulty.venue("private/buy", key=OTHER, instrument_name=SYMBOL, amount=5000, type="market")
    eventually(lambda: not faulty.venue_orders(), "it is filled")
    faulty.proxy.rules.clear()
    eventually(settled(faulty, "row4", S.FILLED), "known as filled")
    eventually(faulty.is_equal, "the venue's truth")
    fills = faulty.ask(m.QueryFills(client_order_id=order.client_order_id))
    assert fills is not None and sum(fill.last_quantity for fill in fills.fills) == 10
    assert len({fill.exec_id for fill in fills.fills}) == len(fills.fills)
    after = faulty.position()
    assert after is not None and after[0] == before[0] - 10


def test_row_06_killed_with_a_cancel_in_flight(faulty: Faulty) -> None:
    order = faulty.place(tag="row6").orders[0]
    faulty.proxy.call(calls("private/cancel"), kill_once(faulty), "DROP")
    reply = faulty.ask(m.CancelOrder(order.client_order_id))
    assert reply is None or reply.accepted or reply.in_doubt  # of the next engine, if in time
    eventually(settled(faulty, "row6", S.CANCELED), "cancelled in the end")
    assert faulty.venue_orders() == {}


@pytest.mark.parametrize("name", ["empty", "cut", "no json", "another result"])
def test_row_21_an_answer_that_cannot_be_read_is_doubt(faulty: Faulty, name: str) -> None:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda payload: b"",
        "cut": lambda payload: payload[: len(payload) // 2],
        "no json": lambda payload: b"<html>502 Bad Gateway</html>",
        "another result": lambda payload: payload[: payload.index(b'"result"')] + b'"result":7}',
    }
    faulty.proxy.drop(notifications("user.orders"))
    faulty.proxy.corrupt(answers("private/buy"), changes[name])
    reply = faulty.try_place(tag=f"row21{name[0]}")
    assert reply is None or reply.in_doubt or reply.accepted
    eventually(settled(faulty, f"row21{name[0]}", S.NEW), "asked for and found")
    assert sent(faulty) == 1 and len(faulty.venue_orders()) == 1
    eventually(faulty.is_equal, "the venue's truth")


def test_row_20_a_request_that_never_arrived_is_absent_after_its_horizon(faulty: Faulty) -> None:
    faulty.proxy.drop(calls("private/buy"))
    begun = NOW()
    reply = faulty.place(tag="row20")
    assert (reply.accepted, reply.in_doubt) == (False, True)
    eventually(settled(faulty, "row20", S.REJECTED), "proved absent")
    took = NOW() - begun
    assert sent(faulty) == 1 and faulty.venue_orders() == {}
    figures.note("P2", "an order that never arrived", "7 s", f"{took:.1f} s", took <= 7, row=20)


@pytest.mark.parametrize("is_request", [True, False])
def test_row_24_cut_within_the_frame_of_an_order(faulty: Faulty, is_request: bool) -> None:
    match = calls("private/buy") if is_request else answers("private/buy")
    if not is_request:
        faulty.proxy.drop(notifications("user.orders"))
    faulty.proxy.cut_within(match, 30)
    tag = f"row24{is_request}"
    faulty.try_place(tag=tag)
    eventually(settled(faulty, tag, S.REJECTED if is_request else S.NEW), "settled by evidence")
    assert sent(faulty) == 1 and len(faulty.venue_orders()) == (0 if is_request else 1)
    eventually(faulty.is_equal, "the venue's truth")


def test_row_19_an_answer_after_the_time_limit(faulty: Faulty) -> None:
    faulty.control("freeze-channel", channel="user.*")
    faulty.control("delay-answers", method="private/buy", ms=2600)
    reply = faulty.place(tag="row19")
    assert (reply.accepted, reply.in_doubt) == (False, True)
    eventually(settled(faulty, "row19", S.NEW), "found")
    assert sent(faulty) == 1 and len(faulty.venue_orders()) == 1


def test_row_27_a_half_open_link_is_noticed_and_replaced(faulty: Faulty) -> None:
    order = faulty.place(tag="row27").orders[0]
    begun = NOW()
    faulty.proxy.half_open()
    accepted = faulty.proxy.accepted
    eventually(lambda: faulty.proxy.accepted > accepted, "a new link")
    noticed = NOW() - begun
    eventually(faulty.is_equal, "the venue's truth again")
    assert list(faulty.venue_orders()) == [order.client_order_id]
    figures.note("P8", "half-open link noticed", "15 s", f"{noticed:.1f} s", noticed <= 15, row=27)


def test_row_31_after_a_breach_of_the_rate_limit_the_engine_is_silent(faulty: Faulty) -> None:
    refusal = b'"error":{"code":10028,"message":"too_many_requests"}}'
    nothing = (b'"private/buy"', b'"public/test"')  # the venue must not take what it refuses
    faulty.proxy.corrupt(calls("private/buy"), lambda payload: payload.replace(*nothing))
    rule = faulty.proxy.corrupt(
        answers("private/buy"), lambda payload: payload[: payload.index(b'"result"')] + refusal
    )
    faulty.try_place(tag="row31")
    eventually(lambda: rule.seen, "the venue said so")
    (struck,) = rule.seen

    def asked() -> list[float]:
        sent = list(faulty.proxy.requests)
        return [x.at for x in sent if x.at > struck.at + 0.1 and is_orders(x.method)]

    eventually(asked, "a new link")
    silent = min(asked()) - struck.at
    figures.note("P7", "silence after 10028", ">= 5 s", f"{silent:.1f} s", silent >= 4.9, row=31)
    assert silent >= 4.5
    eventually(faulty.is_equal, "the venue's truth")


def test_row_38_reports_that_the_venue_lost_are_found_on_a_link_that_lives(faulty: Faulty) -> None:
    """A cancel and a fill that nobody is told of; the link stays as it is."""
    links = faulty.proxy.accepted
    ended, filled = (faulty.place(tag=f"row38{n}").orders[0] for n in range(2))
    lost = [faulty.proxy.drop(notifications(f"user.{x}"), times=None) for x in ("orders", "trades")]
    faulty.venue("private/cancel", order_id=ended.venue_order_id)
    faulty.venue("private/edit", order_id=filled.venue_order_id, amount=30, price=50001)
    begun = NOW()
    eventually(settled(faulty, "row380", S.CANCELED), "the end is found")

    def is_changed() -> bool:
        order = faulty.only("row381")
        return order is not None and (order.price, order.quantity) == (D("50001"), D(30))

    eventually(is_changed, "the change is found")
    took = NOW() - begun
    faulty.proxy.rules.clear()
    assert lost[0].seen and faulty.proxy.accepted == links  # by asking, not by a new link
    order = faulty.only("row381")
    assert order is not None and order.event is OrderTrigger.RECONCILED
    figures.note("P12", "lost reports on a live link", "10 s", f"{took:.1f} s", took <= 10, row=38)
    eventually(faulty.is_equal, "the venue's truth")


def is_orders(method: str) -> bool:
    return method.startswith("private/get_open_orders")


def test_row_62_nothing_waits_for_an_engine_that_is_down(faulty: Faulty) -> None:
    faulty.supervisor.call("stopProcess", ENGINE)
    begun = NOW()
    assert faulty.try_place(tag="row62") is None
    assert NOW() - begun < 4.0  # refused before the time for an answer is over
    faulty.supervisor.call("startProcess", ENGINE)
    eventually(faulty.trades, "the engine trades")
    assert faulty.only("row62") is None and faulty.venue_orders() == {}


def test_row_63_a_client_that_died_asks_again_and_gets_the_first_answer(faulty: Faulty) -> None:
    first = faulty.place(tag="row63", request_id="row63")
    other = type(faulty.client)(faulty.desk.run_dir, "tester", timeout_s=4.0)
    faulty.client, gone = other, faulty.client
    gone.close()
    begun = NOW()
    again = faulty.place(tag="row63", request_id="row63")
    took_ms = (NOW() - begun) * 1000
    assert again == first and sent(faulty) == 1
    what, is_soon = "the same name is served again", took_ms <= 1000
    figures.note("P1", what, "1 s", f"{took_ms:.0f} ms", is_soon, row=64)


def test_row_14_all_services_killed_at_once(faulty: Faulty) -> None:
    for number in range(5):
        assert faulty.place(50000 + number).accepted
    begun = NOW()
    names = (ENGINE, POSITIONS, "market_data.deribit", "gateway")
    killed = faulty.kill(*names)
    eventually(lambda: faulty.replaced(killed), "all are replaced")
    eventually(faulty.is_equal, "the venue's truth")
    took = NOW() - begun
    eventually(faulty.trades, "the desk trades")
    figures.note("P3", "equal after all were killed", "10 s", f"{took:.1f} s", took <= 10, row=14)
