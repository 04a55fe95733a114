"""Mass quotes and market maker protection on a running desk, from every side."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websocket
import yaml

from common import messages as m
from common.client import Client, NotRunning, Received
from tests.e2e.desk import NOT_YET_KNOWN, Desk, prepare, running

pytestmark = pytest.mark.xdist_group("quotes")  # one worker, so that there is one desk
PATIENCE_S = 60.0
BTC = "deribit.BTC-PERPETUAL"
ETH = "deribit.ETH-PERPETUAL"
D = m.Exact


@pytest.fixture(scope="module")
def quoting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk whose account may quote, with protection for the group mm."""
    desk = prepare(tmp_path_factory.mktemp("quoting"))
    config = yaml.safe_load(desk.config_path.read_text())
    config["venues"]["deribit"]["accounts"][0]["on_disconnect"] = "cancel"
    desk.config_path.write_text(yaml.safe_dump(config))
    with running(desk):
        for index in ("btc_usd", "eth_usd"):
            options = ("--group", "mm", "--interval", "5", "--max-quote", "100000")
            done = desk.cli("mmp", "set", index, *options, "--json")
            assert (done.code, done.json["accepted"]) == (0, True), done.err
        yield desk


def eventually(is_so: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(NotRunning):  # it was just started again
            if found := is_so():
                return found
        time.sleep(0.1)
    raise AssertionError("it did not come to be so")


def far_quotes(desk: Desk, quantity: str = "10") -> list[dict[str, str]]:
    """Sides that nobody trades with, in two instruments."""
    found = []
    for row in best_of(desk, BTC, ETH):
        bid, ask = int(row["bid_price"] * 0.95), int(row["ask_price"] * 1.05)
        found.append(
            {"instrument": row["instrument"], "bid_price": str(bid), "bid_quantity": quantity}
            | {"ask_price": str(ask), "ask_quantity": quantity}
        )
    return found


def best_of(desk: Desk, *instruments: str) -> list[dict[str, Any]]:
    """Best bids and asks, once the desk has them all."""

    def whole() -> list[dict[str, Any]]:
        result = desk.cli("quotes", *instruments, "--json")
        rows = result.json["quotes"] if result.code == 0 else []
        known = [row for row in rows if row["bid_price"] and row["ask_price"] and not row["stale"]]
        return known if len(known) == len(instruments) else []

    return list(eventually(whole))


def open_quotes(desk: Desk) -> list[dict[str, Any]]:
    result = eventually(lambda: (r := desk.cli("orders", "--json")).code == 0 and r)
    return [order for order in result.json["orders"] if order["quote_id"]]


def placed_quotes(desk: Desk, file: Path, *options: str) -> list[dict[str, Any]]:
    """The results, as soon as the engine knows what the instruments are worth."""

    def taken() -> list[dict[str, Any]]:
        result = desk.cli("quote", str(file), "--mmp-group", "mm", *options, "--json")
        results = list(result.json["results"])
        unknown = {row["reason"] for row in results} & set(NOT_YET_KNOWN)
        assert result.code == 0 or unknown, result
        return results if result.code == 0 else []

    return list(eventually(taken))


def test_quotes_from_the_command_line_are_orders_and_are_cancelled(
    quoting: Desk, tmp_path: Any
) -> None:
    file = tmp_path / "quotes.json"
    file.write_text(json.dumps(far_quotes(quoting)))
    placed = placed_quotes(quoting, file, "--quote-set", "cli")
    assert [r["status"] for r in placed] == ["NEW"] * 4
    names = {r["client_order_id"] for r in placed}
    found = eventually(lambda: len(q := open_quotes(quoting)) == 4 and q)
    assert {order["client_order_id"] for order in found} == names
    assert {order["quote_set"] for order in found} == {"cli"}

    bad = json.loads(file.read_text())
    bad[0]["bid_price"] = "1"
    file.write_text(json.dumps({"quotes": bad, "mmp_group": "mm", "quote_set": "cli"}))
    again = quoting.cli("quote", str(file))
    assert again.code == 1 and "PRICE_COLLAR" in again.out

    canceled = quoting.cli("cancel-quotes", "--quote-set", "cli", "--json")
    assert (canceled.code, len(canceled.json["orders"])) == (0, 4), canceled.out
    eventually(lambda: open_quotes(quoting) == [])


def test_a_restarted_engine_knows_what_became_of_its_quotes(quoting: Desk) -> None:
    with Client(str(quoting.run_dir), "maker", timeout_s=PATIENCE_S) as client:
        entries = [
            m.QuoteEntry(q["instrument"], D(q["bid_price"]), D(q["bid_quantity"]))
            for q in far_quotes(quoting)
        ]
        reply = eventually(lambda: (r := client.quote(entries, "mm")).accepted and r)
        assert len(reply.results) == 2, reply
        before = engine(quoting)["pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: engine(quoting)["pid"] != before and is_ready(quoting))
        # The venue cancels what a dropped link leaves, as it was told to.
        eventually(lambda: client.query_orders("deribit") == [])
        closed = client.query_orders("deribit", closed=True)
        ours = {order.client_order_id for order in reply.orders}
        ends = [order for order in closed if order.client_order_id in ours]
        assert [order.status for order in ends] == [m.OrderStatus.CANCELED] * 2
        assert {order.owner for order in ends} == {"maker"}
        eventually(lambda: "mm" in {p.mmp_group for p in client.query_protections("deribit")})


def engine(desk: Desk) -> dict[str, Any]:
    """Its row in `crossdesk status`."""
    processes = desk.cli("status", "--json").json["processes"]
    found: dict[str, Any] = next(p for p in processes if p["name"] == "trading_engine.deribit.main")
    return found


def is_ready(desk: Desk) -> bool:
    return bool(engine(desk)["healthy"])


def test_protection_that_acts_is_told_to_everybody(quoting: Desk) -> None:
    options = ("--group", "tight", "--interval", "5", "--max-quote", "100000")
    done = quoting.cli("mmp", "set", "btc_usd", *options, "--quantity", "0.000001", "--json")
    assert done.code == 0, done.err
    socket = websocket.create_connection(quoting.websocket_url, timeout=PATIENCE_S)
    try:
        ask(socket, "auth", key_id="demo", secret=demo_secret(quoting))
        ask(socket, "subscribe", channels=["protections"])
        with Client(str(quoting.run_dir), "maker", timeout_s=PATIENCE_S) as client:
            client.subscribe_protections("deribit")
            entry = crossing(quoting)
            reply = client.quote([entry], "tight", quote_set="crossing")
            assert reply.results[0].orders, reply
            until_triggered(client)
            told = next_data(socket, "TRIGGERED")
            assert (told["mmp_group"], told["frozen_until_ns"]) == ("tight", 0)
            refused = client.quote([entry], "tight")
            assert refused.results[0].reason is m.RejectReason.PROTECTION
            reset = quoting.cli("mmp", "reset", "btc_usd", "--group", "tight")
            assert reset.code == 0 and "takes quotes" in reset.out
            next_data(socket, "RESET")
            client.cancel_quotes("deribit")
    finally:
        socket.close()


def crossing(desk: Desk) -> m.QuoteEntry:
    """A bid that trades at once."""
    (row,) = best_of(desk, BTC)
    return m.QuoteEntry(BTC, D(str(int(row["ask_price"] * 1.002))), D("10"))


def until_triggered(client: Client) -> None:
    end = time.monotonic() + PATIENCE_S
    for received in client.messages(timeout_s=PATIENCE_S):
        message = received.message if isinstance(received, Received) else None
        is_it = isinstance(message, m.ProtectionUpdated) and message.frozen_until_ns is not None
        if is_it or time.monotonic() > end:
            assert is_it
            return


def ask(socket: websocket.WebSocket, method: str, **params: Any) -> Any:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    while True:
        frame = json.loads(socket.recv())
        if frame.get("id") == 1:
            return frame["result"]


def next_data(socket: websocket.WebSocket, event: str) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        frame = json.loads(socket.recv())
        data: dict[str, Any] = frame.get("params", {}).get("data", {})
        if data.get("event") == event:
            return data
    raise AssertionError(f"{event} was not told")


def demo_secret(desk: Desk) -> str:
    keys = yaml.safe_load(desk.config_path.read_text())["gateway"]["keys"]
    return next(str(key["secret"]) for key in keys if key["key_id"] == "demo")


def test_the_kill_switch_cancels_quotes(quoting: Desk, tmp_path: Any) -> None:
    file = tmp_path / "quotes.json"
    file.write_text(json.dumps(far_quotes(quoting)))
    placed_quotes(quoting, file)
    try:
        assert quoting.cli("kill", "on", "--reason", "a test").code == 0
        eventually(lambda: open_quotes(quoting) == [])
        refused = quoting.cli("quote", str(file), "--mmp-group", "mm", "--json").json
        assert {result["reason"] for result in refused["results"]} == {"KILL_SWITCH"}
    finally:
        quoting.cli("kill", "off", "--reason", "a test is over")
