"""Orders at the simulated exchange: what is refused, what trades, what is told."""

from __future__ import annotations

import pytest

from common.messages import OrderType, Side, TimeInForce, TriggerPrice
from common.venues.simulation import (
    BookChange,
    CancelReason,
    FlowAction,
    FlowOrder,
    HistoryFilter,
    IndexChanged,
    LevelAction,
    OrderChanged,
    OrderChanges,
    OrderFilter,
    OrderState,
    PositionChanged,
    PublicTrade,
    Refused,
    SelfTrading,
    SimulatedFill,
    SimulatedRefusal,
    TickDirection,
    TradeFilter,
)
from services.venue_simulator.rules import SECOND_NS
from tests.services.venue_simulator.kit import D, Scene, account

R = SimulatedRefusal


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"symbol": "NONE"}, R.INSTRUMENT_UNKNOWN, "symbol"),
        ({"quantity": 5}, R.QUANTITY_TOO_LOW, "quantity"),
        ({"quantity": 0}, R.QUANTITY_TOO_LOW, "quantity"),
        ({"quantity": -10}, R.QUANTITY_TOO_LOW, "quantity"),
        ({"quantity": "NaN"}, R.QUANTITY_TOO_LOW, "quantity"),
        ({"quantity": "1e30"}, R.QUANTITY_TOO_HIGH, "quantity"),
        ({"quantity": 15}, R.QUANTITY_OFF_LOT, "quantity"),
        ({"price": "49000.3"}, R.PRICE_OFF_TICK, "price"),
        ({"price": "0"}, R.PRICE_NOT_ALLOWED, "price"),
        ({"price": "-1"}, R.PRICE_NOT_ALLOWED, "price"),
        ({"price": "Infinity"}, R.PRICE_NOT_ALLOWED, "price"),
        ({"price": "1e30"}, R.PRICE_NOT_ALLOWED, "price"),
        ({"price": None, "order_type": OrderType.LIMIT}, R.PRICE_MISSING, "price"),
        ({"label": "x" * 65}, R.LABEL_TOO_LONG, "label"),
        ({"valid_until_ns": 1}, R.TOO_LATE, "valid_until_ns"),
        ({"reduce_only": True}, R.REDUCE_ONLY, "reduce_only"),
        (
            {"post_only": True, "time_in_force": TimeInForce.IOC},
            R.POST_ONLY_NOT_ALLOWED,
            "post_only",
        ),
        ({"order_type": OrderType.STOP, "trigger_price": D(1)}, R.INVALID_TRIGGER, "trigger"),
        (
            {"order_type": OrderType.STOP, "trigger": TriggerPrice.MARK},
            R.INVALID_TRIGGER,
            "trigger_price",
        ),
        ({"quantity": "1e12"}, R.NOT_ENOUGH_FUNDS, ""),
    ],
)
def test_bad_orders_are_refused_with_a_reason(change, reason, field):
    scene = Scene()
    request = {"quantity": 100, "price": 49_000} | change
    result = scene.place("ann", "BUY", request.pop("quantity"), request.pop("price"), **request)
    assert isinstance(result, Refused)
    assert (result.reason, result.field) == (reason, field)
    assert scene.events() == []


def test_an_unknown_account_is_refused():
    assert Scene().place("eve", "BUY", 10, 1).reason is R.ACCOUNT_UNKNOWN


def test_option_prices_follow_tick_steps_and_stay_in_the_band():
    scene = Scene()
    assert scene.place("ann", "BUY", "0.1", "0.0101", "CALL").reason is R.PRICE_OFF_TICK
    high = scene.place("ann", "BUY", "0.1", "0.5", "CALL")
    assert (high.reason, high.limit) == (R.PRICE_TOO_HIGH, D("0.11"))
    scene.market.marks["CALL"] = 0.3
    low = Scene().place("ann", "BUY", "0.1", "0.0049", "CALL")
    assert not isinstance(low, Refused)


def test_a_future_bought_beyond_the_band_is_held_at_its_edge():
    order = Scene().placed("ann", "BUY", 100, 60_000)
    assert order.price == D(50_750) and order.state is OrderState.OPEN


def test_a_passive_price_may_be_far_away():
    assert Scene().placed("ann", "BUY", 100, "20000.5").price == D("20000.5")


def test_a_trade_tells_both_accounts_and_everybody():
    scene = Scene()
    resting = scene.placed("bob", "SELL", 100, 50_000, label="ask")
    scene.events()
    taken = scene.placed("ann", "BUY", 60, 50_000)
    events = scene.events()
    assert (taken.state, taken.cum_quantity, taken.avg_price) == (OrderState.FILLED, 60, 50_000)
    trade = next(e for e in events if isinstance(e, PublicTrade))
    assert (trade.price, trade.quantity, trade.side) == (50_000.0, 60.0, Side.BUY)
    fills = {e.account: e for e in events if isinstance(e, SimulatedFill)}
    assert fills["ann"].side is Side.BUY and fills["bob"].side is Side.SELL
    assert fills["bob"].trade_number == fills["ann"].trade_number == trade.trade_number
    assert fills["bob"].label == "ask" and fills["bob"].order_state is OrderState.OPEN
    assert fills["ann"].fee == D("0.0005") * 60 / 50_000 and fills["bob"].fee == 0
    orders = [e.order for e in events if isinstance(e, OrderChanged)]
    assert [(o.number, o.cum_quantity) for o in orders] == [
        (resting.number, 60),
        (taken.number, 60),
    ]
    moved = {(e.account, e.quantity) for e in events if isinstance(e, PositionChanged)}
    assert moved == {("ann", D(60)), ("bob", D(-60))}


def test_tick_directions_compare_with_the_trade_before():
    scene = Scene()
    for price in (50_000, 50_000, 50_001, 50_001, 50_000, 50_000):
        scene.trade("ann", "bob", 10, price)
    directions = [trade.tick_direction for trade in scene.events(PublicTrade)]
    assert directions == [
        TickDirection.PLUS,
        TickDirection.ZERO_PLUS,
        TickDirection.PLUS,
        TickDirection.ZERO_PLUS,
        TickDirection.MINUS,
        TickDirection.ZERO_MINUS,
    ]


def test_a_market_order_takes_what_is_there_and_drops_the_rest():
    scene = Scene()
    scene.placed("bob", "SELL", 100, 50_100)
    order = scene.placed("ann", "BUY", 150)
    assert order.state is OrderState.CANCELED and order.cum_quantity == 100
    assert order.cancel_reason is CancelReason.UNFILLED_REST
    assert order.price == D(50_750)  # its protection


def test_a_market_order_never_trades_beyond_its_protection():
    scene = Scene()
    scene.placed("bob", "SELL", 100, 51_000)
    assert scene.placed("ann", "BUY", 100).cum_quantity == 0


def test_a_fill_or_kill_order_that_cannot_fill_is_a_canceled_order():
    scene = Scene()
    scene.placed("bob", "SELL", 50, 50_000)
    order = scene.placed("ann", "BUY", 100, 50_000, time_in_force=TimeInForce.FOK)
    assert (order.state, order.cum_quantity) == (OrderState.CANCELED, 0)


def test_post_only_is_moved_inside_the_spread_or_refused():
    scene = Scene()
    scene.placed("bob", "SELL", 50, 50_000)
    refused = scene.place("ann", "BUY", 10, 50_000, post_only=True, reject_post_only=True)
    assert refused.reason is R.POST_ONLY_WOULD_CROSS
    assert scene.placed("ann", "BUY", 10, 50_100, post_only=True).price == D("49999.5")


def test_an_account_does_not_trade_with_itself():
    scene = Scene()
    resting = scene.placed("ann", "SELL", 50, 50_000)
    assert scene.place("ann", "BUY", 50, 50_000).reason is R.SELF_TRADE
    scene.exchange.set_self_trading("ann", SelfTrading.CANCEL_MAKER)
    assert scene.exchange.self_trading("ann") is SelfTrading.CANCEL_MAKER
    assert scene.placed("ann", "BUY", 50, 50_000).state is OrderState.OPEN
    gone = scene.order("ann", resting.number)
    assert gone.cancel_reason is CancelReason.SELF_TRADE


# edit and cancel


def test_an_edit_takes_the_new_total():
    scene = Scene()
    order = scene.placed("ann", "BUY", 200, 50_000)
    scene.placed("bob", "SELL", 100, 50_000)
    edited = scene.exchange.edit("ann", order.number, OrderChanges(quantity=D(400)), scene.now)
    assert edited.order.leaves_quantity == 300 and edited.order.replaced
    assert edited.order.number == order.number
    low = scene.exchange.edit("ann", order.number, OrderChanges(quantity=D(100)), scene.now)
    assert low.reason is R.QUANTITY_TOO_LOW


def test_an_edit_may_trade_at_once():
    scene = Scene()
    scene.placed("bob", "SELL", 30, 50_000)
    order = scene.placed("ann", "BUY", 100, 49_000)
    edited = scene.exchange.edit("ann", order.number, OrderChanges(price=D(50_000)), scene.now)
    assert [fill.quantity for fill in edited.fills] == [D(30)]
    assert edited.order.cum_quantity == 30 and edited.order.price == 50_000


def test_an_edit_that_is_refused_leaves_everything_as_it_was():
    scene = Scene()
    order = scene.placed("ann", "BUY", 100, 49_000)
    before = scene.exchange.account_summary("ann", "BTC")
    changes = OrderChanges(quantity=D("1e12"), price=D(49_500))
    refused = scene.exchange.edit("ann", order.number, changes, scene.now)
    assert refused.reason is R.NOT_ENOUGH_FUNDS
    after = scene.order("ann", order.number)
    assert (after.price, after.quantity) == (49_000, 100)
    assert scene.exchange.account_summary("ann", "BTC") == before


def test_a_post_only_order_that_an_edit_would_cross_is_canceled():
    scene = Scene()
    scene.placed("bob", "SELL", 30, 50_000)
    order = scene.placed("ann", "BUY", 100, 49_000, post_only=True, reject_post_only=True)
    edited = scene.exchange.edit("ann", order.number, OrderChanges(price=D(50_000)), scene.now)
    assert edited.order.state is OrderState.CANCELED
    assert edited.order.cancel_reason is CancelReason.EDIT_POST_ONLY
    assert scene.exchange.account_summary("ann", "BTC").initial_margin == 0


def test_edit_by_label_needs_a_unique_label():
    scene = Scene()
    change = OrderChanges(price=D(48_000))

    def edit():
        return scene.exchange.edit_by_label("ann", "INVERSE-PERP", "a", change, scene.now)

    assert edit().reason is R.ORDER_NOT_FOUND
    scene.placed("ann", "BUY", 100, 49_000, label="a")
    assert edit().order.price == 48_000
    scene.placed("ann", "BUY", 100, 49_000, label="a")
    assert edit().reason is R.LABEL_NOT_UNIQUE


def test_cancel_answers_by_owner_and_state():
    scene = Scene()
    order = scene.placed("ann", "BUY", 100, 49_000)
    cancel = scene.exchange.cancel
    assert cancel("bob", order.number, scene.now).reason is R.NOT_OWNER
    assert cancel("ann", 999, scene.now).reason is R.ORDER_NOT_FOUND
    canceled = cancel("ann", order.number, scene.now)
    assert canceled.cancel_reason is CancelReason.USER_REQUEST
    assert cancel("ann", order.number, scene.now).reason is R.ORDER_CLOSED
    assert cancel("bob", order.number, scene.now).reason is R.NOT_OWNER


def test_cancel_matching_takes_every_filter_into_account():
    scene = Scene()
    first = scene.placed("ann", "BUY", 100, 49_000, label="a", session="s1")
    spot = scene.placed("ann", "BUY", "0.1", 49_000, "SPOT", label="a")
    stop = scene.placed(
        "ann",
        "SELL",
        100,
        order_type=OrderType.STOP,
        trigger=TriggerPrice.MARK,
        trigger_price=D(40_000),
    )

    def cancel(**which):
        found = scene.exchange.cancel_matching("ann", OrderFilter(**which), scene.now)
        return [order.number for order in found]

    assert cancel(symbol="CALL") == []
    assert cancel(order_types=frozenset({OrderType.STOP})) == [stop.number]
    assert cancel(label="a", currency="BTC") == [first.number]
    assert cancel(index="btc_usd") == [spot.number]
    assert scene.exchange.open_orders("ann", OrderFilter()) == []


def test_a_lost_session_takes_its_orders_with_it():
    scene = Scene()
    mine = scene.placed("ann", "BUY", 100, 49_000, session="s1")
    other = scene.placed("ann", "BUY", 100, 49_000, session="s2")
    gone = scene.exchange.disconnect("ann", "s1", scene.now)
    assert [(o.number, o.cancel_reason) for o in gone] == [(mine.number, CancelReason.DISCONNECT)]
    left = scene.exchange.open_orders("ann", OrderFilter())
    assert [order.number for order in left] == [other.number]


# stops


def stop(scene, side, trigger_price, source=TriggerPrice.LAST, price=None, **more):
    return scene.placed(
        "ann",
        side,
        100,
        price,
        order_type=more.pop(
            "order_type", OrderType.STOP if price is None else OrderType.STOP_LIMIT
        ),
        trigger=source,
        trigger_price=D(trigger_price),
        **more,
    )


def test_a_stop_waits_and_becomes_another_order():
    scene = Scene()
    waiting = stop(scene, "SELL", 49_900, price=49_800)
    assert waiting.state is OrderState.UNTRIGGERED
    scene.trade("bob", "ann", 10, 49_900)
    orders = [e.order for e in scene.events(OrderChanged)]
    states = [(o.state, o.trigger_order) for o in orders if o.quantity == 100]
    assert states == [
        (OrderState.UNTRIGGERED, None),
        (OrderState.TRIGGERED, None),
        (OrderState.OPEN, waiting.number),
    ]
    born = scene.exchange.open_orders("ann", OrderFilter())[0]
    assert born.price == 49_800 and born.trigger_order == waiting.number


@pytest.mark.parametrize("source", [TriggerPrice.MARK, TriggerPrice.INDEX])
def test_mark_and_index_wake_stops_as_time_goes_by(source):
    scene = Scene()
    scene.placed("bob", "BUY", 500, 49_000)
    waiting = stop(scene, "SELL", 49_500, source)
    scene.market.index = 49_400.0
    scene.tick(SECOND_NS)
    assert scene.order("ann", waiting.number).state is OrderState.TRIGGERED
    assert scene.position("ann").quantity == -100


def test_a_take_profit_waits_for_the_better_price():
    scene = Scene()
    waiting = stop(
        scene,
        "SELL",
        50_500,
        TriggerPrice.MARK,
        price=50_500,
        order_type=OrderType.TAKE_PROFIT_LIMIT,
    )
    scene.market.index = 49_000.0
    scene.tick(SECOND_NS)
    assert scene.order("ann", waiting.number).state is OrderState.UNTRIGGERED
    scene.market.index = 50_500.0
    scene.tick(SECOND_NS)
    assert scene.order("ann", waiting.number).state is OrderState.TRIGGERED


def test_a_stop_that_cannot_be_paid_ends_canceled():
    scene = Scene(account("ann", BTC="0.00003"), account("bob"))
    waiting = stop(scene, "SELL", 49_500, TriggerPrice.MARK)
    scene.market.index = 49_000.0
    scene.tick(SECOND_NS)
    gone = scene.order("ann", waiting.number)
    assert gone.cancel_reason is CancelReason.NOT_ENOUGH_FUNDS


def test_a_waiting_stop_can_be_edited_and_canceled():
    scene = Scene()
    waiting = stop(scene, "SELL", 49_500, TriggerPrice.MARK)
    change = OrderChanges(trigger_price=D(48_000), quantity=D(50))
    edited = scene.exchange.edit("ann", waiting.number, change, scene.now).order
    assert (edited.trigger_price, edited.quantity, edited.state) == (
        48_000,
        50,
        OrderState.UNTRIGGERED,
    )
    scene.market.index = 49_000.0
    scene.tick(SECOND_NS)
    assert scene.exchange.cancel("ann", waiting.number, scene.now).state is OrderState.CANCELED


# reduce only


def test_a_reduce_only_order_is_cut_to_the_position():
    scene = Scene()
    scene.trade("ann", "bob", 100, 50_000)
    order = scene.placed("ann", "SELL", 300, 51_000, reduce_only=True)
    assert order.quantity == 100
    assert scene.place("ann", "SELL", 10, 51_000, reduce_only=True).reason is R.REDUCE_ONLY
    assert scene.place("ann", "BUY", 10, 49_000, reduce_only=True).reason is R.REDUCE_ONLY


def test_resting_reduce_only_orders_shrink_with_the_position():
    scene = Scene()
    scene.trade("ann", "bob", 100, 50_000)
    first = scene.placed("ann", "SELL", 60, 50_600, reduce_only=True)
    second = scene.placed("ann", "SELL", 40, 50_500, reduce_only=True)
    scene.trade("bob", "ann", 70, 50_000)
    assert scene.order("ann", first.number).quantity == 30
    assert scene.order("ann", second.number).cancel_reason is CancelReason.REDUCE_ONLY
    scene.placed("bob", "BUY", 100, 50_600)
    assert scene.position("ann").quantity == 0


def test_close_position_closes_it():
    scene = Scene()
    close = scene.exchange.close_position
    assert close("ann", "INVERSE-PERP", None, "", scene.now).reason is R.NO_POSITION
    scene.trade("ann", "bob", 100, 50_000)
    scene.placed("bob", "BUY", 500, 49_900)
    assert close("ann", "INVERSE-PERP", None, "", scene.now).order.cum_quantity == 100
    assert scene.position("ann").quantity == 0


# books and the synthetic market


def quote(key, side, price, quantity=100.0, at_ns=0, action=FlowAction.PLACE):
    return FlowOrder(action, key, Side(side), price, quantity, at_ns)


def test_a_book_is_made_on_demand_and_forgotten_when_nobody_needs_it():
    scene = Scene()
    scene.market.seeds["INVERSE-PERP"] = [quote(1, "BUY", 49_999.7), quote(2, "SELL", 50_000.2)]
    book = scene.exchange.watch("INVERSE-PERP", scene.now)
    assert book.bids == [(49_999.5, 100.0)] and book.asks == [(50_000.5, 100.0)]
    assert scene.market.awake == {"INVERSE-PERP"}
    scene.exchange.unwatch("INVERSE-PERP")
    scene.tick(31 * SECOND_NS)
    assert scene.market.awake == set()
    assert scene.exchange.book("INVERSE-PERP", 5).change_id > book.change_id
    assert scene.exchange.watch("NONE", scene.now) is None


def test_a_client_order_keeps_the_book_awake():
    scene = Scene()
    order = scene.placed("ann", "BUY", 100, 49_000)
    scene.tick(120 * SECOND_NS)
    assert scene.market.awake == {"INVERSE-PERP"}
    scene.exchange.cancel("ann", order.number, scene.now)
    scene.tick(SECOND_NS)
    assert scene.market.awake == set()


def test_book_changes_of_a_watched_book_are_linked_and_rebuild_it():
    scene = Scene()
    scene.market.seeds["INVERSE-PERP"] = [quote(1, "BUY", 49_999), quote(2, "SELL", 50_001)]
    book = scene.exchange.watch("INVERSE-PERP", scene.now)
    at = scene.now + SECOND_NS
    scene.market.flow["INVERSE-PERP"] = [
        quote(1, "BUY", 50_000, at_ns=at),
        quote(2, "SELL", 50_001, 40.0, at_ns=at),
        quote(3, "BUY", 50_001, 60.0, at_ns=at, action=FlowAction.TAKE),
        quote(1, "BUY", 0.0, at_ns=at, action=FlowAction.CANCEL),
    ]
    scene.tick(SECOND_NS)
    changes = scene.events(BookChange)
    last, sides = book.change_id, (dict(book.bids), dict(book.asks))
    for change in changes:
        assert change.prev_change_id == last < change.change_id
        last = change.change_id
        for levels, side in zip((change.bids, change.asks), sides, strict=True):
            for level in levels:
                assert (level.price in side) is (level.action is not LevelAction.NEW)
                side.pop(level.price, None)
                if level.action is not LevelAction.DELETE:
                    side[level.price] = level.quantity
    assert sides == ({}, {})
    assert scene.exchange.book("INVERSE-PERP", 5).change_id == last


def test_synthetic_requotes_trade_with_clients_but_not_with_each_other():
    scene = Scene()
    scene.market.seeds["INVERSE-PERP"] = [quote(1, "BUY", 49_999), quote(2, "SELL", 50_001)]
    order = scene.placed("ann", "SELL", 60, 50_002)
    at = scene.now + SECOND_NS
    scene.market.flow["INVERSE-PERP"] = [quote(1, "BUY", 50_003, at_ns=at)]
    scene.tick(SECOND_NS)
    trades = scene.events(PublicTrade)
    assert [(t.price, t.quantity) for t in trades] == [(50_002.0, 60.0)]
    assert scene.order("ann", order.number).state is OrderState.FILLED
    book = scene.exchange.book("INVERSE-PERP", 5)
    assert (book.bids, book.asks) == ([(50_003.0, 40.0)], [])


def test_index_prices_are_told_once_a_second():
    scene = Scene()
    for _ in range(20):
        scene.tick(SECOND_NS // 10)
    assert len(scene.events(IndexChanged)) == 2


def test_time_never_goes_back():
    scene = Scene()
    scene.placed("ann", "BUY", 10, 49_000)
    scene.exchange.advance(scene.now - SECOND_NS)
    assert scene.exchange.ticker("INVERSE-PERP").time_ns == scene.now


# history


def test_fills_and_trades_come_in_pages():
    scene = Scene()
    for _ in range(5):
        scene.trade("ann", "bob", 10, 50_000)
    page = scene.exchange.fills("ann", TradeFilter(symbol="INVERSE-PERP", count=2))
    assert [fill.trade_sequence for fill in page.fills] == [5, 4] and page.has_more
    page = scene.exchange.public_trades(
        TradeFilter(currency="BTC", from_sequence=2, count=9, ascending=True)
    )
    assert [trade.trade_sequence for trade in page.trades] == [2, 3, 4, 5] and not page.has_more
    assert scene.exchange.fills("ann", TradeFilter(currency="USDC")).fills == []
    number = page.trades[0].trade_number
    only = TradeFilter(from_number=number, to_number=number)
    assert len(scene.exchange.fills("bob", only).fills) == 1
    order = scene.exchange.fills("bob", only).fills[0].order_number
    assert len(scene.exchange.fills("bob", TradeFilter(order_number=order)).fills) == 1


def test_closed_orders_without_fills_are_hidden_unless_asked_for():
    scene = Scene()
    order = scene.placed("ann", "BUY", 100, 49_000)
    scene.exchange.cancel("ann", order.number, scene.now)
    assert scene.exchange.order_history("ann", HistoryFilter()) == []
    found = scene.exchange.order_history("ann", HistoryFilter(include_unfilled=True))
    assert [o.number for o in found] == [order.number]


def test_the_same_calls_give_the_same_events():
    def run():
        scene = Scene()
        scene.trade("ann", "bob", 100, 50_000)
        scene.tick(SECOND_NS)
        return scene.events()

    assert run() == run()
