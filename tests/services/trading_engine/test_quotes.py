"""Mass quotes and market maker protection in the trading engine."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.config import LimitsConfig
from common.messages import OrderStatus as S, OrderTrigger as E, RejectReason as R
from common.rundir import RunDir
from common.transport import segments
from common.transport.journal import SegmentedLog
from services.trading_engine import records
from services.trading_engine.fold import Fold
from services.trading_engine.owners import orders_of
from services.trading_engine.storage import journal_directory
from tests.services.trading_engine.kit import MS, PERP, PERPETUAL, QUOTE, T0, TICKER, Bench, place
from tests.services.trading_engine.quote_twin import QuoteTwin
from tests.services.trading_engine.twin import Refuse

D = Decimal
FUTURE = "deribit.BTC-27DEC24"
SETTINGS = m.SetProtection("btc_usd", "mm", 5, 10, D("1000"), quantity_limit=D("5"))
TOPIC = "protection.deribit.main"


class QuoteBench(Bench):
    """Has prices of a second instrument too."""

    def _execute(self, commands: list[c.CoreCommand]) -> None:
        super()._execute(commands)
        for command in commands:
            if command == c.Subscribe(f"quote.{FUTURE}") and self.prices:
                self.bus(f"quote.{FUTURE}", msgspec.structs.replace(QUOTE, instrument=FUTURE))
                self.bus(f"ticker.{FUTURE}", msgspec.structs.replace(TICKER, instrument=FUTURE))


def bench(**config: Any) -> Bench:
    config = {"on_disconnect": "cancel"} | config
    made = QuoteBench(QuoteTwin(T0 // MS), **config).start()
    definition = msgspec.structs.replace(PERPETUAL, instrument=FUTURE, symbol="BTC-27DEC24")
    made.bus("instruments.deribit", m.InstrumentList("deribit", 0, 1, [PERPETUAL, definition]))
    assert made.asked(SETTINGS).accepted
    return made


def twin_of(made: Bench) -> QuoteTwin:
    assert isinstance(made.twin, QuoteTwin)
    return made.twin


def entry(
    bid: str | None = "49000",
    ask: str | None = "51000",
    quantity: str = "100",
    instrument: str = PERP,
) -> m.QuoteEntry:
    sides = [None if price is None else (D(price), D(quantity)) for price in (bid, ask)]
    (bid_price, bid_quantity), (ask_price, ask_quantity) = (side or (None, None) for side in sides)
    return m.QuoteEntry(instrument, bid_price, bid_quantity, ask_price, ask_quantity)


def quote(*entries: m.QuoteEntry, **more: Any) -> m.MassQuote:
    names = {"owner": "maker", "quote_set": "set"} | more
    return m.MassQuote(list(entries) or [entry()], names.pop("mmp_group", "mm"), **names)


def quoted(made: Bench, *entries: m.QuoteEntry, **more: Any) -> list[m.OrderUpdated]:
    reply = made.asked(quote(*entries, **more))
    assert reply.accepted, reply
    return [result.orders[0] for result in reply.results]


def protections(made: Bench) -> list[m.ProtectionUpdated]:
    told = [x for x in made.commands if isinstance(x, c.Publish) and x.topic == TOPIC]
    return [each.message for each in told]  # type: ignore[misc]


# --- quoting ---------------------------------------------------------------------------------


def test_each_side_is_an_order_of_its_own() -> None:
    made = bench()
    bid, ask = quoted(made)
    assert (bid.side, bid.price, bid.status) == (m.Side.BUY, D("49000"), S.NEW)
    assert (ask.side, ask.price, ask.status) == (m.Side.SELL, D("51000"), S.NEW)
    assert bid.client_order_id != ask.client_order_id
    assert {(o.owner, o.quote_set, o.mmp_group) for o in (bid, ask)} == {("maker", "set", "mm")}
    (call,) = made.twin.calls("private/mass_quote")
    assert call["quote_id"] == bid.quote_id == ask.quote_id
    assert len(call["quotes"]) == 1 and call["detailed"] and call["mmp_group"] == "mm"
    assert call["quotes"][0]["bid"] == {"amount": 100, "price": 49000}
    assert {o.client_order_id for o in made.open_orders()} == {
        bid.client_order_id,
        ask.client_order_id,
    }


def test_every_side_is_journaled_before_the_call_leaves() -> None:
    made = bench()
    start = len(made.commands)
    orders = quoted(made)
    kinds = [type(x).__name__ for x in made.commands[start:]]
    sent = next(i for i, x in enumerate(made.commands[start:]) if isinstance(x, c.LinkSend))
    assert "Journal" in kinds[:sent]
    noted = [
        record
        for journal in made.commands[start : start + sent]
        if isinstance(journal, c.Journal)
        for record in journal.record.records  # type: ignore[union-attr]
        if isinstance(record, records.IntentRecord)
    ]
    assert [(n.kind, n.order.client_order_id) for n in noted] == [
        ("place", order.client_order_id) for order in orders
    ]
    assert {n.quote_id for n in noted} == {orders[0].quote_id}


def test_a_new_quote_changes_the_order_that_is_there() -> None:
    made = bench()
    bid, ask = quoted(made)
    again = quoted(made, entry("49100", None))
    assert [o.client_order_id for o in again] == [bid.client_order_id]
    assert again[0].price == D("49100") and again[0].status is S.NEW
    assert made.events(bid.client_order_id)[-2:] == [
        (E.REPLACE_SENT, S.PENDING_REPLACE),
        (E.REPLACED, S.NEW),
    ]
    assert made.order(ask.client_order_id).price == D("51000")


def test_a_quote_that_stands_as_wanted_is_not_sent_again() -> None:
    made = bench()
    orders = quoted(made)
    assert [o.client_order_id for o in quoted(made)] == [o.client_order_id for o in orders]
    assert len(made.twin.calls("private/mass_quote")) == 1


def test_quantity_0_takes_a_side_away() -> None:
    made = bench()
    bid, ask = quoted(made)
    gone = made.asked(quote(m.QuoteEntry(PERP, bid_quantity=D(0))))
    assert gone.accepted and gone.orders[0].status is S.CANCELED
    assert [o.client_order_id for o in made.open_orders()] == [ask.client_order_id]
    again = made.asked(quote(m.QuoteEntry(PERP, bid_quantity=D(0))))
    assert again.accepted and again.results[0].text == "there is no quote to take away"
    assert bid.client_order_id == gone.orders[0].client_order_id


def test_the_quantity_of_a_quote_is_what_remains_whatever_was_filled() -> None:
    made = bench()
    bid, _ = quoted(made)
    made.deliver(twin_of(made).fill(bid.venue_order_id, 40))
    assert made.order(bid.client_order_id).leaves_quantity == D(60)
    (again,) = quoted(made, entry("49000", None))
    assert (again.quantity, again.cum_quantity, again.leaves_quantity) == (D(140), D(40), D(100))
    assert [fill.owner for fill in made.fills()] == ["maker"]


def test_each_side_is_refused_with_its_own_reason() -> None:
    made = bench()
    twin_of(made).wrong["BTC-PERPETUAL", "ask"] = Refuse(10043, "price_wrong_tick")
    reply = made.asked(
        quote(
            entry("49000.3", "51000"),
            entry(instrument="deribit.NONE"),
            m.QuoteEntry(FUTURE, bid_price=D(1)),
        )
    )
    assert not reply.accepted and len(reply.results) == 5
    assert [(r.reason, r.field) for r in reply.results] == [
        (R.PRICE_OFF_TICK, "quotes[0].bid_price"),
        (R.PRICE_OFF_TICK, ""),
        (R.UNKNOWN_INSTRUMENT, "quotes[1].instrument"),
        (R.UNKNOWN_INSTRUMENT, "quotes[1].instrument"),
        (R.BAD_QUANTITY, "quotes[2].bid_quantity"),
    ]
    assert reply.results[1].orders[0].status is S.REJECTED
    assert made.open_orders() == []


def test_a_refused_change_leaves_the_quote_as_it_was() -> None:
    made = bench()
    bid, _ = quoted(made)
    twin_of(made).wrong["BTC-PERPETUAL", "bid"] = Refuse(10005, "price_too_low")
    reply = made.asked(quote(entry("49100", None)))
    assert reply.results[0].reason is R.BAD_PRICE
    order = made.order(bid.client_order_id)
    assert (order.status, order.price) == (S.NEW, D("49000"))


def test_a_call_that_is_refused_as_a_whole_refuses_every_side() -> None:
    made = bench()
    twin_of(made).refuse["private/mass_quote"] = Refuse(13902, "mass_quotes_disabled")
    reply = made.asked(quote())
    assert [r.reason for r in reply.results] == [R.UNSUPPORTED] * 2
    assert made.open_orders() == []


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (quote(mmp_group=""), R.BAD_REQUEST, "mmp_group"),
        (quote(mmp_group="a b"), R.BAD_REQUEST, "mmp_group"),
        (quote(tag="a b"), R.BAD_REQUEST, "tag"),
        (quote(entry(), entry()), R.BAD_REQUEST, "quotes[1].instrument"),
        (m.MassQuote([], "mm"), R.BAD_REQUEST, "quotes"),
        (m.MassQuote([m.QuoteEntry(PERP)], "mm"), R.BAD_REQUEST, "quotes"),
        (quote(*[entry(instrument=f"x.{n}") for n in range(101)]), R.BAD_REQUEST, "quotes"),
        (quote(expires_ns=1), R.LATE, "expires_ns"),
    ],
)
def test_a_command_that_cannot_be_is_refused_once(
    command: m.MassQuote, reason: R, field: str
) -> None:
    made = bench()
    reply = made.asked(command)
    assert (reply.accepted, reply.reason, reply.field, reply.results) == (False, reason, field, [])
    assert made.twin.calls("private/mass_quote") == []


def test_a_venue_or_an_account_without_quotes_refuses_before_anything_is_sent() -> None:
    leaving = Bench(QuoteTwin(T0 // MS)).start()
    reply = leaving.asked(quote())
    assert reply.reason is R.UNSUPPORTED and "on_disconnect: cancel" in reply.text
    other = bench()
    other.engine._quotes._quoting._entry = None
    other.engine._quotes._protections._entry = None
    for command in (quote(), m.CancelQuotes(), SETTINGS, m.QueryProtections()):
        assert other.asked(command).reason is R.UNSUPPORTED


def test_a_modify_of_a_quote_is_refused() -> None:
    made = bench()
    bid, _ = quoted(made)
    reply = made.asked(m.ModifyOrder(bid.client_order_id, price=D("49001"), owner="maker"))
    assert reply.reason is R.UNSUPPORTED


def test_a_side_that_another_owner_quotes_is_left_alone() -> None:
    made = bench()
    quoted(made)
    reply = made.asked(quote(entry("49100", None), owner="other"))
    assert reply.results[0].reason is R.BAD_REQUEST and "'maker'" in reply.results[0].text


def test_a_quote_waits_for_the_answer_to_the_one_before() -> None:
    made = bench()
    made.held = []
    first = made.ask(quote())
    reply = made.asked(quote(entry("49100", "51100")))
    assert [r.reason for r in reply.results] == [R.NOT_READY] * 2
    made.release()
    assert made.replies(first)[0].accepted


def test_the_same_request_is_carried_out_once() -> None:
    made = bench()
    first = made.asked(quote(), request_id="q")
    made.ask(quote(), request_id="q")
    assert made.replies("q") == [first, first]
    assert len(made.twin.calls("private/mass_quote")) == 1


def test_quotes_have_a_rate_budget_of_their_own() -> None:
    made = bench(
        rate_per_second=1.0, rate_burst=2.0, quote_rate_per_second=1.0, quote_rate_burst=3.0
    )
    quoted(made, entry("49000", None))
    quoted(made, entry("49001", None))
    late = made.asked(quote(entry("49002", None)))
    assert late.results[0].reason is R.RATE_LIMIT
    assert made.asked(place()).accepted


# --- exposure --------------------------------------------------------------------------------


def test_quotes_count_as_exposure_with_what_they_are_to_replace() -> None:
    made = bench(limits=LimitsConfig(max_position={PERP: "250"}))
    quoted(made, entry("49000", None))
    big = made.asked(quote(entry("49100", None, quantity="160")))
    assert big.results[0].reason is R.EXPOSURE and big.results[0].field == "quotes[0].bid_quantity"
    quoted(made, entry("49100", None, quantity="150"))
    assert made.asked(place(quantity="110")).reason is R.EXPOSURE
    assert made.asked(place(quantity="100")).accepted


def test_at_the_limit_of_open_orders_quotes_are_replaced_and_no_others_are_taken() -> None:
    """Also beyond it, where orders of somebody else may bring the account."""
    made = bench(limits=LimitsConfig(max_open_orders=2))
    before = quoted(made)
    limits = msgspec.structs.replace(made.engine._state.limits, max_open_orders=1)
    made.engine._state.limits = limits
    after = quoted(made, entry("48900", "51100"))
    assert [o.client_order_id for o in after] == [o.client_order_id for o in before]
    reply = made.asked(quote(entry("48800", "51200"), entry(instrument=FUTURE)))
    assert [r.reason for r in reply.results] == [None, None] + [R.MAX_OPEN_ORDERS] * 2
    assert len(made.open_orders()) == 2


def test_a_quote_on_its_way_counts_until_it_is_answered() -> None:
    made = bench(limits=LimitsConfig(max_position={PERP: "250"}))
    bid, _ = quoted(made)
    made.held = []
    made.ask(quote(entry("49100", None)))
    assert made.engine._state.store.open_quantity(PERP, m.Side.BUY) == D(200)
    frames = twin_of(made).fill(bid.venue_order_id, 100)
    made.held, held = None, made.held
    made.deliver(frames)
    assert made.order(bid.client_order_id).status is S.FILLED
    assert made.engine._state.store.open_quantity(PERP, m.Side.BUY) == D(100)
    made.deliver(held)
    assert made.engine._state.store.open_quantity(PERP, m.Side.BUY) == D(0)


# --- the order that was to be replaced is gone ------------------------------------------------


def test_a_quote_that_came_too_late_to_replace_becomes_an_order_of_the_same_owner() -> None:
    made = bench()
    bid, _ = quoted(made)
    made.held = []
    filled = twin_of(made).fill(bid.venue_order_id, 100)
    request = made.ask(quote(entry("49100", None), tag="later"))
    answers, made.held = made.held, None
    made.deliver(filled)
    made.deliver(answers)
    reply = made.replies(request)[0]
    new = reply.orders[0]
    assert reply.accepted and new.client_order_id != bid.client_order_id
    assert (new.owner, new.price, new.status, new.external) == ("maker", D("49100"), S.NEW, False)
    assert made.order(bid.client_order_id).status is S.FILLED
    assert made.engine._state.store.open_quantity(PERP, m.Side.BUY) == D(100)
    (again,) = quoted(made, entry("49200", None))
    assert again.client_order_id == new.client_order_id


# --- doubts and restarts ----------------------------------------------------------------------


def test_a_quote_without_an_answer_is_in_doubt_until_the_venue_tells() -> None:
    made = bench()
    made.held = []
    request = made.ask(quote())
    lost, made.held = made.held, None
    made.advance(2.5)
    reply = made.replies(request)[0]
    assert reply.in_doubt and [r.in_doubt for r in reply.results] == [True, True]
    made.advance(10)
    assert {o.status for o in made.open_orders()} == {S.NEW}
    assert lost and all(o.owner == "maker" for o in made.open_orders())


def test_a_quote_that_never_arrived_is_rejected_once_that_is_proved() -> None:
    made = bench()
    made.losing = True
    request = made.ask(quote())
    made.losing = False
    made.advance(20)
    assert made.replies(request)[0].in_doubt
    assert made.open_orders() == []
    assert made.engine._state.store.open_quantity(PERP, m.Side.BUY) == D(0)


def buying(made: Bench) -> Decimal:
    """What the checks count as working to buy."""
    return made.engine._state.store.open_quantity(PERP, m.Side.BUY)


def replaced_too_late(made: Bench) -> tuple[m.OrderUpdated, str]:
    """A quote that has ended, and the request that was to replace it: nothing told of either."""
    bid, _ = quoted(made)
    made.held = []
    twin_of(made).fill(bid.venue_order_id, 100)
    twin_of(made).untold = {("BTC-PERPETUAL", "bid")}
    request = made.ask(quote(entry("49100", "51100")))
    held, made.held = made.held, None
    twin_of(made).untold = set()
    made.deliver(held)
    return bid, request


def test_a_side_that_the_answer_leaves_out_counts_until_the_account_shows_what_it_did() -> None:
    made = bench()
    quoted(made)
    made.held = []
    twin_of(made).untold = {("BTC-PERPETUAL", "bid")}
    made.ask(quote(entry("49100", "51100")))
    made.release()
    assert buying(made) == D(200)
    made.advance(3)
    assert buying(made) == D(200)
    made.advance(4)
    assert buying(made) == D(100)


def test_the_successor_of_a_side_that_the_answer_leaves_out_keeps_its_owner() -> None:
    made = bench()
    bid, _ = replaced_too_late(made)
    assert made.order(bid.client_order_id).status is S.FILLED  # it was asked for
    assert buying(made) == D(100)
    made.advance(10)
    (new,) = [order for order in made.open_orders() if order.side is m.Side.BUY]
    assert (new.owner, new.external, new.price) == ("maker", False, D("49100"))
    assert new.client_order_id != bid.client_order_id and buying(made) == D(100)


def test_a_side_in_doubt_by_its_own_error_counts_until_it_is_settled() -> None:
    made = bench()
    quoted(made)
    twin_of(made).wrong = {("BTC-PERPETUAL", "bid"): Refuse(99999, "what_is_this")}
    made.ask(quote(entry("49100", None)))
    assert buying(made) == D(200)
    made.advance(8)
    assert buying(made) == D(100)


def test_without_a_link_nothing_tells_what_a_replacement_did() -> None:
    made = bench()
    quoted(made)
    made.losing = True
    made.ask(quote(entry("49100", None)))
    made.cut()
    made.advance(60)
    assert buying(made) == D(200)
    made.losing = False
    made.connect()
    made.advance(3)
    assert buying(made) == D(100)


@pytest.mark.parametrize("seen_after_s", [0.5, 2.5])
def test_row_43_a_clock_that_goes_back_gives_a_replacement_more_time(seen_after_s: float) -> None:
    """The venue may carry it out until its own clock shows its last moment."""
    made = bench()
    quoted(made)
    made.losing = True
    made.ask(quote(entry("49100", None)))
    made.advance(seen_after_s)
    made.losing = False
    twin_of(made).ahead_ms = -20_000
    made.placed(side=m.Side.SELL, price="51000")  # its answer shows the jump
    made.advance(20)
    assert buying(made) == D(200)
    made.advance(10)
    assert buying(made) == D(100)


def test_row_43_a_replacement_after_the_clock_went_back_is_taken_over() -> None:
    """Its answer shows the jump, and is of an earlier time than what was told before."""
    made = bench()
    bid, _ = quoted(made)
    twin_of(made).ahead_ms = -20_000
    made.ask(quote(entry("49100", None, quantity="50")))
    made.advance(10)
    now = made.order(bid.client_order_id)
    assert (now.status, now.price, now.quantity) == (S.NEW, 49100, 50)
    assert buying(made) == D(50)


def test_what_was_to_be_replaced_counts_twice_after_a_restart_too() -> None:
    made = bench()
    quoted(made)
    made.losing = True
    made.ask(quote(entry("49100", None)))
    again = made.restart(on_disconnect="cancel").start()
    assert buying(again) == D(200)
    again.advance(10)
    assert buying(again) == D(100)


def test_a_snapshot_keeps_what_may_still_become_another_order() -> None:
    made = bench()
    bid, _ = quoted(made)
    made.losing = True
    made.ask(quote(entry("49100", None)))
    made.losing = False
    made.deliver(twin_of(made).fill(bid.venue_order_id, 100))
    assert buying(made) == D(100)
    folded = Fold().take_all(records.decode(made.journal))
    made.journal[:] = [records.encode(each) for each in folded.entries()]
    again = made.restart(on_disconnect="cancel").start()
    assert buying(again) == D(100)
    again.advance(10)
    assert buying(again) == D(0)


def test_quotes_are_known_again_after_a_restart() -> None:
    made = bench()
    bid, ask = quoted(made)
    again = made.restart(on_disconnect="cancel").start()
    found = {o.client_order_id: o for o in again.open_orders()}
    assert set(found) == {bid.client_order_id, ask.client_order_id}
    assert {(o.owner, o.mmp_group, o.status) for o in found.values()} == {("maker", "mm", S.NEW)}
    moved = again.asked(quote(entry("49100", None)), request_id="moved")
    assert moved.orders[0].client_order_id == bid.client_order_id


def test_quotes_sent_just_before_the_engine_died_are_recognised() -> None:
    made = bench()
    made.held = []
    made.ask(quote())
    again = made.restart(on_disconnect="cancel").start()
    again.advance(10)
    orders = again.open_orders()
    assert {(o.owner, o.status, o.external) for o in orders} == {("maker", S.NEW, False)}
    assert len(orders) == 2 and len(twin_of(made).open_ids) == 2


def test_a_replacement_sent_just_before_the_engine_died_keeps_its_owner() -> None:
    made = bench()
    bid, _ = quoted(made, entry("49000", "51000"))
    made.held = []
    twin_of(made).fill(bid.venue_order_id, 100)
    made.ask(quote(entry("49100", None)))
    again = made.restart(on_disconnect="cancel").start()
    again.advance(10)
    bids = [o for o in again.open_orders() if o.side is m.Side.BUY]
    assert [(o.owner, o.price, o.external) for o in bids] == [("maker", D("49100"), False)]


def test_the_journal_tells_whose_quotes_are_open_when_the_engine_is_dead(tmp_path: Path) -> None:
    made = bench()
    bid, _ = quoted(made)
    run_dir = RunDir(tmp_path / "run")
    run_dir.create()
    directory = journal_directory(run_dir, "deribit", "main")
    log = SegmentedLog(directory, segments.load(directory))
    log.write(made.journal)
    log.close()
    found = orders_of(run_dir, "deribit", "main", "maker")
    assert {bid.client_order_id, f"{bid.quote_id}/BTC-PERPETUAL/BUY"} <= found
    assert orders_of(run_dir, "deribit", "main", "other") == set()


# --- cancels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "params"),
    [
        (m.CancelQuotes(), {"cancel_type": "all"}),
        (m.CancelQuotes(quote_set="set"), {"cancel_type": "quote_set_id", "quote_set_id": "set"}),
        (
            m.CancelQuotes(instrument=PERP),
            {"cancel_type": "instrument", "instrument_name": "BTC-PERPETUAL"},
        ),
        (m.CancelQuotes(currency="BTC"), {"cancel_type": "currency", "currency": "BTC"}),
        (m.CancelQuotes(owner="maker"), {"cancel_type": "quote_set_id", "quote_set_id": "set"}),
        (m.CancelQuotes(mmp_group="mm"), {"cancel_type": "quote_set_id", "quote_set_id": "set"}),
    ],
)
def test_quotes_are_cancelled_with_one_call(filters: m.CancelQuotes, params: Any) -> None:
    made = bench()
    quotes = quoted(made)
    plain = made.placed()
    reply = made.asked(filters)
    assert reply.accepted and len(reply.results) == 2
    assert {o.client_order_id for o in reply.orders} == {o.client_order_id for o in quotes}
    assert made.twin.calls("private/cancel_quotes") == [params]
    assert [o.client_order_id for o in made.open_orders()] == [plain.client_order_id]


def test_filters_that_the_venue_has_no_call_for_cancel_one_by_one() -> None:
    made = bench()
    quoted(made)
    quoted(made, entry("48000", None, instrument=FUTURE))
    reply = made.asked(m.CancelQuotes(instrument=FUTURE, owner="maker"))
    assert reply.accepted and len(reply.orders) == 1
    assert made.twin.calls("private/cancel_quotes") == []
    assert len(made.open_orders()) == 2


def test_a_delta_range_needs_both_ends_and_means_options() -> None:
    made = bench()
    quoted(made)
    assert made.asked(m.CancelQuotes(min_delta=0.1)).field == "min_delta"
    reply = made.asked(m.CancelQuotes(instrument="deribit.NONE"))
    assert reply.reason is R.UNKNOWN_INSTRUMENT
    made.bus(f"ticker.{PERP}", msgspec.structs.replace(TICKER, delta=0.5))
    reply = made.asked(m.CancelQuotes(min_delta=0.6, max_delta=1.0))
    assert reply.accepted and reply.orders == []
    assert made.twin.calls("private/cancel_quotes")[0]["cancel_type"] == "delta"


def test_cancel_all_of_an_owner_takes_whole_sets_at_once() -> None:
    made = bench()
    quoted(made)
    other = made.placed()
    reply = made.asked(m.CancelAll(owner="maker"))
    assert reply.accepted and len(reply.orders) == 2
    assert len(made.twin.calls("private/cancel_quotes")) == 1
    assert [o.client_order_id for o in made.open_orders()] == [other.client_order_id]


def test_cancel_all_and_the_kill_switch_cancel_quotes_too() -> None:
    made = bench()
    quoted(made)
    assert len(made.asked(m.CancelAll()).orders) == 2
    quoted(made)
    made.feed(c.LatchChanged({"desk": "a test"}))
    assert made.open_orders() == []
    reply = made.asked(quote())
    assert [r.reason for r in reply.results] == [R.KILL_SWITCH] * 2


def test_a_strategys_latch_cancels_its_quotes_in_one_call() -> None:
    made = bench()
    quoted(made)
    kept = made.placed()
    made.feed(c.LatchChanged({"strategy.maker": "a test"}))
    assert [o.client_order_id for o in made.open_orders()] == [kept.client_order_id]
    assert len(made.twin.calls("private/cancel_quotes")) == 1


def test_quotes_that_the_shell_held_back_were_never_sent() -> None:
    made = bench()
    bid, _ = quoted(made)
    made.losing = True
    request = made.ask(quote(entry("49100", "51000", instrument=PERP), entry(instrument=FUTURE)))
    made.losing = False
    sent = [x for x in made.commands if isinstance(x, c.LinkSend) and x.refers]
    assert "desk" in sent[-1].unless
    made.feed(c.SendWithheld(sent[-1].refers, "the kill switch is on"))
    reply = made.replies(request)[0]
    assert [r.reason for r in reply.results if not r.accepted] == [R.KILL_SWITCH] * 3
    assert made.order(bid.client_order_id).status is S.NEW
    assert made.engine._state.store.open_quantity(FUTURE, m.Side.BUY) == D(0)


# --- protection -------------------------------------------------------------------------------


def test_protection_is_set_told_and_asked_for() -> None:
    made = bench()
    assert protections(made)[-1].event is m.ProtectionEvent.SET
    reply = made.asked(m.QueryProtections())
    (found,) = reply.protections
    assert (found.index, found.mmp_group, found.interval_s) == ("btc_usd", "mm", 5)
    assert found.quantity_limit == D(5) and found.frozen_until_ns is None
    made.feed(c.Subscribed(TOPIC, True))
    snapshot = next(x for x in reversed(made.commands) if isinstance(x, c.PublishSnapshot))
    assert snapshot.message == m.ProtectionSnapshot("deribit", "main", [found])


def test_protection_is_read_at_every_login() -> None:
    made = bench()
    until = T0 // MS + 60_000
    twin_of(made).frozen = [{"index_name": "btc_usd", "mmp_group": "mm", "frozen_until": until}]
    again = made.restart(on_disconnect="cancel").start()
    (told,) = protections(again)
    assert (told.interval_s, told.frozen_until_ns) == (5, until * MS)


def test_a_trigger_is_told_and_nothing_is_quoted_until_a_reset() -> None:
    made = bench()
    quoted(made)
    made.deliver(twin_of(made).trigger())
    told = protections(made)[-1]
    assert (told.event, told.frozen_until_ns) == (m.ProtectionEvent.TRIGGERED, 0)
    assert {o.text for o in made.asked(m.QueryOrders(closed=True)).orders} == {"mmp_trigger"}
    reply = made.asked(quote())
    assert [r.reason for r in reply.results] == [R.PROTECTION] * 2
    assert "until it is reset" in reply.results[0].text
    reset = made.asked(m.ResetProtection("btc_usd", "mm"))
    assert reset.accepted and reset.protections[0].frozen_until_ns is None
    assert protections(made)[-1].event is m.ProtectionEvent.RESET
    quoted(made)


def test_protection_that_acts_for_a_time_lets_quotes_pass_after_it() -> None:
    made = bench()
    made.deliver(twin_of(made).trigger(until=made.now // MS + 1_000))
    assert made.asked(quote()).results[0].reason is R.PROTECTION
    made.advance(1.0)
    quoted(made)


def test_a_group_without_protection_is_refused_before_the_venue_is_asked() -> None:
    made = bench()
    reply = made.asked(quote(mmp_group="other"))
    assert [r.reason for r in reply.results] == [R.PROTECTION] * 2
    assert made.twin.calls("private/mass_quote") == []


def test_interval_0_removes_protection() -> None:
    made = bench()
    reply = made.asked(m.SetProtection("btc_usd", "mm", 0))
    assert reply.accepted and reply.protections == []
    assert protections(made)[-1].event is m.ProtectionEvent.REMOVED


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (m.SetProtection("", "mm", 5, 5, D(1)), "index"),
        (m.SetProtection("btc_usd", "a b", 5, 5, D(1)), "mmp_group"),
        (m.SetProtection("btc_usd", "mm", 3601, 5, D(1)), "interval_s"),
        (m.SetProtection("btc_usd", "mm", 5, -1, D(1)), "frozen_s"),
        (m.SetProtection("btc_usd", "mm", 5, 5), "max_quote_quantity"),
        (m.SetProtection("btc_usd", "mm", 5, 5, D(1), delta_limit=D(0)), "delta_limit"),
        (m.ResetProtection("", "mm"), "index"),
    ],
)
def test_settings_that_make_no_sense_name_their_field(command: m.Command, field: str) -> None:
    made = bench()
    reply = made.asked(command)
    assert (reply.accepted, reply.reason, reply.field) == (False, R.BAD_REQUEST, field)


def test_what_the_venue_says_against_settings_is_told() -> None:
    made = bench()
    reply = made.asked(m.ResetProtection("eth_usd", "mm"))
    assert (reply.accepted, reply.reason) == (False, R.PROTECTION)


def test_settings_without_an_answer_are_in_doubt() -> None:
    made = bench()
    made.losing = True
    asked, changed = made.ask(m.QueryProtections()), made.ask(SETTINGS)
    made.advance(2.5)
    assert made.replies(asked)[0].reason is R.NOT_READY
    assert made.replies(changed)[0].in_doubt
    made.losing = False
    again = made.ask(m.SetProtection("btc_usd", "mm", 6, 5, D(1)))
    assert made.replies(again)[0].accepted


def test_a_broken_link_ends_the_wait_for_settings() -> None:
    made = bench()
    made.losing = True
    request = made.ask(SETTINGS)
    made.cut()
    assert made.replies(request)[0].in_doubt
    assert made.asked(m.QueryProtections()).reason is R.LINK_DOWN


def test_an_answer_that_cannot_be_read_leaves_the_quotes_in_doubt() -> None:
    made = bench()
    made.held = []
    request = made.ask(quote(entry("49000", None)))
    frames, made.held = made.held, None
    answer = json.loads(next(frame for frame in frames if b'"errors"' in frame))
    answer["result"] = {"orders": [{"order_id": 1}]}
    made.deliver([json.dumps(answer).encode()])
    assert made.replies(request)[0].in_doubt
    made.advance(5)
    assert [o.status for o in made.open_orders()] == [S.NEW]


def test_prices_come_before_the_first_quote_is_judged() -> None:
    made = bench()
    made.prices = False
    request = made.ask(quote(entry(instrument=FUTURE)))
    assert made.replies(request) == []
    for name in ("quote", "ticker"):
        told = QUOTE if name == "quote" else TICKER
        made.bus(f"{name}.{FUTURE}", msgspec.structs.replace(told, instrument=FUTURE))
    assert made.replies(request)[0].accepted


def test_a_larger_replacement_counts_with_what_it_replaces_and_no_more() -> None:
    made = bench(limits=LimitsConfig(max_position={PERP: "250"}))
    quoted(made, entry("49000", None, "60"))
    made.held = []
    made.ask(quote(entry("49100", None, "190")))
    assert buying(made) == D(250)
    made.release()
    assert buying(made) == D(190)
