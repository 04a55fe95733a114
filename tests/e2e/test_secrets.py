"""Canary secrets are nowhere to be found in what a whole desk writes, sends and shows (P19)."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import websocket
import yaml

from tests import figures
from tests.e2e.desk import CHECKOUT, Desk, Result, prepare, running
from tests.e2e.test_desk import PATIENCE_S as WAIT_S, PERPETUAL, PLACE, eventually, ok

VENUE, OTHER, KEY, HOOK, WRONG = (f"canary-{n}-{'x' * 32}" for n in range(5))
TOKEN = re.compile(rb"(?:access|refresh)_token\\*\"\s*:\s*\\*\"(?!\*)[^\"\\]")
TOPICS = ("order.", "fill.", "account.", "risk.", "health.", "strategy.", "profit.")


@pytest.fixture
def canaries(tmp_path: Path) -> Desk:
    """A desk at level TRACE whose every secret is a canary; alerts go to a webhook that is dead."""
    made = prepare(tmp_path / "desk")
    config = yaml.safe_load(made.config_path.read_text())
    config["simulators"][0]["accounts"][0]["client_secret"] = VENUE
    venue = config["venues"]["deribit"]
    named = {"client_id_env": "CANARY_ID", "client_secret_env": "CANARY_SECRET"}
    venue["accounts"][0]["credentials"] = named
    venue["market_data"]["read_only_credentials"] = named
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    config["gateway"]["keys"] = [
        {"key_id": "k", "secret_sha256": digest, "owner": "demo", "scopes": ["read", "trade"]}
    ]
    config["alerts"] = {"webhook_env": "CANARY_HOOK"}
    made.config_path.write_text(yaml.safe_dump(config))
    made.environment |= {
        "CANARY_ID": "demo",
        "CANARY_SECRET": VENUE,
        "CANARY_HOOK": f"http://127.0.0.1:9/{HOOK}",
        "CROSSDESK_KEY": f"k.{KEY}",
        "LOG_LEVEL": "TRACE",
    }
    return made


def test_no_canary_is_found_anywhere(canaries: Desk) -> None:
    desk = canaries
    shown: list[Result] = []
    answers: list[str] = []
    bus = desk.directory / "bus.jsonl"
    with running(desk), bus.open("wb") as out:
        command = [sys.executable, "-m", "services.cli", "--json", "tap", *TOPICS]
        command += ["--run-dir", str(desk.run_dir)]
        tap = subprocess.Popen(
            command, cwd=CHECKOUT, env=desk.environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            eventually(lambda: bus.stat().st_size, "the bus speaks")
            shown += use(desk)
            answers += knock(desk)
            shown.append(with_a_wrong_secret(desk))
            assert not holding(arguments(desk))
        finally:
            tap.terminate()
            tap.wait(WAIT_S)
    assert any(result.code == 0 for result in shown)
    texts = [text.encode() for result in shown for text in (result.out, result.err)]
    texts += [answer.encode() for answer in answers]
    assert holding(texts) == []
    files = [path for path in (*desk.run_dir.rglob("*"), bus) if path.is_file()]
    assert any(path.suffix == ".segment" for path in files)
    assert [path for path in files if holding([path.read_bytes()])] == []
    figures.note("P19", "secrets in files, bus, arguments and answers", "0", "0", True)


def use(desk: Desk) -> list[Result]:
    """Orders, and what the command line shows of the desk."""
    placed = desk.cli(*PLACE, "--json")
    order = ok(placed)["client_order_id"]
    commands = [("cancel", order), ("status", "--json"), ("config",), ("logs", "-n", "200")]
    commands += [("explain", order), ("journal", "dump"), ("book", PERPETUAL, "--once")]
    return [placed, *(desk.cli(*command) for command in commands)]


def knock(desk: Desk) -> list[str]:
    """Logins at the gateway that fail, with words that it must not repeat."""
    link = websocket.create_connection(desk.websocket_url, timeout=WAIT_S)
    try:
        login = {"key_id": "k", "secret": WRONG}
        link.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "login", "params": login}))
        answers = [str(link.recv())]
    finally:
        link.close()
    url = f"{desk.gateway_url}/api/v1/orders"
    for headers in ({"Authorization": f"Bearer k.{WRONG}"}, {"Authorization": f"Basic {WRONG}"}):
        answers.append(requests.get(url, headers=headers, timeout=WAIT_S).text)
    assert all("error" in answer or "reason" in answer for answer in answers)
    return answers


def with_a_wrong_secret(desk: Desk) -> Result:
    """The stand-alone kill switch logs in by itself; the venue refuses this one."""
    desk.environment["CANARY_SECRET"] = OTHER
    refused = desk.cli("kill", "on", "--venue", "deribit", "--reason", "a try")
    desk.environment["CANARY_SECRET"] = VENUE
    return refused


def arguments(desk: Desk) -> list[bytes]:
    found = []
    for pid in desk.processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
    return found


def holding(texts: list[bytes]) -> list[bytes]:
    """The parts of these texts that should not be in them."""
    canaries = [word.encode() for word in (VENUE, OTHER, KEY, HOOK, WRONG)]
    found = [word for word in canaries for text in texts if word in text]
    return found + [match[0] for text in texts if (match := TOKEN.search(text)) is not None]
