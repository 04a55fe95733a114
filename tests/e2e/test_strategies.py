"""Strategies on a whole desk: listed in its YAML, run by hand, broken, killed, tuned, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from common import messages as m
from common.client import Client, NotRunning, Received
from tests.e2e.desk import CHECKOUT, Desk, Result, prepare, running

PERP = "deribit.BTC-PERPETUAL"
RACES = {"ORDER_CLOSED", "UNKNOWN_ORDER"}  # a fill overtook a modify or cancel
BUSY = {"LATE", "LINK_DOWN", "NO_MARKET_DATA"}  # the machine, or the engine is just starting
PATIENCE_S = 60.0
BREAKS = """
from common.messages import Side
from common.strategy import Parameters, Strategy


class When(Parameters):
    now: bool = False


class Breaks(Strategy[When]):
    def on_start(self) -> None:
        self.place("deribit.ETH-PERPETUAL", Side.BUY, 10, price="1800", post_only=True)

    def on_parameters(self) -> None:
        if self.parameters.now:
            raise RuntimeError("told you so")
"""

HOLDS = """
from common.messages import Side
from common.strategy import Strategy


class Holds(Strategy):
    def on_start(self) -> None:
        self.set_timer("look", after_s=0.2, every_s=0.2)

    def on_timer(self, name: str) -> None:
        if self.can_trade and not self.working_orders:
            self.place("deribit.ETH-PERPETUAL", Side.BUY, 10, price="1700", post_only=True)
"""

pytestmark = pytest.mark.xdist_group("strategies")


@pytest.fixture(scope="module")
def strategies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that lists a quoter, a strategy whose file is broken, and one that holds an order."""
    desk = prepare(tmp_path_factory.mktemp("strategies"))
    (desk.directory / "holds.py").write_text(HOLDS)
    (desk.directory / "broken.py").write_text("import decimal\n\ndecimal.Decimal('x')\n")
    config = yaml.safe_load(desk.config_path.read_text())
    # So narrow that it is the best price: the next taker is its own, not one in twenty seconds.
    quoter = {"instrument": PERP, "half_spread_bps": 0.1}
    config["strategies"] = [
        {
            "name": "quoter",
            "file": str(CHECKOUT / "strategies" / "quoter.py"),
            "venue": "deribit",
            "parameters": quoter,
        },
        {"name": "broken", "file": "broken.py", "venue": "deribit"},
        {"name": "holds", "file": "holds.py", "venue": "deribit", "cancel_if_silent_s": 3},
    ]
    desk.config_path.write_text(yaml.safe_dump(config))
    with running(desk):
        yield desk


def eventually(question: Callable[[], Any], what: str) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(NotRunning):
            if answer := question():
                return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S:g} s: {what}")


def ok(result: Result) -> Any:
    assert result.code == 0, result.out + result.err
    return result.json


def listed(desk: Desk, name: str) -> dict[str, Any]:
    """A strategy's row of `strategy list`; {} where there is none."""
    lines = desk.cli("strategy", "list", "--json").out.splitlines()
    rows = [yaml.safe_load(line) for line in lines]
    return next((row for row in rows if row["name"] == name), {})


def told(desk: Desk, name: str) -> dict[str, Any]:
    """What a strategy that runs says of itself."""
    row = eventually(lambda: "fills" in (r := listed(desk, name)) and r, f"{name} is heard")
    return dict(row)


def has_traded(desk: Desk, name: str, fills: int) -> bool:
    """More than so often, with another account that sells and buys through the best prices."""
    for side in ("sell", "buy"):
        url = f"{desk.venue_url}/api/v2/private/{side}"
        order = {"instrument_name": PERP.partition(".")[2], "amount": 100_000, "type": "market"}
        requests.get(url, order, auth=("bench", "bench-secret"), timeout=PATIENCE_S)
    return bool(told(desk, name)["fills"] > fills)


def process(desk: Desk, name: str) -> dict[str, Any]:
    rows = desk.cli("status", "--json").json["processes"]
    return next(row for row in rows if row["name"] == name)


def orders(desk: Desk, owner: str) -> list[dict[str, Any]]:
    return [row for row in ok(desk.cli("orders", "--json"))["orders"] if row["owner"] == owner]


@contextmanager
def by_hand(desk: Desk, file: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`crossdesk strategy run` until the block ends, then Ctrl-C."""
    command = [sys.executable, "-m", "services.cli", "strategy", "run", str(file), *options]
    command += ["--run-dir", str(desk.run_dir)]
    started = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=desk.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGINT)
        assert started.wait(PATIENCE_S) == 0


def test_the_quoter_trades_and_survives_crashes(strategies: Desk) -> None:
    """Its host and the engine are killed on the way; the position stays the account's."""
    desk = strategies
    eventually(lambda: len(orders(desk, "quoter")) == 2, "two quotes")
    for name in ("strategy_host.quoter", "trading_engine.deribit.main"):
        before = process(desk, name)["pid"]
        os.kill(before, signal.SIGKILL)
        eventually(
            lambda name=name, before=before: process(desk, name)["pid"] not in (None, before), name
        )
        eventually(lambda: process(desk, "strategy_host.quoter")["healthy"], "quoter is back")
    fills = told(desk, "quoter")["fills"]
    eventually(lambda: has_traded(desk, "quoter", fills), "it goes on trading")
    row = told(desk, "quoter")
    assert row["state"] == "running"
    # What was sent in the moment of the crash could not be known to find nobody.
    assert set(row["rejects"]) <= RACES | BUSY | {"NOT_READY"}
    assert row["rejects"].get("NOT_READY", 0) <= 2
    with desk.calm(PERP.partition(".")[2]):  # two looks at what moves would never be the same
        eventually(lambda: is_the_accounts(desk), "own position equals the account's")
    # A side that was just filled or is being moved is away for a moment.
    eventually(
        lambda: {order["side"] for order in orders(desk, "quoter")} == {"BUY", "SELL"},
        "both sides quoted",
    )


def is_the_accounts(desk: Desk) -> bool:
    """No other owner trades this instrument here."""
    held = [Decimal(p["quantity"]) for p in told(desk, "quoter")["positions"]]
    rows = ok(desk.cli("positions", "--json"))["positions"]
    theirs = [Decimal(row["quantity"]) for row in rows if row["instrument"] == PERP]
    return sum(held) == sum(theirs)


def test_parameters_are_set_at_run_time(strategies: Desk) -> None:
    # So far away that nobody trades with them, and whatever the position is both sides may grow.
    far = ("half_spread_bps=50", "max_position=10000")
    assert ok(strategies.cli("strategy", "set", "quoter", "quantity=200", *far, "--json"))
    eventually(lambda: left_of(orders(strategies, "quoter")) == [200, 200], "the new size")
    refused = strategies.cli("strategy", "set", "quoter", "quantty=200", "--json")
    assert refused.code == 1 and "quantty: no such parameter" in refused.err
    assert refused.json["field"] == "quantty"
    nobody = strategies.cli("strategy", "set", "nobody", "x=1")
    assert nobody.code == 1 and "does not run" in nobody.err
    assert ok(strategies.cli("strategy", "reset", "quoter", "--json"))


def left_of(orders: list[dict[str, Any]]) -> list[Decimal]:
    return [Decimal(order["quantity"]) - Decimal(order["cum_quantity"]) for order in orders]


def test_a_broken_file_stops_only_itself_and_shows_its_line(strategies: Desk) -> None:
    row = eventually(
        lambda: (r := process(strategies, "strategy_host.broken"))["text"] and r, "it says why"
    )
    assert not row["healthy"] and "broken.py:3: InvalidOperation" in row["text"]
    assert "broken.py:3" in told(strategies, "broken")["last_error"]
    log = (strategies.run_dir / "logs" / "strategy_host.broken.log").read_text()
    assert "broken.py:3: InvalidOperation" in log
    eventually(lambda: process(strategies, "strategy_host.quoter")["healthy"], "others are well")


def test_an_error_at_run_time_cancels_that_strategys_orders(strategies: Desk) -> None:
    file = strategies.directory / "breaks.py"
    file.write_text(BREAKS)
    with by_hand(strategies, file):
        eventually(lambda: orders(strategies, "breaks"), "its order")
        strategies.cli("strategy", "set", "breaks", "now=true")
        row = eventually(
            lambda: (found := listed(strategies, "breaks")).get("state") == "error" and found,
            "its error",
        )
        place = "breaks.py:16: RuntimeError: told you so"
        assert place in row["last_error"]
        eventually(lambda: not orders(strategies, "breaks"), "its order is cancelled")
        eventually(lambda: orders(strategies, "quoter"), "others go on")
        again = strategies.cli("strategy", "run", str(file))
        assert again.code == 78 and "in use by another process" in again.err


def test_the_orders_of_a_silent_host_are_cancelled_until_it_is_heard_again(
    strategies: Desk,
) -> None:
    """It stands still; the watchdog replaces it unless it goes on before."""
    desk = strategies
    order = eventually(lambda: orders(desk, "holds"), "its order")[0]
    pid = eventually(lambda: process(desk, "strategy_host.holds")["pid"], "its host")
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: is_cancelled_for_silence(desk, order["client_order_id"]), "the switch")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: orders(desk, "holds"), "its next order")
    eventually(lambda: process(desk, "strategy_host.quoter")["healthy"], "others are well")


def is_cancelled_for_silence(desk: Desk, client_order_id: str) -> bool:
    story = ok(desk.cli("explain", client_order_id, "--json"))
    why = any("holds was last heard" in step["text"] for step in story["steps"])
    return why and story["order"]["status"] == "CANCELED"


def test_stop_takes_the_quotes_away_and_start_brings_them_back(strategies: Desk) -> None:
    assert ok(strategies.cli("strategy", "stop", "quoter", "--json"))
    eventually(lambda: orders(strategies, "quoter") == [], "no quotes")
    assert strategies.cli("strategy", "stop", "quoter").code == 1
    assert listed(strategies, "quoter")["state"] == "not running"
    assert ok(strategies.cli("strategy", "start", "quoter", "--json"))
    eventually(lambda: len(orders(strategies, "quoter")) == 2, "two quotes")
    eventually(lambda: has_traded(strategies, "quoter", 0), "it remembers, or trades again")


def test_the_hedger_flattens_the_delta_of_an_option(strategies: Desk) -> None:
    desk = strategies
    assert ok(desk.cli("strategy", "stop", "quoter", "--json"))
    settings = desk.directory / "hedger.yaml"
    parameters = {"instrument": PERP, "band": 0.1, "wait_s": 0.5}
    settings.write_text(yaml.safe_dump({"name": "hedger", "parameters": parameters}))
    option = an_option(desk)
    with by_hand(desk, CHECKOUT / "strategies" / "delta_hedger.py", "--config", str(settings)):
        eventually(lambda: listed(desk, "hedger").get("state") == "running", "it runs")
        desk.place(option, "buy", "2", "--type", "market")
        eventually(lambda: told(desk, "hedger")["fills"] > 0, "it hedged")
        eventually(lambda: abs(delta(desk)) <= 0.1, "delta within the band")
        assert set(told(desk, "hedger")["rejects"]) <= BUSY
        assert ok(desk.cli("strategy", "stop", "hedger", "--json"))
    assert listed(desk, "hedger")["state"] == "not running"


def delta(desk: Desk) -> float:
    with Client(str(desk.run_dir), "test", timeout_s=PATIENCE_S) as client:
        account = client.query_account("deribit")
    assert account is not None
    found = [exposure.delta for exposure in account.exposures if exposure.underlying == "BTC"]
    return found[0] if found else 0.0


def an_option(desk: Desk) -> str:
    """A call near the money, of the latest expiry."""
    found: list[m.InstrumentDefinition] = []
    mark = 0.0
    with Client(str(desk.run_dir), "test") as client:
        client.subscribe("instruments.deribit")
        client.subscribe_ticker(PERP)
        for received in client.messages(timeout_s=PATIENCE_S):
            if isinstance(received, Received) and isinstance(received.message, m.InstrumentList):
                found += received.message.instruments
                whole = received.message.part + 1 == received.message.parts
            if isinstance(received, Received) and isinstance(received.message, m.Ticker):
                mark = received.message.mark_price or mark
            if found and whole and mark:
                break
    calls = [d for d in found if d.option_type is m.OptionType.CALL and d.base == "BTC"]
    calls = [d for d in calls if d.contract_type is m.ContractType.INVERSE]
    last = max(d.expiration_ns or 0 for d in calls)
    of_last = [d for d in calls if d.expiration_ns == last]
    return min(of_last, key=lambda d: abs(float(d.strike or 0) - mark)).instrument


# --- what is refused before anything starts --------------------------------------------------

# what the strategy's YAML says, what the error names
BAD = [
    ({"name": "Not a name"}, "strategies.name"),
    ({"venue": "nowhere"}, "venue"),
    ({"account": "none"}, "account"),
    ({"parameters": {"instrument": PERP, "sice": 1}}, "sice: no such parameter"),
    ({"parameters": {}}, "instrument: is missing"),
    ({"parameter": {}}, "parameter"),
    ({"name": "quoter", "parameters": {"instrument": PERP}}, "the desk lists 'quoter'"),
]


@pytest.mark.parametrize(("settings", "named"), BAD, ids=[row[1] for row in BAD])
def test_bad_settings_are_named(strategies: Desk, tmp_path: Path, settings, named) -> None:
    path = tmp_path / "strategy.yaml"
    path.write_text(yaml.safe_dump(settings))
    file = str(CHECKOUT / "strategies" / "quoter.py")
    name = () if "name" in settings else ("--name", "another")
    done = strategies.cli("strategy", "run", file, "--config", str(path), *name)
    assert done.code in (2, 78) and named in done.err and "Traceback" not in done.err


def test_simulate_needs_no_desk_and_says_the_same_twice(tmp_path: Path) -> None:
    desk = prepare(tmp_path)
    file = str(CHECKOUT / "strategies" / "quoter.py")
    settings = str(CHECKOUT / "strategies" / "quoter.yaml")
    command = ("strategy", "simulate", file, "--config", settings, "--seconds", "20", "--json")
    first, second = (ok(desk.cli(*command)) for _ in range(2))
    assert first == second and first["state"] == "stopped" and first["order_events"] > 0
