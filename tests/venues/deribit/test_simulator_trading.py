"""Orders, trades and positions at the simulated venue, in the venue's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

ORDER = {"instrument_name": PERPETUAL, "amount": 100, "price": 50000.5}


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect().login()


def quote(client: Client, instrument: str = PERPETUAL) -> tuple[float, float]:
    ticker = client.ask("public/ticker", instrument_name=instrument)
    return ticker["best_bid_price"], ticker["best_ask_price"]


def test_a_resting_order_is_edited_and_cancelled(venue: Venue, client: Client) -> None:
    placed = client.ask("private/buy", **ORDER, label="c-1", post_only=True, reject_post_only=True)
    order = placed["order"]
    assert placed["trades"] == [] and order["order_id"].isdigit()
    assert (order["order_state"], order["price"], order["contracts"]) == ("open", 50000.5, 10)
    venue.pass_ms(50)
    edited = client.ask("private/edit", order_id=order["order_id"], amount=60, price=50001)["order"]
    assert (edited["order_id"], edited["amount"], edited["price"]) == (order["order_id"], 60, 50001)
    assert edited["replaced"] is True
    assert edited["last_update_timestamp"] > order["last_update_timestamp"]
    again = client.ask("private/edit_by_label", label="c-1", instrument_name=PERPETUAL, amount=50)
    assert again["order"]["amount"] == 50 and again["order"]["price"] == 50001
    assert client.ask("private/get_order_state", order_id=order["order_id"]) == again["order"]
    assert client.ask("private/get_order_state_by_label", currency="BTC", label="c-1")
    cancelled = client.ask("private/cancel", order_id=order["order_id"])
    assert cancelled["order_state"] == "cancelled"
    assert cancelled["cancel_reason"] == "user_request"
    assert client.refused("private/cancel", order_id=order["order_id"])[:2] == (
        11044,
        "not_open_order",
    )
    history = {"instrument_name": PERPETUAL}
    assert client.ask("private/get_order_history_by_instrument", **history) == []
    shown = client.ask("private/get_order_history_by_instrument", **history, include_unfilled=True)
    assert [o["order_id"] for o in shown] == [order["order_id"]]


def test_a_crossing_order_is_answered_with_its_trades(client: Client) -> None:
    _, ask = quote(client)
    price = ask + 20
    done = client.ask("private/buy", instrument_name=PERPETUAL, amount=40, price=price, label="x")
    assert done["order"]["order_state"] == "filled" and done["order"]["filled_amount"] == 40
    assert sum(trade["amount"] for trade in done["trades"]) == 40
    trade = done["trades"][0]
    assert (trade["liquidity"], trade["direction"], trade["label"]) == ("T", "buy", "x")
    assert trade["fee_currency"] == "BTC"
    assert trade["fee"] == pytest.approx(0.00035 * trade["amount"] / trade["price"], abs=1e-8)
    own = client.ask("private/get_user_trades_by_instrument", instrument_name=PERPETUAL)
    assert sorted(t["trade_id"] for t in own["trades"]) == sorted(
        t["trade_id"] for t in done["trades"]
    )
    by_order = client.ask("private/get_user_trades_by_order", order_id=done["order"]["order_id"])
    assert len(by_order) == len(done["trades"])
    position = client.ask("private/get_position", instrument_name=PERPETUAL)
    assert (position["size"], position["direction"], position["kind"]) == (40, "buy", "future")
    closed = client.ask("private/close_position", instrument_name=PERPETUAL, type="market")
    assert closed["order"]["reduce_only"] is True
    flat = client.ask("private/get_position", instrument_name=PERPETUAL)
    assert (flat["size"], flat["direction"]) == (0, "zero")
    refused = client.refused("private/close_position", instrument_name=PERPETUAL, type="market")
    assert refused[:2] == (10010, "already_closed")


def test_two_accounts_trade_with_each_other(venue: Venue, client: Client) -> None:
    bob = venue.connect().login("BOB")
    bid, ask = quote(client)
    price = bid + 0.5 if bid + 0.5 < ask else bid
    maker = client.ask("private/buy", instrument_name=PERPETUAL, amount=30, price=price)["order"]
    taken = bob.ask("private/sell", instrument_name=PERPETUAL, amount=5000000, price=price)
    assert taken["trades"]
    trades = client.ask("private/get_user_trades_by_currency", currency="BTC")["trades"]
    mine = [trade for trade in trades if trade["order_id"] == maker["order_id"]]
    assert mine[0]["liquidity"] == "M" and mine[0]["direction"] == "buy"
    public = client.ask("public/get_last_trades_by_instrument", instrument_name=PERPETUAL)
    assert {t["direction"] for t in public["trades"]} == {"sell"}


def test_a_stop_waits_triggers_and_becomes_an_order(venue: Venue, client: Client) -> None:
    mark = client.ask("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    far = round(mark * 1.01 * 2) / 2
    stop = client.ask(
        "private/buy",
        instrument_name=PERPETUAL,
        amount=10,
        type="stop_market",
        trigger="mark_price",
        trigger_price=far,
    )["order"]
    assert (stop["order_state"], stop["price"]) == ("untriggered", "market_price")
    assert stop["order_id"].startswith("BTC-SLM") and "filled_amount" not in stop
    assert (stop["trigger"], stop["trigger_price"]) == ("mark_price", far)
    waiting = client.ask("private/get_open_orders", type="stop_market")
    assert [o["order_id"] for o in waiting] == [stop["order_id"]]
    assert client.ask("private/get_open_orders", type="limit") == []
    assert client.ask("private/cancel", order_id=stop["order_id"])["order_state"] == "cancelled"
    client.ask("private/subscribe", channels=["user.orders.any.any.raw"])
    near = {"trigger": "mark_price", "trigger_price": round(mark) + 3}
    placed = client.ask(
        "private/buy", instrument_name=PERPETUAL, amount=10, type="stop_market", **near
    )["order"]
    for _ in range(600):
        venue.pass_ms(100)
        orders = client.take("user.orders.any.any.raw")
        born = [o for o in orders if o.get("trigger_order_id") == placed["order_id"]]
        if born:
            assert born[-1]["order_state"] == "filled" and born[-1]["order_id"].isdigit()
            return
    pytest.skip("the simulated mark did not reach the trigger")


@pytest.mark.parametrize(
    ("method", "params", "left"),
    [
        ("private/cancel_all", {}, 0),
        ("private/cancel_all_by_currency", {"currency": "ETH"}, 2),
        ("private/cancel_all_by_currency", {"currency": "BTC", "kind": "option"}, 3),
        ("private/cancel_all_by_currency_pair", {"currency_pair": "btc_usd"}, 1),
        ("private/cancel_all_by_instrument", {"instrument_name": PERPETUAL}, 1),
        ("private/cancel_all_by_instrument", {"instrument_name": PERPETUAL, "type": "stop"}, 2),
        ("private/cancel_all_by_kind_or_type", {"currency": ["BTC", "ETH"], "type": "limit"}, 1),
        ("private/cancel_by_label", {"label": "b"}, 2),
        ("private/cancel_by_label", {"label": "b", "currency": "ETH"}, 3),
    ],
)
def test_the_cancel_all_family(
    client: Client, method: str, params: dict[str, Any], left: int
) -> None:
    client.ask("private/buy", **ORDER, label="b")
    client.ask("private/buy", instrument_name="ETH-PERPETUAL", amount=10, price=2000, label="e")
    far = client.ask("public/ticker", instrument_name=PERPETUAL)["max_price"]
    client.ask(
        "private/buy",
        instrument_name=PERPETUAL,
        amount=10,
        type="stop_limit",
        price=far,
        trigger="last_price",
        trigger_price=far,
    )
    assert client.ask(method, **params) == 3 - left
    assert len(client.ask("private/get_open_orders")) == left


def test_detailed_cancels_list_the_orders(client: Client) -> None:
    order = client.ask("private/buy", **ORDER)["order"]
    groups = client.ask("private/cancel_all", detailed=True)
    assert [o["order_id"] for group in groups for o in group["result"]] == [order["order_id"]]
    assert client.ask("private/cancel_all", detailed=True) == []


REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"instrument_name": "X"}, 13020, "not_found", ""),
    ({"amount": 5}, 10002, "qty_too_low", "amount"),
    ({"amount": 15}, -32602, "Invalid params", "amount"),
    ({"amount": 0}, -32602, "Invalid params", "amount"),
    ({"amount": -10}, -32602, "Invalid params", "amount"),
    ({"amount": "10"}, -32602, "Invalid params", "amount"),
    ({"amount": None}, -32602, "Invalid params", "amount"),
    ({"contracts": 11}, -32602, "Invalid params", "contracts"),
    ({"amount": 10**13}, 10009, "not_enough_funds", ""),
    ({"price": 50000.25}, 10043, "price_wrong_tick", "price"),
    ({"price": None}, -32602, "Invalid params", "price"),
    ({"price": -5}, 10023, "invalid_price", "price"),
    ({"type": "loan"}, -32602, "Invalid params", "type"),
    ({"time_in_force": "gtc"}, -32602, "Invalid params", "time_in_force"),
    ({"label": "x" * 65}, -32602, "Invalid params", "label"),
    ({"label": 7}, -32602, "Invalid params", "label"),
    ({"post_only": "true"}, -32602, "Invalid params", "post_only"),
    (
        {"post_only": True, "time_in_force": "fill_or_kill"},
        11055,
        "post_only_not_allowed",
        "post_only",
    ),
    ({"reduce_only": True}, 11030, "other_reject reduce_only", "reduce_only"),
    ({"type": "stop_market"}, -32602, "Invalid params", "trigger"),
    ({"type": "stop_limit", "trigger": "last_price"}, -32602, "Invalid params", "trigger_price"),
    ({"type": "trailing_stop"}, -32602, "Invalid params", "trigger"),
    (
        {"type": "trailing_stop", "trigger": "mark_price"},
        -32602,
        "Invalid params",
        "trigger_offset",
    ),
    (
        {"type": "trailing_stop", "trigger": "mark_price", "trigger_offset": 0},
        11036,
        "invalid_trigger_price",
        "trigger_offset",
    ),
    ({"advanced": "usd"}, 11038, "no_adv_for_futures", ""),
    ({"mmp": True}, 13040, "mmp_required", ""),
    ({"display_amount": 10}, 10036, "invalid_max_show_amount", "display_amount"),
    ({"mmp": True, "type": "market"}, 11047, "unsupported_arg_combination", "type"),
    ({"linked_order_type": "one_cancels_other"}, -32602, "Invalid params", "otoco_config"),
    ({"otoco_config": [{}]}, -32602, "Invalid params", "linked_order_type"),
    (
        {"linked_order_type": "one_triggers_other", "otoco_config": [{"amount": 10}]},
        -32602,
        "Invalid params",
        "direction",
    ),
    (
        {
            "linked_order_type": "one_triggers_one_cancels_other",
            "otoco_config": [{"direction": "sell", "price": 60_000}],
        },
        -32602,
        "Invalid params",
        "otoco_config",
    ),
    (
        {
            "linked_order_type": "one_triggers_other",
            "otoco_config": [{"direction": "sell", "price": 60_000}] * 11,
        },
        13901,
        "no_more_oto_orders",
        "",
    ),
    ({"valid_until": 1}, 13888, "timed_out", "valid_until"),
    ({"valid_until": 1.5}, -32602, "Invalid params", "valid_until"),
]


@pytest.mark.parametrize(("changes", "code", "message", "param"), REFUSED)
def test_refused_orders(
    client: Client, changes: dict[str, Any], code: int, message: str, param: str
) -> None:
    answer = client.call("private/buy", ORDER | changes)
    error = answer["error"]
    assert (error["code"], error["message"]) == (code, message)
    assert error.get("data", {}).get("param", "") == param
    assert client.ask("private/get_open_orders") == []


def test_prices_beyond_the_band(client: Client) -> None:
    symbol = next(
        i["instrument_name"]
        for i in client.ask("public/get_instruments", currency="BTC", kind="option")
    )
    ticker = client.ask("public/ticker", instrument_name=symbol)
    order = {"instrument_name": symbol, "amount": 0.1, "price": ticker["max_price"] + 1}
    code, message, _ = client.refused("private/buy", **order)
    assert code == 10007 and message.split()[0] == "price_too_high"
    assert float(message.split()[1]) == ticker["max_price"]


def test_post_only_moves_or_is_refused(client: Client) -> None:
    _, ask = quote(client)
    order = {"instrument_name": PERPETUAL, "amount": 10, "price": ask + 5, "post_only": True}
    moved = client.ask("private/buy", **order)["order"]
    assert moved["order_state"] == "open" and moved["price"] < ask
    refused = client.refused("private/buy", **order, reject_post_only=True)
    assert refused[:2] == (11054, "post_only_reject")


def test_market_limit_rests_where_it_traded(client: Client) -> None:
    _, ask = quote(client)
    done = client.ask("private/buy", instrument_name=PERPETUAL, amount=5e6, type="market_limit")
    assert done["order"]["price"] == ask and done["order"]["order_state"] in ("open", "filled")
    assert all(trade["price"] <= ask for trade in done["trades"])
    assert done["order"]["order_type"] == "limit"
    assert done["order"]["original_order_type"] == "market_limit"


def test_ioc_and_fok_without_a_match_end_cancelled(client: Client) -> None:
    for lifetime in ("immediate_or_cancel", "fill_or_kill"):
        order = client.ask("private/buy", **ORDER, time_in_force=lifetime)["order"]
        assert (order["order_state"], order["filled_amount"]) == ("cancelled", 0)


def test_own_orders_do_not_trade_with_each_other(client: Client) -> None:
    bid, ask = quote(client)
    price = ask - 0.5 if ask - bid > 0.5 else ask
    client.ask("private/sell", instrument_name=PERPETUAL, amount=10, price=price)
    mode = "private/set_self_trading_config"
    assert client.ask(mode, mode="reject_taker", extended_to_subaccounts=False) == "ok"
    crossing = {"instrument_name": PERPETUAL, "amount": 10_000_000, "price": ask + 5}
    assert client.refused("private/buy", **crossing)[:2] == (10003, "order_overlap")
    assert client.ask(mode, mode="cancel_maker", extended_to_subaccounts=False) == "ok"
    assert client.ask("private/buy", **crossing)["trades"]
    extended = client.ask("private/get_account_summary", currency="BTC", extended=True)
    assert extended["self_trading_reject_mode"] == "cancel_maker"


@pytest.mark.parametrize(
    ("order_id", "code"),
    [("1", 10004), ("ETH-1", 10004), ("x", 10025), ("", 10025), ("1" * 30, 10025)],
)
def test_unknown_order_ids(client: Client, order_id: str, code: int) -> None:
    for method in ("private/cancel", "private/get_order_state", "private/edit"):
        assert client.refused(method, order_id=order_id)[0] == code


def test_others_orders_are_not_mine(venue: Venue, client: Client) -> None:
    order = venue.connect().login("BOB").ask("private/buy", **ORDER)["order"]
    code, message, _ = client.refused("private/cancel", order_id=order["order_id"])
    assert (code, message) in ((10029, "not_owner_of_order"), (10004, "order_not_found"))


def test_labels_are_not_unique(client: Client) -> None:
    for _ in range(2):
        client.ask("private/buy", **ORDER, label="twice")
    edit = {"label": "twice", "instrument_name": PERPETUAL, "amount": 50}
    assert client.refused("private/edit_by_label", **edit)[:2] == (13032, "non_unique_order_label")
    edit["label"] = "never"
    assert client.refused("private/edit_by_label", **edit)[0] == 10004
    found = client.ask("private/get_open_orders_by_label", currency="BTC", label="twice")
    assert len(found) == 2


def test_history_pages(client: Client) -> None:
    for _ in range(5):
        client.ask("private/buy", **ORDER)
    client.ask("private/cancel_all")
    asked = {"currency": "BTC", "include_unfilled": True, "count": 2, "with_continuation": True}
    first = client.ask("private/get_order_history_by_currency", **asked)
    asked["continuation"] = first["continuation"]
    second = client.ask("private/get_order_history_by_currency", **asked)
    ids = [order["order_id"] for page in (first, second) for order in page["orders"]]
    assert len(set(ids)) == 4


@pytest.mark.parametrize("history", ["order_history_by_instrument", "trigger_order_history"])
def test_pages_of_a_history_do_not_move_when_more_orders_close(
    client: Client, history: str
) -> None:
    stop = {"type": "stop_market", "trigger": "mark_price", "trigger_price": 1_000_000}
    order = {name: ORDER[name] for name in ("instrument_name", "amount")} | stop

    def close(count: int) -> list[str]:
        made = [client.ask("private/buy", **order)["order"]["order_id"] for _ in range(count)]
        client.ask("private/cancel_all")
        return made

    asked: dict[str, Any] = {"count": 2}
    if history == "trigger_order_history":
        asked |= {"currency": "BTC"}
    else:
        asked |= {"instrument_name": PERPETUAL, "include_unfilled": True, "with_continuation": True}
    made, found = close(4), []
    for _ in range(2):
        page = client.ask(f"private/get_{history}", **asked)
        entries = page.get("orders") or page.get("entries")
        found += [entry.get("order_id") or entry["trigger_order_id"] for entry in entries]
        asked["continuation"] = page["continuation"]
        close(3)
    assert sorted(found) == sorted(made) and page["continuation"] is None
    for wrong in ("2", "bm9wZTox", "\u00e9", "Y2xvc2VkOng"):
        asked["continuation"] = wrong
        assert client.refused(f"private/get_{history}", **asked)[2] == "continuation"


def test_user_trades_sort_and_select(venue: Venue, client: Client) -> None:
    start = venue.now_ms
    for _ in range(4):
        client.ask("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
        venue.pass_ms(20)
    base = {"currency": "BTC", "count": 3}
    newest = client.ask("private/get_user_trades_by_currency", **base)
    stamps = [t["timestamp"] for t in newest["trades"]]
    assert stamps == sorted(stamps, reverse=True) and newest["has_more"] is True
    span = {"start_timestamp": start, "end_timestamp": venue.now_ms}
    oldest = client.ask("private/get_user_trades_by_currency_and_time", **base, **span)
    stamps = [t["timestamp"] for t in oldest["trades"]]
    assert stamps == sorted(stamps) and stamps[0] < newest["trades"][-1]["timestamp"]
    seq = newest["trades"][0]["trade_seq"]
    one = client.ask(
        "private/get_user_trades_by_instrument",
        instrument_name=PERPETUAL,
        start_seq=seq,
        end_seq=seq,
    )
    assert [t["trade_seq"] for t in one["trades"]] == [seq]
    assert client.ask("private/get_user_trades_by_currency", currency="ETH")["trades"] == []


def test_margins(client: Client) -> None:
    order = client.ask("private/buy", **ORDER)["order"]
    ids = [order["order_id"]]
    margins = client.ask("private/get_order_margin_by_ids", ids=ids)
    assert margins[0]["initial_margin_currency"] == "BTC" and margins[0]["initial_margin"] > 0
    asked = {"instrument_name": PERPETUAL, "amount": 10000, "price": 60000}
    found = client.ask("private/get_margins", **asked)
    assert found["buy"] > 0 and found["min_price"] < found["max_price"]
    for name in ("amount", "price"):
        assert client.refused("private/get_margins", **(asked | {name: 0}))[2] == name


@pytest.mark.parametrize("symbol", ["BTC_USDC", "ETH_USDC-PERPETUAL", "ETH-PERPETUAL"])
def test_other_products_trade(client: Client, symbol: str) -> None:
    instrument = client.ask("public/get_instrument", instrument_name=symbol)
    amount = instrument["min_trade_amount"]
    done = client.ask("private/buy", instrument_name=symbol, amount=amount, type="market")
    assert done["order"]["order_state"] == "filled"
    prefix = {"BTC_USDC": "USDC-", "ETH_USDC-PERPETUAL": "USDC-"}.get(symbol, "ETH-")
    assert done["order"]["order_id"].startswith(prefix)
    assert done["trades"][0]["trade_id"].startswith(prefix)
    currency = prefix.strip("-")
    assert client.ask("private/get_user_trades_by_currency", currency=currency)["trades"]


def test_an_option_trades_in_coin(client: Client) -> None:
    instruments = client.ask("public/get_instruments", currency="BTC", kind="option")
    for instrument in instruments:
        symbol = instrument["instrument_name"]
        if quote(client, symbol)[1] > 0:
            break
    done = client.ask("private/buy", instrument_name=symbol, amount=0.1, type="market")
    trade = done["trades"][0]
    assert trade["iv"] >= 0 and trade["underlying_price"] > 1000 and trade["fee_currency"] == "BTC"
    position = client.ask("private/get_positions", currency="BTC", kind="option")[0]
    assert position["size"] == 0.1 and {"gamma", "vega", "theta"} <= position.keys()
