"""The position server of a whole desk, beside what the venue itself says of the same account."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgpack
import pytest
import requests
import zmq

from common import codec
from common.messages import AccountSnapshot, PositionUpdated, QueryPositions, Side
from common.rundir import RunDir
from tests.e2e.desk import WAIT_S, Desk
from tests.e2e.test_desk import eventually, ok, order_of

D = Decimal
DEMO = ("demo", "demo-secret")
INVERSE, LINEAR, SPOT = "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC"


class Account:
    """The same account from both sides: our sockets, and the venue's HTTP."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.context = zmq.Context()
        self.run_dir = RunDir(desk.run_dir)
        self._http = requests.Session()
        self._http.auth = DEMO

    def venue(self, method: str, **params: Any) -> Any:
        url = f"{self.desk.venue_url}/api/v2/{method}"
        reply = self._http.get(url, params=params, timeout=WAIT_S).json()
        assert "error" not in reply, reply
        return reply["result"]

    def theirs(self) -> dict[str, dict[str, Any]]:
        rows = self.venue("private/get_positions", currency="any")
        return {f"deribit.{row['instrument_name']}": row for row in rows if row["size"]}

    def ask(self) -> AccountSnapshot | None:
        """The position server's answer; None while it is away or not ready."""
        socket = self.context.socket(zmq.DEALER)
        socket.connect(self.run_dir.endpoint("position_queries.deribit.main"))
        try:
            socket.send_multipart(
                codec.encode_command("q", "test", time.time_ns(), QueryPositions())
            )
            if not socket.poll(1000):
                return None
            return codec.decode_reply(socket.recv_multipart()[-1]).account
        finally:
            socket.close(0)

    def ours(self) -> dict[str, PositionUpdated]:
        snapshot = eventually(self.ask, "the position server answers")
        return {row.instrument: row for row in snapshot.positions}

    def agrees(self) -> bool:
        """Both sides hold the same open positions at the same averages, and ours are confirmed."""
        theirs = self.theirs()
        ours = {name: row for name, row in self.ours().items() if row.quantity and row.confirmed}
        return theirs.keys() == ours.keys() and all(
            ours[name].quantity == D(str(row["size"]))
            and abs(ours[name].average_price - D(str(row["average_price"]))) < D("1e-6")
            for name, row in theirs.items()
        )

    def push(self, payload: bytes) -> None:
        socket = self.context.socket(zmq.PUSH)
        socket.connect(self.run_dir.endpoint("inventory.deribit.main"))
        socket.send(payload)
        socket.close(int(WAIT_S * 1000))

    def exposure(self, underlying: str) -> Any:
        snapshot = eventually(self.ask, "the position server answers")
        return next((row for row in snapshot.exposures if row.underlying == underlying), None)


@pytest.fixture
def account(desk: Desk) -> Iterator[Account]:
    made = Account(desk)
    yield made
    made.context.destroy(linger=0)


def a_call(account: Account) -> str:
    """An option near the money that somebody buys."""
    index = account.venue("public/get_index_price", index_name="btc_usd")["index_price"]
    rows = account.venue("public/get_instruments", currency="BTC", kind="option")
    last = max(row["expiration_timestamp"] for row in rows)
    calls = [r for r in rows if r["option_type"] == "call" and r["expiration_timestamp"] == last]
    return str(min(calls, key=lambda row: abs(row["strike"] - index))["instrument_name"])


def trade_at_venue(account: Account, side: str, symbol: str, amount: str) -> None:
    done = account.venue(f"private/{side}", instrument_name=symbol, amount=amount, type="market")
    assert done["order"]["order_state"] == "filled", done


def trade_by_desk(account: Account, side: Side, symbol: str, quantity: str) -> str:
    """Its client_order_id."""
    line = (f"deribit.{symbol}", side.value.lower(), quantity, "--type", "market")
    name = str(account.desk.place(*line)["client_order_id"])
    eventually(lambda: order_of(account.desk, name)["status"] == "FILLED", "it is filled")
    return name


def test_fills_of_the_desk_and_of_outsiders_add_up_to_the_venues_positions(
    account: Account,
) -> None:
    option = a_call(account)
    trade_by_desk(account, Side.BUY, INVERSE, "300")
    trade_at_venue(account, "buy", INVERSE, "200")
    sold = trade_by_desk(account, Side.SELL, INVERSE, "400")
    trade_at_venue(account, "sell", LINEAR, "0.05")
    trade_at_venue(account, "buy", LINEAR, "0.02")
    trade_at_venue(account, "sell", option, "0.5")
    eventually(account.agrees, "both sides hold the same positions")

    def are_valued_alike() -> bool:
        """The market moves on between the two looks, and the desk's first figures come late."""
        ours, theirs = account.ours(), account.theirs()
        names = [f"deribit.{symbol}" for symbol in (INVERSE, LINEAR, option)]
        vegas = ours[names[-1]].vega, theirs[names[-1]]["vega"]
        return vegas[0] == pytest.approx(vegas[1], rel=0.05) and all(
            ours[name].delta == pytest.approx(theirs[name]["delta"], rel=0.05)
            and (ours[name].initial_margin or 0) > 0
            for name in names
        )

    eventually(are_valued_alike, "deltas, vega and margins")
    ours = account.ours()
    held = ours[f"deribit.{INVERSE}"]
    price = D(order_of(account.desk, sold)["avg_price"])
    assert held.realized_pnl == pytest.approx(400 / held.average_price - 400 / price, abs=D("1e-9"))


def test_a_killed_position_server_knows_positions_and_realised_profit_again(
    account: Account,
) -> None:
    trade_by_desk(account, Side.BUY, INVERSE, "100")
    trade_by_desk(account, Side.SELL, INVERSE, "100")
    trade_by_desk(account, Side.BUY, INVERSE, "50")
    eventually(account.agrees, "both sides hold the same positions")
    before = account.ours()[f"deribit.{INVERSE}"]
    status = ok(account.desk.cli("status", "--json"))["processes"]
    pid = next(row["pid"] for row in status if row["name"] == "position_server.deribit.main")
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        snapshot = account.ask()
        rows = {row.instrument: row for row in snapshot.positions} if snapshot else {}
        now = rows.get(f"deribit.{INVERSE}")
        return now is not None and (now.quantity, now.realized_pnl, now.fees, now.confirmed) == (
            before.quantity,
            before.realized_pnl,
            before.fees,
            True,
        )

    eventually(is_back, "quantity, realised profit and fees are as before")


def test_spot_fills_make_a_position_of_ours(account: Account) -> None:
    before = account.ours().get(f"deribit.{SPOT}")
    trade_by_desk(account, Side.BUY, SPOT, "0.1")
    expected = (before.quantity if before else D(0)) + D("0.1")

    def is_counted() -> bool:
        row = account.ours().get(f"deribit.{SPOT}")
        return row is not None and row.quantity == expected and row.unrealized_pnl is not None

    eventually(is_counted, "the spot position and its profit")


def test_outside_inventory_counts_from_any_language(account: Account) -> None:
    before = account.exposure("SOL")
    assert before is None or before.inventory == 0
    plain = ["InventoryDelta", "amm:sol-usdc", "SOL", "-12.5", time.time_ns()]
    account.push(b"\xc1 not msgpack")
    account.push(msgpack.packb([*plain[:3], 12.5, plain[4]]))  # a float is not exact
    account.push(msgpack.packb(plain))

    def is_counted() -> bool:
        row = account.exposure("SOL")
        return row is not None and (row.inventory, row.delta) == (-12.5, -12.5)

    eventually(is_counted, "the inventory is in the exposure")
    account.push(msgpack.packb(["InventoryDelta", "amm:sol-usdc", "SOL", "0", time.time_ns()]))
    eventually(lambda: account.exposure("SOL").inventory == 0, "the inventory is gone again")
