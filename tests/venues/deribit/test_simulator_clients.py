"""What other clients send when they start, frame by frame, written down from their behaviour.

Cryptofeed 2.4.1 waits for no answer and matches text ids; nautilus_trader puts every HTTP method
into a body and reads ids and times as unsigned integers; tardis logs in without a scope.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
import pytest

from tests.venues.deribit.simulator_kit import PERPETUAL, Client, Venue

BOOK, TICKER, TRADES = (f"{kind}.{PERPETUAL}.raw" for kind in ("book", "ticker", "trades"))
QUOTE = f"quote.{PERPETUAL}"
KEY, SECRET = "BOB", "bob-secret"


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def client(venue: Venue) -> Client:
    return venue.connect()


def sign(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def signature_login(venue: Venue, session: str, nonce: str) -> dict[str, Any]:
    signed = sign(f"{venue.now_ms}\n{nonce}\n")
    return {
        "grant_type": "client_signature",
        "client_id": KEY,
        "timestamp": venue.now_ms,
        "signature": signed,
        "nonce": nonce,
        "data": "",
        "scope": f"session:{session}",
    }


def push(client: Client, ident: Any, method: str, params: dict[str, Any]) -> None:
    """Sends without a look at what comes back."""
    body = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
    client.venue.receive(client.number, msgspec.json.encode(body))


def answers(client: Client) -> dict[Any, Any]:
    found = {f["id"]: f for f in client.frames if "result" in f or "error" in f}
    client.frames = [f for f in client.frames if "id" not in f]
    assert not [f for f in found.values() if "error" in f], found
    return {ident: frame["result"] for ident, frame in found.items()}


# --- cryptofeed ------------------------------------------------------------------------------


def start_cryptofeed(client: Client, session: str = "DERIBIT.ws.2") -> dict[Any, Any]:
    private = [BOOK, TICKER, TRADES, f"user.trades.{PERPETUAL}.raw", "user.portfolio.BTC"]
    login = signature_login(client.venue, session, "xyz55978")
    push(client, f"auth_{session}", "public/auth", login)
    push(client, "101", "public/subscribe", {"channels": [QUOTE]})
    push(client, "102", "private/subscribe", {"scope": f"session:{session}", "channels": private})
    found = answers(client)
    assert set(found) == {f"auth_{session}", "101", "102"}
    assert found["101"] == [QUOTE] and sorted(found["102"]) == sorted(private)
    return found


def test_cryptofeed_starts_without_waiting_for_answers(client: Client) -> None:
    found = start_cryptofeed(client)
    assert found["auth_DERIBIT.ws.2"]["access_token"]
    assert "session:DERIBIT.ws.2" in found["auth_DERIBIT.ws.2"]["scope"].split()
    (money,) = client.take("user.portfolio.BTC")
    assert money["currency"] == "BTC" and money["balance"] >= money["available_withdrawal_funds"]


@pytest.mark.parametrize("currency", ["BTC", "ETH", "USDC", "SOL"])
def test_cryptofeed_reads_the_instruments_of_four_currencies(venue: Venue, currency: str) -> None:
    status, answer = venue.get(f"public/get_instruments?currency={currency}")
    assert status == 200
    needed = {"base_currency", "quote_currency", "kind", "instrument_name", "tick_size"}
    for found in answer["result"]:
        assert found.keys() >= needed | {"expiration_timestamp"}, found
        assert ("settlement_period" in found) == (found["kind"] != "spot"), found


def apply(book: dict[str, dict[float, float]], data: dict[str, Any]) -> None:
    """As strict as cryptofeed: to delete a price that is not there is a KeyError."""
    for side in ("bids", "asks"):
        for action, price, amount in data[side]:
            if action == "delete":
                del book[side][price]
            else:
                book[side][price] = amount


def test_cryptofeed_keeps_a_whole_book_over_two_connections(venue: Venue, client: Client) -> None:
    for link in (client, venue.connect()):
        start_cryptofeed(link)
        venue.pass_ms(5_000)
        first, *changes = link.take(BOOK)
        assert "prev_change_id" not in first, "it would be read as a change"
        book: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
        last = first["change_id"]
        apply(book, first)
        for data in changes:
            assert data["prev_change_id"] == last
            last = data["change_id"]
            apply(book, data)
        whole = link.ask("public/get_order_book", instrument_name=PERPETUAL, depth=10_000)
        assert len(changes) > 10 and whole["change_id"] == last
        assert {side: dict(whole[side]) for side in book} == book
        link.leave()


def test_cryptofeed_gets_numbers_for_all_it_converts(venue: Venue, client: Client) -> None:
    start_cryptofeed(client)
    order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
    venue.connect().login(KEY).ask("private/buy", **order)
    venue.pass_ms(2_000)
    ticker = "best_bid_price best_ask_price open_interest current_funding funding_8h mark_price"
    quote = "best_bid_price best_bid_amount best_ask_price best_ask_amount timestamp"
    fills = [fill for fills in client.take(f"user.trades.{PERPETUAL}.raw") for fill in fills]
    trades = [trade for trades in client.take(TRADES) for trade in trades]
    for needed, found in (
        (ticker, client.take(TICKER)),
        (quote, client.take(QUOTE)),
        ("amount price timestamp", trades),
        ("amount price fee timestamp", fills),
    ):
        assert found
        for data in found:
            assert all(isinstance(data[name], int | float) for name in needed.split()), data
    assert fills[0]["liquidity"] == "T" and fills[0]["order_type"] == "market"


# --- nautilus_trader -------------------------------------------------------------------------

UNSIGNED = ("id", "usIn", "usOut")
CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR")


def post(venue: Venue, ident: int, method: str, params: dict[str, Any]) -> Any:
    """The method in the body; a private one signed over the base path and the body."""
    body = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
    payload, headers = msgspec.json.encode(body), {"content-type": "application/json"}
    if method.startswith("private/"):
        text = f"{venue.now_ms}\nn{ident}\nPOST\n/api/v2\n{payload.decode()}\n"
        marks = f"id={KEY},ts={venue.now_ms},nonce=n{ident},sig={sign(text)}"
        headers["authorization"] = f"deri-hmac-sha256 {marks}"
    status, answer = venue.post("/api/v2", payload, **headers)
    assert status == 200, answer
    assert all(isinstance(answer[name], int) and answer[name] >= 0 for name in UNSIGNED), answer
    assert answer["id"] == ident
    return answer["result"]


@pytest.mark.parametrize("kind", ["future", "option", "spot", "future_combo", "option_combo"])
def test_nautilus_reads_instruments_of_any_currency(venue: Venue, kind: str) -> None:
    needed = """instrument_id contract_size maker_commission taker_commission creation_timestamp
        tick_size min_trade_amount is_active kind quote_currency base_currency instrument_name"""
    found = post(venue, 1, "public/get_instruments", {"currency": "any", "kind": kind})
    assert found or kind.endswith("combo")
    for instrument in found:
        assert instrument["kind"] == kind
        assert all(instrument[name] is not None for name in needed.split()), instrument
    assert post(venue, 2, "public/get_combos", {"currency": "any"}) == []


def test_nautilus_data_client(venue: Venue, client: Client) -> None:
    push(client, 1, "public/set_heartbeat", {"interval": 30})
    nonce = "0b1f1c1e-6a0e-4c50-9a65-3f9a5d0d2d11"
    push(client, 2, "public/auth", signature_login(venue, "nautilus-data", nonce))
    channels = [BOOK, TICKER, TRADES, QUOTE, f"perpetual.{PERPETUAL}.100ms"]
    channels += [f"chart.trades.{PERPETUAL}.1", "deribit_volatility_index.btc_usd"]
    channels += ["instrument.state.any.any", f"book.{PERPETUAL}.none.10.100ms"]
    push(client, 3, "public/subscribe", {"channels": channels})
    frames = [f for f in client.frames if "id" in f]
    assert all(isinstance(f[name], int) for f in frames for name in UNSIGNED)
    found = answers(client)
    assert found[1] == "ok" and sorted(found[3]) == sorted(channels)
    refresh = {"grant_type": "refresh_token", "refresh_token": found[2]["refresh_token"]}
    assert client.ask("public/auth", **refresh)["access_token"] != found[2]["access_token"]
    for _ in range(3):
        venue.pass_ms(30_000)
        assert [f["params"]["type"] for f in client.frames if f.get("method") == "heartbeat"]
        push(client, 9, "public/test", {})
        client.frames.clear()
    assert client.closed_with == ""


def test_nautilus_spot_tickers_have_an_open_interest(client: Client) -> None:
    name = client.ask("public/get_instruments", currency="any", kind="spot")[0]["instrument_name"]
    ticker = client.ask("public/ticker", instrument_name=name)
    assert all(ticker[n] is not None for n in ("mark_price", "index_price", "open_interest"))


def test_nautilus_execution_client(venue: Venue, client: Client) -> None:
    push(client, 1, "public/set_heartbeat", {"interval": 30})
    push(client, 2, "public/auth", signature_login(venue, "nautilus-execution", "n"))
    assert post(venue, 1, "private/get_account_summaries", {})["summaries"]
    channels = ["user.orders.any.any.raw", "user.trades.any.any.raw", "user.portfolio.any"]
    push(client, 3, "private/subscribe", {"channels": channels})
    assert sorted(answers(client)[3]) == sorted(channels)
    venue.pass_ms(100)
    money = client.take("user.portfolio.any")
    assert {m["currency"] for m in money} >= {"BTC", "ETH", "USDC", "USDT"}
    for name in ["equity", "balance", "available_funds", "margin_balance", "initial_margin"]:
        assert all(isinstance(m[name], int | float) for m in money)
    order = {"instrument_name": PERPETUAL, "amount": 10.0, "label": "O-20260921-1"}
    resting = {"type": "limit", "price": 50_000.5, "time_in_force": "good_til_cancelled"}
    placed = client.ask("private/buy", **order, **resting, post_only=True, reject_post_only=True)
    filled = client.ask("private/sell", **order, type="market")
    venue.pass_ms(100)
    states = [o["order_state"] for o in client.take("user.orders.any.any.raw")]
    assert states[0] == "open" and "filled" in states
    needed = """trade_seq liquidity order_type index_price mark_price tick_direction state fee
        fee_currency order_id label direction"""
    for fill in (f for fills in client.take("user.trades.any.any.raw") for f in fills):
        assert all(fill[name] is not None for name in needed.split()), fill
    number = placed["order"]["order_id"]
    edited = client.ask("private/edit", order_id=number, amount=20.0, price=50_001.0)
    assert edited["order"]["order_id"] == number
    reconcile(venue, number, filled["order"]["order_id"])
    assert client.ask("private/cancel", order_id=number)["order_state"] == "cancelled"


def reconcile(venue: Venue, resting: str, filled: str) -> None:
    """The queries of a start, over HTTP, with one order resting and one filled."""
    (still_open,) = post(venue, 1, "private/get_open_orders", {})
    needed = [
        "creation_timestamp",
        "last_update_timestamp",
        "amount",
        "time_in_force",
        "price",
        "label",
    ]
    assert still_open["order_id"] == resting
    assert all(still_open[name] is not None for name in needed)
    whole = {"include_old": True, "include_unfilled": True}
    since = {"start_timestamp": venue.now_ms - 60_000, "end_timestamp": venue.now_ms}
    orders, fills = [], []
    for ident, currency in enumerate(CURRENCIES):
        asked = {"currency": currency}
        orders += post(venue, ident, "private/get_order_history_by_currency", asked | whole)
        method = "private/get_user_trades_by_currency_and_time"
        fills += post(venue, ident, method, asked | since)["trades"]
    assert [o["order_id"] for o in orders] == [filled]
    assert {f["order_id"] for f in fills} == {filled}
    (position,) = post(venue, 2, "private/get_positions", {"currency": "any"})
    assert (position["instrument_name"], position["size"]) == (PERPETUAL, -10.0)


# --- tardis ----------------------------------------------------------------------------------


def test_tardis_logs_in_without_a_scope_and_answers_with_id_zero(
    venue: Venue, client: Client
) -> None:
    push(client, 1, "public/set_heartbeat", {"interval": 10})
    login = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
    push(client, 2, "public/auth", login)
    batches = [[BOOK, TICKER], [TRADES, QUOTE, f"perpetual.{PERPETUAL}.raw"]]
    for ident, channels in enumerate(batches, 3):
        push(client, ident, "private/subscribe", {"channels": channels})
    found = answers(client)
    assert [sorted(found[n]) for n in (3, 4)] == [sorted(channels) for channels in batches]
    for _ in range(4):
        venue.pass_ms(10_000)
        beats = [f["params"]["type"] for f in client.frames if f.get("method") == "heartbeat"]
        assert "test_request" in beats
        client.frames.clear()
        answer = client.send(b'{"jsonrpc":"2.0","method":"public/test","id":0,"params":{}}')
        assert answer["id"] == 0 and answer["result"]["version"]
    assert client.closed_with == ""


def test_tardis_without_a_key_reads_what_is_not_raw(venue: Venue, client: Client) -> None:
    push(client, 1, "public/set_heartbeat", {"interval": 10})
    channels = [f"book.{PERPETUAL}.100ms", f"trades.{PERPETUAL}.100ms", f"ticker.{PERPETUAL}.100ms"]
    push(client, 2, "public/subscribe", {"channels": channels})
    assert sorted(answers(client)[2]) == sorted(channels)
    venue.pass_ms(2_000)
    assert all(client.take(channel) for channel in channels)
