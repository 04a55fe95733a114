"""The day's profit: what counts, from when, per strategy, over restarts, and what is missing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from common import core as c, messages as m
from common.errors import ConfigError
from services.position_server import shell
from services.position_server.day import DAY_NS, NS_PER_MINUTE, Day, load
from services.position_server.events import DaySaved, SaveDay
from tests.services.position_server.scenes import (
    LINEAR,
    SPOT,
    T0,
    D,
    S,
    Scene,
    define,
    fill,
    report,
    ticker,
)


def told(scene: Scene) -> m.ProfitOfDay:
    """What is said a second later."""
    (profit,) = scene.wait(1).published(m.ProfitOfDay)
    return profit


def saved(scene: Scene) -> bytes:
    """The file, after something was counted."""
    payloads = []
    for _ in range(3):
        scene.wait(1)
        payloads += [each.payload for each in scene.out if isinstance(each, SaveDay)]
    return payloads[-1]


def restarted(scene: Scene, payload: bytes, *reports) -> Scene:
    again = Scene()
    again.now = scene.now
    again.core._day = Day("00:00", load(payload))
    return again.started(*reports)


def by(owner: str, one: m.Fill) -> m.Fill:
    return msgspec.structs.replace(one, owner=owner)


def test_before_the_positions_are_known_nothing_is() -> None:
    profit = told(Scene().give(c.Started()))
    assert not profit.complete and "positions" in profit.text


def test_profit_is_told_every_second_and_to_who_joins() -> None:
    scene = Scene().started()
    assert told(scene) == msgspec.structs.replace(told(scene), updated_ns=T0 + S)
    (profit,) = scene.give(c.Subscribed("profit.sim.main", True)).published(m.ProfitOfDay)
    assert profit.complete and profit.pnl == 0


def test_fills_that_are_told_before_the_positions_wait_for_them() -> None:
    scene = Scene().give(c.Started()).defined()
    inside = by("a", fill(1, 2, 100, LINEAR, at=-60, fee="1"))
    scene.bus(m.FillSnapshot("sim", "main", "", [inside])).started(report(2, 100, LINEAR))
    scene.bus(ticker(LINEAR, 90.0))
    first = told(scene)
    assert (first.complete, first.pnl, first.strategies) == (True, 0, {})
    scene.bus(ticker(LINEAR, 80.0))
    assert told(scene).pnl == -20


def test_what_is_held_counts_from_the_mark_when_the_desk_first_saw_it() -> None:
    scene = Scene().started(report(200, 50)).bus(ticker(mark=100.0))
    assert told(scene).pnl == 0  # whatever it cost
    scene.bus(ticker(mark=80.0))
    # 200 USD at 100 are 2 BTC, at 80 they are 2.5: half a coin lost, 80 USD each
    assert told(scene).pnl == -40


def test_fills_count_with_their_fees_and_in_usd() -> None:
    scene = Scene().started().bus(fill(1, 100, 100, fee="0.01")).bus(ticker(mark=100.0))
    assert told(scene).pnl == -1
    scene.bus(fill(2, -100, 125, at=2)).bus(ticker(mark=125.0))
    # bought at 1 BTC, sold at 0.8: 0.2 BTC won, 0.01 paid
    assert told(scene).pnl == D("0.19") * 125


def test_a_linear_profit_is_in_usd_already() -> None:
    scene = Scene().started().bus(fill(1, 2, 100, LINEAR)).bus(ticker(LINEAR, 90.0))
    assert told(scene).pnl == -20


def test_each_strategy_has_its_own_figure_and_the_account_the_sum() -> None:
    scene = Scene().started()
    scene.bus(by("a", fill(1, 2, 100, LINEAR))).bus(by("b", fill(2, -2, 110, LINEAR, at=2)))
    assert LINEAR in scene.core._watched  # flat in sum, open in parts
    scene.bus(ticker(LINEAR, 104.0))
    profit = told(scene)
    assert profit.strategies == {"a": 8, "b": 12} and profit.pnl == 20
    scene.wait(20)
    assert LINEAR in scene.core._watched


@pytest.mark.parametrize("first", ["engine", "venue"])
def test_a_fill_told_by_engine_and_venue_counts_once(first: str) -> None:
    ours = by("a", fill(1, 2, 100, LINEAR))
    theirs = by("", ours)
    scene = Scene().started()
    for one in (ours, theirs) if first == "engine" else (theirs, ours):
        scene.bus(one)
    scene.bus(ticker(LINEAR, 90.0))
    profit = told(scene)
    assert (profit.pnl, profit.strategies) == (-20, {"a": -20})


def test_without_a_fresh_mark_the_figures_are_not_complete() -> None:
    scene = Scene().started().bus(fill(1, 2, 100, LINEAR))
    assert told(scene).text == f"no fresh mark of {LINEAR}"
    scene.bus(ticker(LINEAR, 90.0))
    assert told(scene).complete
    scene.give(c.TopicLost(f"ticker.{LINEAR}", "silent"))
    assert not told(scene).complete


def test_a_new_day_begins_with_what_is_held_at_its_marks() -> None:
    scene = Scene().started().bus(by("a", fill(1, 2, 100, LINEAR))).bus(ticker(LINEAR, 90.0))
    first = told(scene)
    assert (first.day_start_ns, first.since_ns) == (0, T0)
    scene.now = DAY_NS - S
    assert told(scene).pnl == 0
    second = told(scene)
    assert (second.day_start_ns, second.since_ns, second.strategies) == (DAY_NS, DAY_NS, {"a": 0})
    scene.bus(ticker(LINEAR, 80.0))
    assert told(scene).strategies == {"a": -20}


def test_the_day_begins_when_the_configuration_says() -> None:
    day = Day("08:30")
    day.open(20 * DAY_NS, 1)
    assert day.start_ns == 19 * DAY_NS + 510 * NS_PER_MINUTE


def test_a_restart_goes_on_with_what_was_saved_and_what_it_missed() -> None:
    scene = Scene().started().bus(by("a", fill(1, 2, 100, LINEAR))).bus(ticker(LINEAR, 90.0))
    payload = saved(scene)
    again = restarted(scene, payload, report(3, 100, LINEAR))
    assert not told(again).complete  # one more than was saved, and no fill tells why
    missed = [by("a", fill(1, 2, 100, LINEAR)), by("a", fill(2, 1, 95, LINEAR, at=2))]
    again.bus(m.FillSnapshot("sim", "main", "", missed)).bus(ticker(LINEAR, 90.0))
    profit = told(again)
    assert profit.complete and (profit.pnl, profit.strategies) == (-25, {"a": -25})


def test_a_restart_between_the_words_of_venue_and_engine_costs_no_strategy_its_share() -> None:
    one = by("", fill(1, 2, 100, LINEAR))
    scene = Scene().started().bus(one).bus(ticker(LINEAR, 90.0))
    again = restarted(scene, saved(scene), report(2, 100, LINEAR))
    again.bus(by("a", one)).bus(ticker(LINEAR, 90.0))
    assert (told(again).pnl, told(again).strategies) == (-20, {"a": -20})
    once_more = restarted(again, saved(again.bus(by("a", fill(2, 1, 100, LINEAR)))))
    once_more.bus(by("a", one)).bus(ticker(LINEAR, 90.0))
    assert told(once_more).strategies == {"a": -30}


def test_a_difference_that_no_fill_explains_is_taken_over_without_profit() -> None:
    scene = Scene().started().bus(by("a", fill(1, 2, 100, LINEAR))).bus(ticker(LINEAR, 90.0))
    again = restarted(scene, saved(scene), report(5, 100, LINEAR)).bus(ticker(LINEAR, 90.0))
    assert not told(again).complete
    for _ in range(5):
        profit = told(again)
    assert profit.complete and profit.pnl == -20
    again.bus(ticker(LINEAR, 80.0))
    assert told(again).pnl == -20 - 50


def test_what_the_venue_took_away_no_strategy_holds() -> None:
    scene = Scene().started().bus(by("a", fill(1, 2, 100, LINEAR))).bus(ticker(LINEAR, 90.0))
    again = restarted(scene, saved(scene)).bus(ticker(LINEAR, 90.0))
    for _ in range(6):
        profit = told(again)
    assert (profit.complete, profit.pnl, profit.strategies) == (True, -20, {"a": -20})
    assert again.core._day.held() == set()


def test_what_expired_is_closed_at_its_last_mark() -> None:
    scene = Scene().started()
    dated = define("sim.ETH-1JAN70", m.InstrumentKind.FUTURE, m.ContractType.LINEAR)
    scene.bus(msgspec.structs.replace(dated, expiration_ns=T0 + 10 * S))
    bought, sold = (
        fill(n, q, p, dated.instrument, at=n) for n, q, p in ((1, 2, 100), (2, -2, 110))
    )
    scene.bus(by("a", bought)).bus(by("b", sold)).bus(ticker(dated.instrument, 104.0))
    assert told(scene).strategies == {"a": 8, "b": 12}
    scene.wait(10).give(c.TopicLost(f"ticker.{dated.instrument}", "expired"))
    profit = told(scene)
    assert (profit.complete, profit.strategies) == (True, {"a": 8, "b": 12})


def test_what_was_saved_waits_for_its_definition() -> None:
    scene = Scene().started().bus(fill(1, 2, 100, LINEAR)).bus(ticker(LINEAR, 90.0))
    again = Scene()
    again.core._day = Day("00:00", load(saved(scene)))
    again.started(defined=False)
    assert told(again).text == f"no definition of {LINEAR}"


def test_a_day_that_begins_while_the_server_is_down_opens_at_the_marks_it_saw() -> None:
    """Yesterday's profit is not today's, whatever comes first: clock, definitions or prices."""
    scene = Scene().started()
    scene.bus(by("a", fill(1, 2, 100, LINEAR, fee="1"))).bus(ticker(LINEAR, 90.0))
    payload = saved(scene)
    scene.now = DAY_NS + 60 * S
    again = restarted(scene, payload, report(2, 100, LINEAR))
    first = told(again)
    assert (first.day_start_ns, first.pnl, first.strategies) == (DAY_NS, 0, {"a": 0})
    again.bus(ticker(LINEAR, 80.0))
    profit = told(again)
    assert (profit.complete, profit.pnl, profit.strategies) == (True, -20, {"a": -20})


def test_a_fill_of_the_day_before_that_is_told_late_changes_what_is_held_alone() -> None:
    scene = Scene().started()
    scene.bus(by("a", fill(1, 2, 100, LINEAR))).bus(ticker(LINEAR, 90.0))
    payload = saved(scene)
    scene.now = DAY_NS + 60 * S
    again = restarted(scene, payload, report(3, 100, LINEAR))
    old = fill(9, 5, 100, LINEAR, at=-60)  # from before the desk first saw the account
    missed = [by("a", one) for one in (old, fill(2, 1, 95, LINEAR, at=3600, fee="1"))]
    again.bus(m.FillSnapshot("sim", "main", "", missed)).bus(ticker(LINEAR, 80.0))
    profit = told(again)
    assert (profit.complete, profit.pnl, profit.strategies) == (True, -30, {"a": -30})


def test_what_expired_before_a_restart_needs_no_definition_any_more() -> None:
    scene = Scene().started()
    dated = define("sim.ETH-1JAN70", m.InstrumentKind.FUTURE, m.ContractType.LINEAR)
    scene.bus(msgspec.structs.replace(dated, expiration_ns=T0 + 10 * S))
    fills = [fill(1, 2, 100, dated.instrument), fill(2, -1, 110, dated.instrument, at=2)]
    for one in fills:
        scene.bus(by("a", one))
    payload = saved(scene.bus(ticker(dated.instrument, 104.0)))
    early = restarted(scene, payload, report(1, 100, dated.instrument))
    assert told(early).text == f"no definition of {dated.instrument}"
    scene.wait(10)
    again = restarted(scene, payload)
    again.bus(m.FillSnapshot("sim", "main", "", [by("a", one) for one in fills]))
    profit = told(again)
    assert (profit.complete, profit.pnl, profit.strategies) == (True, 14, {"a": 14})
    again.now = DAY_NS
    assert told(again).strategies == {}


def test_old_executions_are_forgotten_and_stay_counted() -> None:
    scene = Scene().started()
    fills = [fill(number, 1, 100, SPOT, at=number + 1) for number in range(2_100)]
    scene.bus(m.FillSnapshot("sim", "main", "", fills)).bus(ticker(SPOT, 100.0))
    scene.bus(m.FillSnapshot("sim", "main", "", fills))
    assert told(scene).pnl == 0
    assert scene.core._day._books["", SPOT].position.quantity == 2_100


def test_a_disk_that_fails_makes_the_figures_incomplete_until_it_is_well() -> None:
    scene = Scene().started()
    scene.give(DaySaved("no space left"))
    assert any(isinstance(each, c.Alert) for each in scene.out)
    assert "no space left" in told(scene).text
    assert any(isinstance(each, SaveDay) for each in scene.out)
    scene.give(DaySaved())
    assert told(scene).complete


def test_the_file_is_read_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deribit.main.day"
    assert shell.read_day(path) is None
    scene = Scene().started().bus(fill(1, "0.1", 100, LINEAR, fee="0.1"))
    payload = saved(scene)
    shell.write_day(path, payload)
    kept = shell.read_day(path)
    assert kept is not None and Decimal(kept.books[0].quantity) == D("0.1")
    assert Day("00:00", kept).save() == payload
    path.write_bytes(payload[:-5])
    with pytest.raises(ConfigError, match="is damaged"):
        shell.read_day(path)
