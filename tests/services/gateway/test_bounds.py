"""Nothing in a gateway grows with the time that it runs: every table has a bound."""

from __future__ import annotations

from collections import deque
from types import MethodType
from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.config import KeyConfig
from common.messages import Exact
from services.gateway import accounts, catalog, history
from services.gateway.connections import STUCK_LOOKS, Connections
from services.gateway.events import ClientBlocked, ClientClosed, ClientDrained, KeysChanged
from services.gateway.keys import KeyRing
from services.gateway.sessions import QUEUE, TOO_SLOW
from tests.services.gateway.fake_desk import definition
from tests.services.gateway.kit import BTC, KEYS, SECOND, T0, Desk, config, order
from tests.services.gateway.test_account import position
from tests.services.gateway.test_keys import PLACE
from tests.services.gateway.test_memory import fill

SMALL = 20


def size(root: object) -> int:
    """How many entries all containers that hang on this object have."""
    seen: set[int] = set()
    total, todo = 0, [root]
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, str | bytes | int | float | type):
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            total += len(each)
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset | deque):
            total += len(each)
            todo += each
        elif isinstance(each, msgspec.Struct):
            todo += [getattr(each, name) for name in each.__struct_fields__]
        elif not isinstance(each, MethodType):
            names = getattr(type(each), "__slots__", ())
            todo += [getattr(each, name, None) for name in names]
            todo += vars(each).values() if hasattr(each, "__dict__") else []
    return total


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are reached soon."""
    for name in ("MAX_CLOSED", "MAX_FILLS", "MAX_DIFFERENCES", "MAX_FLAT"):
        monkeypatch.setattr(accounts, name, SMALL)
    monkeypatch.setattr(catalog, "MAX_EXPIRED", SMALL)
    for name in ("SECONDS", "MINUTES"):
        monkeypatch.setattr(history, name, SMALL)


def rounds(desk: Desk, first: int, count: int) -> None:
    for number in range(first, first + count):
        one_round(desk, number)


def one_round(desk: Desk, number: int) -> None:
    """A client comes, reads, trades and goes; keys, instruments and processes change."""
    client = desk.client(number, "demo")
    desk.subscribe(client, f"book.{BTC}", f"depth.{BTC}.{number % 20 + 1}.100ms", "orders")
    desk.subscribe(client, f"index.deribit.i{number}", "fills", "risk", "nothing")
    desk.call(client, "auth.challenge", key_id=f"k{number}")
    desk.call(client, f"method{number}")
    desk.book([1.0, 2.0], [3.0, 4.0])
    trade(desk, client, number)
    change(desk, number)
    desk.feed(ClientBlocked(client))
    desk.feed(ClientDrained(client))
    desk.feed(ClientClosed(client))
    desk.later(90)


def trade(desk: Desk, client: int, number: int) -> None:
    desk.call(client, "order.place", **PLACE, request_id=f"r{number}")
    made = order(number, created_ns=desk.now, updated_ns=desk.now)
    desk.reply(accepted=True, orders=[made])
    desk.call(client, "order.place", **PLACE, request_id=f"unanswered{number}")
    late = desk.asked[-1]
    desk.feed(c.RequestFailed(late.target, late.request_id, True, "no answer in time"))
    done = msgspec.structs.replace(made, status=m.OrderStatus.CANCELED, revision=2)
    desk.bus("order.deribit.main.demo", done)
    desk.bus("fill.deribit.main.demo", fill(number))
    desk.asked.clear()


def change(desk: Desk, number: int) -> None:
    name = f"BTC-{number}DEC26"
    listed = definition(name, m.InstrumentKind.FUTURE, "BTC")
    desk.bus(f"instrument.{listed.instrument}", listed)
    gone = m.InstrumentState(listed.instrument, m.InstrumentStatus.EXPIRED)
    desk.bus(f"instrument.{listed.instrument}", gone)
    desk.bus("account.deribit.main", position(listed.instrument, "1"))
    desk.bus("account.deribit.main", position(listed.instrument, "0"))
    key = KeyConfig("trader", secret=f"secret-{number}", scopes=["trade"], orders_per_second=5.0)
    changing = msgspec.structs.replace(key, key_id="changing")
    desk.feed(KeysChanged(KeyRing([*KEYS, changing])))
    client = desk.client(10**6 + number)
    desk.call(client, "auth", key_id="changing", secret=f"secret-{number}")
    desk.call(client, "order.place", **PLACE)
    desk.reply(accepted=False, reason=m.RejectReason.RATE_LIMIT, text="too much")
    desk.feed(ClientClosed(client))
    beat = m.Health("market_data.deribit", "ready", 1, desk.now, links={f"link{number}": True})
    desk.bus("health.market_data.deribit", beat)


def test_row_75_clients_orders_and_listings_that_come_and_go_leave_nothing(small: None):
    desk = Desk()
    rounds(desk, 1, 3 * SMALL)
    before = size(desk.core)
    rounds(desk, 3 * SMALL + 1, 6 * SMALL)
    assert size(desk.core) <= before + SMALL


def test_the_newest_expired_instruments_and_flat_positions_are_still_found(small: None):
    desk = Desk()
    for number in range(1, 2 * SMALL + 1):
        change(desk, number)
    named = [f"deribit.BTC-{number}DEC26" for number in (1, 2 * SMALL)]
    assert [desk.core.reading.catalog.get(name) is not None for name in named] == [False, True]
    flat = desk.core.reading.holdings.positions([("deribit", "main")], flat=True)
    assert {item.instrument for item in flat} == {
        f"deribit.BTC-{number}DEC26" for number in range(SMALL + 1, 2 * SMALL + 1)
    }


def test_a_position_that_was_flat_and_is_held_again_stays(small: None):
    holdings = accounts.Holdings()
    holdings.apply(position(BTC, "0"))
    holdings.apply(position(BTC, "5"))
    for number in range(2 * SMALL):
        holdings.apply(position(f"deribit.X-{number}", "0"))
    assert [p.quantity for p in holdings.positions([("deribit", "main")], flat=False)] == [
        Exact("5")
    ]


@pytest.mark.parametrize("method", ["order.cancel_all", "order.cancel_quotes", "mmp.list"])
def test_a_call_that_concerns_no_account_is_answered_at_once(method: str):
    desk = Desk()
    status, answer = desk.ask(method, venue="other")
    assert status == 200 and desk.asked == []
    assert answer.get("orders", []) == [] and answer.get("accepted", True)


def test_a_mode_for_a_venue_without_accounts_is_refused():
    status, answer = Desk().ask("mode.set", venue="other", mode="HALTED", reason="test")
    assert (status, answer["error"]["data"]["reason"]) == (404, "NOT_FOUND")


def test_a_client_past_its_bound_is_told_once_and_nothing_is_kept_for_it():
    desk = Desk()
    client = desk.client(1, "demo")
    desk.subscribe(client, "orders")
    desk.feed(ClientBlocked(client))
    told: list[Any] = []
    for number in range(QUEUE + 100):
        event = c.BusMessage("order.x", order(number), number, 7, 0, T0, T0, T0)
        told += desk.core.handle(event, T0)
    assert [command.code for command in told] == [TOO_SLOW]
    assert desk.core.sessions[client].take_queue() == []


class Transport:
    """What is left of an answer, and whether it was cut."""

    def __init__(self, waiting: int) -> None:
        self.waiting, self.is_cut = waiting, False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_cut = True


class Protocol:
    def __init__(self, waiting: int) -> None:
        self.transport = Transport(waiting)


class Server:
    def __init__(self, *connections: Protocol) -> None:
        self.connections = connections


def test_who_does_not_take_an_answer_is_cut_and_who_takes_it_slowly_is_not():
    stuck, slow, idle, spared = (Protocol(size) for size in (1000, 1000, 0, 1000))
    loop: Any = None
    server: Any = Server(stuck, slow, idle, spared)
    connections = Connections(loop, server)
    for _ in range(STUCK_LOOKS + 2):
        slow.transport.waiting -= 1
        connections.look([spared.transport])  # type: ignore[list-item]
    cut = [protocol.transport.is_cut for protocol in (stuck, slow, idle, spared)]
    assert cut == [True, False, False, False]


def test_the_rate_of_a_key_holds_over_a_quiet_moment():
    key = KeyConfig("slow", secret="slow-secret", scopes=["trade"], orders_per_second=1.0)
    desk = Desk(config(keys=[*KEYS, key]))
    assert desk.http("order.place", "slow", **PLACE) not in desk.answers
    desk.now += SECOND // 2
    desk.core.on_second(desk.now)
    assert desk.ask("order.place", "slow", **PLACE)[1]["error"]["data"]["reason"] == "RATE_LIMIT"
    desk.later(2)
    assert desk.http("order.place", "slow", **PLACE) not in desk.answers
