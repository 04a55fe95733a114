"""The desk of a long run: one account, strategies, keys for clients, a venue that keeps a log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import requests
import yaml

from common.rundir import RunDir
from services.cli.supervisor import Supervisor
from tests.e2e.desk import CHECKOUT, Desk, prepare
from tests.longrun.evidence import Final

INSTRUMENTS = ("BTC-PERPETUAL", "ETH-PERPETUAL")
OWNERS = ("ann", "bob", "cid")
TAKER = "taker"  # another account at the venue, which trades with ours
ADMIN = {"Authorization": "Bearer demo.demo-secret"}
VENUE, ACCOUNT = "deribit", "main"
TIMEOUT_S = 5


def make(directory: Path, *, limited: bool) -> Desk:
    """Configured, not started. limited: the account has the venue's usual rate tier, else none."""
    desk = prepare(directory)
    config = yaml.safe_load(desk.config_path.read_text())
    config["gateway"]["keys"] += [
        {"key_id": name, "secret": f"{name}-secret", "scopes": ["read", "trade"]} for name in OWNERS
    ]
    simulator = config["simulators"][0] | {"control": True, "truth_log": "truth.jsonl"}
    simulator["accounts"].append(
        {"client_id": TAKER, "client_secret": TAKER, "balances": {"BTC": "1000"}, "limited": False}
    )
    simulator["accounts"][0]["limited"] = limited
    config["simulators"][0] = simulator
    if not limited:
        config["venues"][VENUE]["accounts"][0] |= {"rate_per_second": 200, "rate_burst": 200}
    config["strategies"] = [_strategy("quoter"), _strategy("delta_hedger")]
    limits = config["venues"][VENUE]["accounts"][0]["limits"]
    limits |= {"max_orders_per_second": 200, "price_collar_percent": 50}
    desk.config_path.write_text(yaml.safe_dump(config))
    return desk


def _strategy(name: str) -> dict[str, Any]:
    told = yaml.safe_load((CHECKOUT / "strategies" / f"{name}.yaml").read_text())
    return dict(told) | {"file": str(CHECKOUT / "strategies" / f"{name}.py")}


def supervisor(desk: Desk) -> Supervisor:
    return Supervisor(RunDir(desk.run_dir))


def pids(desk: Desk) -> dict[str, int]:
    """Of what runs, by process."""
    return {row["name"]: int(row["pid"]) for row in supervisor(desk).states() if row["pid"]}


def get(desk: Desk, path: str) -> Any:
    """What the gateway says to an admin; None while it says nothing."""
    try:
        answer = requests.get(f"{desk.gateway_url}/api/v1{path}", headers=ADMIN, timeout=TIMEOUT_S)
    except requests.RequestException:
        return None
    return answer.json() if answer.ok else None


def cancel_all(desk: Desk) -> None:
    try:
        url = f"{desk.gateway_url}/api/v1/orders"
        requests.delete(url, headers=ADMIN, timeout=TIMEOUT_S)
    except requests.RequestException:
        return


def at_venue(desk: Desk, method: str, client: str = "demo", **params: Any) -> Any:
    """A private call of the venue, straight; None where it fails."""
    secret = f"{client}-secret" if client == "demo" else client
    url = f"{desk.venue_url}/api/v2/{method}"
    try:
        answer = requests.get(url, params=params, auth=(client, secret), timeout=TIMEOUT_S)
        return answer.json().get("result")
    except (requests.RequestException, ValueError):
        return None


def control(desk: Desk, action: str, **fields: Any) -> None:
    """Disturb the simulated venue; docs/simulator.md lists the actions."""
    try:
        requests.post(f"{desk.venue_url}/control/v1/{action}", json=fields, timeout=TIMEOUT_S)
    except requests.RequestException:
        return  # it is stopped just now


def standing(desk: Desk) -> Final | None:
    """Both sides as they stand; None while one of them does not say."""
    orders, positions = get(desk, "/orders"), get(desk, "/positions")
    venue_orders = at_venue(desk, "private/get_open_orders")
    venue_positions = at_venue(desk, "private/get_positions", currency="any")
    if None in (orders, positions, venue_orders, venue_positions):
        return None
    return Final(
        [row["client_order_id"] for row in orders["orders"]],
        [row["label"] for row in venue_orders],
        {row["instrument"].partition(".")[2]: row["quantity"] for row in positions["positions"]},
        {row["instrument_name"]: str(row["size"]) for row in venue_positions},
    )


def collect(desk: Desk, final: Final) -> Path:
    """Put what the checker needs into one directory."""
    evidence = desk.directory / "evidence"
    evidence.mkdir(exist_ok=True)
    shutil.copy(desk.run_dir / "truth.jsonl", evidence)
    journal = desk.run_dir / "state" / f"{VENUE}.{ACCOUNT}.journal"
    shutil.copytree(journal, evidence / "journals" / f"{VENUE}.{ACCOUNT}", dirs_exist_ok=True)
    shutil.copytree(desk.directory / "clients", evidence / "clients", dirs_exist_ok=True)
    (evidence / "final.json").write_bytes(msgspec.json.encode(final))
    return evidence
