"""The load: clients of the gateway that keep a history, and one that trades at the venue itself."""

from __future__ import annotations

import json
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
import websocket

from tests.e2e.desk import Desk
from tests.longrun import world
from tests.longrun.checker import is_final

ASK_AGAIN_S = 6.0  # without an answer
DOUBT_S = 2.0  # before asking what became of a doubt
DOUBTS = 4  # an engine keeps to its first answer, also when that was doubt
LISTEN_S = 0.02
AWAY_S = 0.2
WAYS = ("place", "place", "place", "cancel", "cancel", "modify")


class Asked:
    """A request that is not answered for good."""

    def __init__(self, method: str, params: dict[str, Any]) -> None:
        self.method, self.params = method, params
        self.again_at = 0.0
        self.doubts = 0


class GatewayClient(threading.Thread):
    """One owner over WebSocket: asks, listens, and asks the same again until it was answered."""

    def __init__(self, desk: Desk, owner: str, seed: int, per_second: float) -> None:
        super().__init__(name=f"client-{owner}", daemon=True)
        self._desk, self._owner, self._per_second = desk, owner, per_second
        self._dice = random.Random(f"{seed}-{owner}")
        path = desk.directory / "clients" / f"{owner}.jsonl"
        path.parent.mkdir(exist_ok=True)
        self._history = path.open("w")
        self._socket: Any = None
        self._open: dict[str, Asked] = {}
        self._orders: dict[str, dict[str, Any]] = {}  # alive, by client_order_id
        self._quotes: dict[str, tuple[float, float]] = {}
        self._number = 0
        self._next_at = 0.0
        self.is_loading = True
        self.is_over = threading.Event()

    @property
    def waiting(self) -> int:
        return len(self._open)

    def run(self) -> None:
        while not self.is_over.is_set():
            try:
                self._connect()
                while not self.is_over.is_set():
                    self._ask_what_is_due()
                    self._listen()
            except (websocket.WebSocketException, OSError, ValueError):
                self._note("lost", {})
                for asked in self._open.values():
                    asked.again_at = min(asked.again_at, time.monotonic() + AWAY_S)
                self.is_over.wait(AWAY_S)
        if self._socket is not None:
            with suppress(websocket.WebSocketException, OSError):
                self._socket.close()
        self._history.close()

    # --- the connection -----------------------------------------------------------------------

    def _connect(self) -> None:
        header = {"Authorization": f"Bearer {self._owner}.{self._owner}-secret"}
        self._socket = websocket.create_connection(
            self._desk.websocket_url, timeout=world.TIMEOUT_S, header=header
        )
        channels = ["orders", "fills"]
        channels += [f"quote.{world.VENUE}.{symbol}" for symbol in world.INSTRUMENTS]
        self._send("subscribe", "subscribe", {"channels": channels})
        self._socket.settimeout(LISTEN_S)

    def _send(self, name: str, method: str, params: dict[str, Any]) -> None:
        call = {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
        self._socket.send(json.dumps(call))

    def _listen(self) -> None:
        with suppress(websocket.WebSocketTimeoutException):
            text = self._socket.recv()
            if not text:
                raise ConnectionError("closed")
            self._take(json.loads(text))

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("method") == "subscription":
            self._hear(message["params"]["channel"], message["params"]["data"])
        elif message["id"] in self._open:
            self._answered(str(message["id"]), message)

    def _hear(self, channel: str, data: dict[str, Any]) -> None:
        if channel.startswith("quote."):
            if not data["stale"] and data["bid_price"] and data["ask_price"]:
                self._quotes[data["instrument"]] = data["bid_price"], data["ask_price"]
        elif data.get("type") == "snapshot":
            self._note("snapshot", {"channel": channel})
            if channel == "orders":
                self._orders = {row["client_order_id"]: row for row in data["orders"]}
        elif channel == "fills":
            self._note("fill", data)
        else:
            self._on_order(data)

    def _on_order(self, data: dict[str, Any]) -> None:
        name = data["client_order_id"]
        if data["status"] in ("NEW", "PARTIALLY_FILLED"):
            self._orders[name] = data
        else:
            self._orders.pop(name, None)

    # --- asking -------------------------------------------------------------------------------

    def _ask_what_is_due(self) -> None:
        now = time.monotonic()
        for name, asked in self._open.items():
            if now >= asked.again_at:
                self._ask(name, asked)
        if self.is_loading and now >= self._next_at:
            self._next_at = max(self._next_at, now - 1) + self._dice.expovariate(self._per_second)
            self._ask_anew()

    def _ask(self, name: str, asked: Asked) -> None:
        asked.again_at = time.monotonic() + ASK_AGAIN_S
        self._note("asked", {"request_id": name, "method": asked.method, "params": asked.params})
        self._send(name, asked.method, asked.params | {"request_id": name})

    def _ask_anew(self) -> None:
        way = self._dice.choice(WAYS)
        made = self._new_order() if way == "place" or not self._orders else self._change(way)
        if made is not None:
            self._number += 1
            name = f"{self._owner}{self._number}"
            self._open[name] = made
            self._ask(name, made)

    def _new_order(self) -> Asked | None:
        symbol = self._dice.choice(world.INSTRUMENTS)
        instrument = f"{world.VENUE}.{symbol}"
        bid, ask = self._quotes.get(instrument, (0.0, 0.0))
        if not bid:
            return None
        side = self._dice.choice(("BUY", "SELL"))
        params: dict[str, Any] = {"instrument": instrument, "side": side}
        params["quantity"] = str(10 * self._dice.randint(1, 20))
        if self._dice.random() < 0.1:
            return Asked("order.place", params | {"type": "MARKET"})
        away = self._dice.choice((0.0, 0.0, 0.001, 0.01, -0.0005))
        price = bid * (1 - away) if side == "BUY" else ask * (1 + away)
        params["price"] = str(round(price) if symbol.startswith("BTC") else round(price, 1))
        params["post_only"] = self._dice.random() < 0.5
        return Asked("order.place", params)

    def _change(self, way: str) -> Asked:
        name = self._dice.choice(sorted(self._orders))
        if way == "cancel":
            return Asked("order.cancel", {"client_order_id": name})
        quantity = str(10 * self._dice.randint(1, 30))
        return Asked("order.modify", {"client_order_id": name, "quantity": quantity})

    def _answered(self, name: str, message: dict[str, Any]) -> None:
        asked = self._open[name]
        outcome = {k: message[k] for k in ("result", "error") if k in message}
        line = {"request_id": name} | outcome
        self._note("answered", line)
        if is_final(line):
            del self._open[name]
            return
        asked.again_at = time.monotonic() + DOUBT_S
        asked.doubts += "result" in line
        if asked.doubts >= DOUBTS:
            del self._open[name]

    def _note(self, kind: str, fields: dict[str, Any]) -> None:
        line = fields | {"kind": kind, "at_ns": time.time_ns()}
        self._history.write(json.dumps(line) + "\n")


class Taker(threading.Thread):
    """A client of the venue with an account of its own: makes and takes, so that ours fill."""

    def __init__(self, desk: Desk, seed: int, per_second: float) -> None:
        super().__init__(name="taker", daemon=True)
        self._desk, self._per_second = desk, per_second
        self._dice = random.Random(f"{seed}-taker")
        self.is_over = threading.Event()

    def run(self) -> None:
        session = requests.Session()
        session.auth = (world.TAKER, world.TAKER)
        while not self.is_over.wait(self._dice.expovariate(self._per_second)):
            side = self._dice.choice(("buy", "sell"))
            params = {"instrument_name": "BTC-PERPETUAL", "amount": 10 * self._dice.randint(1, 30)}
            params["type"] = "market"
            url = f"{self._desk.venue_url}/api/v2/private/{side}"
            with suppress(requests.RequestException):
                session.get(url, params=params, timeout=world.TIMEOUT_S)


def clients_in(directory: Path) -> list[Path]:
    """Histories that a run wrote."""
    return sorted((directory / "clients").glob("*.jsonl"))
