"""The calls and channels of the account page, played without sockets or clocks."""

from __future__ import annotations

from typing import Any

import pytest

from common import core as c, messages as m
from common.messages import Exact
from services.gateway.events import Remember, StrategyFound
from services.gateway.history import Remembered
from tests.services.gateway.fake_desk import instruments
from tests.services.gateway.kit import BTC, Desk
from tests.services.gateway.test_memory import fill
from tests.services.gateway.test_openapi import fits

ACCOUNT = "account.deribit.main"
CALL, PUT = [item.instrument for item in instruments(8) if item.kind is m.InstrumentKind.OPTION][:2]
ZERO = Exact("0")


def balance(currency: str, equity: str) -> m.BalanceUpdated:
    amount = Exact(equity)
    rest = (amount, amount, ZERO, ZERO, ZERO, ZERO, ZERO)
    return m.BalanceUpdated("deribit", "main", currency, amount, *rest, 1)


def position(instrument: str, quantity: str, **changes: Any) -> m.PositionUpdated:
    fields: dict[str, Any] = dict(
        instrument=instrument,
        venue="deribit",
        account="main",
        quantity=Exact(quantity),
        average_price=Exact("50000"),
        currency="BTC",
        realized_pnl=Exact("0.5"),
        unrealized_pnl=Exact("-0.2"),
        fees=Exact("0.1"),
        mark_price=50_000.0,
        index_price=50_000.0,
        delta=1.5,
        gamma=0.001,
        vega=20.0,
        theta=-3.0,
        initial_margin=None,
        maintenance_margin=None,
        confirmed=True,
        updated_ns=1,
    )
    return m.PositionUpdated(**(fields | changes))


def strategy(name: str = "quoter", **changes: Any) -> m.StrategyState:
    held = m.StrategyPosition(
        BTC, Exact("100"), Exact("50000"), "BTC", Exact("0.01"), None, ZERO, None, ZERO, ZERO
    )
    fields: dict[str, Any] = dict(
        name=name,
        venue="deribit",
        account="main",
        state="running",
        file="quoter.py",
        parameters={"quantity": "100"},
        positions=[held],
        pnl={"BTC": Exact("0.01")},
        open_orders=2,
        in_doubt=0,
        placed=7,
        fills=3,
        rejects={"POST_ONLY_WOULD_CROSS": 1},
        slow_calls=0,
        last_error="",
        started_ns=1,
        updated_ns=2,
    )
    return m.StrategyState(**(fields | changes))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    exposure = m.Exposure("deribit", "main", "BTC", 1.5, 0.001, 20.0, -3.0, 0.25, 1)
    balances = [balance("BTC", "2"), balance("USDC", "1000")]
    held = [position(BTC, "100", vega=0.0), position(CALL, "1"), position(PUT, "-1", delta=-0.5)]
    made.bus(ACCOUNT, m.AccountSnapshot("deribit", "main", held, balances, [exposure]))
    return made


def index(desk: Desk, price: float) -> None:
    desk.bus("index.deribit.btc_usd", m.IndexPrice("deribit", "btc_usd", price))


def curves(result: Any) -> dict[tuple[str, str], Any]:
    return {(row["kind"], row["name"]): row["values"] for row in result["series"]}


def test_equity_is_told_per_currency_and_in_dollars_at_the_index(desk):
    desk.later(1)
    assert "index.deribit.btc_usd" in desk.topics
    index(desk, 50_000.0)
    desk.later(1)
    status, result = desk.ask("account.history", "reader")
    assert status == 200
    fits(result, {"$ref": "#/components/schemas/History"})
    found = curves(result)
    assert found["balance", "BTC"]["equity"] == [2.0, 2.0]
    assert found["balance", "BTC"]["pnl"] == [pytest.approx(0.6)] * 2
    assert found["total", "USD"]["equity"] == [None, 101_000.0]
    assert found["total", "USD"]["pnl"] == [None, pytest.approx(30_000.0)]
    assert found["exposure", "BTC"]["inventory"] == [0.25, 0.25]


def test_what_is_to_be_kept_is_told_and_an_earlier_run_is_recalled(desk, monkeypatch):
    told: list[Remember] = []
    take = desk.take
    monkeypatch.setattr(desk, "take", lambda commands: (told.extend(commands), take(commands)))
    first, second = fill("1"), fill("2")
    desk.bus("fill.deribit.main.demo", first)
    desk.later(1)
    desk.later(1)
    kept = [each for each in told if isinstance(each, Remember)]
    assert [each.fills for each in kept] == [[first], []]
    again = Desk()
    frames = [(each.at_ns, each.values) for each in kept]
    again.core.recall(Remembered({"second": frames, "minute": frames[-1:]}, [first]))
    again.bus("fill.deribit.main", m.FillSnapshot("deribit", "main", "", [first, second]))
    found = again.ask("account.history")[1]
    assert found["time_ns"] == [each.at_ns for each in kept]
    assert curves(found)["balance", "BTC"]["equity"] == [2.0, 2.0]
    assert again.core._account.sample(again.now)[1][-1].fills == [second]


def test_nothing_is_drawn_while_the_account_is_not_followed(desk):
    desk.feed(c.TopicLost(ACCOUNT, "the publisher is silent"))
    desk.later(1)
    assert desk.ask("account.history")[1]["series"] == []


def test_each_second_the_channel_gets_the_newest_point(desk):
    client = desk.client(key="reader")
    desk.subscribe(client, "account")
    desk.data(client)
    desk.later(1)
    [point] = desk.data(client)
    assert point["type"] == "point" and point["time_ns"] == [desk.now]
    assert curves(point)["balance", "USDC"]["equity"] == [1000.0]


def test_greeks_are_summed_by_expiry(desk):
    status, result = desk.ask("greeks", "reader")
    assert status == 200
    fits(result, {"$ref": "#/components/schemas/GreeksByExpiry"})
    rows = {(row["underlying"], row["expiration_ns"]): row for row in result["greeks"]}
    assert sum(row["options"] for row in rows.values()) == 2
    assert sum(row["delta"] for row in rows.values()) == pytest.approx(2.5)
    assert all(row["complete"] for row in rows.values())


def test_a_missing_greek_makes_its_expiry_incomplete(desk):
    desk.bus(ACCOUNT, position(BTC, "100", gamma=None))
    assert not all(row["complete"] for row in desk.ask("greeks")[1]["greeks"])


def test_a_strategy_that_is_found_is_followed_listed_and_has_a_curve(desk):
    desk.feed(StrategyFound("quoter"))
    assert desk.topics[-1] == "strategy.quoter"
    client = desk.client(key="reader")
    desk.subscribe(client, "strategies")
    desk.bus("strategy.quoter", strategy())
    assert [data["type"] for data in desk.data(client)] == ["snapshot", "strategy"]
    status, result = desk.ask("strategies", "reader")
    assert status == 200
    fits(result, {"$ref": "#/components/schemas/Strategies"})
    assert result["strategies"][0]["positions"][0]["instrument"] == BTC
    desk.later(1)
    assert curves(desk.ask("account.history")[1])["strategy", "BTC"] == {"pnl": [0.01]}


def test_a_strategy_whose_host_is_silent_is_stale_and_has_no_new_points(desk):
    client = desk.client(key="reader")
    desk.bus("strategy.quoter", strategy())
    desk.subscribe(client, "strategies")
    desk.data(client)
    desk.feed(c.TopicLost("strategy.quoter", "the publisher is silent"))
    [data] = desk.data(client)
    assert data["stale"] and data["state"] == "running"
    desk.later(1)
    assert ("strategy", "BTC") not in curves(desk.ask("account.history")[1])


def test_parameters_are_changed_through_the_router_of_the_strategy(desk):
    desk.bus("strategy.quoter", strategy())
    number = desk.http("strategy.set", name="quoter", values={"quantity": 50, "names": ["a"]})
    request = desk.asked[-1]
    assert request.target == "strategies.quoter"
    assert request.command == m.SetParameters({"quantity": "50", "names": '["a"]'})
    desk.reply(
        accepted=False, reason=m.RejectReason.BAD_REQUEST, text="too small", field="quantity"
    )
    status, result = desk.answers[number]
    assert status == 200
    fits(result, {"$ref": "#/components/schemas/StrategyAnswer"})
    assert result["field"] == "quantity" and not result["accepted"]


@pytest.mark.parametrize(
    ("sent", "reason"), [(True, "NO_ANSWER"), (False, "UNAVAILABLE")], ids=["silent", "gone"]
)
def test_a_strategy_that_does_not_answer_is_named(desk, sent, reason):
    desk.bus("strategy.quoter", strategy())
    number = desk.http("strategy.set", name="quoter", values={"quantity": "50"})
    request = desk.asked[-1]
    desk.feed(c.RequestFailed(request.target, request.request_id, sent, "no answer"))
    error = desk.answers[number][1]["error"]
    assert error["data"]["reason"] == reason and "quoter" in error["message"]


@pytest.mark.parametrize(
    ("key", "params", "reason", "field"),
    [
        ("trader", {"name": "quoter", "values": {"a": "1"}}, "FORBIDDEN", None),
        ("demo", {"name": "nobody", "values": {"a": "1"}}, "NOT_FOUND", "name"),
        ("demo", {"name": "quoter", "values": {}}, "BAD_PARAMETER", "values"),
        ("demo", {"name": "quoter", "values": "a=1"}, "BAD_PARAMETER", "values"),
        ("demo", {"name": "quoter"}, "BAD_PARAMETER", "values"),
        ("demo", {"name": "quoter", "values": {"a": "x" * 300}}, "BAD_PARAMETER", "values"),
    ],
)
def test_a_bad_change_is_refused_with_its_field(desk, key, params, reason, field):
    desk.bus("strategy.quoter", strategy())
    error = desk.ask("strategy.set", key, **params)[1]["error"]
    assert error["data"]["reason"] == reason
    assert error["data"].get("field") == field


@pytest.mark.parametrize("method", ["account.history", "greeks", "strategies"])
def test_the_account_needs_a_key_that_may_read(desk, method):
    assert desk.ask(method, "")[0] == 401
    assert desk.ask(method, "stopper")[0] == 403
