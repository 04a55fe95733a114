"""What the desk makes of the faults: real cores and the simulated venue in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from common import config as configuration, core as c, messages as m
from common.domain.backoff import Backoff
from common.venues import load
from services.market_data.core import MarketData
from services.strategy_host.virtual import VirtualDesk
from services.trading_engine.core import TradingEngine
from services.venue_simulator import control
from services.venue_simulator.core import VenueSimulator
from tests.services.trading_engine.simulated import Client

DEMO = Path(__file__).parents[3] / "config" / "demo.yaml"
START_NS = 1_790_000_000_000_000_000
PERP, SYMBOL = "deribit.BTC-PERPETUAL", "BTC-PERPETUAL"
BOOK, ORDERS = f"book.{PERP}", "orders.deribit.main"
SMALL = {"option_expiries": 1, "strikes_per_expiry": 2}


class Desk:
    """Market data, trading engine and venue; messages: all that was published, by topic."""

    def __init__(self, *, cancel_on_disconnect: bool = False, **simulator_settings: Any) -> None:
        config = configuration.load(DEMO)
        settings, account = config.venue("deribit"), config.account("deribit", "main")
        venue, key = load("deribit"), configuration.credentials(account.credentials)
        self.desk = VirtualDesk(START_NS)
        self.messages: list[tuple[str, m.Event]] = []
        self.desk.tap = lambda topic, message: self.messages.append((topic, message))
        simulator = msgspec.structs.replace(config.simulators[0], **(SMALL | simulator_settings))
        self.venue = VenueSimulator(venue, simulator, START_NS)
        self.desk.set_venue(self.venue)
        reference = venue.reference(settings.http_url)
        feed = MarketData(
            "deribit",
            settings.websocket_url,
            settings.market_data,
            lambda: venue.feed(key),
            reference,
            lambda: 0.5,
        )
        entry = venue.orders(key, cancel_on_disconnect=cancel_on_disconnect)
        engine = TradingEngine(
            "deribit",
            account,
            settings.websocket_url,
            entry,
            Backoff(lambda: 0.5),
            start_counter=1,
            journal=[],
        )
        self.desk.add("market_data.deribit", feed, publisher="md.deribit")
        self.desk.add(
            "trading_engine.deribit.main",
            engine,
            publisher="order_events.deribit.main",
            router=ORDERS,
        )
        self.client = Client()
        self._node = self.desk.add("client", self.client, publisher="client")
        self.run_till(lambda: bool(self.of(m.BookSnapshot)))
        self.run_till(lambda: self.desk.nodes["trading_engine.deribit.main"].state.state == "ready")

    def control(self, action: control.Action) -> dict[str, Any]:
        result, outputs = self.venue.control.run(action, self.desk.now_ns)
        self.desk._do_venue(outputs)
        return result

    def of(self, kind: type[Any], since: int = 0) -> list[Any]:
        return [x for _, x in self.messages[since:] if isinstance(x, kind) and about(x)]

    def run_till(self, is_so: Callable[[], bool], limit_s: float = 60) -> None:
        self.desk.run_till(is_so, limit_s)

    def place(self, name: str, below: float = 0.01, **more: Any) -> m.CommandReply:
        """Ask to buy below the market; the answer."""
        bid = next(x.bids[0] for x in reversed(self.of(m.Depth)) if x.bids)
        price = Decimal(int(bid * (1 - below)))
        order = m.PlaceOrder(PERP, m.Side.BUY, Decimal(10), price=price, tag=name, **more)
        known = len(self.client.replies)
        request = c.Request(ORDERS, name, order)
        self.desk._do(self._node, [request])
        self.run_till(lambda: len(self.client.replies) > known)
        return self.client.replies[-1]

    def order(self, name: str) -> m.OrderUpdated:
        return next(x for x in reversed(self.of(m.OrderUpdated)) if x.tag == name)


def about(message: Any) -> bool:
    return getattr(message, "instrument", PERP) == PERP


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_row_19_an_order_without_an_answer_is_in_doubt_and_then_settled(desk: Desk) -> None:
    desk.control(control.FreezeChannel(channel="user.*"))
    desk.control(control.DropAnswers(method="private/buy"))
    reply = desk.place("doubt")
    assert (reply.accepted, reply.in_doubt) == (False, True)
    assert any(x.in_doubt_since_ns for x in desk.of(m.OrderUpdated) if x.tag == "doubt")
    desk.run_till(lambda: desk.order("doubt").in_doubt_since_ns is None)
    assert desk.order("doubt").status is m.OrderStatus.NEW


def test_row_44_a_lost_book_change_makes_the_book_stale_until_it_is_whole_again(desk: Desk) -> None:
    since = len(desk.messages)
    desk.control(control.LoseNotifications(channel=f"book.{SYMBOL}.*"))
    desk.run_till(lambda: bool(desk.of(m.BookStale, since)))
    stale = desk.of(m.BookStale, since)[0]
    assert stale.reason
    after = desk.messages.index((BOOK, stale))
    desk.run_till(lambda: bool(desk.of(m.BookSnapshot, after)), 10)


def test_row_46_a_frozen_book_is_found_by_comparison(desk: Desk) -> None:
    since = len(desk.messages)
    desk.control(control.FreezeChannel(channel=f"book.{SYMBOL}.*"))
    desk.run_till(lambda: bool(desk.of(m.BookStale, since)), 30)
    assert desk.of(m.BookStale, since)[0].reason == "its channel has stopped"
    desk.control(control.ClearFaults())
    after = len(desk.messages)
    desk.run_till(lambda: bool(desk.of(m.BookSnapshot, after)), 120)


def test_row_37_doubled_and_reordered_order_events_change_nothing(desk: Desk) -> None:
    desk.control(control.DuplicateNotifications(channel="user.*", next=20))
    desk.control(control.ReorderNotifications(channel="user.*", next=20))
    assert desk.place("twice").accepted
    desk.desk.run_for(3)
    assert desk.order("twice").status is m.OrderStatus.NEW
    assert desk.order("twice").cum_quantity == 0


def test_row_42_a_halted_instrument_refuses_orders(desk: Desk) -> None:
    desk.control(control.Halt(symbol=SYMBOL))
    reply = desk.place("halted")
    assert not reply.accepted and not reply.in_doubt
    desk.control(control.Resume(symbol=SYMBOL))
    desk.desk.run_for(40)
    assert desk.place("resumed").accepted


def test_row_33_an_expired_login_is_made_again(desk: Desk) -> None:
    desk.desk.run_for(10)
    assert desk.control(control.ExpireTokens(client_id="demo"))["expired"] > 0
    desk.desk.run_for(0.1)
    desk.place("expired")
    desk.desk.run_for(15)
    assert desk.place("again").accepted


def test_cut_links_come_back(desk: Desk) -> None:
    since = len(desk.messages)
    assert desk.control(control.CutConnections())["cut"] >= 2
    desk.run_till(lambda: bool(desk.of(m.BookSnapshot, since)), 30)
    desk.run_till(lambda: desk.desk.nodes["trading_engine.deribit.main"].state.state == "ready")
    assert desk.place("back").accepted


def test_row_34_maintenance_is_waited_out(desk: Desk) -> None:
    desk.control(control.Maintenance(on=True))
    desk.desk.run_for(0.1)
    reply = desk.place("closed")
    assert (reply.reason, reply.text) == (m.RejectReason.NOT_READY, "the venue is in maintenance")
    assert not [x for x in desk.of(m.OrderUpdated) if x.tag == "closed"]  # and so nothing was sent
    desk.control(control.Maintenance(on=False))
    desk.desk.run_for(5)
    assert desk.place("open").accepted


def test_row_22_an_order_that_filled_before_it_was_asked_for(desk: Desk) -> None:
    desk.control(control.FreezeChannel(channel="user.*"))
    desk.control(control.DropAnswers(method="private/buy"))
    reply = desk.place("fast", below=-0.002)  # above the best ask
    assert (reply.accepted, reply.in_doubt) == (False, True)
    desk.run_till(lambda: desk.order("fast").in_doubt_since_ns is None)
    assert desk.order("fast").status is m.OrderStatus.FILLED
    assert sum(fill.last_quantity for fill in desk.of(m.Fill)) == 10


def test_row_33_a_token_of_5_s_is_renewed_before_it_ends() -> None:
    desk = Desk(token_life_s=5)
    since = len(desk.messages)
    for number in range(8):
        desk.desk.run_for(4)
        assert desk.place(f"n{number}").accepted
    assert desk.of(m.BookStale, since) == []


def test_row_34_a_venue_that_asks_for_a_reconnect_gets_one(desk: Desk) -> None:
    assert desk.place("before").accepted
    assert desk.control(control.CutConnections(is_clean=True))["cut"] >= 2
    assert not desk.place("between").accepted
    desk.run_till(lambda: desk.order("between").in_doubt_since_ns is None)
    assert desk.order("between").status is m.OrderStatus.REJECTED
    assert desk.place("after").accepted
    assert desk.order("before").status is m.OrderStatus.NEW


def test_row_35_what_the_venue_cancelled_while_we_were_away() -> None:
    desk = Desk(cancel_on_disconnect=True)
    assert desk.place("away").accepted
    desk.control(control.CutConnections(client_id="demo"))
    assert desk.order("away").status is m.OrderStatus.NEW  # nobody guesses
    desk.run_till(lambda: desk.order("away").status is m.OrderStatus.CANCELED)
    assert desk.desk.nodes["trading_engine.deribit.main"].state.state == "ready"


@pytest.mark.parametrize("seconds", [5, 30])
def test_row_43_a_venue_whose_clock_jumps_is_measured_again(desk: Desk, seconds: int) -> None:
    desk.control(control.OffsetClock(seconds=seconds))
    desk.place("at-once")  # its last moment is in a time that is over: refused, which is safe
    desk.desk.run_for(2)
    assert desk.place("later").accepted
    desk.control(control.OffsetClock(seconds=0))
    desk.place("back-at-once")
    desk.desk.run_for(seconds + 2)  # the simulated market stands still for so long
    assert desk.place("back-later").accepted
    assert desk.order("later").in_doubt_since_ns is None


def test_row_45_doubled_and_reordered_changes_leave_the_right_book(desk: Desk) -> None:
    channel, since = f"book.{SYMBOL}.*", len(desk.messages)
    for _ in range(5):
        desk.control(control.DuplicateNotifications(channel=channel, next=3))
        desk.desk.run_for(2)
        desk.control(control.ReorderNotifications(channel=channel, next=3))
        desk.desk.run_for(2)
    desk.control(control.Halt(symbol=SYMBOL))  # stands still, so that the two can be compared
    desk.control(control.ClearFaults())
    desk.desk.run_for(5)
    bids: dict[float, float] = {}
    for topic, message in desk.messages[since:]:
        if topic == BOOK and isinstance(message, m.BookSnapshot | m.BookDelta):
            bids = {} if isinstance(message, m.BookSnapshot) else bids
            bids |= dict(zip(message.bids[::2], message.bids[1::2], strict=True))
        elif topic == BOOK:
            bids = {}
    depth = desk.of(m.Depth)[-1]
    ours = sorted(((p, q) for p, q in bids.items() if q), reverse=True)
    shown = list(zip(depth.bids[::2], depth.bids[1::2], strict=True))
    assert shown and ours[: len(shown)] == shown
