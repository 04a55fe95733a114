"""An engine that cannot start: who is told, what it says to do, and how the desk trades again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.desk import CHECKOUT, Desk, prepare, running
from tests.transport.receiving import MailServer, hook, serving

pytestmark = pytest.mark.xdist_group("fatal")  # one desk for all of them

ENGINE = "trading_engine.deribit.main"
PATIENCE_S = 60.0
PLACE = ("place", "deribit.BTC-PERPETUAL", "buy", "10", "--price", "50000", "--json")


@dataclass
class Told:
    """A desk whose webhook works and whose mail server answers byte by byte, for ever."""

    desk: Desk
    url: str
    posted: list[Any]
    mail: MailServer

    @property
    def texts(self) -> list[str]:
        return [each["text"] for each in list(self.posted)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with hook(200) as (url, posted), serving(MailServer(drips=True)) as mail:
        desk = prepare(tmp_path_factory.mktemp("fatal"))
        config = yaml.safe_load(desk.config_path.read_text())
        config["risk_file"] = "risk.yaml"
        config["alerts"] = {
            "webhook_env": "DESK_HOOK",
            "mail": {"host": "127.0.0.1", "port": mail.port, "security": "none"}
            | {"sender": "desk@test.invalid", "to": ["a@test.invalid"]},
        }
        desk.config_path.write_text(yaml.safe_dump(config))
        mend(desk)
        refused = desk.cli("up", "--config", str(desk.config_path))
        assert refused.code == 78 and "set the environment variable DESK_HOOK" in refused.err
        desk.environment["DESK_HOOK"] = url
        with running(desk):
            yield Told(desk, url, posted, mail)


def mend(desk: Desk) -> None:
    """The example's limits, wide enough for an order far from the market on a busy machine."""
    risk = yaml.safe_load((CHECKOUT / "config" / "risk.yaml").read_text())
    wide = {"price_collar_percent": 50, "max_age_ms": 5000, "max_profit_age_s": 60}
    risk["accounts"]["deribit.main"] |= wide | {"max_same_orders": 100_000}
    (desk.config_path.parent / "risk.yaml").write_text(yaml.safe_dump(risk))


def eventually(question: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {PATIENCE_S:g} s: {what}")


def row(desk: Desk, name: str) -> dict[str, Any]:
    rows = desk.cli("status", "--json").json["processes"]
    return next(dict(row) for row in rows if row["name"] == name)


def is_well(desk: Desk) -> bool:
    return desk.cli("status").code == 0


def test_row_17_a_fatal_engine_is_told_and_up_starts_it_and_kill_off_frees_it(told: Told) -> None:
    desk = told.desk
    (desk.config_path.parent / "risk.yaml").write_text("risk: [")
    os.kill(row(desk, ENGINE)["pid"], signal.SIGKILL)
    advice = f"crossdesk restart {ENGINE}"
    given_up = eventually(lambda: (r := row(desk, ENGINE))["next"] == advice and r, "FATAL")
    assert (given_up["state"], given_up["pid"], given_up["healthy"]) == ("STOPPED", None, False)
    text = eventually(lambda: next((t for t in told.texts if "FATAL" in t), ""), "it is told")
    assert f"next: mend the cause, {advice}, then crossdesk kill off --reason TEXT" in text
    eventually(lambda: row(desk, "watchdog")["text"] == f"given up: {ENGINE}", "and shown")
    shown = desk.cli("status").out
    assert f"next: {advice}" in shown and "next: crossdesk kill off --reason TEXT" in shown
    for command in (("restart", ENGINE), ("up", "--config", str(desk.config_path))):
        refused = desk.cli(*command)
        assert refused.code == 78 and "risk.yaml" in refused.err

    mend(desk)
    up = desk.cli("up", "--config", str(desk.config_path), "--json")
    assert up.code == 0 and not up.json["started"] and "FATAL" in up.json["latched"]["desk"], up
    assert desk.cli(*PLACE).json["reason"] == "KILL_SWITCH"
    assert desk.cli("kill", "off", "--reason", "mended").code == 0
    eventually(lambda: desk.cli(*PLACE).json.get("accepted"), "the desk trades again")
    assert desk.cli("cancel-all", "--venue", "deribit").code == 0
    eventually(lambda: is_well(desk), "all is well")


def test_restart_stops_and_starts_what_is_named(told: Told) -> None:
    desk = told.desk
    before = {name: row(desk, name)["pid"] for name in ("gateway", ENGINE, "watchdog")}
    done = desk.cli("restart", "gateway", ENGINE, "--json")
    assert done.code == 0 and done.json["latched"] == {}, done
    after = {name: row(desk, name)["pid"] for name in before}
    assert after["gateway"] != before["gateway"] and after[ENGINE] != before[ENGINE]
    assert after["watchdog"] == before["watchdog"]
    unknown = desk.cli("restart", "gatway")
    assert unknown.code == 2 and "no process 'gatway'" in unknown.err


def test_the_watchdog_is_listed_and_replaced_when_it_dies(told: Told) -> None:
    desk = told.desk
    eventually(lambda: is_well(desk), "all is well")
    pid = row(desk, "watchdog")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: (r := row(desk, "watchdog"))["healthy"] and r["pid"] not in (None, pid),
        "another watchdog",
    )


def test_a_receiver_that_never_answers_delays_nothing_and_secrets_stay_out_of_logs(
    told: Told,
) -> None:
    desk = told.desk
    eventually(lambda: is_well(desk), "all is well")
    pid = row(desk, "gateway")["pid"]
    os.kill(pid, signal.SIGSTOP)
    stuck = "gateway is stuck: killed"
    eventually(lambda: any(stuck in text for text in told.texts), "it is told")
    eventually(lambda: row(desk, "gateway")["pid"] not in (None, pid), "another gateway")
    eventually(lambda: told.mail.greeted >= 1, "mail is tried")
    assert told.mail.mails == []
    secret = Path(told.url).name
    for path in desk.run_dir.rglob("*.*"):
        assert secret.encode() not in content(path), path


def content(path: Path) -> bytes:
    """Of a file of a desk that runs and may replace it in this moment."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""
