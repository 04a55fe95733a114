"""The dead-man switch: strategies whose host is silent, in the engine's core."""

from __future__ import annotations

from typing import Any

import pytest

from common import core as c, messages as m
from common.config import StrategyConfig
from common.messages import OrderStatus as S
from services.trading_engine import records
from services.trading_engine.story import explain
from tests.services.trading_engine.kit import MS, PERP, T0, Bench, D, place
from tests.services.trading_engine.linked_twin import LinkedTwin
from tests.services.trading_engine.test_quotes import bench as quote_bench, quote

MAKER = StrategyConfig("maker", "maker.py", "deribit")
STAYS = StrategyConfig("stays", "stays.py", "deribit", cancel_on_stop=False)
NEVER = StrategyConfig("never", "never.py", "deribit", cancel_if_silent_s=0)
ELSEWHERE = StrategyConfig("elsewhere", "elsewhere.py", "deribit", "other")
TEXT = "a strategy is silent: its orders are cancelled"
BEAT_S = 0.5


@pytest.fixture
def bench() -> Bench:
    return started()


def started(**config: Any) -> Bench:
    return Bench(strategies=[MAKER, STAYS, NEVER, ELSEWHERE], **config).start()


def beat(bench: Bench, name: str = "maker", state: str = "ready") -> None:
    process = f"strategy_host.{name}"
    bench.bus(f"health.{process}", m.Health(process, state, 1, 1))


def beats(bench: Bench, seconds: float, *names: str) -> None:
    for _ in range(int(seconds / BEAT_S)):
        for name in names:
            beat(bench, name)
        bench.advance(BEAT_S)


def says(bench: Bench, name: str, state: str) -> None:
    """What its host publishes of the strategy itself."""
    told = m.StrategyState(
        name, "deribit", "main", state, "", {}, [], {}, 0, 0, 0, 0, {}, 0, "", 0, 0
    )
    bench.bus(f"strategy.{name}", told)


def status(bench: Bench, order: m.OrderUpdated) -> S:
    return bench.order(order.client_order_id).status


def alerts(bench: Bench, text: str = TEXT) -> list[c.Alert]:
    return [x for x in bench.commands if isinstance(x, c.Alert) and x.text == text]


# --- silence -----------------------------------------------------------------------------------


def test_the_orders_of_a_silent_strategy_are_cancelled_and_no_others(bench: Bench):
    mine, other = bench.placed(owner="maker"), bench.placed(owner="hand", price="48000")
    beats(bench, 20, "maker")
    assert status(bench, mine) is S.NEW
    bench.advance(9.5)
    assert status(bench, mine) is S.NEW
    bench.advance(1.5)
    assert status(bench, mine) is S.CANCELED and status(bench, other) is S.NEW
    (alert,) = alerts(bench)
    assert alert.level == "ERROR" and alert.fields["strategy"] == "maker"
    assert "last heard" in alert.fields["why"] and "the limit is 10 s" in alert.fields["why"]


def test_explain_tells_that_and_why_the_engine_cancelled_it(bench: Bench):
    order = bench.placed(owner="maker")
    beat(bench)
    bench.advance(12)
    steps = explain(bench.journal, order.client_order_id).steps
    asked = [step for step in steps if step.what == "request" and "CancelAll" in step.text]
    assert len(asked) == 1 and "maker was last heard" in asked[0].text
    assert asked[0].source == "trading_engine.deribit.main for maker"
    replies = [step for step in steps if step.what == "reply"]
    assert replies[-1].text == "accepted"


def test_what_turns_up_in_the_same_silence_is_cancelled_without_another_alert(bench: Bench):
    bench.placed(owner="maker")
    beat(bench)
    bench.advance(12)
    late = bench.placed(owner="maker", price="48000")
    bench.advance(1)
    assert status(bench, late) is S.CANCELED and len(alerts(bench)) == 1


def test_a_beat_ends_the_silence_and_the_next_one_is_told_again(bench: Bench):
    bench.placed(owner="maker")
    beat(bench)
    bench.advance(12)
    beats(bench, 1, "maker")
    assert len(alerts(bench, "the strategy is heard again")) == 1
    order = bench.placed(owner="maker")
    beats(bench, 12, "maker")
    assert status(bench, order) is S.NEW
    bench.advance(12)
    assert status(bench, order) is S.CANCELED and len(alerts(bench)) == 2


def test_a_quick_restart_of_the_host_cancels_nothing(bench: Bench):
    order = bench.placed(owner="maker")
    beats(bench, 3, "maker")
    bench.feed(c.TopicLost("health.strategy_host.maker", "the publisher is silent"))
    bench.advance(8)
    beat(bench, state="starting")
    beats(bench, 12, "maker")
    assert status(bench, order) is S.NEW and not alerts(bench)


def test_without_orders_nothing_is_said(bench: Bench):
    beat(bench)
    bench.advance(60)
    assert not alerts(bench) and "private/cancel" not in bench.sent()


def test_a_cancel_that_came_to_nothing_is_sent_again(bench: Bench):
    order = bench.placed(owner="maker")
    beat(bench)
    bench.advance(9)
    bench.losing = True
    bench.advance(3)
    bench.losing = False
    bench.advance(30)
    assert status(bench, order) is S.CANCELED


def test_quotes_are_cancelled_too():
    made = quote_bench(strategies=[MAKER])
    assert made.asked(quote()).accepted and len(made.open_orders(owner="maker")) == 2
    beat(made)
    made.advance(12)
    assert made.open_orders() == [] and made.twin.open_ids == []


@pytest.mark.parametrize("make", [m.ContingencyType.OCO, m.ContingencyType.OTO])
def test_linked_orders_are_cancelled_too(make: m.ContingencyType):
    bench = started(twin=LinkedTwin(T0 // MS))
    other = m.LinkedOrder(m.Side.BUY, price=D("48000"))
    command = place(owner="maker", contingency_type=make, linked_orders=[other])
    assert bench.asked(command).accepted
    beat(bench)
    bench.advance(13)
    assert bench.open_orders() == [] and bench.twin.open_ids == []


# --- who is judged, and from when --------------------------------------------------------------


def test_a_strategy_that_was_never_heard_counts_from_when_the_engine_is_ready(bench: Bench):
    order = bench.placed(owner="maker")
    bench.advance(9)
    assert status(bench, order) is S.NEW
    bench.advance(2.5)
    assert status(bench, order) is S.CANCELED
    assert "was not heard since the engine started" in alerts(bench)[0].fields["why"]


def test_orders_of_an_earlier_life_are_cancelled_if_the_strategy_does_not_come(bench: Bench):
    order = bench.placed(owner="maker")
    again = bench.restart(strategies=[MAKER]).start()
    again.advance(12)
    assert status(again, order) is S.CANCELED


@pytest.mark.parametrize("owner", ["never", "elsewhere", "stays", "hand", ""])
def test_others_that_were_never_heard_are_left_alone(bench: Bench, owner: str):
    order = bench.placed(owner=owner)
    bench.advance(60)
    assert status(bench, order) is S.NEW and not alerts(bench)


@pytest.mark.parametrize("owner", ["never", "elsewhere", "hand"])
def test_silence_of_others_cancels_nothing(bench: Bench, owner: str):
    order = bench.placed(owner=owner)
    beat(bench, owner)
    bench.advance(60)
    assert status(bench, order) is S.NEW and not alerts(bench)


def test_beats_of_another_process_of_that_name_prove_nothing(bench: Bench):
    order = bench.placed(owner="maker")
    for _ in range(24):
        bench.bus("health.maker", m.Health("maker", "ready", 1, 1))
        bench.advance(BEAT_S)
    assert status(bench, order) is S.CANCELED


# --- stops -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["stopping", "stopped"])
def test_a_clean_stop_that_leaves_its_orders_is_no_silence(bench: Bench, state: str):
    order = bench.placed(owner="stays")
    beats(bench, 2, "stays")
    says(bench, "stays", state)
    bench.advance(60)
    assert status(bench, order) is S.NEW


def test_its_last_beat_alone_tells_it_too(bench: Bench):
    order = bench.placed(owner="stays")
    beats(bench, 2, "stays")
    beat(bench, "stays", "stopping")
    bench.advance(60)
    assert status(bench, order) is S.NEW


def test_one_that_leaves_its_orders_when_it_stops_does_not_when_it_dies(bench: Bench):
    order = bench.placed(owner="stays")
    says(bench, "stays", "stopped")
    beats(bench, 2, "stays")  # it runs again
    bench.advance(12)
    assert status(bench, order) is S.CANCELED


def test_a_stop_whose_cancels_were_not_seen_through_is_judged(bench: Bench):
    order = bench.placed(owner="maker")
    beat(bench)
    says(bench, "maker", "stopping")
    beat(bench, state="stopping")
    bench.advance(12)
    assert status(bench, order) is S.CANCELED


def test_after_a_clean_stop_others_may_trade_in_its_name(bench: Bench):
    beat(bench)
    says(bench, "maker", "stopped")
    beat(bench, state="stopping")
    order = bench.placed(owner="maker")
    bench.advance(60)
    assert status(bench, order) is S.NEW


# --- our own trouble ---------------------------------------------------------------------------


def test_our_own_standstill_is_not_theirs(bench: Bench):
    order = bench.placed(owner="maker")
    beats(bench, 3, "maker")
    bench.now += 30_000_000_000  # nobody woke us
    bench.advance(9)
    assert status(bench, order) is S.NEW
    bench.advance(2.5)
    assert status(bench, order) is S.CANCELED


def test_without_a_link_it_waits_and_cancels_when_it_is_back(bench: Bench):
    order = bench.placed(owner="maker")
    beat(bench)
    bench.cut()
    bench.advance(15)
    assert not alerts(bench)
    bench.connect()
    bench.advance(2)
    assert status(bench, order) is S.CANCELED and len(alerts(bench)) == 1


def test_a_sick_journal_does_not_hold_it_back(bench: Bench):
    order = bench.placed(owner="maker")
    beat(bench)
    bench.feed(c.JournalFailed("ENOSPC"))
    bench.advance(12)
    assert status(bench, order) is S.CANCELED


def test_an_engine_that_stops_judges_nobody(bench: Bench):
    bench.placed(owner="maker")
    beat(bench)
    bench.feed(c.Stopping())
    bench.advance(20)
    assert not alerts(bench)


def test_what_was_asked_is_in_the_journal_for_the_next_life(bench: Bench):
    bench.placed(owner="maker")
    beat(bench)
    bench.advance(12)
    entries = records.decode(bench.journal)
    asked = [r for e in entries for r in e.records if isinstance(r, records.RequestRecord)]
    (request,) = [r for r in asked if isinstance(r.command, m.CancelAll)]
    assert request.command.owner == "maker" and request.why
    answers = [r for e in entries for r in e.records if isinstance(r, records.ReplyRecord)]
    assert [r.reply.accepted for r in answers if r.key == request.key] == [True]
    assert answers[-1].reply.orders[0].instrument == PERP
