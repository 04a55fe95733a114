"""The position server: exact commands for what happens to an account."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from common import core as c, messages as m
from common.venues import accounts as a
from common.venues.streams import FrameToSend
from tests.services.position_server.scenes import (
    CALL,
    LINEAR,
    PERP,
    SPOT,
    T0,
    S,
    Scene,
    balance,
    fill,
    report,
    ticker,
)

D = Decimal
READY = c.SetState("ready")


# --- start -----------------------------------------------------------------------------------


def test_it_starts_by_following_definitions_and_fills_and_by_connecting():
    scene = Scene().give(c.Started())
    untold = [each for each in scene.out if not isinstance(each, c.Publish)]
    assert [each for each in untold if each != c.WakeAt(T0 + S)] == [
        c.Subscribe("instruments.sim"),
        c.Subscribe("instrument.sim."),
        c.Subscribe("fill.sim.main."),
        c.Subscribe("fill.sim.main"),
        c.LinkOpen("account", "ws://sim"),
        c.WakeAt(T0 + 10 * S),
        c.SetState("starting"),
    ]


def test_a_link_that_is_up_logs_in():
    scene = Scene().give(c.Started()).give(c.LinkUp("account"))
    assert scene.sent() == [b"login"]


def test_the_first_list_is_the_baseline_and_is_told_as_a_snapshot():
    scene = Scene().give(c.Started()).defined().give(c.LinkUp("account"))
    scene.tell(a.AccountOpened(), FrameToSend(b"ask state"))
    scene.tell(a.PositionList([report(200, 100)], T0 - 10, T0))
    assert c.Subscribe(f"ticker.{PERP}") in scene.out
    (snapshot,) = scene.published(m.AccountSnapshot)
    (position,) = snapshot.positions
    assert (position.quantity, position.average_price) == (D(200), D(100))
    assert position.confirmed and position.realized_pnl == 0 and position.currency == "BTC"
    assert scene.state() == c.SetState("starting")
    scene.tell(a.BalanceList([balance("BTC"), balance("XRP", "0", "0")]))
    assert [each.currency for each in scene.published(m.BalanceUpdated)] == ["BTC"]
    assert scene.state() == READY


def test_without_definitions_the_venues_own_figures_are_shown_and_the_state_says_so():
    scene = Scene().started(report(200, 100, mark_price=110.0, delta=1.8), defined=False)
    assert scene.state() == c.SetState("degraded", f"no definition of {PERP}")
    position = scene.position()
    assert (position.quantity, position.average_price) == (D(200), D(100))
    assert position.currency == "" and not position.confirmed
    scene.defined()
    assert scene.position().currency == "BTC" and scene.position().confirmed
    assert scene.state() == READY


# --- fills -----------------------------------------------------------------------------------


def test_a_fill_is_told_at_once_with_its_exposure():
    scene = Scene().started().bus(fill(1, 200, 100, fee="0.001"))
    (position,) = scene.published(m.PositionUpdated)
    assert (position.quantity, position.average_price, position.fees) == (
        D(200),
        D(100),
        D("0.001"),
    )
    assert not position.confirmed
    assert c.Subscribe(f"ticker.{PERP}") in scene.out
    (exposure,) = scene.published(m.Exposure)
    assert not exposure.complete


def test_the_venues_word_confirms_a_fill_that_it_reports_too():
    scene = Scene().started().bus(fill(1, 200, 100))
    scene.tell(a.PositionsChanged([fill(1, 200, 100)], [report(200, 100)]))
    (position,) = scene.published(m.PositionUpdated)
    assert position.confirmed and position.quantity == 200


def test_a_fill_seen_twice_tells_nothing_new():
    scene = Scene().started().bus(fill(1, 200, 100)).bus(fill(1, 200, 100))
    assert scene.out == [READY]


def test_fills_of_the_venue_count_without_an_engine():
    scene = Scene().started()
    scene.tell(a.PositionsChanged([fill(7, -50, 100)], [report(-50, 100)]))
    assert scene.position().quantity == -50 and scene.position().confirmed


def test_realised_profit_grows_by_closes_and_stays_when_flat():
    scene = Scene().started(report(200, 100)).bus(fill(1, -200, 125, fee="0.01"))
    position = scene.position()
    assert (position.quantity, position.average_price) == (0, None)
    assert (position.realized_pnl, position.unrealized_pnl) == (D("0.4"), 0)
    assert position.fees == D("0.01")
    scene.give(c.Subscribed("account.sim.main", True))
    assert [each.instrument for each in scene.published()[0].positions] == [PERP]


def test_spot_positions_are_ours_alone_and_never_differ():
    scene = Scene().started().bus(fill(1, 2, 100, SPOT))
    scene.tell(a.PositionList([], T0 + S, T0 + S)).wait(5).wait(10)
    assert scene.position(SPOT).quantity == 2 and not scene.position(SPOT).confirmed
    assert scene.published(m.PositionDifference) == []


# --- the baseline, and fills around it -------------------------------------------------------


def test_fills_from_before_the_baseline_tell_only_what_was_realised():
    """200 were opened at 100 and 100 of them sold at 125; the venue's list has the other 100."""
    scene = Scene().started(report(100, 100))
    history = [fill(1, 200, 100, at=-60), fill(2, -100, 125, at=-30, fee="0.02")]
    scene.bus(m.FillSnapshot("sim", "main", "", history))
    position = scene.position()
    assert (position.quantity, position.average_price) == (D(100), D(100))
    assert (position.realized_pnl, position.fees) == (D("0.2"), D("0.02"))


def test_a_snapshot_of_fills_that_comes_first_waits_for_the_baseline():
    scene = Scene().give(c.Started())
    scene.bus(
        m.FillSnapshot("sim", "main", "", [fill(1, 200, 100, at=-60), fill(2, -50, 100, at=5)])
    )
    assert scene.published() == []
    scene.defined().give(c.LinkUp("account"))
    scene.tell(a.AccountOpened()).tell(a.PositionList([report(200, 100)], T0 - 10, T0))
    assert scene.position().quantity == 150
    assert not scene.position().confirmed


@pytest.mark.parametrize(("after", "quantity"), [(200, 200), (260, 260)])
def test_a_fill_at_the_time_of_the_baseline_waits_for_a_word_that_fits(after, quantity):
    """200 by the baseline; a fill of 60 at that very millisecond is in it, or is not."""
    scene = Scene().started(report(200, 100)).bus(fill(1, 60, 100, at=0))
    assert scene.position().quantity == 200
    scene.tell(a.PositionsChanged([fill(1, 60, 100, at=0)], [report(after, 100)]))
    assert scene.position().quantity == quantity and scene.position().confirmed
    assert scene.wait(5).published(m.PositionDifference) == []


# --- differences -----------------------------------------------------------------------------


def differing() -> Scene:
    """Ours is 0, the venue says 70."""
    scene = Scene().started()
    return scene.tell(a.PositionsChanged([], [report(70, 100)]))


def test_a_difference_is_not_told_while_it_may_settle_by_itself():
    scene = differing()
    assert scene.published(m.PositionDifference) == []
    assert c.WakeAt(T0 + 2 * S) in scene.out
    scene.bus(fill(1, 70, 100)).tell(a.PositionsChanged([], [report(70, 100)]))
    assert scene.wait(2).published(m.PositionDifference) == []


def test_a_difference_that_stays_is_told_once_and_fills_are_asked_for():
    scene = differing().wait(2)
    assert scene.published(m.PositionDifference) == [
        m.PositionDifference("sim", "main", PERP, D(0), D(70), T0)
    ]
    assert scene.sent() == [f"ask fills of {PERP}".encode(), b"ask state"]
    told = scene.wait(2).published(m.PositionDifference)
    assert told == []


def test_fills_that_were_missed_explain_a_difference():
    scene = differing().wait(2)
    scene.tell(a.PositionsChanged([fill(9, 70, 100)], []))
    scene.tell(a.PositionList([report(70, 100)], scene.now, scene.now))
    assert scene.position().quantity == 70 and scene.position().confirmed
    assert scene.wait(20).published(m.PositionDifference) == []


def test_what_nothing_explains_is_taken_over_from_the_venue():
    scene = differing().wait(2)
    scene.tell(a.PositionsChanged([], []), a.FillsTold(PERP))
    scene.tell(a.PositionList([report(70, 90)], scene.now, scene.now))
    (position,) = scene.published(m.PositionUpdated)
    assert (position.quantity, position.average_price) == (D(70), D(90))
    assert position.confirmed and position.realized_pnl == 0


def test_a_position_that_vanished_counts_as_closed_at_the_mark():
    """An option or future that expires goes without a fill."""
    scene = Scene().started(report(200, 100)).bus(ticker(mark=125.0)).wait(0.2)
    scene.tell(a.PositionList([], scene.now, scene.now)).wait(2)
    assert scene.published(m.PositionDifference)
    scene.tell(a.FillsTold(PERP)).tell(a.PositionList([], scene.now, scene.now))
    assert scene.position().quantity == 0
    assert scene.position().realized_pnl == D("0.4")


def test_an_older_answer_repairs_nothing():
    """The list that was asked for before the difference was told is not the proof."""
    scene = Scene().started().wait(10)
    assert scene.sent() == [b"ask state"]
    scene.tell(a.PositionsChanged([], [report(70, 100)])).wait(2)
    assert scene.published(m.PositionDifference)
    scene.tell(a.FillsTold(PERP))
    scene.tell(a.PositionList([report(70, 100)], scene.now, scene.now))
    assert scene.position().quantity == 0
    scene.tell(a.PositionList([report(70, 100)], scene.now, scene.now))
    assert scene.position().quantity == 70


# --- rows of the fault matrix ----------------------------------------------------------------


def test_row_05_a_fill_journaled_and_never_published_comes_with_the_engines_snapshot():
    """The engine died between the two, and the venue's link was down as well."""
    scene = Scene().started().give(c.LinkDown("account", "cut"))
    scene.give(c.TopicLost("fill.sim.main.me", "the publisher started anew"))
    assert c.Subscribe("fill.sim.main") in scene.out
    scene.bus(m.FillSnapshot("sim", "main", "", [fill(1, 70, 100)]))
    scene.bus(fill(1, 70, 100))
    assert scene.position().quantity == 70
    reconnected(scene, report(70, 100))
    scene.tell(a.PositionsChanged([fill(1, 70, 100)], []), a.FillsTold(currency="BTC"))
    assert scene.position().quantity == 70 and scene.position().confirmed


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_row_36_a_fill_before_its_order_is_known_or_after_its_cancel_counts(order):
    """The position server knows no orders: what the venue executed is what we hold."""
    fills = {n: fill(n, 10 * n, 100, at=n) for n in order}
    scene = Scene().started()
    for n in order:
        scene.bus(fills[n])
    assert scene.position().quantity == 60
    scene.tell(a.PositionsChanged([fills[3]], [report(60, 100)]))
    assert scene.position().confirmed


@pytest.mark.parametrize("baseline", [0, 2, 4])
def test_row_37_reports_twice_reordered_and_over_a_restart_change_nothing(baseline):
    fills = [fill(n, 10, 100, at=n) for n in range(1, 5)]
    scene = Scene()
    scene.now = T0 + baseline * S + S // 2
    scene.started(report(10 * baseline, 100))  # a server that starts after so many of them
    for each in [*fills[::-1], *fills]:
        scene.bus(each)
    scene.bus(m.FillSnapshot("sim", "main", "", fills))
    for each in fills[::-1]:
        scene.tell(a.PositionsChanged([each], []))
    assert scene.position().quantity == 40
    scene.tell(a.PositionList([report(40, 100)], scene.now, scene.now))
    assert scene.position().confirmed


def test_row_38_a_lost_report_is_found_by_the_poll_told_and_made_good_within_ten_seconds():
    scene = Scene().started()
    lost, lost_ns = fill(1, 70, 100), scene.now
    while scene.sent() != [b"ask state"]:
        scene.wait(0.5)
    scene.tell(a.PositionList([report(70, 100)], scene.now, scene.now)).wait(2)
    assert [each.theirs for each in scene.published(m.PositionDifference)] == [D(70)]
    assert scene.sent() == [f"ask fills of {PERP}".encode(), b"ask state"]
    scene.tell(a.PositionsChanged([lost], []), a.FillsTold(PERP))
    assert scene.position().quantity == 70 and scene.position().confirmed
    assert scene.now - lost_ns <= 10 * S


# --- marks -----------------------------------------------------------------------------------


def test_moves_of_the_mark_are_told_five_times_a_second():
    scene = Scene().started(report(200, 100)).bus(ticker(mark=100.0))
    assert scene.out == [c.WakeAt(T0 + S // 5), READY]
    scene.bus(ticker(mark=125.0))
    assert scene.out == [READY]
    (position,) = scene.wait(0.2).published(m.PositionUpdated)
    assert (position.mark_price, position.unrealized_pnl) == (125.0, D("0.4"))
    assert position.delta == 1.6
    (exposure,) = scene.published(m.Exposure)
    assert exposure.delta == 1.6 and exposure.complete


def test_a_mark_that_did_not_move_is_not_told_again():
    scene = Scene().started(report(200, 100)).bus(ticker(mark=125.0)).wait(0.2)
    assert scene.bus(ticker(mark=125.0)).wait(0.2).published() == []


def test_a_lost_ticker_makes_the_exposure_incomplete_until_it_is_back():
    scene = Scene().started(report(200, 100)).bus(ticker(mark=125.0)).wait(0.2)
    scene.give(c.TopicLost(f"ticker.{PERP}", "silent")).wait(0.2)
    assert [each.complete for each in scene.published(m.Exposure)] == [False]
    scene.bus(ticker(mark=125.0)).wait(0.2)
    assert [each.complete for each in scene.published(m.Exposure)] == [True]


def test_the_ticker_of_what_is_flat_is_left():
    scene = Scene().started(report(200, 100)).bus(ticker()).wait(1)
    scene.bus(msgspec.structs.replace(fill(1, -200, 100), owner="")).wait(10)
    assert c.Unsubscribe(f"ticker.{PERP}") in scene.out


def test_an_inverse_option_shows_its_delta_and_is_exposed_by_its_net_delta():
    scene = Scene().started(report(2, "0.05", CALL))
    scene.bus(ticker(CALL, 0.04, delta=0.5, gamma=0.00001, vega=30.0, theta=-20.0)).wait(0.2)
    position = scene.position(CALL)
    assert (position.delta, position.gamma, position.vega, position.theta) == (1.0, 2e-5, 60, -40)
    assert position.unrealized_pnl == D("-0.02")
    (exposure,) = scene.published(m.Exposure)
    assert exposure.delta == pytest.approx(0.92)
    assert (exposure.gamma, exposure.vega, exposure.theta) == (2e-5, 60, -40)


def test_exposure_adds_up_by_underlying():
    scene = Scene().started(report(200, 100), report(3, 100, LINEAR))
    scene.bus(fill(1, 2, 100, SPOT)).bus(ticker(mark=100.0)).bus(ticker(LINEAR)).bus(ticker(SPOT))
    scene.wait(0.2)
    snapshot = scene.core.holdings.snapshot(scene.now)
    assert {each.underlying: each.delta for each in snapshot.exposures} == {"BTC": 4.0, "ETH": 3.0}


@pytest.mark.parametrize("mark", [float("nan"), float("inf"), 0.0, -1.0, None])
def test_a_mark_that_cannot_be_leaves_profit_unknown(mark):
    scene = Scene().started(report(200, 100)).bus(ticker(mark=mark)).wait(0.2)
    assert scene.position().unrealized_pnl is None
    assert scene.position().average_price == 100


@pytest.mark.parametrize(("quantity", "price"), [("0", 100), ("10", 0), ("10", -1)])
def test_a_fill_without_quantity_or_price_is_none(quantity, price):
    bad = msgspec.structs.replace(fill(1, 1, 100), last_quantity=D(quantity), last_price=D(price))
    assert Scene().started().bus(bad).out == [READY]


# --- inventory and limits --------------------------------------------------------------------


def push(scene: Scene, quantity, observed_ns=1, source="pool", underlying="BTC") -> Scene:
    delta = m.InventoryDelta(source, underlying, D(quantity), observed_ns)
    return scene.give(c.Pushed(delta))


def test_outside_inventory_counts_and_a_sources_last_word_holds():
    scene = push(push(Scene().started(), "3"), "-2", 2)
    push(scene, "1", source="wallet").wait(0.2)
    (exposure,) = scene.published(m.Exposure)
    assert (exposure.underlying, exposure.delta, exposure.inventory) == ("BTC", -1.0, -1.0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "x" * 65}, "source"),
        ({"underlying": ""}, "underlying"),
        ({"observed_ns": 4}, "observed_ns"),
    ],
)
def test_inventory_that_cannot_be_is_refused_with_the_field(change, field):
    scene = push(push(Scene().started(), "3", 5), "9", **{"observed_ns": 6, **change})
    (alert,) = [each for each in scene.out if isinstance(each, c.Alert)]
    assert alert.text.startswith(f"inventory: {field}: ")
    assert scene.core.holdings.inventory.total("BTC") == 3


def test_a_limit_is_told_when_it_is_crossed_and_when_it_is_kept_again():
    scene = push(Scene(max_delta={"BTC": 2.5}).started(), "3").wait(0.2)
    (alert,) = scene.published(m.RiskAlert)
    assert (alert.limit, alert.subject, alert.value, alert.bound) == ("max_delta", "BTC", 3.0, 2.5)
    assert alert.raised and "BTC: delta 3 is beyond its limit 2.5" in alert.text
    assert push(scene, "-4", 2).wait(0.2).published(m.RiskAlert) == []
    scene.give(c.Subscribed("account.sim.main", False))
    assert [each.limit for each in scene.published()[0].alerts] == ["max_delta"]
    (alert,) = push(scene, "-2.5", 3).wait(0.2).published(m.RiskAlert)
    assert not alert.raised and alert.value == -2.5


def test_greeks_and_available_funds_have_limits_too():
    scene = Scene(max_vega={"BTC": 50.0}, max_gamma={"BTC": 1.0}, min_available_fraction=0.25)
    scene.started(report(2, "0.05", CALL))
    scene.bus(ticker(CALL, 0.04, delta=0.5, gamma=0.1, vega=30.0, theta=-20.0)).wait(0.2)
    assert [each.limit for each in scene.published(m.RiskAlert)] == ["max_vega"]
    (alert,) = scene.tell(a.BalanceList([balance("BTC", "10", "2")])).published(m.RiskAlert)
    assert (alert.limit, alert.subject, alert.value) == ("min_available_fraction", "BTC", 0.2)


# --- questions -------------------------------------------------------------------------------


def asked(command: m.Command) -> c.CommandReceived:
    return c.CommandReceived(b"peer", "r1", "cli", 0, command)


def test_positions_are_answered_with_everything():
    scene = Scene().started(report(200, 100)).give(asked(m.QueryPositions()))
    reply = next(each for each in scene.out if isinstance(each, c.Reply))
    assert reply.peer == b"peer" and reply.reply.accepted and reply.reply.request_id == "r1"
    assert reply.reply.account == scene.core.holdings.snapshot(scene.now)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (m.QueryPositions(), m.RejectReason.NOT_READY),
        (m.QueryOrders(), m.RejectReason.UNSUPPORTED),
        (m.CancelAll(), m.RejectReason.UNSUPPORTED),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_reason(command, reason):
    scene = Scene().give(c.Started()).give(asked(command))
    reply = next(each.reply for each in scene.out if isinstance(each, c.Reply))
    assert (reply.accepted, reply.reason) == (False, reason) and reply.text


def test_a_joiner_gets_a_snapshot_once_there_is_one():
    scene = Scene().give(c.Started()).give(c.Subscribed("account.sim.main", True))
    assert scene.published() == []
    scene = Scene().started(report(200, 100)).give(c.Subscribed("account.sim.main", True))
    (command,) = [each for each in scene.out if isinstance(each, c.PublishSnapshot)]
    assert isinstance(command.message, m.AccountSnapshot)


# --- links -----------------------------------------------------------------------------------


def test_a_lost_link_unconfirms_everything_and_comes_back_by_itself():
    scene = Scene().started(report(200, 100)).give(c.LinkDown("account", "cut"))
    assert [each.confirmed for each in scene.published(m.PositionUpdated)] == [False]
    assert [each.confirmed for each in scene.published(m.BalanceUpdated)] == [False]
    assert c.WakeAt(T0 + S) in scene.out and scene.state() == c.SetState("degraded", "cut")
    assert c.LinkOpen("account", "ws://sim") in scene.wait(1).out
    scene.give(c.LinkUp("account")).tell(a.AccountOpened())
    assert scene.state().state == "degraded"
    scene.tell(a.PositionList([report(200, 100)], scene.now, scene.now))
    assert [each.confirmed for each in scene.published(m.PositionUpdated)] == [True]
    assert scene.sent() == [b"ask fills in BTC"]
    assert scene.state() == READY


def reconnected(scene: Scene, *reports: a.PositionReport) -> Scene:
    scene.give(c.LinkDown("account", "cut")).wait(60)
    scene.give(c.LinkUp("account")).tell(a.AccountOpened())
    return scene.tell(a.PositionList(list(reports), scene.now, scene.now))


def test_a_fill_that_the_venue_tells_after_its_list_replaced_ours_counts_once():
    """The link went down with a difference and its answer, and came back with a younger list."""
    scene = Scene().started()
    scene.tell(a.PositionsChanged([], [report(180, 100)])).wait(1)
    scene.give(c.LinkDown("account", "cut")).wait(5)
    assert scene.published(m.PositionDifference) == []
    scene.give(c.LinkUp("account")).tell(a.AccountOpened())
    scene.tell(a.PositionList([report(180, 100)], scene.now, scene.now))
    assert scene.position().quantity == 0 and not scene.position().confirmed
    scene.tell(a.PositionsChanged([fill(1, 180, 100)], []), a.FillsTold(currency="BTC"))
    assert scene.position().quantity == 180 and scene.position().confirmed


def test_fills_of_a_gap_are_asked_for_until_they_have_come():
    scene = Scene().started()
    lost_ns = scene.now
    reconnected(scene)
    assert scene.sent() == [b"ask fills in BTC"]
    reconnected(scene)  # before the answer
    assert scene.sent() == [b"ask fills in BTC"]
    assert scene.feed.asked_from_ns == lost_ns - 10 * S
    scene.tell(a.PositionList([], scene.now, scene.now))
    assert scene.sent() == []
    scene.wait(10).tell(a.PositionList([], scene.now, scene.now))
    assert scene.sent() == [b"ask fills in BTC"]
    scene.tell(a.FillsTold(currency="BTC")).wait(10)
    scene.tell(a.PositionList([], scene.now, scene.now))
    assert scene.sent() == []
    scene.tell(a.BalanceList([balance("ETH")]))  # of which nothing was known before
    assert scene.sent() == [b"ask fills in ETH"]
    scene.tell(a.FillsTold(currency="ETH"))
    lost_ns = scene.now
    reconnected(scene)
    assert scene.feed.asked_from_ns == lost_ns - 10 * S


def test_delays_between_attempts_grow():
    scene = Scene().give(c.Started())
    waits = []
    for _ in range(4):
        scene.give(c.LinkDown("account", "refused"))
        wake = next(each.ns for each in scene.out if isinstance(each, c.WakeAt))
        waits.append((wake - scene.now) // S)
        scene.wait((wake - scene.now) / S)
    assert waits == [1, 2, 4, 8]


def test_a_refused_login_is_an_error_and_is_tried_rarely():
    scene = Scene().give(c.Started()).give(c.LinkUp("account"))
    scene.tell(a.AccountRefused("login refused: invalid_credentials (13004)"))
    assert c.Alert("ERROR", "login refused: invalid_credentials (13004)") in scene.out
    assert any(isinstance(each, c.LinkClose) for each in scene.out)
    scene.give(c.LinkDown("account", "closed"))
    assert c.WakeAt(T0 + 60 * S) in scene.out
    assert scene.state() == c.SetState("degraded", "login refused: invalid_credentials (13004)")


def test_row_43_a_login_refused_for_the_clock_is_tried_again_soon():
    scene = Scene().give(c.Started()).give(c.LinkUp("account"))
    scene.tell(a.AccountRefused("login refused: outside of 60 s (-32602)", is_final=False))
    scene.give(c.LinkDown("account", "closed"))
    assert c.WakeAt(T0 + 60 * S) not in scene.out
    assert c.LinkOpen in {type(each) for each in scene.wait(5).out}


def test_a_login_without_an_answer_and_a_silent_link_are_closed():
    scene = Scene().give(c.Started()).give(c.LinkUp("account")).wait(10)
    assert c.LinkClose("account", "no answer to the login") in scene.out
    scene = Scene().started()
    scene.feed.silent = True
    assert c.LinkClose("account", "the venue is silent") in scene.wait(1).out


def test_a_list_that_never_comes_on_a_live_link_closes_it():
    scene = Scene().started().wait(10)
    assert scene.sent() == [b"ask state"]
    assert c.LinkClose("account", "no answer to what was asked") in scene.wait(10).out


def test_an_unreadable_frame_is_counted_and_the_state_asked_for_again():
    scene = Scene().started().give(c.VenueFrame("account", b"garbage", T0))
    assert c.Count("frames_bad") in scene.out and scene.sent() == [b"ask state"]
    assert scene.give(c.VenueFrame("account", b"garbage", T0)).sent() == []


def test_a_failed_call_is_told_and_asked_again_at_the_next_poll():
    scene = Scene().started().tell(a.AccountCallFailed("private/get_positions", "busy"))
    assert c.Alert("WARNING", "private/get_positions: busy") in scene.out
    assert scene.wait(10).sent() == [b"ask state"]


def test_a_lost_fill_topic_asks_for_the_snapshot_again():
    scene = Scene().started().give(c.TopicLost("fill.sim.main.me", "gap"))
    assert c.Subscribe("fill.sim.main") in scene.out


def test_events_that_are_nothing_to_us_do_nothing():
    scene = Scene().started()
    assert scene.give(c.Unsubscribed("account.sim.main")).out == []
    assert scene.bus(m.InstrumentState(PERP, m.InstrumentStatus.HALTED)).out == [READY]


def test_a_fill_of_a_combo_moves_nothing_and_those_of_its_legs_do():
    combo = "sim.BTC-FS"
    own = msgspec.structs.replace(fill("c", 10, -3, combo), combo=combo)
    same_sign = msgspec.structs.replace(fill("d", 10, 3, combo), combo=combo)
    leg = msgspec.structs.replace(fill("l", 10, 100), combo=combo)
    scene = Scene().started().bus(own).bus(same_sign).bus(leg)
    scene.tell(a.PositionsChanged([own, same_sign], []))
    scene.tell(a.PositionsChanged([leg], [report(10, 100)]))
    assert scene.position().quantity == 10 and scene.position().confirmed
    scene.give(c.Subscribed("account.sim.main", True))
    assert [each.instrument for each in scene.published()[0].positions] == [PERP]
