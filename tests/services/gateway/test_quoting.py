"""Mass quotes and market maker protection at the gateway, played without sockets or clocks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from common import core as c, messages as m
from common.config import KeyConfig
from common.messages import RejectReason as R
from tests import samples
from tests.services.gateway.kit import BTC, ENGINE, ETH, KEYS, Desk, config, order
from tests.services.gateway.test_openapi import DOCUMENT, fits

E = m.Exact
QUOTES = [
    {"instrument": BTC, "bid_price": "49999", "bid_quantity": 100, "ask_price": 50001.5}
    | {"ask_quantity": "100"},
    {"instrument": "ETH-PERPETUAL", "ask_quantity": 0},
]
TOPIC = "protection.deribit.main"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][name]
    return found


def test_a_mass_quote_reaches_the_engine_and_each_side_has_its_result() -> None:
    desk = Desk()
    call = desk.http(
        "order.mass_quote",
        "trader",
        quotes=QUOTES,
        mmp_group="mm",
        quote_set="s",
        tag="t",
        post_only=True,
        request_id="q1",
    )
    (request,) = desk.asked
    assert (request.target, request.request_id) == (ENGINE, "trader:q1")
    assert request.command == m.MassQuote(
        [
            m.QuoteEntry(BTC, E("49999"), E("100"), E("50001.5"), E("100")),
            m.QuoteEntry(ETH, ask_quantity=E("0")),
        ],
        "mm",
        "s",
        "trader",
        "t",
        True,
    )
    placed = order()
    results = [
        m.CommandReply("q", True, orders=[placed]),
        m.CommandReply("q", False, R.PRICE_COLLAR, "too far", "quotes[0].ask_price"),
        m.CommandReply("q", True),
    ]
    desk.reply(accepted=False, reason=R.PRICE_COLLAR, orders=[placed], results=results)
    status, answer = desk.answers[call]
    fits(answer, schema("MassQuoteAnswer"))
    assert (status, answer["accepted"], answer["request_id"]) == (200, False, "q1")
    assert [(r["instrument"], r["side"], r["accepted"]) for r in answer["results"]] == [
        (BTC, "BUY", True),
        (BTC, "SELL", False),
        (ETH, "SELL", True),
    ]
    assert answer["results"][0]["client_order_id"] == placed.client_order_id
    assert answer["results"][1]["field"] == "quotes[0].ask_price"


def test_orders_of_a_mass_quote_that_overtook_their_events_are_told() -> None:
    desk = Desk()
    client = desk.client(1, "trader")
    desk.subscribe(client, "orders")
    desk.data(client)
    desk.http("order.mass_quote", "trader", quotes=QUOTES[:1], mmp_group="mm")
    desk.reply(accepted=True, orders=[order()])
    assert [data["type"] for data in desk.data(client)] == ["order"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"quotes": QUOTES}, "mmp_group"),
        ({"mmp_group": "mm"}, "quotes"),
        ({"mmp_group": "mm", "quotes": []}, "quotes"),
        ({"mmp_group": "mm", "quotes": [1]}, "quotes"),
        ({"mmp_group": "mm", "quotes": QUOTES * 51}, "quotes"),
        ({"mmp_group": "mm", "quotes": [{}]}, "quotes[0].instrument"),
        ({"mmp_group": "mm", "quotes": [{"instrument": BTC, "x": 1}]}, "quotes[0].x"),
        (
            {"mmp_group": "mm", "quotes": [{"instrument": BTC, "bid_price": 1}]},
            "quotes[0].bid_quantity",
        ),
        (
            {"mmp_group": "mm", "quotes": [{"instrument": BTC, "ask_quantity": -1}]},
            "quotes[0].ask_quantity",
        ),
        (
            {"mmp_group": "mm", "quotes": [*QUOTES, {"instrument": "other.BTC-25DEC26"}]},
            "quotes",
        ),
        ({"mmp_group": "mm", "quotes": QUOTES, "account": "none"}, "account"),
    ],
)
def test_a_mass_quote_in_bad_form_names_the_field(params: dict[str, Any], field: str) -> None:
    desk = Desk()
    status, answer = desk.ask("order.mass_quote", **params)
    assert status in (400, 404) and answer["error"]["data"]["field"] == field
    assert desk.asked == []


def test_the_limits_of_a_key_hold_for_every_side() -> None:
    small = KeyConfig("small", secret="small-secret", scopes=["trade"], max_quantity="50")
    desk = Desk(config(keys=[*KEYS, small]))
    status, answer = desk.ask("order.mass_quote", "small", quotes=QUOTES, mmp_group="mm")
    assert (status, answer["error"]["data"]["field"]) == (403, "quantity")
    status, answer = desk.ask("order.mass_quote", "stopper", quotes=QUOTES, mmp_group="mm")
    assert status == 403 and desk.asked == []


def test_quotes_without_an_answer_are_in_doubt_and_without_an_engine_refused() -> None:
    desk = Desk()
    call = desk.http("order.mass_quote", quotes=QUOTES, mmp_group="mm")
    desk.feed(c.RequestFailed(ENGINE, desk.asked[-1].request_id, True, "silent"))
    status, answer = desk.answers[call]
    fits(answer, schema("MassQuoteAnswer"))
    assert (answer["accepted"], answer["in_doubt"], answer["results"]) == (False, True, [])
    call = desk.http("order.mass_quote", quotes=QUOTES, mmp_group="mm")
    desk.feed(c.RequestFailed(ENGINE, desk.asked[-1].request_id, False, "down"))
    assert desk.answers[call][0] == 503


def test_quotes_are_cancelled_by_any_filter() -> None:
    desk = Desk()
    call = desk.http("order.cancel_quotes", quote_set="s", min_delta="0.1", max_delta=0.4)
    assert desk.asked[-1].command == m.CancelQuotes(quote_set="s", min_delta=0.1, max_delta=0.4)
    desk.reply(accepted=True, orders=[order(status=m.OrderStatus.CANCELED)])
    status, answer = desk.answers[call]
    fits(answer, schema("CancelAllAnswer"))
    assert (status, answer["accepted"], len(answer["orders"])) == (200, True, 1)
    status, answer = desk.ask("order.cancel_quotes", min_delta=0.1)
    assert (status, answer["error"]["data"]["field"]) == (400, "min_delta")


def test_a_key_cancels_its_own_quotes_alone() -> None:
    desk = Desk()
    desk.http("order.cancel_quotes", "stopper")
    assert desk.asked[-1].command == m.CancelQuotes(owner="stopper")
    status, answer = desk.ask("order.cancel_quotes", "stopper", owner="other")
    assert (status, answer["error"]["data"]["field"]) == (403, "owner")


def test_protections_are_listed_as_the_venue_tells_them() -> None:
    desk = Desk()
    call = desk.http("mmp.list", "reader")
    assert desk.asked[-1].command == m.QueryProtections()
    desk.reply(accepted=True, protections=[samples.PROTECTION])
    status, answer = desk.answers[call]
    fits(answer, schema("Protections"))
    assert (status, answer["protections"][0]["mmp_group"]) == (200, "mm")
    call = desk.http("mmp.list", "reader")
    desk.reply(accepted=False, reason=R.LINK_DOWN, text="there is no link")
    assert desk.answers[call][0] == 503
    call = desk.http("mmp.list", "reader")
    desk.reply(accepted=False, reason=R.UNSUPPORTED, text="none here")
    assert desk.answers[call] == (200, {"protections": []})


def test_protection_is_set_and_reset() -> None:
    desk = Desk()
    call = desk.http(
        "mmp.set",
        index="btc_usd",
        mmp_group="mm",
        interval_s=5,
        frozen_s="10",
        max_quote_quantity="10",
        quantity_limit=20,
        trade_count_limit=7,
        request_id="m1",
    )
    assert desk.asked[-1].command == m.SetProtection(
        "btc_usd", "mm", 5, 10, E("10"), E("20"), trade_count_limit=7
    )
    desk.reply(accepted=True, protections=[samples.PROTECTION])
    status, answer = desk.answers[call]
    fits(answer, schema("ProtectionAnswer"))
    assert (status, answer["accepted"], answer["request_id"]) == (200, True, "m1")
    call = desk.http("mmp.reset", index="btc_usd", mmp_group="mm")
    assert desk.asked[-1].command == m.ResetProtection("btc_usd", "mm")
    desk.feed(c.RequestFailed(ENGINE, desk.asked[-1].request_id, True, "silent"))
    assert desk.answers[call][1]["in_doubt"] is True


@pytest.mark.parametrize("method", ["mmp.set", "mmp.reset"])
def test_protection_is_everybodys_and_takes_an_admin(method: str) -> None:
    desk = Desk()
    status, answer = desk.ask(method, "trader", index="btc_usd", interval_s=0)
    assert (status, answer["error"]["data"]["reason"]) == (403, "FORBIDDEN")
    assert desk.asked == []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"interval_s": 5}, "index"),
        ({"index": "btc_usd"}, "interval_s"),
        ({"index": "btc_usd", "interval_s": 3601}, "interval_s"),
        ({"index": "btc_usd", "interval_s": 1, "trade_count_limit": 0}, "trade_count_limit"),
        ({"index": "btc_usd", "interval_s": 1, "venue": "none"}, "venue"),
        ({"index": "btc_usd", "interval_s": 1, "account": "none"}, "account"),
    ],
)
def test_settings_in_bad_form_name_the_field(params: dict[str, Any], field: str) -> None:
    desk = Desk()
    status, answer = desk.ask("mmp.set", **params)
    assert (status, answer["error"]["data"]["field"]) == (400, field)


def test_the_channel_begins_with_what_holds_and_tells_each_change() -> None:
    desk = Desk()
    client = desk.client(1, "reader")
    desk.bus(TOPIC, m.ProtectionSnapshot("deribit", "main", [samples.PROTECTION]))
    desk.subscribe(client, "protections")
    snapshot = desk.data(client)[0]
    assert (snapshot["type"], len(snapshot["protections"])) == ("snapshot", 1)
    reset = msgspec.structs.replace(
        samples.PROTECTION, event=m.ProtectionEvent.RESET, frozen_until_ns=None
    )
    desk.bus(TOPIC, reset)
    assert [(d["type"], d["event"]) for d in desk.data(client)] == [("protection", "RESET")]
    gone = msgspec.structs.replace(reset, event=m.ProtectionEvent.REMOVED)
    desk.bus(TOPIC, gone)
    desk.data(client)
    desk.bus(TOPIC, m.ProtectionSnapshot("deribit", "main", []))
    assert desk.data(client) == [{"type": "snapshot", "protections": []}]
