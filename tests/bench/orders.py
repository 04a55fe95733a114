"""From sending an order to its acknowledgement: through the desk, and straight to the venue."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import websocket
import yaml
import zmq

from common import codec
from common.messages import CancelOrder, CommandReply, PlaceOrder, Side
from tests.bench.report import Row, percentile, show
from tests.bench.stacks import (
    CHECKOUT,
    Service,
    answers,
    processes,
    wait_for,
)
from tests.ports import HOST, free_port

SYMBOL = "BTC-PERPETUAL"
QUANTITY = 100
DESK_KEY = {"client_id": "bench", "client_secret": "bench-secret"}
DIRECT_KEY = {"client_id": "direct", "client_secret": "direct-secret"}
ORDERS = 60  # per round
ROUNDS = 6


class Direct:
    """The venue's own protocol on one WebSocket, as a bare client would use it."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, skip_utf8_validation=True)
        self._numbers = itertools.count(1)
        login = {"grant_type": "client_credentials"}
        self.call("public/auth", **login, **DIRECT_KEY)

    def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._socket.send(json.dumps(call))
        while True:
            reply = json.loads(self._socket.recv())
            if reply.get("id") == number:
                if "error" in reply:
                    raise SystemExit(f"bench: {method}: {reply['error']}")
                return reply["result"]

    def place(self, price: float) -> Callable[[], object]:
        """Place an order; the answer cancels it."""
        order = {"instrument_name": SYMBOL, "amount": QUANTITY, "price": price}
        placed = self.call("private/buy", **order, type="limit", post_only=True)
        return lambda: self.call("private/cancel", order_id=placed["order"]["order_id"])


class Desk:
    """Commands to the engine's socket, as a strategy sends them."""

    def __init__(self, endpoint: str) -> None:
        self._socket = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._numbers = itertools.count(1)

    def command(self, command: PlaceOrder | CancelOrder) -> CommandReply:
        request_id = f"bench-{next(self._numbers)}"
        frames = codec.encode_command(request_id, "bench", time.time_ns(), command)
        self._socket.send_multipart(frames)
        if not self._socket.poll(5000):
            raise SystemExit("bench: the engine does not answer")
        return codec.decode_reply(self._socket.recv_multipart()[-1])

    def try_place(self, price: float) -> CommandReply:
        exact = Decimal(str(price))
        order = PlaceOrder(
            f"deribit.{SYMBOL}", Side.BUY, Decimal(QUANTITY), price=exact, post_only=True
        )
        return self.command(order)

    def place(self, price: float) -> Callable[[], object]:
        reply = self.try_place(price)
        if not reply.accepted:
            raise SystemExit(f"bench: the engine refused: {reply.reason} {reply.text}")
        return lambda: self.command(CancelOrder(reply.orders[0].client_order_id))


def measure() -> None:
    port = free_port()
    with processes() as running:
        service = Service(running, _config(port))
        service.start("venue_simulator", "--venue", "deribit")
        url = f"http://{HOST}:{port}/api/v2/public/test"
        wait_for("venue_simulator", lambda: answers(url))
        service.start("market_data", "--venue", "deribit")
        service.start("trading_engine", "--venue", "deribit", "--account", "main")
        direct = Direct(f"ws://{HOST}:{port}/ws/api/v2")
        desk = Desk(service.run_dir.endpoint("orders.deribit.main"))
        mark = direct.call("public/ticker", instrument_name=SYMBOL)["mark_price"]
        price = float(round(mark * 0.95))
        wait_for("trading_engine", lambda: _is_ready(desk, price))
        _compare(desk.place, direct.place, price)


def _is_ready(desk: Desk, price: float) -> bool | None:
    reply = desk.try_place(price)
    if reply.accepted:
        desk.command(CancelOrder(reply.orders[0].client_order_id))
    return reply.accepted or None


def _compare(
    through_desk: Callable[[float], Callable[[], object]],
    directly: Callable[[float], Callable[[], object]],
    price: float,
) -> None:
    p50: tuple[list[float], list[float]] = [], []
    p99: tuple[list[float], list[float]] = [], []
    for number in range(-1, ROUNDS):
        for side, place in enumerate((through_desk, directly)):
            times = [_time(place, price) for _ in range(ORDERS)]
            if number >= 0:
                p50[side].append(percentile(times, 50))
                p99[side].append(percentile(times, 99))
    rows = [
        Row("place to acknowledge, p50", "ms", *p50, 1e-6),
        Row("place to acknowledge, p99", "ms", *p99, 1e-6),
    ]
    show("An order on the simulated venue", ("through the desk", "directly"), rows)


def _time(place: Callable[[float], Callable[[], object]], price: float) -> float:
    start_ns = time.monotonic_ns()
    cancel = place(price)
    took_ns = time.monotonic_ns() - start_ns
    cancel()
    return took_ns


def _config(port: int) -> dict[str, Any]:
    """The demo's world; both sides have an account of their own, without rate limits."""
    config = yaml.safe_load((CHECKOUT / "config" / "demo.yaml").read_text())
    simulator, venue = config["simulators"][0], config["venues"]["deribit"]
    simulator["port"] = port
    balances = {"BTC": "1000"}
    simulator["accounts"] = [
        {**key, "balances": balances, "limited": False} for key in (DESK_KEY, DIRECT_KEY)
    ]
    venue["websocket_url"] = f"ws://{HOST}:{port}/ws/api/v2"
    venue["http_url"] = f"http://{HOST}:{port}/api/v2"
    venue["market_data"]["read_only_credentials"] = DESK_KEY
    venue["accounts"] = [
        {"name": "main", "credentials": DESK_KEY, "rate_per_second": 5000, "rate_burst": 5000}
    ]
    return dict(config)
