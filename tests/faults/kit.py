"""A whole desk whose links to the venue pass through the fault proxy, and its venue's own truth."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests
import yaml

from common import messages as m
from common.client import Client, NoAnswer, NotRunning
from common.rundir import RunDir
from services.cli.supervisor import Supervisor
from tests.e2e.desk import CHECKOUT, HOST, Desk, prepare, running
from tests.faults.proxy import Proxy

ENGINE, MARKET_DATA = "trading_engine.deribit.main", "market_data.deribit"
POSITIONS, GATEWAY = "position_server.deribit.main", "gateway"
SYMBOL, PERPETUAL = "BTC-PERPETUAL", "deribit.BTC-PERPETUAL"
ORDERS = "orders.deribit.main"
OURS, OTHER = ("bench", "bench-secret"), ("demo", "demo-secret")  # ours has no rate limits
WIDE = {"rate_per_second": 200.0, "rate_burst": 500.0}
LIMITS = {"max_open_orders": 5000, "price_collar_percent": 50.0}
PATIENCE_S = 40.0
Limit = tuple[int, int]  # soft, hard
D = Decimal


def eventually(question: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not within {patience_s:g} s: {what}")


class Faulty:
    """A desk, the proxy before its venue, and a client at its sockets."""

    def __init__(self, desk: Desk, proxy: Proxy, key: tuple[str, str]) -> None:
        self.desk, self.proxy, self.key = desk, proxy, key
        self.supervisor = Supervisor(RunDir(desk.run_dir))
        self.client = Client(desk.run_dir, "tester", timeout_s=4.0)
        self._http = requests.Session()

    # --- the venue ----------------------------------------------------------------------------

    def venue(self, method: str, key: tuple[str, str] | None = None, **params: Any) -> Any:
        """Asked past the proxy."""
        url = f"{self.desk.venue_url}/api/v2/{method}"
        answer = self._http.get(url, params=params, auth=key or self.key, timeout=10).json()
        assert "error" not in answer, answer
        return answer["result"]

    def control(self, action: str, **fields: Any) -> Any:
        url = f"{self.desk.venue_url}/control/v1/{action}"
        answer = self._http.post(url, json=fields, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def venue_orders(self) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
        """Price, quantity and filled quantity of all open orders, by label."""
        found = self.venue("private/get_open_orders")
        return {x["label"]: tuple(_plain(x, *VENUE_WORDS)) for x in found}  # type: ignore[misc]

    def best(self, side: str) -> Decimal:
        book = self.venue("public/get_order_book", instrument_name=SYMBOL, depth=1)
        return D(str(book[f"best_{side}_price"]))

    # --- the desk -----------------------------------------------------------------------------

    def place(self, price: object = "50000", quantity: int = 10, **more: Any) -> m.CommandReply:
        side = more.pop("side", m.Side.BUY)
        return self.client.place(PERPETUAL, side, quantity, price=D(str(price)), **more)

    def try_place(self, price: object = "50000", **more: Any) -> m.CommandReply | None:
        """None while nobody answers."""
        with suppress(NoAnswer, NotRunning):
            return self.place(price, **more)
        return None

    def ask(self, command: m.Command) -> m.CommandReply | None:
        with suppress(NoAnswer, NotRunning):
            return self.client.command(ORDERS, command)
        return None

    def orders(self) -> dict[str, tuple[Decimal, Decimal, Decimal]] | None:
        """As venue_orders, by the engine; None while it does not answer or an order is in doubt."""
        reply = self.ask(m.QueryOrders())
        if reply is None or any(order.in_doubt_since_ns for order in reply.orders):
            return None
        return {
            x.client_order_id: (x.price or D(0), x.quantity, x.cum_quantity) for x in reply.orders
        }

    def order(self, client_order_id: str) -> m.OrderUpdated | None:
        reply = self.ask(m.QueryOrders(client_order_id))
        return reply.orders[0] if reply is not None and reply.orders else None

    def only(self, tag: str) -> m.OrderUpdated | None:
        """The one order of this tag, open or closed."""
        reply = self.ask(m.QueryOrders(closed=True))
        found = [order for order in reply.orders if order.tag == tag] if reply else []
        assert len(found) <= 1
        return found[0] if found else None

    def position(self) -> tuple[Decimal, Decimal] | None:
        """What we and what the venue hold of the perpetual."""
        with suppress(NoAnswer, NotRunning):
            account = self.client.query_account("deribit")
            if account is not None:
                rows = [x.quantity for x in account.positions if x.instrument == PERPETUAL]
                theirs = self.venue("private/get_position", instrument_name=SYMBOL)["size"]
                return sum(rows, D(0)), D(str(theirs))
        return None

    def is_equal(self) -> bool:
        """Engine and position server hold the venue's truth."""
        ours, positions = self.orders(), self.position()
        is_one = positions is not None and positions[0] == positions[1]
        return ours is not None and is_one and ours == self.venue_orders()

    def trades(self) -> bool:
        """A new order is taken, and cancelled again."""
        reply = self.try_place("45000")
        if reply is None or not reply.accepted:
            return False
        return bool(self.client.cancel(reply.orders[0]).accepted)

    # --- processes ----------------------------------------------------------------------------

    def pid(self, name: str = ENGINE) -> int:
        rows = self.supervisor.states()
        return next((int(row["pid"]) for row in rows if row["name"] == name), 0)

    def kill(self, *names: str) -> dict[str, int]:
        """kill -9; the pids they had."""
        pids = {name: self.pid(name) for name in names or (ENGINE,)}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        return pids

    def replaced(self, pids: dict[str, int]) -> bool:
        return all(self.pid(name) not in (0, pid) for name, pid in pids.items())

    @contextmanager
    def by_hand(
        self, service: str, limits: dict[int, Limit] | None = None, **environment: str
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the desk, started by the test instead of supervisord.

        limits: RLIMIT_... of it. environment: added to its own.
        """
        name = {"trading_engine": ENGINE, "gateway": GATEWAY}[service]
        self.supervisor.call("stopProcess", name)
        process = self.start(service, limits, **environment)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)
            self.supervisor.call("startProcess", name)

    def start(
        self,
        service: str,
        limits: dict[int, Limit] | None = None,
        run_dir: Path | None = None,
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """Another process beside those of supervisord."""
        command = [sys.executable, "-m", f"services.{service}"]
        command += ["--config", str(self.desk.config_path)]
        command += ["--run-dir", str(run_dir or self.desk.run_dir)]
        if service == "trading_engine":
            command += ["--venue", "deribit", "--account", "main"]

        def bound() -> None:
            for what, limit in (limits or {}).items():
                resource.setrlimit(what, limit)

        return subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=self.desk.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=bound,
        )

    def tidy(self) -> None:
        """No rule, no fault, no order, no latch is left."""
        self.proxy.rules.clear()
        self.proxy.slice_bytes, self.proxy.rate = 0, 0.0
        self.proxy.resume()
        self.control("clear-faults")
        for path in (self.desk.run_dir / "latch").iterdir():
            path.unlink(missing_ok=True)
        eventually(self.trades, "the desk trades")
        self.ask(m.CancelAll())
        eventually(self.is_equal, "the desk holds the venue's truth")
        self.proxy.requests.clear()


VENUE_WORDS = ("price", "amount", "filled_amount")


def _plain(row: dict[str, Any], *names: str) -> list[Decimal]:
    return [D(str(row[name])) for name in names]


@contextmanager
def faulty_desk(
    directory: Path,
    *,
    key: tuple[str, str] = OURS,
    account: dict[str, Any] | None = None,
    simulator: dict[str, Any] | None = None,
    market_data: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Faulty]:
    """A running desk behind a proxy. key: of the account it trades. environment: added to that of
    all its processes."""
    desk = prepare(directory)
    desk.environment.update(environment or {})
    with Proxy(desk.venue_port) as proxy:
        config = yaml.safe_load(desk.config_path.read_text())
        del config["watchdog"]  # its time is measured here
        venue = config["venues"]["deribit"]
        venue["websocket_url"] = f"ws://{HOST}:{proxy.port}/ws/api/v2"
        venue["http_url"] = f"http://{HOST}:{proxy.port}/api/v2"
        venue["accounts"][0]["credentials"] = {"client_id": key[0], "client_secret": key[1]}
        venue["accounts"][0] |= WIDE | {"limits": LIMITS} | (account or {})
        venue["market_data"] |= market_data or {}
        small = {"option_expiries": 1, "strikes_per_expiry": 2, "updates_per_second": 50}
        config["simulators"][0] |= {"control": True} | small | (simulator or {})
        desk.config_path.write_text(yaml.safe_dump(config))
        with running(desk):
            made = Faulty(desk, proxy, key)
            try:
                yield made
            finally:
                made.client.close()
