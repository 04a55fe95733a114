from __future__ import annotations

import json

import msgspec
import pytest

from common import core as c, messages as m, parts
from common.config import AccountConfig, VenueConfig
from services.gateway.accounts import Orders
from services.gateway.events import ClientBlocked, ClientClosed, ClientDrained
from services.gateway.sessions import QUEUE, TOO_MANY, TOO_SLOW
from tests.services.gateway.kit import BTC, ENGINE, ETH, SECOND, Desk, config, order

SNAPSHOT = [100.0, 1.0, 99.0, 2.0], [101.0, 3.0]


def test_a_book_begins_with_a_snapshot_and_goes_on_with_linked_deltas():
    desk = Desk()
    client = desk.client()
    assert desk.subscribe(client, f"book.{BTC}") == {"subscribed": [f"book.{BTC}"], "refused": []}
    assert desk.topics == [f"book.{BTC}"]
    assert desk.data(client) == []
    desk.book(*SNAPSHOT)
    desk.delta([100.0, 0.0], [101.0, 4.0])
    first, second = desk.data(client)
    assert (first["type"], first["bids"]) == ("snapshot", [[100.0, 1.0], [99.0, 2.0]])
    assert second["type"] == "delta"
    assert second["previous_sequence"] == first["sequence"]
    assert second["sequence"] == first["sequence"] + 1
    assert second["bids"] == [[100.0, 0.0]]


def test_a_second_reader_joins_from_the_mirror_without_a_new_subscription():
    desk = Desk()
    desk.subscribe(desk.client(1), BTC)
    desk.book(*SNAPSHOT)
    desk.delta([100.0, 0.0], [])
    desk.subscribe(desk.client(2), "BTC-PERPETUAL")
    assert desk.topics == [f"book.{BTC}"]
    (joined,) = desk.data(2)
    assert (joined["type"], joined["bids"], joined["sequence"]) == ("snapshot", [[99.0, 2.0]], 2)


def test_a_stale_book_is_told_and_deltas_wait_for_the_next_snapshot():
    desk = Desk()
    client = desk.client()
    desk.subscribe(client, BTC)
    desk.book(*SNAPSHOT)
    desk.feed(c.TopicLost(f"book.{BTC}", "the publisher is silent"))
    desk.delta([98.0, 1.0], [])
    desk.book(*SNAPSHOT)
    kinds = [data["type"] for data in desk.data(client)]
    assert kinds == ["snapshot", "stale", "snapshot"]


def test_an_unread_topic_is_left_after_a_while():
    desk = Desk()
    client = desk.client()
    desk.subscribe(client, BTC)
    desk.call(client, "unsubscribe", channels=["BTC-PERPETUAL"])
    desk.later(5)
    assert desk.left == []
    desk.later(6)
    assert desk.left == [f"book.{BTC}"]


def test_a_client_that_leaves_gives_up_its_channels():
    desk = Desk()
    desk.subscribe(desk.client(), BTC, f"quote.{ETH}")
    desk.feed(ClientClosed(1))
    desk.later(11)
    assert sorted(desk.left) == [f"book.{BTC}", f"quote.{ETH}"]


def test_depth_is_cut_and_conflated_to_its_interval():
    desk = Desk()
    client = desk.client()
    desk.subscribe(client, f"depth.{BTC}.1.100ms")
    for price in (100.0, 101.0, 102.0):
        desk.bus(f"depth.{BTC}", m.Depth(BTC, [price, 1.0, 90.0, 1.0], [110.0, 1.0]))
    (first,) = desk.data(client)
    assert first["bids"] == [[100.0, 1.0]]
    desk.later(0.1)
    (second,) = desk.data(client)
    assert (second["bids"], second["sequence"]) == ([[102.0, 1.0]], first["sequence"] + 1)
    desk.later(0.1)
    assert desk.data(client) == []


def test_many_conflated_feeds_fall_due_one_after_the_other():
    desk = Desk()
    client = desk.client()
    desk.subscribe(client, f"depth.{BTC}.1.100ms", f"depth.{BTC}.2.1s", f"depth.{ETH}.1.raw")
    for instrument in (BTC, ETH):
        for price in (100.0, 101.0):
            desk.bus(f"depth.{instrument}", m.Depth(instrument, [price, 1.0], [110.0, 1.0]))
    assert len(desk.data(client)) == 4
    desk.later(0.1)
    assert len(desk.data(client)) == 1
    desk.later(0.9)
    assert [data["bids"] for data in desk.data(client)] == [[[101.0, 1.0]]]
    assert desk.wakes == [desk.now - SECOND + SECOND // 10, desk.now]


def test_a_stale_depth_is_told():
    desk = Desk()
    client = desk.client()
    desk.subscribe(client, f"depth.{BTC}.1.raw", "index.deribit.btc_usd")
    desk.bus(f"depth.{BTC}", m.Depth(BTC, [100.0, 1.0], [110.0, 1.0]))
    desk.bus(f"depth.{BTC}", m.BookStale(BTC, "gap"))
    desk.bus("index.deribit.btc_usd", m.IndexPrice("deribit", "btc_usd", 60_000.0))
    first, second, index = desk.data(client)
    assert (first["stale"], second["stale"], index["price"]) == (False, True, 60_000.0)


def test_a_blocked_client_gets_one_snapshot_for_all_it_missed():
    desk = Desk()
    desk.subscribe(desk.client(1), BTC, f"quote.{BTC}")
    desk.subscribe(desk.client(2), BTC)
    desk.book(*SNAPSHOT)
    desk.bus(f"quote.{BTC}", m.Quote(BTC, 100.0, 1.0, 101.0, 1.0))
    desk.data(1), desk.data(2)
    desk.feed(ClientBlocked(1))
    for quantity in (5.0, 6.0, 7.0):
        desk.delta([100.0, quantity], [])
        desk.bus(f"quote.{BTC}", m.Quote(BTC, 100.0, quantity, 101.0, 1.0))
    assert desk.data(1) == []
    assert len(desk.data(2)) == 3
    desk.feed(ClientDrained(1))
    book, quote = desk.data(1)
    assert (book["type"], book["missed"], book["bids"][0]) == ("snapshot", 3, [100.0, 7.0])
    assert (quote["bid_quantity"], quote["missed"]) == (7.0, 3)
    desk.delta([100.0, 8.0], [])
    assert desk.data(1)[0]["previous_sequence"] == book["sequence"]


def test_a_client_catches_up_with_many_channels_a_buffer_at_a_time():
    desk = Desk()
    client, other = desk.client(1), desk.client(2)
    channels = [f"depth.{BTC}.20.{pace}ms" for pace in range(100, 400)]
    desk.subscribe(client, *channels, f"quote.{BTC}")
    desk.subscribe(other, f"quote.{BTC}")
    depth = m.Depth(BTC, *([v for n in range(20) for v in (p + n, 1.5)] for p in (100.0, 200.0)))
    desk.bus(f"depth.{BTC}", depth)
    desk.bus(f"quote.{BTC}", m.Quote(BTC, 1.0, 1.0, 2.0, 1.0))
    desk.data(client)
    desk.feed(ClientBlocked(client))
    desk.later(1)
    desk.bus(f"depth.{BTC}", depth)
    desk.later(1)
    seen: list[str] = []
    rounds = 0
    while desk.core.sessions[client].blocked_ns is not None:
        desk.feed(ClientDrained(client))
        frames = [frame["params"] for frame in desk.frames.pop(client, [])]
        assert len(json.dumps(frames)) < 3 * 65_536
        assert all(frame["data"]["missed"] >= 1 for frame in frames)
        seen += [frame["channel"] for frame in frames]
        rounds += 1
        if rounds == 1:
            desk.bus(f"quote.{BTC}", m.Quote(BTC, 1.0, 1.0, 3.0, 1.0))
            assert client not in desk.frames and other in desk.frames
    assert rounds > 2 and sorted(seen) == sorted([*channels, f"quote.{BTC}"])
    desk.bus(f"quote.{BTC}", m.Quote(BTC, 1.0, 1.0, 4.0, 1.0))
    assert desk.data(client)[-1]["ask_price"] == 4.0


def test_a_blocked_client_is_closed_after_30_seconds():
    desk = Desk()
    desk.subscribe(desk.client(), BTC)
    desk.feed(ClientBlocked(1))
    desk.later(29)
    assert desk.closed == {}
    desk.later(2)
    assert desk.closed == {1: TOO_SLOW}


def test_order_events_wait_for_a_blocked_client_and_past_the_bound_it_is_closed():
    desk = Desk()
    desk.subscribe(desk.client(1, "demo"), "orders")
    desk.data(1)
    desk.feed(ClientBlocked(1))
    desk.bus("order.deribit.main.trader", order(1))
    desk.bus("order.deribit.main.trader", order(1, revision=2, status=m.OrderStatus.CANCELED))
    desk.feed(ClientDrained(1))
    assert [data["revision"] for data in desk.data(1)] == [1, 2]
    desk.feed(ClientBlocked(1))
    for number in range(QUEUE + 1):
        desk.bus("order.deribit.main.trader", order(10 + number))
    assert desk.closed == {1: TOO_SLOW}


def test_place_reaches_the_engine_exactly_and_its_answer_comes_back():
    desk = Desk()
    client = desk.client(1, "trader")
    raw = (
        '{"jsonrpc":"2.0","id":"x","method":"order.place","params":{"instrument":"BTC-PERPETUAL",'
        '"side":"buy","quantity":100,"price":50000.50,"post_only":true,"tag":"a","request_id":"r1"}}'
    )
    assert desk.send(client, raw) is None
    (request,) = desk.asked
    assert (request.target, request.request_id) == (ENGINE, "trader:r1")
    command = request.command
    assert isinstance(command, m.PlaceOrder)
    assert (command.instrument, command.side, command.owner) == (BTC, m.Side.BUY, "trader")
    assert (str(command.price), str(command.quantity)) == ("50000.50", "100")
    desk.reply(accepted=True, orders=[order()])
    answer = desk.frames[client][-1]
    assert answer["id"] == "x"
    fields = answer["result"]
    assert (fields["accepted"], fields["status"], fields["price"]) == (True, "NEW", "50000.5")


def test_a_snapshot_in_parts_ends_what_it_lacks_when_it_is_whole():
    desk = Desk()
    desk.subscribe(desk.client(1, "trader"), "orders")
    desk.bus("order.deribit.main.trader", order())
    desk.data(1)
    others = [order(1000 + number) for number in range(600)]
    first, last = parts.split(m.OrderSnapshot("deribit", "main", "", others))
    desk.bus("order.deribit.main", first)
    assert desk.data(1) == []
    desk.bus("order.deribit.main", last)
    (told,) = desk.data(1)
    assert told["type"] == "snapshot" and len(told["orders"]) == 600
    assert order().client_order_id not in {row["client_order_id"] for row in told["orders"]}


def test_an_answer_that_overtakes_its_event_is_told_on_the_channel_and_once_only():
    desk = Desk()
    desk.subscribe(desk.client(1, "trader"), "orders")
    desk.bus("order.deribit.main.trader", order())
    desk.data(1)
    changed = order(revision=2, price=m.Exact("50001"))
    desk.http("order.modify", "trader", client_order_id=changed.client_order_id, price="50001")
    desk.reply(accepted=True, orders=[changed])
    assert [(data["type"], data["price"]) for data in desk.data(1)] == [("order", "50001")]
    desk.bus("order.deribit.main.trader", changed)
    assert desk.data(1) == []
    desk.bus("order.deribit.main.trader", order(revision=3, status=m.OrderStatus.CANCELED))
    assert [data["status"] for data in desk.data(1)] == ["CANCELED"]


@pytest.mark.parametrize("heard_before", [False, True])
def test_an_answer_before_the_first_event_of_an_engine_is_told_once(heard_before: bool):
    """The first order after the start: nothing but an empty snapshot can tell who speaks."""
    desk = Desk()
    if heard_before:
        empty = m.OrderSnapshot("deribit", "main", "", [])
        desk.bus("order.deribit.main", empty, start_ns=7)
    desk.subscribe(desk.client(1, "trader"), "orders")
    desk.data(1)
    desk.http("order.place", "trader", instrument=BTC, side="BUY", quantity="100", price="50000.5")
    desk.reply(accepted=True, orders=[order()])
    canceled = order(revision=2, status=m.OrderStatus.CANCELED)
    desk.bus("order.deribit.main.trader", order(), start_ns=7)
    desk.bus("order.deribit.main.trader", canceled, start_ns=7)
    assert [data["status"] for data in desk.data(1)] == ["NEW", "CANCELED"]


def test_a_snapshot_of_the_engine_tells_readers_also_what_is_open_no_more():
    desk = Desk()
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [order(1), order(2)]))
    desk.subscribe(desk.client(1, "trader"), "orders")
    (before,) = desk.data(1)
    assert len(before["orders"]) == 2
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [order(2)]), start_ns=8)
    (after,) = desk.data(1)
    assert (after["type"], [o["venue_order_id"] for o in after["orders"]]) == ("snapshot", ["V-2"])


def test_a_refusal_is_a_result_with_a_reason():
    desk = Desk()
    call = desk.http("order.place", instrument=BTC, side="SELL", quantity="1", price="3")
    reason = m.RejectReason.QUANTITY_OFF_LOT
    desk.reply(accepted=False, reason=reason, text="lot is 10", field="quantity")
    status, answer = desk.answers[call]
    assert status == 200
    assert (answer["accepted"], answer["reason"], answer["field"]) == (
        False,
        "QUANTITY_OFF_LOT",
        "quantity",
    )
    assert answer["status"] == "REJECTED"


def test_an_engine_that_is_down_is_an_error_and_a_silent_one_leaves_doubt():
    desk = Desk()
    call = desk.http("order.place", instrument=BTC, side="SELL", quantity="10", type="market")
    request = desk.asked[-1]
    desk.feed(c.RequestFailed(request.target, request.request_id, False, "down"))
    assert desk.answers[call][0] == 503
    assert desk.answers[call][1]["error"]["data"]["reason"] == "UNAVAILABLE"
    call = desk.http("order.place", instrument=BTC, side="SELL", quantity="10", type="market")
    request = desk.asked[-1]
    desk.feed(c.RequestFailed(request.target, request.request_id, True, "silent"))
    status, answer = desk.answers[call]
    assert (status, answer["in_doubt"], answer["accepted"]) == (200, True, False)
    assert answer["in_doubt_since_ns"] == desk.now


def test_a_request_asked_twice_at_once_travels_once_and_is_answered_twice():
    desk = Desk()
    place = dict(instrument=BTC, side="BUY", quantity="10", price="1", request_id="r")
    first, second = desk.http("order.place", **place), desk.http("order.place", **place)
    assert len(desk.asked) == 1
    third = desk.http("order.place", **(place | {"quantity": "20"}))
    assert desk.answers[third][1]["error"]["data"]["reason"] == "DUPLICATE_REQUEST"
    desk.reply(accepted=True, orders=[order()])
    assert desk.answers[first] == desk.answers[second]


def test_a_request_that_meets_another_at_one_account_is_asked_of_none():
    accounts = [AccountConfig("main"), AccountConfig("second", engine_number=2)]
    venue = VenueConfig("ws://127.0.0.1:1", "http://127.0.0.1:1", accounts=accounts)
    settings = config()
    venues = settings.venues | {"deribit": venue}
    desk = Desk(msgspec.structs.replace(settings, venues=venues))
    place = dict(instrument=BTC, side="BUY", quantity="10", price="1", account="second")
    desk.http("order.place", **place, request_id="r")
    refused = desk.http("order.cancel_all", request_id="r")
    assert desk.answers[refused][1]["error"]["data"]["reason"] == "DUPLICATE_REQUEST"
    desk.reply(accepted=True, orders=[order()])
    assert desk.core.asking == 0
    desk.http("order.cancel_all", request_id="r")
    assert [each.target for each in desk.asked[1:]] == [ENGINE, "orders.deribit.second"]


def test_cancel_and_modify_go_to_the_engine_named_by_the_order_id():
    desk = Desk()
    order_id = order().client_order_id
    desk.http("order.cancel", client_order_id=order_id)
    assert desk.asked[-1].command == m.CancelOrder(order_id, "")
    desk.http("order.modify", client_order_id=order_id, price="50001", quantity=60)
    command = desk.asked[-1].command
    assert command == m.ModifyOrder(order_id, m.Exact("50001"), m.Exact("60"))


def test_an_order_id_of_no_engine_is_refused_without_asking():
    desk = Desk()
    status, answer = desk.ask("order.cancel", client_order_id="17")
    assert (status, answer["accepted"], answer["reason"]) == (200, False, "UNKNOWN_ORDER")
    assert desk.ask("order.get", client_order_id="17")[0] == 404
    assert desk.asked == []


def test_cancel_all_puts_the_accounts_together():
    desk = Desk()
    call = desk.http("order.cancel_all", venue="deribit", kind="PERPETUAL", tag="a")
    assert desk.asked[-1].command == m.CancelAll(
        kind=m.InstrumentKind.PERPETUAL, owner=None, tag="a"
    )
    canceled = order(status=m.OrderStatus.CANCELED)
    desk.reply(accepted=True, orders=[canceled])
    status, answer = desk.answers[call]
    assert (status, answer["accepted"]) == (200, True)
    assert [row["status"] for row in answer["orders"]] == ["CANCELED"]
    assert answer["results"][0]["account"] == "main"


def test_orders_are_listed_from_the_mirror_once_it_is_whole():
    desk = Desk()
    call = desk.http("order.list")
    assert isinstance(desk.asked[-1].command, m.QueryOrders)
    desk.reply(accepted=True, orders=[order(1)])
    assert len(desk.answers[call][1]["orders"]) == 1
    desk.asked.clear()
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [order(2)]))
    status, answer = desk.ask("order.list")
    assert [row["venue_order_id"] for row in answer["orders"]] == ["V-2"]
    desk.feed(c.TopicLost("order.deribit.main.trader", "gap"))
    assert desk.topics[-1] == "order.deribit.main"
    desk.http("order.list")
    assert len(desk.asked) == 1


def test_an_engine_that_started_anew_may_count_revisions_from_one_again():
    desk = Desk()
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [order(1, revision=9)]))
    again = order(1, revision=1, status=m.OrderStatus.PARTIALLY_FILLED)
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [again]), start_ns=8)
    assert desk.ask("order.list")[1]["orders"][0]["status"] == "PARTIALLY_FILLED"


def test_owners_see_their_own_orders_and_an_admin_all():
    desk = Desk()
    theirs = order(2, owner="somebody")
    desk.bus("order.deribit.main", m.OrderSnapshot("deribit", "main", "", [order(1), theirs]))
    assert len(desk.ask("order.list", "demo")[1]["orders"]) == 2
    assert len(desk.ask("order.list", "trader")[1]["orders"]) == 1
    assert desk.ask("order.get", "trader", client_order_id=theirs.client_order_id)[0] == 404
    answer = desk.ask("order.cancel", "trader", client_order_id=theirs.client_order_id)[1]
    assert answer["reason"] == "UNKNOWN_ORDER"
    assert desk.asked == []
    desk.subscribe(desk.client(1, "trader"), "orders")
    desk.data(1)
    desk.bus("order.deribit.main.somebody", order(2, owner="somebody", revision=2))
    assert desk.data(1) == []


def test_a_book_nobody_reads_is_subscribed_and_awaited():
    desk = Desk()
    call = desk.http("book", "", instrument="BTC-PERPETUAL", levels="1")
    assert desk.topics == [f"book.{BTC}"]
    assert call not in desk.answers
    desk.book(*SNAPSHOT)
    status, book = desk.answers[call]
    assert status == 200
    assert (book["bids"], book["asks"], book["stale"]) == ([[100.0, 1.0]], [[101.0, 3.0]], False)
    desk.later(59)
    assert desk.left == []
    desk.later(2)
    assert desk.left == [f"book.{BTC}"]


def test_a_book_that_does_not_come_is_an_error_after_two_seconds():
    desk = Desk()
    call = desk.http("book", "", instrument=BTC)
    many = desk.http("books", "", instruments=f"{BTC},{ETH}")
    desk.book(*SNAPSHOT, instrument=ETH)
    assert desk.wakes[0] == desk.now + 2 * SECOND
    desk.later(2)
    assert desk.answers[call][0] == 504
    status, answer = desk.answers[many]
    assert status == 200
    assert [(book["instrument"], book["stale"]) for book in answer["books"]] == [
        (BTC, True),
        (ETH, False),
    ]


def test_quotes_tickers_and_trades():
    desk = Desk()
    call = desk.http("quotes", "", instruments=BTC)
    desk.bus(f"quote.{BTC}", m.Quote(BTC, 100.0, 1.0, None, 0.0))
    assert desk.answers[call][1]["quotes"][0]["bid_price"] == 100.0
    assert desk.ask("quotes", "")[1]["quotes"][0]["ask_price"] is None
    assert desk.ask("tickers", "")[1] == {"tickers": []}
    assert desk.ask("trades", "", instrument=BTC)[1] == {"trades": []}
    for number in range(3):
        trade = m.Trade(BTC, 100.0 + number, 1.0, m.Side.BUY, str(number))
        desk.bus(f"trade.{BTC}", trade)
    trades = desk.ask("trades", "", instrument=BTC, limit=2)[1]["trades"]
    assert [trade["trade_id"] for trade in trades] == ["2", "1"]


def test_instruments_are_searched_by_words_venue_and_kind():
    desk = Desk()
    found = desk.ask("instruments", "", venue="deribit", q="btc perp")[1]["instruments"]
    assert [row["instrument"] for row in found] == [BTC]
    assert found[0]["tick_size"] == "0.5"
    options = desk.ask("instruments", "", venue="deribit", kind="OPTION")[1]["instruments"]
    assert len(options) == 8
    expired = options[0]["instrument"]
    state = m.InstrumentState(expired, m.InstrumentStatus.EXPIRED)
    desk.bus(f"instrument.{expired}", state)
    assert len(desk.ask("instruments", "", kind="option")[1]["instruments"]) == 7


def test_positions_balances_and_exposure_come_from_the_position_server():
    desk = Desk()
    exposure = m.Exposure("deribit", "main", "BTC", 1.0, 0.0, 0.0, 0.0, 0.0, 1)
    alert = m.RiskAlert("deribit", "main", "max_delta", "BTC", 1.0, 0.5, True, "too much")
    snapshot = m.AccountSnapshot("deribit", "main", [], [], [exposure], [alert])
    call = desk.http("exposure")
    assert desk.asked[-1].target == "position_queries.deribit.main"
    desk.reply(accepted=True, account=snapshot)
    assert desk.answers[call][1]["alerts"][0]["limit"] == "max_delta"
    desk.asked.clear()
    assert desk.ask("positions")[1] == {"positions": []}
    kept = m.RiskAlert("deribit", "main", "max_delta", "BTC", 0.1, 0.5, False, "kept again")
    desk.bus("risk.deribit.main", kept)
    assert desk.ask("exposure")[1]["alerts"] == []
    assert desk.asked == []


def test_health_names_processes_that_never_beat_and_those_that_fell_silent():
    desk = Desk()
    desk.bus(
        "health.market_data.deribit",
        m.Health("market_data.deribit", "ready", 12, 1, links={"public-1": True}),
    )
    rows = {row["name"]: row for row in desk.ask("health", "")[1]["processes"]}
    assert rows["market_data.deribit"]["healthy"]
    assert rows["trading_engine.deribit.main"]["state"] == "absent"
    assert rows["gateway"]["state"] == "ready"
    desk.later(3)
    rows = {row["name"]: row for row in desk.ask("health", "")[1]["processes"]}
    assert (rows["market_data.deribit"]["state"], rows["market_data.deribit"]["healthy"]) == (
        "silent",
        False,
    )


def test_a_flood_is_limited_and_then_closed():
    desk = Desk(config(messages_per_second=1.0, message_burst=5))
    client = desk.client()
    for _ in range(5):
        assert "result" in desk.call(client, "health")
    assert desk.call(client, "health")["error"]["data"]["reason"] == "RATE_LIMIT"
    for _ in range(100):
        desk.call(client, "health")
    assert desk.closed == {client: TOO_MANY}


def test_a_stopping_gateway_says_goodbye():
    desk = Desk()
    desk.client()
    desk.feed(c.Stopping())
    assert desk.closed == {1: 1001}


def test_a_first_answer_told_again_does_not_bring_back_an_order_that_ended():
    """A gateway that starts later never hears of the order but from the repeated answer."""
    orders = Orders({})
    orders.apply_snapshot(m.OrderSnapshot("deribit", "main", "", []), 1, sent_ns=10)
    assert not orders.apply_reply(order(1, updated_ns=9))
    assert orders.find([("deribit", "main")], None, closed=True) == []
    assert orders.apply_reply(order(2, updated_ns=11))  # younger than the list: it is new
    assert not orders.apply_reply(order(2, updated_ns=11))
    assert orders.apply_reply(order(3, updated_ns=9, status=m.OrderStatus.REJECTED))
