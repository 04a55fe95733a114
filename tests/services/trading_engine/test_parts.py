"""The small parts of the engine: ids, start counter, pacing, records, the store."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from common import messages as m
from common.domain.order import Order
from common.errors import ConfigError, LocalError
from services.trading_engine import records
from services.trading_engine.ids import ClientOrderIds, engine_of
from services.trading_engine.ledger import Ledger, Request, fingerprint, key_of
from services.trading_engine.pacing import Pacer
from services.trading_engine.start_counter import StartCounter
from services.trading_engine.store import CLOSED_KEPT, DAY_NS, OrderStore
from tests.services.trading_engine.kit import SECOND, T0, Bench, place

D = Decimal


def state(
    number: int, status: m.OrderStatus = m.OrderStatus.NEW, owner: str = ""
) -> m.OrderUpdated:
    return m.OrderUpdated(
        client_order_id=str(number),
        venue_order_id=f"V{number}",
        instrument="deribit.X",
        venue="deribit",
        account="main",
        owner=owner,
        side=m.Side.BUY,
        order_type=m.OrderType.LIMIT,
        price=D("1"),
        quantity=D("10"),
        time_in_force=m.TimeInForce.GTC,
        status=status,
        cum_quantity=D("0"),
        leaves_quantity=D("10"),
        avg_price=None,
        event=m.OrderTrigger.ACCEPTED,
        revision=1,
        created_ns=T0,
        updated_ns=T0,
    )


def fill(number: int, filled_ns: int = T0) -> m.Fill:
    return m.Fill(
        exec_id=f"T{number}",
        client_order_id="1",
        venue_order_id="V1",
        instrument="deribit.X",
        venue="deribit",
        account="main",
        owner="",
        side=m.Side.SELL,
        last_price=D("1"),
        last_quantity=D("2"),
        liquidity=m.Liquidity.TAKER,
        fee=D("0"),
        fee_currency="BTC",
        filled_ns=filled_ns,
    )


# --- ids ---------------------------------------------------------------------------------------


def test_ids_fit_64_bits_name_their_engine_and_never_repeat():
    first, second = ClientOrderIds(3, 1), ClientOrderIds(3, 2)
    made = [first.next(), first.next(), second.next(), second.next()]
    assert len(set(made)) == 4
    assert all(2**63 <= int(name) < 2**64 and engine_of(name) == 3 for name in made)
    assert first.is_ours(made[3]) and not ClientOrderIds(4, 1).is_ours(made[0])


@given(st.text(max_size=25))
def test_foreign_labels_are_not_ours(text: str):
    assert engine_of(text) is None or 2**63 <= int(text) < 2**64


@pytest.mark.parametrize(("engine", "start"), [(256, 1), (-1, 1), (1, 65536), (1, -1)])
def test_ids_refuse_what_does_not_fit(engine: int, start: int):
    with pytest.raises(LocalError):
        ClientOrderIds(engine, start)


def test_the_start_counter_grows_and_is_on_disk(tmp_path: Path):
    path = tmp_path / "deribit.main.start"
    assert [StartCounter(path).next() for _ in range(3)] == [1, 2, 3]
    assert path.read_text() == "3\n"


@pytest.mark.parametrize("text", ["", "x", "-1", "65535"])
def test_a_start_counter_that_cannot_go_on_is_a_config_error(tmp_path: Path, text: str):
    path = tmp_path / "start"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        StartCounter(path).next()
    assert str(path) in str(caught.value)


def test_a_start_counter_without_its_directory_is_a_config_error(tmp_path: Path):
    with pytest.raises(ConfigError):
        StartCounter(tmp_path / "missing" / "start").next()


# --- pacing ------------------------------------------------------------------------------------


def test_a_reserve_is_kept_for_cancels():
    pacer = Pacer(5.0, 20.0)
    places = sum(pacer.take(T0, is_cancel=False) for _ in range(30))
    cancels = sum(pacer.take(T0, is_cancel=True) for _ in range(30))
    assert (places, cancels) == (14, 5)


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), max_size=80))
def test_no_more_is_sent_than_the_venue_allows(calls: list[tuple[int, bool]]):
    """The venue's own bucket, filled to its burst, never runs dry."""
    pacer, now, tokens = Pacer(5.0, 20.0), T0, 20.0
    for wait_ms, is_cancel in calls:
        now += wait_ms * 1_000_000
        tokens = min(20.0, tokens + wait_ms * 5.0 / 1000)
        if pacer.take(now, is_cancel=is_cancel):
            tokens -= 1
        assert tokens >= 0


def test_what_an_earlier_life_sent_counts_until_the_venue_forgets_it():
    pacer = Pacer(5.0, 20.0)
    for number in range(25):
        pacer.spent(T0 + number)
    sent = sum(pacer.take(T0 + SECOND, is_cancel=True) for _ in range(30))
    assert sent == 0
    assert sum(pacer.take(T0 + 10 * SECOND, is_cancel=True) for _ in range(30)) == 19


def test_silence_closes_the_pacer_until_its_end():
    pacer = Pacer(5.0, 20.0)
    pacer.silence(T0 + SECOND)
    assert not pacer.take(T0, is_cancel=True)
    ready = pacer.ready_ns(T0, is_cancel=True)
    assert ready >= T0 + SECOND and pacer.take(ready, is_cancel=True)


# --- records -----------------------------------------------------------------------------------


def test_records_come_back_as_they_were_written():
    order = state(1)
    entry = records.Entry(
        T0,
        [
            records.StartRecord(7, "build"),
            records.RequestRecord("k", "r", place()),
            records.RequestRecord("k", "r", m.PlaceOrders([place(), place("1")])),
            records.IntentRecord("k", "r", 0, "modify", order, T0, D("1.50"), None, None, True),
            records.ReportRecord(order, "answer"),
            records.FillRecord(fill(1)),
            records.VerdictRecord("1", m.OrderStatus.REJECTED, "absent"),
            records.ReplyRecord("k", m.CommandReply("r", True, orders=[order])),
            records.ModeRecord(m.TradingMode.HALTED, "why", "who"),
            records.SyncRecord(False, T0),
        ],
    )
    assert records.decode([records.encode(entry)]) == [entry]


def test_a_record_that_cannot_be_read_is_named():
    good = records.encode(records.Entry(T0, []))
    with pytest.raises(LocalError, match="record 1"):
        records.decode([good, b"\x93\x01"])


def test_every_record_a_busy_engine_writes_can_be_read():
    bench = Bench().start()
    order = bench.placed()
    bench.asked(m.ModifyOrder(order.client_order_id, price=D("49500")))
    bench.deliver(bench.twin.fill("V1", 40))
    bench.asked(m.CancelOrder(order.client_order_id))
    entries = records.decode(bench.journal)
    assert [records.encode(entry) for entry in entries] == bench.journal


# --- ledger and store --------------------------------------------------------------------------


def test_a_retry_with_a_new_expiry_is_the_same_command():
    assert fingerprint(place(expires_ns=1)) == fingerprint(place(expires_ns=2))
    assert fingerprint(place("1")) != fingerprint(place("2"))


def test_keys_separate_owners_and_senders():
    keys = {
        key_of(place(owner="a"), "s", "1"),
        key_of(place(owner="b"), "s", "1"),
        key_of(place(), "s", "1"),
        key_of(place(), "t", "1"),
        key_of(m.PlaceOrders([place(owner="c")]), "s", "1"),
    }
    assert len(keys) == 5


def test_stored_answers_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.trading_engine.ledger.ANSWERS_KEPT", 3)
    ledger = Ledger()
    for number in range(5):
        request = Request(f"k{number}", "r", "s", place(), [])
        ledger.close(request, m.CommandReply("r", True))
    kept = [number for number in range(5) if ledger.answer_of(f"k{number}")]
    assert kept == [2, 3, 4]


def test_the_store_keeps_open_orders_and_the_last_closed_ones():
    store = OrderStore()
    store.put(Order(state(0)))
    for number in range(1, CLOSED_KEPT + 3):
        store.put(Order(state(number, m.OrderStatus.CANCELED)))
    assert store.get("0") is not None and store.by_venue_id("V0") is not None
    assert store.get("1") is None and store.by_venue_id("V1") is None
    assert [order.client_order_id for order in store.select()] == ["0"]


def test_fills_of_the_last_day_are_told_newest_kept():
    store = OrderStore()
    store.add_fill(fill(1, T0 - DAY_NS))
    for number in range(2, 6):
        store.add_fill(fill(number))
    fills, has_more = store.fills(T0, limit=3)
    assert [one.exec_id for one in fills] == ["T3", "T4", "T5"] and has_more
    assert len(store.fills(T0)[0]) == 4 and not store.fills(T0)[1]
    assert store.knows_fill("T1")


def test_a_fill_moves_our_own_quantity():
    store = OrderStore()
    store.move(fill(1))
    assert store.positions == {"deribit.X": D("-2")}
