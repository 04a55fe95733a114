"""Row 43 in the engine: while the venue's clock is in doubt no new order leaves; ages and horizons
go by the clock as it was measured."""

from __future__ import annotations

import json

import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.messages import OrderStatus as S, RejectReason as R
from services.trading_engine.delays import Delays
from tests.services.trading_engine.kit import MS, PERP, QUOTE, SECOND, TICKER, Bench, place

DOUBT = "the venue's clock has to be measured again"


BEAT = m.Health("market_data.deribit", "ready", 1, 1)


def quote(bench: Bench, *, happened_s: float = 0.0, ahead_s: float = 0.0) -> None:
    """A quote received now, of what happened so long ago, by a clock that is so far ahead."""
    venue_ns = bench.now + int((ahead_s - happened_s) * SECOND)
    bench.bus(f"quote.{PERP}", QUOTE, venue_ns=venue_ns)


def measured(bench: Bench, since: int = 0) -> int:
    return bench.sent().count("public/test") - since


def jumped(ahead_s: float, **config: object) -> Bench:
    """The venue's clock has moved since it was measured, and nothing has shown it yet."""
    bench = Bench(**config).start()
    bench.placed()
    bench.bus("health.market_data.deribit", BEAT)
    bench.advance(6.0)
    bench.bus("health.market_data.deribit", BEAT)
    bench.twin.ahead_ms = int(ahead_s * 1000)
    return bench


def refused(bench: Bench, command: m.Command) -> bool:
    reply = bench.asked(command)
    return (reply.accepted, reply.reason) == (False, R.NOT_READY) and DOUBT in reply.text


@pytest.mark.parametrize("ahead_s", [5.0, 0.6, 3600.0])
def test_row_43_a_quote_from_the_future_holds_new_orders_until_the_clock_is_measured(
    ahead_s: float,
) -> None:
    bench = jumped(ahead_s)
    (order,) = bench.engine._state.store.open.values()
    sent = bench.sent().count("private/buy")
    quote(bench, ahead_s=ahead_s)
    assert refused(bench, place())
    assert refused(bench, m.ModifyOrder(order.state.client_order_id, price=m.Exact("48000")))
    assert bench.sent().count("private/buy") == sent
    assert "private/edit" not in bench.sent()
    assert bench.asked(m.CancelOrder(order.state.client_order_id)).accepted  # cancels go on
    bench.advance(0.001)
    assert measured(bench) == 1
    assert bench.asked(place()).accepted
    _, params = bench.twin.received[-1]
    assert params["valid_until"] == bench.now // MS + 2000 + int(ahead_s * 1000)


def test_row_43_without_an_answer_it_is_measured_each_second_and_orders_stay_held() -> None:
    bench = jumped(5.0)
    quote(bench, ahead_s=5.0)
    bench.losing = True
    bench.advance(3.5)
    assert measured(bench) >= 4 and refused(bench, place())
    bench.losing = False
    bench.advance(1.0)
    assert bench.asked(place()).accepted


@pytest.mark.parametrize("ahead_s", [5.0, -5.0])
def test_row_43_the_answer_to_an_order_shows_a_jump(ahead_s: float) -> None:
    bench = jumped(ahead_s)
    assert bench.asked(place()).accepted  # nothing had shown it yet
    assert refused(bench, place())
    bench.advance(0.001)
    assert bench.asked(place()).accepted


def test_row_43_a_small_difference_holds_nothing() -> None:
    bench = jumped(0.4)
    quote(bench, ahead_s=0.4)
    assert bench.asked(place()).accepted and bench.asked(place()).accepted
    assert measured(bench) == 0


def test_row_43_a_jump_is_told_once() -> None:
    bench = jumped(5.0)
    quote(bench, ahead_s=5.0)
    bench.advance(1.0)
    told = [x for x in bench.commands if isinstance(x, c.Alert) and "clock moved" in x.text]
    assert [alert.text for alert in told] == ["the venue's clock moved against ours by 5.0 s"]


# --- ages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [0.0, 5.0, -5.0])
def test_row_43_the_age_of_a_quote_goes_by_the_clock_as_measured(ahead_s: float) -> None:
    """Whatever the venue's clock shows, a quote that took 2 s is 2 s old, and one of now is new."""
    bench = jumped(ahead_s, limits=LimitsConfig(max_age_ms=1000))
    bench.asked(place())  # its answer shows the jump
    bench.advance(0.2)
    quote(bench, ahead_s=ahead_s, happened_s=0.1)
    assert bench.asked(place()).accepted
    bench.advance(5.0)
    quote(bench, ahead_s=ahead_s, happened_s=2.0)
    reply = bench.asked(place())
    assert (reply.accepted, reply.reason) == (False, R.STALE_DATA)
    assert "2000 ms old" in reply.text
    bench.bus(f"ticker.{PERP}", TICKER, venue_ns=bench.now + int(ahead_s * SECOND))
    assert bench.asked(place()).accepted  # what comes now is in time again


def test_row_43_what_was_late_by_the_clock_before_a_jump_is_not_late_for_ever() -> None:
    bench = jumped(-5.0, limits=LimitsConfig(max_age_ms=1000))
    quote(bench, ahead_s=-5.0)  # by the old clock it is 5 s old, so that is measured
    assert bench.asked(place()).reason is R.STALE_DATA
    before = measured(bench)
    bench.advance(0.001)
    assert measured(bench, before) == 1
    assert bench.asked(place()).accepted


def test_row_43_a_snapshot_of_what_happened_long_ago_is_not_late() -> None:
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start(prices=False)
    request = bench.ask(place())
    bench.bus(f"quote.{PERP}", QUOTE, venue_ns=bench.now - 600 * SECOND)
    bench.bus(f"ticker.{PERP}", TICKER, venue_ns=bench.now)
    assert bench.replies(request)[0].accepted


@pytest.mark.parametrize("ahead_s", [5.0, -5.0])
def test_row_43_the_clock_of_another_host_makes_no_quote_older_or_younger(ahead_s: float) -> None:
    """market_data runs on a host whose clock is off; beats and quotes come with its times."""
    bench, off_ns = Bench(limits=LimitsConfig(max_age_ms=1000)).start(), int(ahead_s * SECOND)
    bench.placed()

    def told(message: m.Event, topic: str, late_s: float = 0.0, bus_s: float = 0.0) -> None:
        sent_ns = bench.now - int(bus_s * SECOND)
        venue_ns = sent_ns - int(late_s * SECOND)
        received_ns, sent_ns = sent_ns + off_ns, sent_ns + off_ns
        event = c.BusMessage(topic, message, 1, 7, 0, venue_ns, received_ns, sent_ns)
        bench.feed(event)

    told(QUOTE, f"quote.{PERP}")
    assert bench.asked(place()).accepted
    bench.advance(10.0)
    told(BEAT, "health.market_data.deribit", bus_s=3.0)
    told(QUOTE, f"quote.{PERP}", bus_s=3.0)
    assert "3000 ms old" in bench.asked(place()).text
    told(QUOTE, f"quote.{PERP}", late_s=2.0)
    assert "2000 ms old" in bench.asked(place()).text
    told(QUOTE, f"quote.{PERP}")
    assert bench.asked(place()).accepted
    assert bench.engine._entry.clock_doubt == ""


def test_row_43_a_host_whose_clock_goes_back_is_believed_again_after_two_minutes() -> None:
    delays, now = Delays(), 10**18
    assert delays.sent_ns(7, now, now) == now
    for second in range(1, 200):
        now = 10**18 + second * SECOND
        late_ns = now - delays.sent_ns(7, now - 5 * SECOND, now)
        assert late_ns == (5 * SECOND if second < 120 else 0)


def test_row_15_a_quote_that_waited_on_the_bus_is_as_old_as_that() -> None:
    """After a pause of the engine: what it reads then was sent long before."""
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    bench.placed()
    sent_ns = bench.now
    bench.advance(10.0)
    bench.bus(f"quote.{PERP}", QUOTE, sent_ns=sent_ns)
    bench.bus("health.market_data.deribit", BEAT, sent_ns=sent_ns + SECOND)
    reply = bench.asked(place())
    assert reply.reason is R.STALE_DATA and "9000 ms old" in reply.text
    bench.bus("health.market_data.deribit", BEAT)
    assert bench.asked(place()).accepted


@pytest.mark.parametrize(
    "process", ["gateway", "position_server.deribit.main", "market_data.elsewhere"]
)
def test_the_beats_of_other_processes_prove_no_quote(process: str) -> None:
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    bench.placed()
    bench.advance(10.0)
    bench.bus(f"health.{process}", m.Health(process, "ready", 1, 1))
    reply = bench.asked(place())
    assert reply.reason is R.STALE_DATA and "10000 ms old" in reply.text


def test_the_beats_of_many_others_do_not_hide_how_late_a_quote_is() -> None:
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    bench.placed()
    bench.bus("health.market_data.deribit", BEAT)
    for number in range(100, 200):
        beat = m.Health(f"strategy_host.{number}", "ready", 1, 1)
        times = bench.now, bench.now, bench.now
        bench.feed(c.BusMessage(f"health.{beat.process}", beat, 1, number, 0, *times))
    bench.advance(10.0)
    bench.bus(f"quote.{PERP}", QUOTE, sent_ns=bench.now - 3 * SECOND)
    assert "3000 ms old" in bench.asked(place()).text


def test_a_publisher_that_is_heard_is_remembered_among_many() -> None:
    delays, now = Delays(), 10**18
    delays.sent_ns(7, now, now)
    for other in range(100, 200):
        now += SECOND // 10
        delays.sent_ns(other, now, now)
        assert delays.sent_ns(7, now - 5 * SECOND, now) == now - 5 * SECOND


def beats(bench: Bench, for_s: float) -> None:
    """market_data says that it is well, every half second."""
    for _ in range(int(for_s * 2)):
        bench.advance(0.5)
        bench.bus("health.market_data.deribit", BEAT)


@pytest.mark.parametrize("kind", ["quote", "ticker"])
def test_one_late_message_of_a_quiet_instrument_does_not_stay_late(kind: str) -> None:
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    bench.placed()
    beats(bench, 10.0)
    message = QUOTE if kind == "quote" else TICKER
    bench.bus(f"{kind}.{PERP}", message, venue_ns=bench.now - 3 * SECOND)
    beats(bench, 4.0)  # until then the link may still be behind
    assert "3000 ms old" in bench.asked(place()).text
    beats(bench, 6.5)
    assert bench.asked(place()).accepted


def test_what_was_late_stays_so_while_others_are_or_market_data_is_not_well() -> None:
    other = "deribit.ETH-PERPETUAL"
    bench = Bench(limits=LimitsConfig(max_age_ms=1000)).start()
    bench.placed()
    bench.engine._state.market.watch(other, bench.now)
    beats(bench, 10.0)
    bench.bus(f"quote.{PERP}", QUOTE, venue_ns=bench.now - 3 * SECOND)
    for _ in range(10):
        beats(bench, 3.0)
        ticker = m.Ticker(other, 50000.0, 50000.0, 50000.0)
        bench.bus(f"ticker.{other}", ticker, venue_ns=bench.now - 2 * SECOND)
    assert "2000 ms old" in bench.asked(place()).text
    for _ in range(60):
        bench.advance(0.5)
        bench.bus("health.market_data.deribit", m.Health("market_data.deribit", "degraded", 1, 1))
    assert bench.asked(place()).reason is R.STALE_DATA
    beats(bench, 4.5)
    assert "2000 ms old" in bench.asked(place()).text
    beats(bench, 6.0)
    assert bench.asked(place()).accepted


# --- horizons -------------------------------------------------------------------------------------


def lost(bench: Bench, for_s: float) -> str:
    """An order that never arrives; then so long nothing else does either."""
    bench.losing = True
    bench.ask(place())
    bench.advance(for_s)
    bench.losing = False
    return next(reversed(bench.engine._state.store.open))


@pytest.mark.parametrize("for_s", [0.5, 2.1])
def test_row_43_a_clock_that_goes_back_puts_the_verdict_off(for_s: float) -> None:
    """The venue may accept the order until its own clock shows the order's last moment, whether
    the jump is seen before the order is in doubt or after that."""
    bench = Bench().start()
    bench.placed()
    begun, name = bench.now, lost(bench, for_s)
    bench.twin.ahead_ms = -20_000
    bench.ask(place())  # its answer shows the jump
    while bench.order(name).status is S.PENDING_NEW:
        bench.advance(0.5)
        assert bench.now - begun < 40 * SECOND
    assert bench.order(name).status is S.REJECTED
    assert bench.now - begun >= 24 * SECOND  # 2 s valid, 2 s more, 20 s back


def test_row_43_a_clock_that_goes_forward_makes_no_verdict_late() -> None:
    bench = Bench().start()
    bench.placed()
    name = lost(bench, 2.1)
    bench.twin.ahead_ms = 20_000
    bench.advance(7.0)
    assert bench.order(name).status is S.REJECTED


@pytest.mark.parametrize("is_seen_before", [True, False])
def test_row_43_a_modify_after_the_clock_went_back_is_taken_over(is_seen_before: bool) -> None:
    """What the venue tells then is of an earlier time than what it told before."""
    bench = Bench().start()
    order = bench.placed()
    bench.twin.ahead_ms = -300_000
    if is_seen_before:
        bench.placed()
        bench.advance(0.1)
    bench.twin.keep_up(bench.now // MS)
    bench.ask(m.ModifyOrder(order.client_order_id, price=m.Exact("48000"), quantity=m.Exact("50")))
    bench.advance(0.0 if is_seen_before else 10.0)
    now = bench.order(order.client_order_id)
    assert (now.status, now.price, now.quantity) == (S.NEW, 48000, 50)


@pytest.mark.parametrize("ahead_s", [300.0, -300.0])
@pytest.mark.parametrize("is_cut", [True, False])
def test_row_43_fills_of_before_and_after_a_jump_are_found(ahead_s: float, is_cut: bool) -> None:
    """The reports are lost: what is asked for begins early enough by either clock."""
    bench = Bench().start()
    known, first, second = bench.placed(), bench.placed(), bench.placed()
    bench.advance(90.0)  # what was filled long before is not asked for any more
    bench.deliver(bench.twin.fill(known.venue_order_id, 100.0))
    bench.twin.fill(first.venue_order_id, 100.0)  # told to nobody
    bench.twin.ahead_ms = int(ahead_s * 1000)
    bench.twin.keep_up(bench.now // MS)
    bench.twin.fill(second.venue_order_id, 100.0)
    if is_cut:
        bench.cut()
        bench.connect()
    bench.advance(10.0)
    found = [bench.order(x.client_order_id) for x in (first, second)]
    assert [(x.status, x.cum_quantity) for x in found] == [(S.FILLED, 100), (S.FILLED, 100)]
    assert len({fill.exec_id for fill in fills(bench)}) == len(fills(bench)) == 3


def test_row_43_a_fill_of_somebody_else_after_a_jump_back_is_found_at_a_reconnect() -> None:
    """No order of ours lacks it: only where the reading of the account begins can show it."""
    bench = Bench().start()
    known = bench.placed()
    bench.deliver(bench.twin.fill(known.venue_order_id, 100.0))
    bench.advance(1.0)
    bench.cut()
    bench.twin.ahead_ms = -300_000
    bench.twin.keep_up(bench.now // MS)
    foreign = {"instrument_name": "BTC-PERPETUAL", "amount": 70, "price": 49000.0, "type": "limit"}
    told = bench.twin.receive(call("private/buy", foreign | {"label": "by hand"}))
    bench.twin.fill(json.loads(told[0])["result"]["order"]["order_id"], 70.0)
    bench.connect()
    bench.advance(0.5)
    assert [fill.last_quantity for fill in fills(bench)] == [100, 70]


def call(method: str, params: dict[str, object]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def fills(bench: Bench) -> list[m.Fill]:
    found = [x.message for x in bench.commands if isinstance(x, c.Publish)]
    return [message for message in found if isinstance(message, m.Fill)]
