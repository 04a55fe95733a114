"""What the trading commands send, print and return."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

ORDER = {
    "client_order_id": "9223372036854775809",
    "venue_order_id": "ETH-1",
    "instrument": "deribit.BTC-PERPETUAL",
    "side": "BUY",
    "order_type": "LIMIT",
    "quantity": "100",
    "price": "50000.5",
    "cum_quantity": "0",
    "avg_price": None,
    "status": "NEW",
    "accepted": True,
    "reason": None,
    "text": "",
    "in_doubt": False,
}
PLACE = shlex.split("place deribit.BTC-PERPETUAL buy 100 --price 50000.5 --tif gtc --post-only")


def test_place_sends_numbers_as_they_were_written(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER
    result = run(*PLACE, "--json")
    assert (result.code, result.json) == (0, ORDER)
    call = gateway.calls[0]
    assert (call.method, call.path) == ("POST", "/api/v1/orders")
    assert call.authorization == "Bearer demo.demo-secret"
    assert call.body.pop("request_id").startswith("cli-")
    assert call.body == {
        "instrument": "deribit.BTC-PERPETUAL",
        "side": "BUY",
        "quantity": "100",
        "type": "LIMIT",
        "price": "50000.5",
        "time_in_force": "GTC",
        "post_only": True,
    }


def test_a_market_order_has_no_price(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER
    run("place", "deribit.BTC-PERPETUAL", "sell", "50", "--type", "market", "--json")
    assert gateway.calls[0].body["type"] == "MARKET"
    assert "price" not in gateway.calls[0].body


@pytest.mark.parametrize(
    ("options", "order_type"),
    [
        (["--trigger-price", "49000"], "STOP"),
        (["--trigger-price", "49000", "--price", "48990"], "STOP_LIMIT"),
        (["--price", "1"], "LIMIT"),
        (["--trigger-offset", "100"], "TRAILING_STOP"),
        (["--trigger-price", "49000", "--type", "take_profit"], "TAKE_PROFIT"),
        (["--type", "market_to_limit"], "MARKET_TO_LIMIT"),
    ],
)
def test_the_type_follows_from_the_prices(
    run: Any, gateway: Any, options: list[str], order_type: str
) -> None:
    gateway.answer = ORDER
    run("place", "deribit.BTC-PERPETUAL", "sell", "50", *options)
    assert gateway.calls[0].body["type"] == order_type


def test_the_request_id_of_the_user_is_kept(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER
    run(*PLACE, "--request-id", "mine-1")
    assert gateway.calls[0].body["request_id"] == "mine-1"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (ORDER, 0, "NEW 9223372036854775809: BUY 100 deribit.BTC-PERPETUAL at 50000.5"),
        (ORDER | {"accepted": False, "reason": "PRICE_COLLAR", "text": "far"}, 1, "PRICE_COLLAR"),
        (ORDER | {"status": "PENDING_NEW", "in_doubt": True, "accepted": False}, 3, "PENDING_NEW"),
    ],
)
def test_the_exit_code_tells_how_it_was_judged(
    run: Any, gateway: Any, answer: dict[str, Any], code: int, said: str
) -> None:
    gateway.answer = answer
    result = run(*PLACE)
    assert result.code == code
    assert said in result.out


def test_linked_orders_are_written_as_names_and_values_or_as_json(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER | {"linked_orders": [ORDER | {"side": "SELL", "price": "51000"}]}
    result = run(
        *PLACE,
        "--otoco",
        "side=sell, price=51000, reduce_only=true",
        "--otoco",
        '{"side": "sell", "type": "stop", "trigger_price": 49000.50}',
        "--fill-condition",
        "complete_fill",
    )
    body = gateway.calls[0].body
    assert (body["contingency_type"], body["fill_condition"]) == ("OTOCO", "COMPLETE_FILL")
    assert body["linked_orders"] == [
        {"side": "sell", "price": "51000", "reduce_only": "true"},
        {"side": "sell", "type": "stop", "trigger_price": "49000.50"},
    ]
    assert "SELL 100 deribit.BTC-PERPETUAL at 51000" in result.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--oco", "sell"], "'sell' is not name=value"),
        (["--oco", "side=sell,side=buy"], "side is given twice"),
        (["--oco", "{"], "not JSON"),
        (["--oco", "{}", "--oto", "{}"], "use one of --oco, --oto"),
        (["--fill-condition", "first_hit"], "needs --oco, --oto or --otoco"),
    ],
)
def test_linked_orders_that_cannot_be_read_are_refused_with_the_reason(
    run: Any, gateway: Any, options: list[str], said: str
) -> None:
    result = run(*PLACE, *options)
    assert result.code == 2 and said in result.err
    assert not gateway.calls


def test_a_price_type_and_the_terms_to_modify_are_sent(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER
    run("place", "deribit.BTC-27DEC24-50000-C", "buy", "1", "-p", "65", "--price-type", "usd")
    assert gateway.calls[0].body["price_type"] == "USD"
    run("modify", "12", "--trigger-offset", "50", "--display", "1000")
    body = gateway.calls[1].body
    assert (body["trigger_offset"], body["display_quantity"]) == ("50", "1000")


def test_modify_and_cancel_name_the_order_in_the_path(run: Any, gateway: Any) -> None:
    gateway.answer = ORDER
    assert run("modify", "12", "--price", "50001", "--quantity", "60", "--json").code == 0
    assert run("cancel", "a/b", "--json").code == 0
    modify, cancel = gateway.calls
    assert (modify.method, modify.path) == ("PATCH", "/api/v1/orders/12")
    assert (modify.body["price"], modify.body["quantity"]) == ("50001", "60")
    assert (cancel.method, cancel.path) == ("DELETE", "/api/v1/orders/a%2Fb")


def test_cancel_all_sends_only_the_filters_that_were_given(run: Any, gateway: Any) -> None:
    gateway.answer = {"accepted": True, "orders": [ORDER], "results": []}
    result = run("cancel-all", "--venue", "deribit", "--kind", "option")
    assert gateway.calls[0].path == "/api/v1/orders?venue=deribit&kind=option"
    assert (result.code, result.out) == (0, "1 order canceled\n")


def test_lists_are_tables_or_json(run: Any, gateway: Any) -> None:
    gateway.answer = {"orders": [ORDER]}
    assert "deribit.BTC-PERPETUAL" in run("orders").out
    assert run("--json", "orders").json == {"orders": [ORDER]}
    gateway.answer = {"balances": [{"currency": "BTC", "equity": "10", "available": "9.5"}]}
    assert "9.5" in run("balances").out
    position = {"instrument": "x", "quantity": "-1", "average_price": "50000", "currency": "BTC"}
    gateway.answer = {"positions": [position | {"unrealized_pnl": "-0.00000001"}]}
    assert "-0.00000001" in run("positions").out


def test_what_an_order_waits_for_is_shown(run: Any, gateway: Any) -> None:
    stop = {"trigger_price": "49000", "tag": "exit", "contingency_type": "OCO"}
    gateway.answer = {"orders": [ORDER | stop]}
    assert "exit, trigger 49000, linked: OCO" in run("orders").out
    gateway.answer = ORDER | stop
    assert "trigger 49000" in run("cancel", ORDER["client_order_id"]).out


# what is typed, the exit code, what the answer names
BAD_INPUT = [
    ("place x sideways 1 --price 1", 2, "side"),
    ("place x buy one --price 1", 2, "QUANTITY"),
    ("place x buy 1 --price abc", 2, "--price"),
    ("place x buy 1 --price nan", 2, "--price"),
    ("place x buy 1 --price 1e999", 2, "--price"),
    ("place x buy 1", 2, "--price"),
    ("place x buy", 2, "QUANTITY"),
    ("place x buy 1 --price 1 --tif never", 2, "--tif"),
    ("place x buy 1 --type iceberg", 2, "--type"),
    ("place x buy 1 --price 1 --bogus", 2, "--bogus"),
    ("place x buy -1 --price 1", 2, "-1"),
    ("modify 1", 2, "--price"),
    ("modify", 2, "client_order_id"),
    ("cancel", 2, "client_order_id"),
    ("book x --levels 0 --once", 2, "--levels"),
    ("book x --levels ten --once", 2, "--levels"),
    ("instruments --kind swap", 2, "--kind"),
    ("orders --log-level loud", 2, "--log-level"),
    ("orders --key nodot", 2, "key"),
    ("logs bogus", 2, "bogus"),
    ("bogus", 2, "bogus"),
]


@pytest.mark.parametrize(("line", "code", "named"), BAD_INPUT, ids=[row[0] for row in BAD_INPUT])
def test_bad_input_is_answered_with_a_sentence(
    run: Any, gateway: Any, line: str, code: int, named: str
) -> None:
    result = run(*line.split())
    assert result.code == code
    assert named in result.err
    assert "Traceback" not in result.err
    assert gateway.calls == []


def test_an_order_that_nobody_knows_is_refused_in_one_line(run: Any, gateway: Any) -> None:
    gateway.answer = {
        "client_order_id": "1",
        "status": None,
        "accepted": False,
        "reason": "UNKNOWN_ORDER",
        "text": "there is no order '1'",
    }
    result = run("cancel", "1")
    assert (result.code, result.out) == (1, "refused: UNKNOWN_ORDER: there is no order '1'\n")
