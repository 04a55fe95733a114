"""A strategy's host: when it starts, what it hands on, how it fails, stops and is tuned."""

from __future__ import annotations

import msgspec
import pytest

from common import core as c, messages as m
from common.messages import Side
from common.strategy import Parameters, Strategy
from services.strategy_host.memory import Memory, decode, encode
from tests.services.strategy_host.kit import (
    PERP,
    PERPETUAL,
    PLACE,
    Bench,
    D,
    Scribe,
    fill_of,
)

QUOTE = m.Quote(PERP, 49999.5, 10.0, 50000.5, 10.0)
TICKER = m.Ticker(PERP, 50010.0, 50000.0, 50000.0)


class Breaks(Scribe):
    def on_quote(self, quote: m.Quote) -> None:
        self.place(PERP, Side.BUY, 100, price="49000")
        raise RuntimeError("a bug of the user")  # the line that is shown


def test_it_starts_once_all_is_known_and_says_what_it_waits_for() -> None:
    bench = Bench()
    bench.feed(c.Started())
    assert bench.told_state() == c.SetState("starting", "waits for instrument definitions")
    topics = {x.topic for x in bench.commands if isinstance(x, c.Subscribe)}
    assert topics == {
        "instruments.deribit",
        "instrument.deribit.",
        f"order.{PLACE}",
        f"fill.{PLACE}",
        "health.trading_engine.deribit.main",
    }
    bench.bus(f"fill.{PLACE}", m.FillSnapshot("deribit", "main", "tester", []))
    bench.bus("instruments.deribit", m.InstrumentList("deribit", 0, 2, [PERPETUAL]))
    bench.bus("instruments.deribit", m.InstrumentList("deribit", 1, 2, []))
    assert bench.told_state().text == "waits for its orders and fills"
    bench.bus(f"order.{PLACE}", m.OrderSnapshot("deribit", "main", "tester", [], 0, 2))
    assert bench.told_state().text == "waits for its orders and fills"
    bench.bus(f"order.{PLACE}", m.OrderSnapshot("deribit", "main", "tester", [], 1, 2))
    assert bench.told_state().text == "waits for the trading engine"
    assert bench.strategy.told == []
    bench.beat("ready")
    assert bench.strategy.of("start") == [[]]
    assert bench.told_state() == c.SetState("ready") and bench.state.state == "running"


def test_market_data_reaches_the_handlers() -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.subscribe(PERP, "book", "quote", "trade", "ticker"))
    topics = [x.topic for x in bench.commands if isinstance(x, c.Subscribe)]
    assert topics[-4:] == [f"{kind}.{PERP}" for kind in ("book", "quote", "trade", "ticker")]
    trade = m.Trade(PERP, 50000.0, 10.0, Side.SELL, "1")
    bench.bus(f"quote.{PERP}", QUOTE)
    bench.bus(f"ticker.{PERP}", TICKER)
    bench.bus(f"trade.{PERP}", trade)
    bench.bus(f"book.{PERP}", m.BookSnapshot(PERP, [49999.5, 1.0], [50000.5, 2.0]))
    bench.bus(f"book.{PERP}", m.BookDelta(PERP, [49999.5, 0.0, 49999.0, 3.0], []))
    strategy = bench.strategy
    assert strategy.of("quote") == [QUOTE] and strategy.quote(PERP) == QUOTE
    assert strategy.of("ticker") == [TICKER] and strategy.of("trade") == [trade]
    assert strategy.of("book")[-1] == ((49999.0, 3.0), (50000.5, 2.0))
    assert strategy.instrument(PERP).name == PERP
    with pytest.raises(KeyError):
        strategy.instrument("deribit.NONE")


def test_what_is_lost_is_stale_in_the_handlers_too() -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.subscribe(PERP, "book", "quote"))
    bench.bus(f"quote.{PERP}", QUOTE)
    bench.bus(f"book.{PERP}", m.BookSnapshot(PERP, [49999.5, 1.0], [50000.5, 2.0]))
    bench.bus(f"ticker.{PERP}", TICKER)
    bench.feed(c.TopicLost(f"quote.{PERP}", "silent"))
    bench.feed(c.TopicLost(f"ticker.{PERP}", "silent"))
    bench.bus(f"book.{PERP}", m.BookStale(PERP, "link down"))
    bench.bus(f"book.{PERP}", m.BookDelta(PERP, [49999.5, 3.0], []))
    assert bench.strategy.of("quote")[-1].stale and bench.strategy.ticker(PERP) is None
    assert bench.strategy.of("book")[-1] == (None, None)


def test_position_and_profit_follow_from_own_fills_and_the_mark() -> None:
    bench = Bench().start()
    bench.bus(f"fill.{PLACE}", fill_of("1"))
    bench.bus(f"fill.{PLACE}", fill_of("2", Side.SELL, "40", last_price=D("50100")))
    bench.bus(f"ticker.{PERP}", TICKER)
    held = bench.strategy.position(PERP)
    assert held.quantity == 60 and held.average_price == 50000 and held.currency == "BTC"
    assert held.realized_pnl == pytest.approx(D(40) / 50000 - D(40) / 50100)
    assert held.unrealized_pnl == pytest.approx(D(60) / 50000 - D(60) / 50010)
    assert held.fees == D("0.000002")
    assert bench.strategy.of("fill") == [("1", 100), ("2", 60)]
    assert bench.strategy.of("ticker") == [], "followed for the mark, not asked for"
    total = held.realized_pnl + held.unrealized_pnl - held.fees
    assert bench.state.pnl["BTC"] == pytest.approx(total, abs=D("1e-12"))


def test_the_position_survives_a_restart_even_when_the_engine_forgot_old_fills() -> None:
    first = Bench().start()
    first.bus(f"fill.{PLACE}", fill_of("1"))
    first.bus(f"fill.{PLACE}", fill_of("2"))
    second = Bench(memory=first.memory_of_disk()).start(fills=[fill_of("2"), fill_of("3")])
    assert second.strategy.position(PERP).quantity == 300
    assert second.strategy.of("fill") == [], "not news to a strategy that starts"
    assert second.state.fills == 3


def test_fills_that_come_before_the_definitions_are_counted_with_them() -> None:
    bench = Bench()
    bench.feed(c.Started())
    bench.snapshots([], [fill_of("1")])
    bench.bus(f"fill.{PLACE}", fill_of("2"))
    bench.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [PERPETUAL]))
    bench.beat("ready")
    assert bench.strategy.position(PERP).quantity == 200


def test_an_exception_stops_the_strategy_and_shows_its_line() -> None:
    bench = Bench(Breaks()).start()
    bench.act(lambda: bench.strategy.place(PERP, Side.SELL, 100, price="51000"))
    bench.order(bench.requests(m.PlaceOrder)[0])
    before = len(bench.requests(m.PlaceOrder))
    bench.bus(f"quote.{PERP}", QUOTE)
    assert len(bench.requests(m.PlaceOrder)) == before, "what it asked for before is not done"
    assert bench.requests(m.CancelAll)[-1].command.owner == "tester"
    state = bench.state
    assert state.state == "error" and state.open_orders == 1
    assert state.last_error.startswith("test_core.py:")
    assert "RuntimeError: a bug of the user" in state.last_error
    assert "# the line that is shown" in state.last_error
    assert bench.told_state() == c.SetState("degraded", state.last_error)
    assert any(state.last_error in text for text in bench.alerts("ERROR"))
    told = len(bench.strategy.told)
    bench.bus(f"quote.{PERP}", QUOTE)
    bench.bus(f"fill.{PLACE}", fill_of("1"))
    assert len(bench.strategy.told) == told, "nothing is told to it any more"
    assert bench.strategy.position(PERP).quantity == 100, "but counted"


def test_cancels_of_a_failed_strategy_are_repeated_until_all_is_closed() -> None:
    bench = Bench(Breaks()).start()
    bench.act(lambda: bench.strategy.place(PERP, Side.SELL, 100, price="51000"))
    request = bench.requests(m.PlaceOrder)[0]
    bench.order(request)
    bench.bus(f"quote.{PERP}", QUOTE)
    bench.fail(bench.requests(m.CancelAll)[-1], sent=False)
    bench.pass_s(2)
    assert bench.requests(m.CancelOrder)[-1].command.client_order_id == "1"


def test_a_file_that_cannot_be_used_leaves_no_orders_behind() -> None:
    bench = Bench(problem="bad.py:3: SyntaxError: x").start()
    assert bench.state.state == "error"
    assert bench.told_state() == c.SetState("degraded", "bad.py:3: SyntaxError: x")
    assert bench.requests(m.CancelAll)


def test_a_clean_stop_cancels_and_waits_for_it() -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.place(PERP, Side.BUY, 100, price="49000"))
    request = bench.requests(m.PlaceOrder)[0]
    bench.order(request)
    bench.feed(c.Stopping())
    assert bench.strategy.of("stop") == [None]
    assert bench.requests(m.CancelAll) and not bench.host.is_quiet
    assert bench.state.state == "stopping"
    bench.order(request, revision=2, status=m.OrderStatus.CANCELED)
    assert bench.host.is_quiet and bench.state.state == "stopped"


def test_a_stop_may_leave_the_orders() -> None:
    bench = Bench(cancel_on_stop=False).start()
    bench.act(lambda: bench.strategy.place(PERP, Side.BUY, 100, price="49000"))
    bench.order(bench.requests(m.PlaceOrder)[0])
    bench.feed(c.Stopping())
    assert bench.requests(m.CancelAll) == [] and bench.host.is_quiet


def test_slow_handlers_are_counted_and_told_now_and_then() -> None:
    bench = Bench().start()
    bench.took_ns = 80_000_000
    for _ in range(3):
        bench.bus(f"quote.{PERP}", QUOTE)
    assert bench.state.slow_calls == 3
    assert bench.alerts("WARNING") == ["on_quote took 80 ms; everything waits meanwhile"]


def test_timers_come_once_or_again_and_again() -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.set_timer("once", after_s=0.25))
    bench.act(lambda: bench.strategy.set_timer("often", after_s=0.1, every_s=0.1))
    bench.pass_s(0.45)
    assert bench.strategy.of("timer") == ["often", "often", "once", "often", "often"]
    bench.act(lambda: bench.strategy.cancel_timer("often"))
    bench.pass_s(1)
    assert len(bench.strategy.of("timer")) == 5


def ask(bench: Bench, **values: str) -> m.CommandReply:
    command = m.SetParameters(values)
    event = c.CommandReceived(b"p", "r1", "cli", bench.now, command)
    (reply,) = [x.reply for x in bench.feed(event) if isinstance(x, c.Reply)]
    return reply


def reset(bench: Bench, *names: str, **values: str) -> m.CommandReply:
    command = m.SetParameters(values, list(names))
    event = c.CommandReceived(b"p", "r1", "cli", bench.now, command)
    commands = bench.feed(event)
    (reply,) = [x.reply for x in commands if isinstance(x, c.Reply)]
    kinds = [type(x) for x in commands]
    if reply.accepted:  # on disk before it is told
        assert kinds.index(c.Journal) < kinds.index(c.Reply)
    return reply


def test_parameters_set_at_run_time_hold_over_a_restart_until_they_are_reset() -> None:
    bench = Bench().start()
    assert ask(bench, quantity="250.5", limit="3").accepted
    assert bench.state.set_at_run_time == {"quantity": "250.5", "limit": "3"}
    again = Bench(memory=bench.memory_of_disk()).start()
    assert again.strategy.parameters.quantity == D("250.5")
    assert again.state.set_at_run_time == {"quantity": "250.5", "limit": "3"}
    assert "quantity" in reset(again, "levels").text
    assert reset(again, "limit", quantity="7").accepted
    assert again.state.set_at_run_time == {"quantity": "7"}
    assert again.strategy.of("parameters") == [D("7")]
    assert reset(again, "*").accepted
    default = again.strategy.parameters_type()
    assert again.strategy.parameters == default and again.state.set_at_run_time == {}
    third = Bench(memory=again.memory_of_disk()).start()
    assert third.strategy.parameters == default


def test_parameters_are_in_the_checkpoint_of_the_next_start() -> None:
    bench = Bench().start()
    assert ask(bench, quantity="5").accepted
    kept = encode(bench.memory_of_disk().checkpoint())
    assert Memory().replay(decode([kept])).parameters == {"quantity": "5"}


def test_a_parameter_that_no_longer_fits_stops_the_start_until_it_is_reset() -> None:
    memory = Memory()
    memory.parameters = {"gone": "1"}
    bench = Bench(memory=memory).start()
    assert bench.state.state == "error" and "gone" in bench.state.last_error
    assert not ask(bench, quantity="5").accepted
    assert reset(bench, "gone").accepted
    assert bench.memory_of_disk().parameters == {}
    assert Bench(memory=bench.memory_of_disk()).start().state.state == "running"


def test_parameters_change_at_run_time_all_or_none() -> None:
    bench = Bench().start()
    assert ask(bench, quantity="250.5", levels="[1, 2.5]", limit="3").accepted
    assert bench.strategy.parameters.quantity == D("250.5")
    assert bench.strategy.parameters.levels == [1.0, 2.5]
    assert bench.strategy.of("parameters") == [D("250.5")]
    assert bench.state.parameters["quantity"] == "250.5"
    for values, field in (
        ({"quantity": "1", "nothing": "2"}, "nothing"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "nan"}, "quantity"),
        ({"levels": "[1"}, "levels"),
        ({"limit": "many"}, "limit"),
    ):
        reply = ask(bench, **values)
        assert not reply.accepted and field in reply.text
    assert bench.strategy.parameters.quantity == D("250.5")
    assert ask(bench, limit="null").accepted and bench.strategy.parameters.limit is None


def test_other_commands_are_refused() -> None:
    bench = Bench().start()
    event = c.CommandReceived(b"p", "r1", "cli", bench.now, m.QueryPositions())
    (reply,) = [x.reply for x in bench.feed(event) if isinstance(x, c.Reply)]
    assert reply.reason is m.RejectReason.UNSUPPORTED


def test_the_state_is_published_when_it_changed_and_shown_to_joiners() -> None:
    bench = Bench().start()
    bench.pass_s(5)
    published = [x for x in bench.commands if isinstance(x, c.Publish)]
    bench.pass_s(5)
    assert [x for x in bench.commands if isinstance(x, c.Publish)] == published
    bench.bus(f"fill.{PLACE}", fill_of("1"))
    bench.pass_s(1.1)
    last = [x for x in bench.commands if isinstance(x, c.Publish)][-1]
    assert last.topic == "strategy.tester" and last.message.fills == 1
    (shown,) = [
        x
        for x in bench.feed(c.Subscribed("strategy.tester", True))
        if isinstance(x, c.PublishSnapshot)
    ]
    assert msgspec.structs.replace(shown.message, updated_ns=0) == msgspec.structs.replace(
        last.message, updated_ns=0
    )


def test_the_account_is_followed_on_demand_and_forgotten_when_lost() -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.subscribe_account())
    exposure = m.Exposure("deribit", "main", "BTC", 0.5, 0.0, 0.0, 0.0, 0.0, 1)
    topic = "account.deribit.main"
    bench.bus(topic, m.AccountSnapshot("deribit", "main", [], [], [exposure]))
    assert bench.strategy.of("exposure") == [0.5]
    assert bench.strategy.exposure("BTC") == exposure
    bench.feed(c.TopicLost(topic, "silent"))
    assert bench.strategy.exposure("BTC") is None


def test_without_the_engine_it_says_so_and_may_not_trade() -> None:
    bench = Bench().start()
    bench.beat("degraded")
    assert not bench.strategy.can_trade
    assert bench.told_state() == c.SetState("degraded", "waits for the trading engine")
    bench.beat("ready")
    assert bench.strategy.can_trade


class Plain(Strategy[Parameters]):
    """No handler at all."""


def test_a_strategy_without_handlers_runs() -> None:
    bench = Bench(Plain()).start()
    bench.bus(f"quote.{PERP}", QUOTE)
    assert bench.state.state == "running" and bench.state.parameters == {}


@pytest.mark.parametrize("quantity", [1.5, "x", "1e99"])
def test_numbers_that_are_not_exact_are_refused_where_they_are_given(quantity) -> None:
    bench = Bench().start()
    bench.act(lambda: bench.strategy.place(PERP, Side.BUY, quantity, price="1"))
    assert f"ValueError: quantity: {quantity!r}" in bench.state.last_error
