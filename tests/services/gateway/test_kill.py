"""The gateway's kill switch."""

from __future__ import annotations

import pytest

from common import core as c, messages as m
from tests.services.gateway.kit import Desk


def latches(desk: Desk) -> list[c.SetLatch]:
    return desk.latched


@pytest.mark.parametrize(
    ("params", "scope"),
    [({}, "desk"), ({"venue": "deribit"}, "deribit"), ({"strategy": "mm"}, "strategy.mm")],
)
def test_kill_latches_first_and_then_cancels(params: dict[str, str], scope: str) -> None:
    desk = Desk()
    call = desk.http("kill", "demo", reason="fat finger", **params)
    assert latches(desk) == [c.SetLatch(scope, "demo: fat finger")]
    assert desk.asked[-1].command == m.CancelAll(owner=params.get("strategy"))
    desk.reply(accepted=True)
    status, answer = desk.answers[call]
    assert (status, answer["scope"], answer["latched"]) == (200, scope, True)
    assert answer["accepted"]


def test_kill_with_release_takes_the_latch_away_and_cancels_nothing() -> None:
    desk = Desk()
    status, answer = desk.ask("kill", reason="all clear", release=True)
    assert (status, answer["latched"]) == (200, False)
    assert latches(desk) == [c.SetLatch("desk", "demo: all clear", False)]
    assert desk.asked == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "reason"),
        ({"reason": "x", "venue": "nowhere"}, "venue"),
        ({"reason": "x", "strategy": "../x"}, "strategy"),
        ({"reason": "x", "venue": "deribit", "strategy": "mm"}, "strategy"),
    ],
)
def test_a_bad_kill_latches_nothing(params: dict[str, str], field: str) -> None:
    desk = Desk()
    status, answer = desk.ask("kill", **params)
    assert (status, answer["error"]["data"]["field"]) == (400, field)
    assert latches(desk) == []


@pytest.mark.parametrize(
    ("params", "venue", "owner"),
    [({}, "", ""), ({"venue": "deribit"}, "deribit", ""), ({"strategy": "mm"}, "", "mm")],
)
def test_a_mode_is_set_where_the_caller_says(
    params: dict[str, str], venue: str, owner: str
) -> None:
    desk = Desk()
    desk.http("mode.set", "demo", mode="ACTIVE", reason="looked at", **params)
    command = m.SetMode(m.TradingMode.ACTIVE, "demo: looked at", venue, owner)
    assert desk.asked[-1].command == command
